# SPDX-License-Identifier: MIT
"""Both ends of the channel, written from docs/protocol.md alone."""
import hashlib
import hmac
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
(BIND, STATE, MANIFEST, START, STARTED, ABORT, COMPLETE, RELEASED, REQUEST, PAGES, CREDIT, ERROR, PING, MAP) = range(1, 15)
HELLO, NOISE1, NOISE2, NOISE3, EVIDENCE, ACCEPT, WANT, LOG = range(1, 9)
LENGTH = {HELLO: 56, NOISE1: 36, NOISE2: 100, NOISE3: 68, EVIDENCE: 8192, ACCEPT: 53, WANT: 20, LOG: 8192}
PLAIN = 8172            # what EVIDENCE and LOG seal
LONGEST_EVIDENCE, LONGEST_LOG = PLAIN - 2, 4 << 20
PAGE = 4096
CLASSES = [64, 512, 4112] + [PAGE * n + 512 for n in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)]
LONGEST = {CONTROL: 66048, URGENT: 66048, BULK: 2097664}
EVERYWHERE = {BIND, ERROR, PING}
OPS = {
    CONTROL: EVERYWHERE | {STATE, MANIFEST, START, STARTED, ABORT, COMPLETE, RELEASED, MAP},
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


TPM = 4
# By kind: the items that it must have, and those that it may have.
BUNDLES = {1: ({1, 2}, {1, 2}), 2: ({3}, {3}), 3: ({4}, {4}), TPM: ({5, 6, 7, 9}, {5, 6, 7, 8, 9, 10, 11})}
QUOTE, IMA_LOG, LONG_LOG = 5, 10, 11


def read_bundle(evidence):
    """Its kind and items; None if it is no bundle."""
    if evidence[:5] != b"gmeb\1" or len(evidence) < 6:
        return None
    kind, at, items = evidence[5], 6, {}
    while at < len(evidence):
        if len(evidence) < at + 3:
            return None
        what, length = struct.unpack_from("<BH", evidence, at)
        item, at = evidence[at + 3:at + 3 + length], at + 3 + length
        if len(item) < length or length == 0 or what <= max(items, default=0):
            return None
        items[what] = item
    if kind not in BUNDLES or not BUNDLES[kind][0] <= set(items) <= BUNDLES[kind][1]:
        return None
    if LONG_LOG in items and (IMA_LOG in items or len(items[LONG_LOG]) != 36):
        return None
    return kind, items


def write_bundle(kind, items):
    return b"gmeb\1" + bytes([kind]) + b"".join(
        struct.pack("<BH", what, len(item)) + item for what, item in sorted(items.items()))


def announced_log(evidence):
    """Length and hash of the log that follows, or None."""
    bundle = read_bundle(evidence)
    return struct.unpack("<I32s", bundle[1][LONG_LOG]) if bundle and LONG_LOG in bundle[1] else None


class Side:
    """@secrets: keys and, if the evidence is a bundle, "evidence", "log" and what this side "believes"."""

    def __init__(self, role, secrets, ticket_id, vm_id, connection, ciphers):
        self.role, self.secrets, self.ticket_id, self.vm_id = role, secrets, ticket_id, vm_id
        self.peer = INITIATOR + RESPONDER - role
        self.connection, self.ciphers, self.slip = connection, ciphers, 0
        self.row, self.order, self.hellos = 0, list(ORDER), {}
        self.evidence_hash = {INITIATOR: bytes(32), RESPONDER: bytes(32)}
        self.noise, self.refusing, self.failed, self.done = None, False, False, False
        self.log, self.log_at = secrets.get("log", b""), 0
        self.announce, self.part_padding, self.judges_logs = None, b"\0", True
        self.due_log, self.got_log = None, b""

    def due(self):
        require(not self.done, "nothing is due any more")
        return self.order[self.row]

    def next(self):
        self.row += 1
        self.done = self.row == len(self.order)
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
        else:
            message = header + self.tx.seal(header, self.plain(kind))
        if self.refusing:
            self.failed = True
        else:
            self.next()
        return message

    def plain(self, kind):
        if kind == EVIDENCE:
            evidence = self.evidence()
            self.evidence_hash[self.role] = sha256(evidence)
            self.expect_log(self.role, announced_log(evidence))
            return (struct.pack("<H", len(evidence)) + evidence).ljust(PLAIN, b"\0")
        if kind == WANT:
            return b""
        if kind == LOG:
            part = self.log[self.log_at:self.log_at + PLAIN]
            self.log_at += len(part)
            return part.ljust(PLAIN, self.part_padding)
        verdict = 2 if self.refusing else 1
        return bytes([verdict]) + self.mac(self.role, verdict)

    def expect_log(self, giver, announced):
        """WANT and LOG of @giver come after this row."""
        if announced:
            n_parts = -(-announced[0] // PLAIN)
            self.order[self.row + 1:self.row + 1] = [(INITIATOR + RESPONDER - giver, WANT)] + [(giver, LOG)] * n_parts

    def read(self, message):
        sender, kind = self.due()
        require(len(message) >= 4, "short")
        got, role, length = struct.unpack("<BBH", message[:4])
        may_refuse = kind == WANT or (self.role == RESPONDER and kind == EVIDENCE)
        early = may_refuse and got == ACCEPT and len(message) == LENGTH[ACCEPT]
        kind = ACCEPT if early else kind
        require(role == sender != self.role and got == kind and length == len(message) == LENGTH[kind], "out of order")
        if kind == HELLO:
            self.read_hello(message)
        elif kind in TOKENS:
            self.noise.read(TOKENS[kind], message[4:])
        else:
            plain = self.rx.open(message[:4], message[4:])
            if kind == EVIDENCE:
                self.read_evidence(plain)
            elif kind == LOG:
                self.read_log(plain)
            elif kind == ACCEPT:
                self.read_accept(plain, early)
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
        self.hellos[self.peer] = message

    def digest(self, giver):
        own, peer = nacl.crypto_scalarmult_base(self.secrets["static_secret"]), self.noise.rs
        keys = own + peer if giver == self.role else peer + own
        return hashlib.sha512(label("gmem v1 evidence binding", 32) + bytes([giver]) + self.noise.h + keys
                              + self.ticket_id + self.vm_id + struct.pack("<Q", self.connection)).digest()

    def evidence(self):
        """A pinned key's, or the bundle with this handshake's digest in place of a quote."""
        if "evidence" not in self.secrets:
            return self.digest(self.role)
        kind, items = read_bundle(self.secrets["evidence"])
        items[QUOTE] = self.digest(self.role)
        if self.announce is not None:
            items[LONG_LOG] = self.announce
        return write_bundle(kind, items)

    def read_evidence(self, plain):
        length = struct.unpack("<H", plain[:2])[0]
        require(length <= LONGEST_EVIDENCE, "malformed")
        evidence = plain[2:2 + length]
        require(not any(plain[2 + length:]), "padding")
        self.evidence_hash[self.peer] = sha256(evidence)
        self.refusing = not self.believes(evidence)
        if not self.refusing:
            self.due_log = announced_log(evidence)
            self.expect_log(self.peer, self.due_log)

    def believes(self, evidence):
        announced = announced_log(evidence)
        if self.noise.rs != self.secrets["pinned_key"]:
            return False
        if announced and not (self.judges_logs and 1 <= announced[0] <= LONGEST_LOG):
            return False
        if "believes" not in self.secrets:
            return evidence == self.digest(self.peer)
        bundle = read_bundle(evidence)
        is_bound = bundle and bundle[0] == TPM and bundle[1][QUOTE] == self.digest(self.peer)
        return bool(is_bound) and self.secrets["believes"] != "nothing"

    def read_log(self, plain):
        length, digest = self.due_log
        part = min(PLAIN, length - len(self.got_log))
        require(not any(plain[part:]), "padding")
        self.got_log += plain[:part]
        if len(self.got_log) == length:
            self.refusing = sha256(self.got_log) != digest or self.secrets["believes"] == "all but the log"

    def transcript(self):
        return sha256(label("gmem v1 transcript") + self.noise.h + self.evidence_hash[INITIATOR]
                      + self.evidence_hash[RESPONDER] + self.vm_id + struct.pack("<Q", self.connection))

    def mac(self, role, verdict):
        key = hkdf_expand(hmac256(self.noise.h, self.noise.ck), label("gmem v1 accept key") + bytes([role]), 32)
        return hmac256(key, label("gmem v1 accept") + self.transcript() + bytes([role, verdict]))

    def read_accept(self, plain, early):
        require(hmac.compare_digest(plain[1:], self.mac(self.peer, plain[0])), "another handshake's verdict")
        require(plain[0] == 1, "refused")
        require(not early, "accepted before it gave evidence")


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
            sides[writer.peer].read(arrived)
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
