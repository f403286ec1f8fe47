"""All that is heavy at once: others are answered all the while, judged by the CPU time of the loop's own pieces.

Large spaces come and go, large jobs are read, slow readers hang, patterns cost, other jobs' measurements are taken over and
hundreds of jobs deleted. bench/soak.py does the same for an hour, with more of everything.
"""

import json
import tempfile
import unittest

import burden as burdens
from daemon import Daemon

OPERATORS, ROUNDS = 3000, 2
# What anybody may wait for while the loop works for somebody else; a sanitizer makes it this many times as much.
MOST_MS, SANITIZED = 50, 5


class AtOnce(unittest.TestCase):
    def setUp(self):
        for name, few in (("SMALL_JOBS", 100), ("WARM", 4000)):
            self.addCleanup(setattr, burdens, name, getattr(burdens, name))
            setattr(burdens, name, few)

    def test_nobody_is_held_up(self):
        with tempfile.TemporaryDirectory() as directory, Daemon(directory) as daemon:
            with open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8") as file:
                most = MOST_MS * (SANITIZED if "san.so" in file.read() else 1)
            burden = burdens.Burden(daemon, OPERATORS)
            burden.prepare()
            self.assertGreater(burden.carry(rounds=ROUNDS), 0)
            self.assertEqual(burden.faults, [])
            self.assertEqual(burden.done, {kind: ROUNDS for kind in burden.KINDS})
            pieces = [json.loads(line) for line in burden.held_up()]
            self.assertEqual([piece for piece in pieces if piece["cpu_us"] > most * 1000], [])


if __name__ == "__main__":
    unittest.main()
