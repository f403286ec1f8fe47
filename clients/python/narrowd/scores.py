"""Sensitivities that another tool has measured, as what a capability says is known beforehand.

Each reader takes what one tool leaves behind and returns scores; `tell` adds them to a capability. docs/python-reference.md says which
versions' reports were read, and what is rough about each.
"""

import json
import math
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Scores = dict[str, list[dict[str, Any]]]  # by the name of an operator, or of a block: entries of `known`
Report = Mapping[str, Any] | str | os.PathLike[str]

HIGH: list[dict[str, Any]] = [{"when": {"mode": mode}, "score": 0.0} for mode in ("fp32", "bf16", "fp16")]
# What Model Optimizer calls its formats, as docs/exports.md maps the same to it.
FORMATS: dict[str, dict[str, Any]] = {
    "NONE": {"mode": "fp32"},
    "FP8_DEFAULT_CFG": {"mode": "static", "weight": {"dtype": "fp8_e4m3"}},
    "INT8_DEFAULT_CFG": {"mode": "static"},
    "INT8_SMOOTHQUANT_CFG": {"mode": "static"},
    "INT8_WEIGHT_ONLY_CFG": {"mode": "weight_only", "weight": {"bits": 8}},
    "INT4_BLOCKWISE_WEIGHT_ONLY_CFG": {"mode": "weight_only", "weight": {"bits": 4}},
    "INT4_AWQ_CFG": {"mode": "weight_only", "weight": {"bits": 4}},
}
HPARAM = ".quant_recipe"  # behind the name of a module in candidate_stats
BLOCK = re.compile(r"(?<![-\w])[Qq]uantizing (?:\d+/\d+, )?([A-Za-z_][\w.]*)(?=:|\s*?$)|loss iter 0: \S+ -> iter \d+: ([-+.\w]+)", re.M)
OFF = "per_layer_quant_disabled"
AIMET: dict[str, Callable[[float, float], float]] = {  # by the file's name: how much an operator suffers, of its number and of that of the whole
    "per_layer_quant_enabled": lambda value, whole: whole - value,
    OFF: lambda value, whole: value - whole,
    "per_layer_mse_loss": lambda value, whole: value,
}


def modelopt(state: Mapping[str, Any], formats: Mapping[str, dict[str, Any]] | None = None) -> Scores:
    """Of the state that Model Optimizer's `auto_quantize` returns, and keeps in its checkpoint: a score for each format.

    `formats` says what a format is in your capability, where that is not in `FORMATS`. The score of layers that have one format
    together is shared by them.
    """
    if not isinstance(state, Mapping):
        raise ValueError("modelopt takes the state itself: of a checkpoint torch.load(path, weights_only=False), where Model Optimizer is installed")
    known = {**FORMATS, **(formats or {})}
    groups = state.get("candidate_stats", state)
    found: Scores = {}
    for key, stats in groups.items():
        if not isinstance(stats, Mapping) or not {"formats", "scores"} <= set(stats) or len(stats["formats"]) != len(stats["scores"]):
            raise ValueError("this is not what auto_quantize returns beside the model: that has candidate_stats, with as many scores as formats "
                             "for each layer")
        names = stats.get("module_names") or [key.removesuffix(HPARAM)]
        entries = []
        for recipe, score in zip(stats["formats"], map(float, stats["scores"]), strict=True):
            label = str(recipe).partition("(")[0]  # INT4_AWQ_CFG(effective-bits: 4.0)
            if label not in known:
                raise ValueError(f'what is {label} in your capability? Say formats={{"{label}": {{"mode": ..., "weight": {{...}}}}}}')
            entries.append({"when": known[label], "score": score / len(names)})
        found.update({name: entries for name in names})
    if not found:
        raise ValueError("candidate_stats has no layer")
    good = iter(clean([entry["score"] for entries in found.values() for entry in entries]))
    return {name: [{**entry, "score": next(good)} for entry in entries] for name, entries in found.items()}


def aimet(report: Report, kind: str | None = None, whole: float | None = None, higher_is_better: bool = True) -> Scores:
    """Of a list by layer that AIMET's QuantAnalyzer writes: per_layer_quant_enabled.json, per_layer_quant_disabled.json or
    per_layer_mse_loss.json. `kind` is the file's name without .json where that cannot be seen.

    The first two have accuracies. `whole` is what they are compared with: that of the model as it came for the first, of the model
    that is quantized as a whole for the second. Without it the best, or the worst, of the list is taken.
    """
    values, name = read(report)
    kind = kind or name
    if kind not in AIMET:
        raise ValueError(f"AIMET's lists are {', '.join(AIMET)}: " + (f"{kind} is none of them" if kind else "a dictionary does not say which it is"))
    if not values or not all(isinstance(value, (int, float)) for value in values.values()):
        raise ValueError(f"{kind} is a number for each layer, by its name")
    sign = 1 if higher_is_better or kind == "per_layer_mse_loss" else -1
    better = [sign * value for value in values.values() if math.isfinite(value)]
    end = sign * whole if whole is not None else (min if kind == OFF else max)(better, default=0)
    scores = clean([AIMET[kind](sign * value, end) for value in values.values()])
    return {layer: alike(score) for layer, score in zip(values, scores, strict=True)}


def autoround(log: str | os.PathLike[str]) -> Scores:
    """Of the text that AutoRound prints, or the file with it: what remains of the loss of each block, which its operators share."""
    text = log if isinstance(log, str) and "\n" in log else open_text(log)
    found, block = dict[str, float](), ""
    for match in BLOCK.finditer(text):
        block = match[1] or block
        if match[2] is not None:
            if not block:
                raise ValueError("the log says a loss before the name of its block: give the whole log")
            found[block] = float(match[2])
    if not found:
        raise ValueError('no line of the log says "quantized 7/7 layers in the block, loss iter 0: 0.1 -> iter 174: 0.09"')
    return {name: alike(score) for name, score in zip(found, clean(list(found.values())), strict=True)}


def tell(capability: Mapping[str, Any], scores: Scores) -> dict[str, Any]:
    """The capability with these scores in it. What it says itself comes first. Names that are no operators' are as for `of_operators`."""
    known = of_operators(scores, [op["name"] for op in capability["ops"]])
    return {**capability, "ops": [{**op, **({"known": [*op.get("known", []), *known[op["name"]]]} if op["name"] in known else {})}
                                  for op in capability["ops"]]}


def of_operators(scores: Scores, names: Sequence[str]) -> Scores:
    """The scores of these operators. A name that is no operator's but the beginning of several is a block, and its operators
    share its score. None that fits is an error, and some that fit none are a warning."""
    known: Scores = {}
    lost = []
    here = set(names)
    for name, entries in scores.items():
        members = [name] if name in here else [op for op in names if op.startswith(f"{name}.") and op not in scores]
        known.update({op: [{**entry, "score": entry["score"] / len(members)} for entry in entries] for op in members})
        if not members:
            lost.append(name)
    if not known:
        raise ValueError(f"the scores are of none of the operators: they are of {example(scores)}, which are called {example(names)} here")
    if lost:
        warnings.warn(f"{len(lost)} of the {len(scores)} names that have scores are no operators here: {example(lost)}", stacklevel=3)
    return known


def alike(score: float) -> list[dict[str, Any]]:
    """One score for each way to lower an operator."""
    return [*HIGH, {"when": {}, "score": score}]


def clean(scores: list[float]) -> list[float]:
    """None below 0; what is no number ruined the model, and is no better than the worst."""
    worst = max((score for score in scores if math.isfinite(score)), default=0.0)
    return [max(score, 0.0) if math.isfinite(score) else max(worst, 0.0) for score in scores]


def example(names: Iterable[str]) -> str:
    shown = list(names)
    return ", ".join(shown[:2]) + ", ..." * (len(shown) > 2)


def read(report: Report) -> tuple[dict[str, Any], str]:
    """The document, and the name of its file without the ending."""
    if isinstance(report, Mapping):
        return dict(report), ""
    try:
        document = json.loads(open_text(report))
    except ValueError as error:
        raise ValueError(f"{os.fspath(report)} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{os.fspath(report)} has no number by the names of layers")
    return document, os.path.basename(report).removesuffix(".json")


def open_text(path: str | os.PathLike[str]) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
