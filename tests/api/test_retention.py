"""What is deleted by itself, what stays, and many jobs at once."""

import datetime
import os
import pathlib
import sqlite3
import subprocess
import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import everything, get, submit, wait_until
from patience import PATIENCE_S
from receiver import Receiver
from scripted import Reply
from test_access import bearer, new_token
from test_events import Feed

DAY_MS = 86400 * 1000


class RetentionCase(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)

    def begin(self, *arguments):
        daemon = Daemon(self.directory, *arguments)
        daemon.start()
        self.addCleanup(lambda: daemon.process.poll() is None and daemon.kill9())
        return daemon

    def cancelled(self, daemon, headers=None, **more):
        """A job that has ended, at once."""
        status, _, job = daemon.request("POST", "/v1/jobs", self.body(**more), headers)
        self.assertEqual(status, 201, job)
        path = f"/v1/jobs/{job['id']}"
        owner = {name: value for name, value in (headers or {}).items() if name == "Authorization"}
        self.assertEqual(daemon.request("POST", f"{path}/cancel", {}, owner)[0], 200)
        return job["id"]

    @staticmethod
    def body(**more):
        return {**jobkit.body("http://unused"), "evaluator": {"pool": "nobody"}, **more}

    def age(self, daemon, days, table="job", column="finished_at", where="1"):
        """Makes a stopped daemon's rows older."""
        with sqlite3.connect(self.directory / "narrowd.db") as database:
            database.execute(f"UPDATE {table} SET {column} = {column} - ? WHERE {where}", (days * DAY_MS,))
        database.close()

    def ids(self, daemon):
        return {job["id"] for job in everything(daemon, "/v1/jobs")}

    def is_sound(self):
        check = subprocess.run([os.environ["NARROWD_BIN"], "--data-dir", self.directory, "check"],
                               capture_output=True, text=True, timeout=PATIENCE_S)
        self.assertEqual((check.returncode, check.stderr), (0, ""))


class ByItself(RetentionCase):
    def test_by_number(self):
        daemon = self.begin("--retain-jobs=2")
        kept = self.cancelled(daemon, labels={"keep": "true"})
        lost = self.cancelled(daemon, labels={"keep": "no"})
        is_open = submit(daemon, self.body())
        ended = [self.cancelled(daemon) for _ in range(4)]
        wait_until(lambda: self.ids(daemon) == {kept, is_open, *ended[2:]})
        for path in ("", "/events", "/spec", "/trials"):
            get(daemon, f"/v1/jobs/{lost}{path}", 404)
        daemon.stop()
        self.is_sound()

    def test_of_each_owner(self):
        tokens = {owner: new_token(str(self.directory), "submit", "read", owner=owner) for owner in ("ann", "bob")}
        daemon = self.begin("--retain-jobs=1")
        bobs = self.cancelled(daemon, bearer(tokens["bob"]))
        anns = [self.cancelled(daemon, bearer(tokens["ann"])) for _ in range(3)]
        wait_until(lambda: self.ids(daemon) == {bobs, anns[-1]})

    def test_by_age(self):
        daemon = self.begin()
        old, middle, kept = self.cancelled(daemon), self.cancelled(daemon), self.cancelled(daemon, labels={"keep": "true"})
        is_open = submit(daemon, self.body())
        tag = daemon.request("GET", f"/v1/jobs/{old}")[1]["ETag"]
        daemon.stop()
        self.age(daemon, 10)
        self.age(daemon, -5, where=f"id = '{middle}'")
        daemon.arguments = ("--retain-days=7",)
        daemon.start()
        wait_until(lambda: self.ids(daemon) == {middle, kept, is_open})
        get(daemon, f"/v1/jobs/{old}", 404, **{"If-None-Match": tag})
        wait_until(lambda: "jobs were deleted that were not to be kept longer" in daemon.log())

    def test_a_job_whose_events_are_still_to_be_delivered_stays(self):
        receiver = Receiver(lambda message: Reply(503, b""))
        self.addCleanup(receiver.stop)
        daemon = self.begin("--retain-jobs=1", "--webhook-schedule-s=86400")
        _, _, hook = daemon.request("POST", "/v1/webhooks", {"url": receiver.url, "events": ["job.cancelled"]})
        receiver.secret = hook["secret"]
        told = [self.cancelled(daemon) for _ in range(3)]
        self.assertEqual(daemon.request("DELETE", f"/v1/webhooks/{hook['id']}")[0], 204)
        wait_until(lambda: self.ids(daemon) == {told[-1]})

    def test_deliveries_and_keys_by_age(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        daemon = self.begin()
        _, _, hook = daemon.request("POST", "/v1/webhooks", {"url": receiver.url, "events": ["job.cancelled"]})
        receiver.secret = hook["secret"]
        jobs = [self.cancelled(daemon, {"Idempotency-Key": f"key{i}"}) for i in range(2)]
        path = f"/v1/webhooks/{hook['id']}/deliveries"
        wait_until(lambda: [d["state"] for d in get(daemon, path)["items"]] == ["delivered"] * 2)
        daemon.stop()
        self.age(daemon, 31, "delivery", "queued_at", f"job = '{jobs[0]}'")
        self.age(daemon, 3, "idempotency", "at_ms")
        daemon.start()
        wait_until(lambda: [d["job"] for d in get(daemon, path)["items"]] == [jobs[1]])
        daemon.stop()
        self.assertEqual(self.ids_in("idempotency"), 0)
        self.is_sound()

    def ids_in(self, table):
        with sqlite3.connect(self.directory / "narrowd.db") as database:
            return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    def test_who_was_away_is_told(self):
        self.daemon = daemon = self.begin("--retain-jobs=1")
        submit(daemon, self.body())
        last = everything(daemon, "/v1/events")[-1]["seq"]
        gone = self.cancelled(daemon)
        newest = everything(daemon, f"/v1/jobs/{gone}/events")[-1]["seq"]
        self.cancelled(daemon)
        wait_until(lambda: gone not in self.ids(daemon))
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
        status, _, problem = daemon.request("GET", "/v1/events", headers=headers)
        self.assertEqual((status, problem["type"]), (410, "urn:narrowd:problem:gone"), problem)
        self.assertIn(f"up to {newest}", problem["detail"])
        for path, headers, seq in ((f"/v1/events?after={last}", {}, last), ("/v1/events", {"Last_Event_ID": str(newest)}, newest)):
            self.assertGreater(Feed(self, path, **headers).next()[0], seq)

    def test_the_disk_gets_back_what_was_deleted(self):
        daemon = self.begin()
        large = self.body(capability=jobkit.capability(1500))
        ended = [self.cancelled(daemon, capability=large["capability"]) for _ in range(24)]
        daemon.restart()  # so that all of it is in the file
        full = (self.directory / "narrowd.db").stat().st_size
        daemon.stop()
        daemon.arguments = (f"--retain-bytes={full // 4}",)
        daemon.start()
        wait_until(lambda: (self.directory / "narrowd.db").stat().st_size < full / 3)
        left = self.ids(daemon)
        self.assertEqual(left, set(ended[len(ended) - len(left):]), "those that ended first go first")
        self.assertGreater(len(left), 1)
        daemon.stop()
        self.is_sound()

    def test_a_database_of_full_size(self):
        daemon = self.begin("--database-max-bytes=1000000")
        large = jobkit.capability(1500)
        statuses = [daemon.request("POST", "/v1/jobs", self.body(capability=large))[0] for _ in range(20)]
        self.assertEqual((statuses[0], statuses[-1]), (201, 507))
        for job in self.ids(daemon):
            daemon.request("POST", f"/v1/jobs/{job}/cancel", {})
        status, _, said = daemon.request("POST", "/v1/jobs/delete", {"filter": {"all": True}})
        self.assertEqual((status, len(said["items"])), (200, statuses.count(201)))
        wait_until(lambda: daemon.request("POST", "/v1/jobs", self.body(capability=large))[0] == 201)

    def test_killed_in_the_middle(self):
        daemon = self.begin()
        ended = [self.cancelled(daemon) for _ in range(80)]
        daemon.stop()
        daemon.arguments = ("--retain-jobs=7",)
        for life in range(12):
            daemon.start()
            wait_until(lambda: len(self.ids(daemon)) <= 80 - 6 * life)
            daemon.kill9()
            self.is_sound()
        daemon.start()
        wait_until(lambda: self.ids(daemon) == set(ended[-7:]))


class AtOnce(RetentionCase):
    """POST /v1/jobs/delete."""

    def start(self):
        self.daemon = self.begin()
        return self.daemon

    def delete(self, expected=200, headers=None, **body):
        status, sent, said = self.daemon.request("POST", "/v1/jobs/delete", body, headers)
        self.assertEqual(status, expected, said)
        return said, sent

    def test_what_the_filter_says(self):
        daemon = self.start()
        red = [self.cancelled(daemon, labels={"colour": "red"}) for _ in range(3)]
        blue = self.cancelled(daemon, name="blue one", labels={"colour": "blue"})
        kept = self.cancelled(daemon, labels={"colour": "red", "keep": "true"})
        pale = self.cancelled(daemon, labels={"colour": ""})
        is_open = submit(daemon, self.body(labels={"colour": "red"}))
        for empty in ({"filter": {}}, {}, {"filter": {"labels": {}}}, {"filter": {"all": False}}):
            self.assertTrue(self.delete(422, **empty)[0]["errors"][0]["pointer"].startswith("/filter"))
        wrong = {"state": ["done"], "name": 1, "labels": {"": "a"}, "finished_before": "yesterday", "age": 1}
        said = self.delete(422, filter=wrong, dry_run=1)[0]
        self.assertEqual(len(said["errors"]), 6, said)
        for early in ("1970-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z"):
            self.assertEqual(self.delete(filter={"finished_before": early})[0], {"items": [], "skipped": 0, "more": False})
        moment = datetime.datetime.fromisoformat(get(daemon, f"/v1/jobs/{red[1]}")["finished_at"])
        before = moment.astimezone(datetime.timezone(datetime.timedelta(hours=-3.5))).isoformat()
        self.assertEqual(self.delete(filter={"finished_before": before})[0]["items"], red[:1])
        said = self.delete(filter={"labels": {"colour": "red"}}, dry_run=True)[0]
        self.assertEqual(said, {"items": red[1:], "skipped": 2, "more": False})
        self.assertEqual(len(self.ids(daemon)), 6)
        self.assertEqual(self.delete(filter={"labels": {"colour": ""}})[0]["items"], [pale])
        self.assertEqual(self.delete(filter={"labels": {"colour": "red"}})[0], said)
        self.assertEqual(self.delete(filter={"name": "blue one", "state": ["failed"]})[0]["items"], [])
        self.assertEqual(self.delete(filter={"name": "blue one", "state": ["failed", "cancelled"]})[0]["items"], [blue])
        self.assertEqual(self.ids(daemon), {kept, is_open})

    def test_a_repeat_has_the_first_answer(self):
        daemon = self.start()
        first = self.cancelled(daemon)
        key = {"Idempotency-Key": "all"}
        said, sent = self.delete(headers=key, filter={"all": True})
        self.assertEqual((said["items"], sent["Idempotency-Replayed"]), ([first], None))
        second = self.cancelled(daemon)
        again, sent = self.delete(headers=key, filter={"all": True})
        self.assertEqual((again, sent["Idempotency-Replayed"]), (said, "true"))
        self.assertEqual(self.ids(daemon), {second})

    def test_ones_own(self):
        tokens = {owner: new_token(str(self.directory), "submit", "read", owner=owner) for owner in ("ann", "bob")}
        daemon = self.start()
        anns, bobs = (self.cancelled(daemon, bearer(tokens[owner])) for owner in ("ann", "bob"))
        self.assertEqual(self.delete(headers=bearer(tokens["ann"]), filter={"all": True})[0], {"items": [anns], "skipped": 0, "more": False})
        self.assertEqual(self.delete(filter={"all": True})[0]["items"], [bobs])


class Keys(RetentionCase):
    def test_a_key_is_forgotten_when_a_million_came_after_it(self):
        daemon = self.begin()
        old, new = {"Idempotency-Key": "old"}, {"Idempotency-Key": "new"}
        first = self.cancelled(daemon, old)
        self.assertEqual(self.cancelled(daemon, old), first)
        daemon.stop()
        with sqlite3.connect(self.directory / "narrowd.db") as database:
            database.execute("INSERT INTO idempotency (rowid, scope, key, fingerprint, status, body, at_ms)"
                             " SELECT rowid + 1000000, scope, 'later', fingerprint, status, body, at_ms FROM idempotency")
        database.close()
        daemon.start()
        second = self.cancelled(daemon, new)
        self.assertNotEqual(self.cancelled(daemon, old), first)
        self.assertEqual(self.cancelled(daemon, new), second)


if __name__ == "__main__":
    unittest.main()
