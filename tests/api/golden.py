"""Golden traces of Intel Neural Compressor: how a trace becomes a job, and a config a code.

The codes are those of the traces: S/D/W for the mode, then scheme, algorithm and granularity, F, B,
H for precisions (tests/data/golden/README.md).
"""

import json
import pathlib

from jobkit import Evaluator, body, finished, get, submit

DATA = pathlib.Path(__file__).resolve().parent.parent / "data" / "golden"

PRECISIONS = {"fp32": "F", "bf16": "B", "fp16": "H"}
LETTERS = {"asym": "a", "sym": "s", "kl": "k", "minmax": "m", "percentile": "p", "placeholder": "_"}
# docs/inc.md, "Weight-only algorithms": what INC's names do to every operator; the third leaves the last one in fp32.
WEIGHT_ONLY = {
    "RTN_G32ASYM": ("RTN", 32, False),
    "GPTQ_G32ASYM": ("GPTQ", 32, False),
    "GPTQ_G32ASYM_DISABLE_LAST_MATMUL": ("GPTQ", 32, True),
    "GPTQ_G128ASYM": ("GPTQ", 128, False),
    "AWQ_G32ASYM": ("AWQ", 32, False),
}


TUNED_RECIPES = {
    "first_conv_or_matmul_quantization",
    "last_conv_or_matmul_quantization",
    "pre_post_process_quantization",
}


def load(name):
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def modes(descriptions):
    """An operator's descriptions as INC's adaptors give them, by mode."""
    result = {}
    for description in descriptions:
        attributes = json.loads(json.dumps(description))
        mode = attributes["activation"].pop("quant_mode", None)
        if mode is None:
            dtype = attributes["activation"]["dtype"]
            result[dtype if isinstance(dtype, str) else dtype[0]] = {}
        else:
            result.setdefault(mode, []).append(attributes)
    return result


def names(pairs):
    return [name for name, _ in pairs]


def capability(trace):
    given = trace["capability"]
    document = {
        "ops": [
            {"name": op["name"], "type": op["type"], "modes": modes(op["capability"])}
            for op in given["ops"]
        ],
        "answers": ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"],
    }
    if given.get("block_wise"):
        document["blocks"] = [names(block) for block in given["block_wise"]]
    if given.get("recipes_ops"):
        document["recipes_ops"] = {
            recipe: names(ops) for recipe, ops in given["recipes_ops"].items()
        }
    return document


def job_of(trace, url):
    config = trace["config"]
    mixed = config["kind"] == "mixed_precision"
    kwargs = config.get("strategy_kwargs") or {}
    if mixed:
        kwargs = {"precisions": ",".join(config["precisions"])}
    job = body(
        url,
        capability=capability(trace),
        quant_level=config["quant_level"],
        tuning_criterion={
            "strategy": "auto_mixed_precision" if mixed else config["strategy"],
            "strategy_kwargs": kwargs,
            "timeout": config["timeout"],
            "max_trials": config["max_trials"],
            "objective": config["objective"],
        },
        accuracy_criterion=config["accuracy_criterion"],
        confirm=0,
    )
    for member in ("approach", "op_type_dict", "op_name_dict", "recipes"):
        if config.get(member):
            job[member] = config[member]
    if "recipes" in job:
        # INC fills in what its user left out, and cannot tell that from what its user set.
        job["recipes"] = {
            name: value
            for name, value in job["recipes"].items()
            if name not in TUNED_RECIPES or not value
        }
    if config.get("calibration_sampling_size"):
        job["calibration_sampling_size"] = config["calibration_sampling_size"]
    return job


def letters(attribute, *items):
    return "".join(LETTERS.get(attribute.get(item), "") for item in items)


def code_of_op(op):
    if op["mode"] in PRECISIONS:
        return PRECISIONS[op["mode"]]
    weight, activation = op.get("weight", {}), op.get("activation", {})
    if op["mode"] == "weight_only":
        values = (str(weight.get(item)) for item in ("bits", "group_size", "scheme", "algorithm"))
        return f"W[{','.join(values)}]"
    code = {"static": "S", "dynamic": "D"}[op["mode"]]
    code += "4" if "4" in activation.get("dtype", "") + weight.get("dtype", "") else ""
    code += letters(activation, "scheme", "algorithm")
    return code + ("/t" if weight.get("granularity") == "per_tensor" else "")


def code_of(config, sizes):
    """What makes a config another one: the operators, an alpha if several are tried, the size."""
    code = " ".join(code_of_op(op) for op in config["ops"].values())
    alpha = config["recipes"].get("smooth_quant_alpha")
    if alpha is not None:
        code += f" alpha={alpha}"
    return code + (f" calib={config['calibration_sampling_size']}" if sizes > 1 else "")


def with_weights(code, name):
    algorithm, group, without_last = WEIGHT_ONLY[name]
    ops = [
        f"W[{op[2:].split(',')[0]},{group},asym,{algorithm}]" if op.startswith("W") else op
        for op in code.split(" ")
    ]
    quantized = [place for place, op in enumerate(ops) if op.startswith("W")]
    if without_last and quantized:
        ops[quantized[-1]] = "F"
    return " ".join(ops)


def code_of_trial(trace, trial):
    code = trial["code"] if isinstance(trial["code"], str) else " ".join(trial["code"])
    if trial.get("woq"):
        code = with_weights(code, trial["woq"])
    if trial.get("alpha") is not None:
        code += f" alpha={trial['alpha']}"
    sizes = trace["config"].get("calibration_sampling_size") or [100]
    return code + (f" calib={trial['calibration_sampling_size']}" if len(sizes) > 1 else "")


def trials_of(trace):
    """Distinct configs in the order of their first evaluation, with what they were worth."""
    worth = {}
    for trial in trace["trials"]:
        if trial.get("status") == "evaluated":
            worth.setdefault(code_of_trial(trace, trial), (trial.get("accuracy"), trial.get("latency")))
    return worth


def scores(trace, question):
    given = next(iter((trace.get("model_side") or {"": {}}).values()))
    return {op: given.get(op, 0) for op in question["ops"]}


class Replay:
    """A trace's job on a daemon: which configs it measured, and what it ended with."""

    def __init__(self, daemon, trace, otherwise=None, worth=None):
        self.trace = trace
        self.worth = trials_of(trace)
        self.worth.update({code: (accuracy, 1.0) for code, accuracy in (worth or {}).items()})
        self.otherwise = otherwise  # what configs are worth that the trace does not have
        self.sizes = len(trace["config"].get("calibration_sampling_size") or [100])
        self.codes, self.questions = [], []
        evaluator = Evaluator(self.reply)
        try:
            job = submit(daemon, job_of(trace, evaluator.url))
            self.job = finished(daemon, job)
            self.best = get(daemon, f"/v1/jobs/{job}/best") if self.codes else None
        finally:
            evaluator.close()

    def reply(self, question, headers):
        if question["question"] == "score":
            self.questions.append(question)
            return {"scores": scores(self.trace, question)}
        if question["question"] == "baseline":
            baseline = self.trace.get("baseline") or {}
            return {
                "accuracy": baseline.get("accuracy", 1.0),
                "latency_ms": baseline.get("latency", 1.0),
            }
        code = code_of(question["config"], self.sizes)
        self.codes.append(code)
        accuracy, latency = self.worth.get(code, (self.otherwise, None))
        return {"accuracy": 1.0 if accuracy is None else accuracy, "latency_ms": latency or 1.0}

    def result(self):
        """The code of the feasible result and its place among what was measured, or None."""
        if self.best is None or not self.best["feasible"]:
            return None
        code = code_of(self.best["config"], self.sizes)
        return code, self.codes.index(code) + 1
