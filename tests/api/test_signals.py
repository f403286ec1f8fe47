"""What machines read of a running daemon: /metrics and the access log."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import exposition
import jobkit
from daemon import Daemon
from jobkit import body, finished, submit, wait_until

BUDGET = {"strategy": "exhaustive", "stop_on": "budget", "max_trials": 6}
POOLS = 60
SERIES_MAX = 600
PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"


class Signals(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.data = self.directory / "data"
        self.data.mkdir()

    def start(self, *arguments):
        self.daemon = Daemon(self.data, *arguments)
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)

    def metrics(self):
        status, sent, text = self.daemon.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertEqual(sent["content-type"], "text/plain; version=0.0.4; charset=utf-8")
        return exposition.families(text)

    def tune(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        job = submit(self.daemon, body(evaluator.url, tuning_criterion=BUDGET, confirm=0))
        finished(self.daemon, job)
        return job


class Metrics(Signals):
    def test_the_parser_of_this_test_sees_faults(self):
        head = "# HELP a b\n# TYPE a gauge\n"
        histogram = "# HELP h b\n# TYPE h histogram\n"
        for text in ("a 1\n", head + "a 1", head + "a one\n", head + "a 1\na 2\n", head + 'a{b="c} 1\n',
                     head + "b 1\n", "# HELP c_total b\n# TYPE c_total gauge\nc_total 1\n",
                     "# HELP a b\n# TYPE a counter\na 1\n",
                     histogram + 'h_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 0\nh_count 1\n',
                     histogram + 'h_bucket{le="1"} 1\nh_sum 0\nh_count 1\n'):
            with self.assertRaises((AssertionError, ValueError), msg=text):
                exposition.families(text)
        found = exposition.families(head + 'a{p="x\\\\n\\"\\n"} 1\n')
        self.assertEqual(found["a"].value(p='x\\n"\n'), 1)

    def test_every_series_is_there_from_the_start(self):
        self.start()
        before = exposition.series(self.metrics())
        self.tune()
        self.daemon.request("GET", "/nothing")
        self.daemon.request("POST", "/v1/jobs", "{")
        self.assertEqual(exposition.series(self.metrics()), before)

    def test_what_they_count(self):
        self.start()
        self.tune()
        found = self.metrics()
        answers = {labels: count for labels, (_, _, count)
                   in found["narrowd_answer_seconds"].histograms().items()}
        asked = BUDGET["max_trials"] + 1  # and the baseline
        self.assertEqual(answers[(("by", "evaluator"), ("outcome", "answered"))], asked)
        self.assertEqual(sum(answers.values()), asked)
        self.assertEqual(found["narrowd_jobs"].value(state="completed"), 1)
        self.assertEqual(found["narrowd_jobs"].value(state="running"), 0)
        commits = found["narrowd_store_commits_total"].value()
        self.assertGreater(commits, asked)
        [(_, seconds, count)] = found["narrowd_store_commit_seconds"].histograms().values()
        self.assertEqual(count, commits)
        self.assertGreater(seconds, 0)
        http = found["narrowd_http_answer_seconds"].histograms()
        self.assertGreaterEqual(http[(("code", "2xx"),)][2], 1)
        self.assertEqual(http[(("code", "5xx"),)][2], 0)
        size, used = (found[f"narrowd_store_{name}"].value() for name in ("bytes", "used_bytes"))
        self.assertTrue(4096 < used <= size, (used, size))

    def test_what_fails_is_counted_apart(self):
        self.start()
        evaluator = jobkit.Evaluator(lambda q, h: {"failed": True, "error": "no", "retryable": False} if q["trial"]
                                     else {"accuracy": 0.9, "latency_ms": 3})
        self.addCleanup(evaluator.close)
        finished(self.daemon, submit(self.daemon, body(evaluator.url, tuning_criterion=BUDGET, confirm=0)))
        found = self.metrics()
        failed = found["narrowd_answer_seconds"].histograms()[(("by", "evaluator"), ("outcome", "failed"))]
        self.assertEqual(failed[2], found["narrowd_trials_failed_total"].value())
        self.assertGreater(failed[2], 0)

    def test_what_waits_for_news_is_in_no_histogram(self):
        self.start()
        job = self.tune()
        _, sent, _ = self.daemon.request("GET", "/v1/jobs")
        count = lambda found: found["narrowd_http_answer_seconds"].histograms()[(("code", "3xx"),)][2]
        before = self.metrics()
        status, _, _ = self.daemon.request("GET", "/v1/jobs", headers={
            "If-None-Match": sent["etag"], "Prefer": "wait=1"})
        self.assertEqual(status, 304)
        after = self.metrics()
        self.assertEqual(count(after), count(before))
        news = [found["narrowd_http_news_total"].value() for found in (before, after)]
        self.assertEqual(news[1], news[0] + 1)
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as client:
            client.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nHost: localhost\r\n"
                           "Accept: text/event-stream\r\n\r\n".encode())
            self.assertIn(b"200", client.recv(4096))

    def test_the_process(self):
        self.start()
        found = self.metrics()
        pid = self.daemon.process.pid
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertEqual(found["process_threads"].value(), int(status.split("Threads:")[1].split()[0]))
        resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
        self.assertLess(abs(found["process_resident_memory_bytes"].value() - resident), resident / 2)
        self.assertLess(abs(found["process_start_time_seconds"].value() - time.time()), 3600)
        self.assertGreater(found["process_cpu_seconds_total"].value(), 0)
        # One more is the connection of the scrape.
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.assertLessEqual(abs(found["process_open_fds"].value() - descriptors), 2)
        version = subprocess.run([os.environ["NARROWD_BIN"], "--version"], capture_output=True, text=True,
                                 check=True).stdout.split()[1]
        [(_, labels)] = found["narrowd_build_info"].samples
        self.assertEqual(dict(labels)["version"], version)
        for library in ("libmicrohttpd", "sqlite", "libuv"):
            self.assertRegex(dict(labels)[library], r"^\d+\.\d+")

    def test_a_loop_that_did_not_run_was_late(self):
        self.start()
        lag = lambda: self.metrics()["narrowd_loop_lag_seconds"].histograms()[()]
        wait_until(lambda: lag()[2] > 0)
        self.daemon.process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)  # what is due once a second is late by more than one
        self.daemon.process.send_signal(signal.SIGCONT)
        buckets, late, count = wait_until(lambda: [h for h in [lag()] if h[1] > 1])[0]
        self.assertGreater(count - buckets[1], 0)

    def test_the_age_of_the_last_backup(self):
        self.start()
        age = lambda: self.metrics()["narrowd_backup_age_seconds"].value()
        self.assertEqual(age(), float("inf"))
        backup = [os.environ["NARROWD_BIN"], "--data-dir", str(self.data), "backup", str(self.directory / "b")]
        self.assertNotEqual(subprocess.run([*backup[:-1], "/nowhere/b"], capture_output=True).returncode, 0)
        self.assertEqual(age(), float("inf"), "that one failed")
        subprocess.run(backup, check=True, capture_output=True)
        self.assertTrue(-1 <= age() < 600)
        os.utime(self.data / "narrowd.backed-up", (time.time() - 5000,) * 2)
        self.assertTrue(5000 <= age() < 6000)
        self.daemon.restart()
        self.assertTrue(5000 <= age() < 6000)

    def work(self, pool, worker):
        status, _, answer = self.daemon.request(
            "POST", "/v1/leases", {"pool": pool, "worker": worker, "max": 1, "wait_s": 0})
        self.assertEqual(status, 200, answer)
        return answer["items"]

    def test_the_busiest_pools_have_series_and_the_others_a_sum(self):
        self.start()
        busy = "zz-busy"
        for n in range(POOLS):
            self.work(f"pool{n:02}", "w")
        self.work("pool07", "another")
        job = body(None, evaluator={"pool": busy}, tuning_criterion=BUDGET, confirm=0)
        submit(self.daemon, job)
        values = lambda name: {dict(labels)["pool"]: value for (_, labels), value
                               in self.metrics()[f"narrowd_pool_{name}"].samples.items()}
        wait_until(lambda: values("questions").get(busy) == 1)
        workers = values("workers")
        self.assertEqual(len(workers), 50)
        self.assertEqual((workers[busy], workers["pool07"], workers["pool00"]), (0, 2, 1))
        found = self.metrics()
        self.assertEqual(found["narrowd_other_pools_workers"].value() + sum(workers.values()), POOLS + 1)
        self.assertLessEqual(len(exposition.series(found)), SERIES_MAX)
        [lease] = self.work(busy, "w")
        self.assertEqual((values("questions")[busy], values("leases")[busy]), (0, 1))
        self.assertEqual(values("workers")[busy], 1)
        answer = {"accuracy": 0.9, "latency_ms": 3}
        status, _, said = self.daemon.request("POST", f"/v1/leases/{lease['lease']}/complete", answer)
        self.assertEqual(status, 200, said)
        by_worker = self.metrics()["narrowd_answer_seconds"].histograms()
        self.assertEqual(by_worker[(("by", "worker"), ("outcome", "answered"))][2], 1)


class Packaged(Signals):
    """What is shipped beside the daemon names what it really exposes; tests/packaging asks promtool, too."""

    def setUp(self):
        super().setUp()
        self.start()
        self.work("gpu", "w")
        self.found = self.metrics()

    def work(self, pool, worker):
        status, _, answer = self.daemon.request("POST", "/v1/leases", {"pool": pool, "worker": worker})
        self.assertEqual(status, 200, answer)

    def check(self, text):
        names = set(re.findall(r"\b(?:narrowd|process)_[a-z_]+", text))
        shown = {name for name, _ in exposition.series(self.found)}
        self.assertGreater(len(names), 5)
        self.assertEqual(names - shown, set())

    def test_alerts(self):
        rules = (PACKAGING / "prometheus" / "narrowd.rules.yml").read_text()
        self.check("\n".join(line for line in rules.splitlines() if not line.startswith("#")))

    def test_dashboard(self):
        dashboard = json.loads((PACKAGING / "grafana" / "narrowd.json").read_text())
        panels = dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            self.check_place(panel, panels)
        self.check("\n".join(target["expr"] for panel in panels for target in panel["targets"]))

    def check_place(self, panel, panels):
        place = panel["gridPos"]
        self.assertLessEqual(place["x"] + place["w"], 24)
        for other in panels:
            there = other["gridPos"]
            self.assertTrue(other is panel or place["x"] + place["w"] <= there["x"]
                            or there["x"] + there["w"] <= place["x"]
                            or place["y"] + place["h"] <= there["y"]
                            or there["y"] + there["h"] <= place["y"], (panel["title"], other["title"]))

    def test_the_page_names_every_family(self):
        page = (PACKAGING.parent / "docs" / "operating.md").read_text()
        named = set(re.findall(r"`((?:narrowd|process)_[a-z_]+)(?:\{[a-z,]+\})?`", page))
        self.assertEqual(named, set(self.found))


class AccessLog(Signals):
    def start(self, *arguments):
        self.path = self.directory / "access.log"
        super().start(*(arguments or (f"--access-log={self.path}",)))

    def line(self, request_id):
        def find():
            lines = [json.loads(line) for line in self.path.read_text().splitlines()]
            return [line for line in lines if line["request_id"] == request_id]

        [line] = wait_until(find)
        return line

    def test_without_the_option_there_is_none(self):
        super().start()
        self.daemon.request("GET", "/healthz", headers={"X-Request-Id": "quiet"})
        self.daemon.stop()
        self.assertNotIn("quiet", self.daemon.log())
        self.daemon.start()

    def test_a_line_for_each_request(self):
        self.start()
        status, sent, answer = self.daemon.request("GET", "/v1/strategies")
        line = self.line(sent["x-request-id"])
        self.assertEqual({name: line[name] for name in (
            "method", "path", "status", "complete", "received", "answered", "peer", "owner", "token")}, {
            "method": "GET", "path": "/v1/strategies", "status": 200, "complete": True, "received": 0,
            "answered": int(sent["content-length"]), "peer": "127.0.0.1", "owner": "local", "token": None})
        self.assertGreater(line["seconds"], 0)
        for method, path, request_body, expected in (
                ("HEAD", "/v1/jobs", None, 200), ("GET", "/no%0Awhere", None, 404),
                ("POST", "/v1/jobs", "{", 400), ("DELETE", "/v1/jobs", None, 405)):
            name = f"{method}-{expected}"
            status, _, _ = self.daemon.request(method, path, request_body, {"X-Request-Id": name})
            self.assertEqual(status, expected)
            line = self.line(name)
            self.assertEqual((line["method"], line["status"]), (method, expected))
            self.assertEqual(line["received"], len(request_body or ""))
        self.assertEqual(self.line("GET-404")["path"], "/no\nwhere")
        self.assertEqual(self.line("HEAD-200")["answered"], 0)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_what_is_secret_has_no_way_in(self):
        self.start()
        self.daemon.request("GET", "/v1/jobs?limit=1&token=hush-query", headers={
            "Authorization": "Bearer hush-header", "Cookie": "narrowd_token=hush-cookie",
            "X-Request-Id": "secret"})
        self.daemon.request("POST", "/v1/evaluators", {
            "url": "http://127.0.0.1:1/?key=hush-url", "secret": "hush-secret"}, {"X-Request-Id": "body"})
        self.line("secret")
        self.line("body")
        self.assertNotIn("hush", self.path.read_text())

    def test_who_came_with_a_token(self):
        self.start("--auth=always", f"--access-log={self.directory}/access.log")
        made = subprocess.run(
            [os.environ["NARROWD_BIN"], "--data-dir", str(self.data), "token", "create", "--scope", "read",
             "--owner", "ann"], capture_output=True, text=True, check=True).stdout
        token = next(word for word in made.split() if word.startswith("nrw_"))
        status, _, _ = self.daemon.request("GET", "/v1/jobs", headers={
            "Authorization": f"Bearer {token}", "X-Request-Id": "ann"})
        self.assertEqual(status, 200)
        line = self.line("ann")
        self.assertEqual(line["owner"], "ann")
        self.assertRegex(line["token"], "^tok_")
        self.daemon.request("GET", "/v1/jobs", headers={"X-Request-Id": "nobody"})
        self.assertEqual((self.line("nobody")["status"], self.line("nobody")["owner"]), (401, None))
        self.assertNotIn(token, self.path.read_text())

    def test_who_leaves_and_who_is_refused_unread(self):
        self.start()
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as client:
            client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: left\r\n"
                           b"Accept: text/event-stream\r\n\r\n")
            self.assertIn(b"200", client.recv(4096))
        line = self.line("left")
        self.assertEqual((line["status"], line["complete"]), (200, False))
        with socket.create_connection(("127.0.0.1", self.daemon.port)) as client:
            client.sendall(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = client.recv(4096)
        self.assertIn(b" 414 ", answer)
        request_id = answer.split(b"X-Request-Id: ")[1].split(b"\r\n")[0].decode()
        line = self.line(request_id)
        self.assertEqual((line["status"], line["path"]), (414, None))

    def test_a_file_that_was_moved_away_is_made_anew(self):
        self.start()
        self.daemon.request("GET", "/healthz", headers={"X-Request-Id": "first"})
        self.line("first")
        self.path.rename(self.directory / "access.log.1")
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(self.path.exists)
        self.daemon.request("GET", "/healthz", headers={"X-Request-Id": "second"})
        self.line("second")
        self.assertNotIn('"second"', (self.directory / "access.log.1").read_text())

    def test_on_standard_error(self):
        self.start("--access-log=-")
        self.daemon.request("GET", "/healthz", headers={"X-Request-Id": "here"})
        wait_until(lambda: '"request_id":"here"' in self.daemon.log())

    def test_a_file_that_cannot_be_opened(self):
        (self.directory / "link").symlink_to(self.directory / "elsewhere")
        for path in (self.directory / "link", "/nowhere/log"):
            done = subprocess.run([os.environ["NARROWD_BIN"], "--data-dir", str(self.data), "--listen",
                                   "127.0.0.1:0", f"--access-log={path}"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(f"access_log: cannot open {path}", done.stderr)


if __name__ == "__main__":
    unittest.main()
