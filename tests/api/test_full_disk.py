"""The daemon on a disk that becomes full and is emptied again.

The disk is a small tmpfs in a mount namespace of this process, which needs no privileges where user
namespaces are allowed.
"""

import ctypes
import os
import sqlite3
import tempfile
import threading
import unittest

import jobkit
import test_sigopt_face
from daemon import Daemon
from patience import PATIENCE_S

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
DISK_BYTES = 48 << 20  # the reserve takes 16 MiB


def call(function, *arguments):
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function.__name__}: {os.strerror(number)}; without namespaces of "
                      "its own this process cannot have a small disk")


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def enter_namespace():
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    call(libc.unshare, CLONE_NEWNS | (CLONE_NEWUSER if user != 0 else 0))
    if user != 0:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"0 {user} 1")
        write("/proc/self/gid_map", f"0 {group} 1")
    call(libc.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    return libc


def setUpModule():
    global DISK
    libc = enter_namespace()
    DISK = tempfile.mkdtemp()
    call(libc.mount, b"tmpfs", DISK.encode(), b"tmpfs", 0, f"size={DISK_BYTES}".encode())


def tearDownModule():
    # The disk goes with the namespace; the place where it was mounted is still there outside.
    ctypes.CDLL(None).umount(DISK.encode())
    os.rmdir(DISK)


class FullDisk(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir=DISK)
        self.addCleanup(directory.cleanup)
        self.directory = f"{directory.name}/data"
        self.filler = f"{directory.name}/filler"
        self.release = threading.Event()
        self.addCleanup(self.release.set)
        self.evaluator = jobkit.Evaluator(self.reply)
        self.addCleanup(self.evaluator.close)

    def reply(self, question, headers):
        if question["trial"] == 2:
            self.release.wait(PATIENCE_S)
        return jobkit.crash_model.answer(question)

    def fill(self):
        with open(self.filler, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 10, 1):
                with self.assertRaises(OSError):
                    while True:
                        file.write(b"x" * size)

    def post(self, daemon, **headers):
        """Until the disk is full for sure: what is left of a page takes a request or two."""
        status = 201
        while status == 201:
            status, sent, answer = daemon.request(
                "POST", "/v1/jobs", jobkit.body(self.evaluator.url, name="x" * 1000), headers
            )
        return status, sent, answer

    def rename(self, daemon, job, name):
        """Until that is refused too; returns the last name that was accepted."""
        for i in range(1000):
            status = daemon.request("PATCH", f"/v1/jobs/{job}", {"name": f"name {i}"})[0]
            if status == 507:
                return name
            self.assertEqual(status, 200)
            name = f"name {i}"
        self.fail("the disk is not full")

    def test_full_and_empty_again(self):
        with Daemon(self.directory) as daemon:
            done = jobkit.submit(daemon, jobkit.body(self.evaluator.url, capability=jobkit.capability(2)))
            self.release.set()
            jobkit.finished(daemon, done)
            self.release.clear()
            asked = len(self.evaluator.calls)
            job = jobkit.submit(daemon, jobkit.body(self.evaluator.url, name="under way"))
            jobkit.wait_until(lambda: len(self.evaluator.calls) == asked + 3)

            self.fill()
            status, headers, problem = self.post(daemon)
            self.assertEqual((status, problem["status"]), (507, 507), problem)
            self.assertGreaterEqual(int(headers["retry-after"]), 1)
            jobs = jobkit.everything(daemon, "/v1/jobs")
            self.assertEqual(self.post(daemon, **{"Idempotency-Key": "k"})[0], 507)
            self.assertEqual(jobkit.everything(daemon, "/v1/jobs"), jobs, "nothing was accepted")
            jobkit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 503)
            for path in ("", "/best", "/trials", "/events", "/export"):
                jobkit.get(daemon, f"/v1/jobs/{done}{path}")
            name = self.rename(daemon, job, "under way")
            self.assertEqual(jobkit.get(daemon, f"/v1/jobs/{job}")["name"], name)
            self.release.set()  # an answer that can hardly be stored now

            os.unlink(self.filler)
            jobkit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 200)
            document = jobkit.finished(daemon, job)
            self.assertEqual(document["state"], "completed")
            key = {"Idempotency-Key": "k"}
            body = jobkit.body(self.evaluator.url, name="y")
            status, headers, _ = daemon.request("POST", "/v1/jobs", body, key)
            self.assertEqual((status, headers["idempotency-replayed"]), (201, None))
            trials = jobkit.everything(daemon, f"/v1/jobs/{job}/trials")
            self.assertEqual([t["number"] for t in trials], list(range(len(trials))))
            kept = {j["id"] for j in jobkit.everything(daemon, "/v1/jobs")}
            self.assertLessEqual({j["id"] for j in jobs}, kept, "no job was lost")
        with sqlite3.connect(f"{self.directory}/narrowd.db") as database:
            self.assertEqual(database.execute("pragma integrity_check").fetchall(), [("ok",)])
        database.close()

    def test_an_experiment_whose_answer_could_not_be_stored_is_not_over(self):
        """Its job waits to be read again: a client that is told of an end would stop for good."""
        with Daemon(self.directory) as daemon:
            job = daemon.request("POST", "/sigopt/v1/experiments", test_sigopt_face.experiment())[2]["id"]
            path = f"/sigopt/v1/experiments/{job}"
            suggestion = daemon.request("POST", f"{path}/suggestions", {})[2]
            values = test_sigopt_face.listed(test_sigopt_face.measured(suggestion["assignments"]))
            observation = {"suggestion": suggestion["id"], "values": values}

            self.fill()
            self.assertEqual(self.post(daemon)[0], 507)
            while (status := daemon.request("POST", f"{path}/observations", observation)[0]) == 200:
                suggestion = daemon.request("POST", f"{path}/suggestions", {})[2]
                observation["suggestion"] = suggestion["id"]
            self.assertEqual(status, 507)
            for what, sent in (("suggestions", {}), ("observations", observation)):
                status, headers, answer = daemon.request("POST", f"{path}/{what}", sent)
                self.assertEqual((status, answer["message"]), (503, "the experiment is being read from the disk: try again in a second"), what)
                self.assertGreaterEqual(int(headers["retry-after"]), 1)

            os.unlink(self.filler)
            jobkit.wait_until(lambda: daemon.request("POST", f"{path}/observations", observation)[0] == 200)
            self.assertEqual(daemon.request("POST", f"{path}/suggestions", {})[0], 200)

    def test_full_at_the_start(self):
        """D016 of tests/data/bad_inputs.jsonl."""
        with Daemon(self.directory) as daemon:
            self.release.set()
            job = jobkit.submit(daemon, jobkit.body(self.evaluator.url))
            jobkit.finished(daemon, job)
            log = jobkit.everything(daemon, f"/v1/jobs/{job}/events")
            daemon.kill9()
            self.fill()
            daemon.start()
            self.assertEqual(jobkit.everything(daemon, f"/v1/jobs/{job}/events"), log)
            self.assertEqual(self.post(daemon)[0], 507)
            os.unlink(self.filler)
            jobkit.wait_until(lambda: daemon.request("GET", "/readyz")[0] == 200)
            jobkit.finished(daemon, jobkit.submit(daemon, jobkit.body(self.evaluator.url)))


if __name__ == "__main__":
    unittest.main()
