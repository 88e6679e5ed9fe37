#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Look for a known guest's memory in a capture.

    plaintext.py CAPTURE.pcap INITRD FIXED_PAGES

Known are the initrd, which lies in the guest's memory as it is, and the fixed
pages that the guest's program writes (tests/vmm/guest/pattern.c).  Any 64-byte
run of the capture contains 32 bytes at a multiple of 32 of its stream; each of
those is looked up at every place of what is known.  Runs of one repeated byte
say nothing and do not count.  Exit code 1 if a run is found.
"""
import struct
import sys

RUN, HALF = 64, 32
ETH_LEN, IP_PROTO_TCP = 14, 6


def tcp_streams(path):
    """Payload of each TCP direction, segments in order of their sequence numbers."""
    flows = {}
    with open(path, "rb") as f:
        head = f.read(24)
        order = "<" if head[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        while len(record := f.read(16)) == 16:
            packet = f.read(struct.unpack(order + "4I", record)[2])
            if packet[12:14] != b"\x08\x00" or packet[ETH_LEN + 9] != IP_PROTO_TCP:
                continue
            ip_len = (packet[ETH_LEN] & 15) * 4
            total = struct.unpack_from(">H", packet, ETH_LEN + 2)[0]
            tcp = ETH_LEN + ip_len
            payload = packet[tcp + (packet[tcp + 12] >> 4) * 4:ETH_LEN + total]
            if payload:
                key = packet[ETH_LEN + 12:ETH_LEN + 20] + packet[tcp:tcp + 4]
                sequence = struct.unpack_from(">I", packet, tcp + 4)[0]
                first, parts = flows.setdefault(key, (sequence, {}))
                parts.setdefault((sequence - first) & 0xffffffff, payload)
    for _, parts in flows.values():
        stream, end = bytearray(), 0
        for offset in sorted(parts):
            if offset + len(parts[offset]) > end:
                stream += parts[offset][max(0, end - offset):]
                end = offset + len(parts[offset])
        yield bytes(stream)


def fixed_page(number):
    page = b"".join(b"................page %08d line %02d, never written again.....\n" % (number, line)
                    for line in range(64))
    return b"GMEM-FIXED-PAGE\0" + page[16:]


def says_something(half):
    return len(set(half)) > 3


def find_runs(streams, known):
    """64-byte runs that stand in both; the first few of them."""
    chunks = {}
    for s, stream in enumerate(streams):
        for at in range(0, len(stream) - HALF + 1, HALF):
            half = stream[at:at + HALF]
            if says_something(half):
                chunks[half] = (s, at)
    found = []
    for k in range(len(known) - HALF + 1):
        place = chunks.get(known[k:k + HALF])
        if not place:
            continue
        stream, at = streams[place[0]], place[1]
        before = after = 0
        while at - before > 0 and k - before > 0 and stream[at - before - 1] == known[k - before - 1] and before < RUN:
            before += 1
        while at + after < len(stream) and k + after < len(known) and stream[at + after] == known[k + after] and after < RUN:
            after += 1
        if before + after >= RUN:
            found.append((k, place))
            if len(found) == 3:
                break
    return found


def main():
    capture, initrd, n_fixed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    streams = list(tcp_streams(capture))
    n_bytes = sum(map(len, streams))
    with open(initrd, "rb") as f:
        known = f.read()
    known += b"".join(map(fixed_page, range(0, n_fixed, max(1, n_fixed // 64))))

    # The search finds what is there: a run planted at an odd place.
    planted = [b"x" * 5 + known[1001:1001 + RUN + HALF] + b"y" * 64]
    if not find_runs(planted, known[:4096]):
        sys.exit("plaintext: the search does not find a planted run")
    if n_bytes < 8 << 20:
        sys.exit(f"plaintext: only {n_bytes} bytes were captured; the move was not")

    found = find_runs(streams, known)
    for at, _ in found:
        print(f"plaintext: the capture holds {known[at:at + RUN]!r}", file=sys.stderr)
    print(f"capture: {n_bytes} bytes in {len(streams)} streams, {len(known)} known bytes, {len(found)} runs found")
    sys.exit(bool(found))


main()
