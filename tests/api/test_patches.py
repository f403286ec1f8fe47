"""PATCH: labels that are merged or replaced, null, and what changes nothing."""

import unittest

from jobkit import body, everything, get, submit, wait_until
from wirekit import Case


class Patches(Case):
    MERGE = "application/merge-patch+json"

    def setUp(self):
        job = body(self.evaluator.url, name="n", labels={"a": "1", "b": "2"})
        job["evaluator"] = {"pool": "nobody"}
        self.path = f"/v1/jobs/{submit(self.daemon, job)}"
        wait_until(lambda: get(self.daemon, self.path)["state"] == "baseline")
        self.addCleanup(self.ask, "POST", f"{self.path}/cancel", 200)

    def patch(self, change, expected=200, **headers):
        return self.ask("PATCH", self.path, expected, change, **headers)[1]

    def test_labels_are_merged_or_replaced(self):
        merge = {"Content_Type": f"{self.MERGE}; charset=utf-8"}
        labels = self.patch({"labels": {"b": None, "c": "3", "none": None}}, **merge)["labels"]
        self.assertEqual(labels, {"a": "1", "c": "3"})
        self.assertEqual(self.patch({"labels": {"d": ""}})["labels"], {"d": ""})
        labels = self.patch({"labels": {"e": "5"}}, **merge)["labels"]
        self.assertEqual(labels, {"d": "", "e": "5"}, "with those of an edit, not of the submission")
        self.assertEqual(self.patch({"labels": None})["labels"], {"d": "", "e": "5"})
        self.daemon.restart()
        labels = self.patch({"labels": {"f": "6"}}, **merge)["labels"]
        self.assertEqual(labels, {"d": "", "e": "5", "f": "6"}, "also after a restart")
        events = everything(self.daemon, f"{self.path}/events")
        edits = [e["data"]["labels"] for e in events if e["type"] == "job_edited"]
        self.assertEqual(edits[-1], labels, "events have all labels")
        self.assertEqual(self.patch({"labels": None}, **merge)["labels"], {})

    def test_final_jobs(self):
        path = f"/v1/jobs/{self.done(labels={'a': '1'})}"
        merge = {"Content_Type": self.MERGE}
        self.ask("PATCH", path, 200, {"labels": {"b": "2"}}, **merge)
        _, job = self.ask("PATCH", path, 200, {"labels": {"a": None, "c": "3"}}, **merge)
        self.assertEqual(job["labels"], {"b": "2", "c": "3"})
        sent, before = self.ask("GET", path, 200)
        for change in ({}, {"parallel": None}):
            answer, after = self.ask("PATCH", path, 200, change)
            self.assertEqual((answer["etag"], after), (sent["etag"], before))
        self.ask("PATCH", path, 409, {"parallel": 2.0})
        self.ask("PATCH", path, 422, {"labels": {"": "x"}}, **merge)

    def test_what_changes_nothing(self):
        sent, before = self.ask("GET", self.path, 200)
        before["budget"].pop("elapsed_s")
        for change, headers in (
            ({}, {}),
            ({}, {"Content_Type": self.MERGE}),
            ({"parallel": None, "labels": None, "max_trials": None, "timeout": None}, {}),
        ):
            answer, after = self.ask("PATCH", self.path, 200, change, **headers)
            after["budget"].pop("elapsed_s")
            self.assertEqual((answer["etag"], after), (sent["etag"], before))

    def test_numbers(self):
        document = self.patch({"parallel": 2.0, "max_trials": 40.0, "timeout": 7})
        self.assertEqual((document["parallel"], document["budget"]["max_trials"]), (2, 40))
        self.patch({"max_trials": None})
        self.assertEqual(get(self.daemon, self.path)["budget"]["max_trials"], 40)
        problem = self.patch({"parallel": None}, 422, Content_Type=self.MERGE)
        self.assertEqual(problem["errors"][0]["pointer"], "/parallel")
        self.assertIsNone(self.patch({"name": None}, Content_Type=self.MERGE)["name"])

    def test_bad_labels(self):
        for labels, pointer in (
            ({"a": 1}, "/labels/a"),
            ({"": "x"}, "/labels/"),
            ({"a": "x" * 1025}, "/labels/a"),
            ([], "/labels"),
            ({str(n): "" for n in range(65)}, "/labels"),
        ):
            for headers in ({}, {"Content_Type": self.MERGE}):
                problem = self.patch({"labels": labels}, 422, **headers)
                self.assertEqual(problem["errors"][0]["pointer"], pointer)
            _, problem = self.ask("POST", "/v1/jobs", 422, body("", evaluator={"pool": "p"}, labels=labels))
            self.assertEqual(problem["errors"][0]["pointer"], pointer)
        self.patch({"labels": {"a": None}}, 422)

    def test_evaluators(self):
        made, _ = self.ask("POST", "/v1/evaluators", 201, {"url": self.evaluator.url, "name": "e"})
        path = made["location"]
        sent, before = self.ask("GET", path, 200)
        self.ask("PATCH", path, 200, {}, Content_Type=self.MERGE)
        again, after = self.ask("GET", path, 200)
        self.assertEqual((again["etag"], after), (sent["etag"], before))
        self.ask("PATCH", path, 200, {"max_concurrency": 2}, Content_Type=self.MERGE)
        _, after = self.ask("PATCH", path, 200, {"name": None}, Content_Type=self.MERGE)
        self.assertEqual((after["max_concurrency"], after.get("name")), (2, None))


if __name__ == "__main__":
    unittest.main()
