"""What users pick instead of narrowd: samplers of Optuna, and walks like those of quantization tools.

Each takes a `Meter`, which measures and counts, and what is known beforehand; each is told nothing that
narrowd's own strategies are not told under the same heading. They hand over the fastest config that was measured to
meet the criterion.
"""

import math
import time
import warnings

LEVELS = 10  # groups of operators by sensitivity
SHARES = (0.8, 0.95)  # of what may be lost: the first budgets of the integer program
HALVINGS = 12


class Spent(Exception):
    """The budget of evaluations is used up."""


class Meter:
    """Measures configs of a problem within a budget, and keeps what was measured."""

    def __init__(self, problem, budget):
        self.problem, self.budget, self.trials, self.times = problem, budget, [], {}

    def measure(self, config):
        config = tuple(int(choice) for choice in config)
        self.times[config] = self.times.get(config, -1) + 1
        return self.problem.measure(config, self.times[config])

    def __call__(self, config):
        """How much is lost, in units of what may be lost, and the cost."""
        if len(self.trials) == self.budget:
            raise Spent
        quality, cost = self.measure(config)
        self.trials.append((tuple(config), quality, cost))
        return self.problem.loss(quality), cost

    def meets(self, config):
        return self(config)[0] <= 1 + 1e-9

    def run(self, walk, known=None):
        """Has one search until the budget is used up, or it ends."""
        try:
            walk(self, known, self.problem.seed)
        except Spent:
            pass

    def best(self):
        """The fastest that met the criterion, or the baseline."""
        problem = self.problem
        good = [(cost, config) for config, quality, cost in self.trials
                if problem.ok(quality) and cost < problem.bc]
        return min(good)[1] if good else problem.xb


class Study:
    """A study of Optuna that is told fp32 and begins with the default; `known` is what fp32 comes to."""

    def __init__(self, problem, sampler, known, **more):
        import optuna

        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.problem, self.study = problem, optuna.create_study(sampler=sampler, **more)
        self.space = {str(i): optuna.distributions.CategoricalDistribution(tuple(range(count)))
                      for i, count in enumerate(problem.K) if count > 1}
        self.study.add_trial(optuna.trial.create_trial(
            params={key: problem.xb[int(key)] for key in self.space}, distributions=self.space, **known))
        self.study.enqueue_trial({key: 0 for key in self.space})

    def ask(self):
        """A trial, and its config."""
        trial = self.study.ask(self.space)
        return trial, [trial.params.get(str(i), 0) for i in range(self.problem.n)]


def optuna_sampler(name, cpu_s=math.inf):
    """A sampler with the criterion as a constraint, for so much CPU time at most."""

    def search(meter, known, seed):
        import optuna

        more = {"multivariate": True} if name == "TPESampler" else {}
        sampler = getattr(optuna.samplers, name)(
            seed=seed, constraints_func=lambda trial: trial.user_attrs["misses"], **more)
        study = Study(meter.problem, sampler, {"value": meter.problem.bc, "user_attrs": {"misses": (-1.0,)},
                                               "system_attrs": {"constraints": (-1.0,)}})
        start = time.process_time()
        while time.process_time() - start < cpu_s:
            trial, config = study.ask()
            loss, cost = meter(config)
            trial.set_user_attr("misses", (loss - 1,))
            study.study.tell(trial, cost)

    return search


def optuna_front(name, **more):
    """A sampler of two objectives."""

    def search(meter, known, seed):
        import optuna

        study = Study(meter.problem, getattr(optuna.samplers, name)(seed=seed, **more),
                      {"values": [0.0, meter.problem.bc]}, directions=["minimize", "minimize"])
        while True:
            trial, config = study.ask()
            study.study.tell(trial, meter(config))

    return search


def high(problem, ops, config=None):
    """The config with these operators in high precision."""
    config = list(config or problem.x0)
    for op in ops:
        config[op] = problem.xb[op]
    return config


def by_score(known):
    """The most sensitive first."""
    return sorted(range(len(known.scores)), key=lambda op: -known.scores[op])


def greedy_revert(meter, known, seed):
    """Operators go back one by one, the most sensitive first, until the criterion is met (as in NNCF)."""
    reverted = []
    for op in [None, *by_score(known)]:
        reverted += [] if op is None else [op]
        if meter.meets(high(meter.problem, reverted)):
            return


def standing_high(meter, known, seed):
    """Like msModelSlim's: the least number of levels by sensitivity that go back is found by bisection; then
    single operators of them are quantized again, the least sensitive first, as long as the criterion is met."""
    problem, order = meter.problem, by_score(known)
    if meter.meets(problem.x0):
        return
    size = max(1, math.ceil(problem.n / LEVELS))
    low, enough = 0, math.ceil(problem.n / size)
    while enough - low > 1:
        middle = (low + enough) // 2
        if meter.meets(high(problem, order[:middle * size])):
            enough = middle
        else:
            low = middle
    back = order[:enough * size]
    for op in reversed(list(back)):
        rest = [other for other in back if other != op]
        if meter.meets(high(problem, rest)):
            back = rest


def neighbours(meter, known, seed):
    """Like Quark's: parts of the network, from the baseline on; each round lowers the part that gains most for
    what it is expected to lose, and keeps it if the criterion is met; what misses is halved."""
    problem, config = meter.problem, list(meter.problem.xb)
    size = max(1, math.ceil(problem.n / LEVELS))
    parts = [list(range(at, min(at + size, problem.n))) for at in range(0, problem.n, size)]

    def worth(part):
        gain = sum(known.costs[op][problem.xb[op]] - known.costs[op][0] for op in part)
        return gain / (1e-9 + sum(known.scores[op] for op in part))

    while parts:
        parts.sort(key=worth)
        part = parts.pop()
        trial = list(config)
        for op in part:
            trial[op] = 0
        if meter.meets(trial):
            config = trial
        elif len(part) > 1:
            parts += [part[: len(part) // 2], part[len(part) // 2 :]]


def solve(problem, known, budget):
    """The config of least cost whose scores add up to the budget at most; NULL without one."""
    import numpy
    from scipy import optimize, sparse

    pairs = [(op, choice) for op in range(problem.n) for choice in range(problem.K[op])]
    ones = numpy.ones(len(pairs))
    columns = numpy.arange(len(pairs))
    one_each = sparse.csr_matrix((ones, ([op for op, _ in pairs], columns)))
    losses = numpy.array([[known.options[op][choice] for op, choice in pairs]])
    costs = numpy.array([known.costs[op][choice] for op, choice in pairs])
    found = optimize.milp(
        costs / costs.mean(), integrality=ones, bounds=optimize.Bounds(0, 1),
        constraints=[optimize.LinearConstraint(one_each, 1, 1),
                     optimize.LinearConstraint(losses, -numpy.inf, budget)],
        options={"time_limit": 5, "mip_rel_gap": 1e-4})
    if found.x is None:
        return None
    chosen = list(problem.xb)
    for (op, choice), value in zip(pairs, found.x):
        if value > 0.5:
            chosen[op] = choice
    return chosen


def integer_program(meter, known, seed):
    """An integer program on scores and costs of options (as in HAWQ-V3, ModelOpt), whose budget is moved by
    what is measured. The default's loss sets the scale of the scores."""
    problem = meter.problem
    loss, _ = meter(problem.x0)
    scale = sum(known.options[op][0] for op in range(problem.n)) / max(loss, 0.2)
    met, missed, share = 0.0, math.inf, SHARES[0]
    for _ in range(HALVINGS):
        config = solve(problem, known, share * scale)
        if config is None:
            return
        loss, _ = meter(config)
        met, missed = (share, missed) if loss <= 1 else (met, share)
        share *= min(max(SHARES[1] / max(loss, 1e-3), 0.25), 4)
        if not met < share < missed:
            share = met * 1.1 if math.isinf(missed) else (met + missed) / 2
        if missed - met < 0.02 * missed:
            return


NEEDS_TORCH = "Optuna GP"

RIVALS = {
    "Optuna TPE": optuna_sampler("TPESampler"),
    NEEDS_TORCH: optuna_sampler("GPSampler", cpu_s=180),
    "greedy revert, scores": greedy_revert,
    "walk like standing_high, scores": standing_high,
    "walk like Quark's neighbours, scores, latencies": neighbours,
    "ILP, option scores, latencies": integer_program,
}
