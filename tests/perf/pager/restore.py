#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How soon a guest that is restored from a snapshot gives its first output, by the programs as they are on this machine: lazily,
with the working set of an earlier restore, and with everything read first.

    restore.py [--mib N] [--runs N] [--json FILE] GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER GMEMCTL UFFD_VMM

The guest is a process under userfaultfd that touches a tenth of its pages, one after another, and gives its output then.  The
time is from the start of the gmem-source that restores, with gmem-pager and the VMM waiting, and with a file that is not in
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

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../unit/pager"))
from snapshot_programs import Host  # noqa: E402

RECORD_S = 15		# of the first recording; four times as long if the guest was slower
RECORD_MAX_S = 1000

# How the guest touches its tenth: in runs of so many pages, at random.
GUESTS = {"runs": 64, "single": 1}

# name, guest, what is divided by the time with everything read first, goal
FIGURES = [
    ("restore_lazy_vs_full", "runs", "lazy", 0.25),
    ("restore_working_set_vs_full", "runs", "set", 0.25),
    ("restore_lazy_vs_full_single", "single", "lazy", None),
    ("restore_working_set_vs_full_single", "single", "set", None),
]

EXPLANATION = """
Ratios of the times to the guest's first output.  lazy: pages on demand, the rest behind them.  working_set: that of an
earlier restore first.  full: everything read first.  The guest touches runs of 64 pages at random; with _single, pages one
by one, which no window around a fault and no chunk of the file helps with."""


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


def cpu_seconds(*processes):
    """Used by now, all threads; on a machine that is busy with other things it says more than the clock."""
    ticks = 0
    for process in processes:
        with open(f"/proc/{process.pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def restore(host, args, root, guest, name, when, *options):
    """Seconds to the first output, by the clock and of the processors."""
    name = f"{guest}-{name}"
    ticket = host.ticket(f"ticket-{name}")
    pager = host.serve_pager(ticket)
    vmm = host.start([host.vmm, "tenth", host.path("pager.sock"), args.mib, when, str(GUESTS[guest])], f"vmm-{name}.log",
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    words(host, vmm, "attached")
    forget_file(host.path("vm.snap"))
    begun = time.monotonic()
    source = host.restore(ticket, "--snapshot-root", root, *options, log=f"restore-{name}.log")
    words(host, vmm, "runs", "output")
    took = time.monotonic() - begun, cpu_seconds(source, pager, vmm)
    words(host, vmm, "right")
    for process, what in ((vmm, "the VMM"), (pager, "gmem-pager"), (source, "gmem-source")):
        host.end_of(process, 0, f"{name}: {what}")
    return took


def record(host, args, root, guest, path):
    seconds = RECORD_S
    while True:
        took, _ = restore(host, args, root, guest, f"record-{seconds}", "at-once", "--working-set-to", path,
                          "--working-set-time", str(seconds))
        if took < seconds:	# from before the guest ran: the recording was not over
            return
        seconds *= 4
        host.need(seconds < RECORD_MAX_S, "the guest is too slow for any recording")


def measure(host, args, root, guest):
    path = host.path(f"{guest}.set")
    record(host, args, root, guest, path)
    runs = []
    for i in range(args.runs):
        run = {
            "lazy": restore(host, args, root, guest, f"lazy-{i}", "at-once"),
            "set": restore(host, args, root, guest, f"set-{i}", "at-once", "--working-set-from", path),
            "full": restore(host, args, root, guest, f"full-{i}", "whole"),
        }
        runs.append(run)
        print(f"{guest}, run {i + 1} of {args.runs}: " + ", ".join(f"{k} {v[0]:.3f} s (cpu {v[1]:.2f} s)"
                                                               for k, v in run.items()), flush=True)
    return runs


def report(runs, path):
    figures, missed = {}, []
    print(f"\n{'figure':<38}{'median':>9}{'min':>9}{'max':>9}  goal")
    for name, guest, what, goal in FIGURES:
        values = [run[what][0] / run["full"][0] for run in runs[guest]]
        value = statistics.median(values)
        figures[name] = {"value": value, "unit": "x", "goal": goal, "runs": values}
        verdict = ""
        if goal is not None:
            verdict = f"<= {goal} x: {'met' if value <= goal else 'NOT MET'}"
            if value > goal:
                missed.append(name)
        print(f"{name:<38}{value:>9.3f}{min(values):>9.3f}{max(values):>9.3f}  {verdict}")
    print(EXPLANATION)
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"figures": figures, "raw": runs}, f, indent=1)
    return 1 if missed else 0


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--mib", default="512")
    p.add_argument("--runs", type=int, default=3)
    p.add_argument("--json")
    p.add_argument("programs", nargs=5)
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="gmem-restore-") as directory:
        host = Host(args.programs, directory)
        try:
            root = suspend(host, args.mib)
            runs = {guest: measure(host, args, root, guest) for guest in GUESTS}
        finally:
            host.end()
    return report(runs, args.json)


if __name__ == "__main__":
    sys.exit(main())
