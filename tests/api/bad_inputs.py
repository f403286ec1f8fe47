"""The corpus of bad inputs, tests/data/bad_inputs.jsonl, turned into requests.

Its first line explains the rows. They were written for a generic job; FIELDS says what its members are
called here.
"""

import copy
import json
import pathlib
import re

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
FIELDS = [
    ("/model/ops", "/capability/ops"),
    ("/model/blocks", "/capability/blocks"),
    ("/model/edges", "/capability/edges"),
    ("/model", "/capability"),
    ("/max_parallel_trials", "/parallel"),
    ("/resume_from", "/warm_start/job"),
    ("/evaluator/max_attempts", "/retry/max_attempts"),
    ("/evaluator/timeout", "/evaluator/timeout_s"),
]
MAX_OPS = 20000
REPEATED = re.compile(r"\{([^{}]*)\*(\d+)\}")


def load():
    """The explanation, and the rows by id."""
    lines = (DATA / "bad_inputs.jsonl").read_text(encoding="utf-8").splitlines()
    meta, *rows = map(json.loads, lines)
    return meta, {row["id"]: row for row in rows}


def here(pointer):
    for generic, ours in FIELDS:
        if pointer == generic or pointer.startswith(generic + "/"):
            return ours + pointer[len(generic) :]
    return pointer


def base_job(meta, url):
    job = copy.deepcopy(meta["base_job"])
    job["capability"] = job.pop("model")
    job["evaluator"]["url"] = url
    return job


def an_op(name, options=1):
    weight = {"dtype": ["int8"], "algorithm": [f"a{i}" for i in range(options)]}
    return {"name": name, "type": "Linear", "modes": {"static": {"weight": weight}}}


def generated(gen):
    count = MAX_OPS if gen.get("count") == "{max_ops}" else gen.get("count")
    unit = gen.get("unit")
    if gen["gen"] == "repeat":
        return unit * count
    if gen["gen"] == "list":
        return [unit.replace("<i>", str(i)) if isinstance(unit, str) else unit for i in range(count)]
    if gen["gen"] == "object":
        return {f"k{i}": "v" for i in range(count)}
    if gen["gen"] == "ops":
        return [an_op(f"op{i}", gen.get("options_per_item", 1)) for i in range(count)]
    assert gen["gen"] == "op", gen
    return an_op(gen["name"])


def parent(document, pointer):
    """What holds the last step of a pointer, made when it is missing; and that step."""
    *steps, last = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    for step in steps:
        if isinstance(document, list):
            document = document[int(step)]
        else:
            document = document.setdefault(step, {})
    return document, int(last) if isinstance(document, list) and last != "-" else last


def mutate(job, changes):
    for change in changes:
        holder, last = parent(job, here(change["path"]))
        value = generated(change["gen"]) if "gen" in change else change.get("value")
        if change["op"] == "remove":
            del holder[last]
        elif change["op"] == "append":
            holder[last].append(value)
        elif change["op"] == "copy":
            parent(job, here(value))[0].append(copy.deepcopy(holder[last]))
        else:
            assert change["op"] == "set", change
            holder[last] = value
    return job


def body_of(case, meta, url):
    """The bytes of a body, however the case gives them."""
    if "mutation" in case:
        return json.dumps(mutate(base_job(meta, url), case["mutation"])).encode()
    if "body_hex" in case:
        return bytes.fromhex(case["body_hex"])
    if "body" in case:
        return case["body"].encode()
    gen = case.get("body_gen")
    if gen is None:
        return json.dumps(base_job(meta, url)).encode()
    if "depth" in gen:
        inside = gen["suffix"] if gen.get("suffix_inside") else ""
        middle = gen["open"] * gen["depth"] + inside + gen["close"] * gen["depth"]
        return (gen["prefix"] + middle + ("" if inside else gen["suffix"])).encode()
    units = [gen["unit"].replace("<i>", str(i)) for i in range(gen["count"])]
    return (gen["prefix"] + "".join(units) + gen["suffix"]).encode()


def raw_of(case, host, valid_job):
    """The bytes of a connection, and whether they end with a FIN."""
    text = case["raw"].replace("{HOST}", host).replace("{TOKEN}", "none")
    text = REPEATED.sub(lambda m: m[1] * int(m[2]), text)
    # One that is longer than a header may be: its unit has braces of its own.
    text = re.sub(r"\{(1\r\n \r\n)\*(\d+)\}", lambda m: m[1] * int(m[2]), text)
    text, fin, _ = text.partition("<FIN>")
    data = text.encode("utf-8")
    job = b"Content-Length: %d\r\n\r\n%s" % (len(valid_job), valid_job)
    return data.replace(b"<valid job>", job), bool(fin)


def pointers(case):
    """The places that the problem must name; N stands for any number."""
    found = [re.search(r"error points at (\S+)", must) for must in case["expect"].get("must", [])]
    patterns = [re.escape(here(match[1])).replace("/N/", r"/\d+/") for match in found if match]
    return [re.compile(pattern + r"(/.*)?") for pattern in patterns]


def ssrf_cases():
    """Rows of tests/data/ssrf_urls.txt: (id, verdict public-only, verdict private too, phase, url)."""
    for line in (DATA / "ssrf_urls.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            number, _, public, private, phase, url, *_ = line.split("\t")
            url = re.sub(r"\{(.)\*(\d+)\}", lambda m: m[1] * int(m[2]), "" if url == "-" else url)
            for escape, byte in (("\\t", "\t"), ("\\r", "\r"), ("\\n", "\n"), ("\\0", "\0")):
                url = url.replace(escape, byte)
            url = re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), url)
            yield number, public, private, phase, url
