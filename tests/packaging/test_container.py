"""The container file, built by buildah, and its image run without a container's isolation.

The base image is one of another registry. Here its place is taken by one with the same parts of Debian, the ones that a
distroless image has: glibc, OpenSSL's library, certificates, and no shell.
"""

import json
import os
import pathlib
import shutil
import subprocess
import unittest

from test_bundle import ROOT, Bundled, run

BASE = "gcr.io/distroless/base-debian12:nonroot"
PARTS = ("libc6", "libgcc-s1", "libssl3", "ca-certificates")
USER = 65532


class Container(Bundled):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.here = pathlib.Path(cls.folder.name)
        cls.options = ["--root", str(cls.here / "store"), "--runroot", str(cls.here / "run"), "--storage-driver", "vfs"]
        cls.make_base()
        context = cls.here / "context"
        shutil.copytree(ROOT / "packaging" / "container", context / "packaging" / "container")
        (context / "packaging" / "container" / "data").mkdir(exist_ok=True)
        shutil.copy(cls.archive, context)
        version = cls.name.split("-")[1]
        cls.buildah("bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "-f", context / "packaging/container/Containerfile",
                    "--build-arg", f"VERSION={version}", "--build-arg", f"ARCH={os.uname().machine}", "-t", "narrowd", context)

    @classmethod
    def buildah(cls, *arguments):
        return run("buildah", *cls.options, *map(str, arguments)).strip()

    @classmethod
    def make_base(cls):
        root = cls.here / "base"
        root.mkdir()
        debs = cls.here / "debs"
        debs.mkdir()
        subprocess.run(["apt-get", "download", "-q", *PARTS], cwd=debs, check=True, stdout=subprocess.DEVNULL)
        for package in debs.glob("*.deb"):
            run("dpkg-deb", "--extract", str(package), str(root))
        work = cls.buildah("from", "scratch")
        cls.buildah("copy", work, root, "/")
        cls.buildah("commit", work, BASE)

    def test_what_it_says_of_itself(self):
        config = json.loads(self.buildah("inspect", "--type", "image", "narrowd"))["Docker"]["config"]
        self.assertEqual((config["User"], config["Entrypoint"]), (f"{USER}:{USER}", ["bin/narrowd"]))
        self.assertIn("/data", config["Volumes"])
        self.assertEqual(config["Healthcheck"]["Test"][0], "CMD")

    def test_it_serves_and_is_healthy(self):
        work = self.buildah("from", "--pull-never", "narrowd")
        root = pathlib.Path(self.buildah("mount", work))
        self.addCleanup(self.buildah, "umount", work)
        config = json.loads(self.buildah("inspect", "--type", "image", "narrowd"))["Docker"]["config"]
        self.assertFalse((root / "bin/sh").exists())
        data = root / "data"
        self.assertEqual(data.stat().st_uid, USER)  # buildah before 1.29 leaves the mode of a folder as it is
        (root / "tls").mkdir(mode=0o755, exist_ok=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", root / "tls/key.pem",
                        "-out", root / "tls/cert.pem"], check=True, capture_output=True)
        (root / "tls/key.pem").chmod(0o644)
        inside = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-euc", r"""
            root=$1
            shift
            mount -t proc proc "$root/proc" 2>/dev/null || { mkdir -p "$root/proc"; mount -t proc proc "$root/proc"; }
            mkdir -p "$root/dev"
            mount --rbind /dev "$root/dev"
            ip link set lo up
            as() { chroot --userspec=65532:65532 "$root" "$@"; }
            cd "$root"
            export NARROWD_DATA_DIR=/data
            as /opt/NAME/bin/narrowd token create --scope admin >/dev/null
            chroot --userspec=65532:65532 "$root" /opt/NAME/bin/narrowd CMD >/tmp/container.out 2>/tmp/container.err &
            daemon=$!
            for i in $(seq 600); do
                if as /opt/NAME/bin/narrow jobs --server unix:/data/control.sock; then echo healthy; break; fi
                kill -0 $daemon || { cat /tmp/container.err; exit 1; }
                sleep 0.5
            done
            kill $daemon
            wait $daemon
            echo stopped
        """.replace("NAME", self.name).replace("CMD", " ".join(config["Cmd"])), "sh", str(root)]
        done = subprocess.run(inside, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("healthy\nstopped\n", done.stdout)


if __name__ == "__main__":
    unittest.main()
