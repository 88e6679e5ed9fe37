#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A VM of shared memory is suspended into a file by gmem-source, and restored from it to a gmem-pager, with the sandbox that
they have by themselves, and with another user if root runs this: once with nothing in the way, once with the gmem-source that restores killed in the middle.  Then
what is refused, a disk that is full, and a gmem-source that is killed while it writes.

    snapshot_programs.py GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER GMEMCTL UFFD_VMM
"""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time

MIB = "64"
NOBODY = 65534
SKIP = 77
TIMEOUT = 400


def run(*command):
    subprocess.run(command, check=True, timeout=TIMEOUT)


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


class Host:
    """Hosts a (has the VM), b (gets it) and c (restores) in one folder."""

    def __init__(self, programs, directory):
        self.keygen, self.source, self.pager, self.ctl, self.vmm = programs
        self.directory = directory
        self.address = free_address()
        self.processes = []
        self.user = []
        if os.geteuid() == 0:
            os.chown(directory, NOBODY, NOBODY)
            self.user = ["--user", f"{NOBODY}:{NOBODY}"]
        for name in "abcd":
            run(self.keygen, "--private", self.path(f"{name}.key"), "--public", self.path(f"{name}.pub"))

    def path(self, name):
        return f"{self.directory}/{name}"

    def ticket(self, name):
        run(self.keygen, "--id", self.path(name))
        return self.path(name)

    def start(self, command, log, **more):
        with open(self.path(log), "a", encoding="utf-8") as f:
            process = subprocess.Popen(command, stderr=f, text=True, **more)
        self.processes.append(process)
        return process

    def log(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def fail(self, why):
        print("wrong:", why)
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                print(f"--- {name}\n{self.log(name)}")
        sys.exit(1)

    def need(self, condition, why):
        if not condition:
            self.fail(why)

    def hear(self, vmm, word):
        line = vmm.stdout.readline().strip()
        if line != word:
            if vmm.wait(timeout=TIMEOUT) == SKIP:
                print("skipped: userfaultfd is not to be had here (vm.unprivileged_userfaultfd, /dev/userfaultfd)")
                sys.exit(SKIP)
            self.fail(f"a VMM says {line!r} in place of {word!r}")

    def end_of(self, process, code, name):
        self.need(process.wait(timeout=TIMEOUT) == code, f"{name}: exit code {process.returncode} in place of {code}")

    def run_vmm(self, role, service):
        return self.start([self.vmm, role, self.path(f"{service}.sock"), MIB], f"vmm-{role}.log",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def write_snapshot(self, ticket, log="suspend.log", **more):
        return self.start([self.source, "--snapshot-to", self.path("vm.snap"), "--key", self.path("a.key"), "--peer",
                           self.path("c.pub"), "--ticket", ticket, "--state-dir", self.path("state-a"), "--socket",
                           self.path("source.sock"), "--linger", "1000", *self.user], log, stdout=subprocess.PIPE, **more)

    def restore(self, ticket, *options, key="c", writer="a", log="restore.log"):
        return self.start([self.source, "--snapshot-from", self.path("vm.snap"), "--key", self.path(f"{key}.key"),
                           "--snapshot-writer", self.path(f"{writer}.pub"), "--peer", self.path("b.pub"), "--ticket", ticket,
                           "--connect", self.address, "--state-dir", self.path("state-c"), *self.user, *options], log)

    def serve_pager(self, ticket, *options):
        return self.start([self.pager, "--listen", self.address, "--key", self.path("b.key"), "--peer",
                           self.path("c.pub"), "--ticket", ticket, "--state-dir", self.path("state-b"), "--socket",
                           self.path("pager.sock"), *self.user, *options], "pager.log")

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def suspend(host, ticket="ticket-1"):
    begun = time.monotonic()
    source = host.write_snapshot(host.ticket(ticket))
    vmm = host.run_vmm("source", "source")
    for word in ("attached", "given", "complete"):
        host.hear(vmm, word)
    host.end_of(vmm, 0, "the VMM of the source")
    root = source.stdout.read().strip()
    host.end_of(source, 0, "gmem-source that suspends")
    host.need(re.fullmatch("[0-9a-f]{64}", root), f"no root on stdout: {root!r}")
    host.need(f"root {root}" in host.log("suspend.log"), "the log does not name the root")
    host.need(not os.path.exists(host.path("vm.snap.partial")), "vm.snap.partial is left over")
    stat = os.stat(host.path("vm.snap"))
    host.need(stat.st_mode & 0o777 == 0o600, "the mode of the file")
    host.need(stat.st_uid == (NOBODY if host.user else os.geteuid()), "whose the file is")
    print(f"suspended, {MIB} MiB, {time.monotonic() - begun:.1f} s, {os.path.getsize(host.path('vm.snap'))} bytes")
    return root


def restored(host, ticket, root, killed):
    limit = "1M" if killed else "0"
    begun = time.monotonic()
    pager = host.serve_pager(ticket)
    source = host.restore(ticket, "--snapshot-root", root, "--background-limit", limit)
    vmm = host.run_vmm("destination", "pager")
    host.hear(vmm, "attached")
    host.hear(vmm, "quarter")
    if killed:
        source.send_signal(signal.SIGKILL)
        source.wait()
    vmm.stdin.write("go\n")
    vmm.stdin.flush()
    if killed:
        time.sleep(0.5)	# threads meet pages that nobody brings
        host.need(vmm.poll() is None, "the destination went on without its pages")
        source = host.restore(ticket, "--snapshot-root", root)
    host.hear(vmm, "complete")
    figures = vmm.stdout.readline().strip()
    host.hear(vmm, "right")
    for process, name in ((vmm, "the VMM of the destination"), (pager, "gmem-pager"), (source, "gmem-source")):
        host.end_of(process, 0, name)
    demand, background = (int(re.search(f"{what} ([0-9]+)", figures)[1]) for what in ("demand", "background"))
    host.need(demand > 0 and background > 0, f"pages by one way alone: {figures}")
    print(f"restored, {'killed once, ' if killed else ''}{time.monotonic() - begun:.1f} s: {figures}")


def refused(host, name, code, sentence, *args, **names):
    log = f"refused-{name}.log"
    host.end_of(host.restore(host.ticket(f"ticket-{name}"), *args, log=log, **names), code, name)
    host.need(sentence in host.log(log), f"{name}: the log does not say {sentence!r}")


def refusals(host, root):
    other = "0" * 64
    refused(host, "recipient", 1, "is for another recipient than this host's --key", "--snapshot-root", root, key="d")
    refused(host, "writer", 1, "was written by another host than --snapshot-writer names", "--snapshot-root", root,
            writer="d")
    refused(host, "root", 1, "is not the one that --snapshot-root names", "--snapshot-root", other)
    refused(host, "no-root", 1, "only --allow-rollback takes that")
    with open(host.path("vm.snap"), "r+b") as f:
        f.seek(-1, os.SEEK_END)
        last = f.read(1)
        f.seek(-1, os.SEEK_END)
        f.write(bytes([last[0] ^ 1]))
    refused(host, "flipped", 1, "was altered", "--snapshot-root", root)
    with open(host.path("vm.snap"), "r+b") as f:
        f.seek(-1, os.SEEK_END)
        f.write(last)
    # as a restore before it did, and nobody listens: refused before anybody is dialled
    host.end_of(host.restore(host.path("ticket-2"), "--snapshot-root", root, log="again.log"), 2, "a second restore")
    host.need("this ticket was used before" in host.log("again.log"), "a second restore with one ticket is not refused")


def rollback(host, root):
    source = host.restore(host.ticket("ticket-old"), "--allow-rollback", "--control", host.path("ctl"), "--connect-timeout",
                          "600000", log="old.log")
    deadline = time.monotonic() + TIMEOUT
    while True:
        done = subprocess.run([host.ctl, "status", "--json", "--socket", host.path("ctl")], capture_output=True, text=True,
                              timeout=TIMEOUT, check=False)
        if done.returncode == 0:
            break
        host.need(source.poll() is None and time.monotonic() < deadline, "there is no status of a restore")
        time.sleep(0.1)
    snapshot = json.loads(done.stdout)["status"]["snapshot"]
    host.need(snapshot == {"root": root, "may_be_old": True, "working_set": None}, f"what the status says of the snapshot: {snapshot}")
    host.need("MAY BE AN OLD ONE" in host.log("old.log"), "the log does not say that a rollback was allowed")
    source.send_signal(signal.SIGTERM)
    host.end_of(source, 3, "a restore that was ended")


def full_disk(host):
    os.unlink(host.path("vm.snap"))
    limit = 4 << 20
    source = host.write_snapshot(host.ticket("ticket-full"), "full.log",
                                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    vmm = host.run_vmm("source", "source")
    host.hear(vmm, "attached")
    host.end_of(vmm, 1, "a VMM whose snapshot failed")
    host.need("make room, or name a file on another file system" in host.log("vmm-source.log"), "the VMM is not told why")
    host.end_of(source, 3, "gmem-source without room")
    for name in ("vm.snap", "vm.snap.partial"):
        host.need(not os.path.exists(host.path(name)), f"{name} is left over")


def own_records(host, uid):
    """gmemctl looks at records of its own user alone; where the services have another one, they change hands for it."""
    if host.user:
        folder = host.path("state-a")
        for name in [".", *os.listdir(folder)]:
            os.chown(f"{folder}/{name}", uid, uid)


def session_of(host, ticket, *words):
    """gmemctl session about the side that suspends; what it printed."""
    with open(ticket, encoding="utf-8") as f:
        session = f.read().strip()
    own_records(host, 0)
    done = subprocess.run([host.ctl, "session", words[0], session, *words[1:], "--state-dir", host.path("state-a")],
                          capture_output=True, text=True, timeout=TIMEOUT, check=False)
    own_records(host, NOBODY)
    host.need(done.returncode == 0, f"gmemctl session {words[0]}: {done.stderr}")
    return done.stdout


def full_file_system(host):
    """A file system that is full, and not a limit of this process."""
    if os.geteuid() != 0:
        print("skipped: a full file system: only root can mount one")
        return
    ticket = host.ticket("ticket-enospc")
    small, listing = host.path("small"), host.path("listing")
    os.mkdir(small)
    mount = f"mount -t tmpfs -o size=4m,mode=700,uid={NOBODY},gid={NOBODY} tmpfs {small} || exit 100"
    script = f'{mount}; "$@"; code=$?; ls -A {small} >{listing} || exit 101; exit $code'
    source = host.start(["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", host.source,
                         "--snapshot-to", f"{small}/vm.snap", "--key", host.path("a.key"), "--peer", host.path("c.pub"),
                         "--ticket", ticket, "--state-dir", host.path("state-a"), "--socket", host.path("source.sock"),
                         "--linger", "1000", *host.user], "enospc.log", stdout=subprocess.PIPE)
    vmm = host.run_vmm("source", "source")
    host.hear(vmm, "attached")
    host.end_of(vmm, 1, "a VMM whose snapshot found no room")
    host.need(host.log("vmm-source.log").count("No space left on device: make room, or name a file on another file system") == 1,
              "the VMM is not told why")
    host.end_of(source, 3, "gmem-source on a full file system")	# aborted: the guest may run on
    host.need(host.log("listing") == "", f"something is left on the full file system: {host.log('listing')!r}")
    host.need("ABORTED" in session_of(host, ticket, "show"), "the record does not say that the guest goes on")


def kill_while_writing(host, name):
    """None: it was done before it could be killed."""
    ticket = host.ticket(name)
    source = host.write_snapshot(ticket, f"{name}.log")
    vmm = host.run_vmm("source", "source")
    host.hear(vmm, "attached")
    partial = host.path("vm.snap.partial")
    while source.poll() is None and (not os.path.exists(partial) or os.path.getsize(partial) < 1 << 20):
        time.sleep(0.001)
    source.send_signal(signal.SIGKILL)
    source.wait()
    vmm.kill()
    vmm.wait()
    return ticket if source.returncode == -signal.SIGKILL and not os.path.exists(host.path("vm.snap")) else None


def killed_while_writing(host):
    """No file with the name; the next start says what is left; the record says in which state, and lets the guest go on."""
    ticket, n = None, 0
    while ticket is None:
        host.need(n < 20, "a gmem-source that writes cannot be killed in time")
        for name in ("vm.snap", "vm.snap.partial"):
            if os.path.exists(host.path(name)):
                os.unlink(host.path(name))
        ticket = kill_while_writing(host, f"ticket-killed-{n}")
        n += 1
    host.need(os.path.exists(host.path("vm.snap.partial")), "vm.snap.partial is gone: who has removed it?")
    host.end_of(host.write_snapshot(ticket, "again-full.log"), 1, "a second gmem-source beside what is left")
    host.need("vm.snap.partial is there: another gmem-source writes it, or was killed" in host.log("again-full.log"),
              "the next start does not say what is left")
    shown = session_of(host, ticket, "show")
    host.need("OFFERED" in shown, f"what the record says of a suspend that was killed: {shown}")
    os.unlink(host.path("vm.snap.partial"))
    session_of(host, ticket, "abort", "--reason", "a test")
    host.need("ABORTED" in session_of(host, ticket, "show"), "the abort is not recorded")
    os.unlink(host.path("suspend.log"))


def main(*programs):
    with tempfile.TemporaryDirectory(prefix="gmem-snapshot-") as directory:
        host = Host(programs, directory)
        try:
            root = suspend(host)
            restored(host, host.ticket("ticket-2"), root, False)
            restored(host, host.ticket("ticket-3"), root, True)
            refusals(host, root)
            rollback(host, root)
            full_disk(host)
            full_file_system(host)
            killed_while_writing(host)
            suspend(host, "ticket-after")
        finally:
            host.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
