"""What the names of operators say of where they are in a model."""

import re
from collections import defaultdict
from collections.abc import Iterable

LAYER = re.compile(r"(.*?[./_](\d+))[./]")


def blocks_of(names: Iterable[str]) -> list[list[str]]:
    """Operators whose names share a layer with a number, the last layer first; none when there is one layer."""
    layers: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = LAYER.match(name)
        if match:
            layers[match[1]].append(name)
    several = [group for group in layers.values() if len(group) > 1]
    return several[::-1] if len(several) > 1 else []
