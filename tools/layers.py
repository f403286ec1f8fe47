#!/usr/bin/python3
"""Checks every #include of the tree against the layers and the homes of third-party headers.

tools/layers.py [ROOT]      checks the tree; prints one line per fault, exits with 1 if there is any
tools/layers.py --self-test proves on small broken trees that each rule can fail
"""

import fnmatch
import pathlib
import re
import sys
import tempfile

# The house, ground floor first. A folder may include from itself and from the floors below its own,
# never from a sibling on the same floor. A file belongs to the longest folder that matches.
FLOORS = [
    ["include/narrowd"],
    ["base", "log"],
    ["space"],
    ["strategies/interface"],
    ["strategies/models", "strategies/plan"],
    ["strategies"],
    ["backends"],
    ["job/spec"],
    ["job", "dispatch", "store"],
    ["tuner", "courier", "api/http"],
    ["api"],
    ["daemon"],
]
HOUSE = [folder for floor in FLOORS for folder in floor]
# What stands beside the house, and what it may include.
BESIDE = {
    "cli": ["backends", "base"],
    "examples/digits": [],
    "examples/languages": [],
    "examples/plugin_strategy": ["include/narrowd"],
    "tests": ["bench", *HOUSE],
    "bench": HOUSE,
}
LAYERS = {
    folder: [below for lower in FLOORS[:number] for below in lower]
    for number, floor in enumerate(FLOORS)
    for folder in floor
} | BESIDE

# Third-party header -> the files that may name it. The first pattern that matches decides.
EXAMPLES_AND_TESTS = ["examples/*", "tests/*"]
HOMES = {
    "microhttpd.h": ["api/http/http*", "bench/*"] + EXAMPLES_AND_TESTS,
    "gnutls/*": ["api/http/http_tls.c", "store/digest.c", "store/seal.c"],
    "curl/*": ["backends/fetch*.c"],
    "zlib.h": ["api/http/gzip.c"],
    "sqlite3.h": ["store/*", "tests/*"],
    "libpq-fe.h": ["store/postgres.c"],
    "uv.h": [
        "base/loop.*",
        "api/http/http*",
        "backends/fetch*.c",
        "daemon/*.[ch]",
        "tests/*",
        "bench/*",
    ],
    "jansson.h": [
        "base/*",
        "backends/*",
        "job/*",
        "dispatch/*",
        "store/*",
        "tuner/*",
        "courier/*",
        "api/*",
        "daemon/*",
        "cli/*",
        "bench/*",
    ] + EXAMPLES_AND_TESTS,
    "pcre2.h": ["space/pattern.c"],
    "dlfcn.h": ["daemon/plugins.c", "tests/unit/fetch_probe.c"],
    "narrowd/*": ["examples/plugin_strategy/*"],
    "cblas.h": ["strategies/models/linalg.c"],
    "openssl/*": ["backends/hash.c", "backends/ca.c"],
    "dnnl.h": ["examples/*"],
    "dnnl_*": ["examples/*"],
    "omp.h": ["examples/*"],
    "criterion/*": ["tests/*"],
}

# What pure folders must not see, not even through a header of another folder: neither time nor the world.
WORLD = ["uv.h", "jansson.h", "time.h", "sys/time.h", "base/clock.h", "base/log.h", "base/loop.h"]
PURE = ["space", "strategies/interface", "strategies/models", "strategies/plan", "strategies"]
# What a job is made of is JSON.
HIDDEN = {folder: WORLD for folder in PURE} | {
    folder: [header for header in WORLD if header != "jansson.h"] for folder in ("job", "job/spec")
}
# Whose time it is, is given to these: a test may make it up.
HIDDEN |= {"dispatch": ["time.h", "base/clock.h", "base/loop.h", "uv.h"], "tuner": ["time.h", "base/clock.h"]}

SYSTEM = set(
    """
    assert.h ctype.h dirent.h endian.h errno.h fcntl.h float.h getopt.h ifaddrs.h inttypes.h
    limits.h locale.h math.h netdb.h poll.h pthread.h pwd.h signal.h stdarg.h stdatomic.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h termios.h threads.h time.h
    unistd.h malloc.h ftw.h sysexits.h fenv.h complex.h
    """.split()
)
SYSTEM_FOLDERS = ("sys/", "netinet/", "arpa/", "linux/", "net/")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def folder_of(path):
    """The layer that a file belongs to, or None."""
    matches = [folder for folder in LAYERS if path.startswith(folder + "/")]
    return max(matches, key=len, default=None)


class Tree:
    def __init__(self, root):
        self.root = root
        self.files = {}
        for folder in sorted({layer.split("/")[0] for layer in LAYERS}):
            for path in sorted((root / folder).rglob("*.[ch]")):
                name = path.relative_to(root).as_posix()
                self.files[name] = INCLUDE.findall(path.read_text(encoding="utf-8"))

    def resolve(self, includer, header):
        """The file that a quoted include names; examples and tests may use their own folder."""
        candidates = [header, "include/" + header]
        if includer.startswith(("examples/", "tests/")):
            candidates.append(includer.rpartition("/")[0] + "/" + header)
        return next((name for name in candidates if name in self.files), None)

    def seen(self, name):
        """Every header that a file sees, by the name that it is included by, with the file that names it."""
        seen, queue, found = {name}, [name], {}
        while queue:
            current = queue.pop()
            for mark, header in self.files[current]:
                target = self.resolve(current, header) if mark == '"' else None
                found.setdefault(header, current)
                if target is not None and target not in seen:
                    seen.add(target)
                    queue.append(target)
        return found


def quoted_fault(tree, name, header):
    target = tree.resolve(name, header)
    if target is None:
        return f'"{header}" is not found from the root of the tree'
    own, other = folder_of(name), folder_of(target)
    if other != own and other not in LAYERS[own]:
        return f'"{header}": {own} must not include from {other}'
    return None


def angled_fault(name, header):
    if header in SYSTEM or header.startswith(SYSTEM_FOLDERS):
        return None
    for pattern, homes in HOMES.items():
        if fnmatch.fnmatchcase(header, pattern):
            if any(home_matches(name, home) for home in homes):
                return None
            return f"<{header}> may be included in {', '.join(homes)} only"
    return f"<{header}> has no home in tools/layers.py"


def home_matches(name, home):
    # "daemon/*.[ch]" means the folder itself, "store/*" means everything below.
    if home.endswith("/*"):
        return name.startswith(home[:-1])
    return fnmatch.fnmatchcase(name, home) and name.count("/") == home.count("/")


def hidden_faults(tree, name):
    for header, source in tree.seen(name).items():
        if header in HIDDEN.get(folder_of(name), []):
            yield f"sees <{header}> through {source}"


# Folders in which the files themselves have floors. A file's functions stand in the header of its own name, so what a
# .c file includes is what it may call; the header that has the folder's name is its face and belongs to nobody.
WITHOUT_RINGS = ["tuner"]


def callees(tree, folder, name):
    """The .c files of the folder whose headers this one sees."""
    found = set()
    for header in tree.seen(name):
        path = header if header.startswith(folder + "/") else ""
        source = path[:-2] + ".c"
        if source in tree.files and source != name and path != f"{folder}/{folder}.h":
            found.add(source)
    return found


def rings(tree, folder):
    """Each file from which includes lead back to itself, with the way."""
    files = [name for name in tree.files if name.startswith(folder + "/") and name.endswith(".c")]
    calls = {name: callees(tree, folder, name) for name in files}
    for start in sorted(calls):
        ways = [[start]]
        reached = set()
        while ways:
            way = ways.pop(0)
            for name in sorted(calls[way[-1]]):
                if name == start:
                    yield f"{start}: a ring: {' -> '.join(way)} -> {start}"
                    ways = []
                    break
                if name not in reached:
                    reached.add(name)
                    ways.append([*way, name])


def check(root):
    tree = Tree(root)
    faults = [fault for folder in WITHOUT_RINGS for fault in rings(tree, folder)]
    for name, includes in tree.files.items():
        if folder_of(name) is None:
            faults.append(f"{name}: belongs to no layer of tools/layers.py")
            continue
        for mark, header in includes:
            fault = quoted_fault(tree, name, header) if mark == '"' else angled_fault(name, header)
            if fault is not None:
                faults.append(f"{name}: {fault}")
        faults += [f"{name}: {fault}" for fault in hidden_faults(tree, name)]
    return len(tree.files), faults


GOOD = {
    "base/err.h": "#include <stddef.h>\n",
    "base/loop.h": "#include <uv.h>\n",
    "space/space.h": '#include "base/err.h"\n',
    "base/clock.h": "#include <stdint.h>\n",
    "strategies/models/y.h": "",
    "strategies/z.h": "",
    "job/y.h": "",
    "store/store.c": '#include <sqlite3.h>\n#include "space/space.h"\n',
    "tuner/job.c": '#include "base/loop.h"\n#include "space/space.h"\n',
    "tuner/tuner.h": "",
    "tuner/high.h": "",
    "tuner/low.h": "",
    "tuner/tuner.c": '#include "tuner/tuner.h"\n#include "tuner/high.h"\n',
    "tuner/high.c": '#include "tuner/high.h"\n#include "tuner/low.h"\n#include "tuner/tuner.h"\n',
    "tuner/low.c": '#include "tuner/tuner.h"\n',
    "api/http/http.c": "#include <microhttpd.h>\n",
    "examples/digits/net.h": "",
    "examples/digits/net.c": '#include "net.h"\n',
}

# One broken file each, and words that the complaint must contain.
BAD = [
    ("base/x.c", '#include "space/space.h"\n', "must not include from space"),
    ("strategies/x.c", '#include "tuner/job.c"\n', "must not include from tuner"),
    ("store/x.c", '  #  include "api/http/http.c"\n', "must not include from api"),
    ("backends/x.c", '#include "store/store.c"\n', "must not include from store"),
    ("cli/x.c", '#include "space/space.h"\n', "must not include from space"),
    ("store/x.c", '#include "store.h"\n', "is not found"),
    ("api/x.c", "#include <sqlite3.h>\n", "may be included in store/*"),
    ("backends/x.c", "#include <curl/curl.h>\n", "may be included in backends/fetch*.c"),
    ("tuner/x.c", "#include <uv.h>\n", "may be included in base/loop.*"),
    ("store/x.c", "#include <boost.h>\n", "has no home"),
    ("strategies/x.c", "#include <jansson.h>\n", "may be included in base/*"),
    ("strategies/plan/x.c", '#include "strategies/models/y.h"\n', "must not include from strategies/models"),
    ("strategies/interface/x.c", '#include "strategies/z.h"\n', "must not include from strategies"),
    ("strategies/x.c", "#include <time.h>\n", "sees <time.h>"),
    ("job/x.c", '#include "base/clock.h"\n', "sees <base/clock.h>"),
    ("job/x.c", '#include "store/store.c"\n', "must not include from store"),
    ("dispatch/x.c", '#include "base/clock.h"\n', "sees <base/clock.h>"),
    ("tuner/x.c", '#include "base/clock.h"\n', "sees <base/clock.h>"),
    ("dispatch/x.c", '#include "job/y.h"\n', "must not include from job"),
    ("tuner/low.c", '#include "tuner/high.h"\n', "a ring: tuner/low.c -> tuner/high.c -> tuner/low.c"),
    ("space/x.c", '#include "base/clock.h"\n', "sees <base/clock.h>"),
    ("strategies/x.c", '#include "base/loop.h"\n', "sees <uv.h> through base/loop.h"),
    ("api/x.c", "#include <dlfcn.h>\n", "may be included in daemon/plugins.c"),
    ("examples/other/x.c", "#include <stdio.h>\n", "belongs to no layer"),
]


def faults_of(files):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return check(root)[1]


def self_test():
    wrong = [f"the good tree: {fault}" for fault in faults_of(GOOD)]
    for name, text, words in BAD:
        faults = faults_of({**GOOD, name: text})
        if not any(fault.startswith(name + ": ") and words in fault for fault in faults):
            wrong.append(f"{text.strip()} in {name}: expected {words!r}, got {faults}")
    for line in wrong:
        print(f"layers self-test: {line}")
    print(f"layers self-test: {len(BAD) + 1} trees, {len(wrong)} wrong")
    return 1 if wrong else 0


def main(args):
    if args == ["--self-test"]:
        return self_test()
    root = pathlib.Path(args[0]) if args else pathlib.Path(__file__).resolve().parent.parent
    count, faults = check(root)
    for fault in faults:
        print(fault)
    print(f"layers: {count} files, {len(faults)} faults")
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
