#!/usr/bin/env python3
"""An evaluator for narrowd: a classifier in ONNX, under ONNX Runtime. For another model replace `measure`, `part` and `run`.

    evaluator.py MODEL.onnx DATA.npz                        answers over HTTP
    evaluator.py MODEL.onnx DATA.npz --answer               answers lines, for narrow worker --persistent
    evaluator.py MODEL.onnx DATA.npz --build BEST OUT.onnx  makes a file of what `narrow best --json` printed
"""

import argparse
import json
import logging
import os
import shutil
import tempfile
import timeit

import numpy as np
import onnxruntime as ort
import serve
from quantize import Quantizer

WARM_UP, RUNS = 5, 30


class Evaluator:
    def __init__(self, model, data, offers_scores=False):
        self.offers_scores = offers_scores
        self.data, self.scratch = dict(np.load(data)), tempfile.TemporaryDirectory()
        self.tuned = os.path.join(self.scratch.name, "tuned.onnx")
        self.quantizer = Quantizer(model, self.scratch.name, self.data["calibration"])

    def answer(self, question, report=lambda seen, total: None):
        if question["question"] == "capability":
            return {**self.quantizer.capability(), "metrics": ["latency_ms", "model_size_bytes"],
                    "answers": ["evaluate"] + ["score:mse", "score:mse:options"] * self.offers_scores}
        if question["question"] == "score":
            return {"scores": self.scores(question, report)}
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
        for other in set(subset) - {"images", "from"}:
            raise ValueError(f"a subset has images and from, no {other}")
        if not 0 <= first < end <= total:
            raise ValueError(f"the subset is {end - first} images from {first} on, up to {end}, and there are {total}")
        return slice(first, end)

    def measure(self, config, subset=None):
        """Always anew: a cache by config would hide from narrowd how much the numbers vary."""
        try:
            part, session = self.part(subset), self.session(config)
        except Exception as error:  # it cannot be run; what fails later is no fault of the config
            return {"failed": True, "error": f"{type(error).__name__}: {error}", "retryable": False}
        # One at a time, as the file is used: dynamic operators have the ranges of all that is in a batch.
        chosen = np.array([self.run(session, image[np.newaxis])[0].argmax() for image in self.data["inputs"][part]])
        right, one = chosen == self.data["labels"][part], self.data["inputs"][:1]
        times = timeit.repeat(lambda: self.run(session, one), repeat=WARM_UP + RUNS, number=1)
        return {"accuracy": float(right.mean()),
                "latency_ms": [1000 * seconds for seconds in times[WARM_UP:]],  # the median counts
                "metrics": {"model_size_bytes": os.path.getsize(self.tuned)}}

    def scores(self, question, report):
        """How far the outputs move when one operator alone is quantized, in each of its ways: a build for each."""
        config, images = question["config"], self.data["calibration"]
        options = question.get("options") or {name: [config["ops"][name]] for name in question["ops"]}
        fp32 = self.run(self.session(None), images)
        table, total = {name: [] for name in question["ops"]}, sum(len(options[name]) for name in question["ops"])
        for name, row in table.items():
            for option in options[name]:
                outputs = self.run(self.session({**config, "ops": {name: option}}), images)
                row.append(float(np.square(outputs - fp32).mean()))
                report(sum(map(len, table.values())), total)
        return table if "options" in question else {name: row[0] for name, row in table.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data", help=".npz with calibration, inputs, labels")
    parser.add_argument("--port", type=int, default=9001)
    parser.add_argument("--answer", action="store_true", help="answer lines of standard input")
    parser.add_argument("--scores", action="store_true", help="offer scores: one build per operator and option")
    parser.add_argument("--build", nargs=2, metavar=("BEST", "OUT"))
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # "please consider pre-processing": it is done
    evaluator = Evaluator(args.model, args.data, args.scores)
    if args.build:
        with open(args.build[0], encoding="utf-8") as file:
            config = json.load(file)["config"]
        if config and len(config["ops"]) < len(evaluator.quantizer.ops):
            parser.error(f"{args.build[0]} does not say what to do with every operator of {args.model}: is it of another model?")
        try:
            evaluator.quantizer.build(config, evaluator.tuned)
        except ValueError as error:
            parser.error(f"{args.build[0]}: {error}")
        shutil.copy(evaluator.tuned, args.build[1])  # whole or not at all
    elif args.answer:
        serve.answer_lines(evaluator)
    else:
        serve.answer_http(evaluator, args.port)


if __name__ == "__main__":
    main()
