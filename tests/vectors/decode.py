#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Open the recorded vectors of the channel with another implementation than the one that made them.

    decode.py FOLDER

For each vector FOLDER/*.json: two sides (channel.py) with its secrets must say, message by message, what is recorded,
and take it; its records must open to what is recorded.  Then everything is spoilt in every way that is known here, one
at a time, and each time somebody must refuse.
"""
import copy
import glob
import json
import os
import struct
import sys

from channel import (HELLO, INITIATOR, LOG, LONGEST_LOG, PAGES, PLAIN, RESPONDER, Refused, Side, check_pages, lanes_of,
                     run_handshake, sha256, write_bundle)

# ---- what a vector says ----

NO_EVIDENCE = write_bundle(4, {5: bytes(64), 6: b"-", 7: b"-", 9: b"-"})


def log_of(length):
    return bytes((i * 7 + (i >> 8) + (i >> 16)) & 0xff for i in range(length))


def secrets_of(vector):
    """By role; hexadecimal is bytes."""
    both = {}
    for role, name in ((INITIATOR, "initiator"), (RESPONDER, "responder")):
        secrets = dict(vector[name])
        for key in set(secrets) & {"static_secret", "ephemeral_secret", "pinned_key", "evidence"}:
            secrets[key] = bytes.fromhex(secrets[key])
        if "log_len" in secrets:
            secrets["log"] = log_of(secrets["log_len"])
            if not secrets["evidence"]:
                # its side never came to give any
                secrets["evidence"] = NO_EVIDENCE
        both[role] = secrets
    return both


def sides_of(vector, secrets, changes=(None, {})):
    """Both, from the vector's secrets; @changes: (role, {attribute: value}) for one of them."""
    sides = {}
    for role in (INITIATOR, RESPONDER):
        hello = bytes.fromhex(vector["messages"][role - 1]["bytes"])
        sides[role] = Side(role, secrets[role], bytes.fromhex(vector["ticket_id"]), bytes.fromhex(vector["vm_id"]),
                           vector["connection"], struct.unpack("<I", hello[12:16])[0])
        if role == changes[0]:
            for attribute, value in changes[1].items():
                setattr(sides[role], attribute, value)
    return sides


# ---- spoiling ----


def flip(data, at, bit=1):
    data = bytearray(data)
    data[at] ^= bit
    return bytes(data)


class Check:
    def __init__(self, name):
        self.name, self.n_opened, self.n_refused, self.n_wrong = name, 0, 0, 0

    def wrong(self, what):
        self.n_wrong += 1
        if self.n_wrong <= 10:
            print(f"{self.name}: {what}")

    def equal(self, what, got, want):
        self.n_opened += 1
        if got != want:
            self.wrong(f"{what}: {got!r} in place of {want!r}"[:300])

    def refused(self, what, action):
        self.n_refused += 1
        try:
            action()
        except Refused:
            return
        self.wrong(f"{what} was taken")


def spoil_message(i, message):
    """Names and replacements (lists: what arrives instead) for message i."""
    places = set(range(min(len(message), 120))) | set(range(len(message) - 20, len(message)))
    places |= set(range(0, len(message), 509))
    for at in sorted(places):
        yield f"byte {at}", [flip(message, at, 1 << at % 8)]
    yield "cut short", [message[:-1]]
    yield "empty", [b""]
    yield "a byte more", [message + b"\0"]
    yield "dropped", []
    yield "twice", [message, message]
    if i:
        yield "a zero key or body", [message[:4] + bytes(len(message) - 4)]
    for kind in range(10):
        if kind != message[0]:
            yield f"as message {kind}", [bytes([kind]) + message[1:]]
    if message[0] == HELLO:
        yield "a version lowered", [message[:8] + struct.pack("<HH", 0, 1) + message[12:]]
        yield "version 2 only", [message[:8] + struct.pack("<HH", 2, 2) + message[12:]]
        yield "ciphers widened", [message[:12] + struct.pack("<I", 0xffffffff) + message[16:]]
        yield "ciphers: AEGIS-256 only", [message[:12] + struct.pack("<I", 1 << 3) + message[16:]]


def spoil_handshake(vector, secrets, said, check, chosen):
    """Only one side may have what only it notices: nobody may end as done."""
    for i in chosen:
        for what, arrives in spoil_message(i, said[i]):
            check.refused(f"message {i}, {what}", lambda i=i, arrives=arrives: run_handshake(
                sides_of(vector, secrets), lambda j, m: arrives if j == i else [m]))
        for other in chosen:
            if other != i:
                check.refused(f"message {other} for {i}", lambda i=i, o=other: run_handshake(
                    sides_of(vector, secrets), lambda j, m: [said[o]] if j == i else [m]))
    for role in (INITIATOR, RESPONDER):
        for attribute, value in (("vm_id", bytes(32)), ("ticket_id", bytes(32)), ("slip", 1)):
            check.refused(f"{attribute} of side {role}", lambda r=role, a=attribute, v=value: run_handshake(
                sides_of(vector, secrets, (r, {a: v}))))


def lie_about_logs(vector, secrets, check):
    """A peer with the keys, whose log is not what it has to be; a reader who wants none."""
    for role in (INITIATOR, RESPONDER):
        log = secrets[role]["log"]
        if not log:
            continue
        announced = lambda length, digest: struct.pack("<I", length) + digest
        lies = {
            "another log": {"log": flip(log, len(log) // 2)},
            "a log of 0 bytes": {"announce": announced(0, sha256(b"")), "log": b""},
            "a log that is too long": {"announce": announced(LONGEST_LOG + 1, sha256(log)), "log": bytes(LONGEST_LOG + 1)},
            "another hash": {"announce": announced(len(log), bytes(32))},
            "another length": {"announce": announced(len(log) - 1, sha256(log))},
            "one byte more announced": {"announce": announced(len(log) + 1, sha256(log))},
        }
        if len(log) % PLAIN:
            lies["a part with other bytes than zeros after it"] = {"part_padding": b"\1"}
        for what, changes in lies.items():
            check.refused(f"{what} from side {role}", lambda r=role, c=changes: run_handshake(
                sides_of(vector, secrets, (r, c))))
        check.refused(f"the log of side {role} where none is judged", lambda r=role: run_handshake(
            sides_of(vector, secrets, (INITIATOR + RESPONDER - r, {"judges_logs": False}))))


def is_recorded(message, recorded):
    if message[1] != recorded["from"]:
        return False
    return sha256(message).hex() == recorded["sha256"] if "sha256" in recorded else message.hex() == recorded["bytes"]


def check_handshake(vector, check, spoil):
    secrets = secrets_of(vector)
    sides, said, recorded = sides_of(vector, secrets), [], vector["messages"]

    def keep(i, message):
        said.append(message)
        return [message]
    try:
        run_handshake(sides, keep)
        accepted = True
    except Refused:
        accepted = False
    check.equal("accepted", accepted, vector["accepted"])
    check.equal("number of messages", len(said), len(recorded))
    for i, one in enumerate(zip(said, recorded)):
        check.equal(f"message {i}", is_recorded(*one), True)
    check.equal("handshake hash", sides[INITIATOR].noise.h.hex(), vector["handshake_hash"])
    for role, side in sides.items():
        if "log" in side.secrets and accepted:
            check.equal(f"evidence of side {role}", side.evidence_hash[role], sha256(side.secrets["evidence"]))
            check.equal(f"log that side {role} got", side.got_log, secrets[side.peer]["log"])
    if not accepted:
        return None
    if spoil:
        # of a long row of parts the first, one between, and the last
        logs = [i for i, message in enumerate(said) if message[0] == LOG]
        chosen = range(len(said)) if len(said) < 30 else [logs[0], logs[len(logs) // 2], logs[-1]]
        spoil_handshake(vector, secrets, said, check, chosen)
        if "log" in secrets[INITIATOR]:
            lie_about_logs(vector, secrets, check)
    return lanes_of(sides[INITIATOR])


def spoil_record(wire, body_len):
    for at in range(32):
        for bit in (1, 2, 0x10, 0x80):
            yield f"header byte {at} ^ {bit:#x}", flip(wire, at, bit)
    body_end, end = 32 + body_len, len(wire) - 16
    for what, at in (("body, first", 32), ("body, middle", 32 + body_len // 2), ("body, last", body_end - 1),
                     ("padding, first", body_end), ("padding, last", end - 1)):
        if 32 <= at < end:
            yield what, flip(wire, at)
    for at in range(end, len(wire)):
        yield f"tag byte {at - end}", flip(wire, at, 1 << at % 8)
    for n in (1, 16, len(wire) - 32, len(wire) - 31, len(wire)):
        yield f"{n} bytes cut off", wire[:len(wire) - n]
    yield "a byte more", wire + b"\0"


def check_records(vector, lanes, foreign, check):
    records = vector["records"]
    wires = [bytes.fromhex(r["wire"]) for r in records]
    for i, (record, wire) in enumerate(zip(records, wires)):
        key = (record["lane"], record["direction"])
        for what, spoilt in spoil_record(wire, record["body_len"]):
            check.refused(f"record {i}, {what}", lambda s=spoilt: copy.copy(lanes[key]).open(s))
        for other in range(len(records)):
            # any other one of this vector in its place: dropped, reordered, replayed, from another lane or direction
            if other != i and abs(other - i) < 12:
                check.refused(f"record {other} for {i}", lambda o=other: copy.copy(lanes[key]).open(wires[o]))
        for wire_of_other in foreign:
            check.refused(f"record {i}, of another connection", lambda w=wire_of_other: copy.copy(lanes[key]).open(w))
        try:
            opened = lanes[key].open(wire)
            if opened["op"] == PAGES:
                check_pages(opened)
        except Refused as e:
            check.wrong(f"record {i} did not open: {e}")
            continue
        for name in ("op", "gfn", "n_pages", "body_len"):
            check.equal(f"record {i}, {name}", opened[name], record[name])
        if "body" in record:
            check.equal(f"record {i}, body", opened["body"].hex(), record["body"])
        else:
            check.equal(f"record {i}, body", sha256(opened["body"]).hex(), record["body_sha256"])
        check.refused(f"record {i} again", lambda: copy.copy(lanes[key]).open(wire))


def main():
    if len(sys.argv) != 2:
        print(__doc__.split("\n\n")[1].strip(), file=sys.stderr)
        return 2
    paths = sorted(glob.glob(os.path.join(sys.argv[1], "*.json")))
    vectors = {os.path.basename(p)[:-5]: json.load(open(p)) for p in paths}
    n_wrong = 0
    for name, vector in vectors.items():
        check = Check(name)
        foreign = [bytes.fromhex(v["records"][0]["wire"]) for n, v in vectors.items() if n != name and v["records"]]
        lanes = check_handshake(vector, check, spoil=name.startswith(("records-", "logs-")))
        if lanes:
            check_records(vector, lanes, foreign, check)
        elif vector["records"]:
            check.wrong("records after a handshake that was refused")
        print(f"{name}: {len(vector['messages'])} messages, {len(vector['records'])} records; "
              f"{check.n_opened} right, {check.n_refused} spoilt and refused, {check.n_wrong} wrong")
        n_wrong += check.n_wrong
    return 0 if vectors and n_wrong == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
