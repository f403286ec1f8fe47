"""A user's script that test_killed.py kills: one search whose evaluator writes down what it begins to measure.

    killed_script.py LEDGER TRIALS
"""

import json
import os
import sys
import time

import kit

import narrowd
from narrowd.journal import key_of
from narrowd.transport import Transport

LEDGER, TRIALS = sys.argv[1], int(sys.argv[2])
MEASURING_S = SENDING_S = 0.02
evaluator = narrowd.Evaluator(kit.CAPABILITY)


def note(*words):
    with open(LEDGER, "ab", buffering=0) as file:
        file.write(json.dumps([os.getpid(), *words]).encode() + b"\n")


@evaluator.evaluate
def evaluate(config, question):
    note("begins", key_of(question))
    time.sleep(MEASURING_S)
    return kit.measured(config)


def slowly(transport, method, path, *arguments, **named):
    """Answers take their time to leave, so that many of the kills come when one is known and not sent."""
    if path.endswith("/complete"):
        time.sleep(SENDING_S)
    return request(transport, method, path, *arguments, **named)


request, Transport.request = Transport.request, slowly


def finish(job):
    note("finished", job.id)


job = {**kit.JOB, "tuning_criterion": {**kit.JOB["tuning_criterion"], "max_trials": TRIALS}}
narrowd.search(evaluator, job, identity="killed", progress=False, finish=finish)
