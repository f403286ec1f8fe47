"""A command for `narrow worker`: answers a question as the model of the crash test does.

With FILE as its argument it first does what the file says, if there is one: "sleep S", "exit N",
"say TEXT", "kill N" (itself), "beat" (a line of progress), "pid FILE" (write its own), "unless
QUESTION" (nothing more for such ones).
"""

import json
import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import crash_model  # noqa: E402

question = json.load(sys.stdin)
orders = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
for line in orders.read_text().splitlines() if orders is not None and orders.exists() else ():
    what, _, value = line.partition(" ")
    if what == "sleep":
        time.sleep(float(value))
    elif what == "exit":
        sys.exit(int(value))
    elif what == "kill":
        os.kill(os.getpid(), int(value))
    elif what == "say":
        print(value)
        sys.exit(0)
    elif what == "pid":
        pathlib.Path(value).write_text(str(os.getpid()))
    elif what == "beat":
        print(json.dumps({"progress": {"seen": 500, "correct": 1, "total": 900}}), flush=True)
    elif what == "unless" and question["question"] == value:
        break
print(json.dumps(crash_model.answer(question)))
