"""The portable bundle in a root that has no library of ours, no development package and no network."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "api"))
from certificates import make_ca  # noqa: E402

LIMIT_BYTES = 15_000_000
DEMO_SECONDS = 60


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


class Bundled(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One bundle for all; it is made once."""
        if not hasattr(Bundled, "folder"):
            Bundled.folder = tempfile.TemporaryDirectory()
            unittest.addModuleCleanup(Bundled.folder.cleanup)
            Bundled.archive = pathlib.Path(run("tools/bundle", cls.folder.name).split()[-1])
            Bundled.name = cls.archive.name.removesuffix(".tar.xz")
            subprocess.run(["tar", "-C", cls.folder.name, "-xf", cls.archive], check=True)
            Bundled.root = pathlib.Path(cls.folder.name, cls.name)


class Bundle(Bundled):

    def inside(self, command):
        return run("tools/minbase", f"cp -r /given/{self.name} /opt/n; cd /tmp; {command}", self.folder.name)

    def test_its_size(self):
        self.assertLessEqual(self.archive.stat().st_size, LIMIT_BYTES)

    def test_the_root_has_nothing_of_ours(self):
        """Or the tests below would prove nothing."""
        listed = self.inside("ls -d /usr/lib/*/libmicrohttpd* /usr/lib/*/libcurl* /usr/lib/*/libsqlite3* "
                             "/usr/lib/*/libuv.* /usr/bin/gcc /usr/bin/python3 2>/dev/null || :")
        self.assertEqual(listed, "")

    def test_every_library_is_there(self):
        """Without glibc's own, which every system has."""
        for program in ("bin/narrowd", "bin/narrow", "libexec/narrowd/digits-evaluator"):
            libraries = self.inside(f"/lib64/ld-linux-x86-64.so.2 --list /opt/n/{program}")
            self.assertNotIn("not found", libraries)
            for path in re.findall(r"=> (\S+)", libraries):
                self.assertRegex(path, r"^(/opt/n/|/lib/[^/]+/(libc|libm|libdl|librt|libpthread|libresolv)\.so)")

    def test_its_programs_are_hardened(self):
        programs = [self.root / p for p in ("bin/narrowd", "bin/narrow", "libexec/narrowd/digits-evaluator")]
        self.assertEqual(run("tools/hardened", *map(str, programs)).count(": hardened"), 3)

    def test_curl_has_no_more_than_is_used(self):
        curl = (self.root / "lib" / "narrowd" / "libcurl.so.4").read_bytes()
        for name in (b"ldap_init", b"libssh2", b"nghttp2_session", b"krb5", b"psl_", b"BrotliDecoder"):
            self.assertNotIn(name, curl)

    def test_the_demo(self):
        said = self.inside("date +%s; /opt/n/bin/narrowd demo; date +%s")
        begin, end = (int(line) for line in said.splitlines() if re.fullmatch(r"\d{10}", line))
        self.assertRegex(said, r"completed after \d+ of \d+ trials: criterion_met")
        self.assertRegex(said, r"[\d.]+ times as fast")
        print(f"narrowd demo took {end - begin} s of {DEMO_SECONDS}")

    def test_what_others_wrote_has_its_licence(self):
        licences = {path.name for path in (self.root / "share/doc/narrowd/licenses").iterdir()}
        self.assertLessEqual({"libcurl4", "libsqlite3-0", "libblas-dev", "libgnutls30"}, licences)
        self.assertEqual([name for name in licences if not name.startswith("lib") and name != "zlib1g"
                          and name != "ocl-icd-libopencl1"], [])


class Container(Bundled):
    """What the container file says, done by hand in a root that has what its base image has for a program: glibc, the
    loader and authorities. Neither a shell nor a network nor root is there."""

    GLIBC = ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0",
             "libresolv.so.2")

    def setUp(self):
        image = tempfile.TemporaryDirectory()
        self.addCleanup(image.cleanup)
        self.image = pathlib.Path(image.name)
        self.image.chmod(0o755)
        self.file = (ROOT / "packaging" / "container" / "Containerfile").read_text()
        for folder in ("proc", "tmp", "tls", "data", "opt", "etc/ssl/certs", "lib64", "lib/x86_64-linux-gnu"):
            (self.image / folder).mkdir(parents=True)
        for name in self.GLIBC:
            shutil.copy(f"/lib/x86_64-linux-gnu/{name}", self.image / "lib/x86_64-linux-gnu")
        shutil.copy("/lib64/ld-linux-x86-64.so.2", self.image / "lib64")
        version = re.fullmatch(r"narrowd-(.*)-linux-x86_64", self.name)[1]
        self.assertIn(f"VERSION={version}", self.file)
        added = re.search(r"^ADD (\S+)", self.file, re.MULTILINE)[1]
        self.assertEqual(added.replace("${VERSION}", version).replace("${ARCH}", "x86_64"), self.archive.name)
        shutil.copytree(self.root, self.image / "opt" / self.name, symlinks=True)
        user = int(re.search(r"^USER (\d+):", self.file, re.MULTILINE)[1])
        self.assertGreater(user, 0)
        os.chown(self.image / "data", user, user)
        os.chmod(self.image / "data", 0o700)
        make_ca(self.image / "tls", "ours")
        shutil.copy(self.image / "tls" / "ours.crt", self.image / "tls" / "cert.pem")
        shutil.copy(self.image / "tls" / "ours-leaf.key", self.image / "tls" / "key.pem")
        os.chmod(self.image / "tls" / "key.pem", 0o644)

    def words(self, name):
        return json.loads(re.search(rf"{name} (\[.*\])$", self.file, re.MULTILINE)[1])

    def test_it_runs_and_is_healthy(self):
        inside = f"/opt/{self.name}"
        runner = f"""
import os, sys
os.chroot({str(self.image)!r})
os.chdir({inside!r})
os.setgroups([]); os.setgid(65532); os.setuid(65532)
os.execve(sys.argv[1], sys.argv[1:], {{"NARROWD_DATA_DIR": "/data"}})
"""
        begin, check, more = self.words("ENTRYPOINT"), self.words("CMD(?= \\[\"bin)"), self.words("^CMD")
        script = f"""
            mount --bind {self.image} {self.image}
            mount -o remount,ro,bind {self.image}
            mount --bind {self.image}/data {self.image}/data
            mount -o remount,rw,bind {self.image}/data
            mount -t proc proc {self.image}/proc
            ip link set lo up
            inside() {{ exec python3 -c {shlex.quote(runner)} "$@"; }}
            (inside {shlex.join(begin)} token create --scope admin) >/dev/null
            if (inside {shlex.join(check)}) 2>/dev/null; then echo "healthy before it runs"; exit 1; fi
            inside {shlex.join(begin + more)} >"$OUT" 2>&1 &
            daemon=$!
            until grep -q "listening on https" "$OUT"; do kill -0 $daemon || {{ cat "$OUT"; exit 1; }}; sleep 0.1; done
            (inside {shlex.join(check)})
            kill $daemon
            wait $daemon
            echo ended well
        """
        with tempfile.NamedTemporaryFile() as out:
            done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", script],
                                  capture_output=True, text=True, env={**os.environ, "OUT": out.name})
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr + out.read().decode())
        self.assertIn("ended well", done.stdout)


if __name__ == "__main__":
    unittest.main()
