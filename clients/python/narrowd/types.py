"""The documents of the API as types. A test holds them against the daemon's OpenAPI document."""

from typing import Any, Literal, NotRequired, TypedDict

Mode = Literal["static", "dynamic", "weight_only", "fp32", "bf16", "fp16"]
JobState = Literal["queued", "baseline", "running", "paused", "completed", "failed", "cancelled"]
TrialState = Literal["asked", "leased", "told", "failed", "pruned", "cancelled"]
Kept = Literal["nothing_measured", "criterion_missed", "no_gain", "not_accepted", "not_proved"]
Accuracy = float | dict[str, float]
Metrics = dict[str, float]
Range = list[float | None]
Option = str | int


class OpConfig(TypedDict):
    """One operator of a config."""

    mode: Mode
    type: NotRequired[str]
    weight: NotRequired[dict[str, Option]]
    activation: NotRequired[dict[str, Option]]


class Config(TypedDict):
    """One choice for every operator."""

    ops: dict[str, OpConfig]
    recipes: NotRequired[dict[str, Any]]
    calibration_sampling_size: NotRequired[int]


class Nearest(TypedDict):
    accuracy: Accuracy
    misses_by: float | None


class Measured(TypedDict):
    """The baseline of a job."""

    accuracy: Accuracy
    metrics: Metrics
    trial: NotRequired[int]


class ComparedWith(TypedDict):
    """What the best config is compared with."""

    accuracy: Accuracy
    objective_value: float | None
    metrics: NotRequired[Metrics]


class Best(TypedDict):
    """What a job would hand over, and how sure that is."""

    feasible: bool
    trial: int
    accuracy: Accuracy
    accuracy_loss: float | None
    objective_value: float | None
    speedup: float | None
    gain: float | None
    config: Config | None
    nearest: Nearest | None
    keep_baseline: bool
    keep_baseline_because: Kept | None
    metrics: NotRequired[Metrics]
    gain_interval: list[float] | None
    measurements: int | None
    accuracy_range: Range | dict[str, Range] | None
    objective_range: Range | None
    verdict: str | None
    baseline: ComparedWith | None
    tolerable_loss: NotRequired[float]
    objective: NotRequired[str]


class BestSoFar(TypedDict):
    """The same in the document of a job, without the config."""

    trial: int
    accuracy: Accuracy
    objective_value: float | None
    feasible: bool
    accuracy_loss: NotRequired[float | None]
    speedup: NotRequired[float | None]
    gain: NotRequired[float | None]
    gain_interval: NotRequired[list[float] | None]
    measurements: NotRequired[int | None]
    accuracy_range: NotRequired[Range | dict[str, Range] | None]
    objective_range: NotRequired[Range | None]
    verdict: NotRequired[str | None]
    baseline: NotRequired[ComparedWith | None]
    metrics: NotRequired[Metrics | None]
    nearest: NotRequired[Nearest | None]
    keep_baseline: NotRequired[bool | None]
    keep_baseline_because: NotRequired[Kept | None]


class Warning(TypedDict):
    pointer: str | None
    detail: str


class Exit(TypedDict):
    reason: str
    detail: str


class Pause(TypedDict):
    reason: str
    detail: str
    since: str
    by: str | None


class Budget(TypedDict):
    max_trials: int
    timeout: float
    trials_measured: int
    elapsed_s: float


class Out(TypedDict):
    """A question that is out."""

    trial: int
    kind: str
    since: str | None
    worker: NotRequired[str | None]
    evaluator: NotRequired[str | None]
    attempt: int
    last_error: str | None
    next_try_at: str | None
    seen: NotRequired[int]
    total: NotRequired[int]
    subject: NotRequired[int]
    round: NotRequired[int]


class WaitsFor(TypedDict):
    trial: int
    since: str
    worker: str | None


class Waiting(TypedDict):
    reason: str
    since: str | None
    detail: str
    evaluator: str | None


class Progress(TypedDict):
    stage: str | None
    asked: int
    told: int
    failed: int
    running: int
    cached: int
    imported: NotRequired[int]
    out: NotRequired[list[Out]]
    waits_for: NotRequired[WaitsFor | None]
    waiting: NotRequired[Waiting | None]
    cancelled: NotRequired[int]
    hint: NotRequired[str | None]
    stage_words: NotRequired[str]


class Clock(TypedDict):
    active_s: float
    running_since: str | None


class JobDocument(TypedDict):
    """What `Client.jobs` and `Job.get` answer."""

    id: str
    name: str | None
    labels: dict[str, str]
    state: JobState
    created_at: str
    started_at: str | None
    finished_at: str | None
    strategy: str
    quant_level: str | int
    rules: int
    parallel: int
    seed: int
    deterministic: bool
    stop_on: NotRequired[Literal["first_feasible", "budget", "first_gain"]]
    budget: Budget
    progress: Progress
    clock: NotRequired[Clock]
    criterion: Any
    min_gain: float | None
    baseline: Measured | None
    best: BestSoFar | None
    objective: Any
    exit: Exit | None
    pause: Pause | None
    warnings: list[Warning]
    evaluator: Any
    owner: str


class Exclusion(TypedDict):
    reason: str
    at: str


class Rejection(TypedDict):
    reason: str
    at: str
    accuracy_loss: float | None


class Trial(TypedDict):
    """One config and what was measured for it."""

    job: NotRequired[str]
    number: int
    kind: Literal["baseline", "evaluate", "score", "confirm", "begin", "suggest", "observe"]
    stage: str | None
    state: TrialState
    source: Literal["measured", "cache", "imported"] | None
    attempts: int
    accuracy: Accuracy | None
    metrics: Metrics | None
    feasible: bool | None
    objective_value: float | None
    worker: str | None
    asked_at: str
    told_at: str | None
    error: str | None
    excluded: Exclusion | None
    rejected: Rejection | None
    config: NotRequired[Config]
    margin: NotRequired[float | None]
    subset: NotRequired[dict[str, Any] | None]
    hash: NotRequired[str | None]
    method: NotRequired[str | None]
    scores: NotRequired[Any]


class Event(TypedDict):
    """A row of a job's log; docs/events.md has the types and their data."""

    seq: int
    job: str
    n: int
    type: str
    at: str
    trial: NotRequired[int | None]
    data: dict[str, Any]


class Question(TypedDict):
    """What an evaluator is asked."""

    job: NotRequired[str]
    lease: NotRequired[str]
    trial: NotRequired[int]
    attempt: int
    question: Literal["capability", "baseline", "evaluate", "score"]
    kind: NotRequired[Literal["baseline", "evaluate", "score", "confirm"]]
    subject: NotRequired[int]
    repeat: NotRequired[int]
    approach: NotRequired[Literal["static", "dynamic", "auto", "weight_only", "qat"]]
    model: NotRequired[Any]
    evaluator_args: NotRequired[dict[str, Any]]
    config: NotRequired[Config]
    subset: NotRequired[dict[str, Any]]
    method: NotRequired[Literal["mse", "mse_v2", "hawq_v2"]]
    ops: NotRequired[list[str]]
    tied: NotRequired[dict[str, list[str]]]
    confidence_batches: NotRequired[int]
    loss: NotRequired[Any]
    phase: NotRequired[Literal["fallback", "requantize"]]
    callback: NotRequired[str]
    expires_at: NotRequired[str]
    options: NotRequired[dict[str, list[OpConfig]]]


Answer = dict[str, Any]
