#!/usr/bin/python3
"""All tables of this folder, of the same problems: compare.py, frontier.py and reuse.py one after the other.

bench/rivals/tables.py [--build DIR] [--families DIR] [--only a,b] [--seeds 1-5]
"""

import sys

import arena
import compare
import frontier
import reuse


def main():
    arena.parser(__doc__).parse_args()
    for program in (compare, frontier, reuse):
        program.play(program.read_options())
        print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
