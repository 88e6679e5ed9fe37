#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where a running service has its secret keys.  Runs on the test host.

    look.py PIDFILE LOG KEY-FILE...

PIDFILE names the shell whose child the service is.  No key may be in its arguments, environment or log, or in memory that
a core would have; each must be somewhere, else this sees nothing.
"""
import importlib.util
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
UNIT = os.path.join(HERE, "../../unit/pager/secrets.py")


def load_checks():
    spec = importlib.util.spec_from_file_location("unit_secrets", UNIT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(pid_file, log, *key_files):
    sys.dont_write_bytecode = True
    checks = load_checks()
    shell = open(pid_file).read().strip()
    pid = int(subprocess.run(["pgrep", "-P", shell], check=True, capture_output=True, text=True).stdout.split()[0])
    for path in key_files:
        secret = bytes.fromhex(open(path).read().strip().removeprefix("ed25519:"))
        checks.clean(checks.read(f"/proc/{pid}/cmdline"), secret, f"{path}: the command line")
        checks.clean(checks.read(f"/proc/{pid}/environ"), secret, f"{path}: the environment")
        checks.clean(checks.read(log), secret, f"{path}: {log}")
        n = checks.check_memory(pid, secret, path)
        print(f"{path}: in {n} mappings of {pid}, none of them dumped")
    checks.check(re.search(rb"Max core file size\s+0\s+0", checks.read(f"/proc/{pid}/limits")), "it may write a core")
    os.kill(pid, 0)  # it lived while it was looked at
    return 1 if checks.failures else 0


sys.exit(main(*sys.argv[1:]))
