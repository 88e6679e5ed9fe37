#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many moves at the same time on one machine: N pairs of gmem-source and gmem-pager, each with two example VMMs under
userfaultfd.  Every byte of every guest is checked, and what a service costs in memory while it has nothing to do.

    pairs.py [--pairs 64] [--mib 8] [--goal-kib 8192] PROGRAM...

PROGRAM...: paths of gmem-keygen, gmem-source, gmem-pager and example-vmm.

Memory is what the process has for itself, which is what one more of it costs: Private_Clean and Private_Dirty of
/proc/PID/smaps_rollup, without what is locked (Locked: buffers for pages, states and keys).  Pss has its share of what it
has in common with others besides.  The kernel's own memory for it (sockets, page tables, stacks) is in neither.  It is
looked at twice: when the services wait for their VMM, and when they are connected and a move is under way that has almost
nothing to do (one page a second, and a few faults of a guest that mostly sleeps).

Exit code 1: something is wrong, or a gmem-pager takes more than the goal at one of these moments.
"""
import argparse
import json
import os
import re
import socket
import sys
import tempfile
import time

sys.dont_write_bytecode = True	# nothing is left in the checkout
from services import SKIP, Services, Skipped, Wrong, make_keys  # noqa: E402

SERVICES = ("gmem-pager", "gmem-source")
SLEEPY_US = "100000"	# the destination's guest: 20 pages a second at most, so that nearly all is missing when it is looked at
BUSY_US = "1000"
TRICKLE = "4K"		# the least limit that there is


def memory_of(process):
    """In KiB: private without what is locked, Pss, locked."""
    with open(f"/proc/{process.child.pid}/smaps_rollup", encoding="ascii") as f:
        kib = {name: int(n) for name, n in re.findall(r"^(\w+): +(\d+) kB$", f.read(), re.M)}
    return kib["Private_Clean"] + kib["Private_Dirty"] - kib["Locked"], kib["Pss"], kib["Locked"]


def threads_of(process):
    return len(os.listdir(f"/proc/{process.child.pid}/task"))


class Pair:
    def __init__(self, programs, keys, directory, mib):
        self.programs, self.mib = programs, mib
        self.move = Services(programs, keys, directory)

    def start(self):
        self.services = {"gmem-pager": self.move.start_pager(), "gmem-source": self.move.start_source(
            "--background-limit", TRICKLE, "--control", self.move.path("a.control"))}

    def start_vmm(self, role, side, pause_us):
        return self.move.start(f"vmm-{role}", [self.programs["example-vmm"], role, self.move.path(f"{side}.sock"),
                                               str(self.mib), pause_us])

    def begin(self):
        self.destination.expect("ready")
        self.source.expect("runs")
        self.source.tell("move")

    def hear_begun(self):
        self.source.expect("moves")
        self.destination.expect("runs")
        for side in "ab":
            self.move.await_status(side, "RUNNING", lambda status: status["phase"] == "running")

    def release(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.move.path("a.control"))
            session = self.move.status("a")["session"]
            s.sendall(json.dumps({"verb": "limit", "session": session, "bytes_per_s": 0}).encode() + b"\n")
            answer = json.loads(s.recv(65536))
            if not answer["ok"]:
                raise Wrong(f"the limit cannot be lifted: {answer}")

    def finish(self):
        self.destination.expect("complete")
        self.destination.expect("right")
        self.source.expect("moved")
        for process in (self.destination, self.source, *self.services.values()):
            process.end()


def look(when, pairs):
    """Prints a row for each service; the largest figure of a gmem-pager."""
    for name in SERVICES:
        services = [pair.services[name] for pair in pairs]
        sizes = [memory_of(service) for service in services]
        private, pss, locked = ([size[i] for size in sizes] for i in range(3))
        mean = sum(private) / len(pairs)
        print(f"| {when} | {name} | {mean:.0f} | {max(private)} | {sum(pss) / len(pairs):.0f} | {max(locked)} |"
              f" {max(threads_of(service) for service in services)} |", flush=True)
        if name == "gmem-pager":
            worst = max(private)
    return worst


def move_all(programs, directory, n_pairs, mib):
    """Seconds that the moves took, and the two figures of memory."""
    pairs = []
    make_keys(programs["gmem-keygen"], directory)
    try:
        for i in range(n_pairs):
            pairs.append(Pair(programs, directory, f"{directory}/{i}", mib))
            pairs[-1].start()
        print("| when | service | KiB, mean | KiB, largest | Pss, mean | locked | threads |")
        print("|---|---|---|---|---|---|---|")
        alone = look("waiting for a VMM", pairs)
        for pair in pairs:
            pair.destination = pair.start_vmm("destination", "b", SLEEPY_US)
            pair.source = pair.start_vmm("source", "a", BUSY_US)
        for pair in pairs:
            pair.begin()
        for pair in pairs:
            pair.hear_begun()
        connected = look("connected, idle", pairs)
        if any(pair.services[name].child.poll() is not None for pair in pairs for name in SERVICES):
            raise Wrong("a move was over before it was looked at")
        begun = time.monotonic()
        for pair in pairs:
            pair.release()
        for pair in pairs:
            pair.finish()
        return time.monotonic() - begun, alone, connected
    finally:
        for pair in pairs:
            pair.move.end()


def parse():
    parser = argparse.ArgumentParser(description="Many moves at the same time on one machine.")
    parser.add_argument("--pairs", type=int, default=64)
    parser.add_argument("--mib", type=int, default=8, help="of each guest")
    parser.add_argument("--goal-kib", type=int, default=8192, help="of an idle gmem-pager, without its locked buffers; 0: none")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    options.programs = {os.path.basename(path): path for path in options.program}
    missing = {"gmem-keygen", "gmem-source", "gmem-pager", "example-vmm"} - set(options.programs)
    if missing or options.pairs < 1 or not 1 <= options.mib <= 1024:
        parser.error(f"no path of {', '.join(sorted(missing))}" if missing else "1 pair and 1 to 1024 MiB at least")
    return options


def main():
    options = parse()
    if os.geteuid() != 0:
        print("skipped: needs root, to look at the memory of processes that are not dumpable")
        return SKIP
    with tempfile.TemporaryDirectory(prefix="gmem-pairs-") as directory:
        try:
            seconds, alone, connected = move_all(options.programs, directory, options.pairs, options.mib)
        except Skipped as why:
            print("skipped:", why)
            return SKIP
        except Wrong as why:
            print("wrong:", why)
            return 1
    missed = options.goal_kib > 0 and max(alone, connected) > options.goal_kib
    print(f"pairs {options.pairs} mib {options.mib} right {options.pairs} seconds {seconds:.1f} pager_idle_kib {alone} "
          f"pager_connected_kib {connected} goal_kib {options.goal_kib} {'MISSED' if missed else 'met' if options.goal_kib else 'none'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
