"""The process: settings from everywhere, exit statuses, readiness, stopping, backup."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import jobkit
from daemon import Daemon, data_of
from patience import PATIENCE_S

PROGRAM = os.environ["NARROWD_BIN"]
USAGE, UNAVAILABLE, BUSY, CONFIG = 64, 69, 75, 78  # sysexits(3)


def run(*arguments, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("NARROWD_LISTEN")}
    return subprocess.run(
        [PROGRAM, *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class ProcessTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def printed(self, *arguments, **environment):
        done = run("--print-config", *arguments, **environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(line.split(" = ", 1) for line in done.stdout.splitlines())


class Settings(ProcessTest):
    def test_flags_win_over_environment_over_file(self):
        file = self.write("c", "# comment\n\nlog_level = error\nlease_ttl_s=7\ndata_dir = /a b\n")
        settings = self.printed("--config", file)
        self.assertEqual(settings["log_level"], "error")
        self.assertEqual(settings["lease_ttl_s"], "7")
        self.assertEqual(settings["data_dir"], "/a b")
        settings = self.printed(NARROWD_CONFIG=file, NARROWD_LEASE_TTL_S="8")
        self.assertEqual((settings["log_level"], settings["lease_ttl_s"]), ("error", "8"))
        settings = self.printed(f"--config={file}", "--lease-ttl-s=9", NARROWD_LEASE_TTL_S="8")
        self.assertEqual(settings["lease_ttl_s"], "9")

    def test_a_list_replaces_weaker_ones(self):
        file = self.write("c", "evaluator_allow = 10.0.0.0/8\nevaluator_allow = 192.0.2.0/24\n")
        settings = self.printed("--config", file)
        self.assertEqual(settings["evaluator_allow"], "10.0.0.0/8 192.0.2.0/24")
        flags = ("--evaluator-allow", "10.1.0.0/16", "--evaluator-allow=10.2.0.0/16:9000")
        settings = self.printed("--config", file, *flags)
        self.assertEqual(settings["evaluator_allow"], "10.1.0.0/16 10.2.0.0/16:9000")

    def test_what_is_printed_can_be_read(self):
        flags = ("--unsafe-sync", "--log-format", "text", "--listen", "127.0.0.1:1234")
        printed = run("--print-config", *flags).stdout
        self.assertEqual(run("--print-config", "--config", self.write("c", printed)).stdout, printed)

    def test_directories(self):
        self.assertEqual(self.printed(STATE_DIRECTORY="/s/n:/t")["data_dir"], "/s/n")
        clean = {"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/x"}
        self.assertEqual(self.printed(**clean)["data_dir"], "/x/narrowd")
        clean["XDG_STATE_HOME"] = ""
        self.assertEqual(self.printed(HOME="/h", **clean)["data_dir"], "/h/.local/state/narrowd")

    def test_refusals_say_what_is_wrong(self):
        bad_line = self.write("bad_line", "log_level = info\nnonsense\n")
        bad_name = self.write("bad_name", "no_such = 1\n")
        for arguments, status, word in (
            (["--listen", "0.0.0.0:0"], CONFIG, "tls_cert"),
            (["--listen", "[::]:0"], CONFIG, "tls_cert"),
            (["--listen", ""], CONFIG, "listen"),
            (["--log-level", "loud"], CONFIG, "log_level"),
            (["--log-format", "xml"], CONFIG, "log_format"),
            (["--lease-ttl-s", "4"], CONFIG, "5 to 3600"),
            (["--drain-timeout-s", "1x"], CONFIG, "drain_timeout_s"),
            (["--unsafe-sync=maybe"], CONFIG, "unsafe_sync"),
            (["--evaluator-policy", "all"], CONFIG, "evaluator_policy"),
            (["--evaluator-allow", "10.0.0.0/99"], CONFIG, "10.0.0.0/99"),
            (["--config", self.path("missing")], CONFIG, "missing"),
            (["--config", bad_line], CONFIG, f"{bad_line}:2"),
            (["--config", bad_name], CONFIG, "no_such"),
            (["--config"], USAGE, "--config"),
            (["--listen"], USAGE, "--listen"),
            (["--nonsense"], USAGE, "--nonsense"),
            (["nonsense"], USAGE, "nonsense"),
        ):
            with self.subTest(arguments=arguments):
                done = run("--check-config", *arguments)
                self.assertEqual(done.returncode, status, done.stderr)
                self.assertIn(word, done.stderr)
        self.assertEqual(run("--check-config").returncode, 0)

    def test_every_fault_is_said_at_once(self):
        file = self.write("many", "log_levle = debug\nno equals\nlease_ttl_s = 4\nlisten = 127.0.0.1:99999 nope unix:/tmp/x\n")
        said = run("--check-config", "--config", file, "--evaluator-allow", "10.0.0.0/99", "--evaluator-allow", "*:*:*",
                   "--callback-url", "ftp://x", "--auth", "never", "--retain-bytes", "5", "--database-max-bytes", "3",
                   "--secrets-dir", self.path("none"), "--plugin-dir", self.path("no"), "--webhook-schedule-s", "x",
                   NARROWD_LOGFORMAT="text", NARROWD_DRAIN_TIMEOUT_S="soon", NARROWD_PORT="tcp://10.0.0.1:8585", NARROWD_URL="http://x")
        words = [f'{file}:1: there is no setting "log_levle": did you mean "log_level"?', f"{file}:2", f"{file}:3",
                 "NARROWD_DRAIN_TIMEOUT_S", "NARROWD_LOGFORMAT, which is no setting: did you mean NARROWD_LOG_FORMAT?",
                 "127.0.0.1:99999", "nope", "auth", "webhook_schedule_s", "callback_url", "retain_bytes", "10.0.0.0/99", "*:*:*",
                 self.path("none"), self.path("no")]
        lines = said.stderr.splitlines()
        self.assertEqual((said.returncode, len(lines)), (CONFIG, len(words)), said.stderr)
        for word in words:
            self.assertEqual(len([line for line in lines if word in line]) > 0, True, word)
        self.assertEqual(said.stdout, "")
        self.assertEqual(run("--log-levl=debug").returncode, USAGE)

    def test_the_example_has_every_setting_and_is_one(self):
        text = run("--print-example").stdout
        file = self.write("example", text)
        self.assertEqual(self.printed("--config", file), self.printed())
        taken = self.write("taken", re.sub(r"^#(\w+ = )", r"\1", text, flags=re.M))
        self.assertEqual({**self.printed("--config", taken), "listen": "", "data_dir": ""},
                         {**self.printed(), "listen": "", "data_dir": ""})

    def test_help_names_every_setting(self):
        text = run("--help").stdout
        for name in self.printed():
            self.assertIn("--" + name.replace("_", "-"), text)
        self.assertRegex(run("--version").stdout, r"^narrowd \d+\.\d+\.\d+\n([a-z0-9]+ \d[\w.]*\n){9,11}$")

    def test_the_manual_page_names_every_setting_and_its_default(self):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
        with open(os.path.join(folder, "man", "narrowd.8"), encoding="utf-8") as file:
            page = file.read()
        options = re.split(r"^\.El$", page.split("The options are:")[1], flags=re.MULTILINE)[0]
        told = dict(re.findall(r"^\.It Fl -(\S+)(.*?)(?=^\.It|\Z)", options, re.DOTALL | re.MULTILINE))
        help_text = run("--help").stdout
        usage, settings = help_text.split("Settings:")
        flags = dict(re.findall(r"^  --(\S+) +.*?(?: \[(.*)\])?$", settings, re.MULTILINE))
        self.assertEqual(len(flags), len(self.printed()))
        self.assertEqual(set(told), set(flags) | set(re.findall(r"--([a-z-]+)", usage)))
        for flag, defaults in flags.items():
            for default in defaults.split():
                with self.subTest(flag):
                    self.assertIn(default, told[flag].split("The default is")[-1])


class Life(ProcessTest):
    def test_one_daemon_per_directory_and_port(self):
        with Daemon(self.path("a")) as daemon:
            done = run("--data-dir", self.path("a"), "--listen", "127.0.0.1:0")
            self.assertEqual(done.returncode, BUSY, done.stderr)
            self.assertIn("in use", done.stderr)
            done = run("--data-dir", self.path("b"), "--listen", f"127.0.0.1:{daemon.port}")
            self.assertEqual(done.returncode, UNAVAILABLE, done.stderr)
            self.assertIn(str(daemon.port), done.stderr)
            self.assertEqual(os.stat(self.path("a")).st_mode & 0o777, 0o700)

    def test_unix_socket(self):
        path = self.path("s")
        with Daemon(self.path("d"), "--listen", f"unix:{path}") as daemon:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = client.makefile("rb").read()
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
            self.assertEqual(daemon.request("GET", "/readyz")[0], 200)

    def test_systemd_is_told(self):
        path = self.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(PATIENCE_S)
            os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"] = path, "60000"
            self.addCleanup(os.environ.pop, "NOTIFY_SOCKET")
            self.addCleanup(os.environ.pop, "WATCHDOG_USEC")
            with Daemon(self.path("d")):
                said = manager.recv(100)
                while b"EXTEND" in said:  # a start that takes longer than half of that
                    said = manager.recv(100)
                self.assertEqual(said, b"READY=1")
                while b"EXTEND" in said or said == b"READY=1":
                    said = manager.recv(100)
                self.assertEqual(said, b"WATCHDOG=1")
            said = manager.recv(100)
            while said == b"WATCHDOG=1":
                said = manager.recv(100)
            self.assertEqual(said, b"STOPPING=1")

    def test_stopping_lets_answers_in_and_takes_no_new_jobs(self):
        asked, release = threading.Event(), threading.Event()

        def reply(question, headers):
            asked.set()
            release.wait(PATIENCE_S)
            return jobkit.crash_model.answer(question)

        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        daemon = Daemon(self.path("d"))
        daemon.start()
        self.addCleanup(release.set)
        job = jobkit.submit(daemon, jobkit.body(evaluator.url))
        self.assertTrue(asked.wait(PATIENCE_S))
        daemon.process.send_signal(signal.SIGTERM)
        jobkit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
        status, headers, problem = daemon.request("POST", "/v1/jobs", jobkit.body(evaluator.url))
        self.assertEqual((status, problem["type"]), (503, "urn:narrowd:problem:draining"))
        self.assertGreaterEqual(int(headers["retry-after"]), 1)
        self.assertEqual(jobkit.get(daemon, f"/v1/jobs/{job}")["state"], "baseline")
        release.set()
        self.assertEqual(daemon.process.wait(PATIENCE_S), 0, daemon.log())
        daemon.forget()
        with Daemon(self.path("d")) as daemon:
            jobkit.finished(daemon, job)
        baselines = [q for _, q, _ in evaluator.calls if q["kind"] == "baseline"]
        self.assertEqual(len(baselines), 1, "the answer came while stopping and counted")

    def test_a_second_signal_ends_it_at_once(self):
        release = threading.Event()
        self.addCleanup(release.set)
        evaluator = jobkit.Evaluator(lambda question, headers: release.wait(PATIENCE_S) and {})
        self.addCleanup(evaluator.close)
        daemon = Daemon(self.path("d"))
        daemon.start()
        jobkit.submit(daemon, jobkit.body(evaluator.url))
        jobkit.wait_until(lambda: evaluator.calls)
        daemon.process.send_signal(signal.SIGINT)
        jobkit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
        daemon.process.send_signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(PATIENCE_S), 128 + signal.SIGINT)
        daemon.forget()
        with Daemon(self.path("d")) as again:
            self.assertEqual(len(jobkit.get(again, "/v1/jobs")["items"]), 1)
            release.set()

    def test_backup_of_a_running_daemon(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        with Daemon(self.path("d"), "--data", "") as daemon:
            job = jobkit.submit(daemon, jobkit.body(evaluator.url))
            jobkit.finished(daemon, job)
            log = jobkit.everything(daemon, f"/v1/jobs/{job}/events")
            os.mkdir(self.path("copy"))
            copy = self.path("copy/narrowd.db")
            done = run("backup", copy, "--data-dir", self.path("d"))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            again = run("--data-dir", self.path("d"), "backup", copy)
            self.assertNotEqual(again.returncode, 0, "an existing file is not overwritten")
        with sqlite3.connect(copy) as database:
            self.assertEqual(database.execute("pragma integrity_check").fetchall(), [("ok",)])
        with Daemon(self.path("copy"), "--data", "", "--key-file", self.path("d/narrowd.key")) as daemon:
            self.assertEqual(jobkit.everything(daemon, f"/v1/jobs/{job}/events"), log)

    def test_sighup_reads_them_again(self):
        file = self.write("c", "log_level = info\nretain_jobs = 5\n")
        with Daemon(self.path("d"), "--config", file, "--drain-timeout-s", "7") as daemon:
            jobs = []
            for _ in range(3):
                jobs.append(daemon.request("POST", "/v1/jobs", {**jobkit.body("http://unused"), "evaluator": {"pool": "none"}})[2]["id"])
                daemon.request("POST", f"/v1/jobs/{jobs[-1]}/cancel", {})

            def hangup(text, words):
                self.write("c", text)
                before = len(daemon.log())
                daemon.process.send_signal(signal.SIGHUP)
                jobkit.wait_until(lambda: words in daemon.log()[before:])
                return daemon.log()[before:]

            def value(name):
                return {item["name"]: item["value"] for item in jobkit.get(daemon, "/v1/config")["items"]}[name]

            said = hangup("log_level = loud\nretain_jobs = x\n", "the settings stay as they were")
            self.assertIn("retain_jobs", said)
            self.assertEqual((value("retain_jobs"), len(jobkit.everything(daemon, "/v1/jobs"))), ("5", 3))
            said = hangup("log_level = debug\nlog_format = text\nretain_jobs = 1\nlease_ttl_s = 61\ndrain_timeout_s = 9\n", "settings were read again")
            self.assertIn("this setting is changed by a restart alone", said)
            self.assertEqual([value(name) for name in ("retain_jobs", "log_level", "lease_ttl_s", "drain_timeout_s")], ["1", "debug", "60", "7"])
            jobkit.wait_until(lambda: [job["id"] for job in jobkit.everything(daemon, "/v1/jobs")] == jobs[2:])
            self.assertFalse(said.splitlines()[-1].startswith("{"), "the log is text from then on")

    def test_sighup_changes_quotas_and_whom_jobs_may_ask(self):
        evaluator = jobkit.Evaluator()
        self.addCleanup(evaluator.close)
        file = self.write("c", "quota_open_jobs = 1\nevaluator_policy = allowlist\nevaluator_allow = 10.0.0.0/8\n")
        token = subprocess.run([PROGRAM, *data_of(self.path("d")), "token", "create", "--scope", "submit"], capture_output=True,
                               text=True, check=True).stdout.strip()
        with Daemon(self.path("d"), "--config", file, "--auth", "always") as daemon:
            def post(body):
                return daemon.request("POST", "/v1/jobs", body, {"Authorization": f"Bearer {token}"})

            def hangup(text, words):
                self.write("c", text)
                before = len(daemon.log())
                daemon.process.send_signal(signal.SIGHUP)
                jobkit.wait_until(lambda: words in daemon.log()[before:])
                return daemon.log()[before:]

            pool = {**jobkit.body(None), "evaluator": {"pool": "none"}}
            self.assertEqual([post(jobkit.body(evaluator.url))[0], post(pool)[0], post(pool)[0]], [422, 201, 429])
            said = hangup("quota_open_jobs = 3\nevaluator_policy = allowlist\nevaluator_allow = 10.0.0.0/99\n", "the settings stay as they were")
            self.assertIn("10.0.0.0/99", said)
            self.assertEqual(post(pool)[0], 429, "nothing was taken over")
            hangup("quota_open_jobs = 3\nevaluator_policy = allowlist\nevaluator_allow = 10.0.0.0/8 127.0.0.1/32\n", "settings were read again")
            status, _, job = post(jobkit.body(evaluator.url))
            self.assertEqual(status, 201, job)
            self.assertEqual([post(pool)[0], post(pool)[0]], [201, 429])
            hangup("quota_open_jobs = 0\nevaluator_policy = off\n", "settings were read again")
            status, _, problem = post(jobkit.body(evaluator.url))
            self.assertEqual((status, problem["type"]), (422, "urn:narrowd:problem:evaluator_denied"))

    def test_config_is_shown(self):
        with Daemon(self.path("d"), "--lease-ttl-s", "33") as daemon:
            items = jobkit.get(daemon, "/v1/config")["items"]
            shown = {item["name"]: item for item in items}
            self.assertEqual(shown["lease_ttl_s"]["value"], "33")
            self.assertEqual(shown["lease_ttl_s"]["default"], "60")
            self.assertEqual(shown["data_dir"]["env"], "NARROWD_DATA_DIR")
            config = jobkit.get(daemon, "/v1/config")
            named = {"narrowd": config["version"], **{item["name"]: item["version"] for item in config["libraries"]}}
            self.assertEqual(named, dict(line.split() for line in run("--version").stdout.splitlines()))
            faults = [item["name"] for item in config["libraries"] if item["fault"]]
            told = [line for line in map(json.loads, daemon.log().splitlines()) if "libraries" in line]
            self.assertEqual(len(told), 1 if faults else 0)
            self.assertTrue(all(f"{name} {named[name]}: " in told[0]["libraries"] for name in faults))
            self.assertEqual(set(shown), set(self.printed()))
            for line in daemon.log().splitlines():
                self.assertIn("level", json.loads(line))

    def test_it_ends_when_nobody_needs_it(self):
        """It outlives no client for longer than it was told, but a question to an evaluator it does."""
        def slowly(question, _):
            time.sleep(2 if question["question"] == "baseline" else 0)
            return jobkit.crash_model.answer(question)

        evaluator = jobkit.Evaluator(slowly)
        self.addCleanup(evaluator.close)
        with Daemon(self.directory, "--idle-exit-s", "1") as daemon:
            job = jobkit.submit(daemon, {**jobkit.body(evaluator.url), "tuning_criterion": {"max_trials": 1}})
            self.assertEqual(daemon.process.wait(PATIENCE_S), 0)
            daemon.forget()
            daemon.start()
            events = jobkit.everything(daemon, f"/v1/jobs/{job}/events")
            self.assertIn("baseline_measured", {event["type"] for event in events}, "it was waited for")


if __name__ == "__main__":
    unittest.main()
