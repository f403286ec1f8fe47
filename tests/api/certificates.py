"""Certificates for tests, by openssl: authorities and what they vouch for."""

import ssl
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def make_ca(directory, name, addresses=("127.0.0.1",)):
    """An authority, and what it vouches for: NAME.crt with NAME-leaf.key. Its certificate, a server's
    context, and its key. They say what Python 3.13 insists on: what the key is for, and whose signs."""
    ca, key, request, leaf = (directory / f"{name}.{end}" for end in ("pem", "key", "csr", "crt"))
    openssl("req", "-x509", *KEY, "-keyout", key, "-out", ca, "-days", 2, "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    names = directory / "names"
    names.write_text("subjectAltName=" + ",".join(f"IP:{address}" for address in addresses) + "\n"
                     "authorityKeyIdentifier=keyid\n")
    leaf_key = directory / f"{name}-leaf.key"
    openssl("req", *KEY, "-keyout", leaf_key, "-out", request, "-subj", "/CN=evaluator")
    openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial",
            "-days", 2, "-extfile", names, "-out", leaf)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf, leaf_key)
    return ca.read_text(), context, key.read_text()
