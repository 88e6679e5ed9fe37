#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How soon a guest that is restored from a snapshot gives its first output, by the programs as they are on this machine: lazily,
with the working set of an earlier restore, and with everything read first.

    restore.py [--mib N] [--runs N] [--spread PAGES] [--json FILE] GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER GMEMCTL UFFD_VMM

The guest is a process under userfaultfd that touches a tenth of its pages at random, one after another, and gives its output then;
the time is from the start of the gmem-source that restores, with gmem-pager and the VMM waiting, and a file that is not in
the page cache as far as the kernel can be told.  In one run all three restore the same snapshot, one after another.  A
figure is the median of its runs' ratios; the exit code is 1 if a goal is missed.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../unit/pager"))
from snapshot_programs import Host  # noqa: E402

RECORD_S = 120

# name, what is divided by the time with everything read first, goal
FIGURES = [("restore_lazy_vs_full", "lazy", 0.25), ("restore_working_set_vs_full", "set", None)]


def words(host, vmm, *expected):
    for word in expected:
        host.hear(vmm, word)


def suspend(host, mib):
    source = host.write_snapshot(host.ticket("ticket-suspend"))
    vmm = host.start([host.vmm, "source", host.path("source.sock"), mib], "vmm-source.log", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    words(host, vmm, "attached", "given", "complete")
    host.end_of(vmm, 0, "the VMM of the source")
    root = source.stdout.read().strip()
    host.end_of(source, 0, "gmem-source that suspends")
    return root


def forget_file(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def restore(host, args, root, name, when, *options):
    """Seconds to the first output."""
    ticket = host.ticket(f"ticket-{name}")
    pager = host.serve_pager(ticket)
    vmm = host.start([host.vmm, "tenth", host.path("pager.sock"), args.mib, when], f"vmm-{name}.log", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    words(host, vmm, "attached")
    forget_file(host.path("vm.snap"))
    begun = time.monotonic()
    source = host.restore(ticket, "--snapshot-root", root, *options, log=f"restore-{name}.log")
    words(host, vmm, "runs", "output")
    took = time.monotonic() - begun
    words(host, vmm, "right")
    for process, what in ((vmm, "the VMM"), (pager, "gmem-pager"), (source, "gmem-source")):
        host.end_of(process, 0, f"{name}: {what}")
    return took


def measure(host, args):
    root = suspend(host, args.mib)
    path = host.path("vm.set")
    restore(host, args, root, "record", "at-once", "--working-set-to", path, "--working-set-time", str(args.record))
    runs = []
    for i in range(args.runs):
        run = {
            "lazy": restore(host, args, root, f"lazy-{i}", "at-once"),
            "set": restore(host, args, root, f"set-{i}", "at-once", "--working-set-from", path),
            "full": restore(host, args, root, f"full-{i}", "whole"),
        }
        runs.append(run)
        print(f"run {i + 1} of {args.runs}: " + ", ".join(f"{k} {v:.3f} s" for k, v in run.items()), flush=True)
    return runs


def report(runs, path):
    figures, missed = {}, []
    print(f"\n{'figure':<30}{'median':>9}{'min':>9}{'max':>9}  goal")
    for name, what, goal in FIGURES:
        values = [run[what] / run["full"] for run in runs]
        value = statistics.median(values)
        figures[name] = {"value": value, "unit": "x", "goal": goal, "runs": values}
        verdict = ""
        if goal is not None:
            verdict = f"<= {goal} x: {'met' if value <= goal else 'NOT MET'}"
            if value > goal:
                missed.append(name)
        print(f"{name:<30}{value:>9.3f}{min(values):>9.3f}{max(values):>9.3f}  {verdict}")
    print("\nfull: everything read first.  lazy: pages on demand, the rest behind them.  set: the working set of an earlier "
          "restore\nfirst.  Ratios of the times to the guest's first output.")
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"figures": figures, "raw": runs}, f, indent=1)
    return 1 if missed else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--mib", default="512")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--record", type=int, default=RECORD_S)
    p.add_argument("--json")
    p.add_argument("programs", nargs=5)
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="gmem-restore-") as directory:
        host = Host(args.programs, directory)
        try:
            runs = measure(host, args)
        finally:
            host.end()
    return report(runs, args.json)


if __name__ == "__main__":
    sys.exit(main())
