"""The evaluator kit: a function of a config that returns numbers; everything else is done here."""

import inspect
import math
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .errors import CannotRun, NotWanted
from .journal import Journal, key_of
from .types import Answer, Config, Question

AS_IT_CAME = "the model as it came"
ACCEPTING = " on the acceptance data"
ACCEPTED = {"by": "accept"}  # the subset of who judges the winner, where that is a function of its own
SHOWN = 80  # characters of what a function returned
Report = Callable[[dict[str, Any]], bool]  # progress in, whether the result is still wanted out


def takes_two(function: Callable[..., Any]) -> bool:
    """Whether a function wants the whole question beside the config."""
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in inspect.signature(function).parameters.values()
              if p.kind in plain and p.default is inspect.Parameter.empty]
    return len(needed) >= 2


def source_of(function: Callable[..., Any] | None) -> str:
    try:
        return inspect.getsource(function) if function is not None else ""
    except (OSError, TypeError):
        return ""


def judges_of(evaluate: Callable[..., Any], accept: Callable[..., Any] | None) -> str:
    """The text of the functions that judge a model: with another one a call is another call."""
    return source_of(evaluate) + source_of(accept)


def answer_of(result: Any) -> Answer:
    """What a function returned as an answer: a number is an accuracy, what has no place of its own a metric."""
    if isinstance(result, dict):
        own = {"accuracy", "latency_ms", "metrics", "failed", "error", "retryable", "scores", "cached"}
        answer = {name: value for name, value in result.items() if name in own}
        metrics = {**answer.pop("metrics", {}), **{n: v for n, v in result.items() if n not in own}}
        answer = plain({**answer, "metrics": metrics} if metrics else answer)
        check_text(answer.get("accuracy"))
        return answer
    if result is None:
        raise CannotRun("the function returned nothing where an accuracy is wanted, or a dictionary with one")
    accuracy = plain(result)
    check_text(accuracy)
    if isinstance(accuracy, list):
        raise CannotRun(f"the function returned {len(accuracy)} numbers where one is wanted, the accuracy: take their mean")
    return {"accuracy": accuracy}


def check_text(accuracy: Any) -> None:
    if isinstance(accuracy, str):
        raise CannotRun(f"the function returned {accuracy[:SHOWN]!r} where the accuracy is wanted, a number")


def shown(result: Any) -> str:
    """What a function returned as the accuracy, for people: an answer has null for all that is no number."""
    accuracy: Any = result.get("accuracy") if isinstance(result, dict) else result
    accuracy = accuracy.tolist() if hasattr(accuracy, "tolist") else accuracy
    return "NaN" if isinstance(accuracy, float) and math.isnan(accuracy) else repr(accuracy)[:SHOWN]


def subset_of(accept: Callable[..., Any] | None, job: Mapping[str, Any]) -> dict[str, Any]:
    """The member of a job by which `accept`, where there is one, judges its winner; refuses one of the job's own that no function would see, or that
    would take its place."""
    if accept is None and job.get("acceptance"):
        raise ValueError("the job has acceptance, and there is no function for that data: give accept, which is as evaluate")
    if accept is not None and "acceptance" in job:
        raise ValueError("accept and acceptance of the job both say what judges the winner: leave acceptance out of the job")
    return {"acceptance": {"subset": ACCEPTED}} if accept is not None else {}


def number_of(result: Any, who: str, what: str) -> float:
    """The accuracy that `who` returned for `what`, where a ruined model is no answer."""
    accuracy = answer_of(result).get("accuracy")
    if isinstance(accuracy, bool) or not isinstance(accuracy, (int, float)):
        raise CannotRun(f"{who} returned {shown(result)} for {what}, where a number is wanted")
    return float(accuracy)


def plain(value: Any) -> Any:
    """Numbers of numpy and torch as Python's, tuples and arrays as lists."""
    if isinstance(value, dict):
        return {str(name): plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # the config ruins the model; null says so in any JSON
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    raise TypeError(f"an answer has numbers, texts and lists of them, no {type(value).__name__}")


def trace_of(error: BaseException) -> str:
    """A traceback from the first line on that is not of this package, where there is one: the rest tells nobody anything."""
    here, steps = os.path.dirname(__file__) + os.sep, error.__traceback__
    while steps is not None and steps.tb_frame.f_code.co_filename.startswith(here):
        steps = steps.tb_next
    return "".join(traceback.format_exception(type(error), error, steps or error.__traceback__))


def say_raised(who: str, error: Exception, before: str = "") -> str:
    """Prints where a function failed, or a line where that is where it failed `before`; returns that place."""
    where = trace_of(error)
    more = ", as before\n" if where == before else f"\n{where}"
    print(f"narrowd: {who} raised {type(error).__name__}: {error}{more}", end="", file=sys.stderr, flush=True)
    return where


@dataclass(frozen=True)
class Acceptance:
    """By what a job judges its winner in the end: the `subset` of these questions, and the metrics of the objective, which it wants there, too."""

    subset: Any
    metrics: list[str]

    def failure(self, other: Answer) -> Answer | None:
        """What the answer on this data makes of the whole question, where that may pass; raises CannotRun where it is none that counts."""
        if other.get("failed"):
            error = other.get("error") or "the function says that it failed"
            if not other.get("retryable"):
                raise CannotRun(error)
            return {"failed": True, "error": f"failed{ACCEPTING}: {error}"[:1000], "retryable": True}
        has = {**other.get("metrics", {}), **other}
        for name in ("accuracy", *self.metrics):
            if has.get(name) is None:
                raise CannotRun(f"the function returned no {name} that is a number, which the job goes by there, too")
        return None


class Evaluator:
    """Answers questions by the functions that it is given:

        evaluator = Evaluator(capability={...})

        @evaluator.evaluate
        def evaluate(config):           # or evaluate(config, question)
            return {"accuracy": 0.98, "latency_ms": [4.1, 4.2, 4.1]}

    One question is measured at a time. An exception is the cause that the trial's `error` shows; CannotRun
    says that another attempt would fail as well.
    """

    def __init__(self, capability: dict[str, Any] | None = None, journal: Journal | None = None):
        self.journal = journal or Journal()
        self._capability: Callable[[], dict[str, Any]] | None = (lambda: capability) if capability else None
        self._evaluate: Callable[..., Any] | None = None
        self._scores: dict[str, Callable[[Question], Any]] = {}
        self._measuring = threading.Lock()
        self._report: Report | None = None
        self._failed = ""  # the last traceback that was printed
        self._where = ""  # ACCEPTING while that is looked at
        self.acceptance: Acceptance | None = None  # looked at with the baseline, not for its faults to be found last
        self._searched: dict[str, Answer] = {}  # what was measured of a baseline whose acceptance failed, for the next attempt

    def evaluate(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Measures a config, in which every operator is in fp32 when the baseline is asked for."""
        self._evaluate = function
        return function

    def capability(self, function: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        """Says what can be done to each operator; docs/capability.md."""
        self._capability = function
        return function

    def score(self, *methods: str) -> Callable[[Callable[[Question], Any]], Callable[[Question], Any]]:
        """Answers score questions of these methods, "mse", "mse_v2", "hawq_v2" or one of them with ":options"."""
        def register(function: Callable[[Question], Any]) -> Callable[[Question], Any]:
            self._scores.update(dict.fromkeys(methods, function))
            return function

        return register

    def what_it_can_do(self) -> dict[str, Any]:
        """The capability, with the questions that are answered here."""
        if self._capability is None:
            raise CannotRun("this evaluator has no capability: use Evaluator(capability=...) or @evaluator.capability")
        answers = ["evaluate", *(f"score:{method}" for method in self._scores)]
        return {"answers": answers, **plain(self._capability())}

    def progress(self, **numbers: Any) -> None:
        """To be called while measuring, with `seen`, `correct` and `total`, or while scoring, with `seen` and
        `total`. Raises NotWanted when that is enough."""
        if self._report is not None and not self._report(numbers):
            raise NotWanted

    @property
    def sees_questions(self) -> bool:
        """Whether the function that measures is told of which data it is asked."""
        return self._evaluate is not None and takes_two(self._evaluate)

    def source(self) -> str:
        """The text of the function that measures, where Python finds it."""
        return source_of(self._evaluate)

    def answer(self, question: Question, report: Report | None = None) -> Answer:
        """Measures, unless the journal has the answer. Waits while another question is measured.

        Raises NotWanted when `report` said so; everything else that a function raises is an answer.
        """
        if question["question"] == "capability":
            return self.what_it_can_do()
        key = key_of(question)
        with self._measuring:
            known = self.journal.get(key)
            if known is not None:
                return known
            self._report = report
            try:
                answer = self._ask(question)
            except NotWanted:
                raise
            except Exception as error:
                if isinstance(error, CannotRun):  # it says all that there is to say
                    print(f"narrowd: this cannot be run{self._where}: {error}", file=sys.stderr, flush=True)
                else:
                    does = "scores" if question["question"] == "score" else "measures"
                    self._failed = say_raised(f"the function that {does}{self._where}", error, self._failed)
                return {"failed": True, "error": f"{type(error).__name__}{self._where}: {error}"[:1000],
                        "retryable": not isinstance(error, CannotRun)}
            finally:
                self._report, self._where = None, ""
            self.journal.put(key, answer)
            return answer

    def _ask(self, question: Question) -> Answer:
        if question["question"] == "score":
            method = question.get("method", "mse") + (":options" if "options" in question else "")
            function = self._scores.get(method)
            if function is None:
                raise CannotRun(f"scores by {method} are not answered here")
            return {"scores": plain(function(question))}
        if question["question"] == "baseline" and self.acceptance is not None and question.get("subset") is None:
            return self._accepted(question, self.acceptance)
        return self._measured(question)

    def _accepted(self, question: Question, acceptance: Acceptance) -> Answer:
        """The answer of a baseline, of which one on the acceptance data is wanted, too."""
        key = key_of(question)
        answer = self._searched.pop(key or "", None) or self._measured(question)
        if answer.get("failed"):
            return answer
        if key is not None:
            self._searched = {key: answer}
        self._where = ACCEPTING
        failure = acceptance.failure(self._measured({**question, "subset": acceptance.subset}))
        self._where = ""
        if failure is None:
            self._searched = {}
        return failure or answer

    def _measured(self, question: Question) -> Answer:
        if self._evaluate is None:
            raise CannotRun("this evaluator measures nothing: use @evaluator.evaluate")
        config: Config = question.get("config") or {"ops": {}}
        result = self._evaluate(config, question) if takes_two(self._evaluate) else self._evaluate(config)
        answer = answer_of(result)
        if question["question"] == "baseline" and answer.get("accuracy", 0) is None:
            raise CannotRun(f"the function returned {shown(result)} for {AS_IT_CAME}, where a number is wanted")
        return answer

    def serve(self, host: str = "127.0.0.1", port: int = 9001, **settings: Any) -> None:
        """Answers over HTTP until it is interrupted; settings as of narrowd.serving.server."""
        from .serving import server

        with server(self, host, port, **settings) as http:
            print(f"listening on http://{host}:{http.server_address[1]}", flush=True)
            try:
                http.serve_forever()
            except KeyboardInterrupt:
                pass

    def work(self, pool: str, client: Any = None, **settings: Any) -> int:
        """Takes questions of a pool and answers them; settings as of narrowd.working.work."""
        from .client import Client
        from .working import work

        return work(self, client or Client(), pool, **settings)
