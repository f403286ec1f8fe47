"""What the crash tests share: reading a job's log, what in it a crash may change, files at rest."""

import json
import os
import sqlite3
import subprocess
import time

from patience import PATIENCE_S

PASSING = {"question_leased", "lease_accepted", "lease_expired", "lease_returned", "late_answer",
           "attempt_failed"}
TIMES = {"active_s", "attempts", "answer", "worker"}


def normal(events):
    """The log without what a crash may change: times, leases, attempts."""
    rows = []
    for event in events:
        if event["type"] not in PASSING:
            data = {k: v for k, v in event["data"].items() if k not in TIMES}
            rows.append((event["type"], event["trial"], json.dumps(data, sort_keys=True)))
    return rows


def decisions(events):
    """What was asked and what came of it, by trial: with several at a time their order is free."""
    kinds = ("question_asked", "trial_told", "trial_failed")
    rows = normal([event for event in events if event["type"] in kinds])
    for i, (kind, trial, text) in enumerate(rows):
        data = json.loads(text)
        data.pop("seen", None)
        rows[i] = (kind, trial, json.dumps(data, sort_keys=True))
    return sorted(rows)


def read_log(daemon, job):
    events, cursor = [], ""
    while cursor is not None:
        path = f"/v1/jobs/{job}/events?limit=1000" + (f"&cursor={cursor}" if cursor else "")
        status, _, page = daemon.request("GET", path, headers={"Accept": "application/json"})
        assert status == 200, page
        events += page["items"]
        cursor = page["next"]
    return events


def wait_final(daemon, job, seconds=PATIENCE_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, _, document = daemon.request("GET", f"/v1/jobs/{job}")
        assert status == 200, document
        if document["exit"] is not None:
            return document
        time.sleep(0.02)
    raise AssertionError(f"{job} did not end: {document}")


def check_files(test, directory):
    """The store of a stopped daemon: whole, and its projections are what its log says."""
    with sqlite3.connect(os.path.join(directory, "narrowd.db")) as database:
        test.assertEqual(database.execute("pragma integrity_check").fetchall(), [("ok",)])
    done = subprocess.run(
        [os.environ["STORE_VERIFY_BIN"], directory], capture_output=True, text=True, check=False
    )
    test.assertEqual(done.returncode, 0, done.stderr)
