#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""No secret key in arguments, environment, logs or a core, and none in memory that a core would have.

    secrets.py GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER

Runs both programs as another user, with key pairs known here, up to where they wait for their VMM.  Needs root, to look
at them from outside.
"""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NOBODY = 65534
ENOUGH = 8  # so many bytes of a key in a row are too many
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}  # not what sanitizers are told: that user cannot read it
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("wrong:", what)


def forms(secret):
    """What to look for: parts of the key, raw and in hex of either case."""
    parts = [secret[i:i + ENOUGH] for i in range(0, len(secret), ENOUGH)]
    return parts + [p.hex().encode() for p in parts] + [p.hex().upper().encode() for p in parts]


def clean(data, secret, what):
    check(not any(form in data for form in forms(secret)), f"{what} has a part of the secret key in it")


def read(path):
    with open(path, "rb") as f:
        return f.read()


def as_nobody():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def run(directory, *command):
    return subprocess.run(command, cwd=directory, preexec_fn=as_nobody, env=ENVIRONMENT, capture_output=True, timeout=60)


def make_keys(directory, keygen, name):
    done = run(directory, keygen, "--private", f"{name}.key", "--public", f"{name}.pub")
    check(done.returncode == 0, f"gmem-keygen: {done.stderr}")
    text = read(f"{directory}/{name}.key").decode()
    check(re.fullmatch(r"[0-9a-f]{64}\n", text), "a key file is 64 hex digits")
    check(os.stat(f"{directory}/{name}.key").st_mode & 0o7777 == 0o600, "a key file has mode 0600")
    secret = bytes.fromhex(text)
    clean(done.stdout + done.stderr, secret, "what gmem-keygen prints")
    clean(read(f"{directory}/{name}.pub"), secret, "the public key file")
    return secret


def mappings(pid):
    """(start, end, readable, flags) of each mapping."""
    found = []
    for line in read(f"/proc/{pid}/smaps").decode().splitlines():
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+)", line)
        if m:
            found.append([int(m[1], 16), int(m[2], 16), "r" in m[3], ""])
        elif line.startswith("VmFlags:"):
            found[-1][3] = line.split()[1:]
    return found


def check_memory(pid, secret, name):
    """The key is somewhere, and every place is left out of dumps."""
    n_found = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for start, end, readable, flags in mappings(pid):
            # sanitizers' shadows are larger than any memory
            if not readable or end > 1 << 47 or end - start > 1 << 30:
                continue
            # the guest's memory: no core has it, and to read all of it takes an emulated host minutes
            if "dd" in flags and end - start > 1 << 24:
                continue
            try:
                mem.seek(start)
                data = mem.read(end - start)
            except OSError:
                continue
            if any(form in data for form in forms(secret)):
                n_found += 1
                check("dd" in flags, f"{name}: a part of the key at {start:x}, which a core would have")
    check(n_found > 0, f"{name}: the key is not where it was looked for; this test sees nothing")
    return n_found


def check_closed(pid, name):
    """Not dumpable: the kernel gives the process' files to root, and lets nobody else read its memory."""
    check(os.stat(f"/proc/{pid}/environ").st_uid == 0, f"{name} is dumpable")
    check(re.search(rb"Max core file size\s+0\s+0", read(f"/proc/{pid}/limits")), f"{name} may write a core")
    probe = subprocess.run(["/usr/bin/python3", "-c", f"open('/proc/{pid}/mem', 'rb')"], preexec_fn=as_nobody,
                           capture_output=True)
    check(b"PermissionError" in probe.stderr, f"{name}: its own user can read its memory")


def start(directory, name, program, address_option, address, peer):
    command = [program, address_option, address, "--socket", f"{name}.sock", "--key", f"{name}.key", "--peer",
               f"{peer}.pub", "--ticket", "ticket", "--state-dir", f"{name}.state", "--log", f"debug:{name}.log"]
    os.mkdir(f"{directory}/{name}.state")
    os.chown(f"{directory}/{name}.state", NOBODY, NOBODY)
    process = subprocess.Popen(command, cwd=directory, preexec_fn=as_nobody, env=ENVIRONMENT,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 30
    while not os.path.exists(f"{directory}/{name}.sock") and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    check(os.path.exists(f"{directory}/{name}.sock"), f"{name} does not get to its socket")
    return process


def check_process(directory, name, process, secret):
    if process.poll() is not None:
        print(process.stdout.read().decode(errors="replace"))
        return
    clean(read(f"/proc/{process.pid}/cmdline"), secret, f"{name}: the command line")
    clean(read(f"/proc/{process.pid}/environ"), secret, f"{name}: the environment")
    check_closed(process.pid, name)
    n = check_memory(process.pid, secret, name)
    process.send_signal(signal.SIGABRT)
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = status
    check(os.WIFSIGNALED(status) and not os.WCOREDUMP(status), f"{name} left a core, or would not die")
    output = process.stdout.read() + (read(f"{directory}/{name}.log") if os.path.exists(f"{directory}/{name}.log")
                                      else b"")
    clean(output, secret, f"{name}: output and log")
    print(f"{name}: {len(output)} bytes of output and log, key found in {n} mappings, none of them dumped")


def check_complaints(directory, source, secret):
    """What is said about files that are wrong does not quote them."""
    wrong = {"long": secret.hex() + "00\n", "short": secret.hex()[:-2] + "\n", "open": secret.hex() + "\n"}
    for name, text in wrong.items():
        path = f"{directory}/{name}.key"
        with open(path, "w") as f:
            f.write(text)
        os.chown(path, NOBODY, NOBODY)
        os.chmod(path, 0o644 if name == "open" else 0o600)
        for option in ("--key", "--ticket", "--peer"):
            files = {"--key": "source.key", "--ticket": "ticket", "--peer": "pager.pub", option: f"{name}.key"}
            if name == "open" and option != "--key":
                continue
            done = run(directory, source, "--connect", "127.0.0.1:1", "--socket", "other.sock", "--state-dir", ".",
                       "--log", "debug", *[word for pair in files.items() for word in pair])
            check(done.returncode == 1, f"{option} {name}.key was taken")
            clean(done.stdout + done.stderr, secret, f"the complaint about {option} {name}.key")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    if os.geteuid() != 0:
        print("skipped: needs root, to run programs as another user and look at their memory")
        return 77
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        os.chown(directory, NOBODY, NOBODY)
        # the build folder may be closed to that user
        keygen, source, pager = [shutil.copy(path, directory) for path in sys.argv[1:4]]
        secrets = {name: make_keys(directory, keygen, name) for name in ("source", "pager")}
        check(run(directory, keygen, "--id", "ticket").returncode == 0, "gmem-keygen --id")
        # the way in which it is seen that a process is dumpable, on one that is
        sleeper = subprocess.Popen(["sleep", "60"], preexec_fn=as_nobody)
        time.sleep(0.2)
        check(os.stat(f"/proc/{sleeper.pid}/environ").st_uid == NOBODY, "an ordinary process counts as dumpable")
        sleeper.kill()
        sleeper.wait()
        address = f"127.0.0.1:{free_port()}"
        processes = {"pager": start(directory, "pager", pager, "--listen", address, "source"),
                     "source": start(directory, "source", source, "--connect", address, "pager")}
        for name, process in processes.items():
            check_process(directory, name, process, secrets[name])
        check_complaints(directory, source, secrets["source"])
        check(not [f for f in os.listdir(directory) if f.startswith("core")], "a core file")
    print(f"{len(failures)} wrong")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
