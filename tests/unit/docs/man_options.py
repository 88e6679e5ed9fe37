#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A manual page has each option of its programs, by --help, and no other.

    man_options.py PAGE PROGRAM...
"""
import re
import subprocess
import sys

page, programs = sys.argv[1], sys.argv[2:]
known = {}
for program in programs:
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    listed = re.findall(r"^  (?:-(\S), |    )--([a-z-]+)", usage, re.M)
    if len(listed) < 4:
        sys.exit(f"{program} --help lists no options")
    known.update({name: short for short, name in listed})

with open(page, encoding="utf-8") as f:
    text = f.read()
described = {name: short.replace("\\&", "") for short, name in
             re.findall(r"^\.It Fl (?:(\S+) , )?-([a-z-]+)", text, re.M)}
differ = set(known.items()) ^ set(described.items())
if differ:
    sys.exit(f"{page}: differs from --help in {sorted(name for name, _ in differ)}")
print(f"{len(known)} options")
