"""A pooler between daemons and PostgreSQL: one that pools sessions is as good as none, any other is refused."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "api"))
import jobkit as kit  # noqa: E402

from daemons_kit import Daemons, metric  # noqa: E402
from patience import PATIENCE_S  # noqa: E402

PORT = 6432
SETTINGS = """\
[databases]
* = host={directory} port=5432 user=test
[pgbouncer]
unix_socket_dir = {directory}
listen_port = {port}
auth_type = any
pool_mode = {mode}
server_reset_query_always = {always}
"""


class Pooler(Daemons):
    def pooled(self, mode, always=0):
        """From now on this is between daemons and the server."""
        directory = self.server.directory
        file = directory / f"{mode}{always}.ini"
        file.write_text(SETTINGS.format(directory=directory, port=PORT, mode=mode, always=always), encoding="utf-8")
        pooler = subprocess.Popen([*self.server.who, "/usr/sbin/pgbouncer", "-q", file], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, env={"PATH": "/usr/bin:/bin"})
        self.addCleanup(pooler.wait)
        self.addCleanup(pooler.terminate)
        self.url = self.url.replace("port=5432", f"port={PORT}")
        kit.wait_until(lambda: self.server.run("pg_isready", "-q", "-h", directory, "-p", str(PORT)).returncode == 0)

    def connections(self):
        return (self.server.directory / "log").read_text(encoding="utf-8").count("connection received")

    def test_where_there_is_none_it_is_not_looked_for(self):
        """One connection each, so that a start waits for no second one."""
        self.server.sql("ALTER SYSTEM SET log_connections = on")
        self.server.sql("SELECT pg_reload_conf()")
        kit.wait_until(lambda: self.server.sql("SHOW log_connections") == "on")
        for _ in range(2):
            before = self.connections()
            self.daemon()
            self.assertEqual(self.connections() - before, 1)

    def test_one_of_sessions_is_as_good_as_none(self):
        self.pooled("session")
        first, second = self.pair()
        job = kit.submit(second, {"capability": kit.capability(2), "evaluator": {"pool": "nobody"}})
        self.assertEqual(kit.get(first, f"/v1/jobs/{job}")["id"], job)
        kit.wait_until(lambda: metric(second, "narrowd_store_notified_total") > 0)

    def refuses(self):
        said = subprocess.run([os.environ["NARROWD_BIN"], "--listen", "127.0.0.1:0", "--data-dir", self.directory(),
                               "--data", self.url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual(said.returncode, 78, said.stdout)
        self.assertIn("`pool_mode = session`", said.stdout)

    def test_one_of_transactions_is_refused(self):
        self.pooled("transaction")
        self.refuses()

    def test_one_of_transactions_that_clears_up_is_refused(self):
        self.pooled("transaction", always=1)
        self.refuses()

    def test_one_of_statements_is_refused(self):
        self.pooled("statement")
        self.refuses()


del Daemons  # which is no test of its own

if __name__ == "__main__":
    unittest.main()
