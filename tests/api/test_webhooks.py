"""Webhooks: what is registered, what is sent, and what becomes of a delivery that fails."""

import base64
import datetime
import json
import re
import socket
import tempfile
import threading
import unittest

import jobkit
from daemon import Daemon
from patience import PATIENCE_S
from receiver import Receiver
from scripted import Reply

TYPES = ["job_submitted", "state_changed", "question_asked", "trial_told", "new_best"]
FINAL = ["completed", "failed", "cancelled"]


def fault_pointers(problem):
    return sorted(fault["pointer"] for fault in problem["errors"])


class WebhookTest(unittest.TestCase):
    def start(self, *arguments):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        daemon = Daemon(directory.name, *arguments)
        daemon.start()
        self.addCleanup(self.end, daemon)
        return daemon

    def end(self, daemon):
        if daemon.process.poll() is None:
            daemon.stop()

    def receiver(self, reply=None):
        receiver = Receiver(reply)
        self.addCleanup(receiver.stop)
        self.addCleanup(lambda: self.assertEqual(receiver.faults, []))
        return receiver

    def evaluator(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        return evaluator.url

    def finished_job(self, daemon, **more):
        job = jobkit.submit(daemon, jobkit.body(self.evaluator(), **more))
        jobkit.finished(daemon, job)
        return job

    def deliveries(self, daemon, webhook, state=None):
        query = f"?limit=7&state={state}" if state else "?limit=7"
        return jobkit.everything(daemon, f"/v1/webhooks/{webhook}/deliveries{query}")

    def settled(self, daemon, webhook):
        """All deliveries once none is pending."""
        jobkit.wait_until(lambda: not self.deliveries(daemon, webhook, "pending"))
        return self.deliveries(daemon, webhook)

    def log(self, daemon, job, types=None):
        events = jobkit.everything(daemon, f"/v1/jobs/{job}/events")
        return [event for event in events if types is None or event["type"] in types]


class Resource(WebhookTest):
    def test_a_made_secret_is_shown_once(self):
        daemon = self.start()
        body = {"name": "ops", "url": "http://127.0.0.1:9000/x?token=t", "events": ["job.completed"]}
        key = {"Idempotency-Key": "k1"}
        status, sent, made = daemon.request("POST", "/v1/webhooks", body, key)
        self.assertEqual((status, sent["location"]), (201, f"/v1/webhooks/{made['id']}"))
        self.assertRegex(made["id"], "^whk_")
        self.assertEqual(len(base64.b64decode(re.fullmatch("whsec_(.+)", made["secret"])[1])), 32)
        status, sent, again = daemon.request("POST", "/v1/webhooks", body, key)
        self.assertEqual((status, sent["idempotency-replayed"], again), (201, "true", made))
        expected = {**made, **body, "url": "http://127.0.0.1:9000/x?...", "secret": {"set": True}}
        path = f"/v1/webhooks/{made['id']}"
        self.assertEqual(jobkit.get(daemon, path), expected)
        self.assertEqual(jobkit.get(daemon, "/v1/webhooks"), {"items": [expected], "next": None})
        self.assertEqual((expected["state"], expected["labels"], expected["job"]), ("active", {}, None))
        other = daemon.request("POST", "/v1/webhooks", {**body, "secret": "own"})[2]
        self.assertEqual(other["secret"], {"set": True})
        self.assertNotEqual(other["id"], made["id"])
        page = jobkit.get(daemon, "/v1/webhooks?limit=1")
        self.assertEqual([item["id"] for item in page["items"]], [made["id"]])
        self.assertEqual(
            jobkit.get(daemon, f"/v1/webhooks?cursor={page['next']}")["items"][0]["id"], other["id"]
        )
        self.assertEqual(daemon.request("DELETE", path, headers={"If-Match": '"no"'})[0], 412)
        tag = daemon.request("GET", path)[1]["etag"]
        self.assertEqual(daemon.request("GET", path, headers={"If-None-Match": tag})[0], 304)
        self.assertEqual(daemon.request("DELETE", path, headers={"If-Match": tag})[0], 204)
        for method, rest in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries"),
                             ("POST", "/deliveries/1/replay")):
            with self.subTest(method=method, rest=rest):
                status, _, problem = daemon.request(method, path + rest)
                self.assertEqual((status, problem["type"]), (404, "urn:narrowd:problem:not_found"))
        self.assertEqual(daemon.request("PATCH", path, {})[0], 405)
        daemon.restart()
        self.assertEqual([item["id"] for item in jobkit.get(daemon, "/v1/webhooks")["items"]],
                         [other["id"]])

    def test_every_fault_is_named(self):
        daemon = self.start()
        good = {"url": "http://127.0.0.1:9000", "events": ["warning"]}
        cases = [
            ({}, ["/events", "/url"]),
            ({**good, "url": 1}, ["/url"]),
            ({**good, "url": ""}, ["/url"]),
            ({**good, "events": []}, ["/events"]),
            ({**good, "events": "warning"}, ["/events"]),
            ({**good, "events": ["warning"] * 65}, ["/events"]),
            ({**good, "events": ["new_best", "warning", "warning"]}, ["/events/2"]),
            ({**good, "events": ["job.done", "x", None, 1, "job."]},
             [f"/events/{i}" for i in range(5)]),
            ({**good, "events": ["webhook.test"]}, ["/events/0"]),
            ({**good, "secret": "whsec_?"}, ["/secret"]),
            ({**good, "secret": ""}, ["/secret"]),
            ({**good, "job": "evl_1"}, ["/job"]),
            ({**good, "labels": {"a": 1, "b": None}}, ["/labels/a", "/labels/b"]),
            ({**good, "id": "whk_1", "state": "active"}, ["/id", "/state"]),
        ]
        for body, pointers in cases:
            with self.subTest(body=body):
                status, _, problem = daemon.request("POST", "/v1/webhooks", body)
                self.assertEqual(status, 422, problem)
                self.assertEqual(fault_pointers(problem), pointers)
        self.assertEqual(jobkit.get(daemon, "/v1/webhooks")["items"], [])
        bad = ("state=lost", "cursor=zz", "limit=x", "unknown=1")
        webhook = daemon.request("POST", "/v1/webhooks", good)[2]["id"]
        for query in bad:
            path = f"/v1/webhooks/{webhook}/deliveries?{query}"
            self.assertEqual(daemon.request("GET", path)[0], 400, query)
        self.assertEqual(daemon.request("POST", f"/v1/webhooks/{webhook}/test", {"x": 1})[0], 422)

    def test_there_is_a_limit(self):
        daemon = self.start()
        body = {"url": "http://127.0.0.1:9000", "events": ["warning"]}
        answers = [daemon.request("POST", "/v1/webhooks", body) for _ in range(101)]
        self.assertEqual([status for status, _, _ in answers], [201] * 100 + [409])
        self.assertIn("100", answers[-1][2]["detail"])

    def test_the_guard_refuses_hostile_urls(self):
        daemon = self.start()
        hostile = [
            "file:///etc/passwd",
            "gopher://127.0.0.1:6379/_x",
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://user:pass@127.0.0.1:9000/",
            "http://2130706433:9000/",
            "http://0x7f.1:9000/",
            "http://127.0.0.1:22/",
            daemon.url + "/v1/jobs",
        ]
        for url in hostile:
            with self.subTest(url=url):
                body = {"url": url, "events": ["warning"]}
                status, _, problem = daemon.request("POST", "/v1/webhooks", body)
                self.assertEqual((status, problem["type"]),
                                 (422, "urn:narrowd:problem:evaluator_denied"), problem)
                self.assertEqual(fault_pointers(problem), ["/url"])
        strict = self.start("--evaluator-policy", "public")
        body = {"url": "http://127.0.0.1:9000/", "events": ["warning"]}
        self.assertEqual(strict.request("POST", "/v1/webhooks", body)[0], 422)

    def test_the_guard_is_asked_again_for_every_attempt(self):
        daemon = self.start("--webhook-schedule-s", "0")
        receiver = self.receiver()
        webhook = receiver.register(daemon, ["job_submitted"])["id"]
        daemon.stop()
        daemon.arguments += ("--evaluator-policy", "allowlist", "--evaluator-allow", "127.0.0.1:1")
        daemon.start()
        status, _, report = daemon.request("POST", f"/v1/webhooks/{webhook}/test")
        self.assertEqual((status, report["ok"], report["status"]), (200, False, None))
        self.assertIn("denied", report["error"])
        self.assertEqual(receiver.requests, [])

    def test_a_schedule_must_make_sense(self):
        for value in ("", "5 x", "-1", "604801", "1.5", " ".join(["1"] * 33)):
            with self.subTest(value=value):
                with self.assertRaises(AssertionError) as caught:
                    self.start("--webhook-schedule-s", value)
                self.assertIn("webhook_schedule_s" if value.count(" ") < 9 else "list",
                              str(caught.exception))


class Sending(WebhookTest):
    def test_every_event_arrives_signed_and_in_order(self):
        daemon = self.start()
        receiver = self.receiver()
        document = receiver.register(daemon, TYPES)
        jobs = [self.finished_job(daemon), self.finished_job(daemon)]
        items = self.settled(daemon, document["id"])
        for job in jobs:
            expected = self.log(daemon, job, TYPES)
            self.assertGreater(len(expected), 10)
            got = [message for message in receiver.taken if message["data"]["job"] == job]
            self.assertEqual([message["data"] for message in got], expected)
            self.assertEqual([message["type"] for message in got], [e["type"] for e in expected])
            self.assertEqual([message["timestamp"] for message in got], [e["at"] for e in expected])
        self.assertEqual(len({message["id"] for message in receiver.taken}), len(receiver.taken))
        self.assertEqual([item["n"] for item in items],
                         sorted((m["data"]["seq"] for m in receiver.taken), reverse=True))
        for item in items:
            self.assertEqual((item["state"], item["attempts"], item["status"], item["error"]),
                             ("delivered", 1, 204, None))
            self.assertIsNone(item["next_attempt_at"])
            self.assertEqual(item["message_id"], f"{document['id']}_{item['n']}")
        text = daemon.request("GET", "/metrics")[2]
        self.assertIn(f"narrowd_webhook_delivered_total {len(items)}\n", text)
        self.assertIn("narrowd_webhook_failed_total 0\n", text)
        self.assertEqual(daemon.request("DELETE", f"/v1/jobs/{jobs[0]}")[0], 204)
        self.assertEqual({item["job"] for item in self.deliveries(daemon, document["id"])}, {jobs[1]})

    def test_who_wants_what(self):
        daemon = self.start()
        paused = jobkit.submit(daemon, jobkit.body(self.evaluator()))
        wishes = {
            "both names": {"events": ["state_changed", "job.completed"]},
            "end": {"events": [f"job.{state}" for state in FINAL]},
            "label": {"events": ["job.completed"], "labels": {"team": "edge"}},
            "labels": {"events": ["job.completed"], "labels": {"team": "edge", "x": "y"}},
            "job": {"events": ["job.completed"], "job": paused},
            "nothing of it": {"events": ["timeout"]},
        }
        jobkit.finished(daemon, paused)
        hooks = {}
        for name, wish in wishes.items():
            hooks[name] = self.receiver()
            hooks[name].webhook = hooks[name].register(daemon, **wish)["id"]
        edge = self.finished_job(daemon, labels={"team": "edge", "n": "1"})
        other = self.finished_job(daemon, labels={"team": "core"})
        for hook in hooks.values():
            self.settled(daemon, hook.webhook)
        told = {
            name: [(m["data"]["job"], m["type"]) for m in hook.taken] for name, hook in hooks.items()
        }
        self.assertEqual(sorted(told["end"]), sorted([(edge, "job.completed"), (other, "job.completed")]))
        self.assertEqual(told["label"], [(edge, "job.completed")])
        for name in ("labels", "job", "nothing of it"):
            self.assertEqual(told[name], [], name)
        of_edge = [m for m in hooks["both names"].taken if m["data"]["job"] == edge]
        self.assertEqual([m["data"] for m in of_edge], self.log(daemon, edge, ["state_changed"]))
        self.assertEqual([m["type"] for m in of_edge[:-1]], ["state_changed"] * (len(of_edge) - 1))
        self.assertEqual(of_edge[-1]["type"], "job.completed")

    def test_a_slow_receiver_does_not_hold_up_another(self):
        daemon = self.start()
        slow, quick = self.receiver(lambda message: None), self.receiver()
        one = slow.register(daemon, ["trial_told"])["id"]
        two = quick.register(daemon, ["trial_told"])["id"]
        job = self.finished_job(daemon)
        expected = len(self.log(daemon, job, ["trial_told"]))
        self.assertEqual(len(self.settled(daemon, two)), expected)
        pending = self.deliveries(daemon, one, "pending")
        self.assertEqual(len(pending), expected)
        self.assertEqual(len({m["id"] for m in slow.seen}), 1, "only the first one has its turn")

    def test_the_test_route_says_how_it_went(self):
        daemon = self.start()
        answers = iter([Reply(204), Reply(500), Reply(302, b"", {"Location": "/"}), None])
        receiver = self.receiver(lambda message: next(answers, None))
        document = receiver.register(daemon, ["warning"])
        path = f"/v1/webhooks/{document['id']}/test"
        key = {"Idempotency-Key": "t1"}
        status, _, report = daemon.request("POST", path, headers=key)
        self.assertEqual((status, report["ok"], report["status"], report["error"]),
                         (200, True, 204, None))
        self.assertEqual(daemon.request("POST", path, headers=key)[2], report)
        self.assertEqual(len(receiver.seen), 1, "a repeated request sends nothing")
        message = receiver.seen[0]
        self.assertEqual((message["type"], message["data"]),
                         ("webhook.test", {"webhook": document["id"]}))
        key = {"Idempotency-Key": "t2"}
        for code, words in ((500, "500"), (302, "redirect"), (None, "without an answer")):
            status, _, report = daemon.request("POST", path, {}, key if code == 500 else None)
            self.assertEqual((status, report["ok"], report["status"]), (200, False, code))
            self.assertIn(words, report["error"])
        self.assertEqual(daemon.request("POST", path, {}, key)[2]["status"], 500)
        receiver.stop()
        report = daemon.request("POST", path)[2]
        self.assertEqual((report["ok"], report["status"]), (False, None))
        self.assertEqual(self.deliveries(daemon, document["id"]), [])


class Stopping(WebhookTest):
    def test_what_is_under_way_is_sent_again_after_a_restart(self):
        daemon = self.start()
        release = threading.Event()
        self.addCleanup(release.set)
        receiver = self.receiver(lambda message: release.wait(PATIENCE_S) and Reply(204))
        webhook = receiver.register(daemon, ["job_submitted", "job.completed"])["id"]
        job = self.finished_job(daemon)
        receiver.wait_for(lambda requests: requests, "the first attempt")
        daemon.stop()
        release.set()
        daemon.start()
        self.assertEqual({item["state"] for item in self.settled(daemon, webhook)}, {"delivered"})
        self.assertEqual([m["data"]["type"] for m in receiver.seen],
                         ["job_submitted", "job_submitted", "state_changed"])
        self.assertEqual(receiver.seen[0], receiver.seen[1])
        self.assertEqual({m["data"]["job"] for m in receiver.seen}, {job})

    def test_who_asked_for_a_test_may_leave(self):
        daemon = self.start()
        release = threading.Event()
        self.addCleanup(release.set)
        receiver = self.receiver(lambda message: release.wait(PATIENCE_S) and Reply(204))
        webhook = receiver.register(daemon, ["warning"])["id"]
        with socket.create_connection(("127.0.0.1", daemon.port)) as client:
            client.sendall(f"POST /v1/webhooks/{webhook}/test HTTP/1.1\r\n"
                           f"Host: 127.0.0.1:{daemon.port}\r\nContent-Length: 0\r\n\r\n".encode())
            receiver.wait_for(lambda requests: requests, "the test message")
        release.set()
        self.assertTrue(daemon.request("POST", f"/v1/webhooks/{webhook}/test")[2]["ok"])


class Failing(WebhookTest):
    def test_a_dead_letter_is_listed_and_goes_out_again(self):
        daemon = self.start("--webhook-schedule-s", "0 0")
        broken = [True]
        receiver = self.receiver(
            lambda message: Reply(500 if broken[0] and message["type"] == "job_submitted" else 200)
        )
        webhook = receiver.register(daemon, ["job_submitted", "job.completed"])["id"]
        path = f"/v1/webhooks/{webhook}/deliveries"
        job = self.finished_job(daemon)
        done, dead = self.settled(daemon, webhook)
        self.assertEqual((dead["type"], dead["state"], dead["attempts"], dead["status"]),
                         ("job_submitted", "dead", 3, 500))
        self.assertIn("answered 500", dead["error"])
        self.assertEqual((done["type"], done["state"]), ("job.completed", "delivered"))
        self.assertEqual([m["type"] for m in receiver.seen], ["job_submitted"] * 3 + ["job.completed"])
        self.assertEqual(len({m["id"] for m in receiver.seen[:3]}), 1)
        self.assertEqual(self.deliveries(daemon, webhook, "dead"), [dead])
        for n, status in ((done["n"], 409), (10**6, 404), ("x", 404), (-1, 404), (0, 404)):
            self.assertEqual(daemon.request("POST", f"{path}/{n}/replay")[0], status, n)
        daemon.restart()
        broken[0] = False
        key = {"Idempotency-Key": "r1"}
        status, _, receipt = daemon.request("POST", f"{path}/{dead['n']}/replay", headers=key)
        self.assertEqual((status, receipt),
                         (202, {"webhook": webhook, "n": dead["n"], "state": "pending"}))
        again = self.settled(daemon, webhook)[1]
        self.assertEqual((again["state"], again["attempts"], again["error"]), ("delivered", 1, None))
        self.assertEqual(receiver.seen[-1], receiver.seen[0], "the same message under the same id")
        self.assertEqual(daemon.request("POST", f"{path}/{dead['n']}/replay", headers=key)[0], 202)
        self.assertEqual(len(receiver.seen), 5)
        self.assertEqual(receiver.seen[0]["data"]["job"], job)
        text = daemon.request("GET", "/metrics")[2]
        self.assertIn("narrowd_webhook_dead_total 0\n", text, "counted since the start")
        self.assertIn("narrowd_webhook_delivered_total 1\n", text)
        self.assertIn("webhook delivery given up", daemon.log())

    def test_410_disables_and_a_good_test_enables(self):
        daemon = self.start("--webhook-schedule-s", "0 0")
        answer, release = [410], threading.Event()
        self.addCleanup(release.set)
        receiver = self.receiver(lambda message: release.wait(PATIENCE_S) and Reply(answer[0]))
        webhook = receiver.register(daemon, ["trial_told"])["id"]
        self.finished_job(daemon)
        release.set()
        items = self.settled(daemon, webhook)
        self.assertGreater(len(items), 3)
        self.assertEqual({item["state"] for item in items}, {"dead"})
        self.assertEqual(len(receiver.seen), 1, "no attempt after that")
        document = jobkit.get(daemon, f"/v1/webhooks/{webhook}")
        self.assertEqual(document["state"], "disabled")
        self.assertIn("410", document["error"])
        self.finished_job(daemon)
        self.assertEqual(self.deliveries(daemon, webhook), items, "nothing is queued for it")
        path = f"/v1/webhooks/{webhook}/deliveries/{items[0]['n']}/replay"
        status, _, problem = daemon.request("POST", path)
        self.assertEqual((status, problem["type"]), (409, "urn:narrowd:problem:wrong_state"))
        self.assertFalse(daemon.request("POST", f"/v1/webhooks/{webhook}/test")[2]["ok"])
        self.assertEqual(jobkit.get(daemon, f"/v1/webhooks/{webhook}")["state"], "disabled")
        answer[0] = 200
        self.assertTrue(daemon.request("POST", f"/v1/webhooks/{webhook}/test")[2]["ok"])
        document = jobkit.get(daemon, f"/v1/webhooks/{webhook}")
        self.assertEqual((document["state"], document["error"]), ("active", None))
        for item in items:
            path = f"/v1/webhooks/{webhook}/deliveries/{item['n']}/replay"
            self.assertEqual(daemon.request("POST", path)[0], 202)
        self.assertEqual({item["state"] for item in self.settled(daemon, webhook)}, {"delivered"})
        job = self.finished_job(daemon)
        self.settled(daemon, webhook)
        got = [m["data"] for m in receiver.taken if m["data"].get("job") == job]
        self.assertEqual(got, self.log(daemon, job, ["trial_told"]))

    def wait_asked(self, daemon, reply):
        """How long after its first attempt a delivery is to be tried again, in seconds."""
        receiver = self.receiver(reply)
        webhook = receiver.register(daemon, ["job_submitted"])["id"]
        jobkit.submit(daemon, jobkit.body(self.evaluator()))
        jobkit.wait_until(lambda: self.deliveries(daemon, webhook)[0]["attempts"])
        item = self.deliveries(daemon, webhook)[0]
        self.assertEqual((item["attempts"], item["state"]), (1, "pending"))
        attempted, due = (
            datetime.datetime.fromisoformat(item[name].replace("Z", "+00:00"))
            for name in ("attempted_at", "next_attempt_at")
        )
        return (due - attempted).total_seconds()

    def test_the_schedule_and_the_receiver_say_when_to_come_again(self):
        daemon = self.start("--webhook-schedule-s", "100 200")
        plain = self.wait_asked(daemon, lambda message: Reply(500, b"", {"Retry-After": "9000"}))
        self.assertTrue(100 <= plain <= 110, plain)
        asked = self.wait_asked(daemon, lambda message: Reply(503, b"", {"Retry-After": "3000"}))
        self.assertEqual(asked, 3000)
        short = self.wait_asked(daemon, lambda message: Reply(429, b"", {"Retry-After": "1"}))
        self.assertTrue(100 <= short <= 110, short)
        endless = self.wait_asked(daemon, lambda message: Reply(503, b"", {"Retry-After": "9" * 9}))
        self.assertEqual(endless, 86400)

    def test_what_a_receiver_says_beyond_its_status_does_not_count(self):
        daemon = self.start("--webhook-schedule-s", "3600", "--webhook-timeout-s", "5")
        for number, reply, state, words in (
            (1, Reply(200, b"x" * (1 << 20)), "delivered", None),
            (2, Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "pending", "redirect"),
            (3, Reply(200, b"{", {"Content-Length": "9"}), "pending", None),
            (4, Reply(404), "pending", "answered 404"),
        ):
            with self.subTest(number=number):
                receiver = self.receiver(lambda message, reply=reply: reply)
                webhook = receiver.register(daemon, ["job_submitted"])["id"]
                jobkit.submit(daemon, jobkit.body(self.evaluator()))
                jobkit.wait_until(lambda: self.deliveries(daemon, webhook)[0]["attempts"])
                item = self.deliveries(daemon, webhook)[0]
                self.assertEqual(item["state"], state, item)
                self.assertIn(words or "", item["error"] or "")
                self.assertEqual(daemon.request("DELETE", f"/v1/webhooks/{webhook}")[0], 204)

    def test_the_secret_is_nowhere_else(self):
        canary = "canary-8d1f0c37"
        daemon = self.start("--log-level", "debug", "--webhook-schedule-s", "0 0")
        receiver = self.receiver(lambda message: Reply(500))
        webhook = receiver.register(daemon, ["job_submitted", "job.completed"], secret=canary)["id"]
        job = self.finished_job(daemon)
        self.settled(daemon, webhook)
        texts = [json.dumps(daemon.request("POST", f"/v1/webhooks/{webhook}/test")[2])]
        for path in ("/v1/webhooks", f"/v1/webhooks/{webhook}", f"/v1/webhooks/{webhook}/deliveries",
                     f"/v1/jobs/{job}", f"/v1/jobs/{job}/spec", f"/v1/jobs/{job}/events",
                     f"/v1/jobs/{job}/export", "/v1/config", "/metrics"):
            status, _, value = daemon.request("GET", path)
            self.assertEqual(status, 200, path)
            texts.append(json.dumps(value))
        daemon.stop()
        texts += [daemon.log(), *(str(request) for request in receiver.requests)]
        self.assertEqual([text for text in texts if canary in text], [])


if __name__ == "__main__":
    unittest.main()
