"""Strategies as plug-ins: built like a stranger would, against what is installed, and loaded."""

import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import tempfile
import unittest

import jobkit
from daemon import Daemon
from jobkit import body, finished, get, submit, wait_until
from patience import PATIENCE_S

PROGRAM = os.environ["NARROWD_BIN"]
BUILD = pathlib.Path(PROGRAM).parent.parent
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "plugin_strategy"
CONFIG = 78  # sysexits(3)
OPERATORS = 11

MINIMAL = """
#include <narrowd/strategy.h>
#include <stdlib.h>

static size_t state_size(const struct problem *p) { (void)p; return 1; }
static int init(void *s, const struct problem *p, const struct args *a, struct err *e)
{
    (void)s, (void)p, (void)a;
    return INIT;
}
static void apply(void *s, const struct event *e) { (void)s, (void)e; }
static enum step next(const void *s, struct rng rng, struct question *out)
{
    (void)s, (void)rng, (void)out;
    return STEP_DONE;
}
static const struct param params[] = {PARAMS {.name = NULL}};
static const struct strategy_ops ops = {
    .abi = ABI, .version = 1, .name = NAME, .summary = "a", .when = "b", .params = params,
    .state_size = state_size, .init = init, .apply = APPLY, .next = next,
};
const struct strategy_ops *const SYMBOL[] = {LIST NULL};
"""
DEFINES = {
    "ABI": "STRATEGY_ABI",
    "APPLY": "apply",
    "INIT": "0",
    "LIST": "&ops,",
    "NAME": '"minimal"',
    "PARAMS": "",
    "SYMBOL": "narrowd_plugin",
}

SECOND = "static int64_t second(const void *state) { (void)state; return 2; }"


def run(*command, **more):
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, **more
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


class PluginCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.root = pathlib.Path(directory.name)
        prefix = cls.root / "prefix"
        run("meson", "install", "-C", str(BUILD), "--no-rebuild", "--tags", "devel",
            "--destdir", str(prefix))  # fmt: skip
        (package,) = prefix.rglob("narrowd.pc")
        cls.environment = {
            **os.environ,
            "PKG_CONFIG_LIBDIR": str(package.parent),
            "PKG_CONFIG_SYSROOT_DIR": str(prefix),
            "PKG_CONFIG_ALLOW_SYSTEM_CFLAGS": "1",
        }
        shutil.copytree(EXAMPLE, cls.root / "example")
        run("make", "by_name.so", cwd=cls.root / "example", env=cls.environment)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.plugins = self.directory / "plugins"
        self.plugins.mkdir(mode=0o755)

    def install(self, built=None):
        target = self.plugins / "by_name.so"
        shutil.copy((built or self.root / "example") / "by_name.so", target)
        target.chmod(0o755)
        return target

    def build(self, file="minimal.so", **defines):
        """Builds the smallest of plug-ins with some of DEFINES replaced."""
        text = MINIMAL
        for name, value in {**DEFINES, **defines}.items():
            text = re.sub(rf"\b{name}\b", lambda _, value=value: value, text)
        source = self.directory / "minimal.c"
        source.write_text(text, encoding="utf-8")
        flags = run("pkg-config", "--cflags", "narrowd", env=self.environment)
        target = self.plugins / file
        run("gcc", *shlex.split(flags), "-shared", "-fPIC", "-o", str(target), str(source))
        target.chmod(0o755)
        return target

    def daemon(self, name="data", plugins=True):
        arguments = ("--plugin-dir", str(self.plugins)) if plugins else ()
        daemon = Daemon(self.directory / name, *arguments)
        daemon.start()
        self.addCleanup(lambda: daemon.process.returncode is None and daemon.kill9())
        return daemon

    def evaluator(self, reply=None):
        evaluator = jobkit.Evaluator(reply)
        self.addCleanup(evaluator.close)
        return evaluator


def job(url, strategy="by_name", **kwargs):
    return body(
        url,
        OPERATORS,
        tuning_criterion={"strategy": strategy, "strategy_kwargs": kwargs},
        accuracy_criterion={"tolerable_loss": 0},
        confirm=0,
    )


def sequence(daemon, job_id):
    """Of each trial the operators that are in high precision."""
    trials = get(daemon, f"/v1/jobs/{job_id}/trials?order=number")["items"]
    numbers = [trial["number"] for trial in trials if trial["kind"] == "evaluate"]
    configs = [get(daemon, f"/v1/jobs/{job_id}/trials/{n}")["config"] for n in numbers]
    return [
        {name for name, op in config["ops"].items() if op["mode"] != "static"}
        for config in configs
    ]


def expected(step=1):
    names = sorted(f"op{i}" for i in range(OPERATORS))
    return [set(names[: i * step]) for i in range((OPERATORS + step - 1) // step + 1)]


class Choice(PluginCase):
    """A strategy that says itself what is handed over: its second trial, whatever others are worth."""

    def played(self, noise=0.0, saves=1.0):
        """The trial that is handed over, what was asked in the end, and warnings. `noise` is added to later accuracies; each
        operator that is lowered saves so many ms of 100."""
        folder = self.directory / "chooser"
        shutil.copytree(EXAMPLE, folder)
        source = folder / "by_name.c"
        ops = "static const struct strategy_ops"
        text = source.read_text(encoding="utf-8").replace(ops, f"{SECOND}\n{ops}")
        text = text.replace(".next = next,", ".next = next, .choose = second,")
        source.write_text(text, encoding="utf-8")
        run("make", "by_name.so", cwd=folder, env=self.environment)
        self.install(folder)
        daemon = self.daemon()
        again = []

        def reply(question, headers):
            if question["kind"] == "confirm":
                again.append(question["subject"])
            lowered = sum(op["mode"] == "static" for op in question.get("config", {"ops": {}})["ops"].values())
            return {"accuracy": 0.9 + noise * (question["repeat"] > 0), "latency_ms": 100 - saves * lowered}

        asked = job(self.evaluator(reply).url)
        asked["tuning_criterion"].update(stop_on="budget", max_trials=4)
        job_id = submit(daemon, asked | {"confirm": 1, "accuracy_criterion": {"tolerable_loss": 0.5}})
        finished(daemon, job_id)
        warnings = str(get(daemon, f"/v1/jobs/{job_id}")["warnings"])
        return get(daemon, f"/v1/jobs/{job_id}/best")["trial"], again, "would have handed over trial 2" in warnings

    def test_it_is_heeded_where_measurements_vary(self):
        best, again, warned = self.played(noise=0.001)
        self.assertEqual((best, set(again), warned), (2, {0, 2}, False))

    def test_a_better_one_is_handed_over_where_accuracies_do_not_vary(self):
        self.assertEqual(self.played(), (1, [0, 1], True))

    def test_it_is_heeded_where_another_is_hardly_better(self):
        self.assertEqual(self.played(saves=0.5), (2, [0, 2], False))


class Example(PluginCase):
    def test_a_job_to_its_end(self):
        self.install()
        daemon = self.daemon()
        self.assertIn("strategy of a plug-in", daemon.log())
        evaluator = self.evaluator()
        for step in (1, 4):
            job_id = submit(daemon, job(evaluator.url, step=step))
            self.assertEqual(finished(daemon, job_id)["exit"]["reason"], "space_exhausted")
            self.assertEqual(sequence(daemon, job_id), expected(step))

    def test_killed_it_goes_on_with_the_same(self):
        self.install()
        daemon = self.daemon()
        held = []

        def reply(question, headers):
            if len(evaluator.calls) == 6 and not held:
                held.append(True)
                daemon.kill9()
            return jobkit.crash_model.answer(question)

        evaluator = self.evaluator(reply)
        job_id = submit(daemon, job(evaluator.url))
        wait_until(lambda: held and daemon.process.returncode is not None)
        wait_until(lambda: daemon.errors is None)
        daemon.start()
        self.assertEqual(finished(daemon, job_id)["exit"]["reason"], "space_exhausted")
        self.assertEqual(sequence(daemon, job_id), expected())
        daemon.stop()

    def test_documentation_and_arguments(self):
        self.install()
        daemon = self.daemon()
        document = get(daemon, "/v1/strategies/by_name")
        self.assertEqual((document["origin"], document["asks"]), ("plug_in", ["evaluate"]))
        step = document["strategy_kwargs"]["properties"]["step"]
        self.assertEqual((step["type"], step["default"], step["maximum"]), ("integer", 1, 1000))
        origins = {s["name"]: s["origin"] for s in get(daemon, "/v1/strategies")["items"]}
        self.assertEqual([n for n, o in origins.items() if o == "plug_in"], ["by_name"])
        self.assertEqual(origins["basic"], "built_in")
        status, _, problem = daemon.request("POST", "/v1/jobs", job(self.evaluator().url, step=0))
        self.assertEqual(status, 422)
        pointer = "/tuning_criterion/strategy_kwargs/step"
        self.assertEqual([e["pointer"] for e in problem["errors"]], [pointer])
        daemon.stop()

    def test_init_may_refuse(self):
        self.build(NAME='"refuses"', INIT='p->host->fail(e, "not with %d workers", p->parallel)')
        daemon = self.daemon()
        job_id = submit(daemon, job(self.evaluator().url, "refuses"))
        done = finished(daemon, job_id)
        self.assertEqual(done["state"], "failed")
        self.assertIn("not with 1 workers", done["exit"]["detail"])
        daemon.stop()


class Gone(PluginCase):
    """A job outlives the plug-in that it was submitted with."""

    def paused(self, daemon, identifier):
        document = get(daemon, f"/v1/jobs/{identifier}")
        return document if document["state"] == "paused" else None

    def test_open_and_final_jobs(self):
        self.install()
        daemon = self.daemon()
        final = submit(daemon, job(self.evaluator().url))
        finished(daemon, final)
        best = get(daemon, f"/v1/jobs/{final}/best")

        def reply(question, headers):
            if question["trial"] == 5:
                return 503, {}, {"Retry-After": "60"}
            return jobkit.crash_model.answer(question)

        evaluator = self.evaluator(reply)
        running = submit(daemon, job(evaluator.url))
        wait_until(lambda: any(question["trial"] == 5 for _, question, _ in evaluator.calls))
        daemon.kill9()

        daemon = self.daemon(plugins=False)
        document = wait_until(lambda: self.paused(daemon, running))
        self.assertEqual(document["pause"]["reason"], "strategy_missing")
        self.assertIn("plugin_dir", document["pause"]["detail"])
        self.assertEqual(document["strategy"], "by_name")
        self.assertEqual(sequence(daemon, running)[:5], expected()[:5])
        self.assertEqual(get(daemon, f"/v1/jobs/{final}/best"), best)
        get(daemon, f"/v1/jobs/{final}/space")
        get(daemon, f"/v1/jobs/{final}/sensitivity")
        status, _, problem = daemon.request("POST", "/v1/jobs", job(evaluator.url))
        self.assertEqual(status, 422)
        self.assertIn("by_name", problem["detail"])
        # What was measured is of use to another strategy.
        evaluator.reply = lambda question, headers: jobkit.crash_model.answer(question)
        other = {"tuning_criterion": {"strategy": "basic", "max_trials": 3}, "warm_start": True}
        status, _, clone = daemon.request("POST", f"/v1/jobs/{running}/clone", other)
        self.assertEqual(status, 201, clone)
        self.assertEqual(finished(daemon, clone["id"])["state"], "completed")
        daemon.restart()
        self.assertEqual(get(daemon, f"/v1/jobs/{running}")["pause"], document["pause"])
        daemon.stop()
        # Once the plug-in is there again the job goes on where it was.
        daemon = self.daemon()
        self.assertEqual(daemon.request("POST", f"/v1/jobs/{running}/resume")[0], 200)
        self.assertEqual(finished(daemon, running)["state"], "completed")
        self.assertEqual(sequence(daemon, running), expected())
        daemon.stop()


class Refusal(PluginCase):
    def refused(self, *words, directory=None):
        done = subprocess.run(
            [PROGRAM, "--check-config", "--plugin-dir", str(directory or self.plugins)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        self.assertEqual(done.returncode, CONFIG, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def test_what_is_wrong_inside(self):
        for words, defines in (
            (("version 1 of", "this is version 2", "build it again"), {"ABI": "1"}),
            (("version 7", "version 2"), {"ABI": "7"}),
            (("there is a strategy basic already",), {"NAME": '"basic"'}),
            (("name",), {"NAME": '"No name"'}),
            (("name",), {"NAME": "NULL"}),
            (("lacks",), {"APPLY": "NULL"}),
            (("parameter without help",), {"PARAMS": '{.name = "x"},'}),
            (("narrowd_plugin[] is missing",), {"SYMBOL": "something_else"}),
            (("narrowd_plugin[] is empty",), {"LIST": ""}),
            (("there is a strategy minimal already",), {"LIST": "&ops, &ops,"}),
        ):
            with self.subTest(defines=defines):
                path = self.build(**defines)
                self.refused(f"plug-in {path}: ", *words)

    def test_what_is_no_plugin(self):
        path = self.plugins / "text.so"
        path.write_text("no shared object", encoding="utf-8")
        path.chmod(0o644)
        self.refused(f"plug-in {path}: ")
        self.refused("plugin_dir", "No such file", directory=self.directory / "nowhere")
        self.refused("plugin_dir", "no directory", directory=path)

    def test_what_others_can_write(self):
        path = self.install()
        for mode in (stat.S_IWGRP, stat.S_IWOTH):
            path.chmod(0o755 | mode)
            self.refused(f"plug-in {path}: ", "others than its owner may write it")
        path.chmod(0o755)
        self.plugins.chmod(0o777)
        self.refused("plugin_dir", "others than its owner may write it")
        self.plugins.chmod(0o755)
        path.rename(self.directory / "elsewhere.so")
        path.symlink_to(self.directory / "elsewhere.so")
        self.refused(f"plug-in {path}: ", "no regular file")

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a file away")
    def test_what_belongs_to_others(self):
        path = self.install()
        os.chown(path, 12345, -1)
        self.refused(f"plug-in {path}: ", "belongs neither")

    def test_order_and_what_is_left_alone(self):
        for file, name in (("20.so", "first"), ("B.so", "second"), ("a.so", "third")):
            self.build(file, NAME=f'"{name}"')
        for name in (".hidden.so", "notes.txt", ".so"):
            (self.plugins / name).write_text("x", encoding="utf-8")
        daemon = self.daemon()
        items = get(daemon, "/v1/strategies")["items"]
        added = [s["name"] for s in items if s["origin"] == "plug_in"]
        self.assertEqual(added, ["first", "second", "third"])
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
