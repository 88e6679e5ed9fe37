# SPDX-License-Identifier: MIT
"""The guest that is moved, the same for both."""
import re

from measure import read, wait_for

MEM_MIB = 256
# What gmem-testvmm gives to its guests; the rest of its command line names memory that is not private, not used here.
KERNEL = "console=ttyS0 acpi=off pci=off reboot=k quiet"
PROGRAM = "gmem.write_mib=128 gmem.fixed_mib=1 gmem.shared_pages=0 gmem.pause_ms=0 gmem.random=1 gmem.stamp_us=20"
ROUND = re.compile(r"ROUND (\d+) vcpu=0 mismatches=(\d+)")


def rounds(console):
    try:
        return [int(n) for n, _ in ROUND.findall(read(console))]
    except FileNotFoundError:
        return []


def wait_rounds(console, n):
    """Until it has written all of its memory so many times, at this console."""
    def done():
        check(console)
        return len(rounds(console)) >= n
    wait_for(f"round of the guest at {console}", done)


def check(console):
    """Every byte that it read was right."""
    try:
        text = read(console)
    except FileNotFoundError:
        return
    if "MISMATCH" in text or "GUEST-FAIL" in text or any(int(n) for _, n in ROUND.findall(text)):
        raise SystemExit(f"the guest went wrong, see {console}")
