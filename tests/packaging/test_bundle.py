"""The portable bundle in a root that has no library of ours, no development package and no network."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMIT_BYTES = 15_000_000
DEMO_SECONDS = 60


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.archive = pathlib.Path(run("tools/bundle", cls.folder.name).split()[-1])
        cls.name = cls.archive.name.removesuffix(".tar.xz")
        subprocess.run(["tar", "-C", cls.folder.name, "-xf", cls.archive], check=True)
        cls.root = pathlib.Path(cls.folder.name, cls.name)

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
        self.assertRegex(said, r"completed: criterion_met")
        self.assertRegex(said, r"[\d.]+ times as fast")
        print(f"narrowd demo took {end - begin} s of {DEMO_SECONDS}")

    def test_what_others_wrote_has_its_licence(self):
        licences = {path.name for path in (self.root / "share/doc/narrowd/licenses").iterdir()}
        self.assertLessEqual({"libcurl4", "libsqlite3-0", "libblas-dev", "libgnutls30"}, licences)
        self.assertEqual([name for name in licences if not name.startswith("lib") and name != "zlib1g"
                          and name != "ocl-icd-libopencl1"], [])

    def test_service_by_hand(self):
        """TLS and a token, a backup and its restoration, with nothing but the bundle."""
        said = self.inside("""
            export PATH=/opt/n/bin:$PATH
            narrowd --listen 127.0.0.1:8585 --data-dir /tmp/d >out 2>log &
            until grep -q listening out; do sleep 0.1; done
            narrow jobs
            narrowd --data-dir /tmp/d backup /tmp/b.db
            kill $!; wait $!
            narrowd --data-dir /tmp/d check
            mkdir -m 700 /tmp/e; cp /tmp/b.db /tmp/e/narrowd.db
            narrowd --data-dir /tmp/e check
            narrowd --data-dir /tmp/e token create --scope admin | tail -n 1
        """)
        self.assertEqual(said.count("is sound"), 2)


if __name__ == "__main__":
    unittest.main()
