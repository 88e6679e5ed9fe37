#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The system calls that a sealed process may make, from comments beside the code that makes them.

    calls.py SECCOMP_HEADER OUTPUT SOURCE...

In a source, alone on their lines:

    /* syscalls: sendmsg recvmsg poll */
    /* ioctls: KVM_DP_MARK KVM_DP_QUERY */

A longer list is several comments.  OUTPUT has CALL(name) and IOCTL(name) once for each, with the files that want it.
A name that libseccomp does not know is an error, and so is a comment that looks like one of these and is none.
"""
import os
import re
import sys

COMMENT = re.compile(r"^\s*/\* (syscalls|ioctls): ([A-Za-z0-9_ ]+) \*/$")
ALIKE = re.compile(r"/\*.*\b(syscalls?|ioctls?):", re.IGNORECASE)


def known_calls(header):
    with open(header, encoding="utf-8") as f:
        return set(re.findall(r"^#define __SNR_(\w+)", f.read(), re.MULTILINE))


def collect(sources, known):
    wanted = {"syscalls": {}, "ioctls": {}}
    errors = []
    for source in sources:
        with open(source, encoding="utf-8") as f:
            lines = f.read().splitlines()
        for number, line in enumerate(lines, 1):
            match = COMMENT.match(line)
            if match is None:
                if ALIKE.search(line):
                    errors.append(f"{source}:{number}: neither '/* syscalls: NAME... */' nor '/* ioctls: NAME... */'")
                continue
            for name in match[2].split():
                if match[1] == "syscalls" and name not in known:
                    errors.append(f"{source}:{number}: {name} is no system call that libseccomp knows")
                wanted[match[1]].setdefault(name, set()).add(os.path.basename(source))
    return wanted, errors


def write(output, wanted):
    with open(output, "w", encoding="utf-8") as f:
        f.write("/* Made by calls.py from the comments in the files that are named. */\n")
        for macro, kind in (("CALL", "syscalls"), ("IOCTL", "ioctls")):
            for name, files in sorted(wanted[kind].items()):
                f.write(f"{macro}({name})\t/* {' '.join(sorted(files))} */\n")


def main(header, output, *sources):
    wanted, errors = collect(sources, known_calls(header))
    if not wanted["syscalls"]:
        errors.append("no file has a list of system calls")
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        return 1
    write(output, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
