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

# Folder -> the folders that it may include from, besides itself. The longest match wins.
LAYERS = {
    "include/narrowd": [],
    "daemon/base": ["include/narrowd"],
    "strategies": ["include/narrowd", "daemon/base"],
    "store": ["strategies", "daemon/base"],
    "backends": ["strategies", "daemon/base"],
    "daemon/tuner": ["store", "backends", "strategies", "daemon/base"],
    "api": ["daemon/tuner", "store", "backends", "strategies", "daemon/base"],
    "daemon": ["api", "daemon/tuner", "store", "backends", "strategies", "daemon/base"],
    "cli": ["backends", "daemon/base"],
    "examples/digits": [],
    "examples/plugin_strategy": ["include/narrowd"],
    "tests": ["bench", "api", "daemon/tuner", "store", "backends", "strategies", "daemon/base"],
    "bench": ["api", "daemon/tuner", "store", "backends", "strategies", "daemon/base"],
}

# Third-party header -> the files that may name it. The first pattern that matches decides.
EXAMPLES_AND_TESTS = ["examples/*", "tests/*"]
HOMES = {
    "microhttpd.h": ["api/http*.c", "api/http_internal.h", "bench/*"] + EXAMPLES_AND_TESTS,
    "curl/*": ["backends/fetch*.c"],
    "zlib.h": ["api/gzip.c"],
    "sqlite3.h": ["store/*", "tests/*"],
    "uv.h": [
        "daemon/base/loop.*",
        "daemon/base/worker.*",
        "api/http*.c",
        "api/http_internal.h",
        "backends/fetch*.c",
        "daemon/*.[ch]",
        "tests/*",
        "bench/*",
    ],
    "jansson.h": [
        "daemon/*",
        "store/*",
        "backends/*",
        "api/*",
        "cli/*",
        "bench/*",
    ] + EXAMPLES_AND_TESTS,
    "pcre2.h": ["strategies/pattern.c"],
    "dlfcn.h": ["daemon/plugins.c", "tests/unit/fetch_probe.c"],
    "narrowd/*": ["examples/plugin_strategy/*"],
    "cblas.h": ["strategies/linalg.c"],
    "openssl/*": ["backends/hash.c", "backends/ca.c"],
    "dnnl.h": ["examples/*"],
    "dnnl_*": ["examples/*"],
    "omp.h": ["examples/*"],
    "criterion/*": ["tests/*"],
}

# What one folder must not see, not even through a header of another one.
HIDDEN = {"strategies": ["uv.h", "jansson.h"]}

SYSTEM = set(
    """
    assert.h ctype.h dirent.h endian.h errno.h fcntl.h float.h getopt.h ifaddrs.h inttypes.h
    limits.h locale.h math.h netdb.h poll.h pthread.h pwd.h signal.h stdarg.h stdatomic.h
    stdbool.h stddef.h stdint.h stdio.h stdlib.h string.h strings.h termios.h threads.h time.h
    unistd.h malloc.h sysexits.h fenv.h complex.h
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
        candidates = [header, "daemon/" + header, "include/" + header]
        if includer.startswith(("examples/", "tests/")):
            candidates.append(includer.rpartition("/")[0] + "/" + header)
        return next((name for name in candidates if name in self.files), None)

    def third_party(self, name):
        """Every third-party header that a file sees, with the file that names it."""
        seen, queue, found = {name}, [name], {}
        while queue:
            current = queue.pop()
            for mark, header in self.files[current]:
                target = self.resolve(current, header) if mark == '"' else None
                if mark == "<":
                    found.setdefault(header, current)
                elif target is not None and target not in seen:
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
    for header, source in tree.third_party(name).items():
        if header in HIDDEN.get(folder_of(name), []):
            yield f"sees <{header}> through {source}"


def check(root):
    tree = Tree(root)
    faults = []
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
    "daemon/base/err.h": "#include <stddef.h>\n",
    "daemon/base/loop.h": "#include <uv.h>\n",
    "strategies/space.h": '#include "base/err.h"\n',
    "store/store.c": '#include <sqlite3.h>\n#include "strategies/space.h"\n',
    "daemon/tuner/job.c": '#include "base/loop.h"\n#include "strategies/space.h"\n',
    "api/http.c": "#include <microhttpd.h>\n",
    "examples/digits/net.h": "",
    "examples/digits/net.c": '#include "net.h"\n',
}

# One broken file each, and words that the complaint must contain.
BAD = [
    ("daemon/base/x.c", '#include "strategies/space.h"\n', "must not include from strategies"),
    ("strategies/x.c", '#include "tuner/job.c"\n', "must not include from daemon/tuner"),
    ("store/x.c", '  #  include "api/http.c"\n', "must not include from api"),
    ("backends/x.c", '#include "store/store.c"\n', "must not include from store"),
    ("cli/x.c", '#include "strategies/space.h"\n', "must not include from strategies"),
    ("store/x.c", '#include "store.h"\n', "is not found"),
    ("api/x.c", "#include <sqlite3.h>\n", "may be included in store/*"),
    ("backends/x.c", "#include <curl/curl.h>\n", "may be included in backends/fetch*.c"),
    ("daemon/tuner/x.c", "#include <uv.h>\n", "may be included in daemon/base/loop.*"),
    ("store/x.c", "#include <boost.h>\n", "has no home"),
    ("strategies/x.c", "#include <jansson.h>\n", "may be included in daemon/*"),
    ("strategies/x.c", '#include "base/loop.h"\n', "sees <uv.h> through daemon/base/loop.h"),
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
