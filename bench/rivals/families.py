"""Problems of the shapes that real networks have, small and exact; deterministic by family and seed.

	killer  one or two of 60 operators ruin the model in int8, the others lose next to nothing
	equal   60 operators lose nearly the same, together 2 to 6 times what may be lost
	bits    32 blocks of 4 weights in 4 or 8 bits, the size is what counts, a few layers are ten times as sensitive

Another folder's problems.py takes their place with --families: it has FAMILIES and make(family, seed), whose
problem has what Problem has here.
"""

import math
import random

FAMILIES = ("killer", "equal", "bits")
TYPES = ("Conv2d", "Linear", "MatMul")
HIGH = ("fp32", None, None)


def int8(granularity):
    activation = {"dtype": "uint8", "scheme": "asym", "granularity": "per_tensor",
                  "algorithm": "minmax"}
    weight = {"dtype": "int8", "scheme": "sym", "granularity": granularity, "algorithm": "minmax"}
    return ("static", activation, weight)


def bits(count):
    return ("weight_only", None, {"dtype": "int", "bits": count, "group_size": 128,
                                  "scheme": "sym", "algorithm": "RTN"})


class Problem:
    """Losses add up, in units of what may be lost; so do costs, and borders between precisions cost."""

    higher, tol, bq = True, 0.01, 0.8

    def __init__(self, family, seed):
        self.family, self.seed = family, seed
        self.border = 0.0
        rng = random.Random(f"{family} {seed}")
        getattr(self, f"make_{family}")(rng)
        self.n = len(self.opts)
        self.K = [len(options) for options in self.opts]
        self.x0, self.xb = (0,) * self.n, tuple(count - 1 for count in self.K)
        self.bc = self.cost(self.xb)
        self.lookup = [{self.sig(*option): k for k, option in enumerate(options)}
                       for options in self.opts]

    def make_killer(self, rng):
        self.ruined_network(rng, 60, 1 + self.seed % 2)

    def make_one_of_1000(self, rng):
        self.ruined_network(rng, 1000, 1)

    def ruined_network(self, rng, count, killers):
        self.int8_network(rng, count)
        most = 0.36 / count
        self.losses = [[tiny, 1.3 * tiny, 0] for tiny in (rng.uniform(0, most) for _ in range(count))]
        for killer in rng.sample(range(count), killers):
            self.losses[killer] = [60, 60, 0]

    def make_equal(self, rng):
        self.int8_network(rng, 60)
        each = rng.uniform(2, 6) / 60
        self.losses = [[loss, 1.3 * loss, 0]
                       for loss in (each * rng.uniform(0.7, 1.3) for _ in range(60))]

    def int8_network(self, rng, count):
        self.objective, self.approach = "latency_ms", "static"
        self.ops = [(f"op{i}", rng.choice(TYPES)) for i in range(count)]
        self.opts = [[int8("per_channel"), int8("per_tensor"), HIGH]] * count
        times = [rng.lognormvariate(0, 0.8) for _ in range(count)]
        self.T = [[t / pace, t / pace / 1.04, t]
                  for t, pace in ((t, rng.uniform(1.5, 3.2)) for t in times)]
        self.border = 0.04 * sum(times) / count

    def make_bits(self, rng):
        self.objective, self.approach = "model_size_bytes", "weight_only"
        self.ops = [(f"layer.{i // 4}.{i % 4}", "Linear") for i in range(128)]
        self.opts = [[bits(4), bits(8), HIGH]] * 128
        raw = [rng.lognormvariate(0, 0.5) * (10 if i in (6, 126) else 1) for i in range(128)]
        hard = rng.uniform(0.7, 3) / sum(raw)
        self.losses = [[hard * loss, hard * loss / 230, 0] for loss in raw]
        self.T = [[size * 0.266, size * 0.516, size]
                  for size in (1e7 * rng.choice((1, 1, 3.5)) for _ in range(128))]

    @staticmethod
    def sig(mode, activation, weight):
        """What tells an option from the operator's others."""
        of = (weight or {}).get("bits") or (weight or {}).get("granularity")
        return (mode, str(of)) if mode != "fp32" else (mode,)

    def quality(self, config):
        lost = self.tol * sum(row[k] for row, k in zip(self.losses, config))
        return self.bq * (1 - 0.9 * (1 - math.exp(-lost / 0.9)))

    def cost(self, config):
        highs = [k == last for k, last in zip(config, self.xb)]
        borders = sum(a != b for a, b in zip(highs, highs[1:]))
        return sum(row[k] for row, k in zip(self.T, config)) + self.border * borders

    def true(self, config):
        return self.quality(config), self.cost(config)

    def measure(self, config, repeat=0):
        return self.true(config)

    def loss(self, quality):
        return (self.bq - quality) / (self.tol * self.bq)

    def ok(self, quality):
        return quality >= self.bq * (1 - self.tol) - 1e-9

    def singles(self):
        """What each option loses while everything else is in high precision."""
        rows = []
        for op in range(self.n):
            base = list(self.xb)
            rows.append([])
            for choice in range(self.K[op]):
                base[op] = choice
                rows[-1].append(self.loss(self.quality(base)))
        return rows

    def index(self, config):
        places = []
        for (name, _), lookup in zip(self.ops, self.lookup):
            op = config["ops"][name]
            places.append(lookup[self.sig(op["mode"], op.get("activation"), op.get("weight"))])
        return tuple(places)

    def capability(self, answers):
        weight = {"dtype": ["int"], "bits": [4, 8], "group_size": [128], "scheme": ["sym"],
                  "algorithm": ["RTN"]}
        modes = {"weight_only": {"weight": weight}}
        if self.approach == "static":
            _, activation, weight = int8("per_channel")
            weight = {**{key: [value] for key, value in weight.items()},
                      "granularity": ["per_channel", "per_tensor"]}
            modes = {"static": {"activation": {k: [v] for k, v in activation.items()},
                                "weight": weight}}
        return {"ops": [{"name": name, "type": kind, "modes": {**modes, "fp32": {}}}
                        for name, kind in self.ops],
                "answers": list(answers)}


def make(family, seed):
    return Problem(family, seed)
