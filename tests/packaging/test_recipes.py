"""The recipes of docs/workers.md for those who start workers, as far as one machine can run them: Slurm and Ray for
real, Kubernetes' and KEDA's documents against their schemas. mpirun is run with every other command of the page."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import jobkit  # noqa: E402
from certificates import make_ca  # noqa: E402
from daemon import Daemon  # noqa: E402
from patience import PATIENCE_S  # noqa: E402
from test_access import bearer, new_token  # noqa: E402
from worker_kit import free_port  # noqa: E402

PAGE = (ROOT / "docs" / "workers.md").read_text()
BLOCKS = re.findall(r"^```[^\n]*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
MEASURE = """import json, sys
question = json.load(sys.stdin)
print(json.dumps({"accuracy": 0.9, "latency_ms": 5.0}))
"""


def block(words):
    [found] = [text for text in BLOCKS if words in text]
    return found


def environment_of(name, *packages):
    """A Python of its own with these packages, kept in /var/tmp; its folder of programs."""
    folder = pathlib.Path("/var/tmp") / f"narrowd-{name}"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], check=True, stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder / "bin"


class Workers(unittest.TestCase):
    """A daemon with TLS, a token of its workers, and a home that all nodes share; it is this machine."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.home = pathlib.Path(directory.name)
        self.home.chmod(0o755)
        data = str(self.home / "data")
        make_ca(self.home, "lab")
        (self.home / "cert.pem").write_text((self.home / "lab.pem").read_text())
        self.admin = new_token(data, "admin")
        (self.home / "worker.token").write_text(new_token(data, "work", owner="lab", pool="gpu") + "\n")
        self.port = free_port()
        self.daemon = Daemon(data, "--auth", "always", "--listen", f"https://127.0.0.1:{self.port}",
                             "--tls-cert", str(self.home / "lab.crt"), "--tls-key", str(self.home / "lab-leaf.key"))
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        (self.home / "bin").mkdir()
        (self.home / "bin" / "narrow").symlink_to(os.environ["NARROW_BIN"])
        (self.home / "measure.py").write_text(MEASURE)
        self.environment = {**os.environ, "HOME": str(self.home), "PATH": f"{self.home}/bin:{os.environ['PATH']}"}

    def recipe(self, text, **more):
        """As printed, but for the address, the number of workers, and how long they wait for more."""
        for old, new in {r"tuner\.lab:8585": f"127.0.0.1:{self.port}", r"--idle-exit \d+": "--idle-exit 1", **more}.items():
            text = re.sub(old, new, text)
        return text

    def ask(self, method, path, body=None):
        return self.daemon.request(method, path, body, bearer(self.admin))[2]

    def submit(self):
        body = jobkit.body(None, confirm=0, evaluator={"pool": "gpu"}, parallel=2,
                           tuning_criterion={"strategy": "random", "stop_on": "budget", "max_trials": 6})
        return self.ask("POST", "/v1/jobs", body)["id"]

    def ends(self, job):
        self.assertTrue(jobkit.wait_until(lambda: self.ask("GET", f"/v1/jobs/{job}")["state"] == "completed"))
        return {worker["name"] for worker in self.ask("GET", "/v1/workers")["items"] if worker["answers"] > 0}


class Slurm(Workers):
    CONF = """
ClusterName=narrowd
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={slurmd}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge/socket
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/ctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/ctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} Gres=gpu:2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES OverSubscribe=FORCE:4 MaxTime=INFINITE State=UP
"""

    def start(self, *command, **more):
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=(self.home / "out").open("ab"),
                                   stderr=subprocess.STDOUT, **more)

        def end():
            process.terminate()
            process.wait(PATIENCE_S)

        self.addCleanup(end)
        return process

    def slurm(self, *command):
        return subprocess.run(command, env=self.environment, cwd=self.home, capture_output=True, text=True, check=False)

    def logs(self):
        return "\n".join(f"== {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in self.home.glob("*.log"))

    def begin(self):
        """munged, slurmctld and slurmd, all of one machine, whose two GPUs are devices that do nothing."""
        host = socket.gethostname().split(".")[0]
        for folder in ("munge", "state", "spool"):
            (self.home / folder).mkdir(mode=0o755)
        (self.home / "munge.key").write_bytes(os.urandom(64))
        (self.home / "munge.key").chmod(0o600)
        (self.home / "gres.conf").write_text("Name=gpu File=/dev/null\nName=gpu File=/dev/zero\n")
        (self.home / "cgroup.conf").write_text("")
        (self.home / "slurm.conf").write_text(self.CONF.format(
            host=host, home=self.home, ctld=free_port(), slurmd=free_port(), cpus=os.cpu_count()))
        self.environment["SLURM_CONF"] = str(self.home / "slurm.conf")
        self.start("munged", "--foreground", "--force", f"--key-file={self.home}/munge.key", f"--socket={self.home}/munge/socket",
                   f"--pid-file={self.home}/munge/pid", f"--log-file={self.home}/munge.log", f"--seed-file={self.home}/munge/seed")
        jobkit.wait_until((self.home / "munge" / "socket").exists)
        self.start("slurmctld", "-D", "-f", str(self.home / "slurm.conf"))
        self.start("slurmd", "-D", "-f", str(self.home / "slurm.conf"), "-N", host)

        def ready():
            said = self.slurm("sinfo", "-h", "-o", "%T").stdout
            self.assertNotIn("fatal", self.logs())
            return "idle" in said

        jobkit.wait_until(ready)

    def test_as_printed(self):
        self.begin()
        script = self.home / "workers.sh"
        script.write_text(self.recipe(block("#SBATCH"), **{r"--ntasks=8": "--ntasks=2"}))
        job = self.submit()
        done = self.slurm("sbatch", str(script))
        self.assertEqual(done.returncode, 0, done.stderr + self.logs())
        number = done.stdout.split()[-1]
        workers = self.ends(job)
        self.assertGreaterEqual(len(workers), 1)
        jobkit.wait_until(lambda: not self.slurm("squeue", "-h").stdout.strip())
        said = self.slurm("scontrol", "show", "job", number).stdout
        self.assertIn("JobState=COMPLETED", said, self.logs())


class Ray(Workers):
    def ray(self, *command):
        done = subprocess.run([self.programs / command[0], *command[1:]], env=self.environment, cwd=self.home, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_as_printed(self):
        """On a node with two GPUs that are made up, eight workers one after the other."""
        self.programs = environment_of("ray-2.60", "ray==2.60.0")
        port = free_port()
        # Sockets are below it, whose paths may not be long.
        folder = tempfile.TemporaryDirectory(prefix="ray")
        self.addCleanup(folder.cleanup)
        self.environment.update(RAY_ADDRESS=f"127.0.0.1:{port}", RAY_USAGE_STATS_ENABLED="0")
        script = self.home / "workers.py"
        script.write_text(self.recipe(block("@ray.remote"), **{r'"--idle-exit", "\d+"': '"--idle-exit", "1"'}))
        job = self.submit()
        log = self.enterContext((self.home / "ray.log").open("wb"))
        head = subprocess.Popen([self.programs / "ray", "start", "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1",
                                 "--num-cpus=2", "--num-gpus=2", "--include-dashboard=false", f"--temp-dir={folder.name}"],
                                env=self.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log,
                                stderr=subprocess.STDOUT)

        def end():
            head.terminate()
            head.wait(PATIENCE_S)

        self.addCleanup(end)
        jobkit.wait_until(lambda: "Ray runtime started" in (self.home / "ray.log").read_text())
        said = self.ray("python", str(script))
        self.assertIn(str([0] * 8), said)
        self.assertGreaterEqual(len(self.ends(job)), 1)


class Kubernetes(unittest.TestCase):
    def documents(self):
        job = block("kind: Job\n")
        scaled = block("kind: ScaledJob\n")
        template = re.search(r"^  template:\n(.*)", job, re.MULTILINE | re.DOTALL)[1].rstrip()
        below = "\n".join(f"  {line}" for line in template.splitlines())
        whole = scaled.replace("    template: {}  # as above\n", f"    template:\n{below}\n")
        self.assertNotEqual(whole, scaled)
        return job, whole

    def test_the_job_is_one_of_kubernetes(self):
        programs = environment_of("kubernetes-validate-1.37", "kubernetes-validate==1.37.0")
        for text, status in ((self.documents()[0], 0), (self.documents()[0].replace("completions:", "completion:"), 1)):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(text)
                file.flush()
                done = subprocess.run([programs / "kubernetes-validate", "--strict", file.name], capture_output=True, text=True, check=False)
            self.assertEqual(min(done.returncode, 1), status, done.stdout + done.stderr)

    def test_the_scaled_job_is_one_of_keda(self):
        """And the answer that it reads is one that the daemon gives."""
        programs = environment_of("kubernetes-validate-1.37", "kubernetes-validate==1.37.0")
        folder = pathlib.Path("/var/tmp/narrowd-keda-2.0.0")
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            subprocess.run(["npm", "install", "--silent", "--prefix", folder, "@kubernetes-models/keda@2.0.0"], check=True)
            (folder / "complete").touch()
        read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"
        documents = json.loads(subprocess.run([programs / "python", "-c", read], input=self.documents()[1], capture_output=True,
                                              text=True, check=True).stdout)
        self.assertEqual([document["kind"] for document in documents], ["TriggerAuthentication", "ScaledJob"])
        validate = (ROOT / "tests" / "packaging" / "keda.mjs").read_text()
        for broken in (False, True):
            if broken:
                documents[1]["spec"]["maxReplicaCount"] = "many"
            done = subprocess.run(["node", "--input-type=module", "-e", validate, str(folder), json.dumps(documents)],
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, int(broken), done.stdout + done.stderr)
        pool = json.loads(re.search(r"says `(\{.*?\})`", PAGE)[1])
        [trigger] = documents[1]["spec"]["triggers"]
        self.assertIsInstance(pool[trigger["metadata"]["valueLocation"]], int)


if __name__ == "__main__":
    unittest.main()
