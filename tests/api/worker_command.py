"""A command for `narrow worker`: answers questions as the model of the crash test does, one, or with "persistent" as its
last argument one after the other, a line for each.

With FILE as its first argument it does what the file says first, if there is one: "sleep S", "exit N", "say TEXT" (that is
its answer), "noise TEXT" (that is none), "kill N" (itself), "beat N" (a line of progress, N right of 500), "pid FILE" (write its own at the
end of it), "unless QUESTION" (nothing more for such ones), "twice" (a worse answer after the true one), "stale" (the last
answer, with its lease, before the true one), "once" (end after the answer), "indent" (the answer).
"""

import json
import os
import pathlib
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import crash_model  # noqa: E402

last = None  # the answer before, with its lease


def obey(orders, question):
    """The options of the answer; None when it has been given."""
    options = set()
    for line in orders.read_text().splitlines() if orders is not None and orders.exists() else ():
        what, _, value = line.partition(" ")
        if what == "sleep":
            time.sleep(float(value))
        elif what == "exit":
            sys.exit(int(value))
        elif what == "kill":
            os.kill(os.getpid(), int(value))
        elif what in ("say", "noise"):
            print(value, flush=True)
            if what == "say":
                return None
        elif what == "pid":
            with open(value, "a", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
        elif what == "beat":
            print(json.dumps({"progress": {"seen": 500, "correct": int(value), "total": 900}}), flush=True)
        elif what == "unless" and question["question"] == value:
            break
        else:
            options.add(what)
    return options


def answer(orders, question):
    global last
    options = obey(orders, question)
    if options is None:
        return
    if "stale" in options and last is not None:
        print(json.dumps(last), flush=True)
    true = crash_model.answer(question)
    last = {**true, "accuracy": 0.01, "lease": question["lease"]}
    text = json.dumps(true, indent=2 if "indent" in options else None)
    if "twice" in options:
        text += "\n" + json.dumps({**true, "accuracy": 0.01})
    print(text, flush=True)
    if "once" in options:
        sys.exit(0)


def main():
    words = sys.argv[1:]
    persistent = words[-1:] == ["persistent"]
    orders = pathlib.Path(words[0]) if words[:-1] or (words and not persistent) else None
    for line in sys.stdin if persistent else [sys.stdin.read()]:
        answer(orders, json.loads(line))


main()
