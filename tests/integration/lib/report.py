#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Make one report of a move out of what both hosts left behind.

    report.py SHARE-OF-A SHARE-OF-B OUT.json

The pages are compared by the hashes that each VMM took of the frozen guest on
its own host; the pager has no part in that.  Exit code 1, and a sentence per
finding, if the move was not right.
"""
import json
import os
import re
import sys

RECORD = 40         # GFN (64 bits, little endian), BLAKE2b-256
MIN_PAGES = int(os.environ.get("MIN_PAGES", "16384"))   # 64 MiB that the guest wrote once
SHARED_MIB = int(os.environ.get("SHARED_MIB", "0"))  # so much of RAM may have become shared
MIN_DEMAND = int(os.environ.get("MIN_DEMAND", "1"))  # counted by the service that ended the move


def read_json(path):
    with open(path) as f:
        return json.load(f)


def read_hashes(path):
    with open(path, "rb") as f:
        data = f.read()
    if len(data) % RECORD:
        raise SystemExit(f"report: {path} is not a list of page hashes")
    return {data[i:i + 8]: data[i + 8:i + RECORD] for i in range(0, len(data), RECORD)}


def read_console(path):
    """Last round of each vCPU, and the number of MISMATCH lines."""
    rounds, mismatches = {}, 0
    with open(path, errors="replace") as f:
        for line in f:
            m = re.match(r"ROUND (\d+) vcpu=(\d+) mismatches=(\d+)", line)
            if m:
                rounds[int(m[2])] = int(m[1])
                mismatches = max(mismatches, int(m[3]))
            elif line.startswith("MISMATCH"):
                mismatches = max(mismatches, 1)
    return rounds, mismatches


def compare(share_a, share_b):
    a, b = read_hashes(f"{share_a}/a.hash"), read_hashes(f"{share_b}/b.hash")
    return len(a), sum(1 for gfn in a if b.get(gfn) != a[gfn]) + sum(1 for gfn in b if gfn not in a)


def make_report(share_a, share_b):
    a, b = read_json(f"{share_a}/a.json"), read_json(f"{share_b}/b.json")
    rounds_a, wrong_a = read_console(f"{share_a}/a.console")
    rounds_b, wrong_b = read_console(f"{share_b}/b.console")
    compared, different = compare(share_a, share_b)
    progress = b["move"]["progress"]
    report = {
        "result": "ok",
        "guest": {
            "kind": "linux",
            "vcpus": b["guest"]["vcpus"],
            "ram_mib": b["guest"]["ram_mib"],
            "private_mib": b["guest"]["private_mib"],
        },
        "migration": {
            "downtime_ms": a["move"].get("downtime_ms"),
            "total_ms": a["move"].get("total_ms"),
            **{k: progress[k] for k in ("pages_total", "pages_demand", "pages_background", "pages_zero",
                                        "pages_duplicate", "bytes_wire", "fault_latency_us")},
        },
        "verify": {
            "rounds_before": min(rounds_a.values(), default=0),
            "rounds_after": min(rounds_b.values(), default=0),
            "mismatches": max(wrong_a, wrong_b, b["guest"]["mismatches"]),
            "pages_compared": compared,
            "pages_different": different,
        },
        "channel": {k: progress[k] for k in ("transport", "cipher", "handshake")},
    }
    findings = judge(report, a, b, progress)
    if findings:
        report["result"] = "failed"
        report["findings"] = findings
    return report


def judge(report, a, b, progress):
    g, m, v = report["guest"], report["migration"], report["verify"]
    rules = [
        (a["exit_code"] == 0, f"the VMM on A ended with code {a['exit_code']}: {a['reason']}"),
        (b["exit_code"] == 0, f"the VMM on B ended with code {b['exit_code']}: {b['reason']}"),
        (b["move"]["state"] == "complete", f"the move is {b['move']['state']}"),
        (b["guest"].get("missing_pages") == 0, f"{b['guest'].get('missing_pages')} pages are missing on B"),
        (progress["pages_present"] == progress["pages_total"], "not every page of the manifest arrived"),
        (g["private_mib"] >= g["ram_mib"] - SHARED_MIB, f"only {g['private_mib']} of {g['ram_mib']} MiB are private"),
        (m["pages_demand"] >= MIN_DEMAND, "no page was fetched on demand"),
        (v["rounds_after"] > v["rounds_before"] > 0, "the guest did not go on after the move"),
        (v["mismatches"] == 0, f"the guest found {v['mismatches']} wrong words"),
        (v["pages_different"] == 0, f"{v['pages_different']} of {v['pages_compared']} pages differ"),
        (v["pages_compared"] >= MIN_PAGES, f"only {v['pages_compared']} pages were compared"),
    ]
    return [sentence for holds, sentence in rules if not holds]


def main():
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    try:
        report = make_report(sys.argv[1], sys.argv[2])
    except (OSError, KeyError, ValueError) as e:
        raise SystemExit(f"report: the move left no complete record: {e!r}")
    with open(sys.argv[3], "w") as f:
        json.dump(report, f, indent=2)
        f.write("\n")
    for sentence in report.get("findings", []):
        print("report:", sentence)
    return 1 if report["result"] != "ok" else 0


if __name__ == "__main__":
    sys.exit(main())
