"""The model of the crash test: a capability and an evaluator whose answers follow from the config.

The evaluator lives in the test's process, so its ledger survives what happens to the daemon.
"""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODES = {
    "static": {
        "weight": {"dtype": ["int8"], "granularity": ["per_channel", "per_tensor"]},
        "activation": {"dtype": ["uint8"], "algorithm": ["minmax", "kl"]},
    },
    "bf16": {},
    "fp32": {},
}


def capability(operators):
    return {
        "op_types": {"Conv2d": MODES, "Linear": MODES},
        "ops": [
            {"name": f"op{i}", "type": "Linear" if i % 3 == 2 else "Conv2d"}
            for i in range(operators)
        ],
        "answers": ["evaluate"],
        "metrics": ["accuracy", "latency_ms"],
    }


def unit(*parts):
    """A number in [0, 1) that follows from the parts."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def answer(question):
    """Every lowered operator costs accuracy and saves time; some configs cannot be run."""
    if question["question"] == "baseline":
        return {"accuracy": 0.9, "latency_ms": 100.0}
    config = question["config"]
    if unit("fails", config) < 0.03:
        return {"failed": True, "error": "no kernel for this", "retryable": False}
    accuracy, latency = 0.9, 100.0
    for name, op in config["ops"].items():
        if op["mode"] != "fp32":
            accuracy -= 0.004 * unit("loss", name, op)
            latency -= (6 if op["mode"] == "static" else 3) * unit("gain", name, op)
    return {"accuracy": accuracy, "latency_ms": latency}


class Ledger:
    """An evaluator that answers at once and remembers who asked."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []
        ledger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                question = json.loads(body)
                with ledger.lock:
                    ledger.calls.append(
                        (
                            self.headers["Idempotency-Key"].strip('"'),
                            question["attempt"],
                            json.dumps(question["config"], sort_keys=True),
                        )
                    )
                text = json.dumps(answer(question)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *args):
                pass

            def handle_one_request(self):
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
