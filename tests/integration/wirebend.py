#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Somebody in the middle between gmem-source and gmem-pager.

Listens where gmem-source connects, connects to gmem-pager, and passes everything
on, except for one record that it spoils:

  flip     one bit of its sealed body
  gfn      one bit of its (masked) GFN: the page is to go elsewhere
  replay   it comes twice
  swap     it comes after the one behind it
  divert   it goes to the other page lane (urgent for bulk, bulk for urgent)
  cut      all connections end in its place
  stall    it and all that follows, on all lanes and both ways, is swallowed, and connections
           that come after it are refused
  delay    it and all that follows on its lane comes --ms milliseconds late
  stale    the first such record is kept and all connections end behind it; on the
           connections that come then, it is sent in place of the first one there
  none     nothing; counts

Prints a line when it has listened ("ready"), one when it has struck ("bent ..."),
and on SIGTERM, or once all connections are gone, how many records it saw.
"""

import argparse
import signal
import socket
import sys
import threading
import time

PREAMBLE_MAGIC = b"GMEMLANE"
PREAMBLE_LEN = 48
LANES = ("control", "urgent", "bulk")
OPS = {"BIND": 1, "STATE": 2, "MANIFEST": 3, "START": 4, "STARTED": 5, "ABORT": 6, "COMPLETE": 7, "RELEASED": 8,
       "REQUEST": 9, "PAGES": 10, "CREDIT": 11, "ERROR": 12, "PING": 13, "MAP": 14}
OP_NAMES = {number: name for name, number in OPS.items()}

# A record: 32 bytes of header (class, op, lane, direction, ...), the body padded to its class, a tag of 16.
HEADER_LEN = 32
TAG_LEN = 16
GFN_OFFSET = 16
CLASS_LENS = [64, 512, 4112] + [n * 4096 + 512 for n in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)]
HANDSHAKE_LAST = 6  # ACCEPT


class Closed(Exception):
    """The stream ended."""


def read_exactly(sock, length):
    data = b""
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            raise Closed
        data += part
    return data


class Bender:
    """What to do to which record; shared by all connections."""

    def __init__(self, args):
        self.args = args
        self.lock = threading.Lock()
        self.left = args.nth
        self.struck = False
        self.kept = None
        self.stalled = False
        self.delayed = set()
        self.socks = []
        self.lanes = {}
        self.seen = {}

    def add(self, sock):
        with self.lock:
            self.socks.append(sock)

    def decide(self, sender, lane, op):
        """The act for this record, once."""
        with self.lock:
            key = (sender, lane, op)
            self.seen[key] = self.seen.get(key, 0) + 1
            args = self.args
            if self.struck or args.act == "none" or sender != args.sender or lane != args.lane or op != args.op:
                return None
            if self.left > 0:
                self.left -= 1
                return None
            if args.act == "stale" and self.kept is None:
                return "keep"
            self.struck = True
            self.stalled = args.act == "stall"
            if args.act == "delay":
                self.delayed.add((sender, lane))
        print(f"bent {args.act} {args.sender} {args.lane} {args.op} {args.nth}", flush=True)
        return args.act

    def cut(self):
        with self.lock:
            for sock in self.socks:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def report(self):
        with self.lock:
            for (sender, lane, op), count in sorted(self.seen.items()):
                print(f"seen {sender} {lane} {op} {count}", flush=True)


class Pipe(threading.Thread):
    """One direction of one connection, record by record."""

    def __init__(self, bender, sender, source, sink, lane):
        super().__init__(daemon=True)
        self.bender = bender
        self.sender = sender
        self.source = source
        self.sink = sink
        self.lane = lane
        self.held = None

    def run(self):
        try:
            if self.lane == "control":
                self.pass_handshake()
            while True:
                self.pass_record()
        except (Closed, OSError, ValueError) as error:
            if isinstance(error, ValueError):
                print(f"confused: {error}", file=sys.stderr, flush=True)
        for sock in (self.source, self.sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def pass_handshake(self):
        kind = 0
        while kind != HANDSHAKE_LAST:
            head = read_exactly(self.source, 2)
            message = read_exactly(self.source, int.from_bytes(head, "little"))
            kind = message[0]
            self.sink.sendall(head + message)

    def pass_record(self):
        header = read_exactly(self.source, HEADER_LEN)
        if header[0] >= len(CLASS_LENS) or header[1] not in OP_NAMES or header[2] >= len(LANES):
            raise ValueError(f"not a record: {header.hex()}")
        record = bytearray(header + read_exactly(self.source, CLASS_LENS[header[0]] + TAG_LEN))
        op = OP_NAMES[header[1]]
        act = self.bender.decide(self.sender, self.lane, op)
        if self.bender.stalled:
            return
        if (self.sender, self.lane) in self.bender.delayed:
            time.sleep(self.bender.args.ms / 1000)
        if act == "cut":
            self.bender.cut()
            raise Closed
        if act == "keep":
            self.bender.kept = bytes(record)
            self.sink.sendall(record)
            self.bender.cut()
            raise Closed
        if act == "stale":
            record = bytearray(self.bender.kept)
        if act == "swap":
            self.held = record
            return
        if act == "flip":
            record[HEADER_LEN + 20] ^= 0x10
        if act == "gfn":
            record[GFN_OFFSET] ^= 0x01
        if act == "divert":
            other = "bulk" if self.lane == "urgent" else "urgent"
            self.bender.lanes[(self.sender, other)].sendall(record)
            return
        self.sink.sendall(record)
        if act == "replay":
            self.sink.sendall(record)
        if self.held is not None:
            held, self.held = self.held, None
            self.sink.sendall(held)


def connect_through(bender, client, target):
    preamble = read_exactly(client, PREAMBLE_LEN)
    number = int.from_bytes(preamble[12:16], "little")
    if not preamble.startswith(PREAMBLE_MAGIC) or number >= len(LANES):
        raise ValueError("a connection without a preamble")
    server = socket.create_connection(target)
    for sock in (client, server):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bender.add(sock)
    lane = LANES[number]
    bender.lanes[("source", lane)] = server
    bender.lanes[("pager", lane)] = client
    server.sendall(preamble)
    pipes = [Pipe(bender, "source", client, server, lane), Pipe(bender, "pager", server, client, lane)]
    for pipe in pipes:
        pipe.start()
    return pipes


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, type=parse_address, metavar="HOST:PORT")
    parser.add_argument("--to", required=True, type=parse_address, metavar="HOST:PORT")
    parser.add_argument("--act", default="none",
                        choices=("flip", "gfn", "replay", "swap", "divert", "cut", "stall", "delay", "stale", "none"))
    parser.add_argument("--lane", default="urgent", choices=LANES)
    parser.add_argument("--op", default="PAGES", choices=sorted(OPS))
    parser.add_argument("--nth", default=0, type=int, help="which of those records, from 0")
    parser.add_argument("--from", dest="sender", default="source", choices=("source", "pager"))
    parser.add_argument("--again", action="store_true", help="go on with connections that come after the first set")
    parser.add_argument("--ms", default=100, type=int, help="for delay")
    return parser.parse_args()


def accept_more(bender, pipes):
    """Is another connection waited for?"""
    args = bender.args
    if args.act == "stall" and bender.struck:
        return False
    return args.again or args.act == "stale" or len(pipes) < 2 * len(LANES)


def listen(bender, listener, target):
    """Accept connections as long as any are waited for; their pipes."""
    pipes = []
    listener.settimeout(0.1)  # between two of them it may strike
    while accept_more(bender, pipes):
        try:
            client, _ = listener.accept()
        except TimeoutError:
            continue
        client.settimeout(None)
        try:
            pipes += connect_through(bender, client, target)
        except (Closed, OSError, ValueError) as error:
            print(f"connection dropped: {error}", file=sys.stderr, flush=True)
            client.close()
    listener.close()
    return pipes


def main():
    args = parse_args()
    bender = Bender(args)
    listener = socket.create_server(args.listen, family=socket.AF_INET6 if ":" in args.listen[0] else socket.AF_INET)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    try:
        for pipe in listen(bender, listener, args.to):
            pipe.join()
    finally:
        bender.report()


if __name__ == "__main__":
    main()
