"""narrowd from Python: a client, a private daemon, and a kit for evaluators.

Importing this needs the standard library alone and loads no module before it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio import AsyncClient as AsyncClient, AsyncJob as AsyncJob
    from .client import Client as Client, Job as Job
    from .errors import (
        CannotRun as CannotRun, JobPaused as JobPaused, NarrowdError as NarrowdError, NotWanted as NotWanted,
        Refused as Refused, Unreachable as Unreachable,
    )
    from .evaluator import Evaluator as Evaluator
    from .journal import Journal as Journal
    from .measuring import Comparison as Comparison, Timing as Timing, compare as compare, measure as measure
    from .calls import search as search
    from .server import Server as Server

_HOMES = {
    "aio": ("AsyncClient", "AsyncJob"),
    "client": ("Client", "Job"),
    "errors": ("CannotRun", "JobPaused", "NarrowdError", "NotWanted", "Refused", "Unreachable"),
    "evaluator": ("Evaluator",),
    "journal": ("Journal",),
    "measuring": ("Comparison", "Timing", "compare", "measure"),
    "calls": ("search",),
    "server": ("Server",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, *globals()]
