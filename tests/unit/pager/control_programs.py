#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Both programs as they are installed, up to where they wait for their VMM: control sockets, gmemctl, what a service
manager hears, JSON logs, what stands in the way.

    control_programs.py GMEM_KEYGEN GMEM_SOURCE GMEM_PAGER GMEMCTL
"""
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("wrong:", what)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def make_files(directory, keygen):
    for name in "ab":
        run(keygen, "--private", f"{directory}/{name}.key", "--public", f"{directory}/{name}.pub")
    run(keygen, "--id", f"{directory}/ticket")
    with open(f"{directory}/ticket", encoding="ascii") as f:
        return f.read().strip()


def free_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % s.getsockname()[1]


def command_of(directory, program, *more):
    return [program, "--connect" if program.endswith("source") else "--listen", free_address(),
            "--key", f"{directory}/a.key", "--peer", f"{directory}/b.pub", "--ticket", f"{directory}/ticket",
            "--state-dir", f"{directory}/state", "--socket", f"{directory}/vmm.sock",
            "--log-format", "json", *more]


def hear(manager, wanted):
    """Datagrams until one begins with @wanted."""
    seen = []
    while True:
        try:
            seen.append(manager.recv(4096).decode())
        except TimeoutError:
            sys.exit(f"wrong: the service manager never hears {wanted}, but {seen}")
        if seen[-1].startswith(wanted):
            return seen[-1]


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def check_log(text, ticket):
    lines = [json.loads(line) for line in text.splitlines()]
    check(all(set(line) == {"time", "monotonic", "program", "level", "message"} for line in lines), "members of the log")
    messages = [line["message"] for line in lines]
    uid = os.getuid()
    for verb, outcome in (("pause", "not_permitted"), ("abort", "done"), ("limit", "wrong_session")):
        check(any(m.startswith(f"control: {verb} of session {ticket[:8]} by uid {uid}, pid ") and m.endswith(outcome)
                  for m in messages), f"the log has no {verb}: {outcome} in {messages}")


def check_program(directory, program, ctl, ticket):
    control, status, notify = (f"{directory}/{name}" for name in ("control.sock", "status.sock", "notify"))
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(notify)
    manager.settimeout(120)
    environment = dict(os.environ, NOTIFY_SOCKET=notify, WATCHDOG_USEC="4000000")
    process = subprocess.Popen(command_of(directory, program, "--control", control, "--status", status, "--status-group",
                                          str(os.getgid())), env=environment, stderr=subprocess.PIPE, text=True)
    hear(manager, "READY=1")
    hear(manager, "WATCHDOG=1")
    check(mode(control) == 0o600, f"mode of --control: {mode(control):o}")
    check(mode(status) == 0o660, f"mode of --status: {mode(status):o}")
    shown = json.loads(run(ctl, "status", "--json", "--socket", status).stdout)["status"]
    check(shown["program"] == os.path.basename(program) and shown["phase"] == "idle", f"status: {shown}")
    check(shown["session"] == ticket[:8] and shown["evidence"]["own"] == "pinned-key", "session and evidence")
    check(shown["backend"] is None, f"a backend before there is a VMM: {shown['backend']}")
    check(ticket[8:] not in json.dumps(shown), "the whole ticket id is shown")
    check(run(ctl, "pause", ticket, "--socket", status).returncode == 2, "pause by the status socket")
    check(run(ctl, "limit", "0" * 8, "64K", "--socket", control).returncode == 4, "another session")
    check(run(ctl, "abort", ticket, "--reason", "a test", "--socket", control).returncode == 0, "abort")
    hear(manager, "STOPPING=1")
    log = process.communicate(timeout=120)[1]
    check(process.returncode == 3, f"exit code {process.returncode}")
    check(not os.path.exists(control) and not os.path.exists(status), "the sockets are left over")
    check(run(ctl, "status", "--socket", status).returncode == 6, "status of a service that is gone")
    check_log(log, ticket)
    manager.close()
    os.unlink(notify)


def check_refusals(directory, program):
    with open(f"{directory}/file", "w", encoding="ascii") as f:
        f.write("not a socket")
    for options, sentence in (
            (["--control", f"{directory}/file"], "it is no socket"),
            (["--status", f"{directory}/file"], "it is no socket"),
            (["--control", "/nonexistent/control"], "cannot listen on /nonexistent/control"),
            (["--status", f"{directory}/s", "--status-group", "no-such-group-here"], "there is no group no-such-group-here")):
        done = run(*command_of(directory, program, *options))
        check(done.returncode == 1 and sentence in done.stderr, f"{options}: {done.returncode} {done.stderr}")
        check(not os.path.exists(f"{directory}/s"), "a socket is left over")
    check(os.path.getsize(f"{directory}/file") > 0, "the file in the way is gone")
    environment = dict(os.environ, NOTIFY_SOCKET="relative")
    done = subprocess.run(command_of(directory, program), env=environment, capture_output=True, text=True, timeout=120)
    check(done.returncode == 1 and "NOTIFY_SOCKET" in done.stderr, f"NOTIFY_SOCKET=relative: {done.stderr}")


def main(keygen, source, pager, ctl):
    for program in (pager, source):
        with tempfile.TemporaryDirectory(prefix="gmem-control-") as directory:
            ticket = make_files(directory, keygen)
            check_program(directory, program, ctl, ticket)
        with tempfile.TemporaryDirectory(prefix="gmem-control-") as directory:
            make_files(directory, keygen)
            check_refusals(directory, program)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
