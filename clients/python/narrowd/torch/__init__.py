"""Models in PyTorch under torchao: from a module to a smaller or faster one, in one call.

Needs the packages `torch` and `torchao` (0.18 or later).
"""

from .tune import Tuned as Tuned, tune as tune

__all__ = ["Tuned", "tune"]
