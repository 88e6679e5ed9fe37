#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One move inside a test host, measured: a line of JSON.

    run.py KIND --kernel BZIMAGE --initrd CPIO --build DIRECTORY

KIND: qemu, qemu_tls, gmem or gmem_plain.
"""
import argparse
import json
import os
import sys
import tempfile

import gmem
import measure
import qemu

MOVES = {"qemu": qemu.move, "qemu_tls": qemu.move, "gmem": gmem.move, "gmem_plain": gmem.move}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("kind", choices=MOVES)
    p.add_argument("--kernel", required=True)
    p.add_argument("--initrd", required=True)
    p.add_argument("--build", required=True)
    options = p.parse_args()
    os.nice(-20)
    measure.prepare()
    with tempfile.TemporaryDirectory(dir="/run") as directory:
        try:
            print(json.dumps(MOVES[options.kind](directory, options)))
        except (SystemExit, OSError) as e:
            print(f"{options.kind}: {e}", file=sys.stderr)
            for name in sorted(name for name in os.listdir(directory) if name.endswith((".log", ".console"))):
                lines = measure.read(f"{directory}/{name}").splitlines()[-12:]
                print(f"--- {name}", *lines, sep="\n", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
