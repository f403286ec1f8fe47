"""The recipes of docs/operating.md for reverse proxies, in real ones."""

import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
import jobkit  # noqa: E402
from certificates import make_ca  # noqa: E402
from daemon import Daemon  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

RECIPES = re.search(r"^## Behind a reverse proxy$(.*?)^## ", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE | re.DOTALL)[1]
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", RECIPES, re.MULTILINE | re.DOTALL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxied:
    """What must work through each of them; `prefix` is the path below which the daemon is."""

    prefix = ""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        self.folder.chmod(0o755)
        (self.folder / "data").mkdir()
        config = self.folder / "narrowd.conf"
        self.port = free_port()
        [settings] = blocks("ini")
        config.write_text(settings.replace("tuner.example", "127.0.0.1"))
        self.daemon = Daemon(self.folder / "data", "--config", str(config))
        self.daemon.start()
        self.addCleanup(self.daemon.kill9)
        made = subprocess.run(
            [os.environ["NARROWD_BIN"], "--data-dir", str(self.folder / "data"), "token", "create", "--scope", "admin"],
            capture_output=True, text=True, check=True).stdout
        self.token = next(word for word in made.split() if word.startswith("nrw_"))
        self.ca, _, _ = make_ca(self.folder, "ours")
        self.start_proxy()
        jobkit.wait_until(self.listens)

    def run_proxy(self, *command):
        log = self.enterContext((self.folder / "proxy.err").open("wb"))
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env={**os.environ, "HOME": str(self.folder)})

        def end():
            process.terminate()
            process.wait(PATIENCE_S)

        self.addCleanup(end)
        self.process = process

    def listens(self):
        self.assertIsNone(self.process.poll(), (self.folder / "proxy.err").read_text())
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def recipe(self, text):
        """As printed, but for names, ports and where certificates are."""
        for old, new in ((r"tuner\.example", "127.0.0.1"), (r"127\.0\.0\.1:8585", f"127.0.0.1:{self.daemon.port}"),
                         (r"\S+tuner\.pem", f"{self.folder}/ours.crt"), (r"\S+tuner\.key", f"{self.folder}/ours-leaf.key"),
                         (r"listen 443", f"listen 127.0.0.1:{self.port}")):
            text = re.sub(old, new, text)
        return text

    def connect(self):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=PATIENCE_S, context=ssl.create_default_context(cadata=self.ca))
        self.addCleanup(connection.close)
        return connection

    def ask(self, method, path, body=None, **headers):
        connection = self.connect()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **headers}
        connection.request(method, self.prefix + path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def submit(self, **more):
        status, sent, text = self.ask("POST", "/v1/jobs", jobkit.body(None, **{"evaluator": {"pool": "gpu"}, **more}))
        self.assertEqual(status, 201, text)
        # nginx makes a whole URL of it.
        at = sent["Location"].removeprefix(f"https://127.0.0.1:{self.port}")
        self.assertEqual(at, f"{self.prefix}/v1/jobs/{json.loads(text)['id']}")
        return json.loads(text)["id"]

    def test_without_a_token_nobody_gets_in(self):
        connection = self.connect()
        connection.request("GET", f"{self.prefix}/v1/jobs")
        self.assertEqual(connection.getresponse().status, 401)

    def test_events_come_as_they_happen(self):
        connection = self.connect()
        connection.request("GET", f"{self.prefix}/v1/events", headers={
            "Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"})
        stream = connection.getresponse()
        self.assertEqual(stream.status, 200)
        job = self.submit()
        # The stream is open, so whatever comes was not held back until its end.
        while job not in (line := stream.readline().decode()):
            self.assertTrue(line, "the stream ended")

    def test_long_polls(self):
        """Longer than nothing happens: the answer comes with the job, in a request that waited for it."""
        answers = []
        waiting = threading.Thread(target=lambda: answers.append(self.ask(
            "POST", "/v1/leases", {"pool": "gpu", "worker": "w", "max": 1, "wait_s": 25})))
        waiting.start()
        jobkit.wait_until(lambda: json.loads(self.ask("GET", "/v1/workers")[2])["items"])
        self.submit()
        waiting.join(PATIENCE_S)
        [(status, _, text)] = answers
        self.assertEqual(status, 200)
        self.assertEqual(len(json.loads(text)["items"]), 1)

    def test_narrow(self):
        self.submit()
        server = ["--server", f"https://127.0.0.1:{self.port}{self.prefix}", "--ca", str(self.folder / "ours.pem")]
        environment = {**os.environ, "NARROWD_TOKEN": self.token}
        done = subprocess.run([os.environ["NARROW_BIN"], "jobs", *server], env=environment, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("job_", done.stdout)

    def test_the_id_of_a_request_is_the_clients(self):
        _, sent, _ = self.ask("GET", "/v1/jobs", **{"X-Request-Id": "from-outside"})
        self.assertEqual(sent["X-Request-Id"], "from-outside")

    def test_a_large_body(self):
        known = {"capability": jobkit.capability(4), "labels": {"pad": "x" * 200}}
        status, _, text = self.ask("POST", "/v1/spaces", {**jobkit.body(None, **known), "name": "n" * (2 << 20)})
        self.assertEqual(status, 422, "it got through to be judged")
        self.assertIn("/name", text)


class Nginx(Proxied, unittest.TestCase):
    def start_proxy(self):
        server = self.recipe(blocks("nginx")[0])
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, server=server))
        self.run_proxy(shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"),
                       "-e", str(self.folder / "error.log"))


class Below:
    """Below a path."""

    prefix = "/narrowd"

    def test_the_page_in_a_browser(self):
        job = self.submit()
        modules = subprocess.run([ROOT / "tools" / "page.py", "fetch", "--tests"], capture_output=True, text=True, check=True).stdout.split()[-1]
        done = subprocess.run(
            ["node", ROOT / "tests" / "packaging" / "below.mjs", f"https://127.0.0.1:{self.port}{self.prefix}", self.token, job],
            env={**os.environ, "NARROWD_NODE_MODULES": f"{modules}/node_modules",
                 "NODE_EXTRA_CA_CERTS": str(self.folder / "ours.pem")}, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "all of it works\n"), done.stderr)


class NginxBelowAPath(Below, Proxied, unittest.TestCase):

    def start_proxy(self):
        whole, below = (self.recipe(block) for block in blocks("nginx"))
        server = re.sub(r"    location / \{.*?\n    \}\n", lambda match: below, whole, flags=re.DOTALL)
        self.assertIn("location /narrowd/", server)
        (self.folder / "nginx.conf").write_text(NGINX.format(folder=self.folder, server=server))
        self.run_proxy(shutil.which("nginx") or "/usr/sbin/nginx", "-c", str(self.folder / "nginx.conf"),
                       "-e", str(self.folder / "error.log"))


class Caddy(Proxied, unittest.TestCase):
    def site(self):
        return blocks("caddy")[0]

    def start_proxy(self):
        site = self.recipe(self.site()).replace("127.0.0.1 {", f"127.0.0.1:{self.port} {{", 1)
        (self.folder / "Caddyfile").write_text("{\n    admin off\n    auto_https disable_redirects\n}\n" + site)
        self.run_proxy("caddy", "run", "--adapter", "caddyfile", "--config", str(self.folder / "Caddyfile"))


class CaddyBelowAPath(Below, Caddy):
    def site(self):
        whole, below = blocks("caddy")
        return re.sub(r"^    reverse_proxy .*\n", lambda match: below, whole, flags=re.MULTILINE)


if __name__ == "__main__":
    unittest.main()
