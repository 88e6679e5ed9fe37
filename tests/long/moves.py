#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of many moves.

    moves.py head
    moves.py row N FROM TO LEFT.json CAME.json      figures of one move, as both VMMs gave them
    moves.py end ROWS HASHES-FIRST HASHES-LAST CONSOLE... [OUT.json]

The last one fails, with a sentence, if a page or a word was wrong anywhere.
"""
import glob
import json
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration", "lib"))
from report import read_hashes  # noqa: E402

COLUMNS = ("downtime ms", "total s", "demand", "background", "fault p50 us", "p99", "max")


def read(path):
    with open(path) as f:
        return json.load(f)


def figures(left, came):
    move, progress = left["move"], came["move"]["progress"]
    latency = progress["fault_latency_us"]
    if left["exit_code"] or came["move"]["state"] != "complete" or came["guest"]["mismatches"]:
        raise SystemExit(f"moves: not right: {left['reason']}, {came}")
    return (move["downtime_ms"], move["total_ms"] / 1000, progress["pages_demand"], progress["pages_background"],
            latency["p50"], latency["p99"], latency["max"])


def line(name, cells):
    return f"{name:10}" + "".join(f"{c:>14.1f}" if isinstance(c, float) else f"{c:>14}" for c in cells)


def end(rows, first, last, *others):
    numbers = sorted(int(os.path.basename(p)[:-5]) for p in glob.glob(f"{rows}/*.left"))
    table = [figures(read(f"{rows}/{n}.left"), read(f"{rows}/{n}.came")) for n in numbers]
    consoles = [p for p in others if not p.endswith(".json")]
    a, b = read_hashes(first), read_hashes(last)
    different = sum(1 for gfn in a if b.get(gfn) != a[gfn]) + len(b.keys() - a.keys())
    wrong, rounds = [], 0
    for path in consoles:
        with open(path, errors="replace") as f:
            for text in f:
                m = re.match(r"ROUND (\d+) vcpu=\d+ mismatches=(\d+)", text)
                if text.startswith(("MISMATCH", "GUEST-FAIL")) or m and int(m[2]):
                    wrong.append(text.strip())
                rounds = max(rounds, int(m[1])) if m else rounds
    if different or wrong or len(a) < 16384:
        raise SystemExit(f"moves: {different} of {len(a)} pages differ; the guest says: {wrong[:3]}")
    print(line("median", [statistics.median(c) for c in zip(*table)]))
    print(f"number {len(table)} moves, {len(a)} pages compared, 0 differ, 0 mismatches, {rounds} rounds")
    for path in others:
        if path.endswith(".json"):
            with open(path, "w") as f:
                json.dump({"moves": [dict(zip(COLUMNS, row)) for row in table], "pages_compared": len(a),
                           "pages_different": 0, "mismatches": 0}, f, indent=2)


def main():
    what, *args = sys.argv[1:] or [""]
    if what == "head":
        print(line("move", COLUMNS))
    elif what == "row" and len(args) == 5:
        print(line(f"{args[0]} {args[1]}>{args[2]}", figures(read(args[3]), read(args[4]))))
    elif what == "end" and len(args) >= 4:
        end(*args)
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
