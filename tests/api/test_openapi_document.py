"""api/openapi.json is a well-formed OpenAPI 3.1 document whose examples fit its schemas."""

import json
import pathlib
import re
import unittest

import schema_check

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "api" / "openapi.json"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
PLACES = {"path", "query", "header", "cookie"}
SCOPES = {"read", "submit", "work", "metrics", "admin"}


def unique_members(pairs):
    keys = [key for key, _ in pairs]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise ValueError(f"members given twice: {sorted(twice)}")
    return dict(pairs)


def nodes(value, pointer="#"):
    """Every object of the document with its place; examples are data, not document."""
    if isinstance(value, dict):
        yield pointer, value
        for key, member in value.items():
            if key not in ("example", "examples", "default", "enum", "const") or pointer.endswith(
                ("/properties", "/responses")
            ):
                yield from nodes(member, f"{pointer}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, f"{pointer}/{index}")


class OpenapiDocument(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = DOCUMENT.read_text(encoding="utf-8")
        cls.openapi = json.loads(cls.text, object_pairs_hook=unique_members)
        cls.nodes = list(nodes(cls.openapi))

    def operations(self, *groups):
        for group in groups or ("paths", "webhooks"):
            for path, item in self.openapi[group].items():
                for method, operation in item.items():
                    yield f"{method} {path}", path, method, operation

    def follow(self, node):
        return schema_check.follow(node, self.openapi)

    def assert_fits(self, schema, value, where):
        self.assertEqual(schema_check.check(schema, value, self.openapi), [], where)

    def test_head(self):
        self.assertRegex(self.openapi["openapi"], r"^3\.1\.\d+$")
        for member in ("title", "version", "description"):
            self.assertTrue(self.openapi["info"][member], member)

    def test_layout(self):
        self.assertTrue(self.text.endswith("}\n"))
        for number, line in enumerate(self.text.splitlines(), 1):
            indent = len(line) - len(line.lstrip())
            self.assertNotIn("\t", line, number)
            self.assertEqual((indent % 2, line), (0, line.rstrip()), number)

    def test_every_reference_resolves(self):
        refs = [(where, node["$ref"]) for where, node in self.nodes if "$ref" in node]
        self.assertTrue(refs)
        for where, ref in refs:
            with self.subTest(where=where):
                self.assertIsInstance(schema_check.resolve(ref, self.openapi), dict)

    def test_client_generators_can_read_the_schemas(self):
        """Each of these has kept openapi-python-client or openapi-generator from making a client."""
        for where, node in self.nodes:
            if not self.is_schema(where):
                continue
            values = [*node.get("enum", []), *([node["const"]] if "const" in node else [])]
            kinds = {schema_check.kind_of(value) for value in values}
            types = node.get("type", [])
            types = set([types] if isinstance(types, str) else types)
            with self.subTest(where=where):
                self.assertRegex(node.get("$ref", ""), r"^(#/components/schemas/\w+)?$")
                self.assertLessEqual(len(kinds), 1, "an enum of values of several types")
                self.assertLessEqual(kinds, types, "values without their type")
                self.assertNotEqual(kinds, {"boolean"}, "taken for the text `true`")
                self.assertLessEqual(len(types - {"null"}), 1, "anyOf serves several types")
                self.assertTrue("array" not in types or "items" in node, "a list without items")
                if "null" in types and len(types) == 1:
                    self.assertRegex(where, r"/(one|any)Of/\d+$", "nothing but null")
                for part in node.get("anyOf", []) + node.get("oneOf", []):
                    self.assertTrue({"type", "$ref", "anyOf", "oneOf", "allOf"} & set(part))
                    self.assertNotIn("properties", node, "members beside alternatives are lost")

    def test_every_component_is_used(self):
        used = {node["$ref"] for _, node in self.nodes if "$ref" in node}
        for kind, members in self.openapi["components"].items():
            if kind != "securitySchemes":
                for name in members:
                    self.assertIn(f"#/components/{kind}/{name}", used)

    def test_operations_are_described(self):
        tags = {tag["name"] for tag in self.openapi["tags"]}
        used = set()
        for where, _, method, operation in self.operations():
            with self.subTest(operation=where):
                self.assertIn(method, METHODS)
                for member in ("operationId", "summary", "description"):
                    self.assertTrue(operation[member], member)
                self.assertTrue(operation["responses"])
                self.assertLessEqual(set(operation["tags"]), tags)
                used.update(operation["tags"])
        self.assertEqual(used, tags)

    def test_operation_ids_are_unique(self):
        ids = [operation["operationId"] for _, _, _, operation in self.operations()]
        self.assertEqual(len(ids), len(set(ids)))

    def test_security_names_a_scheme_and_a_scope(self):
        schemes = self.openapi["components"]["securitySchemes"]
        for where, _, _, operation in self.operations("paths"):
            for requirement in operation["security"]:
                for scheme, scopes in requirement.items():
                    with self.subTest(operation=where):
                        self.assertIn(scheme, schemes)
                        self.assertEqual(len(scopes), 0 if "/v1/session" in where else 1)
                        self.assertLessEqual(set(scopes), SCOPES)

    def test_path_parameters_are_declared(self):
        for where, path, _, operation in self.operations("paths"):
            declared = [self.follow(node) for node in operation.get("parameters", [])]
            names = [(node["in"], node["name"]) for node in declared]
            with self.subTest(operation=where):
                self.assertTrue(path.startswith("/"))
                self.assertEqual(len(names), len(set(names)))
                in_path = sorted(name for place, name in names if place == "path")
                self.assertEqual(in_path, sorted(re.findall(r"\{([^}]+)\}", path)))
                for node in declared:
                    self.assertIn(node["in"], PLACES)
                    self.assertTrue(node["description"])
                    self.assertIn("schema", node)
                    self.assertEqual(node.get("required", False), node["in"] == "path")

    def test_posts_take_an_idempotency_key(self):
        for where, _, method, operation in self.operations("paths"):
            names = {self.follow(node)["name"] for node in operation.get("parameters", [])}
            with self.subTest(operation=where):
                self.assertEqual("Idempotency-Key" in names, method == "post")

    def test_links_fill_the_paths_of_their_operations(self):
        operations = {
            operation["operationId"]: path for _, path, _, operation in self.operations("paths")
        }
        reached = set()
        for where, path, _, operation in self.operations("paths"):
            for status, response in operation["responses"].items():
                for name, node in self.follow(response).get("links", {}).items():
                    link = self.follow(node)
                    reached.add(link["operationId"])
                    with self.subTest(operation=where, link=name):
                        self.assertLess(status, "300")
                        self.assertTrue(link["description"])
                        # openapi-generator takes a text alone for one.
                        self.assertNotIn("requestBody", link)
                        wanted = re.findall(r"\{([^}]+)\}", operations[link["operationId"]])
                        self.assertEqual(set(wanted), set(link["parameters"]))
                        for source in link["parameters"].values():
                            self.assertRegex(source, r"^\$(request\.path\.|response\.body#/)\w+")
                            if source.startswith("$request.path."):
                                self.assertIn("{%s}" % source.rsplit(".", 1)[1], path)
        for name, path in operations.items():
            if not path.startswith(("/page/", "/jobs/")):  # those are for browsers
                self.assertEqual(name in reached, "{" in path, name)

    def test_responses_are_well_formed(self):
        for where, _, _, operation in self.operations():
            for status, node in operation["responses"].items():
                with self.subTest(operation=where, status=status):
                    self.assertRegex(status, r"^([1-5]\d\d|default)$")
                    response = self.follow(node)
                    self.assertTrue(response["description"])
                    for media in response.get("content", {}).values():
                        self.assertIn("schema", media)

    def test_errors_are_shared_problems(self):
        problem = {"$ref": "#/components/schemas/Problem"}
        for where, _, _, operation in self.operations("paths"):
            errors = {s: n for s, n in operation["responses"].items() if s >= "400"}
            self.assertIn("default", errors)
            for status, node in errors.items():
                with self.subTest(operation=where, status=status):
                    self.assertEqual(list(node), ["$ref"])
                    content = self.follow(node)["content"]
                    self.assertEqual(content["application/problem+json"]["schema"], problem)

    def test_problem_examples_carry_their_status(self):
        seen = set()
        for _, _, _, operation in self.operations("paths"):
            for status, node in operation["responses"].items():
                if status.isdigit() and int(status) >= 400:
                    content = self.follow(node)["content"]["application/problem+json"]
                    self.assertEqual(content["example"]["status"], int(status), node)
                    seen.add(status)
        self.assertIn("422", seen)

    def test_schemas_use_only_what_the_checker_knows(self):
        known = set(schema_check.KEYWORDS) | schema_check.ANNOTATIONS
        for where, node in self.nodes:
            if self.is_schema(where):
                self.assertLessEqual(set(node), known, where)

    @staticmethod
    def is_schema(where):
        """Whether the node at `where` is a schema: directly, or inside one."""
        return re.search(
            r"(/schema|/components/schemas/[^/]+)"
            r"(/properties/[^/]+|/items|/additionalProperties|/propertyNames"
            r"|/(one|any|all)Of/\d+)*$",
            where,
        ) is not None

    def test_patterns_compile_and_required_members_exist(self):
        for where, node in self.nodes:
            if self.is_schema(where):
                with self.subTest(where=where):
                    if "pattern" in node:
                        re.compile(node["pattern"])
                    if "properties" in node:
                        self.assertLessEqual(set(node.get("required", [])), set(node["properties"]))

    def test_requests_say_whether_they_are_open(self):
        todo = [
            operation["requestBody"]["content"]["application/json"]["schema"]
            for _, _, _, operation in self.operations("paths")
            if "requestBody" in operation
        ]
        # The parts of a whole that says it for them.
        parts = [
            id(self.follow(part))
            for _, node in self.nodes
            if "unevaluatedProperties" in node
            for part in node["allOf"]
        ]
        seen = []
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.append(node)
            for where, inner in nodes(node):
                if "$ref" in inner:
                    todo.append(self.follow(inner))
                if (
                    isinstance(inner.get("properties"), dict)
                    and inner.get("type") == "object"
                    and id(inner) not in parts
                ):
                    self.assertIn("additionalProperties", inner, (where, node))
        self.assertGreater(len(seen), 10)

    def test_examples_fit_their_schemas(self):
        count = 0
        for where, node in self.nodes:
            if self.is_schema(where):
                found = node.get("examples", [])
                schema = node
            elif "schema" in node:
                found = [named["value"] for named in node.get("examples", {}).values()]
                found += [node["example"]] if "example" in node else []
                schema = node["schema"]
            else:
                continue
            for value in found:
                count += 1
                with self.subTest(where=where):
                    self.assert_fits(schema, value, where)
        self.assertGreater(count, 50)

    def show(self, schema, value, shown):
        """Adds every schema that `value` is an example of."""
        if not isinstance(schema, dict):
            return
        shown.add(id(schema))
        parts = [self.follow(schema)] if "$ref" in schema else []
        parts += schema.get("allOf", [])
        for part in schema.get("anyOf", []) + schema.get("oneOf", []):
            if not schema_check.check(part, value, self.openapi):
                parts.append(part)
        for part in parts:
            self.show(part, value, shown)
        members = schema.get("properties", {})
        for name, member in value.items() if isinstance(value, dict) else ():
            self.show(members.get(name, schema.get("additionalProperties")), member, shown)
        for item in value if isinstance(value, list) else ():
            self.show(schema.get("items"), item, shown)

    def test_every_member_is_described_and_shown(self):
        """Each is in an example: its own, or one of something that it is a part of."""
        shown = set()
        for where, node in self.nodes:
            found = node.get("examples", [])
            if "schema" in node:
                found = [named["value"] for named in node.get("examples", {}).values()]
                found += [node["example"]] if "example" in node else []
            elif not isinstance(found, list):
                continue  # a member whose name is that
            for value in found:
                self.show(node.get("schema", node), value, shown)
        members = 0
        for where, node in self.nodes:
            if re.search(r"(/properties|^#/components/schemas)/[^/]+$", where):
                members += 1
                with self.subTest(where=where):
                    self.assertTrue(node.get("description") or self.follow(node)["description"])
                    self.assertTrue(id(node) in shown, "no example")
        self.assertGreater(members, 500)

    def test_every_parameter_header_and_body_has_an_example(self):
        for where, node in self.nodes:
            if "schema" in node and not where.endswith("/properties"):
                with self.subTest(where=where):
                    several = node["schema"].get("anyOf", [node["schema"]])
                    self.assertTrue(
                        {"example", "examples"} & set(node)
                        or all("examples" in self.follow(schema) for schema in several)
                    )
                    if "/content/" not in where:
                        self.assertTrue(node["description"])

    def test_defaults_fit_their_schemas(self):
        count = 0
        for where, node in self.nodes:
            if self.is_schema(where) and "default" in node:
                count += 1
                with self.subTest(where=where):
                    self.assert_fits(node, node["default"], where)
        self.assertGreater(count, 20)

    def test_main_schemas_have_examples(self):
        for name in ("Job", "Trial", "Problem", "Event", "Best", "Config", "Space"):
            self.assertTrue(self.openapi["components"]["schemas"][name]["examples"], name)


if __name__ == "__main__":
    unittest.main()
