#!/usr/bin/env python3
"""An evaluator for narrowd: a classifier in ONNX, under ONNX Runtime. What it can do to the model stands in quantize.py.

    evaluator.py MODEL.onnx DATA.npz                        answers over HTTP
    evaluator.py MODEL.onnx DATA.npz --answer               answers lines, for narrow worker --persistent
    evaluator.py MODEL.onnx DATA.npz --build BEST OUT.onnx  makes a file of what `narrow best --json` printed
"""

import argparse
import http.server
import json
import logging
import os
import sys
import tempfile
import threading
import time

import numpy as np
import onnxruntime as ort
from quantize import Quantizer

WARM_UP, RUNS = 5, 30
QUESTIONS = ("capability", "baseline", "evaluate", "score")
RETRY_AFTER_S = 5


class Evaluator:
    def __init__(self, model, data, offers_scores=False):
        self.offers_scores = offers_scores
        self.data, self.scratch = dict(np.load(data)), tempfile.TemporaryDirectory()
        self.tuned = os.path.join(self.scratch.name, "tuned.onnx")
        prepared = os.path.join(self.scratch.name, "prepared.onnx")
        self.quantizer = Quantizer(model, prepared, self.data["calibration"])

    def answer(self, question):
        if question["question"] == "capability":
            return {**self.quantizer.capability(), "metrics": ["latency_ms", "model_size_bytes"],
                    "answers": ["evaluate"] + ["score:mse", "score:mse:options"] * self.offers_scores}
        if question["question"] == "score":
            return {"scores": self.scores(question)}
        return self.measure(question.get("config"), question.get("subset"))  # without a config: the baseline

    def session(self, config):
        self.quantizer.build(config, self.tuned)
        return ort.InferenceSession(self.tuned)

    def run(self, session, images):
        return session.run(None, {self.quantizer.input: images})[0]

    def part(self, subset):
        """What a job's `acceptance` or `ranking` says: {"images": N, "from": K} are N images from the Kth on."""
        subset = {"from": 0, **(subset or {})}
        first, total = subset["from"], len(self.data["labels"])
        end = first + subset.get("images", total - first)
        if set(subset) - {"images", "from"} or not 0 <= first < end <= total:
            raise ValueError(f'subset has "images" and "from", of {total} images from 0 on')
        return slice(first, end)

    def measure(self, config, subset=None):
        """Always anew: a cache by config would hide from narrowd how much the numbers vary."""
        try:
            part, session = self.part(subset), self.session(config)
        except Exception as error:  # it cannot be run; what fails later is no fault of the config
            return {"failed": True, "error": f"{type(error).__name__}: {error}", "retryable": False}
        right = self.run(session, self.data["inputs"][part]).argmax(1) == self.data["labels"][part]
        times = []
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter()
            self.run(session, self.data["inputs"][:1])
            times.append(1000 * (time.perf_counter() - start))
        return {"accuracy": float(right.mean()), "latency_ms": times[WARM_UP:],  # the median counts
                "metrics": {"model_size_bytes": os.path.getsize(self.tuned)}}

    def scores(self, question):
        """How far the outputs move when one operator alone is quantized, in each of its ways: a build for each."""
        config, images = question["config"], self.data["calibration"]
        options = question.get("options") or {name: [config["ops"][name]] for name in question["ops"]}
        fp32 = self.run(self.session(None), images)

        def moved(name, option):
            outputs = self.run(self.session({**config, "ops": {name: option}}), images)
            return float(np.square(outputs - fp32).mean())

        table = {name: [moved(name, option) for option in options[name]] for name in question["ops"]}
        return table if "options" in question else {name: row[0] for name, row in table.items()}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", -1  # -1: head and body leave in one segment
    lock, answers = threading.Lock(), {}

    def do_GET(self):
        healthy = self.path == "/healthz"
        self.send(200 if healthy else 404, {"status": "ok"} if healthy else {"error": "GET has /healthz alone"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        question = {**json.loads(body or "{}"), "question": self.path.rpartition("/")[2]}
        key = (self.headers.get("Idempotency-Key"), question.get("repeat"))
        if question["question"] not in QUESTIONS:
            self.send(404, {"error": f"{self.path} is not answered here"})
        elif key in self.answers:  # it was lost on its way
            self.send(200, self.answers[key])
        elif question["question"] == "capability":
            self.send(*self.answer(question, (None, None)))
        elif self.lock.acquire(blocking=False):  # one measurement at a time: two would disturb each other
            try:
                answer = self.answer(question, key)
            finally:
                self.lock.release()
            self.send(*answer)
        else:  # "not now": nobody is charged, while waiting here would use up the question's timeout_s
            self.send(503, {"error": "busy with another question"})

    def answer(self, question, key):
        try:
            answer = self.server.evaluator.answer(question)
        except Exception as error:
            return 500, {"error": f"{type(error).__name__}: {error}"}
        if key[0] and "failed" not in answer:
            self.answers[key] = answer
        return 200, answer

    def send(self, status, answer):
        text = json.dumps(answer).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", str(RETRY_AFTER_S))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def serve(evaluator, port):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.evaluator = evaluator
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data", help=".npz with calibration, inputs, labels")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--answer", action="store_true")
    parser.add_argument("--scores", action="store_true", help="offer scores: one build per operator and option")
    parser.add_argument("--build", nargs=2, metavar=("BEST", "OUT"))
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # "please consider pre-processing": it is done
    evaluator = Evaluator(args.model, args.data, args.scores)
    if args.build:
        with open(args.build[0], encoding="utf-8") as file:
            evaluator.quantizer.build(json.load(file)["config"], args.build[1])
    elif args.answer:
        for question in map(json.loads, sys.stdin):
            lease = {"lease": question["lease"]} if "lease" in question else {}
            print(json.dumps({**evaluator.answer(question), **lease}), flush=True)
    else:
        server = serve(evaluator, args.port)
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
