"""What the keys of op_name_dict and op_type_dict mean, and what they may cost."""

import re
import sqlite3
import tempfile
import unittest

from daemon import Daemon
from jobkit import body, get, submit, wait_until
from patience import PATIENCE_S

OFF = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
MODES = {"static": {"weight": {"dtype": ["int8"]}, "activation": {"dtype": ["uint8"]}}}
NAMES = [
    "Net/Sequential[layer1]/Block[0]/conv",
    "Net/Sequential[layer1]/Block[1]/conv",
    "dense+1",
    "dense1",
    "conv(3x3)",
    "conv3x3",
    "blk.0.fc",
    "blkx0xfc",
    "model/a:0",
    "fc(head",
    "a\\d",
    "a1",
    ".*",
]


def job(names, types="Conv2d", **more):
    """Operators of `names`; their types one for each, or one for all."""
    types = [types] * len(names) if isinstance(types, str) else types
    capability = {
        "op_types": {name: MODES for name in types},
        "ops": [{"name": n, "type": t} for n, t in zip(names, types)],
    }
    return body("http://127.0.0.1:9009", capability=capability, **more)


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = directory.name
        cls.daemon = Daemon(directory.name)
        cls.enterClassContext(cls.daemon)

    def space(self, given, expected=200):
        status, _, document = self.daemon.request("POST", "/v1/spaces", given)
        self.assertEqual(status, expected, document)
        return document

    def reached(self, document):
        return [op["name"] for op in document["ops"] if op["choices"] == 1]

    def test_a_name_means_that_operator_alone(self):
        for name in NAMES:
            with self.subTest(name):
                document = self.space(job(NAMES, op_name_dict={name: OFF}))
                self.assertEqual(self.reached(document), [name])
                (entry,) = document["entries"]
                self.assertEqual((entry["count"], entry["matched"]), (1, [name]))
                self.assertEqual(document["warnings"], [])

    def test_a_type_means_that_type_alone(self):
        types = ["Conv(2d)", "Conv2d", "Conv.", "Convx"]
        for type_name in types:
            with self.subTest(type_name):
                document = self.space(job(list("abcd"), types, op_type_dict={type_name: OFF}))
                self.assertEqual(self.reached(document), ["abcd"[types.index(type_name)]])
                self.assertEqual(document["entries"][0]["matched"], [type_name])

    def test_anything_else_is_an_expression(self):
        given = job(
            NAMES,
            op_type_dict={"Conv.*": {"weight": {"dtype": ["int8"]}}},
            op_name_dict={"dense.?1": OFF, "blk.*": OFF, "dense": OFF, "Dense1": OFF},
        )
        document = self.space(given)
        self.assertEqual(self.reached(document), ["dense+1", "dense1", "blk.0.fc", "blkx0xfc"])
        self.assertEqual(
            [(e["pointer"], e["count"], e["matched"]) for e in document["entries"]],
            [
                ("/op_type_dict/Conv.*", 1, ["Conv2d"]),
                ("/op_name_dict/dense.?1", 2, ["dense+1", "dense1"]),
                ("/op_name_dict/blk.*", 2, ["blk.0.fc", "blkx0xfc"]),
                ("/op_name_dict/dense", 0, []),
                ("/op_name_dict/Dense1", 0, []),
            ],
        )
        self.assertEqual(
            [w["pointer"] for w in document["warnings"]],
            ["/op_name_dict/dense", "/op_name_dict/Dense1"],
        )

    def test_what_is_neither_is_refused(self):
        document = self.space(job(["a"], op_name_dict={"fc(head": OFF, "b[": OFF}), 422)
        self.assertEqual(
            [e["pointer"] for e in document["errors"]],
            ["/op_name_dict/fc(head", "/op_name_dict/b["],
        )

    def test_what_matches_is_shown_up_to_a_limit(self):
        names = [f"op{i}" for i in range(3000)]
        document = self.space(job(names, op_name_dict={"op.*": OFF}))
        self.assertEqual(document["entries"][0]["count"], 3000)
        self.assertEqual(document["entries"][0]["matched"], names[:1000])

    def test_costly_patterns_are_refused_where_they_stand(self):
        many = [f"{'a' * 24}!{i}x" for i in range(2000)]
        cases = {
            "(a+)+x": many,  # too much in all
            "(a|aa)+b?x?y?z?!!": [f"{'a' * 60}!x"],  # too much at once
            # long between two steps
            "b(?:" + r"\B" * 4000 + "a)+.": [f"b{'a' * 900}{i}" for i in range(60)],
            "b(?:" + r"(?:)" * 4000 + "a)+.": [f"b{'a' * 900}{i}" for i in range(60)],
            r"b(?:(?:\B){2000}a)+.": [f"b{'a' * 900}{i}" for i in range(60)],
            "((a{0,5}){0,5}){0,5}[bx]": many,
        }
        for pattern, names in cases.items():
            for member, types in (("op_name_dict", "Conv2d"), ("op_type_dict", names)):
                with self.subTest(pattern[:40], member=member):
                    shown = [f"op{i}" for i in range(len(names))] if types is names else names
                    given = job(shown, types, **{member: {"a.*b": OFF, pattern: OFF, "c.*d": OFF}})
                    document = self.space(given, 422)
                    (fault,) = document["errors"]
                    self.assertEqual(fault["pointer"][:200], f"/{member}/{pattern}"[:200])
                    self.assertIn("too much work", fault["detail"])

    def test_many_names_and_simple_patterns_are_no_trouble(self):
        names = [f"model.layers.{i // 7}.mlp.experts.{i}.up_proj" for i in range(6000)]
        literal = {name: OFF for name in names[:4000]}
        simple = {rf"model\.layers\.{i}\..*": OFF for i in range(40)}
        several = "|".join(re.escape(name) for name in names[5000:5100])
        given = job(names, op_name_dict={**literal, **simple, several: OFF})
        document = self.space(given)
        self.assertEqual(document["entries"].pop()["count"], 100)
        self.assertEqual(self.reached(document), names[:4000] + names[5000:5100])
        self.assertEqual([e["count"] for e in document["entries"]], [1] * 4000 + [7] * 40)

    def test_matches_are_kept_with_the_job(self):
        given = job(
            NAMES,
            op_type_dict={"Conv.d": {"weight": {"dtype": ["int8"]}}},
            op_name_dict={"dense.?1": OFF, "a1": OFF, "nothing": OFF},
        )
        number = submit(self.daemon, given)
        before = get(self.daemon, f"/v1/jobs/{number}/space")
        self.assertEqual(self.reached(before), ["dense+1", "dense1", "a1"])
        self.daemon.stop()
        with sqlite3.connect(f"{self.directory}/narrowd.db", timeout=PATIENCE_S) as database:
            kept = "select matched from submission where id = ?"
            ((matched,),) = database.execute(kept, (number,)).fetchall()
            self.assertEqual(matched, "[[0,1],[2,2],[11,1],[]]")
            # As another PCRE2, or another rule, would match it.
            database.execute(
                "update submission set spec = replace(spec, 'dense.?1', 'other.?1'), sum = null where id = ?",
                (number,),
            )
        database.close()
        self.daemon.start()
        after = get(self.daemon, f"/v1/jobs/{number}/space", **{"If-None-Match": '"0"'})
        self.assertEqual(self.reached(after), self.reached(before))
        self.assertEqual(after["entries"][1]["pointer"], "/op_name_dict/other.?1")
        self.assertEqual(after["entries"][1]["matched"], ["dense+1", "dense1"])
        plain = submit(self.daemon, job(NAMES))
        with sqlite3.connect(f"{self.directory}/narrowd.db", timeout=PATIENCE_S) as database:
            self.assertEqual(database.execute(kept, (plain,)).fetchall(), [(None,)])
        database.close()

    def test_a_restart_goes_by_what_is_kept(self):
        with tempfile.TemporaryDirectory() as directory:
            given = job(NAMES, op_name_dict={"dense.?1": OFF, "a1": OFF})
            given["evaluator"] = {"pool": "nobody"}
            with Daemon(directory) as daemon:
                path = f"/v1/jobs/{submit(daemon, given)}"
                before = get(daemon, path + "/space")
            with Daemon(directory) as daemon:
                self.assertEqual(get(daemon, path)["state"], "baseline")
                self.assertEqual(get(daemon, path + "/space"), before)
                self.assertEqual(self.reached(before), ["dense+1", "dense1", "a1"])
            with sqlite3.connect(f"{directory}/narrowd.db", timeout=PATIENCE_S) as database:
                # A number that no operator has: unreadable, but the job is not lost.
                database.execute("update submission set matched = '[[0,1],[700,1]]', sum = null")
            database.close()
            with Daemon(directory) as daemon:
                wait_until(lambda: get(daemon, path)["state"] == "paused")

    def test_under_rules_1_every_key_is_an_expression(self):
        document = self.space(job(NAMES, rules=1, op_name_dict={"dense+1": OFF, "a1": OFF}))
        self.assertEqual(self.reached(document), ["dense1", "a1"])
        given = job([f"{'a' * 24}!x"], rules=1, op_name_dict={"(a|aa)+b?x?y?z?!!": OFF})
        document = self.space(given)
        self.assertIn("too long", document["warnings"][0]["detail"])


if __name__ == "__main__":
    unittest.main()
