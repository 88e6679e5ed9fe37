#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tests that did not pass said last, from the log of the last `meson test`.

    failed_tests.py BUILD_DIRECTORY [LINES]
"""
import json
import pathlib
import sys

lines = int(sys.argv[2]) if len(sys.argv) > 2 else 40
with open(pathlib.Path(sys.argv[1]) / "meson-logs/testlog.json", encoding="utf-8", errors="replace") as log:
    for line in log:
        test = json.loads(line)
        if test["result"] in ("OK", "SKIP", "EXPECTEDFAIL"):
            continue
        said = (test.get("stdout", "") + test.get("stderr", "")).rstrip().splitlines()
        print(f"{test['name']}: {test['result']} after {test['duration']:.0f} s; the last of what it said:")
        print("\n".join(said[-lines:]) if said else "(nothing)")
