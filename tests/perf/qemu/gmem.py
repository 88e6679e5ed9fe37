# SPDX-License-Identifier: MIT
"""A move by gmem-source and gmem-pager of a guest with private memory, over loopback."""
import json
import os
import selectors
import socket
import subprocess

import guest
from measure import Measurement, read, start, wait_for

PORT = 7720


def keys(directory, build):
    def keygen(*options):
        subprocess.run([f"{build}/gmem-pager/gmem-keygen", *options], check=True, stdout=subprocess.DEVNULL)
    for side in "ab":
        keygen("--private", f"{directory}/{side}.key", "--public", f"{directory}/{side}.pub")
    keygen("--id", f"{directory}/ticket")
    keygen("--id", f"{directory}/vm-id")


def service(directory, side, program, *options):
    state = f"{directory}/{side}.state"
    os.mkdir(state, 0o700)
    peer = {"a": "b", "b": "a"}[side]
    return start([program, "--socket", f"{directory}/{side}.sock", "--key", f"{directory}/{side}.key",
                  "--peer", f"{directory}/{peer}.pub", "--ticket", f"{directory}/ticket", "--vm-id", f"{directory}/vm-id",
                  "--state-dir", state, *options], f"{directory}/{side}.service.log", in_source=side == "a")


def vmm(directory, side, options, *more):
    return start([f"{options.build}/tests/vmm/gmem-testvmm", "--mem", str(guest.MEM_MIB), "--vcpus", "1",
                  "--console", f"{directory}/{side}.console", "--report", f"{directory}/{side}.json",
                  "--control", f"{directory}/{side}.ctl", *more], f"{directory}/{side}.log", in_source=side == "a")


class Control:
    """One command to a VMM, and its answer."""

    def __init__(self, path, command):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.sendall(command.encode() + b"\n")

    def answer(self, may_have_ended=False):
        text = self.socket.makefile().readline()
        if not text.startswith("ok") and not (may_have_ended and not text):
            raise SystemExit(f"the VMM says: {text}")
        return text


def wait_both(a, b, measurement):
    waiting = {a.socket, b.socket}
    with selectors.DefaultSelector() as selector:
        for s in waiting:
            selector.register(s, selectors.EVENT_READ)
        while waiting:
            for key, _ in selector.select():
                if key.fileobj is a.socket:
                    measurement.source_done()
                    a.answer(may_have_ended=True)
                else:
                    b.answer()
                selector.unregister(key.fileobj)
                waiting.discard(key.fileobj)
    measurement.done()


def move(directory, options):
    suffix = "-plain" if options.kind == "gmem_plain" else ""
    programs = f"{options.build}/" + ("tests/perf/qemu/" if suffix else "gmem-pager/")
    keys(directory, options.build)
    processes = [vmm(directory, "a", options, "--kernel", options.kernel, "--initrd", options.initrd,
                     "--append", f"quiet {guest.PROGRAM}", "--gmem-source", f"{directory}/a.sock"),
                 service(directory, "b", f"{programs}gmem-pager{suffix}", "--listen", f"127.0.0.1:{PORT}"),
                 service(directory, "a", f"{programs}gmem-source{suffix}", "--connect", f"127.0.0.1:{PORT}")]
    try:
        for side in "ab":
            wait_for(f"service at {side}", lambda: os.path.exists(f"{directory}/{side}.sock"), 60)
        processes.append(vmm(directory, "b", options, "--incoming", f"{directory}/b.sock"))
        guest.wait_rounds(f"{directory}/a.console", 1)
        wait_for("VMM at B", lambda: os.path.exists(f"{directory}/b.ctl"), 60)
        measurement = Measurement(processes[0], processes[3])
        a, b = (Control(f"{directory}/{side}.ctl", "wait-move 600") for side in "ab")
        measurement.begin()
        Control(f"{directory}/a.ctl", "move").answer()
        wait_both(a, b, measurement)
        guest.wait_rounds(f"{directory}/b.console", 1)
        Control(f"{directory}/b.ctl", "quit").answer()
        for process in (processes[0], processes[3]):
            if process.wait(60):
                raise SystemExit(f"a VMM ended badly, see {directory}")
        at_a, at_b = (json.loads(read(f"{directory}/{side}.json"))["move"] for side in "ab")
        progress = at_b["progress"]
        return measurement.figures(progress["pages_total"] - progress["pages_zero"]) | {"a": at_a, "b": at_b}
    finally:
        for process in processes:
            process.kill()
            process.wait()
