#!/usr/bin/python3
"""Plays worlds of several daemons on one PostgreSQL (several.h), which it starts: play.py BINARY [--first N] [--count N] [--jobs N] [--tell] [--one]."""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
import postgresql  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary", type=pathlib.Path)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    for flag in ("--tell", "--one"):
        parser.add_argument(flag, action="store_true")
    options = parser.parse_args()
    share = -(-options.count // options.jobs)
    with postgresql.Server() as server, tempfile.TemporaryDirectory() as folder:
        players = []
        for k in range(options.jobs):
            server.sql(f"CREATE DATABASE world{k}")
            place = pathlib.Path(folder, str(k))
            place.mkdir()
            players.append(subprocess.Popen(
                [options.binary, "--url", server.url.replace("/postgres?", f"/world{k}?"), "--folder", place,
                 "--first", str(options.first + k * share), "--count", str(min(share, options.count - k * share)),
                 *(["--tell"] if options.tell else []), *(["--one"] if options.one else [])]))
        ends = [player.wait() for player in players]
    return int(any(ends))


if __name__ == "__main__":
    sys.exit(main())
