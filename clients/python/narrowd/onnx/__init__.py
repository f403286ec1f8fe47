"""Models in ONNX under ONNX Runtime: from a file to a smaller and faster one, in one call.

Needs the packages `onnx` and `onnxruntime` (1.32 or later), and for weight-only modes `onnx_ir`.
"""

try:
    import onnx as _onnx, onnxruntime as _onnxruntime  # noqa: E401, F401
except ImportError as error:
    raise ImportError(f"{error}: pip install onnx onnxruntime onnx_ir") from error

from .points import Point as Point, build as build
from .recipe import quantize as quantize
from .tune import Tuned as Tuned, tune as tune

__all__ = ["Point", "Tuned", "build", "quantize", "tune"]
