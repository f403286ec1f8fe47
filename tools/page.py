#!/usr/bin/python3
"""Makes the web page: fetches what it is made with, bundles it, and embeds it into a C source.

page.py fetch [--tests]      npm ci of web/package-lock.json, once for each content of that file; prints
                             the folder. With --tests also what tests need.
page.py types                checks the types of the scripts
page.py bundle OUT.c DEPFILE [--plain]   the page; --plain leaves out what needs node: all but tables

What npm fetches is kept in $XDG_CACHE_HOME/narrowd (~/.cache/narrowd), outside of the tree and of
every build directory, so that one download serves all builds and none of them needs the network.
"""

import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WEB = pathlib.Path(__file__).resolve().parent.parent / "web"
LOCK = ("package.json", "package-lock.json")
# Stands in the page for the way back to the daemon's own root, which html.c knows: a proxy may have put a path before it.
ROOT = "{root}"
BYTES_PER_LINE = 20
# Compressed, all that one page loads: issue "The page people leave open".
LIMITS = {"home": 60_000, "job": 100_000}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def fetched(tests=False):
    """The folder with node_modules, filled by npm the first time."""
    digest = hashlib.sha256(b"".join((WEB / name).read_bytes() for name in LOCK)).hexdigest()[:16]
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    both = cache / "narrowd" / f"npm-{digest}-tests"
    folder = both if tests or both.exists() else cache / "narrowd" / f"npm-{digest}"
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        sys.exit("the page is bundled by node and npm, which are not here: tools/setup installs them, "
                 "-Dweb=disabled builds plain tables without them")
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
    for name in LOCK:
        shutil.copy(WEB / name, work)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline",
               *([] if tests else ["--omit=dev"])]
    done = subprocess.run(command, cwd=work, text=True, capture_output=True, check=False)
    with contextlib.suppress(OSError):  # another build may have been faster
        if done.returncode == 0:
            work.rename(folder)
    shutil.rmtree(work, ignore_errors=True)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}{done.stderr}npm could not fetch what the page is bundled with: "
                 "-Dweb=disabled builds plain tables without it")
    return folder


def check_types():
    """tsc, which looks for modules beside the sources, is told where they are."""
    modules = fetched(tests=True) / "node_modules"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as config:
        json.dump({"extends": str(WEB / "tsconfig.json"), "include": [str(WEB / "src")],
                   "compilerOptions": {"paths": {"*": [f"{modules}/*"]}}}, config)
        config.flush()
        sys.exit(subprocess.run([modules / ".bin/tsc", "-p", config.name], check=False).returncode)


def esbuild():
    """Bundles the scripts; returns {file name: content}, the name of the first, and what was read."""
    folder = fetched()
    with tempfile.TemporaryDirectory() as out:
        command = [
            folder / "node_modules/.bin/esbuild",
            "src/page.tsx",
            "--bundle",
            "--minify",
            "--splitting",
            "--format=esm",
            "--target=es2022",
            "--jsx=automatic",
            "--jsx-import-source=preact",
            "--entry-names=[name]-[hash]",
            "--chunk-names=[name]-[hash]",
            f"--outdir={out}",
            f"--metafile={out}/meta.json",
            "--log-level=warning",
        ]
        environment = {**os.environ, "NODE_PATH": str(folder / "node_modules")}
        subprocess.run(command, cwd=WEB, env=environment, check=True)
        out = pathlib.Path(out)
        meta = json.loads((out / "meta.json").read_text(encoding="utf-8"))
        files = {path.name: path.read_bytes() for path in sorted(out.glob("*.js"))}
    first = next(name for name in files if name.startswith("page-"))
    return files, first, [(WEB / name).resolve() for name in meta["inputs"]]


def static(name):
    """A file that is served as it is, under a name that changes with its content."""
    path = WEB / name
    content = path.read_bytes()
    return f"{path.stem}-{hashlib.sha256(content).hexdigest()[:8]}{path.suffix}", content


def pack(content):
    return gzip.compress(content, 9, mtime=0)


def check_sizes(shell, files):
    """Fails when a page is larger than it may be. The home page needs no chunk of other pages, and one of these is enough."""
    sizes = {name: len(pack(content)) for name, content in files.items()}
    job = sum(sizes.values()) + len(pack(shell.encode()))
    lazy = sum(size for name, size in sizes.items() if name.startswith(("job-", "compare-")))
    found = {"home": job - lazy, "job": job}
    for page, limit in LIMITS.items():
        if found[page] > limit:
            sys.exit(f"the {page} page has {found[page]} bytes compressed, at most {limit}")
    return found


def c_bytes(content):
    rows = range(0, len(content), BYTES_PER_LINE)
    return ["\t" + ",".join(map(str, content[i : i + BYTES_PER_LINE])) + "," for i in rows]


def c_string(text):
    return json.dumps(text, ensure_ascii=True)


def bundle(out_c, depfile, plain=False):
    files, script, read = ({}, None, []) if plain else esbuild()
    style, style_text = static("style.css")
    icon, icon_text = static("icon.svg")
    files = {**files, style: style_text, icon: icon_text}
    head = f'<link rel="icon" type="image/svg+xml" href="{ROOT}/page/{icon}">\n' \
           f'<link rel="stylesheet" href="{ROOT}/page/{style}">\n'
    refresh = '<meta http-equiv="refresh" content="10">'
    if script:
        head += f'<script type="module" src="{ROOT}/page/{script}"></script>\n' \
                f"<noscript>{refresh}</noscript>"
    else:
        head += refresh
    shell = (WEB / "index.html").read_text(encoding="utf-8").replace("<!--head-->", head)
    before, after = shell.split("<!--content-->")
    found = check_sizes(shell, files)
    lines = ['#include "api/assets.h"', ""]
    for n, content in enumerate(files.values()):
        lines += [f"static const unsigned char file_{n}[] = {{", *c_bytes(pack(content)), "};"]
    lines += ["", "const struct asset asset_table[] = {"]
    for n, name in enumerate(files):
        kind = TYPES[pathlib.PurePath(name).suffix]
        lines.append(f"\t{{{c_string(name)}, {c_string(kind)}, file_{n}, sizeof(file_{n})}},")
    lines += ["\t{0},", "};", f"const char asset_before[] = {c_string(before)};",
              f"const char asset_after[] = {c_string(after)};", ""]
    pathlib.Path(out_c).write_text("\n".join(lines), encoding="ascii")
    names = " ".join(str(path).replace(" ", "\\ ") for path in read)
    pathlib.Path(depfile).write_text(f"{out_c}: {names}\n", encoding="utf-8")
    print(", ".join(f"{page} page {size} bytes of {LIMITS[page]}" for page, size in found.items()))


def main(arguments):
    match arguments:
        case ["fetch"]:
            print(fetched())
        case ["fetch", "--tests"]:
            print(fetched(tests=True))
        case ["types"]:
            check_types()
        case ["bundle", out_c, depfile]:
            bundle(out_c, depfile)
        case ["bundle", out_c, depfile, "--plain"]:
            bundle(out_c, depfile, plain=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
