"""Models in ONNX under ONNX Runtime: from a file to a smaller and faster one, in one call.

Needs the packages `onnx` and `onnxruntime` (1.32 or later), and for weight-only modes `onnx_ir`.
"""

from .recipe import quantize as quantize
from .tune import Tuned as Tuned, tune as tune

__all__ = ["Tuned", "quantize", "tune"]
