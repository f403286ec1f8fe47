"""The reference pages list what the code has, all of it and nothing else."""

import argparse
import ast
import json
import os
import re
import runpy
import subprocess
import unittest

import reference
from reference import ROOT, first_names, tables

OPENAPI = json.loads((ROOT / "api" / "openapi.json").read_text(encoding="utf-8"))
ERROR = re.compile(r'X\(ERR_\w+, "(\w+)", (\d+), (\d+), "[^"]*"\)')
EVENT = re.compile(r"\[LOGGED_\w+\] = \{\"(\w+)\"")


def schema(name):
    return OPENAPI["components"]["schemas"][name]


def source(name):
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page):
    """As GitHub makes them of headings."""
    found = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", source(page), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in found}


class ReferencePages(unittest.TestCase):
    def test_problems_are_those_of_the_table(self):
        errors = {name: (status, end) for name, status, end in ERROR.findall(source("base/err.h"))}
        self.assertGreater(len(errors), 30)
        rows = tables("docs/problems.md")["type"]
        said = {next(iter(reference.names(row[0]))): row for row in rows}
        self.assertEqual(len(said), len(rows), "a type is listed twice")
        self.assertEqual(set(said), set(errors))
        for name, row in said.items():
            ends = [row[2]] if len(row) == 5 else [errors[name][1]]
            self.assertEqual([row[1], *ends], list(errors[name]), name)

    def test_events_are_those_that_are_stored(self):
        stored = EVENT.findall(source("log/event.c"))
        self.assertGreater(len(stored), 20)
        self.assertEqual(sorted(schema("EventType")["enum"]), sorted(stored))
        self.assertEqual(sorted(reference.event_members()), sorted(stored))
        self.assertEqual(len(tables("docs/events.md")["type"]), len(stored))
        heard = source("web/src/live.ts").split("const TYPES = [")[1].split("]")[0]
        self.assertEqual(sorted(re.findall(r'"(\w+)"', heard)), sorted(stored), "what the page listens for")

    def test_a_member_that_no_page_names_is_noticed(self):
        event = {"type": "warning", "data": {"detail": "x"}}
        self.assertEqual(reference.undocumented([event]), [])
        event["data"]["colour"] = "red"
        self.assertEqual(len(reference.undocumented([event])), 1)

    def test_stages_are_those_that_ask(self):
        """A barrier between stages has a name for people who read plans, and asks nothing."""
        asked = {"baseline", "confirm", "import"}
        for path in [*ROOT.glob("strategies/*.c"), *ROOT.glob("strategies/models/*.c"), *ROOT.glob("strategies/plan/stage_*.c")]:
            text = path.read_text(encoding="utf-8")
            asked.update(re.findall(r'(?:out->stage|\*ret_stage) = (?:[^;"]*\? )?"([\w-]+)"', text))
            asked.update(re.findall(r'(?:out->stage|\*ret_stage) = [^;"]*"[\w-]+" : "([\w-]+)"', text))
            for stage in re.findall(r"^const struct stage \w+ = \{(.*?)\};", text, re.M | re.S):
                if ".ask" in stage:
                    asked.update(re.findall(r'\.name = "(\w+)"', stage))
        asked |= set(re.findall(r'return ask\(out, \w+, "(\w+)"\)', source("strategies/advised.c")))
        self.assertGreater(len(asked), 35)
        listed = [name for row in tables("docs/strategies.md")["stage"] for name in reference.names(row[0])]
        self.assertEqual(sorted(listed), sorted(asked))
        told = dict(re.findall(r'^\t\{"([\w-]+)", "(.*)"\},$', source("strategies/stage_words.c"), re.M))
        self.assertEqual(sorted(told), sorted(asked))
        self.assertLess(max(map(len, told.values())), 75, "they stand behind a name in a line")

    def test_members_of_what_tune_returns(self):
        tree = ast.parse(source("clients/python/narrowd/onnx/tune.py"))
        tuned = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tuned")
        members = [part.target.id for part in tuned.body if isinstance(part, ast.AnnAssign)]
        listed = [name for row in tables("docs/python-reference.md")["member"] for cell in row for name in reference.names(cell)]
        self.assertEqual(set(members) - set(listed), set())

    def test_arguments_of_tune(self):
        """All of them and nothing else, and each option of the command line beside one."""
        tree = ast.parse(source("clients/python/narrowd/onnx/tune.py"))
        tune = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "tune")
        rows = tables("docs/python-reference.md")["argument"]
        self.assertEqual(sorted(name for row in rows for name in reference.names(row[0])),
                         sorted(arg.arg for arg in (*tune.args.args, *tune.args.kwonlyargs)))
        options = re.findall(r'\.add_argument\("(--[\w-]+)"', source("clients/python/narrowd/onnx/usage.py").split("def add_tune(")[1])
        self.assertGreater(len(options), 15)
        self.assertEqual(sorted(re.findall(r"`(--[\w-]+)`", "".join(row[1] for row in rows))), sorted(options))

    def test_exit_statuses_of_narrow_onnx(self):
        statuses = re.findall(r"^EXIT_\w+ = (\d+)", source("clients/python/narrowd/onnx/usage.py"), re.M)
        said = [row[0] for row in tables("docs/python-reference.md")["status"]]
        self.assertEqual(sorted(said, key=int), sorted(["0", *statuses], key=int))

    def test_which_command_of_narrow_onnx_has_which_exit_status(self):
        """As the help of each lists them."""
        usage = runpy.run_path(str(ROOT / "clients/python/narrowd/onnx/usage.py"))
        commands, = [action for action in usage["parser"]()._actions if isinstance(action, argparse._SubParsersAction)]
        rows = tables("docs/python-reference.md")["status"]
        for name, of in commands.choices.items():
            listed = re.findall(r"^  (\d+) ", of.format_help().partition("\nexit status:\n")[2], re.M)
            self.assertEqual([row[0] for row in rows if f"`{name}`" in row[2]], listed, name)

    def test_members_of_a_job(self):
        members = {name: part for name, part in schema("JobMembers")["properties"].items()}
        for outer, name in (("tuning_criterion", "TuningCriterion"),
                            ("accuracy_criterion", "AccuracyCriterion")):
            del members[outer]
            members.update({f"{outer}.{k}": v for k, v in schema(name)["properties"].items()})
        said = first_names("docs/jobs.md", "member")
        for name in {**schema("Best")["properties"]}:
            said.pop(name, None)  # the other table of the page
        self.assertEqual(set(said), {"evaluator", *members})
        for name, part in members.items():
            default = part.get("default")
            if isinstance(default, (str, int, float)) and not name.endswith(".strategy"):
                text = default if isinstance(default, str) else json.dumps(default)
                self.assertIn(f"`{text}`", said[name][1], name)

    def test_how_jobs_end(self):
        self.assertEqual(set(first_names("docs/jobs.md", "`exit.reason`")), set(schema("ExitReason")["enum"]))
        stop_on = schema("TuningCriterion")["properties"]["stop_on"]["enum"]
        self.assertEqual(set(first_names("docs/jobs.md", "`stop_on`")), set(stop_on))
        approaches = set(schema("JobMembers")["properties"]["approach"]["enum"])
        said = set(first_names("docs/jobs.md", "`approach`"))
        aliases = {name for name in approaches if name.startswith(("post_training_", "quant_"))}
        self.assertEqual(said, approaches - aliases)

    def test_members_of_a_capability(self):
        page = "docs/capability.md"
        members = {*schema("Capability")["properties"], *schema("Op")["properties"]}
        self.assertEqual(set(first_names(page, "member")), members)
        self.assertEqual(set(first_names(page, "mode")), set(schema("Modes")["properties"]))
        self.assertEqual(set(first_names(page, "item")), set(schema("ItemOptions")["properties"]))

    def test_commands_are_those_of_the_program(self):
        usage = subprocess.run([os.environ["NARROW_BIN"], "--help"], text=True, check=True,
                               stdin=subprocess.DEVNULL, capture_output=True).stdout
        commands = set(re.findall(r"^  ([a-z][a-z-]+) ", usage, re.MULTILINE))
        self.assertGreater(len(commands), 15)
        self.assertEqual(sorted(first_names("docs/narrow.md", "command")), sorted(commands))
        manual = re.findall(r"^\.It Cm ([a-z-]+)", source("docs/man/narrow.1"), re.MULTILINE)
        self.assertLessEqual(set(commands), set(manual))
        for command in commands:
            self.assertIn(f"narrow {command}", source("docs/narrow.md"), command)

    def test_json_in_pages_is_json(self):
        count = 0
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
            for text in re.findall(r"^```json\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
                count += 1
                with self.subTest(page=page.name, text=text):
                    json.loads(text)
        self.assertGreater(count, 20)

    def test_links_lead_somewhere(self):
        pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")]
        count = 0
        for page in pages:
            for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
                path, _, anchor = link.partition("#")
                if ":" in path:
                    continue
                count += 1
                target = (page.parent / path).resolve() if path else page
                self.assertTrue(target.exists(), f"{page.name}: {link}")
                if anchor:
                    self.assertIn(anchor, anchors(target.relative_to(ROOT)), f"{page.name}: {link}")
        self.assertGreater(count, 30)

    def test_every_page_is_in_the_readme_and_installed(self):
        pages = {page.name for page in ROOT.glob("docs/*.md")}
        self.assertEqual(set(re.findall(r"\]\(docs/([\w-]+\.md)\)", source("README.md"))), pages)
        self.assertEqual(set(re.findall(r"'([\w-]+\.md)'", source("docs/meson.build"))), pages)


if __name__ == "__main__":
    unittest.main()
