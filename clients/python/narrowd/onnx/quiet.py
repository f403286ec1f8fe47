"""ONNX Runtime without warnings, which would hide how far a search is; NARROWD_ONNX_LOG_SEVERITY=2 shows them."""

import contextlib
import logging
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import onnxruntime as ort
from onnxruntime import quantization
from onnxruntime.quantization import calibrate

ERRORS = "3"


def severity() -> int:
    """In ONNX Runtime's numbers, from 0, everything, to 4, what is fatal."""
    return int(os.environ.get("NARROWD_ONNX_LOG_SEVERITY", ERRORS))


def options_of() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = severity()
    return options


def weights_module() -> ModuleType:
    """What quantizes weights alone. Importing it sets up Python's logging for the whole program: that is undone."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from onnxruntime.quantization import matmul_nbits_quantizer

    root.handlers[:] = handlers
    root.setLevel(level)
    module: ModuleType = matmul_nbits_quantizer
    return module


def calibration_session(calibrater: Any) -> None:
    """As ONNX Runtime's own method of this class, which takes no options."""
    options = options_of()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    calibrater.infer_session = ort.InferenceSession(
        str(calibrater.augmented_model_path), options, providers=calibrater.execution_providers)


def no_advice(record: logging.LogRecord) -> bool:
    """The functions that quantize recommend what has been done."""
    return "pre-processing before quantization" not in record.getMessage()


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Nothing is printed while this is open: calibrators print what they are at."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While this is open ONNX Runtime's functions that quantize say what matters alone."""
    own, functions = calibrate.CalibraterBase.create_inference_session, logging.getLogger(quantization.__name__)
    level = functions.level
    logging.getLogger().addFilter(no_advice)
    functions.setLevel(10 * (severity() + 1))  # those of weights say two lines a node
    calibrate.CalibraterBase.create_inference_session = calibration_session
    try:
        yield
    finally:
        calibrate.CalibraterBase.create_inference_session = own
        logging.getLogger().removeFilter(no_advice)
        functions.setLevel(level)
