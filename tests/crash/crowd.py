"""Many workers in a few processes, so that thousands of them fit on a small machine.

Run as a program it plays some of them until its standard input ends: it prints how many answers were acknowledged,
and at last what each worker was told, as one line of JSON.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import threading

from pull_client import Anywhere, Held

OF_A_PROCESS = 125
TELLS_S = 0.2
STACK_BYTES = 256 * 1024


def digest(config):
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]


def told(held):
    """What the ledger needs to know of a lease."""
    question = held.question
    return {"job": question["job"], "trial": question["trial"], "lease": question["lease"], "attempt": question["attempt"],
            "config": digest(question["config"]), "expires": held.expires, "completes": held.completes}


def play(options):
    threading.stack_size(STACK_BYTES)
    ending, over = threading.Event(), threading.Event()
    addresses = [tuple(address) for address in options["addresses"]]
    workers = [Anywhere(addresses, options["pool"], f"w{n}", options["seed"], ending, options["ttl_s"], options["measuring_s"],
                        options["fates"], options["wait_s"], options["pause_s"]) for n in range(options["first"], options["last"])]
    for worker in workers:
        worker.start()

    def tell():
        before = None
        while not over.wait(TELLS_S):
            count = sum(worker.counted for worker in workers)
            if count != before:
                print(count, flush=True)
            before = count

    telling = threading.Thread(target=tell)
    telling.start()
    sys.stdin.read()
    ending.set()
    for worker in workers:
        worker.join()
    over.set()
    telling.join()
    json.dump({"held": [told(held) for worker in workers for held in worker.held],
               "wrong": [repr(worker.wrong) for worker in workers if worker.wrong is not None]}, sys.stdout)
    print()


class Crowd:
    """The processes, as the test sees them."""

    def __init__(self, count, **options):
        self.counts = {}
        self.said = {}
        self.processes, self.readers = [], []
        for first in range(0, count, OF_A_PROCESS):
            said = json.dumps({**options, "first": first, "last": min(first + OF_A_PROCESS, count)})
            process = subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__), said], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, text=True)
            reader = threading.Thread(target=self.read, args=(process,))
            reader.start()
            self.processes.append(process)
            self.readers.append(reader)

    def read(self, process):
        for line in process.stdout:
            said = json.loads(line)
            if isinstance(said, int):
                self.counts[process] = said
            else:
                self.said[process] = said

    def told(self):
        """How many answers were acknowledged."""
        return sum(list(self.counts.values()))

    def end(self):
        """All that they hold, and what went wrong."""
        for process in self.processes:
            process.stdin.close()
        for process, reader in zip(self.processes, self.readers):
            reader.join()
            process.wait()
            process.stdout.close()
        assert len(self.said) == len(self.processes), "a process of workers has died"
        helds = []
        for said in self.said.values():
            for one in said["held"]:
                held = Held({**one, "expires_at": None})
                held.expires, held.completes = one["expires"], one["completes"]
                helds.append(held)
        return helds, [wrong for said in self.said.values() for wrong in said["wrong"]]

    def kill(self):
        """Of a test that has failed."""
        for process in self.processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    play(json.loads(sys.argv[1]))
