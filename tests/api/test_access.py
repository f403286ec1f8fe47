"""Who may do what: every route with every kind of token, and every owner's things."""

import http.client
import json
import os
import re
import subprocess
import tempfile
import unittest

import jobkit
from daemon import Daemon, OPENAPI, data_of
from patience import PATIENCE_S
from route_scopes import ROUTES

NARROWD = os.environ["NARROWD_BIN"]

SCOPES = ("read", "submit", "work", "metrics", "admin")
PREFIXES = {"job": "job_", "experiment": "job_", "evaluator": "evl_", "webhook": "whk_", "lease": "lse_"}
NOBODYS = "0" * 26


def printed_routes():
    said = subprocess.run([NARROWD, "--print-routes"], capture_output=True, text=True, check=True)
    return said.stdout.split("\n")[:-1]


def token_command(directory, *arguments, check=True):
    return subprocess.run([NARROWD, *data_of(directory), "token", *arguments],
                          capture_output=True, text=True, check=check, timeout=PATIENCE_S)


def new_token(directory, *scopes, **options):
    arguments = [part for scope in scopes for part in ("--scope", scope)]
    for name, value in options.items():
        arguments += [f"--{name}", value]
    token = token_command(directory, "create", *arguments).stdout.strip()
    assert re.fullmatch(r"nrw_[A-Za-z0-9_-]{43}", token), token
    return token


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


class Access(unittest.TestCase):
    """A daemon that always wants a token, and two owners with one thing of each kind."""

    arguments = ("--auth", "always")

    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.directory = cls.temporary.name
        cls.admin = new_token(cls.directory, "admin")  # on a stopped daemon
        cls.daemon = Daemon(cls.directory, *cls.arguments)
        cls.daemon.start()
        cls.addClassCleanup(cls.daemon.stop)
        cls.tokens = {}
        for owner in ("ann", "bob"):
            for scope in SCOPES:
                cls.tokens[owner, scope] = new_token(cls.directory, scope, owner=owner)
        cls.things = {owner: cls.make_things(owner) for owner in ("ann", "bob")}

    @classmethod
    def ask(cls, token, method, path, body=None, headers=None):
        headers = {**(bearer(token) if token else {}), **(headers or {})}
        return cls.daemon.request(method, path, body, headers)

    @classmethod
    def made(cls, owner, scope, path, body):
        status, _, answer = cls.ask(cls.tokens[owner, scope], "POST", path, body)
        assert status in (200, 201), answer
        return answer

    @classmethod
    def make_things(cls, owner):
        """A job whose baseline a worker has taken, and what else there is to own."""
        job = jobkit.body("http://unused", name="theirs")
        job["evaluator"] = {"pool": f"pool-{owner}"}
        job = cls.made(owner, "submit", "/v1/jobs", job)
        evaluator = cls.made(owner, "submit", "/v1/evaluators", {"url": "http://127.0.0.1:9999"})
        webhook = cls.made(owner, "submit", "/v1/webhooks",
                           {"url": "http://127.0.0.1:9999", "events": ["job.failed"]})
        experiment = cls.made(owner, "submit", "/sigopt/v1/experiments", {
            "name": "e", "parameters": [{"name": "x", "type": "int", "bounds": {"min": 1, "max": 4}}],
            "metrics": [{"name": "m", "objective": "maximize", "strategy": "optimize"}],
            "observation_budget": 4})
        leases = cls.made(owner, "work", "/v1/leases", {"pool": f"pool-{owner}", "worker": "w", "wait_s": 20})
        for thing in (job, evaluator, webhook):
            assert thing["owner"] == owner, thing
        return {"job": job["id"], "evaluator": evaluator["id"], "webhook": webhook["id"],
                "experiment": experiment["id"], "lease": leases["items"][0]["lease"]}

    def test_who_works_for_others_is_no_worker_for_a_job(self):
        job = {**jobkit.body("http://unused"), "evaluator": {"pool": "alone"}}
        job = self.made("ann", "submit", "/v1/jobs", job)["id"]

        def waiting():
            return self.ask(self.tokens["ann", "read"], "GET", f"/v1/jobs/{job}")[2]["progress"]["waiting"]

        self.made("bob", "work", "/v1/leases", {"pool": "alone", "worker": "b"})
        self.assertEqual(waiting()["reason"], "no_worker")
        self.made("ann", "work", "/v1/leases", {"pool": "alone", "worker": "a"})
        self.assertIsNone(waiting())

    def harmless(self, route, id):
        """Method, path, body and headers of a request that changes nothing even where it is let in."""
        method, path = route.split()
        if not self_owned(route):
            id = f"tok_{NOBODYS}"
        path = path.replace("{id}", id).replace("{n}", "4096").replace("{name}", "basic").replace("{file}", "x")
        body = None
        if method in ("POST", "PATCH"):
            body = {"no_such_member": 1}
        return method, path, body, {"If-Match": '"none"'} if method in ("PATCH", "DELETE") else {}

    def refusal(self, token, route, id=NOBODYS):
        """("let in", None), or the status and the words of a refusal that has to do with who asks."""
        method, path, body, headers = self.harmless(route, id)
        status, sent, answer = self.ask(token, method, path, body, headers)
        if status in (401, 403):
            self.assertEqual(sent.get("WWW-Authenticate"), "Bearer" if status == 401 else None)
            return status, answer["detail"] if isinstance(answer, dict) else answer
        if status == 404 and isinstance(answer, dict) and id in path and id in answer["detail"]:
            return status, answer["detail"].replace(id, "{id}")
        self.assertLess(status, 500, (route, answer))
        return "let in", None

    def test_every_route_has_a_row(self):
        self.assertEqual(sorted(ROUTES), sorted(printed_routes()))

    def test_the_document_says_the_same(self):
        for route, (scope, _) in ROUTES.items():
            method, path = route.split()
            said = OPENAPI["paths"][path][method.lower()]["security"]
            wanted = {"none": [{}], "any": [{"bearer": []}, {"cookie": []}, {}]}.get(
                scope, [{"bearer": [scope]}, {"cookie": [scope]}, {}])
            self.assertEqual(said, wanted, route)

    def test_route_by_scope_by_owner(self):
        cells = 0
        for route, (scope, kind) in ROUTES.items():
            nobodys = PREFIXES[kind] + NOBODYS if kind else NOBODYS
            for id in (self.things["ann"][kind], self.things["bob"][kind], nobodys) if kind else (NOBODYS,):
                self.assertEqual(self.refusal(None, route, id)[0],
                                 "let in" if scope == "none" else 401, route)
                cells += 1
                for holder in ("ann", "bob"):
                    for held in SCOPES:
                        cells += 1
                        got = self.refusal(self.tokens[holder, held], route, id)
                        wanted = self.wanted(scope, kind, holder, held, id)
                        if id == nobodys and (held == "admin" or not kind):
                            wanted = wanted if wanted == 403 else got[0]
                            self.assertNotIn(got[0], (401, 403) if wanted != 403 else ())
                        with self.subTest(route=route, holder=holder, held=held, id=id):
                            self.assertEqual(got[0], wanted)
                            if wanted == 404 and held != "admin":
                                missing = self.refusal(self.tokens[holder, held], route, nobodys)
                                self.assertEqual(got, missing, "it shows that it exists")
        self.assertGreater(cells, 1500)

    def wanted(self, scope, kind, holder, held, id):
        if scope not in ("none", "any", held) and held != "admin":
            return 403
        if kind is None:
            return "let in"
        owner = next((o for o in ("ann", "bob") if self.things[o][kind] == id), None)
        return "let in" if owner and (held == "admin" or owner == holder) else 404

    def ask_from(self, address, method, path, headers, body=None):
        """As another machine would: failures are counted for each address."""
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S,
                                                source_address=(address, 0))
        self.addCleanup(connection.close)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.headers, json.loads(text) if text else None

    def test_all_wrong_tokens_get_one_answer(self):
        """The rows A002 to A023 of the corpus of bad inputs, and those that are over."""
        real = self.tokens["ann", "read"]
        expiring = new_token(self.directory, "read", expires="1s")
        revoked = new_token(self.directory, "read")
        listing = token_command(self.directory, "list").stdout.splitlines()
        token_command(self.directory, "revoke", listing[-1].split("\t")[0])
        tries = iter(range(1, 250))
        jobkit.wait_until(lambda: self.ask_from(f"127.0.1.{next(tries)}", "GET", "/v1/jobs",
                                                bearer(expiring))[0] == 401)
        headers = ["Bearer", "Bearer ", real, f"Token {real}", f"Bearer {real.swapcase()}",
                   f"Bearer {real}x", f"Bearer {real[:-1]}", f"Bearer x{real}", f"Bearer {'ab' * 32}",
                   f"Bearer {expiring}", f"Bearer {revoked}", "Bearer nrw_" + "A" * 43,
                   f"Basic {real}", "Bearer " + "a" * 8000, "Bearer null", f"Bearer {real} {real}"]
        seen = set()
        for number, header in enumerate(headers, 1):
            status, sent, answer = self.ask_from(f"127.0.2.{number}", "GET", "/v1/jobs",
                                                 {"Authorization": header})
            self.assertEqual((status, sent["WWW-Authenticate"]), (401, "Bearer"), header)
            seen.add(answer["detail"])
        self.assertEqual(len(seen), 1, seen)
        for query in (f"token={real}", f"access_token={real}"):
            self.assertEqual(self.ask(None, "GET", f"/v1/jobs?{query}")[0], 401)

    def test_paths_that_are_no_routes(self):
        for path in ("/v1/nothing", "/v1/config;x=y", "/V1/jobs", "/v1//config", "/v1/config/"):
            self.assertEqual(self.ask(None, "GET", path)[0], 401, path)
            self.assertEqual(self.ask(self.tokens["ann", "read"], "GET", path)[0], 404, path)

    def test_twenty_wrong_tokens_a_minute(self):
        wrong = bearer("nrw_" + "B" * 43)
        got = [self.ask_from("127.0.3.1", "GET", "/v1/jobs", wrong) for _ in range(LIMIT + 1)]
        self.assertEqual([status for status, _, _ in got], [401] * LIMIT + [429])
        self.assertGreater(int(got[-1][1]["Retry-After"]), 0)
        status, _, _ = self.ask_from("127.0.3.1", "POST", "/v1/session",
                                     {"Content-Type": "application/json"}, json.dumps({"token": "nrw_x"}))
        self.assertEqual(status, 429)
        self.assertEqual(self.ask_from("127.0.3.2", "GET", "/v1/jobs", wrong)[0], 401)
        # Whoever shares the address with the one that tries is not shut out.
        self.assertEqual(self.ask_from("127.0.3.1", "GET", "/v1/jobs", bearer(self.admin))[0], 200)

    def test_lists_have_ones_own(self):
        for kind, path in (("job", "/v1/jobs"), ("evaluator", "/v1/evaluators"), ("webhook", "/v1/webhooks")):
            for owner in ("ann", "bob"):
                items = self.ask(self.tokens[owner, "read"], "GET", path)[2]["items"]
                self.assertEqual({item["owner"] for item in items}, {owner}, path)
                self.assertIn(self.things[owner][kind], [item["id"] for item in items])
            items = self.ask(self.admin, "GET", path)[2]["items"]
            self.assertLessEqual({"ann", "bob"}, {item["owner"] for item in items})
        for owner in ("ann", "bob"):
            token = self.tokens[owner, "read"]
            own = {self.things[owner]["job"], self.things[owner]["experiment"]}
            events = self.ask(token, "GET", "/v1/events?limit=1000")[2]["items"]
            self.assertLessEqual({event["job"] for event in events}, own | {
                job["id"] for job in self.ask(token, "GET", "/v1/jobs")[2]["items"]})
            workers = self.ask(token, "GET", "/v1/workers")[2]["items"]
            self.assertEqual({worker["owner"] for worker in workers}, {owner})
            held = [lease["job"] for worker in workers for lease in worker["leases"]]
            self.assertEqual(held, [self.things[owner]["job"]])

    def test_others_things_cannot_be_used(self):
        job = jobkit.body("http://unused")
        for member, value, where in (
            ("evaluator", {"id": self.things["ann"]["evaluator"]}, "/evaluator/id"),
            ("warm_start", {"job": self.things["ann"]["job"]}, "/warm_start/job"),
        ):
            body = {**job, "evaluator": {"pool": "p"}, member: value}
            for path in ("/v1/jobs", "/v1/spaces"):
                status, _, theirs = self.ask(self.tokens["bob", "submit"], "POST", path, body)
                self.assertEqual((status, theirs["errors"][0]["pointer"]), (422, where), theirs)
                value = {key: id[:4] + NOBODYS for key, id in value.items()}
                status, _, nobodys = self.ask(self.tokens["bob", "submit"], "POST", path, {**body, member: value})
                self.assertEqual(theirs["errors"], nobodys["errors"])

    def test_what_an_admin_shares_everybody_uses(self):
        url = {"url": "http://127.0.0.1:9998"}
        self.assertEqual(self.ask(self.tokens["ann", "submit"], "POST", "/v1/evaluators", {**url, "shared": True})[0], 403)
        self.assertEqual(self.ask(self.admin, "POST", "/v1/evaluators", {**url, "shared": 1})[0], 422)
        status, _, shared = self.ask(self.admin, "POST", "/v1/evaluators", {**url, "shared": True})
        self.assertEqual((status, shared["shared"]), (201, True))
        path, job = f"/v1/evaluators/{shared['id']}", {**jobkit.body("http://unused"), "evaluator": {"id": shared["id"]}}
        self.assertEqual(self.ask(self.tokens["bob", "submit"], "POST", "/v1/spaces", job)[0], 200)
        self.assertEqual(self.ask(self.tokens["bob", "read"], "GET", path)[0], 404)
        self.assertEqual(self.ask(self.admin, "PATCH", path, {"shared": False})[0], 200)
        self.assertEqual(self.ask(self.tokens["bob", "submit"], "POST", "/v1/spaces", job)[0], 422)

    def test_a_worker_has_its_owners_questions_or_its_pools(self):
        pool = "shared"
        ask = {"pool": pool, "worker": "w1", "max": 8}
        job = {**jobkit.body("http://unused"), "evaluator": {"pool": pool}}
        anns = self.made("ann", "submit", "/v1/jobs", job)["id"]
        self.assertEqual(self.made("bob", "work", "/v1/leases", ask)["items"], [])
        bound = new_token(self.directory, "work", owner="bob", pool=pool)
        self.assertEqual(self.ask(bound, "POST", "/v1/leases", {**ask, "pool": "other"})[0], 403)
        status, _, answer = self.ask(bound, "POST", "/v1/leases", {**ask, "wait_s": 20})
        self.assertEqual([item["job"] for item in answer["items"]], [anns], answer)
        beat = f"/v1/leases/{answer['items'][0]['lease']}/heartbeat"
        self.assertEqual(self.ask(bound, "POST", beat, {})[0], 200)
        self.assertEqual(self.ask(self.tokens["bob", "work"], "POST", beat, {})[0], 404)
        self.assertEqual(self.ask(self.tokens["ann", "work"], "POST", beat, {})[0], 200)
        theirs = f"/v1/leases/{self.things['ann']['lease']}/heartbeat"
        self.assertEqual(self.ask(bound, "POST", theirs, {})[0], 404)
        self.assertEqual(self.ask(bound, "GET", f"/v1/jobs/{anns}")[0], 403)

    def test_keys_of_two_owners(self):
        key = {"Idempotency-Key": "the-same"}
        for owner in ("ann", "bob"):
            body = {**jobkit.body("http://unused", name=owner), "evaluator": {"pool": "none"}}
            status, sent, job = self.ask(self.tokens[owner, "submit"], "POST", "/v1/jobs", body, key)
            self.assertEqual((status, sent.get("Idempotency-Replayed"), job.get("owner")), (201, None, owner))

    def test_a_token_ends_what_waits_by_it(self):
        token = new_token(self.directory, "read", owner="ann")
        id = token_command(self.directory, "list").stdout.splitlines()[-1].split("\t")[0]
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=PATIENCE_S)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/events?after=now", None, {**bearer(token), "Accept": "text/event-stream"})
        stream = connection.getresponse()
        self.assertEqual(stream.readline(), b"retry: 2000\n")
        self.assertEqual(self.ask(self.admin, "DELETE", f"/v1/tokens/{id}")[0], 204)
        self.made("ann", "submit", "/v1/jobs", {**jobkit.body("http://unused"), "evaluator": {"pool": "none"}})
        self.assertNotIn(b"event:", stream.read(), "it ends, and says nothing more")

    def test_making_tokens(self):
        body = {"name": "n", "owner": "ann", "scopes": ["work", "read", "work"], "pools": ["gpu"],
                "expires_in_s": 60}
        key = {"Idempotency-Key": "a-token"}
        status, sent, made = self.ask(self.admin, "POST", "/v1/tokens", body, key)
        self.assertEqual((status, sent["Location"]), (201, f"/v1/tokens/{made['id']}"))
        self.assertEqual((made["scopes"], made["pools"], made["owner"]), (["read", "work"], ["gpu"], "ann"))
        status, _, again = self.ask(self.admin, "POST", "/v1/tokens", body, key)
        self.assertEqual((status, again), (201, {**made, "token": None}), "shown once")
        self.assertEqual(self.ask(made["token"], "GET", "/v1/session")[2],
                         {"owner": "ann", "scopes": ["read", "work"], "pools": ["gpu"], "token": made["id"]})
        shown = self.ask(self.admin, "GET", f"/v1/tokens/{made['id']}")[2]
        self.assertNotIn("token", shown)
        self.assertIsNone(shown["revoked_at"])
        for _ in range(2):
            self.assertEqual(self.ask(self.admin, "DELETE", f"/v1/tokens/{made['id']}")[0], 204)
        self.assertIsNotNone(self.ask(self.admin, "GET", f"/v1/tokens/{made['id']}")[2]["revoked_at"])
        for pointer, wrong in (("/scopes", {"scopes": []}), ("/scopes/0", {"scopes": ["root"]}), ("/scopes", {}),
                               ("/owner", {"scopes": ["read"], "owner": "A"}),
                               ("/pools", {"scopes": ["read"], "pools": ["gpu"]}),
                               ("/expires_in_s", {"scopes": ["read"], "expires_in_s": 0}),
                               ("/no", {"scopes": ["read"], "no": 1})):
            status, _, answer = self.ask(self.admin, "POST", "/v1/tokens", wrong)
            self.assertEqual((status, answer["errors"][0]["pointer"]), (422, pointer), answer)

    def test_a_page_says_why_it_is_empty(self):
        browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        for path in ("/", f"/jobs/{self.things['ann']['job']}"):
            for token, wanted in ((None, 401), (self.tokens["ann", "work"], 403), (self.tokens["ann", "read"], 200)):
                status, sent, page = self.ask(token, "GET", path, None, browser)
                self.assertEqual((status, sent.get_content_type()), (wanted, "text/html"))
                self.assertEqual("theirs" in page, wanted == 200)
                self.assertIn("frame-ancestors 'none'", sent["Content-Security-Policy"])
        page = self.ask(self.tokens["bob", "read"], "GET", "/", None, browser)[2]
        self.assertIn(self.things["bob"]["job"], page)
        self.assertNotIn(self.things["ann"]["job"], page)

    def test_the_page_logs_in(self):
        token = self.tokens["ann", "submit"]
        status, sent, who = self.ask(None, "POST", "/v1/session", {"token": token})
        self.assertEqual((status, who["owner"]), (200, "ann"))
        cookie = sent["Set-Cookie"]
        self.assertEqual(cookie, f"narrowd_token={token}; Path=/; HttpOnly; SameSite=Strict")
        cookie = {"Cookie": f"a=b; {cookie.split(';')[0]}; c=d"}
        own = {"Origin": f"http://127.0.0.1:{self.daemon.port}"}
        self.assertEqual(self.ask(None, "GET", "/v1/session", None, cookie)[2], who)
        for headers, wanted in ((cookie, 403), ({**cookie, "Origin": "http://evil.example"}, 403), ({**cookie, **own}, 422)):
            self.assertEqual(self.ask(None, "POST", "/v1/jobs", {"x": 1}, headers)[0], wanted, headers)
        status, sent, _ = self.ask(None, "DELETE", "/v1/session", None, {**cookie, **own})
        self.assertEqual(status, 204)
        self.assertIn("Max-Age=0", sent["Set-Cookie"])
        self.assertEqual(self.ask(None, "POST", "/v1/session", {"token": "x"})[0], 401)
        self.assertEqual(self.ask(None, "GET", "/v1/session")[0], 401)


class Listeners(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name

    def test_on_loopback_the_first_token_changes_nothing(self):
        with Daemon(self.directory) as daemon:
            self.assertEqual(daemon.request("GET", "/v1/session")[2],
                             {"owner": "local", "scopes": ["admin"], "pools": None, "token": None})
            read = new_token(self.directory, "read", owner="ann")
            self.assertEqual(daemon.request("GET", "/v1/config")[0], 200)
            for junk in ("Bearer unused", "Basic dW51c2VkOg=="):
                self.assertEqual(daemon.request("GET", "/v1/config", None, {"Authorization": junk})[0], 200)
            self.assertEqual(daemon.request("GET", "/v1/config", None, bearer(read))[0], 403, "who says who he is is he")
            self.assertEqual(daemon.request("GET", "/v1/config", None, bearer("nrw_" + "A" * 43))[0], 401)

    def test_tokens_outlive_the_daemon(self):
        token = new_token(self.directory, "admin")
        with Daemon(self.directory, "--auth", "always") as daemon:
            later = new_token(self.directory, "read")
            daemon.kill9()
            daemon.start()
            for known in (token, later):
                self.assertEqual(daemon.request("GET", "/v1/session", None, bearer(known))[0], 200)
            rows = token_command(self.directory, "list").stdout.splitlines()
            self.assertEqual(len(rows), 3)
            self.assertNotIn(token, "".join(rows))
        token_command(self.directory, "revoke", rows[1].split("\t")[0])
        with Daemon(self.directory, "--auth", "always") as daemon:
            self.assertEqual(daemon.request("GET", "/v1/session", None, bearer(token))[0], 401)
            self.assertEqual(daemon.request("GET", "/readyz")[0], 200)

    def test_a_unix_socket_knows_who_connects(self):
        os.chmod(self.directory, 0o755)
        path, data = f"{self.directory}/socket", f"{self.directory}/data"
        token = new_token(data, "read", owner="ann")

        def session(socket, *headers, **who):
            done = subprocess.run(["curl", "-s", "--unix-socket", socket, *headers, "http://localhost/v1/session"],
                                  capture_output=True, text=True, timeout=PATIENCE_S, **who)
            answer = json.loads(done.stdout) if done.stdout else {}
            return answer.get("status", answer.get("owner"))

        with Daemon(data, "--auth", "always", "--listen", f"unix:{path}"):
            shown = ("-H", f"Authorization: Bearer {token}")
            self.assertEqual([session(path), session(path, *shown)], ["local", "ann"])
            self.assertEqual(session(f"{data}/control.sock"), "local")
            if os.geteuid() == 0:
                other = {"user": 65534, "group": 65534, "extra_groups": []}
                self.assertEqual([session(path, **other), session(path, *shown, **other)], [401, "ann"])
                self.assertIsNone(session(f"{data}/control.sock", **other))

    def test_a_long_data_directory_has_its_control_socket(self):
        data = f"{self.directory}/{'x' * 120}"
        with Daemon(data) as daemon:
            token = new_token(data, "read")
            self.assertEqual(daemon.request("GET", "/v1/session", None, bearer(token))[2]["scopes"], ["read"])
        self.assertFalse(os.path.exists(f"{data}/control.sock"))

    def test_token_commands_that_cannot_be(self):
        for arguments, status in ((["token"], 64), (["token", "lose"], 64), (["token", "create", "--scope"], 64),
                                  (["token", "revoke"], 64), (["token", "create"], 65),
                                  (["token", "create", "--scope", "read", "--expires", "1y"], 64),
                                  (["token", "revoke", "tok_" + NOBODYS], 66)):
            got = subprocess.run([NARROWD, *arguments, "--data-dir", self.directory] if len(arguments) > 1 else
                                 [NARROWD, *arguments], capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(got.returncode, status, (arguments, got.stderr))
            self.assertTrue(got.stderr.splitlines()[-1].startswith("narrowd: "), got.stderr)


LIMIT = 20


def self_owned(route):
    return ROUTES[route][1] is not None


if __name__ == "__main__":
    unittest.main()
