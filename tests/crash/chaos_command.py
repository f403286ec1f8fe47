"""A command for `narrow worker`: writes down what it is asked, takes its time, answers the truth.

chaos_command.py LEDGER SECONDS    one line of JSON goes to the file; it takes up to so many seconds
"""

import json
import random
import sys
import time

import crash_model

question = json.load(sys.stdin)
with open(sys.argv[1], "ab", buffering=0) as ledger:
    ledger.write(json.dumps(question).encode() + b"\n")
time.sleep(float(sys.argv[2]) * random.random() ** 3)
print(json.dumps(crash_model.answer(question)))
