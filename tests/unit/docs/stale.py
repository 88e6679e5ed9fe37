#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What stands below the mark "<!-- made by PROGRAM ARGUMENT; ..." in a document is what that program prints now.

stale.py [--write] DOCUMENT PROGRAM ARGUMENT
"""
import os
import re
import subprocess
import sys


def main():
    arguments = sys.argv[1:]
    write = arguments[0] == "--write"
    document, program, argument = arguments[write:]
    made = subprocess.run([sys.executable, program, argument], check=True, stdout=subprocess.PIPE, text=True).stdout
    with open(document, encoding="utf-8") as file:
        text = file.read()
    mark = re.search(rf"^<!-- made by \S*{re.escape(os.path.basename(program))} {argument}; .*-->\n\n?", text, re.M)
    if mark is None:
        sys.exit(f"{document}: no mark of {program} {argument}")
    wanted = text[:mark.start()] + mark.group(0).rstrip("\n") + "\n\n" + made
    if write:
        with open(document, "w", encoding="utf-8") as file:
            file.write(wanted)
    elif text != wanted:
        sys.exit(f"{document} is stale: tests/unit/docs/stale.py --write {document} {program} {argument}")
    print(f"{made.count(chr(10))} lines of {os.path.basename(program)} {argument}")


if __name__ == "__main__":
    main()
