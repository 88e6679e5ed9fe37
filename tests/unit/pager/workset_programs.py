#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The working set of a restore, by the programs as they are: a VM is suspended, restored with its working set recorded,
restored without it, and restored with it; each guest touches the same tenth of its pages.  What is compared is the number of
pages that the guest had to ask for.  Then the sets that are refused.

    workset_programs.py GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER GMEMCTL UFFD_VMM
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import snapshot_programs  # noqa: E402
from snapshot_programs import TIMEOUT, Host  # noqa: E402

MIB = 32
PAGES = MIB << 8
HELD = "4K"	# of the background stream: a page a second
FLOWS = "1M"
CHUNK = 64	# pages that come with one that is wanted
RECORD = 64	# pages of the set that may be counted as sent in one place, and not yet in the other
RUN = 8		# pages that the guest touches together: half of all chunks are left alone then
FIRST = 4	# seconds of the first recording


class Restore:
    """One restore of the host's snapshot, up to a guest that runs and waits for a word."""

    def __init__(self, host, name, root, *options):
        self.host, self.name = host, name
        ticket = host.ticket(f"ticket-{name}")
        self.pager = host.serve_pager(ticket, "--control", host.path("pager.ctl"))
        self.source = host.restore(ticket, "--snapshot-root", root, "--control", host.path("ctl"), *options,
                                   log=f"restore-{name}.log")
        self.vmm = host.start([host.vmm, "tenth", host.path("pager.sock"), str(MIB), "told", str(RUN)], f"vmm-{name}.log",
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        host.hear(self.vmm, "attached")
        host.hear(self.vmm, "runs")

    def ctl(self, *words):
        return subprocess.run([self.host.ctl, *words, "--socket", self.host.path("ctl")], capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)

    def status(self, name="ctl"):
        """As of now: one with a map is looked up for who asks.  None: the service has ended."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(TIMEOUT)
                s.connect(self.host.path(name))
                s.sendall(b'{"verb":"status","map":1}\n')
                with s.makefile() as f:
                    line = f.readline()
        except (ConnectionError, FileNotFoundError):
            return None
        return json.loads(line)["status"] if line else None

    def wait(self, condition, what, name="ctl"):
        deadline = time.monotonic() + TIMEOUT
        status = self.status(name)
        while status is None or not condition(status):
            self.host.need(status is not None and time.monotonic() < deadline, f"{self.name}: never {what}: {status}")
            time.sleep(0.05)
            status = self.status(name)
        return status

    def limit(self, rate):
        self.host.need(self.ctl("limit", self.status()["session"], rate).returncode == 0, f"{self.name}: the limit is not taken")

    def touch(self):
        self.vmm.stdin.write("go\n")
        self.vmm.stdin.flush()
        self.host.hear(self.vmm, "output")

    def end(self):
        self.host.hear(self.vmm, "right")
        for process, name in ((self.vmm, "the VMM"), (self.pager, "gmem-pager"), (self.source, "gmem-source")):
            self.host.end_of(process, 0, f"{self.name}: {name}")


def suspend(host, ticket):
    source = host.write_snapshot(host.ticket(ticket))
    vmm = host.start([host.vmm, "source", host.path("source.sock"), str(MIB)], "vmm-source.log", stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
    for word in ("attached", "given", "complete"):
        host.hear(vmm, word)
    host.end_of(vmm, 0, "the VMM of the source")
    root = source.stdout.read().strip()
    host.end_of(source, 0, "gmem-source that suspends")
    return root


def record_for(host, root, seconds):
    """None: the machine took longer than that for a tenth of the pages."""
    run = Restore(host, f"record-{seconds}", root, "--working-set-to", host.path("vm.set"), "--working-set-time", str(seconds))
    run.touch()
    status = run.status()
    run.end()
    found = status["snapshot"]["working_set"] if status else {"state": "written"}
    return found["pages"] if found["state"] == "recording" else None


def record(host, root):
    seconds = FIRST
    pages = record_for(host, root, seconds)
    while pages is None:
        seconds *= 4
        host.need(seconds < TIMEOUT, "the guest was too slow for any recording")
        pages = record_for(host, root, seconds)
    host.need(f"a working set of {pages} pages is recorded" in host.log(f"restore-record-{seconds}.log"),
              "the log does not name the set")
    stat = os.stat(host.path("vm.set"))
    host.need(stat.st_mode & 0o777 == 0o600, "the mode of the set's file")
    host.need(stat.st_size == 96 + PAGES // 8, f"{stat.st_size} bytes of a set")
    host.need(not os.path.exists(host.path("vm.set.partial")), "vm.set.partial is left over")
    return pages


def lazily(host, root):
    run = Restore(host, "lazy", root, "--background-limit", HELD)
    run.touch()
    status = run.status()
    host.need(status["snapshot"]["working_set"] is None, "a working set out of nothing")
    run.limit("0")
    run.end()
    return status["faults"]["events"]


def with_it(host, root, pages):
    """The rest of memory is held back once the set is there, so that it is the set that has made the difference."""
    run = Restore(host, "replay", root, "--background-limit", FLOWS, "--working-set-from", host.path("vm.set"))
    sent = run.wait(lambda s: s["pages"]["background"] > s["snapshot"]["working_set"]["sent"] + RECORD, "all sent")
    run.limit(HELD)
    run.wait(lambda s: s["pages"]["background"] + s["pages"]["duplicate"] >= sent["pages"]["background"], "all there",
             "pager.ctl")
    run.touch()
    status = run.status()
    host.need(status["pages"]["background"] < PAGES * 9 // 10, f"the whole VM was there, not the set alone: {status}")
    run.limit("0")
    run.end()
    found = status["snapshot"]["working_set"]
    host.need(found["state"] == "replayed" and found["pages"] == pages, f"what the status says of the set: {found}")
    return status["faults"]["events"], found


def refused(host, name, root, sentence, change=None):
    """Before anybody is dialled: no pager is there, and none was waited for."""
    path = host.path("vm.set")
    with open(path, "rb") as f:
        whole = f.read()
    with open(path, "wb") as f:
        f.write(change(whole) if change else whole)
    log = f"refused-{name}.log"
    host.end_of(host.restore(host.ticket(f"ticket-{name}"), "--snapshot-root", root, "--working-set-from", path, log=log), 1,
                name)
    host.need(sentence in host.log(log), f"{name}: the log does not say {sentence!r}")
    with open(path, "wb") as f:
        f.write(whole)


def refusals(host, root):
    refused(host, "flipped", root, "was altered", lambda b: b[:200] + bytes([b[200] ^ 1]) + b[201:])
    refused(host, "cut", root, "is cut short", lambda b: b[:-1])
    refused(host, "version", root, "is a working set of another version", lambda b: b[:8] + b"\x02" + b[9:])
    snapshot = host.path("vm.snap")
    log = "replaced.log"
    host.end_of(host.restore(host.ticket("ticket-replaced"), "--snapshot-root", root, "--working-set-to", snapshot, log=log),
                1, "a set in the snapshot's place")
    host.need("is no working set: name another file" in host.log(log), "it is not said why")
    os.unlink(snapshot)
    other = suspend(host, "ticket-again")
    refused(host, "other", other, "is of another snapshot")


def main(*programs):
    snapshot_programs.MIB = str(MIB)
    with tempfile.TemporaryDirectory(prefix="gmem-workset-") as directory:
        host = Host(programs, directory)
        try:
            root = suspend(host, "ticket-suspend")
            pages = record(host, root)
            lazy = lazily(host, root)
            faults, found = with_it(host, root, pages)
            print(f"the guest touches a tenth of {PAGES} pages: {lazy} faults; {pages} pages recorded; with them {faults} "
                  f"faults ({found})")
            host.need(pages > PAGES // 20, f"{pages} pages of {PAGES} are no tenth")
            host.need(lazy > PAGES // CHUNK // 3, f"{lazy} faults without a set")
            host.need(faults * 20 <= lazy, f"{faults} faults with the set, {lazy} without it")
            refusals(host, root)
        finally:
            host.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
