#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Both ends of the channel, written from docs/protocol.md alone.

    decode.py FOLDER

For each vector FOLDER/*.json: two sides with its secrets must say, message by message, what is recorded, and take it;
its records must open to what is recorded.  Then everything is spoilt in every way that is known here, one at a time,
and each time somebody must refuse.
"""
import copy
import glob
import hashlib
import hmac
import json
import os
import struct
import sys

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
    from nacl import bindings as nacl
    from nacl.exceptions import CryptoError
except ImportError as e:
    print(f"skipped: {e}; install python3-cryptography and python3-nacl")
    sys.exit(77)

INITIATOR, RESPONDER = 1, 2
AES256GCM, XCHACHA20POLY1305 = 1, 2
CONTROL, URGENT, BULK = 0, 1, 2
(BIND, STATE, MANIFEST, START, STARTED, ABORT, COMPLETE, RELEASED, REQUEST, PAGES, CREDIT, ERROR, PING) = range(1, 14)
HELLO, NOISE1, NOISE2, NOISE3, EVIDENCE, ACCEPT = range(1, 7)
LENGTH = {HELLO: 56, NOISE1: 36, NOISE2: 100, NOISE3: 68, EVIDENCE: 8192, ACCEPT: 53}
PAGE = 4096
CLASSES = [64, 512, 4112] + [PAGE * n + 512 for n in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)]
LONGEST = {CONTROL: 66048, URGENT: 66048, BULK: 2097664}
EVERYWHERE = {BIND, ERROR, PING}
OPS = {
    CONTROL: EVERYWHERE | {STATE, MANIFEST, START, STARTED, ABORT, COMPLETE, RELEASED},
    URGENT: EVERYWHERE | {REQUEST, PAGES},
    BULK: EVERYWHERE | {PAGES, CREDIT},
}
REKEY_RECORDS, REKEY_BYTES = 1 << 20, 1 << 34
MAX_RECORDS, MAX_GENERATION = 1 << 40, (1 << 24) - 1


class Refused(Exception):
    """The handshake, or the lane in that direction, is over."""


def require(condition, why):
    if not condition:
        raise Refused(why)


def label(text, length=24):
    return text.encode().ljust(length, b"\0")


def sha256(data):
    return hashlib.sha256(data).digest()


def hmac256(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf_expand(prk, info, length):
    out, block, n = b"", b"", 1
    while len(out) < length:
        block = hmac256(prk, block + info + bytes([n]))
        out, n = out + block, n + 1
    return out[:length]


def dh(secret, public):
    try:
        shared = nacl.crypto_scalarmult(secret, public)
    except CryptoError:
        raise Refused("small order") from None
    require(any(shared), "small order")
    return shared


# ---- Noise_XX_25519_ChaChaPoly_SHA256 ----


class NoiseCipher:
    def __init__(self, key):
        self.key, self.n = key, 0

    def nonce(self):
        self.n += 1
        return bytes(4) + struct.pack("<Q", self.n - 1)

    def seal(self, ad, plain):
        return ChaCha20Poly1305(self.key).encrypt(self.nonce(), plain, ad)

    def open(self, ad, sealed):
        try:
            return ChaCha20Poly1305(self.key).decrypt(self.nonce(), sealed, ad)
        except InvalidTag:
            raise Refused("not authentic") from None


class Noise:
    def __init__(self, role, prologue, static, ephemeral):
        self.h = self.ck = b"Noise_XX_25519_ChaChaPoly_SHA256"
        self.mix_hash(prologue)
        self.role, self.s, self.e, self.cipher = role, static, ephemeral, None
        self.rs = self.re = None

    def mix_hash(self, data):
        self.h = sha256(self.h + data)

    def mix_key(self, shared):
        okm = hkdf_expand(hmac256(self.ck, shared), b"", 64)
        self.ck, self.cipher = okm[:32], NoiseCipher(okm[32:])

    def seal(self, plain):
        sealed = self.cipher.seal(self.h, plain) if self.cipher else plain
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = self.cipher.open(self.h, sealed) if self.cipher else sealed
        self.mix_hash(sealed)
        return plain

    def token(self, name):
        """A DH; the first letter is the initiator's key, the second the responder's."""
        mine, theirs = name if self.role == INITIATOR else reversed(name)
        secret = {"e": self.e, "s": self.s}[mine]
        self.mix_key(dh(secret, {"e": self.re, "s": self.rs}[theirs]))

    def write(self, tokens):
        out = b""
        for t in tokens:
            if t == "e":
                public = nacl.crypto_scalarmult_base(self.e)
                self.mix_hash(public)
                out += public
            elif t == "s":
                out += self.seal(nacl.crypto_scalarmult_base(self.s))
            else:
                self.token(t)
        return out + self.seal(b"")

    def read(self, tokens, data):
        for t in tokens:
            if t == "e":
                self.re, data = data[:32], data[32:]
                self.mix_hash(self.re)
            elif t == "s":
                self.rs, data = self.open(data[:48]), data[48:]
            else:
                self.token(t)
        require(self.open(data) == b"", "a payload")

    def split(self):
        okm = hkdf_expand(hmac256(self.ck, b""), b"", 64)
        return NoiseCipher(okm[:32]), NoiseCipher(okm[32:])


TOKENS = {NOISE1: ["e"], NOISE2: ["e", "ee", "s", "es"], NOISE3: ["s", "se"]}

# ---- handshake ----

ORDER = [(INITIATOR, HELLO), (RESPONDER, HELLO), (INITIATOR, NOISE1), (RESPONDER, NOISE2), (INITIATOR, NOISE3),
         (RESPONDER, EVIDENCE), (INITIATOR, EVIDENCE), (INITIATOR, ACCEPT), (RESPONDER, ACCEPT)]


class Side:
    def __init__(self, role, secrets, ticket_id, vm_id, connection, ciphers):
        self.role, self.secrets, self.ticket_id, self.vm_id = role, secrets, ticket_id, vm_id
        self.connection, self.ciphers, self.slip = connection, ciphers, 0
        self.row, self.hellos, self.evidence_hash = 0, {}, {INITIATOR: bytes(32), RESPONDER: bytes(32)}
        self.noise, self.refusing, self.failed, self.done = None, False, False, False

    def due(self):
        require(not self.done, "nothing is due any more")
        return ORDER[self.row]

    def next(self):
        self.row += 1
        self.done = self.row == len(ORDER)
        if self.row == 2:
            self.connection += self.slip
            self.noise = Noise(self.role, self.hellos[INITIATOR] + self.hellos[RESPONDER],
                               self.secrets["static_secret"], self.secrets["ephemeral_secret"])
        if self.row == 5:
            one, other = self.noise.split()
            self.tx, self.rx = (one, other) if self.role == INITIATOR else (other, one)

    def write(self):
        kind = ACCEPT if self.refusing else self.due()[1]
        header = struct.pack("<BBH", kind, self.role, LENGTH[kind])
        if kind == HELLO:
            message = header + b"gmem" + struct.pack("<HHI", 1, 1, self.ciphers) + self.ticket_id \
                + struct.pack("<Q", self.connection)
            self.hellos[self.role] = message
        elif kind in TOKENS:
            message = header + self.noise.write(TOKENS[kind])
        elif kind == EVIDENCE:
            evidence = self.digest(self.role)
            self.evidence_hash[self.role] = sha256(evidence)
            plain = (struct.pack("<H", len(evidence)) + evidence).ljust(8172, b"\0")
            message = header + self.tx.seal(header, plain)
        else:
            verdict = 2 if self.refusing else 1
            message = header + self.tx.seal(header, bytes([verdict]) + self.mac(self.role, verdict))
            if self.refusing:
                self.failed = True
                return message
        self.next()
        return message

    def read(self, message):
        sender, kind = self.due()
        require(len(message) >= 4, "short")
        got, role, length = struct.unpack("<BBH", message[:4])
        early = self.role == RESPONDER and kind == EVIDENCE and got == ACCEPT and len(message) == LENGTH[ACCEPT]
        kind = ACCEPT if early else kind
        require(role == sender != self.role and got == kind and length == len(message) == LENGTH[kind], "out of order")
        body = message[4:]
        if kind == HELLO:
            self.read_hello(message)
        elif kind in TOKENS:
            self.noise.read(TOKENS[kind], body)
        elif kind == EVIDENCE:
            self.read_evidence(message)
        else:
            self.read_accept(message, early)
        self.next()

    def read_hello(self, message):
        magic, low, high, ciphers = struct.unpack("<4sHHI", message[4:16])
        require(magic == b"gmem" and low <= high, "malformed")
        require(low <= 1 <= high, "no common version")
        require(message[16:48] == self.ticket_id, "another ticket")
        common = ciphers & self.ciphers
        require(common & (1 << AES256GCM | 1 << XCHACHA20POLY1305), "no common cipher")
        number = struct.unpack("<Q", message[48:])[0]
        require(number <= 1 << 62 and (self.role == RESPONDER or number >= self.connection), "impossible connection")
        self.connection = max(self.connection, number)
        self.cipher = AES256GCM if common & 1 << AES256GCM else XCHACHA20POLY1305
        self.hellos[INITIATOR + RESPONDER - self.role] = message

    def digest(self, giver):
        own, peer = nacl.crypto_scalarmult_base(self.secrets["static_secret"]), self.noise.rs
        keys = own + peer if giver == self.role else peer + own
        return hashlib.sha512(label("gmem v1 evidence binding", 32) + bytes([giver]) + self.noise.h + keys
                              + self.ticket_id + self.vm_id + struct.pack("<Q", self.connection)).digest()

    def read_evidence(self, message):
        plain = self.rx.open(message[:4], message[4:])
        length = struct.unpack("<H", plain[:2])[0]
        require(length <= 8170, "malformed")
        evidence = plain[2:2 + length]
        require(not any(plain[2 + length:]), "padding")
        peer = INITIATOR + RESPONDER - self.role
        self.evidence_hash[peer] = sha256(evidence)
        self.refusing = self.noise.rs != self.secrets["pinned_key"] or evidence != self.digest(peer)

    def transcript(self):
        return sha256(label("gmem v1 transcript") + self.noise.h + self.evidence_hash[INITIATOR]
                      + self.evidence_hash[RESPONDER] + self.vm_id + struct.pack("<Q", self.connection))

    def mac(self, role, verdict):
        key = hkdf_expand(hmac256(self.noise.h, self.noise.ck), label("gmem v1 accept key") + bytes([role]), 32)
        return hmac256(key, label("gmem v1 accept") + self.transcript() + bytes([role, verdict]))

    def read_accept(self, message, early):
        plain = self.rx.open(message[:4], message[4:])
        sender = INITIATOR + RESPONDER - self.role
        require(hmac.compare_digest(plain[1:], self.mac(sender, plain[0])), "another handshake's verdict")
        require(plain[0] == 1, "refused")
        require(not early, "accepted before it gave evidence")


def sides_of(vector, changes=(None, {})):
    """Both, from the vector's secrets; @changes: (role, {attribute: value}) for one of them."""
    sides = {}
    for role, name in ((INITIATOR, "initiator"), (RESPONDER, "responder")):
        secrets = {k: bytes.fromhex(v) for k, v in vector[name].items()}
        hello = bytes.fromhex(vector["messages"][role - 1]["bytes"])
        sides[role] = Side(role, secrets, bytes.fromhex(vector["ticket_id"]), bytes.fromhex(vector["vm_id"]),
                           vector["connection"], struct.unpack("<I", hello[12:16])[0])
        if role == changes[0]:
            for attribute, value in changes[1].items():
                setattr(sides[role], attribute, value)
    return sides


def run_handshake(sides, on_the_way=lambda i, message: [message]):
    """Until both are done; what is said.  @on_the_way: what becomes of message i."""
    said = []
    while not (sides[INITIATOR].done and sides[RESPONDER].done):
        require(not any(s.failed for s in sides.values()), "the peer is not believed")
        writer = next((s for s in sides.values() if not s.done and (s.refusing or s.due()[0] == s.role)), None)
        require(writer, "both wait")
        message = writer.write()
        said.append((writer.role, message))
        for arrived in on_the_way(len(said) - 1, message):
            sides[INITIATOR + RESPONDER - writer.role].read(arrived)
    return said


# ---- records ----


class Lane:
    """One lane in one direction: sealing or opening, by who holds it."""

    def __init__(self, session_id, connection, cipher, lane, direction, prk):
        self.session_id, self.connection, self.cipher = session_id, connection, cipher
        self.lane, self.direction, self.dead = lane, direction, False
        self.counter = self.generation = self.n_records = self.n_bytes = 0
        self.secret = hkdf_expand(prk, label("gmem v1 lane secret") + self.info(), 32)

    def info(self):
        return (self.session_id + struct.pack("<Q", self.connection)
                + struct.pack("<BBBI", self.cipher, self.lane, self.direction, self.generation))

    def key(self, name):
        return hkdf_expand(self.secret, label(name) + self.info(), 32)

    def rekey(self):
        require(self.generation < MAX_GENERATION, "no generation left")
        self.generation += 1
        self.n_records = self.n_bytes = 0
        self.secret = self.key("gmem v1 next secret")

    def nonce(self, counter):
        return (bytes([self.lane | self.direction << 4]) + self.generation.to_bytes(3, "little")
                + struct.pack("<Q", counter))

    def mask(self):
        nonce = struct.pack("<I", 0) + self.nonce(self.counter // 64)
        stream = Cipher(algorithms.ChaCha20(self.key("gmem v1 header key"), nonce), None).encryptor().update(bytes(1024))
        at = 16 * (self.counter % 64)
        return stream[at:at + 16]

    def decrypt(self, sealed, ad):
        key, nonce = self.key("gmem v1 record key"), self.nonce(self.counter)
        try:
            if self.cipher == AES256GCM:
                return AESGCM(key).decrypt(nonce, sealed, ad)
            return nacl.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, ad, nonce + bytes(12), key)
        except (InvalidTag, CryptoError):
            raise Refused("not authentic") from None

    def open(self, wire):
        try:
            require(not self.dead, "dead")
            return self.open_alive(wire)
        except Refused:
            self.dead = True
            raise

    def open_alive(self, wire):
        require(len(wire) >= 32, "short")
        cls, op, lane, direction, generation, counter = struct.unpack("<BBBBIQ", wire[:16])
        require(cls < len(CLASSES) and CLASSES[cls] <= LONGEST[self.lane], "class")
        length = CLASSES[cls]
        require(len(wire) == 32 + length + 16, "length")
        require((lane, direction, counter) == (self.lane, self.direction, self.counter), "not the next one here")
        require(self.counter < MAX_RECORDS, "limit")
        is_due = self.n_records >= REKEY_RECORDS or self.n_bytes + length > REKEY_BYTES
        if is_due or generation == self.generation + 1:
            self.rekey()
        require(generation == self.generation, "generation")
        hidden = bytes(a ^ b for a, b in zip(wire[16:32], self.mask()))
        gfn, n_pages, body_len = struct.unpack("<QII", hidden)
        self.check_rules(cls, op, gfn, n_pages, body_len)
        ad = self.session_id + struct.pack("<QB", self.connection, self.cipher) + wire[:16] + hidden
        plain = self.decrypt(wire[32:], ad)
        require(not any(plain[body_len:]), "padding")
        self.counter += 1
        self.n_records += 1
        self.n_bytes += length
        return {"op": op, "gfn": gfn, "n_pages": n_pages, "body_len": body_len, "body": plain[:body_len]}

    def check_rules(self, cls, op, gfn, n_pages, body_len):
        require(op in OPS[self.lane] and body_len <= LONGEST[self.lane], "operation")
        require(cls == next(i for i, length in enumerate(CLASSES) if length >= body_len), "not the smallest class")
        if op == PAGES:
            require(1 <= n_pages <= 512 and gfn + n_pages <= 1 << 52, "pages")
            n_data, rest = divmod(body_len - n_pages, PAGE)
            require(rest == 0 and 0 <= n_data <= n_pages, "length of pages")
        else:
            require(gfn == 0 and n_pages == 0, "pages of something else")


def lanes_of(side):
    """What this side has after a handshake: by lane and direction."""
    session_id = sha256(label("gmem v1 session") + side.ticket_id + side.vm_id)
    prk = hmac256(side.transcript(), side.noise.ck)
    return {(lane, direction): Lane(session_id, side.connection, side.cipher, lane, direction, prk)
            for lane in (CONTROL, URGENT, BULK) for direction in (INITIATOR, RESPONDER)}


def check_pages(opened):
    kinds = opened["body"][:opened["n_pages"]]
    require(all(k & 0x7f in (1, 2) for k in kinds), "kind")
    require(sum(k & 0x7f == 1 for k in kinds) * PAGE == opened["body_len"] - opened["n_pages"], "data pages")


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
    _, kind = ORDER[i]
    places = set(range(min(len(message), 120))) | set(range(len(message) - 20, len(message)))
    places |= set(range(0, len(message), 509))
    for at in sorted(places):
        yield f"byte {at}", [flip(message, at, 1 << at % 8)]
    yield "cut short", [message[:-1]]
    yield "empty", [b""]
    yield "a byte more", [message + b"\0"]
    yield "dropped", []
    if i:
        yield "a zero key or body", [message[:4] + bytes(len(message) - 4)]
    if kind == HELLO:
        yield "a version lowered", [message[:8] + struct.pack("<HH", 0, 1) + message[12:]]
        yield "version 2 only", [message[:8] + struct.pack("<HH", 2, 2) + message[12:]]
        yield "ciphers widened", [message[:12] + struct.pack("<I", 0xffffffff) + message[16:]]
        yield "ciphers: AEGIS-256 only", [message[:12] + struct.pack("<I", 1 << 3) + message[16:]]


def check_handshake(vector, check, spoil):
    sides, said = sides_of(vector), []
    recorded = [(m["from"], bytes.fromhex(m["bytes"])) for m in vector["messages"]]

    def keep(i, message):
        said.append(message)
        return [message]
    try:
        run_handshake(sides, keep)
        accepted = True
    except Refused:
        accepted = False
    check.equal("accepted", accepted, vector["accepted"])
    check.equal("messages", said, [message for _, message in recorded])
    check.equal("handshake hash", sides[INITIATOR].noise.h.hex(), vector["handshake_hash"])
    if not accepted:
        return None
    # Spoiling one handshake all over is enough; the others differ in their keys.
    for i, (_, message) in enumerate(recorded if spoil else []):
        for what, arrives in spoil_message(i, message):
            # Only one side may have what only it notices: nobody may end as done.
            check.refused(f"message {i}, {what}", lambda i=i, arrives=arrives: run_handshake(
                sides_of(vector), lambda j, m: arrives if j == i else [m]))
        check.refused(f"message {i} twice", lambda i=i: run_handshake(
            sides_of(vector), lambda j, m: [m, m] if j == i else [m]))
    for role in (INITIATOR, RESPONDER):
        for attribute, value in (("vm_id", bytes(32)), ("ticket_id", bytes(32)), ("slip", 1)):
            check.refused(f"{attribute} of side {role}", lambda r=role, a=attribute, v=value: run_handshake(
                sides_of(vector, (r, {a: v}))))
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
        lanes = check_handshake(vector, check, spoil=name.startswith("records-"))
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
