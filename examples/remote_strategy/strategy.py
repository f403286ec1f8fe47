#!/usr/bin/python3
"""A strategy of your own for narrowd, in Python's standard library: climb a hill.

The first suggestion is the default config. Each further one changes one operator of the best config
so far, picked at random with the job's seed. After PATIENCE changes in a row that were no better it
says that nothing is left to try. It serves any number of jobs at once; each has a state of its own.

    strategy.py --port 9100

and in a job: "tuning_criterion": {"strategy": "remote",
                                   "strategy_kwargs": {"url": "http://127.0.0.1:9100"}}
"""

import argparse
import copy
import http.server
import itertools
import json
import random
import threading

PATIENCE = 30


def choices(modes):
    """All that can be done to one operator, as the members of a config have it."""
    for mode, described in modes.items():
        for description in described if isinstance(described, list) else [described]:
            parts = [
                (attribute, item, values)
                for attribute, items in description.items()
                for item, values in items.items()
            ]
            for picked in itertools.product(*(values for _, _, values in parts)):
                choice = {"mode": mode}
                for (attribute, item, _), value in zip(parts, picked):
                    choice.setdefault(attribute, {})[item] = value
                yield choice


class Job:
    """What is known of one job. The same questions in the same order give the same answers."""

    def __init__(self, begin):
        self.lock = threading.Lock()  # one question after the other
        self.random = random.Random(begin["seed"])
        self.choices = {op["name"]: list(choices(op["modes"])) for op in begin["space"]["ops"]}
        self.best = None  # (rank, ops)
        self.answers = {}  # by the question's trial; a question whose answer was lost is put again
        self.tried = {}  # trial of the suggestion -> ops
        self.in_vain = 0

    def answer(self, name, question):
        known = {"begin": lambda begin: {}, "next": self.suggest, "observe": self.observe}
        trial = question["trial"]
        with self.lock:
            if trial not in self.answers:
                self.answers[trial] = known[name](question)
            return self.answers[trial]

    def suggest(self, question):
        ops = copy.deepcopy(self.best[1]) if self.best else {}
        movable = [name for name, list_ in self.choices.items() if len(list_) > 1]
        if self.in_vain >= PATIENCE or (self.tried and not movable):
            return {"done": True}
        if self.tried:
            name = self.random.choice(movable)
            ops[name] = self.random.choice(self.choices[name])
        self.tried[question["trial"]] = ops
        return {"config": {"ops": ops}}

    def observe(self, result):
        self.in_vain += 1
        if result["failed"]:
            return {}
        # What meets the criterion comes first, by objective; then what misses it by the least.
        # The objective is taken to be better when it is lower.
        feasible = result["feasible"]
        rank = (feasible, -result["objective_value"] if feasible else result["margin"])
        if self.best is None or rank > self.best[0]:
            self.best = (rank, self.tried[result["suggestion"]])
            self.in_vain = 0
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # -1: head and body leave in one segment
    jobs, lock = {}, threading.Lock()  # the lock is the table's: no job waits for another one's answer

    def job_of(self, name, question):
        with self.lock:
            if name == "begin" and question["job"] not in self.jobs:
                self.jobs[question["job"]] = Job(question)
            return self.jobs.get(question["job"])

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        name, status = self.path.rsplit("/", 1)[-1], 404
        if name not in ("begin", "next", "observe"):
            answer = {"error": "there is no such question"}
        elif (job := self.job_of(name, question)) is None:
            answer = {"error": "this job began before I was started"}
        else:
            status, answer = 200, job.answer(name, question)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=9100, help="0 picks a free one")
    # A thread for each connection: the daemon keeps them open, so one job would keep out all others.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
