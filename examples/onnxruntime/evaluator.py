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


class Evaluator:
    def __init__(self, model, data, method):
        self.data, self.scratch = dict(np.load(data)), tempfile.TemporaryDirectory()
        self.tuned = os.path.join(self.scratch.name, "tuned.onnx")
        prepared = os.path.join(self.scratch.name, "prepared.onnx")
        self.quantizer = Quantizer(model, prepared, self.data["calibration"], method)

    def answer(self, question):
        if question["question"] == "capability":
            return {**self.quantizer.capability(), "metrics": ["latency_ms", "model_size_bytes"],
                    "answers": ["evaluate", "score:mse", "score:mse:options"]}
        if question["question"] == "score":
            return {"scores": self.scores(question)}
        return self.measure(question.get("config"))  # without one: the baseline

    def session(self, config):
        self.quantizer.build(config, self.tuned)
        return ort.InferenceSession(self.tuned)

    def run(self, session, images):
        return session.run(None, {self.quantizer.input: images})[0]

    def measure(self, config):
        """Always anew: a cache by config would hide from narrowd how much the numbers vary."""
        try:
            session = self.session(config)
        except Exception as error:  # it cannot be run; what fails later is no fault of the config
            return {"failed": True, "error": f"{type(error).__name__}: {error}", "retryable": False}
        right = self.run(session, self.data["inputs"]).argmax(1) == self.data["labels"]
        times = []
        for _ in range(WARM_UP + RUNS):
            start = time.perf_counter()
            self.run(session, self.data["inputs"][:1])
            times.append(1000 * (time.perf_counter() - start))
        return {"accuracy": float(right.mean()), "latency_ms": times[WARM_UP:],  # the median counts
                "metrics": {"model_size_bytes": os.path.getsize(self.tuned)}}

    def scores(self, question):
        """How far the outputs move when one operator alone is quantized, in each of its ways."""
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

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        question = {"question": self.path.rpartition("/")[2], **json.loads(body or "{}")}
        key = (self.headers.get("Idempotency-Key"), question.get("repeat"))
        with self.lock:  # one measurement at a time: two would disturb each other
            status, answer = 200, self.answers.get(key)  # one that was lost on its way is sent again
            try:
                answer = answer or self.server.evaluator.answer(question)
            except Exception as error:
                status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
            if key[0] and status == 200 and "failed" not in answer:
                self.answers[key] = answer
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data", help=".npz with calibration, inputs, labels")
    parser.add_argument("--calibrate", metavar="METHOD", default="MinMax")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--answer", action="store_true")
    parser.add_argument("--build", nargs=2, metavar=("BEST", "OUT"))
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # "please consider pre-processing": it is done
    evaluator = Evaluator(args.model, args.data, args.calibrate)
    if args.build:
        with open(args.build[0], encoding="utf-8") as file:
            evaluator.quantizer.build(json.load(file)["config"], args.build[1])
    elif args.answer:
        for question in map(json.loads, sys.stdin):
            lease = {"lease": question["lease"]} if "lease" in question else {}
            print(json.dumps({**evaluator.answer(question), **lease}), flush=True)
    else:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
        server.evaluator = evaluator
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


main()
