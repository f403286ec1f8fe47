"""Holds the types of the Python package against the daemon's OpenAPI document; prints what differs.

tools/check runs it: who adds a member to a document adds it to clients/python/narrowd/types.py.
"""

import json
import sys
import types as python_types
import typing

from kit import ROOT

from narrowd import types

DOCUMENT = json.loads((ROOT / "api/openapi.json").read_text(encoding="utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
OF = {"Job": types.JobDocument, "Best": types.Best, "Trial": types.Trial, "Event": types.Event,
      "Config": types.Config, "OpConfig": types.OpConfig, "Question": types.Question}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def alternatives(schema):
    """A schema as those of which one holds, none of them a reference or null beside something else."""
    if "$ref" in schema:
        return alternatives(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return [each for part in schema[word] for each in alternatives(part)]
    if isinstance(schema.get("type"), list):
        return [{**schema, "type": each} for each in schema["type"]]
    return [schema]


def fits_one(hint, schema):
    """What is wrong with a hint that is no union; None when nothing is."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    kind = schema.get("type")
    if origin is typing.Literal:
        return None if list(arguments) == schema.get("enum") else f"{arguments} is not {schema.get('enum')}"
    if origin is list:
        return "is no array" if kind != "array" else fits(arguments[0], schema["items"])
    if origin is dict:
        if kind != "object" or "properties" in schema:
            return "has members by name"
        inner = schema.get("additionalProperties", True)
        return None if inner is True else fits(arguments[1], inner)
    if typing.is_typeddict(hint):
        return members(hint, schema)
    return None if PLAIN.get(hint) == kind else f"{hint} is not {kind}"


def fits(hint, schema):
    if hint in (typing.Any, object):
        return None
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.NotRequired else hint
    union = typing.get_origin(hint) in (typing.Union, python_types.UnionType)
    hints, schemas = list(typing.get_args(hint)) if union else [hint], alternatives(schema)
    wrong = [each for each in schemas if all(fits_one(h, each) for h in hints)]
    if wrong:
        return f"{hint} does not hold {wrong[0].get('type')}: {[fits_one(h, wrong[0]) for h in hints]}"
    more = [h for h in hints if all(fits_one(h, each) for each in schemas)]
    return f"{more[0]} never comes" if more else None


def members(hint, schema):
    has, said = typing.get_type_hints(hint, include_extras=True), schema.get("properties", {})
    if has.keys() != said.keys():
        return f"{hint.__name__}: {sorted(has.keys() ^ said.keys())} in one of both"
    required = {name for name in has if typing.get_origin(has[name]) is not typing.NotRequired}
    if required != set(schema.get("required", [])):
        return f"{hint.__name__}: {sorted(required ^ set(schema['required']))} required in one of both"
    for name in has:
        fault = fits(has[name], said[name])
        if fault:
            return f"{hint.__name__}.{name}: {fault}"
    return None


def main():
    faults = [f"clients/python/narrowd/types.py: {fault}" for name, hint in OF.items()
              if (fault := members(hint, SCHEMAS[name])) is not None]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
