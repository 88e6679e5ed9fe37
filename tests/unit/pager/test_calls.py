#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The table of system calls is what the comments say, and a comment that is wrong stops the build.

    test_calls.py CALLS_PY SECCOMP_HEADER TABLE
"""
import os
import re
import subprocess
import sys
import tempfile

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("wrong:", what)


def make(calls, header, *texts):
    """Exit code, what is said, the table or None."""
    with tempfile.TemporaryDirectory() as directory:
        names = []
        for i, text in enumerate(texts):
            names.append(f"{directory}/file{i}.c")
            with open(names[-1], "w", encoding="utf-8") as f:
                f.write(text)
        done = subprocess.run([calls, header, f"{directory}/table", *names], capture_output=True, text=True, timeout=60)
        table = None
        if os.path.exists(f"{directory}/table"):
            with open(f"{directory}/table", encoding="utf-8") as f:
                table = f.read().splitlines()[1:]
        return done.returncode, done.stderr, table


def check_merging(*make_args):
    code, said, table = make(*make_args, "/* syscalls: poll read */\n\t/* syscalls: read */\nint x; /* about files */\n",
                             "/* syscalls: close read */\n/* ioctls: FIONBIO */\n")
    check(code == 0, said)
    check(table == ["CALL(close)\t/* file1.c */", "CALL(poll)\t/* file0.c */", "CALL(read)\t/* file0.c file1.c */",
                    "IOCTL(FIONBIO)\t/* file1.c */"], f"merged: {table}")


def check_refusals(*make_args):
    for text, sentence in (
            ("\n/* syscalls: read raed */\n", r"file0\.c:2: raed is no system call"),
            ("/* syscalls: read, poll */\n", r"file0\.c:1: neither"),
            ("/* syscall: read */\n", r"file0\.c:1: neither"),
            ("/* Syscalls: read */\n", r"file0\.c:1: neither"),
            ("/* syscalls: read */ int x;\n", r"file0\.c:1: neither"),
            ("int x; /* syscalls: read */\n", r"file0\.c:1: neither"),
            ("/* nothing */\n", r"no file has a list")):
        code, said, table = make(*make_args, text)
        check(code == 1 and table is None and re.search(sentence, said), f"{text!r}: {code} {said}")


def check_table(path):
    """Of the programs: calls that a service may never have are in no comment."""
    with open(path, encoding="utf-8") as f:
        calls = set(re.findall(r"^CALL\((\w+)\)", f.read(), re.M))
    never = {"execve", "execveat", "fork", "vfork", "clone3", "ptrace", "bpf", "io_uring_setup", "userfaultfd", "mount", "seccomp",
             "setuid", "kill", "open_by_handle_at", "process_vm_readv", "memfd_create", "unshare", "chmod", "socketpair"}
    check(len(calls) > 60, f"the table has {len(calls)} calls")
    check(not calls & never, f"the table has {sorted(calls & never)}")


def main(calls, header, table):
    check_merging(calls, header)
    check_refusals(calls, header)
    check_table(table)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
