# SPDX-License-Identifier: MIT
"""A move by QEMU's own post-copy, over loopback."""
import json
import os
import re
import selectors
import socket
import subprocess

import guest
from measure import Measurement, read, start, wait_for

PORT = 7710
SPEED = 100 << 30	# bytes a second: no limit


class Monitor:
    """QEMU's monitor, as JSON."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        wait_for(f"monitor {path}", lambda: self.socket.connect_ex(path) == 0)
        self.file = self.socket.makefile("rb")
        self.events = []
        json.loads(self.file.readline())
        self.do("qmp_capabilities")

    def send(self, command, **arguments):
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    def next(self):
        line = self.file.readline()
        if not line:
            raise SystemExit("QEMU has ended")
        return json.loads(line)

    def answer(self):
        while True:
            message = self.next()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise SystemExit("QEMU: " + message["error"]["desc"])
            else:
                return message["return"]

    def do(self, command, **arguments):
        self.send(command, **arguments)
        return self.answer()

    def wait_completed(self):
        while True:
            message = self.events.pop(0) if self.events else self.next()
            if message.get("event") == "MIGRATION":
                status = message["data"]["status"]
                if status == "completed":
                    return
                if status in ("failed", "cancelled", "postcopy-paused"):
                    raise SystemExit(f"QEMU's migration: {status}")


def certificates(directory):
    """An authority, and a certificate for both sides."""
    def make(name, *options):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", f"/CN={name}", "-keyout", f"{directory}/{name}-key.pem", "-out",
                        f"{directory}/{name}-cert.pem", *options], check=True, stderr=subprocess.DEVNULL)
    make("ca", "-addext", "keyUsage=critical,keyCertSign")
    make("server", "-CA", f"{directory}/ca-cert.pem", "-CAkey", f"{directory}/ca-key.pem",
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
         "-addext", "keyUsage=critical,digitalSignature", "-addext", "extendedKeyUsage=serverAuth,clientAuth")
    for kind in ("cert", "key"):
        os.link(f"{directory}/server-{kind}.pem", f"{directory}/client-{kind}.pem")


def command(directory, side, kernel, initrd, tls):
    argv = ["qemu-system-x86_64", "-name", side, "-accel", "kvm", "-machine", "pc", "-cpu", "qemu64,-svm", "-smp", "1",
            "-m", str(guest.MEM_MIB), "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none",
            "-serial", f"file:{directory}/{side}.console", "-qmp", f"unix:{directory}/{side}.qmp,server=on,wait=off",
            "-kernel", kernel, "-initrd", initrd, "-append", f"{guest.KERNEL} {guest.PROGRAM}"]
    if tls:
        endpoint = {"a": "client", "b": "server"}[side]
        argv += ["-object", f"tls-creds-x509,id=tls,dir={directory},endpoint={endpoint},verify-peer=on"]
    return argv + (["-incoming", "defer"] if side == "b" else [])


def cipher(log):
    """As GnuTLS has chosen it."""
    return max(re.findall(r"elected cipher suite: (\S+)", read(log)), default="unknown")


def set_up(monitor, tls):
    monitor.do("migrate-set-capabilities", capabilities=[{"capability": "postcopy-ram", "state": True},
                                                         {"capability": "events", "state": True}])
    monitor.do("migrate-set-parameters", **{"max-bandwidth": SPEED, **({"tls-creds": "tls"} if tls else {})})


def wait_both(a, b, measurement):
    with selectors.DefaultSelector() as selector:
        selector.register(a.socket, selectors.EVENT_READ)
        selector.select()
    a.wait_completed()
    measurement.source_done()
    b.wait_completed()
    measurement.done()


def move(directory, options):
    tls = options.kind == "qemu_tls"
    if tls:
        certificates(directory)
        os.environ["GNUTLS_DEBUG_LEVEL"] = "4"	# what the handshake says, and nothing for a record
    vms = {side: start(command(directory, side, options.kernel, options.initrd, tls), f"{directory}/{side}.log",
                       in_source=side == "a") for side in "ab"}
    try:
        a, b = (Monitor(f"{directory}/{side}.qmp") for side in "ab")
        set_up(a, tls)
        set_up(b, tls)
        b.do("migrate-incoming", uri=f"tcp:127.0.0.1:{PORT}")
        guest.wait_rounds(f"{directory}/a.console", 1)
        measurement = Measurement(vms["a"], vms["b"])
        measurement.begin()
        a.do("migrate", uri=f"tcp:127.0.0.1:{PORT}")
        a.do("migrate-start-postcopy")
        wait_both(a, b, measurement)
        ram = a.do("query-migrate")["ram"]
        figures = measurement.figures(ram["normal"])
        guest.wait_rounds(f"{directory}/b.console", 1)
        if tls:
            figures["cipher"] = cipher(f"{directory}/a.log")
        figures |= {"pages_zero": ram["duplicate"], "requests": ram["postcopy-requests"]}
        return figures
    finally:
        for process in vms.values():
            process.kill()
            process.wait()
