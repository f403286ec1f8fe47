"""narrow mcp, line by line; tests/published has the published client speak with it. And narrow why, which it runs."""

import json
import os
import pathlib
import subprocess
import unittest

import jobkit
from jobkit import finished, get, submit
from wirekit import Case

NARROW = os.environ["NARROW_BIN"]
MOST_BYTES = 2048


class Mcp(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.job = submit(cls.daemon, cls.body(name="tuned", op_name_dict={
            "op0": {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}}))
        finished(cls.daemon, cls.job)

    @classmethod
    def body(cls, **more):
        return jobkit.body(cls.evaluator.url, quant_level=1, tuning_criterion={"stop_on": "budget", "max_trials": 3}, **more)

    def start(self, *options):
        self.server = self.enterContext(subprocess.Popen(
            [NARROW, "mcp", "--server", self.daemon.url, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        self.addCleanup(self.server.stdin.close)

    def say(self, line):
        self.server.stdin.write(line + "\n")
        self.server.stdin.flush()

    def answer(self):
        line = self.server.stdout.readline()
        self.assertEqual(json.loads(line)["jsonrpc"], "2.0")
        return json.loads(line), len(line.encode())

    def call(self, tool, is_error=False, **arguments):
        self.say(json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
                             "params": {"name": tool, "arguments": arguments}}))
        said, size = self.answer()
        self.assertLessEqual(size, MOST_BYTES)
        self.assertEqual(said["result"]["isError"], is_error, said)
        return said["result"]["content"][0]["text"]

    def test_messages(self):
        self.start()
        for line, member, value in (
                ('{"jsonrpc": "2.0", "id": "a", "method": "ping"}', "result", {}),
                ("{", "error", -32700), ('{"id": 1}', "error", -32600), ('{"id": 2, "method": "resources/list"}', "error", -32601)):
            self.say('{"jsonrpc": "2.0", "method": "notifications/initialized"}')
            self.say(line)
            said = self.answer()[0]
            self.assertEqual(said["error"]["code"] if member == "error" else said["result"], value)
        for asked, got in (("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25")):
            self.say(json.dumps({"id": 3, "method": "initialize", "params": {"protocolVersion": asked}}))
            self.assertEqual(self.answer()[0]["result"]["protocolVersion"], got)

    def tools(self):
        self.say('{"id": 4, "method": "tools/list"}')
        return {tool["name"]: tool for tool in self.answer()[0]["result"]["tools"]}

    def test_without_leave_it_only_reads(self):
        self.start()
        self.assertEqual(set(self.tools()), {"probe", "dry_run", "jobs", "watch", "best", "why", "export"})
        jobs = len(get(self.daemon, "/v1/jobs")["items"])
        self.say(json.dumps({"id": 5, "method": "tools/call", "params": {"name": "submit", "arguments": {"job": self.body()}}}))
        self.assertIn("--allow-changes", self.answer()[0]["error"]["message"])
        file = pathlib.Path(self.directory.name, "refused.json")
        self.call("export", True, job=self.job, format="inc", file=str(file))
        self.assertEqual((len(get(self.daemon, "/v1/jobs")["items"]), file.exists()), (jobs, False))

    def test_a_session(self):
        self.start("--allow-changes")
        self.assertEqual({n for n, tool in self.tools().items() if not tool["annotations"]["readOnlyHint"]}, {"submit", "cancel"})
        self.assertIn("operators", self.call("probe", evaluator=self.evaluator.url))
        wrong = self.call("dry_run", True, job={**self.body(), "paralel": 1, "x": 2})
        self.assertTrue("/paralel" in wrong and "/x" in wrong, "all faults")
        self.assertIn("configs", self.call("dry_run", job=self.body()))
        job = self.call("submit", job=self.body(name="by an agent")).strip()
        self.assertIn("completed", self.call("watch", job=job, seconds=600))
        self.assertIn("criterion", self.call("best", job="by an agent", tolerable_loss=0.5))
        self.assertIn("by an agent", self.call("jobs", limit=5))
        file = pathlib.Path(self.directory.name, "tune_cfg.json")
        said = self.call("export", job=job, format="inc", file=str(file))
        self.assertIn(str(file), said)
        best = get(self.daemon, f"/v1/jobs/{job}")["best"]
        self.assertEqual("warning: this is trial" in said, best["keep_baseline"], "it is said beside the file, not in it")
        self.assertEqual(json.loads(file.read_text()), get(self.daemon, f"/v1/jobs/{job}/export?format=inc"))
        self.call("export", True, job=job, format="inc", file=str(file))
        waiting = submit(self.daemon, {**self.body(), "evaluator": {"pool": "nobody"}})
        self.assertIn("measuring the baseline", self.call("watch", job=waiting, seconds=0) + self.call("watch", job=waiting, seconds=1))
        self.call("cancel", job=waiting)
        self.assertEqual(finished(self.daemon, waiting)["state"], "cancelled")

    def test_what_is_no_argument(self):
        self.start()
        for arguments in ({}, {"job": 3}, {"job": self.job, "more": 1}, {"job": "--help"}, {"job": ""}, {"job": "job_none"}):
            self.call("best", True, **arguments)
        self.call("watch", True, job=self.job, seconds="5")

    def test_long_answers_are_cut(self):
        self.start()
        text = self.call("export", job=self.job, format="json")
        self.assertRegex(text, r"\.\.\. \(\d+ bytes in all, \d+ shown\)$")

    def test_why(self):
        self.start()
        best = get(self.daemon, f"/v1/jobs/{self.job}/best")
        self.assertEqual(best["config"]["ops"]["op0"]["mode"], "fp32")
        text = self.call("why", job=self.job, operator="op0")
        self.assertIn(f"trial {best['trial']}) it is in fp32", text)
        self.assertIn("/op_name_dict/op0 is about it", text)
        other = next(name for name, op in best["config"]["ops"].items() if op["mode"] != "fp32")
        trials = get(self.daemon, f"/v1/jobs/{self.job}/trials?state=told&kind=evaluate")["items"]
        kept = get(self.daemon, f"/v1/jobs/{self.job}/trials?state=told&kind=evaluate&op.{other}=fp32")["items"]
        self.assertIn(f"Not in fp32: {len(trials) - len(kept)} trials", self.call("why", job=self.job, operator=other))
        self.assertIn("no operator", self.call("why", True, job=self.job, operator="elsewhere"))
        done = subprocess.run([NARROW, "why", self.job, other, "--json", "--server", self.daemon.url], capture_output=True, check=True)
        self.assertEqual(json.loads(done.stdout)["best"], best["config"]["ops"][other])


if __name__ == "__main__":
    unittest.main()
