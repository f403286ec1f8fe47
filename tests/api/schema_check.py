"""A small JSON Schema checker for the subset that api/openapi.json uses.

An unknown keyword is an error of the schema, never silently ignored, so a check cannot pass
because the checker does not understand it.
"""

import json
import math
import operator
import re

ANNOTATIONS = frozenset(
    ("title", "description", "default", "examples", "format", "deprecated", "readOnly", "writeOnly")
)


class SchemaError(Exception):
    """The schema itself is wrong: an unknown keyword, a dangling $ref."""


def resolve(ref, root):
    """Returns what the local JSON Pointer reference `ref` points to in `root`."""
    if not ref.startswith("#/"):
        raise SchemaError(f"only local references are known, not {ref}")
    node = root
    for part in ref[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, dict) or key not in node:
            raise SchemaError(f"{ref} points to nothing")
        node = node[key]
    return node


def follow(node, root):
    """Returns `node`, or what it refers to when it is a reference object."""
    while "$ref" in node:
        node = resolve(node["$ref"], root)
    return node


def equal(a, b):
    """JSON equality: 1 is 1.0 but not true, at every depth."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return a == b


def _is_number(value):
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    )


TYPES = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == int(value),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def kind_of(value):
    """The most special type that `value` is of."""
    return next(name for name, holds in TYPES.items() if name != "number" and holds(value))


class _Walk:
    """One run of check(): the root that references go to, and the faults found so far."""

    def __init__(self, root, closed=False):
        self.root = root
        self.closed = closed
        self.faults = []

    def fault(self, pointer, text):
        self.faults.append(f"{pointer or '/'}: {text}")

    def fits(self, schema, value, pointer):
        trial = _Walk(self.root, self.closed)
        trial.visit(schema, value, pointer)
        return not trial.faults

    def close(self, schema, value, pointer):
        """Finds members that nobody described, unless the schema says what else there may be."""
        if not {"properties", "allOf"} & set(schema):
            return
        whole = [schema, *(follow(part, self.root) for part in schema.get("allOf", []))]
        if any({"additionalProperties", "unevaluatedProperties"} & set(part) for part in whole):
            return
        members = _members(schema, self.root)
        for key in sorted(value.keys() - members) if members else ():
            self.fault(pointer, f"has the undocumented member {key}")

    def visit(self, schema, value, pointer, part=False):
        """A part of a schema knows only some of the members."""
        if isinstance(schema, bool):
            if not schema:
                self.fault(pointer, "nothing is allowed here")
            return
        if not isinstance(schema, dict):
            raise SchemaError(f"a schema is an object or a boolean, not {schema!r}")
        for keyword, argument in schema.items():
            if keyword == "$ref":
                inner = part or "properties" in schema
                self.visit(resolve(argument, self.root), value, pointer, inner)
            elif keyword == "allOf":
                for item in argument:
                    self.visit(item, value, pointer, True)
            elif keyword in KEYWORDS:
                KEYWORDS[keyword](self, schema, argument, value, pointer)
            elif keyword not in ANNOTATIONS:
                raise SchemaError(f"unknown keyword {keyword}")
        if self.closed and not part and isinstance(value, dict):
            self.close(schema, value, pointer)


def _type(walk, _schema, names, value, pointer):
    names = [names] if isinstance(names, str) else names
    unknown = [name for name in names if name not in TYPES]
    if unknown:
        raise SchemaError(f"unknown type {unknown[0]}")
    if not any(TYPES[name](value) for name in names):
        walk.fault(pointer, f"must be {' or '.join(names)}, is {_shown(value)}")


def _enum(walk, _schema, allowed, value, pointer):
    if not any(equal(value, item) for item in allowed):
        walk.fault(pointer, f"{_shown(value)} is none of {json.dumps(allowed)}")


def _const(walk, _schema, wanted, value, pointer):
    if not equal(value, wanted):
        walk.fault(pointer, f"{_shown(value)} is not {json.dumps(wanted)}")


def _properties(walk, _schema, properties, value, pointer):
    if isinstance(value, dict):
        for key, schema in properties.items():
            if key in value:
                walk.visit(schema, value[key], _step(pointer, key))


def _required(walk, _schema, names, value, pointer):
    if isinstance(value, dict):
        for name in names:
            if name not in value:
                walk.fault(pointer, f"lacks {name}")


def _additional_properties(walk, schema, argument, value, pointer):
    if isinstance(value, dict):
        for key in value.keys() - schema.get("properties", {}).keys():
            if argument is False:
                walk.fault(pointer, f"has the unknown member {key}")
            else:
                walk.visit(argument, value[key], _step(pointer, key))


def _members(schema, root):
    """The members that an object schema describes, those of its parts included."""
    found = set(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= _members(part, root)
    if "$ref" in schema:
        found |= _members(resolve(schema["$ref"], root), root)
    return found


def _unevaluated_properties(walk, schema, argument, value, pointer):
    if argument is not False:
        raise SchemaError("unevaluatedProperties may only be false")
    if isinstance(value, dict):
        for key in value.keys() - _members(schema, walk.root):
            walk.fault(pointer, f"has the unknown member {key}")


def _property_names(walk, _schema, argument, value, pointer):
    if isinstance(value, dict):
        for key in value:
            walk.visit(argument, key, _step(pointer, key))


def _items(walk, _schema, argument, value, pointer):
    if isinstance(value, list):
        for index, item in enumerate(value):
            walk.visit(argument, item, _step(pointer, index))


def _unique_items(walk, _schema, wanted, value, pointer):
    if wanted and isinstance(value, list):
        for index, item in enumerate(value):
            if any(equal(item, other) for other in value[:index]):
                walk.fault(_step(pointer, index), f"{_shown(item)} is given twice")


def _any_of(walk, _schema, schemas, value, pointer):
    if not any(walk.fits(schema, value, pointer) for schema in schemas):
        walk.fault(pointer, f"{_shown(value)} fits none of the {len(schemas)} forms of anyOf")


def _one_of(walk, _schema, schemas, value, pointer):
    count = sum(walk.fits(schema, value, pointer) for schema in schemas)
    if count != 1:
        walk.fault(pointer, f"{_shown(value)} fits {count} forms of oneOf, must fit one")


def _pattern(walk, _schema, pattern, value, pointer):
    if isinstance(value, str) and re.search(pattern, value) is None:
        walk.fault(pointer, f"{_shown(value)} does not match {pattern}")


def _bound(applies, holds, what):
    """A keyword that compares: `holds(value, limit)` for the values that it applies to."""

    def keyword(walk, _schema, limit, value, pointer):
        if applies(value) and not holds(value, limit):
            walk.fault(pointer, f"{_shown(value)} {what} {limit}")

    return keyword


def _size(name, holds, what):
    """The same for the length of the values of one type."""
    return _bound(TYPES[name], lambda value, limit: holds(len(value), limit), what)


KEYWORDS = {
    "$ref": None,  # visit() knows what is a part of what
    "type": _type,
    "enum": _enum,
    "const": _const,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional_properties,
    "unevaluatedProperties": _unevaluated_properties,
    "propertyNames": _property_names,
    "items": _items,
    "uniqueItems": _unique_items,
    "allOf": None,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "pattern": _pattern,
    "minimum": _bound(_is_number, operator.ge, "is less than"),
    "maximum": _bound(_is_number, operator.le, "is more than"),
    "exclusiveMinimum": _bound(_is_number, operator.gt, "is not above"),
    "minLength": _size("string", operator.ge, "is shorter than"),
    "maxLength": _size("string", operator.le, "is longer than"),
    "minItems": _size("array", operator.ge, "has fewer items than"),
    "maxItems": _size("array", operator.le, "has more items than"),
    "minProperties": _size("object", operator.ge, "has fewer members than"),
    "maxProperties": _size("object", operator.le, "has more members than"),
}


def _step(pointer, key):
    return f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _shown(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


def check(schema, value, root, closed=False):
    """Returns every fault of `value` as "<JSON Pointer>: <what>"; an empty list when it fits.

    With `closed`, an object may have the described members alone, unless additionalProperties says
    otherwise: what an answer has, its document has.
    """
    walk = _Walk(root, closed)
    walk.visit(schema, value, "")
    return walk.faults


def template_of(openapi, path):
    """Returns the documented path that `path` (a template, or a real one) belongs to."""
    path = path.split("?", 1)[0]
    if path in openapi["paths"]:
        return path
    for template in openapi["paths"]:
        literals = re.split(r"\{[^}]+\}", template)
        if re.fullmatch("[^/]+".join(map(re.escape, literals)), path):
            return template
    raise LookupError(f"{path} is not documented")


def response_schema(openapi, method, path, status):
    """Returns the JSON schema of an answer, or None when it is documented to carry no JSON.

    `status` is a number or "default". Raises LookupError when the document does not know the
    path, the method or the status: an undocumented answer is a fault.
    """
    template = template_of(openapi, path)
    operation = openapi["paths"][template].get(method.lower())
    if operation is None:
        raise LookupError(f"{method} {template} is not documented")
    if str(status) not in operation["responses"]:
        raise LookupError(f"{method} {template} is not documented to answer {status}")
    response = follow(operation["responses"][str(status)], openapi)
    for media, content in response.get("content", {}).items():
        if media in ("application/json", "application/problem+json"):
            return content["schema"]
    return None
