# SPDX-License-Identifier: MIT
"""The two services of one move, started as an operator starts them, for the scripts that run whole moves on one machine."""
import json
import os
import select
import socket
import subprocess
import time

SKIP = 77
TIMEOUT = 300	# of a step; far more than a starved machine needs


class Wrong(Exception):
    """What a test found."""


class Skipped(Exception):
    """What this machine cannot do."""


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


def run(*command, **more):
    return subprocess.run(command, check=True, timeout=TIMEOUT, **more)


def make_keys(keygen, directory):
    for name in "ab":
        run(keygen, "--private", f"{directory}/{name}.key", "--public", f"{directory}/{name}.pub")


SO_ACCEPTCON = 0x10000	# a flag in /proc/net/unix


class Process:
    """A program whose stdout is read a line at a time, and whose stderr is in a file."""

    def __init__(self, name, command, log, **more):
        self.name, self.log, self.rest = name, log, b""
        with open(log, "ab") as f:
            self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=f, **more)

    def tell(self, line):
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def read_log(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def hear(self):
        """The next line; what is not there in time, or never comes, is wrong."""
        deadline = time.monotonic() + TIMEOUT
        while b"\n" not in self.rest:
            if not select.select([self.child.stdout], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Wrong(f"{self.name} says nothing for {TIMEOUT} s")
            more = os.read(self.child.stdout.fileno(), 4096)
            if not more:
                if self.child.wait(timeout=TIMEOUT) == SKIP:
                    raise Skipped(self.read_log().strip())
                raise Wrong(f"{self.name} ended with exit code {self.child.returncode}: {self.read_log()}")
            self.rest += more
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def expect(self, word):
        line = self.hear()
        if line.split(" ")[0] != word:
            raise Wrong(f"{self.name} says {line!r} in place of {word!r}: {self.read_log()}")
        return line

    def end(self, code=0):
        """It ends by itself."""
        try:
            self.child.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{self.name} does not end: {self.read_log()}") from None
        if self.child.returncode != code:
            raise Wrong(f"{self.name}: exit code {self.child.returncode}, not {code}: {self.read_log()}")

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.child.stdin.close()
        self.child.stdout.close()


def is_listened_to(path):
    """Without a connection, which would be somebody's."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as f:
        return any(line.split()[-1] == path and int(line.split()[3], 16) & SO_ACCEPTCON for line in f if path in line)


class Services:
    """gmem-pager and gmem-source of one move.  @programs: a path for each name; @keys: a directory of make_keys()."""

    def __init__(self, programs, keys, directory):
        self.programs, self.keys, self.directory = programs, keys, directory
        self.address = free_address()
        self.processes = []
        os.makedirs(directory, exist_ok=True)
        run(programs["gmem-keygen"], "--id", self.path("ticket"))

    def path(self, name):
        return f"{self.directory}/{name}"

    def start(self, name, command, **more):
        self.processes.append(Process(name, command, self.path(f"{name}.log"), **more))
        return self.processes[-1]

    def start_service(self, name, own, peer, *options):
        service = self.start(name, [
            self.programs[name], "--key", f"{self.keys}/{own}.key", "--peer", f"{self.keys}/{peer}.pub", "--ticket",
            self.path("ticket"), "--state-dir", self.path(f"state-{own}"), "--socket", self.path(f"{own}.sock"),
            "--status", self.path(f"{own}.status"), *options])
        self.await_listening(service, self.path(f"{own}.sock"), self.path(f"{own}.status"))
        return service

    @staticmethod
    def await_listening(service, *paths):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if service.child.poll() is not None:
                raise Wrong(f"{service.name} ended with exit code {service.child.returncode}: {service.read_log()}")
            if all(is_listened_to(path) for path in paths):
                return
            time.sleep(0.02)
        raise Wrong(f"{service.name} does not listen: {service.read_log()}")

    def start_pager(self, *options):
        return self.start_service("gmem-pager", "b", "a", "--listen", self.address, *options)

    def start_source(self, *options):
        return self.start_service("gmem-source", "a", "b", "--connect", self.address, *options)

    def status(self, side):
        """Of the service at side "a" (source) or "b"."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(TIMEOUT)
            s.connect(self.path(f"{side}.status"))
            s.sendall(b'{"verb":"status","map":1}\n')	# with a map: of this moment
            answer = b""
            while not answer.endswith(b"\n"):
                more = s.recv(65536)
                if not more:
                    raise Wrong("a service closes its status socket")
                answer += more
        return json.loads(answer)["status"]

    def await_status(self, side, what, holds):
        deadline = time.monotonic() + TIMEOUT
        while True:
            status = self.status(side)
            if holds(status):
                return status
            if time.monotonic() > deadline:
                raise Wrong(f"{what} does not come: {status}")
            time.sleep(0.05)

    def end(self):
        for process in self.processes:
            process.kill()
