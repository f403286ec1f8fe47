"""The words of Intel Neural Compressor 2.x, with its defaults, for models in ONNX: change the import lines.

    from narrowd.inc import AccuracyCriterion, PostTrainingQuantConfig, TuningCriterion, quantization

    conf = PostTrainingQuantConfig(approach="static", accuracy_criterion=AccuracyCriterion(tolerable_loss=0.01))
    q_model = quantization.fit("in.onnx", conf, calib_dataloader=loader, eval_func=evaluate)
    q_model.save("out.onnx")

What INC has and this does not is an error, never silence.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import onnx

from .onnx.quantizer import Feed
from .onnx.tune import tune


@dataclass(slots=True)  # so that a member which is not there is an error
class AccuracyCriterion:
    higher_is_better: bool = True
    criterion: str = "relative"
    tolerable_loss: float = 0.01

    @property
    def relative(self) -> float | None:
        return self.tolerable_loss if self.criterion == "relative" else None

    @relative.setter
    def relative(self, loss: float) -> None:
        self.criterion, self.tolerable_loss = "relative", loss

    @property
    def absolute(self) -> float | None:
        return self.tolerable_loss if self.criterion == "absolute" else None

    @absolute.setter
    def absolute(self, loss: float) -> None:
        self.criterion, self.tolerable_loss = "absolute", loss


@dataclass(slots=True)
class TuningCriterion:
    strategy: str = "basic"
    strategy_kwargs: dict[str, Any] | None = None
    timeout: float = 0
    max_trials: int = 100
    objective: Any = "performance"


@dataclass(slots=True)
class PostTrainingQuantConfig:
    """As INC's; `approach` is "static", "dynamic", "auto" or "weight_only"."""

    approach: str = "static"
    device: str = "cpu"
    backend: str = "default"
    quant_format: str = "default"
    calibration_sampling_size: Sequence[int] = field(default_factory=lambda: [100])
    op_type_dict: dict[str, Any] | None = None
    op_name_dict: dict[str, Any] | None = None
    recipes: dict[str, Any] | None = None
    excluded_precisions: Sequence[str] = ()
    quant_level: str | int = "auto"
    accuracy_criterion: AccuracyCriterion = field(default_factory=AccuracyCriterion)
    tuning_criterion: TuningCriterion = field(default_factory=TuningCriterion)

    def __post_init__(self) -> None:
        for name, known in (("device", ("cpu",)), ("backend", ("default", "onnxrt_cpu")), ("quant_format", ("default", "QDQ"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name}={getattr(self, name)!r} is not supported here: {' or '.join(known)}")

    def job(self) -> dict[str, Any]:
        """The members of a narrowd job that say the same."""
        tuning = {name: value for name, value in asdict(self.tuning_criterion).items() if value is not None}
        optional = {"op_type_dict": self.op_type_dict, "op_name_dict": self.op_name_dict, "recipes": self.recipes,
                    "excluded_precisions": list(self.excluded_precisions)}
        return {"approach": self.approach, "quant_level": self.quant_level, "tuning_criterion": tuning,
                "accuracy_criterion": asdict(self.accuracy_criterion), **{n: v for n, v in optional.items() if v}}


FP32 = {"activation": {"dtype": ["fp32"]}, "weight": {"dtype": ["fp32"]}}  # INC's name, for an operator that stays


@dataclass(frozen=True)
class Model:
    """What fit returns: `model` is a ModelProto, `verdict` what narrowd says of it."""

    model: Any
    verdict: str

    def save(self, path: str | os.PathLike[str]) -> None:
        onnx.save(self.model, os.fspath(path))


def feeds_of_loader(loader: Iterable[Any], inputs: Sequence[str], samples: int) -> list[Feed]:
    """The first samples of an INC dataloader, which yields (input, label) or inputs: arrays, by order, or by name."""
    feeds: list[Feed] = []
    taken = 0
    for batch in loader:
        given = batch[0] if isinstance(batch, (tuple, list)) and len(batch) == 2 else batch
        if not isinstance(given, dict):
            parts = list(given) if isinstance(given, (tuple, list)) else [given]
            given = dict(zip(inputs, parts, strict=True))
        feed = {name: np.asarray(value) for name, value in given.items()}
        feeds.append(feed)
        taken += len(next(iter(feed.values())))
        if taken >= samples:
            break
    return feeds


class quantization:  # noqa: N801 (INC has a module of this name)
    """For `quantization.fit`."""

    @staticmethod
    def fit(model: Any, conf: PostTrainingQuantConfig, calib_dataloader: Iterable[Any] | None = None,
            eval_func: Callable[[Any], float] | None = None, **others: Any) -> Model | None:
        """The first config that meets the criterion, applied; None when none does, as INC says it.

        `eval_func` gets a ModelProto. A config that is slower than the model as it came is returned as INC
        returns it, but is said to be on standard error.
        """
        if others or calib_dataloader is None or eval_func is None:
            raise ValueError(f"fit takes calib_dataloader and eval_func here, and nothing besides: {sorted(others)}")
        with tempfile.TemporaryDirectory(prefix="narrowd-") as folder:
            given = isinstance(model, (str, os.PathLike))
            os.mkdir(os.path.join(folder, "in"))
            source, out = os.path.join(folder, "in", os.path.basename(model) if given else "in.onnx"), os.path.join(folder, "out.onnx")
            proto = onnx.load(model) if given else model
            onnx.save(proto, source)
            weights = {weight.name for weight in proto.graph.initializer}
            inputs = [value.name for value in proto.graph.input if value.name not in weights]
            feeds = feeds_of_loader(calib_dataloader, inputs, max(conf.calibration_sampling_size))
            tuned = tune(source, out, feeds, lambda session, path: eval_func(onnx.load(path)), approach=conf.approach,
                         scores=False, job=conf.job(), evaluate_text=eval_func, insist=True)
            if tuned.config is None:
                return None
            if tuned.speedup < 1:
                print(f"narrowd: {tuned.verdict}", file=sys.stderr)
            return Model(onnx.load(out), tuned.verdict)
