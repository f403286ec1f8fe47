"""Reads what runs of tests leave: how many there were, how many did not pass, and what those say."""

import re
import xml.etree.ElementTree


def count_cases(junit):
    """All test cases of a meson run, and those that did not pass. Skipped is not passed."""
    cases = list(xml.etree.ElementTree.parse(junit).iter("testcase"))
    wrong = ("failure", "error", "skipped")
    return len(cases), sum(any(case.find(tag) is not None for tag in wrong) for case in cases)


def count_python(output):
    """The same from the reports of Python's unittest in meson's log."""
    ran = sum(int(n) for n in re.findall(r"^Ran (\d+) tests? in", output, re.MULTILINE))
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors|skipped)=(\d+)", output))
    return ran, bad


def count_tap(output):
    """All tests of a TAP log, and those that did not pass."""
    counts = dict(re.findall(r"^# (tests|pass) (\d+)$", output, re.MULTILINE))
    ran = int(counts.get("tests", 0))
    return ran, ran - int(counts.get("pass", 0))


def tap_failures(output):
    """The lines of a TAP log that say which tests failed and with what words."""
    shown, inside = [], None
    for line in output.splitlines():
        depth = len(line) - len(line.lstrip())
        if inside is not None and line.strip() and depth <= inside:
            inside = None
        if re.match(r" *error:", line):
            inside = depth
        if inside is not None or re.match(r" *not ok ", line):
            shown.append(line)
    return shown
