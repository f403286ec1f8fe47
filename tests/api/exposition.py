"""Reads Prometheus' text format strictly: what a scraper would reject, or quietly misread, is an error."""

import math
import re

SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
ENDS = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


def labels_of(text):
    labels = {}
    while text:
        match = LABEL.match(text)
        assert match, f"no label: {text!r}"
        assert match[1] not in labels, f"{match[1]} is there twice"
        value = match[2].replace("\\\\", "\0").replace("\\n", "\n").replace('\\"', '"')
        labels[match[1]] = value.replace("\0", "\\")
        text = text[match.end():]
        assert not text or text[0] == ",", text
        text = text[1:]
    return labels


def number(text):
    return {"+Inf": math.inf, "-Inf": -math.inf}.get(text) if "Inf" in text else float(text)


class Family:
    def __init__(self, name):
        self.name, self.help, self.type = name, None, None
        self.samples = {}  # (name, labels as a sorted tuple) -> number

    def value(self, **labels):
        return self.samples[self.name, tuple(sorted(labels.items()))]

    def add(self, name, labels, value):
        end = name.removeprefix(self.name)
        assert end in ENDS[self.type], f"{name} in the family {self.name} of type {self.type}"
        assert (end == "_bucket") == ("le" in labels), (name, labels)
        key = name, tuple(sorted(labels.items()))
        assert key not in self.samples, f"{key} is there twice"
        self.samples[key] = value

    def histograms(self):
        """For each set of labels: (its buckets as {bound: count}, its sum, its count)."""
        found = {}
        for (name, labels), value in self.samples.items():
            bound = dict(labels).get("le")
            entry = found.setdefault(tuple(l for l in labels if l[0] != "le"), [{}, None, None])
            if bound is not None:
                entry[0][number(bound)] = value
            else:
                entry[1 if name.endswith("_sum") else 2] = value
        return found

    def check(self):
        assert self.help and self.type, f"{self.name} lacks its help or its type"
        assert (self.type == "counter") == self.name.endswith("_total"), self.name
        for labels, (buckets, total, count) in self.histograms().items() if self.type == "histogram" else ():
            where = f"{self.name}{labels}"
            assert total is not None and count is not None, where
            counts = [buckets[bound] for bound in sorted(buckets)]
            assert list(buckets) == sorted(buckets) and counts == sorted(counts), f"{where}: {buckets}"
            assert buckets.get(math.inf) == count, f"{where}: {buckets}, {count}"
            assert total >= 0 and (count > 0 or total == 0), f"{where}: {total}, {count}"


def families(text):
    """The families of a page by name, each checked."""
    assert text.endswith("\n"), "the last line is cut"
    found, family = {}, None
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            if family is None or family.name != name:
                assert name not in found, f"{name} is in two places"
                family = found[name] = Family(name)
            assert word in ("HELP", "TYPE") and getattr(family, word.lower()) is None, line
            assert not family.samples, f"{line}: behind a sample"
            setattr(family, word.lower(), rest)
            continue
        match = SAMPLE.fullmatch(line)
        assert match and family, line
        family.add(match[1], labels_of(match[2] or ""), number(match[3]))
    for family in found.values():
        family.check()
    return found


def series(found):
    return {key for family in found.values() for key in family.samples}
