"""All that is heavy at once: others are answered all the while, and memory stays within its budget.

Large spaces come and go, large jobs are read, slow readers hang, patterns cost, other jobs' measurements are taken over and
jobs deleted by the thousand. Judged by the CPU time of the loop's own pieces and, where no sanitizer keeps what was freed,
by what was resident under a limit of addresses. bench/soak.py does the same for an hour.
"""

import json
import resource
import tempfile
import unittest

import burden as burdens
from daemon import Daemon

ROUNDS, MIB = 2, 1024 * 1024
# What anybody may wait for while the loop works for somebody else; a sanitizer makes it this many times as much.
MOST_MS, SANITIZED = 50, 5
# Of the daemon itself, and the budgets of all clients together.
OWN_MIB, BUDGET_MIB = 40, 256


class AtOnce(unittest.TestCase):
    def begin(self, few):
        """A daemon under the burden; with a sanitizer of fewer things."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.daemon = self.enterContext(Daemon(directory.name))
        pid = self.daemon.process.pid
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            self.sanitized = "san.so" in file.read()
        for name in few if self.sanitized else ():
            self.addCleanup(setattr, burdens, name, getattr(burdens, name))
            setattr(burdens, name, few[name])
        burden = burdens.Burden(self.daemon, 3000 if self.sanitized else 20000)
        if not self.sanitized:
            most = int(burden.resident_mib("VmSize") + BUDGET_MIB) * MIB
            resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
        burden.prepare()
        return burden

    def test_nobody_is_held_up_and_memory_stays(self):
        burden = self.begin({"SMALL_JOBS": 100})
        self.assertGreater(burden.carry(rounds=ROUNDS), 0)
        self.assertEqual(burden.faults, [])
        self.assertEqual(burden.done, {kind: ROUNDS for kind in burden.KINDS})
        most = MOST_MS * (SANITIZED if self.sanitized else 1)
        pieces = [json.loads(line) for line in burden.held_up()]
        self.assertEqual([piece for piece in pieces if piece["cpu_us"] > most * 1000], [])
        if not self.sanitized:
            self.assertLessEqual(burden.resident_mib("VmHWM"), OWN_MIB + BUDGET_MIB)


if __name__ == "__main__":
    unittest.main()
