#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""No program and no library but the benchmarks' own can send pages in the clear.

    test_plain.py BUILD-DIRECTORY PLAIN-PROGRAM...

Looks for what plain_aead.c leaves in whatever is linked with it (plain.h), in all that is installed and all else that is
built; and whether anything else is linked from that file.
"""
import json
import os
import sys

MARK = b"this program does not encrypt"
SOURCE = "plain_aead.c"
build, plain = sys.argv[1], {os.path.realpath(path) for path in sys.argv[2:]}


def has_mark(path):
    with open(path, "rb") as f:
        return MARK in f.read()


def sources_of(target):
    return [s for t in target["target_sources"] for s in t.get("sources", [])]


with open(os.path.join(build, "meson-info", "intro-targets.json")) as f:
    targets = [t for t in json.load(f) if t["type"] in ("executable", "shared library")]
wrong, n_installed, n_seen = [], 0, 0
for target in targets:
    path = os.path.realpath(target["filename"][0])
    if path in plain:
        if target["installed"]:
            wrong.append(f"{path} would be installed")
        if not has_mark(path):
            wrong.append(f"{path} has no mark of {SOURCE}: this test would see nothing")
        continue
    if any(os.path.basename(s) == SOURCE for s in sources_of(target)):
        wrong.append(f"{path} is made of {SOURCE}")
    if not os.path.exists(path):
        if target["installed"]:
            wrong.append(f"{path} is not built yet, so that nothing can be said of it")
        continue
    n_seen += 1
    n_installed += target["installed"]
    if has_mark(path):
        wrong.append(f"{path} does not encrypt")
if n_installed == 0:
    wrong.append("nothing that is installed was found")
for sentence in wrong:
    print(sentence, file=sys.stderr)
print(f"{n_seen} programs and libraries looked at, {n_installed} of them are installed")
sys.exit(1 if wrong else 0)
