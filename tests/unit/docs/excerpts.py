#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Excerpts in a document are what the source file says.

excerpts.py DOCUMENT SOURCE: every fenced block of C begins with the comment
"/* FILE */", FILE being SOURCE's name, and what follows stands in SOURCE word
for word, as whole lines.  There must be at least one.
"""
import os
import re
import sys


def excerpts(document):
    """Pairs of line number and text."""
    fence = re.compile(r"^```c\n(.*?)^```$", re.M | re.S)
    return [(document.count("\n", 0, m.start(1)) + 1, m.group(1)) for m in fence.finditer(document)]


def main():
    doc_path, source_path = sys.argv[1:]
    mark = f"/* {os.path.basename(source_path)} */\n"
    with open(doc_path, encoding="utf-8") as doc, open(source_path, encoding="utf-8") as source:
        found = excerpts(doc.read())
        text = "\n" + source.read()
    if not found:
        sys.exit(f"{doc_path}: no excerpt of {source_path}")
    for line, excerpt in found:
        if not excerpt.startswith(mark):
            sys.exit(f"{doc_path}:{line}: a block of C that does not begin with {mark}")
        excerpt = excerpt[len(mark):]
        if not excerpt.strip() or "\n" + excerpt not in text:
            sys.exit(f"{doc_path}:{line}: this is not what {source_path} says:\n{excerpt}")
    print(f"{len(found)} excerpts of {source_path}")


if __name__ == "__main__":
    main()
