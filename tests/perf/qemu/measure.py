# SPDX-License-Identifier: MIT
"""What both kinds of move are measured by, inside the test host: its cgroups, its trace of the guest's steps, lo."""
import os
import re
import subprocess
import time

CGROUP = "/sys/fs/cgroup/source"
VCPU_CGROUP = CGROUP + "/vcpu"
TRACING = "/sys/kernel/tracing"
EVENT = TRACING + "/events/kvm/kvm_hypercall"
STEP = 0x676d656d	# the hypercall by which the guest tells that it has just touched a page (tests/vmm/guest/worker.c)
LINE = re.compile(r"-(\d+)\s+\[\d+\].*?(\d+\.\d+): kvm_hypercall:")


def write(path, text):
    with open(path, "w") as f:
        f.write(text)


def read(path):
    with open(path) as f:
        return f.read()


def wait_for(what, is_there, seconds=600):
    """Poll; only before a measurement begins, or after it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = is_there()
        if found:
            return found
        time.sleep(0.2)
    raise SystemExit(f"no {what} in {seconds} s of the test host's clock")


def prepare():
    """Once per boot."""
    if not os.path.isdir(VCPU_CGROUP):
        os.mkdir(CGROUP)
        os.mkdir(VCPU_CGROUP)
        write(VCPU_CGROUP + "/cgroup.type", "threaded")
    if not os.path.exists(TRACING + "/trace"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING], check=True)
    write(TRACING + "/buffer_size_kb", "16384")
    write(TRACING + "/trace_clock", "mono")
    write(EVENT + "/filter", f"nr == {STEP:#x}")
    write(EVENT + "/enable", "1")
    write(TRACING + "/tracing_on", "0")


def start(argv, log, in_source=False):
    """A process, with its output in the file @log; of the source's side or not."""
    def enter():
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        if in_source:
            write(CGROUP + "/cgroup.procs", "0")
    with open(log, "wb") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, preexec_fn=enter)


def vcpu_thread(process):
    """Thread of the process that runs the guest: the one that steps are seen of."""
    def seen():
        write(TRACING + "/trace", "")
        write(TRACING + "/tracing_on", "1")
        time.sleep(0.02)
        write(TRACING + "/tracing_on", "0")
        with open(TRACING + "/trace") as f:
            tids = {int(found.group(1)) for found in map(LINE.search, f) if found}
        return tids & {int(tid) for tid in os.listdir(f"/proc/{process.pid}/task")}
    return wait_for("step of the guest", seen).pop()


def cpu_us():
    """Of the source's side without its vCPU's thread, of processes that have ended too."""
    def usage(path):
        return int(re.search(r"usage_usec (\d+)", read(path + "/cpu.stat")).group(1))
    return usage(CGROUP) - usage(VCPU_CGROUP)


def wire_bytes():
    return int(read("/sys/class/net/lo/statistics/tx_bytes"))


def gap_ms(vcpu_a, tids_b):
    """From the last step at A to the first at B."""
    last_a = first_b = None
    n_a = n_b = 0
    with open(TRACING + "/trace") as f:
        for found in filter(None, map(LINE.search, f)):
            tid, now = int(found.group(1)), float(found.group(2))
            if tid == vcpu_a:
                last_a = now
                n_a += 1
            elif tid in tids_b:
                first_b = first_b or now
                n_b += 1
    stats = read(TRACING + "/per_cpu/cpu0/stats")
    if int(re.search(r"overrun: (\d+)", stats).group(1)):
        raise SystemExit("the trace lost events: its buffer is too small")
    if not n_a or not n_b or last_a > first_b:
        raise SystemExit(f"the guest's steps make no sense: {n_a} at A, {n_b} at B")
    return (first_b - last_a) * 1000, n_a, n_b


class Measurement:
    """From the command that begins a move: with begin(), source_done() and done() in this order."""

    def __init__(self, process_a, process_b):
        self.tasks_b = f"/proc/{process_b.pid}/task"
        self.vcpu_a = vcpu_thread(process_a)
        write(VCPU_CGROUP + "/cgroup.threads", str(self.vcpu_a))

    def begin(self):
        write(TRACING + "/trace", "")
        write(TRACING + "/tracing_on", "1")
        time.sleep(0.02)	# from here on the source may not leave the guest another step
        self.bytes = wire_bytes()
        self.cpu = cpu_us()
        self.start = time.monotonic_ns()

    def source_done(self):
        self.cpu = cpu_us() - self.cpu

    def done(self):
        self.total = time.monotonic_ns() - self.start
        self.bytes = wire_bytes() - self.bytes
        write(TRACING + "/tracing_on", "0")
        self.tids_b = {int(tid) for tid in os.listdir(self.tasks_b)}

    def figures(self, n_pages):
        gap, steps_a, steps_b = gap_ms(self.vcpu_a, self.tids_b)
        return {"gap_ms": gap, "total_ms": self.total / 1e6, "source_cpu_ms": self.cpu / 1e3, "bytes": self.bytes,
                "pages": n_pages, "source_cpu_per_page_ns": self.cpu * 1e3 / n_pages,
                "steps_a": steps_a, "steps_b": steps_b}
