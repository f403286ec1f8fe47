"""Prefer: wait on lists and on what is no part of a job."""

import http.client
import json
import unittest

from jobkit import wait_until
from patience import PATIENCE_S
from wirekit import Case


class Waits(Case):
    def waiting(self, path, **more):
        """A request for what is known already."""
        sent, _ = self.ask("GET", path, 200)
        self.assertEqual(self.waiters(), 0)
        answer = self.later("GET", path, If_None_Match=sent["etag"], Prefer="wait=25", **more)
        wait_until(self.waiters)
        return answer, sent["etag"]

    def changed(self, answer, tag):
        status, sent, text = answer()
        self.assertEqual(status, 200, text)
        self.assertEqual(sent["preference-applied"], "wait=25")
        self.assertNotEqual(sent["etag"], tag)
        return json.loads(text)

    def test_lists_of_jobs(self):
        self.done(name="one")
        answer, tag = self.waiting("/v1/jobs")
        job = self.done(name="two")
        self.assertEqual(self.changed(answer, tag)["items"][0]["id"], job)
        path = "/v1/jobs?name=three&state=completed"
        answer, tag = self.waiting(path)
        self.done(name="other")
        self.assertFalse(answer.there(), "the change is of no interest")
        job = self.done(name="three")
        self.assertEqual([item["id"] for item in self.changed(answer, tag)["items"]], [job])
        answer, tag = self.waiting(path)
        self.ask("DELETE", f"/v1/jobs/{job}", 204)
        self.assertEqual(self.changed(answer, tag)["items"], [])

    def test_evaluators(self):
        answer, tag = self.waiting("/v1/evaluators")
        made, evaluator = self.ask("POST", "/v1/evaluators", 201, {"url": self.evaluator.url, "name": "e"})
        self.assertIn(evaluator["id"], [item["id"] for item in self.changed(answer, tag)["items"]])
        path = made["location"]
        answer, tag = self.waiting(path)
        self.done(name="no matter")
        self.assertFalse(answer.there())
        self.ask("PATCH", path, 200, {"name": "f"})
        self.assertEqual(self.changed(answer, tag)["name"], "f")
        answer, _ = self.waiting(path)
        self.ask("DELETE", path, 204)
        self.assertEqual(answer()[0], 404)

    def test_webhooks(self):
        answer, tag = self.waiting("/v1/webhooks")
        hook = {"url": self.evaluator.url, "events": ["job.completed"]}
        made, hook = self.ask("POST", "/v1/webhooks", 201, hook)
        self.assertEqual([item["id"] for item in self.changed(answer, tag)["items"]], [hook["id"]])
        path = made["location"]
        answer, tag = self.waiting(f"{path}/deliveries")
        self.done()
        self.assertEqual(len(self.changed(answer, tag)["items"]), 1)
        answer, _ = self.waiting(path)
        self.ask("DELETE", path, 204)
        self.assertEqual(answer()[0], 404)

    def test_nothing_changes(self):
        self.done()
        for path in ("/v1/jobs?limit=1", "/v1/evaluators", "/v1/events?after=now", "/v1/webhooks"):
            sent, _ = self.ask("GET", path, 200)
            for wait in ("wait=1", "return=minimal, wait=1"):
                status, again, text = self.raw("GET", path, If_None_Match=sent["etag"], Prefer=wait)
                self.assertEqual((status, text), (304, b""))
                self.assertEqual(again["preference-applied"], "wait=1")
                self.assertEqual(again["etag"], sent["etag"])
            for prefer in ("wait=0", "wait=no", "return=minimal"):
                status, again, _ = self.raw("GET", path, If_None_Match=sent["etag"], Prefer=prefer)
                self.assertEqual((status, again["preference-applied"]), (304, None))
            status, again, _ = self.raw("GET", path, If_None_Match='"old"', Prefer="wait=25")
            self.assertEqual((status, again["preference-applied"]), (200, None))
            self.assertEqual(self.raw("GET", path, Prefer="wait=25")[0], 200)

    def test_a_pages_link_comes_once(self):
        self.done(), self.done()
        answer, tag = self.waiting("/v1/jobs?limit=1")
        self.done()
        _, sent, _ = answer()
        self.assertEqual(len(sent.get_all("link")), 1)

    def test_a_client_that_leaves_is_forgotten(self):
        sent, _ = self.ask("GET", "/v1/jobs", 200)
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        connection.request("GET", "/v1/jobs", headers={"If-None-Match": sent["etag"], "Prefer": "wait=25"})
        connection.close()
        self.done()
        self.assertEqual(self.ask("GET", "/healthz", 200)[1]["status"], "ok")

    def test_a_stop_ends_the_wait(self):
        answer, _ = self.waiting("/v1/jobs")
        self.daemon.restart()
        self.assertIn(answer()[0], (503, 304))


if __name__ == "__main__":
    unittest.main()
