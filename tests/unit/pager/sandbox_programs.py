#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Both programs with every stage of the sandbox on: a whole move between them, through libgmem, with a connection that is
cut on the way.  Each thread of both is looked at from outside while memory flows.  Then one where the source, sealed,
judges generated SEV-SNP evidence at each handshake; its pager plays the hardware and is not sealed.

    sandbox_programs.py SANITIZER GMEM_KEYGEN GMEMCTL LIBGMEM GMEM_SOURCE GMEM_PAGER SNP_SOURCE SNP_PAGER SNPFACTS

Needs root, to start the programs as root and have them become somebody else.  The VMs are fake (sealed_vm.c).
"""
import ctypes
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

NOBODY = 65534
PAGE = 4096
N_PRIVATE, N_SHARED = 512, 32
WAIT_S = 120  # longer than a busy machine takes
ACCEPTED, STARTED, RUNNING, COMPLETE = 2, 3, 4, 5
ROLE_SOURCE, ROLE_PAGER = 1, 2
failures = []


class Region(ctypes.Structure):
    _fields_ = [("gpa", ctypes.c_uint64), ("size", ctypes.c_uint64), ("flags", ctypes.c_uint32),
                ("shared_fd", ctypes.c_int), ("shared_offset", ctypes.c_uint64)]


class State(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * 32), ("data", ctypes.c_char_p), ("data_len", ctypes.c_size_t)]


def check(condition, what):
    if not condition:
        failures.append(what)
        print("wrong:", what)


def fatal(condition, what):
    if not condition:
        sys.exit(f"wrong: {what}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)


class Proxy:
    """Between the two hosts, with a pair of scissors."""

    def __init__(self, to_port):
        self.to_port, self.open = to_port, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.to_port))
            except OSError:
                near.close()
                continue
            self.open += [near, far]
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
        except OSError:
            pass
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        cut, self.open = self.open, []
        for s in cut:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        return len(cut)


class Side:
    """A program, and its VMM."""

    def __init__(self, directory, lib, role, program, options):
        self.name = "source" if role == ROLE_SOURCE else "pager"
        self.directory, self.lib, self.role = directory, lib, role
        self.pages = f"{directory}/{self.name}.pages"
        self.shared_fd = os.memfd_create(self.name)
        os.ftruncate(self.shared_fd, (N_PRIVATE + N_SHARED) * PAGE)
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.manager.bind(f"\0gmem-test-{os.getpid()}-{self.name}")
        self.manager.settimeout(WAIT_S)
        self.command = [program, "--socket", f"{directory}/{self.name}.sock", "--key", f"{directory}/{self.name}.key",
                        "--ticket", f"{directory}/ticket", "--state-dir", f"{directory}/{self.name}.state",
                        "--control", f"{directory}/{self.name}.ctl",
                        "--peer-timeout", "60000", "--handshake-timeout", "60000", "--linger", "1000", *options]
        if "--sandbox" not in options:
            self.command += ["--user", f"{NOBODY}:{NOBODY}"]

    def hear(self, wanted):
        while True:
            try:
                if self.manager.recv(4096).decode().startswith(wanted):
                    return
            except TimeoutError:
                sys.exit(f"wrong: the service manager never hears {wanted} of {self.name}: {self.log()}")

    def start(self):
        environment = dict(os.environ, GMEM_TEST_VM=self.pages, WATCHDOG_USEC="2000000",
                           NOTIFY_SOCKET=f"@gmem-test-{os.getpid()}-{self.name}")
        with open(f"{self.directory}/{self.name}.log", "wb") as log:
            self.process = subprocess.Popen(self.command, env=environment, stderr=log, extra_groups=[7])
        self.hear("READY=1")

    def log(self):
        with open(f"{self.directory}/{self.name}.log", encoding="utf-8") as f:
            return f.read()

    def call(self, function, *args):
        r = getattr(self.lib, function)(self.client, *args)
        fatal(r == 0, f"{function} of {self.name}: {r}: {self.lib.gmem_last_error(self.client).decode()}\n{self.log()}")

    def attach(self):
        self.client = ctypes.c_void_p()
        r = self.lib.gmem_connect(f"{self.directory}/{self.name}.sock".encode(), self.role, ctypes.byref(self.client))
        fatal(r == 0, f"gmem_connect of {self.name}: {r}")
        regions = (Region * 2)(Region(0, N_PRIVATE * PAGE, 3, self.shared_fd, 0),
                               Region(N_PRIVATE * PAGE, N_SHARED * PAGE, 2, self.shared_fd, N_PRIVATE * PAGE))
        fd = os.memfd_create("session")
        self.call("gmem_attach", fd, regions, 2)
        os.close(fd)

    def status(self, ctl):
        done = run(ctl, "status", "--json", "--socket", f"{self.directory}/{self.name}.ctl")
        fatal(done.returncode == 0, f"gmemctl status of {self.name}: {done.stderr}\n{self.log()}")
        return json.loads(done.stdout)["status"]

    def check_threads(self):
        tasks = f"/proc/{self.process.pid}/task"
        threads = os.listdir(tasks)
        wanted = {"NoNewPrivs": "1", "Seccomp": "2", "Uid": f"{NOBODY}\t" * 3 + f"{NOBODY}",
                  "Gid": f"{NOBODY}\t" * 3 + f"{NOBODY}", "Groups": "",
                  **{f"Cap{which}": "0" * 16 for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")}}
        for task in threads:
            with open(f"{tasks}/{task}/status", encoding="ascii") as f:
                fields = dict(line.rstrip("\n").split(":", 1) for line in f)
            for name, value in wanted.items():
                check(fields[name].strip() == value, f"{self.name}, thread {fields['Name'].strip()}: {name} is {fields[name]}")
        check(os.stat(f"/proc/{self.process.pid}/environ").st_uid == 0, f"{self.name} is dumpable")
        return len(threads)

    def finish(self):
        self.lib.gmem_close(self.client)
        code = self.process.wait(WAIT_S)
        check(code == 0, f"{self.name} ended with {code}: {self.log()}")
        for kind in ("sock", "ctl"):
            check(not os.path.exists(f"{self.directory}/{self.name}.{kind}"), f"{self.name}.{kind} is left over")

    def check_log(self):
        check(os.stat(f"{self.directory}/{self.name}.state").st_uid == NOBODY, "whose the state directory is")
        check("sandbox: user 65534, caps, no-new-privs, landlock " in self.log() and ", seccomp\n" in self.log(),
              f"what {self.name} says of its sandbox: {self.log()}")


def make_files(directory, keygen):
    rng = random.Random(7)
    for name in ("source", "pager"):
        run(keygen, "--private", f"{directory}/{name}.key", "--public", f"{directory}/{name}.pub")
    run(keygen, "--id", f"{directory}/ticket")
    content = b"".join(bytes(PAGE) if gfn % 7 == 0 else b"\1" + rng.randbytes(PAGE - 1) for gfn in range(N_PRIVATE))
    with open(f"{directory}/source.pages", "wb") as f:
        f.write(content)
    with open(f"{directory}/pager.pages", "wb") as f:
        f.write(bytes(len(content)))
    os.chown(directory, NOBODY, NOBODY)
    with open(f"{directory}/ticket", encoding="ascii") as f:
        return f.read().strip()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition):
    deadline = time.monotonic() + WAIT_S
    while not condition():
        fatal(time.monotonic() < deadline, f"never: {what}")
        time.sleep(0.05)


def begin(source, pager):
    """Up to a guest that runs at the destination."""
    state = (State * 1)(State(b"cpu", b"registers", 9))
    started = []
    source.call("gmem_source_prepare")
    thread = threading.Thread(target=lambda: started.append(source.lib.gmem_source_start(source.client, state, 1)))
    thread.start()
    got, n = ctypes.POINTER(State)(), ctypes.c_size_t()
    pager.call("gmem_pager_wait_start", ctypes.byref(got), ctypes.byref(n))
    check(n.value == 1 and got[0].name == b"cpu" and ctypes.string_at(got[0].data, 9) == b"registers", "the state")
    pager.call("gmem_pager_run")
    thread.join(WAIT_S)
    fatal(started == [0], f"gmem_source_start: {started}: {source.log()}")


def check_memory(source, pager):
    with open(source.pages, "rb") as a, open(pager.pages, "rb") as b:
        check(a.read() == b.read(), "private pages differ")
    at, length = N_PRIVATE * PAGE, N_SHARED * PAGE
    check(os.pread(source.shared_fd, length, at) == os.pread(pager.shared_fd, length, at), "shared pages differ")


def move(directory, lib, keygen, source_program, pager_program, ctl, source_options=(), pager_options=(), sealed=2):
    ticket = make_files(directory, keygen)
    port = free_port()
    proxy = Proxy(port)
    pager = Side(directory, lib, ROLE_PAGER, pager_program,
                 ["--listen", f"127.0.0.1:{port}", "--peer", f"{directory}/source.pub", *pager_options])
    source = Side(directory, lib, ROLE_SOURCE, source_program,
                  ["--connect", f"127.0.0.1:{proxy.port}", "--peer", f"{directory}/pager.pub", "--background-limit", "64K",
                   *source_options])
    sides = [source, pager][:sealed]
    os.pwrite(source.shared_fd, random.Random(9).randbytes(N_SHARED * PAGE), N_PRIVATE * PAGE)
    for side in (pager, source):
        side.start()
    for side in (pager, source):
        side.attach()
    begin(source, pager)
    n_threads = [side.check_threads() for side in sides]
    for side in sides:
        check(", seccomp" in side.status(ctl)["sandbox"], f"gmemctl status of {side.name}: {side.status(ctl)}")
    check(proxy.cut() == 6, "the lanes that were cut")
    wait_until("the connection is back", lambda: pager.status(ctl)["peer"]["resumed"] >= 1)
    check(pager.status(ctl)["phase"] == "running", "the move was over too early to see a reconnection")
    n_threads += [side.check_threads() for side in sides]
    done = run(ctl, "limit", ticket, "0", "--socket", f"{directory}/source.ctl")
    check(done.returncode == 0, f"gmemctl limit: {done.stderr}")
    for side in (pager, source):
        phase = ctypes.c_int()
        side.call("gmem_wait", COMPLETE, WAIT_S * 1000, ctypes.byref(phase))
        side.hear("WATCHDOG=1")
    check_memory(source, pager)
    for side in (pager, source):
        side.finish()
    for side in sides:
        side.check_log()
    if "--policy" in source_options:
        n_judged = source.log().count("evidence: snp.chain: ")
        check(n_judged >= 2, f"evidence was judged {n_judged} times in two handshakes")
    print(f"moved {N_PRIVATE + N_SHARED} pages over two connections; threads looked at: {n_threads}")


def find_obstacle(sanitizer):
    if sanitizer != "none":
        return "a sanitizer's runtime needs what the sandbox refuses, so there is no whole sandbox in this build"
    if os.geteuid() != 0:
        return "needs root, for programs that are started as root and become another user"
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        return "NOTHING OF THE SANDBOX IS TESTED: no Landlock in this kernel"
    with open("/proc/self/status", encoding="ascii") as f:
        if "Seccomp:" not in f.read():
            return "NOTHING OF THE SANDBOX IS TESTED: no seccomp in this kernel"
    return None


def main(sanitizer, keygen, ctl, libgmem, source_program, pager_program, snp_source, snp_pager, snpfacts):
    obstacle = find_obstacle(sanitizer)
    if obstacle is not None:
        print("skipped:", obstacle)
        return 77
    lib = ctypes.CDLL(libgmem)
    lib.gmem_last_error.restype = ctypes.c_char_p
    for function in ("gmem_last_error", "gmem_close", "gmem_source_prepare", "gmem_pager_run"):
        getattr(lib, function).argtypes = [ctypes.c_void_p]
    with tempfile.TemporaryDirectory(prefix="gmem-sandbox-") as directory:
        move(directory, lib, keygen, source_program, pager_program, ctl)
    with tempfile.TemporaryDirectory(prefix="gmem-sandbox-") as directory:
        with open(f"{directory}/policy", "w", encoding="utf-8") as f:
            f.write(run(snpfacts, "policy").stdout)
        move(directory, lib, keygen, snp_source, snp_pager, ctl, ["--policy", f"{directory}/policy", "--log", "debug"],
             ["--evidence", "tsm", "--sandbox", "off"], sealed=1)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
