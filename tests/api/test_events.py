"""The events of all jobs as one stream or as pages, and what events can be told apart by."""

import http.client
import json
import unittest

from jobkit import body, everything, finished, get, submit, wait_until
from patience import PATIENCE_S
from wirekit import Case


class Feed:
    """An open stream; next() is the next event as (id, type, data)."""

    def __init__(self, test, path, **headers):
        self.connection = http.client.HTTPConnection("127.0.0.1", test.daemon.port, timeout=PATIENCE_S)
        test.addCleanup(self.connection.close)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request("GET", path, headers={"Accept": "text/event-stream", **headers})
        self.answer = self.connection.getresponse()
        test.assertEqual(self.answer.status, 200)

    def next(self):
        message = {}
        while True:
            line = self.answer.readline().decode()
            assert line, "the stream has ended"
            name, _, value = line.rstrip("\n").partition(": ")
            if name in ("id", "event", "data"):
                message[name] = value
            elif "data" in message and line == "\n":
                return int(message["id"]), message["event"], json.loads(message["data"])

    def take(self, count):
        return [self.next() for _ in range(count)]


class AllJobs(Case):
    def events(self, *jobs):
        found = [e for job in jobs for e in everything(self.daemon, f"/v1/jobs/{job}/events?limit=1000")]
        return sorted(found, key=lambda event: event["seq"])

    def newest(self):
        page = everything(self.daemon, "/v1/events?limit=1000")
        return page[-1]["seq"] if page else 0

    def test_pages_are_those_of_all_jobs(self):
        start = self.newest()
        jobs = [self.done(labels={"team": team}) for team in ("red", "blue", "red")]
        log = self.events(*jobs)
        self.assertEqual(everything(self.daemon, f"/v1/events?after={start}&limit=7"), log)
        self.assertEqual(everything(self.daemon, f"/v1/events?after={log[4]['seq']}"), log[5:])
        red = self.events(jobs[0], jobs[2])
        label = f"after={start}&label.team=red"
        self.assertEqual(everything(self.daemon, f"/v1/events?{label}&limit=5"), red)
        self.assertEqual(everything(self.daemon, f"/v1/events?{label}&label.team=none"), [])
        for types in ("type=trial_told,new_best", "type=new_best&type=trial_told"):
            kept = [event for event in red if event["type"] in ("trial_told", "new_best")]
            self.assertEqual(everything(self.daemon, f"/v1/events?{label}&{types}&limit=2"), kept)
            mine = [event for event in kept if event["job"] == jobs[0]]
            self.assertEqual(everything(self.daemon, f"/v1/jobs/{jobs[0]}/events?{types}&limit=2"), mine)
        self.assertEqual(get(self.daemon, "/v1/events?after=now"), {"items": [], "next": None})

    def test_a_stream_goes_from_job_to_job(self):
        start = self.newest()
        feed = Feed(self, f"/v1/events?after={start}")
        live = Feed(self, "/v1/events?after=now&type=state_changed")
        jobs = [self.done(), self.done()]
        log = self.events(*jobs)
        got = feed.take(len(log))
        self.assertEqual([data for _, _, data in got], log)
        self.assertEqual([seq for seq, _, _ in got], [event["seq"] for event in log])
        self.assertEqual([kind for _, kind, _ in got], [event["type"] for event in log])
        changes = [event for event in log if event["type"] == "state_changed"]
        self.assertEqual([data for _, _, data in live.take(len(changes))], changes)
        third = self.done()
        self.assertEqual([data for _, _, data in feed.take(3)], self.events(third)[:3], "it goes on")
        middle = log[len(log) // 2]["seq"]
        again = Feed(self, f"/v1/events?after={start}", Last_Event_ID=str(middle))
        rest = [event for event in log if event["seq"] > middle]
        self.assertEqual([data for _, _, data in again.take(len(rest))], rest, "resumed")

    def test_labels_of_a_stream(self):
        start = self.newest()
        feed = Feed(self, f"/v1/events?label.team=green&type=job_submitted,state_changed&after={start}")
        jobs = [self.done(labels=labels) for labels in ({}, {"team": "green", "x": "y"}, {"team": "g"}, {"team": "green"})]
        kept = [e for e in self.events(jobs[1], jobs[3]) if e["type"] in ("job_submitted", "state_changed")]
        self.assertEqual([data for _, _, data in feed.take(len(kept))], kept)

    def test_a_long_log_is_streamed_whole(self):
        start = self.newest()
        job = body(self.evaluator.url, operators=12, confirm=0)
        job["tuning_criterion"] = {"strategy": "random", "max_trials": 150, "stop_on": "budget"}
        job = submit(self.daemon, job)
        feed = Feed(self, f"/v1/events?after={start}")
        finished(self.daemon, job)
        log = self.events(job)
        self.assertGreater(len(log), 400, "more than a page of the stream")
        self.assertEqual([data for _, _, data in feed.take(len(log))], log)

    def test_a_deleted_job_leaves_a_hole(self):
        start = self.newest()
        first, second = self.done(), self.done()
        log = self.events(second)
        self.ask("DELETE", f"/v1/jobs/{first}", 204)
        self.assertEqual(everything(self.daemon, f"/v1/events?after={start}"), log)
        feed = Feed(self, "/v1/events", Last_Event_ID=str(start))
        self.assertEqual([data for _, _, data in feed.take(len(log))], log)

    def test_types_of_one_jobs_stream(self):
        job = self.done()
        feed = Feed(self, f"/v1/jobs/{job}/events?type=trial_told,stage_entered")
        kept = [e for e in self.events(job) if e["type"] in ("trial_told", "stage_entered")]
        self.assertEqual([data for _, _, data in feed.take(len(kept))], kept)
        self.assertNotIn(b"data", feed.answer.read(), "and it ends")
        last = {"Accept": "text/event-stream", "Last_Event_ID": str(kept[-1]["seq"])}
        path = f"/v1/jobs/{job}/events"
        self.assertEqual(self.raw("GET", f"{path}?type=trial_told,stage_entered", **last)[0], 204)
        self.assertEqual(self.raw("GET", path, **last)[0], 200, "others follow")

    def test_refusals(self):
        job = self.done()
        for path in ("/v1/events", f"/v1/jobs/{job}/events"):
            for accept in ("application/json", "text/event-stream"):
                for query in ("type=none", "type=", "type=trial_told,none", "after=", "after=x", "after=-1"):
                    _, problem = self.ask("GET", f"{path}?{query}", 400, Accept=accept)
                    self.assertIn(query.split("=")[0], problem["detail"])
            self.ask("GET", path, 400, Accept="text/event-stream", Last_Event_ID="now")
            self.ask("GET", path, 406, Accept="text/html")
        self.ask("GET", f"/v1/jobs/{job}/events?label.a=b", 400)

    def test_pages_wait(self):
        start = self.newest()
        path = f"/v1/events?after={start}&type=job_submitted"
        sent, page = self.ask("GET", path, 200)
        self.assertEqual(page["items"], [])
        waiting = self.later("GET", path, If_None_Match=sent["etag"], Prefer="wait=20")
        wait_until(self.waiters)
        job = self.done()
        status, sent, text = waiting()
        self.assertEqual(status, 200)
        self.assertEqual([event["job"] for event in json.loads(text)["items"]], [job])
        self.assertEqual(sent["preference-applied"], "wait=20")


if __name__ == "__main__":
    unittest.main()
