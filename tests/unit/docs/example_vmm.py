#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/examples/example-vmm.c, built as its reader builds it: against an installation of ours, by pkg-config and cc.
Then moves, by the installed programs: one without a destination and one that is refused, after which the guest runs on
where it is; then the same guest's move, with gmem-pager killed in the middle and started again, and gmem-source.

    example_vmm.py BUILD_DIRECTORY EXAMPLE_C SANITIZERS
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True	# nothing is left in the checkout
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../load"))
from services import SKIP, TIMEOUT, Process, Services, Skipped, Wrong, make_keys, run  # noqa: E402

MIB = "64"
# Between two steps of a guest whose move must not be over before its services were killed: 16 s for all of its memory.
SLOW_US = "2000"
# Sleeps of one thread: a vCPU at the source makes 500 in half a second, the thread of a sanitizer's own runtime 5.
MANY = 50


def install(build, root):
    """DESTDIR of what a distribution's package and its -dev package would have."""
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root, "--tags", "devel,runtime",
        stdout=subprocess.DEVNULL)
    packages = glob.glob(f"{root}/**/pkgconfig/libgmem.pc", recursive=True)
    if len(packages) != 1:
        raise Wrong(f"libgmem.pc is installed {len(packages)} times")
    return os.path.dirname(packages[0])


def build_example(pkgconfig, root, source, sanitizers, example):
    environment = dict(os.environ, PKG_CONFIG_PATH=pkgconfig, PKG_CONFIG_SYSROOT_DIR=root)
    flags = run("pkg-config", "--cflags", "--libs", "libgmem", env=environment, capture_output=True, text=True).stdout.split()
    extra = [f"-fsanitize={sanitizers}"] if sanitizers != "none" else []
    run("cc", "-Wall", "-Wextra", "-Werror", *extra, "-o", example, source, *flags)
    if extra:
        return
    dynamic = run("readelf", "-d", example, capture_output=True, text=True).stdout
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    if {re.sub(r"\.so.*", "", name) for name in needed} != {"libgmem", "libc"}:
        raise Wrong(f"the example needs {sorted(needed)}")


def rounds(vmm):
    """How often each of its threads has slept; a vCPU does between two steps."""
    counts = {}
    for task in os.listdir(f"/proc/{vmm.child.pid}/task"):
        with open(f"/proc/{vmm.child.pid}/task/{task}/status", encoding="ascii") as f:
            counts[task] = int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))
    return counts


def most_since(vmm, before):
    return max(n - before.get(task, 0) for task, n in rounds(vmm).items())


def expect_running(vmm):
    before, deadline = rounds(vmm), time.monotonic() + TIMEOUT
    while most_since(vmm, before) < MANY:
        if time.monotonic() > deadline:
            raise Wrong("the guest does not run on at the source")
        time.sleep(0.05)


def expect_stopped(vmm):
    before = rounds(vmm)
    time.sleep(0.5)
    if most_since(vmm, before) >= MANY:
        raise Wrong("the guest runs at the source after START")


class Test:
    def __init__(self, directory, build, source, sanitizers):
        self.directory = directory
        root = f"{directory}/root"
        pkgconfig = install(build, root)
        self.example = f"{directory}/example-vmm"
        build_example(pkgconfig, root, source, sanitizers, self.example)
        self.environment = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(pkgconfig))
        programs = glob.glob(f"{root}/**/bin/*", recursive=True)
        self.programs = {os.path.basename(path): path for path in programs}
        make_keys(self.programs["gmem-keygen"], directory)
        self.moves, self.vmms = [], []

    def begin_move(self):
        self.moves.append(Services(self.programs, self.directory, f"{self.directory}/{len(self.moves)}"))
        return self.moves[-1]

    def start_vmm(self, role, path, mib, pause_us):
        name = f"vmm-{role}-{len(self.vmms)}"
        self.vmms.append(Process(name, [self.example, role, path, mib, pause_us], f"{self.directory}/{name}.log",
                                 env=self.environment))
        return self.vmms[-1]

    def refuse(self, vmm, path):
        """Nobody listens, then a destination of another size: the guest goes on here."""
        for mib in (None, "4"):
            move = self.begin_move()
            os.symlink(move.path("a.sock"), path)
            if mib:
                pager = move.start_pager()
                other = self.start_vmm("destination", move.path("b.sock"), mib, SLOW_US)
                other.expect("ready")
            source = move.start_source("--connect-timeout", str(TIMEOUT * 1000) if mib else "200", "--linger", "1000")
            vmm.tell("move")
            if mib:
                vmm.expect("moves")
            print(f"  destination of {mib or 'no'} MiB:", vmm.expect("stays"))
            expect_running(vmm)
            source.child.wait(timeout=TIMEOUT)
            os.unlink(path)
            if mib:
                other.end(1)
                pager.child.wait(timeout=TIMEOUT)

    def move(self, vmm, path):
        move = self.begin_move()
        os.symlink(move.path("a.sock"), path)
        pager, source = move.start_pager(), move.start_source("--background-limit", "4K")
        destination = self.start_vmm("destination", move.path("b.sock"), MIB, SLOW_US)
        destination.expect("ready")
        vmm.tell("move")
        vmm.expect("moves")
        destination.expect("runs")
        for side in "ab":
            backend = move.status(side)["backend"]
            if backend != "uffd":
                raise Wrong(f"the status of {side} says the backend {backend!r}")
        expect_stopped(vmm)
        pager.kill()
        pager = move.start_pager()
        move.await_status("b", "the connection of a new gmem-pager", lambda status: status["peer"]["link"] == "up")
        if move.status("b")["pages"]["missing"] == 0:
            raise Wrong("the move was over before gmem-pager was killed")
        source.kill()
        source = move.start_source()
        destination.expect("complete")
        destination.expect("right")
        vmm.expect("moved")
        for process in (vmm, destination, source, pager):
            process.end()

    def end(self):
        for move in self.moves:
            move.end()
        for vmm in self.vmms:
            vmm.kill()


def main(build, source, sanitizers):
    for tool in ("meson", "cc", "pkg-config", "readelf"):
        if shutil.which(tool) is None:
            print(f"skipped: no {tool}")
            return SKIP
    with tempfile.TemporaryDirectory(prefix="gmem-example-") as directory:
        test = None
        try:
            test = Test(directory, build, source, sanitizers)
            path = f"{directory}/source.sock"
            vmm = test.start_vmm("source", path, MIB, "1000")
            vmm.expect("runs")
            test.refuse(vmm, path)
            test.move(vmm, path)
            print("a move with both services killed: every byte is right")
        except Skipped as why:
            print("skipped:", why)
            return SKIP
        except Wrong as why:
            print("wrong:", why)
            for log in glob.glob(f"{directory}/**/*.log", recursive=True):
                with open(log, encoding="utf-8", errors="replace") as f:
                    print(f"--- {log}\n{f.read()}")
            return 1
        finally:
            if test is not None:
                test.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
