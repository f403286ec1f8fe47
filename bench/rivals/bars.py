#!/usr/bin/python3
"""What sgp is held to, one table: each bar beside what is reached, and whether it is met.

bench/rivals/bars.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5] [--fresh 6-10] [--parts search,time] [--short]

Parts are named below with what they take; all are measured unless some are named. Families are those of a folder whose
problems.py has a1, a2, b, c, d and e (compare.py says what a family is): a1 and a2 are real networks, b has one or two
killers, c many equal losses, d noise, e bits. A regret is the median over the seeds, against the best that any searcher
measured, or a descent from it. Times are of CPU. Exits with 1 when a bar is missed; --short makes a small table of everything that needs
no other package, to see that it works.
"""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

import arena  # noqa: E402
import bars_of_costs  # noqa: E402
import bars_of_searches  # noqa: E402

PARTS = {**bars_of_searches.PARTS, **bars_of_costs.PARTS}


class Bars:
    """Lines of the table, a cell for each range of seeds; a part is shown as soon as it is measured."""

    def __init__(self, ranges):
        self.ranges, self.lines, self.missed = ranges, {}, 0

    def add(self, name, bar, shown, holds=True):
        """`bar` None: there is none, and `shown` is for comparison."""
        self.lines.setdefault((name, bar), []).append((shown, holds))
        self.missed += not holds

    def head(self):
        spans = [f"seeds {seeds[0]} to {seeds[-1]}" for seeds in self.ranges]
        print(f"| | bar | {' | '.join(spans)} | |")
        print("|---" * (3 + len(spans)) + "|", flush=True)

    def show(self):
        for (name, bar), cells in self.lines.items():
            shown = [cell if holds else f"**{cell}**" for cell, holds in cells]
            shown += [""] * (len(self.ranges) - len(shown))
            verdict = "" if bar is None else "met" if all(holds for _, holds in cells) else "not met"
            print(f"| {' | '.join([name, bar or '', *shown, verdict])} |", flush=True)
        self.lines = {}


def read_options():
    parser = arena.parser(__doc__)
    parser.add_argument("--fresh", type=arena.numbers, help="another range of seeds beside the first")
    parser.add_argument("--parts", type=arena.words(","), default=list(PARTS),
                        help="; ".join(f"{name}: {part.__doc__}" for name, part in PARTS.items()))
    parser.add_argument("--short", action="store_true", help="with small budgets and without other packages")
    options = parser.parse_args()
    strangers = [name for name in options.parts if name not in PARTS]
    if strangers:
        parser.error(f"{strangers[0]} is none of {', '.join(PARTS)}")
    return options


def main():
    options = read_options()
    make = arena.enter(options, plain=options.short or set(options.parts) <= set(bars_of_costs.PARTS))
    bars = Bars([options.seeds, *([options.fresh] if options.fresh else [])])
    bars.head()
    with arena.Daemon() as daemon:
        for name in options.parts:
            PARTS[name](bars, options, daemon, make)
            bars.show()
    return bars.missed > 0


if __name__ == "__main__":
    sys.exit(main())
