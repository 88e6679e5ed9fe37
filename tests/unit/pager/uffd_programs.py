#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A VM of shared memory moves by userfaultfd, through gmem-source and gmem-pager as they are installed: once with
nothing in the way, once with gmem-pager, once with gmem-source killed in the middle and started again.

    uffd_programs.py GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER UFFD_VMM
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

MIB = "64"
SKIP = 77
TIMEOUT = 240


def run(*command):
    subprocess.run(command, check=True, timeout=120)


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


class Move:
    def __init__(self, programs, directory, limit):
        keygen, self.source, self.pager, self.vmm = programs
        self.directory = directory
        self.address = free_address()
        self.limit = limit
        self.processes = []
        for name in "ab":
            run(keygen, "--private", f"{directory}/{name}.key", "--public", f"{directory}/{name}.pub")
        run(keygen, "--id", f"{directory}/ticket")

    def path(self, name):
        return f"{self.directory}/{name}"

    def start(self, command, log, **more):
        with open(self.path(log), "a", encoding="utf-8") as f:
            process = subprocess.Popen(command, stderr=f, text=True, **more)
        self.processes.append(process)
        return process

    def serve_pager(self):
        return self.start([self.pager, "--listen", self.address, "--key", self.path("b.key"), "--peer",
                           self.path("a.pub"), "--ticket", self.path("ticket"), "--state-dir", self.path("state-b"),
                           "--socket", self.path("pager.sock")], "pager.log")

    def serve_source(self):
        return self.start([self.source, "--connect", self.address, "--key", self.path("a.key"), "--peer",
                           self.path("b.pub"), "--ticket", self.path("ticket"), "--state-dir", self.path("state-a"),
                           "--socket", self.path("source.sock"), "--background-limit", self.limit], "source.log")

    def run_vmm(self, role, service):
        return self.start([self.vmm, role, self.path(f"{service}.sock"), MIB], f"vmm-{role}.log",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def fail(self, why):
        print("wrong:", why)
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                print(f"--- {name}")
                with open(self.path(name), encoding="utf-8") as f:
                    print(f.read())
        sys.exit(1)

    def hear(self, vmm, word):
        line = vmm.stdout.readline().strip()
        if line != word:
            if vmm.wait(timeout=TIMEOUT) == SKIP:
                print("skipped: userfaultfd is not to be had here (vm.unprivileged_userfaultfd, /dev/userfaultfd)")
                sys.exit(SKIP)
            self.fail(f"a VMM says {line!r} in place of {word!r}")

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def move(programs, directory, limit, killed):
    m = Move(programs, directory, limit)
    try:
        begun = time.monotonic()
        pager, source = m.serve_pager(), m.serve_source()
        destination_vmm = m.run_vmm("destination", "pager")
        m.hear(destination_vmm, "attached")
        source_vmm = m.run_vmm("source", "source")
        for word in ("attached", "given"):
            m.hear(source_vmm, word)
        m.hear(destination_vmm, "quarter")
        if killed == "pager":
            pager.send_signal(signal.SIGKILL)
            pager.wait()
        elif killed == "source":
            source.send_signal(signal.SIGKILL)
            source.wait()
        destination_vmm.stdin.write("go\n")
        destination_vmm.stdin.flush()
        if killed:
            time.sleep(0.5)	# threads meet pages that nobody brings
            if destination_vmm.poll() is not None:
                m.fail("the destination went on without its pages")
        if killed == "pager":
            pager = m.serve_pager()
        elif killed == "source":
            source = m.serve_source()
        m.hear(destination_vmm, "complete")
        figures = destination_vmm.stdout.readline().strip()
        m.hear(destination_vmm, "right")
        m.hear(source_vmm, "complete")
        for process, name in ((destination_vmm, "destination"), (source_vmm, "source"), (pager, "gmem-pager"),
                              (source, "gmem-source")):
            if process.wait(timeout=TIMEOUT) != 0:
                m.fail(f"{name}: exit code {process.returncode}")
        with open(m.path("pager.log"), encoding="utf-8") as f:
            if "by the backend uffd" not in f.read():
                m.fail("the log does not name the backend")
        print(f"{killed or 'nothing'} killed, {MIB} MiB, {time.monotonic() - begun:.1f} s: {figures}")
    finally:
        m.end()


def main(*programs):
    for limit, killed in (("0", None), ("1M", "pager"), ("1M", "source")):
        with tempfile.TemporaryDirectory(prefix="gmem-uffd-") as directory:
            move(programs, directory, limit, killed)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
