#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write a newc cpio with one program as /init: mkinitramfs.py PROGRAM OUT.

Device nodes are entries of the archive, so no privilege is needed to make them.
"""
import sys


def entry(number, name, mode, data=b"", rdev=(0, 0)):
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(path), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
    head += b"\0" * (-len(head) % 4)
    return head + data + b"\0" * (-len(data) % 4)


def main():
    program, out = sys.argv[1:]
    with open(program, "rb") as file:
        init = file.read()
    entries = [
        ("dev", 0o040755, b"", (0, 0)),
        ("dev/console", 0o020600, b"", (5, 1)),
        ("proc", 0o040755, b"", (0, 0)),
        ("init", 0o100755, init, (0, 0)),
        ("TRAILER!!!", 0, b"", (0, 0)),
    ]
    with open(out, "wb") as file:
        for number, (name, mode, data, rdev) in enumerate(entries, 1):
            file.write(entry(number, name, mode, data, rdev))


if __name__ == "__main__":
    main()
