"""Jobs whose meaning hangs on the rules they were submitted under, and how they are played.

    NARROWD_BIN=an/old/narrowd python3 rules_kit.py FOLDER

writes what such a daemon leaves behind when it is killed in the middle of all of them: its database
as text, what it says of each job, and how each goes on to its end. test_rules.py puts that to today's
daemon. The rules of a released version are written down once, by that version.
"""

import json
import pathlib
import shutil
import sqlite3
import sys
import tempfile

from daemon import Daemon
from jobkit import crash_model, get, wait_until
from scripted import Server
from sigopt_server import PROJECT, TOKEN, SigoptServer

PLACEHOLDER = "http://adviser.placeholder"
SCORES = ["evaluate", "score:mse", "score:mse_v2", "score:hawq_v2"]
CHOICES = (
    {"mode": "static", "weight": {"dtype": "int8", "granularity": "per_tensor"},
     "activation": {"dtype": "uint8", "algorithm": "kl"}},
    {"mode": "bf16"},
    {"mode": "fp32"},
)
FEW = {"conservative": 2, "hawq_v2": 4}  # those that end early
FINAL = ("completed", "failed", "cancelled")
DOCUMENTS = ("", "/spec", "/space", "/best", "/pareto", "/trials?limit=1000")


class Adviser(Server):
    """Suggests by the number of the trial alone, so that it may die with the daemon."""

    def __init__(self):
        super().__init__(self.reply)

    def reply(self, request):
        if not request.path.endswith("/next"):
            return {}
        trial = json.loads(request.body)["trial"]
        if trial > 60:
            return {"done": True}
        return {"config": {"ops": {f"op{i}": CHOICES[trial // 3**i % 3] for i in range(2)}}}


def answer(question, quirk):
    """What a worker measures: follows from the config, whoever asks."""
    if question["question"] == "score":
        return {"scores": {op: crash_model.unit("score", op) for op in question["ops"]}}
    measured = crash_model.answer(question)
    if quirk == "fails" and question["question"] != "baseline":
        return {"failed": True, "error": "out of memory", "retryable": False}
    if "failed" in measured:
        return measured
    loss, latency = 0.9 - measured["accuracy"], measured["latency_ms"]
    if quirk == "perplexity":
        return {"accuracy": 20 + 100 * loss, "latency_ms": latency}
    if quirk == "negative":
        return {"accuracy": 0.9 - loss, "metrics": {"latency_ms": latency, "x": -10 - 100 * loss}}
    if quirk == "two":
        return {"accuracy": {"top1": 0.9 - loss, "top5": 0.95 - loss / 2}, "latency_ms": latency}
    return measured


def capability(**more):
    document = crash_model.capability(4)
    document["answers"] = SCORES
    return {**document, **more}


def strategy_job(name, **more):
    kwargs = more.pop("kwargs", {})
    criterion = {"strategy": name, "max_trials": 14, "strategy_kwargs": kwargs, **more}
    return {"tuning_criterion": criterion}


def jobs(strategies, advisers):
    """name -> (body without evaluator, questions to answer before the kill, quirk)."""
    kwargs = {
        "remote": {"url": advisers["remote"]},
        "sigopt": {"base_url": advisers["sigopt"], "sigopt_api_token": TOKEN,
                   "sigopt_project_id": PROJECT, "fallback": True},
    }
    off = {"weight": {"dtype": ["fp32"]}, "activation": {"dtype": ["fp32"]}}
    named = [{"name": name, "type": "Conv2d"} for name in ("dense+1", "dense1", "a.b", "axb")]
    recipes_ops = {"first_conv_or_matmul_quantization": ["op0"],
                   "last_conv_or_matmul_quantization": ["op3"]}
    alphas = {"smooth_quant": True, "smooth_quant_args": {"alpha": [0.3, 0.6]},
              "first_conv_or_matmul_quantization": False}
    loose = {"accuracy_criterion": {"tolerable_loss": 0.5}}
    tuned = {name: ({**strategy_job(name, kwargs=kwargs.get(name, {}), stop_on="budget"),
                     "accuracy_criterion": {"tolerable_loss": 0.004}}, FEW.get(name, 7), None)
             for name in strategies}
    return {
        **tuned,
        "nothing given": ({}, 4, None),
        "in its confirmation": ({**strategy_job("basic"), **loose, "confirm": 3}, 3, None),
        "final": ({**strategy_job("basic"), "accuracy_criterion": {"tolerable_loss": 0.006}},
                  100, None),
        "all fail": ({**strategy_job("random", max_trials=3)}, 100, "fails"),
        "lower is better": ({**strategy_job("random", objective="accuracy", stop_on="budget"),
                             "accuracy_criterion": {"higher_is_better": False,
                                                    "tolerable_loss": 0.05}}, 6, "perplexity"),
        "weighted and negative": (
            {**strategy_job("tpe", stop_on="budget", objective=[
                {"metric": "latency_ms", "weight": 0.5}, {"metric": "x", "weight": 0.5}]),
             **loose, "capability": capability(metrics=["accuracy", "latency_ms", "x"])},
            6, "negative"),
        "two accuracies": (
            {**strategy_job("sgp", stop_on="budget"), "accuracy_criterion": {"metrics": [
                {"name": "top1", "tolerable_loss": 0.004}, {"name": "top5"}]}}, 6, "two"),
        "names that are patterns": (
            {**strategy_job("exhaustive", stop_on="budget"), "capability": capability(ops=named),
             "op_name_dict": {"dense+1": off, "a.b": {"activation": {"algorithm": ["kl"]}}}},
            5, None),
        "recipes under basic": (
            {**strategy_job("basic", stop_on="budget"), "recipes": alphas,
             "calibration_sampling_size": [50, 100],
             "capability": capability(recipes_ops=recipes_ops)}, 6, None),
        "recipes under conservative": (
            {"quant_level": 0, "recipes": alphas,
             "capability": capability(recipes_ops=recipes_ops)}, 2, None),
        "recipes under random": (
            {**strategy_job("random", stop_on="budget"), "recipes": alphas,
             "capability": capability(recipes_ops=recipes_ops)}, 4, None),
    }


def pool_of(name):
    return "rules-" + name.replace(" ", "-")


def work(daemon, job, name, quirk, questions):
    """Answers so many questions of the job; fewer when it ends."""
    while questions > 0 and get(daemon, f"/v1/jobs/{job}")["state"] not in FINAL:
        body = {"pool": pool_of(name), "worker": "w", "max": 1, "wait_s": 1, "ttl_s": 600}
        status, _, polled = daemon.request("POST", "/v1/leases", body)
        assert status == 200, polled
        for question in polled["items"]:
            path = f"/v1/leases/{question['lease']}/complete"
            status, _, said = daemon.request("POST", path, answer(question, quirk))
            assert status == 200, said
            questions -= 1


def documents(daemon, job):
    """What the daemon says of a job that nobody works on, by route."""
    said = {}
    for path in DOCUMENTS:
        status, _, document = daemon.request("GET", f"/v1/jobs/{job}{path}")
        if status == 200:
            said[path] = document
    return said


def course(daemon, job):
    """Which configs a job asked, in which stages, what it chose and why it ended."""
    trials = get(daemon, f"/v1/jobs/{job}/trials?limit=1000")["items"]
    document = get(daemon, f"/v1/jobs/{job}")
    return {
        "trials": [[t["kind"], t["stage"], t["hash"], t["state"], t["feasible"]] for t in trials],
        "end": [document["state"], document["exit"]["reason"],
                document["best"] and document["best"]["trial"]],
    }


def load(text, path):
    with sqlite3.connect(path) as database:
        database.executescript(text)
    database.close()


def dump(path, urls):
    with sqlite3.connect(path) as database:
        # What is put in the place of addresses is not what was summed.
        for table in ("event", "submission"):
            database.execute(f"UPDATE {table} SET sum = NULL")
        lines = list(database.iterdump())
        for pragma in ("user_version", "application_id"):
            value = database.execute(f"PRAGMA {pragma}").fetchone()[0]
            lines.append(f"PRAGMA {pragma} = {value};")
    database.close()
    return neutral("\n".join(lines) + "\n", urls)


def neutral(text, urls):
    for url in urls:
        text = text.replace(url, PLACEHOLDER)
    return text


def write(folder):
    adviser, sigopt = Adviser(), SigoptServer()
    urls = {"remote": adviser.url, "sigopt": sigopt.url}
    data = tempfile.mkdtemp()
    daemon = Daemon(data)
    daemon.start()
    names = [item["name"] for item in get(daemon, "/v1/strategies")["items"]]
    ids = {}
    for name, (body, questions, quirk) in jobs(names, urls).items():
        job = {"capability": capability(), "confirm": 0, "max_failed_trials": 100, **body}
        job.update(name=name, evaluator={"pool": pool_of(name)})
        status, _, document = daemon.request("POST", "/v1/jobs", job)
        assert status == 201, document
        ids[name] = document["id"]
        work(daemon, ids[name], name, quirk, questions)
    wait_until(lambda: get(daemon, "/healthz"))
    daemon.kill9()
    daemon.start()
    said = {name: documents(daemon, job) for name, job in ids.items()}
    daemon.kill9()
    with sqlite3.connect(f"{data}/narrowd.db") as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    (folder / "database.sql").write_text(dump(f"{data}/narrowd.db", urls.values()))
    daemon.start()
    goes_on = {}
    for name, (_, _, quirk) in jobs(names, urls).items():
        if name != "sigopt":  # its experiment died with the server
            work(daemon, ids[name], name, quirk, 1000)
            goes_on[name] = course(daemon, ids[name])
    daemon.stop()
    shutil.rmtree(data)
    adviser.stop()
    sigopt.stop()
    expected = {"jobs": ids, "documents": said, "courses": goes_on}
    text = json.dumps(expected, indent=0, sort_keys=True) + "\n"
    (folder / "expected.json").write_text(neutral(text, urls.values()))


if __name__ == "__main__":
    write(pathlib.Path(sys.argv[1]))
