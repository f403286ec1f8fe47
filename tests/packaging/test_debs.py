"""The Debian packages: what lintian says, and a life of them in a fresh root."""

import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEXT = "99.0"


def run(*command):
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.made = [pathlib.Path(name) for name in run("tools/debs", folder.name).split()]
        cls.make_next()

    @classmethod
    def make_next(cls):
        """The same packages under a greater version, for an upgrade."""
        (cls.folder / "next").mkdir()
        for package in cls.made:
            if "dbgsym" in package.name:
                continue
            tree = cls.folder / "tree"
            run("dpkg-deb", "--raw-extract", str(package), str(tree))
            control = tree / "DEBIAN" / "control"
            control.write_text(re.sub(r"^Version: .*$", f"Version: {NEXT}", control.read_text(), flags=re.MULTILINE))
            run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(cls.folder / "next"))
            subprocess.run(["rm", "-r", tree], check=True)

    def test_lintian_has_nothing_to_say(self):
        [changes] = self.folder.glob("*.changes")
        said = run("lintian", "--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0", str(changes))
        self.assertEqual(said, "")

    def test_their_names(self):
        self.assertEqual({p.name.split("_")[0] for p in self.made if "dbgsym" not in p.name},
                         {"narrowd", "narrow", "libnarrowd-dev"})

    def test_their_programs_are_hardened(self):
        for package in ("narrowd", "narrow"):
            [deb] = [p for p in self.made if p.name.startswith(f"{package}_")]
            tree = self.folder / f"of-{package}"
            run("dpkg-deb", "--extract", str(deb), str(tree))
            self.assertIn(": hardened", run("tools/hardened", str(tree / "usr" / "bin" / package)))

    def test_install_use_upgrade_remove_purge(self):
        said = run("tools/minbase", "--network", r"""
            export DEBIAN_FRONTEND=noninteractive
            exec 2>&1
            apt-get update -q >/dev/null
            echo "== install"
            apt-get install -y -q --no-install-recommends /given/narrowd_[0-9]*.deb /given/narrow_[0-9]*.deb \
                /given/libnarrowd-dev_[0-9]*.deb >/tmp/log || { tail -n 20 /tmp/log; exit 1; }
            narrowd --version
            narrow --version
            test -e /lib/systemd/system/narrowd.service
            test -e /usr/include/narrowd/strategy.h
            unit=/lib/systemd/system/narrowd.service
            echo "== start"
            # There is no systemd: what the unit says is done by hand, as another user.
            useradd --system narrowd-test
            install -d -m 700 -o narrowd-test /var/lib/private/narrowd
            ln -s private/narrowd /var/lib/narrowd
            export STATE_DIRECTORY=/var/lib/narrowd
            chmod 755 /var/lib/private
            start() {
                command=$(sed -n "s/^ExecStart=//p" $unit)
                eval "exec setpriv --reuid=narrowd-test --clear-groups $command" >/tmp/out 2>>/tmp/err &
                daemon=$!
                until grep -q listening /tmp/out; do kill -0 $daemon || { cat /tmp/err; exit 1; }; sleep 0.1; done
            }
            start
            narrow jobs
            echo "== upgrade"
            kill $daemon; wait $daemon
            dpkg -i /given/next/narrowd_*.deb /given/next/narrow_*.deb >/dev/null
            dpkg-query -W -f '${Package} ${Version}\n' narrowd narrow
            : >/tmp/out
            start
            narrow jobs
            kill $daemon; wait $daemon
            narrowd --data-dir /var/lib/narrowd check
            echo "== remove"
            apt-get remove -y -q narrowd narrow libnarrowd-dev >/dev/null
            test ! -e /usr/bin/narrowd
            test ! -e $unit
            test -e /var/lib/narrowd/narrowd.db
            echo "== purge"
            apt-get purge -y -q narrowd narrow >/dev/null
            test ! -e /var/lib/narrowd
            test ! -e /var/lib/private/narrowd
            test ! -e /etc/narrowd
            dpkg-query -W narrowd narrow libnarrowd-dev || echo "gone"
        """, str(self.folder))
        self.assertIn(f"narrow {NEXT}\nnarrowd {NEXT}\n", said.split("== upgrade")[1])
        self.assertIn("is sound", said)
        self.assertTrue(said.rstrip().endswith("gone"), said)


if __name__ == "__main__":
    unittest.main()
