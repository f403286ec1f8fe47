#!/usr/bin/python3
"""What comments owe to who reads them: files that say what they are for, and citations that lead somewhere.

tools/comments.py              every .c file opens with a sentence; what comments cite is in the tree
tools/comments.py --self-test  proves that each rule sees a text that breaks it
"""

import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = re.compile(r"^(build[^/]*|\.git|node_modules)(/|$)")
LEAST_WORDS = 3

OPENING = re.compile(r"\A/\*(.*?)\*/\n(.*)", re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
PAGE = re.compile(r'docs/([\w-]+\.md)(?:, "([^"]+)")?')
BARE_PAGE = re.compile(r"(?<![\w/.-])([\w-]+\.md)\b")
PAPER = re.compile(r"\bcontract,? (?:section )?\d|\bpromise P\d")
FAULT = re.compile(r"\bB\d\d\b")
AUTHORS = re.compile(
    r"\b([A-Z][a-z]+)(?:(?: et al\.|(?:,? (?:and )?[A-Z][a-z]+)+)[:,]?|[:,]) [^()]{0,130}?\b((?:19|20)\d\d)\b(?!-)"
)
PREPRINT = re.compile(r"arXiv (\d{4}\.\d{5})")


def names(*patterns):
    found = {path.relative_to(ROOT).as_posix() for pattern in patterns for path in ROOT.rglob(pattern)}
    return sorted(name for name in found if not SKIPPED.match(name))


@functools.cache
def text_of(name):
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


@functools.cache
def folders():
    return {path.name for path in ROOT.iterdir() if path.is_dir() and not SKIPPED.match(path.name)}


def plain(comment):
    """A comment as one line without its stars."""
    return re.sub(r"\s*\n\s*\*?\s*", " ", comment.removeprefix("/*").removesuffix("*/")).strip()


def opening_fault(text):
    """What is wrong with the beginning of a .c file, or None."""
    opening = OPENING.match(text)
    if opening is None:
        return "does not open with a sentence that says what it is for"
    said = plain(re.split(r"\n \*\n", opening[1])[0])
    if not said.endswith((".", ".)", ":")) or len(said.split()) < LEAST_WORDS:
        return f"opens with something that is no sentence: {said[:60]}"
    if not opening[2].startswith(("\n", "#")):
        return "opens with a comment on what follows, not on the file"
    return None


def page_faults(text):
    for page, heading in PAGE.findall(text):
        found = text_of(f"docs/{page}")
        if found is None:
            yield f"there is no docs/{page}"
        elif heading and not re.search(rf"^#+ {re.escape(heading)}$", found, re.MULTILINE):
            yield f"docs/{page} has no heading {heading}"


def work_faults(said):
    references = text_of("docs/references.md").splitlines()
    for author, year in AUTHORS.findall(said):
        if not any(author in line and year in line for line in references):
            yield f"docs/references.md does not have {author} {year}"
    for number in PREPRINT.findall(said):
        if not any(number in line for line in references):
            yield f"docs/references.md does not have arXiv {number}"


def file_faults(said):
    for cited in re.findall(r"(?<![\w/.<-])((?:\w+/)+\w+\.(?:c|h|py|sql|json))\b", said):
        if cited.split("/")[0] in folders() and text_of(cited) is None:
            yield f"there is no {cited}"


def comment_faults(folder, comment):
    said = plain(comment)
    for page in BARE_PAGE.findall(re.sub(r"(?:\w+/)+[\w-]+\.md", "", said)):
        if text_of(f"{folder}/{page}") is None and text_of(page) is None:
            yield f"cites {page}, which is not there"
    if paper := PAPER.search(said):
        yield f"cites {paper[0]}, which is not in the tree"
    for fault in FAULT.findall(said):
        if f"| {fault} |" not in text_of("docs/inc.md"):
            yield f"docs/inc.md does not have {fault}"
    yield from page_faults(said)
    yield from work_faults(said)
    yield from file_faults(said)


def faults():
    openings = {}
    for name in names("*.c", "*.h"):
        text, folder = text_of(name), str(pathlib.PurePosixPath(name).parent)
        if name.endswith(".c"):
            if fault := opening_fault(text):
                yield f"{name} {fault}"
            else:
                openings.setdefault(plain(OPENING.match(text)[1]), []).append(name)
        for comment in COMMENT.findall(text):
            yield from (f"{name}: {fault}" for fault in comment_faults(folder, comment))
    yield from (f"{' and '.join(same)} open with the same sentence" for same in openings.values() if len(same) > 1)
    for name in names("*.py", "*.ts", "*.tsx", "*.mjs", "*.sql", "meson.build"):
        if name != "tools/comments.py":
            yield from (f"{name}: {fault}" for fault in page_faults(text_of(name)))


# What breaks a rule, by how it is looked at.
BAD_OPENINGS = [
    '#include "base/id.h"\n\n/* Makes ids, one after the other. */\n\nint x;\n',
    "int x;\n",
    "/* Ids */\n#include <stdio.h>\n",
    "/* Makes ids one by one */\n#include <stdio.h>\n",
    "/* How many ids there may be. */\nenum { IDS = 3 };\n",
]
GOOD_OPENING = "/* Makes ids, one after the other. */\n#include <stdio.h>\n"
BAD_COMMENTS = [
    "/* as in docs/nothing.md */",
    '/* as in docs/inc.md, "No such heading" */',
    "/* as strategies.md 1.7 says */",
    "/* contract 7.4 */",
    "/* contract section 5 */",
    "/* the scheduler is fair: promise P10 */",
    "/* what INC does wrong: B99 */",
    "/* by steepest descent (Nobody and Noone: On nothing, 1999) */",
    "/* by steepest descent (Nobody et al. 1999) */",
    "/*\n * Rules of nobody (Nobody: On\n * nothing, 1999).\n */",
    "/* see arXiv 1234.56789 */",
    "/* base/nothing.c has more */",
]
GOOD_COMMENTS = ['/* docs/inc.md, "Recipes": B33 (Gardner et al. 2014), base/id.c; arXiv 2011.04026 */', "/* seconds since 1970 */"]


def self_test():
    unseen = [text for text in BAD_OPENINGS if opening_fault(text) is None]
    unseen += [text for text in BAD_COMMENTS if not list(comment_faults("base", text))]
    wrong = [GOOD_OPENING] if opening_fault(GOOD_OPENING) else []
    wrong += [text for text in GOOD_COMMENTS if list(comment_faults("base", text))]
    return [f"comments: not seen: {text!r}" for text in unseen] + [f"comments: is no fault: {text!r}" for text in wrong]


def main():
    found = self_test() if sys.argv[1:] == ["--self-test"] else list(faults())
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
