#!/usr/bin/env python3
"""Tunes real models for ONNX Runtime beside its own one-call quantization, Optuna and NNCF's accuracy-aware quantization.

All have the same model, inputs, judge and criterion: at most 1 % of the accuracy may be lost, and CPU time is to fall. Every file that
came out is measured in turns with the model as it came, by CPU time of one thread, and on inputs that nobody chose by.

    bench/real_models.py --build build-release [--trials 15] [--way narrowd] [direction magika basic_pitch]

Installs ONNX Runtime, NNCF, Optuna and the packages that the models ship in into a virtual environment below the build.
"""

import argparse
import logging
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDED = ("onnx==1.23.2", "onnxruntime==1.32.0", "onnx_ir", "pillow==13.0.0")
SHIPPED = ("rapidocr-onnxruntime==1.4.4", "magika==1.0.3", "basic-pitch==0.4.0")
WAYS = {"one call, static": (), "one call, dynamic": (), "NNCF, accuracy control": ("nncf==3.4.0", "torch==2.13.0"),
        "Optuna, TPE": ("optuna==5.0.0",), "narrowd": ()}  # and what each needs besides
MAX_DROP = 0.01
FP32, DYNAMIC = {"mode": "fp32"}, {"mode": "dynamic"}


def static(granularity):
    return {"mode": "static", "weight": {"granularity": granularity}, "activation": {"scheme": "asym", "algorithm": "minmax"}}


def install(build, ways):
    """The Python of an environment that has all."""
    python = build / "real-models/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *SHIPPED], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED, *(name for way in ways for name in WAYS[way])], check=True)
    return python


class Bench:
    """One model, its row as it came, and the ways that change it: each writes a file and says how often it measured."""

    def __init__(self, model, folder, trials):
        self.model, self.folder, self.trials = model, pathlib.Path(folder), trials
        self.plain = self.session(model.path)
        self.wanted = model.accuracy(self.plain, model.judged) * (1 - MAX_DROP)

    def session(self, path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(path, options)

    def accuracy(self, session):
        return self.model.accuracy(session, self.model.judged)

    def prepared(self):
        from onnxruntime.quantization.shape_inference import quant_pre_process

        quant_pre_process(self.model.path, self.folder / "prepared.onnx", skip_symbolic_shape=True)
        return self.folder / "prepared.onnx"

    def one_call_static(self, out):
        from narrowd.onnx.quantizer import Reader
        from onnxruntime.quantization import quantize_static

        quantize_static(self.prepared(), out, Reader(self.model.feeds))
        return 0

    def one_call_dynamic(self, out):
        from onnxruntime.quantization import quantize_dynamic

        quantize_dynamic(self.prepared(), out)
        return 0

    def nncf(self, out):
        """Everything in int8, then back to fp32 what loses most, until the criterion is met."""
        import nncf
        import onnx

        measured = []

        def validate(model, samples):
            items = list(samples)
            measured.append(len(items))  # often one alone, to see what it loses
            return self.model.accuracy(self.session(model.SerializeToString()), items), None

        model = nncf.quantize_with_accuracy_control(
            onnx.load(self.model.path), nncf.Dataset(self.model.feeds), nncf.Dataset(self.model.judged), validate, subset_size=len(self.model.feeds),
            max_drop=MAX_DROP, drop_type=nncf.DropType.RELATIVE)
        onnx.save(model, out)
        return round(sum(measured) / len(self.model.judged))

    def optuna(self, out):
        """TPE with the criterion as a constraint, which chooses for each operator; the fastest that meets it is written."""
        import narrowd
        import optuna
        from narrowd.onnx.graph import Graph
        from narrowd.onnx.quantizer import Quantizer

        quantizer = Quantizer(Graph(self.model.path, str(self.folder)), self.model.feeds, str(self.folder))
        ways = {"fp32": FP32, "per_tensor": static("per_tensor"), "per_channel": static("per_channel"), "dynamic": DYNAMIC}
        tried = str(self.folder / "tried.onnx")

        def measure(trial):
            chosen = {name: trial.suggest_categorical(name, [way for way in ways if way != "dynamic" or node.op_type == "MatMul"])
                      for name, node in quantizer.graph.ops.items()}
            quantizer.build({"ops": {name: ways[way] for name, way in chosen.items()}}, tried)
            session = self.session(tried)
            trial.set_user_attr("missed", self.wanted - self.accuracy(session))
            return narrowd.measure(lambda: session.run(None, self.model.feeds[0]), clock=time.process_time).median_ms

        sampler = optuna.samplers.TPESampler(multivariate=True, seed=1, constraints_func=lambda trial: (trial.user_attrs["missed"],))
        study = optuna.create_study(sampler=sampler)
        study.enqueue_trial(dict.fromkeys(quantizer.graph.ops, "fp32"))
        study.optimize(measure, n_trials=self.trials)
        met = [trial for trial in study.trials if trial.user_attrs["missed"] <= 0]
        best = min(met, key=lambda trial: trial.value)
        quantizer.build({"ops": {name: ways[way] for name, way in best.params.items()}}, out)
        return self.trials

    def narrowd(self, out):
        import narrowd.onnx

        tuned = narrowd.onnx.tune(self.model.path, out, self.model.feeds, self.accuracy, max_drop=MAX_DROP, max_trials=self.trials,
                                  clock=time.process_time, progress=False)
        print(tuned, file=sys.stderr)
        return f"{tuned.trials}, keep fp32" if tuned.keep_fp32 else tuned.trials

    def row(self, name, path, measured):
        import narrowd

        session, feed = self.session(path), self.model.feeds[0]
        found, fresh = (self.model.accuracy(session, items) for items in (self.model.judged, self.model.fresh))
        turns = narrowd.compare(lambda: session.run(None, feed), lambda: self.plain.run(None, feed), clock=time.process_time)
        missed = " (missed)" if found < self.wanted else ""
        print(f"| {self.model.name} | {name} | {found:.4f}{missed} | {fresh:.4f} | {turns.candidate.median_ms:.2f} | {turns.speedup:.2f} | "
              f"{os.path.getsize(path) / 1e6:.2f} | {measured} |", flush=True)

    def run(self, ways):
        self.row("as it came", self.model.path, "")
        does = dict(zip(WAYS, (self.one_call_static, self.one_call_dynamic, self.nncf, self.optuna, self.narrowd), strict=True))
        for name, way in ((name, does[name]) for name in ways):
            out = self.folder / f"{way.__name__}.onnx"
            try:
                self.row(name, out, way(out))
            except Exception as error:  # one that cannot do a model is a row, too
                print(f"| {self.model.name} | {name} | {type(error).__name__}: {str(error).splitlines()[0][:80]} | | | | | |", flush=True)


def run(trials, names, ways):
    import shipped_models

    logging.disable(logging.WARNING)
    print("| model | way | accuracy | on fresh inputs | ms | times as fast | MB | measurements |\n|---|---|---|---|---|---|---|---|", flush=True)
    for name in names or shipped_models.ALL:
        with tempfile.TemporaryDirectory() as folder:
            Bench(shipped_models.ALL[name](), folder, trials).run(ways)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, help="a build in release mode")
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--way", action="append", choices=WAYS, help="one of the ways, which may be given again; all without it")
    parser.add_argument("models", nargs="*")
    options = parser.parse_args()
    ways = options.way or list(WAYS)
    if options.build is None:
        run(options.trials, options.models, ways)
        return
    build = options.build.resolve()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NARROWD_HOME": home, "NARROWD_BIN": str(build / "daemon/narrowd"), "OMP_NUM_THREADS": "1",
                       "PYTHONPATH": f"{ROOT / 'clients/python'}:{ROOT / 'tests/published'}:{ROOT / 'bench'}"}
        chosen = [argument for way in ways for argument in ("--way", way)]
        subprocess.run([install(build, ways), __file__, "--trials", str(options.trials), *chosen, *options.models], check=True, cwd=home,
                       env=environment)


if __name__ == "__main__":
    main()
