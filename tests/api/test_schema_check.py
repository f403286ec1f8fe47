"""The schema checker can fail: every keyword rejects something, and nothing is ignored."""

import copy
import json
import pathlib
import unittest

import schema_check

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "api" / "openapi.json"

ROOT = {"defs": {"short": {"type": "string", "maxLength": 2}, "a/b": {"const": 1}}}

CLOSED = {"properties": {"a": {}}, "additionalProperties": False}
PARTS = {
    "allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}],
    "unevaluatedProperties": False,
}

# keyword, schema, a value that fits, a value that does not
CASES = [
    ("type", {"type": "object"}, {}, []),
    ("type", {"type": "array"}, [], {}),
    ("type", {"type": ["string", "null"]}, None, 0),
    ("type", {"type": "integer"}, 3.0, 3.5),
    ("type", {"type": "integer"}, 1, True),
    ("type", {"type": "number"}, 1, float("nan")),
    ("type", {"type": "number"}, -0.5, float("inf")),
    ("type", {"type": "number"}, 0, False),
    ("type", {"type": "boolean"}, False, 0),
    ("enum", {"enum": ["auto", 0, 1]}, 0, False),
    ("enum", {"enum": ["auto", 0, 1]}, "auto", "AUTO"),
    ("const", {"const": True}, True, 1),
    ("const", {"const": [1, {"a": None}]}, [1, {"a": None}], [True, {"a": None}]),
    ("properties", {"properties": {"a": {"type": "string"}}}, {"b": 1}, {"a": 1}),
    ("required", {"required": ["a"]}, {"a": None}, {"b": 1}),
    ("additionalProperties", CLOSED, {"a": 1}, {"b": 1}),
    ("additionalProperties", {"additionalProperties": {"type": "null"}}, {"a": None}, {"a": 0}),
    ("unevaluatedProperties", PARTS, {"a": 1, "b": 1}, {"a": 1, "c": 1}),
    ("propertyNames", {"propertyNames": {"enum": ["a"]}}, {"a": 1}, {"b": 1}),
    ("items", {"items": {"type": "integer"}}, [1, 2], [1, "2"]),
    ("uniqueItems", {"uniqueItems": True}, [1, True], [1, 1.0]),
    ("allOf", {"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
    ("anyOf", {"anyOf": [{"type": "null"}, {"minimum": 1}]}, None, 0),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"minimum": 5}]}, 4, 6),
    ("oneOf", {"oneOf": [{"type": "integer"}, {"type": "null"}]}, None, "x"),
    ("$ref", {"$ref": "#/defs/short"}, "ab", "abc"),
    ("$ref", {"$ref": "#/defs/a~1b", "description": "escaped"}, 1, 2),
    ("minimum", {"minimum": 0}, 0, -1),
    ("maximum", {"maximum": 0}, 0, 1),
    ("exclusiveMinimum", {"exclusiveMinimum": 0}, 0.1, 0),
    ("minLength", {"minLength": 1}, "a", ""),
    ("maxLength", {"maxLength": 1}, "\u00e9", "ab"),
    ("minItems", {"minItems": 1}, [0], []),
    ("maxItems", {"maxItems": 1}, [0], [0, 0]),
    ("minProperties", {"minProperties": 1}, {"a": 1}, {}),
    ("maxProperties", {"maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
    ("pattern", {"pattern": "^job_"}, "job_1", "evl_1"),
]


def without(value, key):
    rest = copy.deepcopy(value)
    del rest[key]
    return rest


class Keywords(unittest.TestCase):
    def test_each_accepts_and_rejects(self):
        for keyword, schema, good, bad in CASES:
            with self.subTest(keyword=keyword, schema=schema):
                self.assertEqual(schema_check.check(schema, good, ROOT), [])
                self.assertEqual(len(schema_check.check(schema, bad, ROOT)), 1)

    def test_no_keyword_is_left_out(self):
        self.assertEqual({case[0] for case in CASES}, set(schema_check.KEYWORDS))

    def test_boolean_schemas(self):
        self.assertEqual(schema_check.check(True, 1, ROOT), [])
        self.assertEqual(len(schema_check.check(False, 1, ROOT)), 1)

    def test_annotations_do_not_constrain(self):
        schema = {"title": "t", "description": "d", "default": 1, "format": "date-time"}
        self.assertEqual(schema_check.check(schema, "no date", ROOT), [])

    def test_bad_schemas_are_errors(self):
        for schema in (
            {"minimun": 1},
            {"type": "float"},
            {"$ref": "#/defs/nothing"},
            {"$ref": "other.json#/defs/short"},
            "string",
        ):
            with self.subTest(schema=schema), self.assertRaises(schema_check.SchemaError):
                schema_check.check(schema, 1, ROOT)


class Faults(unittest.TestCase):
    def test_all_are_named_with_their_pointer(self):
        schema = {
            "required": ["x"],
            "properties": {"a/b": {"items": {"type": "integer"}}},
            "additionalProperties": False,
        }
        faults = schema_check.check(schema, {"a/b": [1, "2", None], "c": 0}, ROOT)
        self.assertEqual(
            sorted(fault.split(": ")[0] for fault in faults), ["/", "/", "/a~1b/1", "/a~1b/2"]
        )


class Closed(unittest.TestCase):
    ROOT = {"defs": {"base": {"type": "object", "properties": {"a": {"type": "integer"}}}}}
    BASE = {"$ref": "#/defs/base"}

    def faults(self, schema, value):
        self.assertEqual(schema_check.check(schema, value, self.ROOT), [], "open it fits")
        return schema_check.check(schema, value, self.ROOT, closed=True)

    def test_what_nobody_described_is_a_fault(self):
        inner = {"properties": {"x": self.BASE, "y": {"items": self.BASE}}}
        for schema, value, pointers in (
            (self.BASE, {"a": 1}, []),
            (self.BASE, {"a": 1, "b": 2}, ["/"]),
            ({**self.BASE, "properties": {"b": {}}}, {"a": 1, "b": 2}, []),
            ({**self.BASE, "properties": {"b": {}}}, {"a": 1, "c": 2}, ["/"]),
            ({"allOf": [self.BASE, {"properties": {"b": {}}}]}, {"a": 1, "b": 2}, []),
            ({"allOf": [self.BASE, {"properties": {"b": {}}}]}, {"c": 1}, ["/"]),
            ({"anyOf": [self.BASE, {"type": "null"}]}, {"a": 1, "b": 2}, ["/"]),
            (inner, {"x": {"c": 1}, "y": [{"a": 1}, {"d": 1}]}, ["/x", "/y/1"]),
            ({"type": "object"}, {"a": 1}, []),
            ({"properties": {"a": {}}, "additionalProperties": True}, {"b": 1}, []),
            ({"properties": {"a": {}}, "additionalProperties": {"type": "integer"}}, {"b": 1}, []),
        ):
            with self.subTest(schema=schema, value=value):
                faults = self.faults(schema, value)
                self.assertEqual([fault.split(": ")[0] for fault in faults], pointers)


class Document(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.openapi = json.loads(DOCUMENT.read_text(encoding="utf-8"))

    def schema(self, *where):
        return schema_check.response_schema(self.openapi, *where)

    def test_answers_are_found_by_template_and_by_real_path(self):
        job = {"$ref": "#/components/schemas/Job"}
        self.assertEqual(self.schema("GET", "/v1/jobs/{id}", 200), job)
        self.assertEqual(self.schema("get", "/v1/jobs/job_1?x=1", "200"), job)
        trial = self.schema("GET", "/v1/jobs/job_1/trials/3", 200)
        self.assertEqual(trial, {"$ref": "#/components/schemas/Trial"})

    def test_a_literal_path_wins_over_a_template(self):
        for path, page in (("trials", "TrialPage"), ("pareto", "FrontPage")):
            self.assertEqual(self.schema("GET", f"/v1/jobs/job_1/{path}", 200), {"$ref": f"#/components/schemas/{page}"})

    def test_errors_are_problems(self):
        problem = {"$ref": "#/components/schemas/Problem"}
        self.assertEqual(self.schema("POST", "/v1/jobs", 422), problem)
        self.assertEqual(self.schema("GET", "/healthz", "default"), problem)

    def test_answers_without_json_have_no_schema(self):
        self.assertIsNone(self.schema("DELETE", "/v1/jobs/job_1", 204))
        self.assertIsNone(self.schema("GET", "/v1/jobs/job_1", 304))
        self.assertIsNone(self.schema("GET", "/metrics", 200))

    def test_what_is_not_documented_is_a_fault(self):
        for where in (
            ("GET", "/v2/jobs", 200),
            ("GET", "/v1/jobs/a/b/c/d", 200),
            ("PUT", "/v1/jobs", 200),
            ("GET", "/v1/jobs", 418),
        ):
            with self.subTest(where=where), self.assertRaises(LookupError):
                self.schema(*where)

    def test_a_spoilt_example_is_rejected(self):
        for name, schema in self.openapi["components"]["schemas"].items():
            for example in schema.get("examples", []):
                for key in schema.get("required", []):
                    with self.subTest(schema=name, without=key):
                        self.assertTrue(
                            schema_check.check(schema, without(example, key), self.openapi)
                        )

    def test_a_wrong_state_or_time_is_rejected(self):
        schema = self.openapi["components"]["schemas"]["Job"]
        job = schema["examples"][0]
        for key, value in (("state", "done"), ("created_at", "yesterday"), ("quant_level", True)):
            with self.subTest(member=key):
                faults = schema_check.check(schema, {**job, key: value}, self.openapi)
                self.assertEqual([fault.split(":")[0] for fault in faults], [f"/{key}"])


if __name__ == "__main__":
    unittest.main()
