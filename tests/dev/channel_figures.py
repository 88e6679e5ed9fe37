# SPDX-License-Identifier: MIT
"""The figures of the channel, from what bench_channel, bench_handshake and bench_snp printed.

    channel_figures.py [--json FILE] RUN...

A RUN is the output of one run of each.  A figure's value is the median of its runs; figures that miss their goal are
said to, and make the exit code 1.  What a machine or a build cannot measure is named.
"""
import argparse
import json
import statistics
import sys

HIGHER, LOWER = ">=", "<="


def aead(what, cipher, pages):
    return lambda r: r[f"aead_{what}_{cipher}_{pages}"] / r[f"{what}_{cipher}_{pages}"]


# name, direction, goal, from one run
FIGURES = [
    ("seal", HIGHER, 0.9, aead("seal", "aes", 1)),
    ("open", HIGHER, 0.9, aead("open", "aes", 1)),
    ("seal_64_pages", HIGHER, None, aead("seal", "aes", 64)),
    ("open_64_pages", HIGHER, None, aead("open", "aes", 64)),
    ("seal_vs_gcrypt", HIGHER, None, lambda r: r["gcrypt_seal_1"] / r["seal_aes_1"]),
    ("open_vs_gcrypt", HIGHER, None, lambda r: r["gcrypt_open_1"] / r["open_aes_1"]),
    ("seal_vs_gcrypt_64_pages", HIGHER, None, lambda r: r["gcrypt_seal_64"] / r["seal_aes_64"]),
    ("open_vs_gcrypt_64_pages", HIGHER, None, lambda r: r["gcrypt_open_64"] / r["open_aes_64"]),
    ("seal_xchacha", HIGHER, None, aead("seal", "xchacha", 1)),
    ("open_xchacha", HIGHER, None, aead("open", "xchacha", 1)),
    ("seal_xchacha_64_pages", HIGHER, None, aead("seal", "xchacha", 64)),
    ("open_xchacha_64_pages", HIGHER, None, aead("open", "xchacha", 64)),
    ("handshake", LOWER, 2.0, lambda r: r["handshake"] / r["handshake_operations"]),
    ("handshake_pinned", LOWER, None, lambda r: r["handshake_pinned"] / r["handshake_pinned_operations"]),
    ("verify_snp", LOWER, 1.6, lambda r: r["verify_snp"]),
]


def read_run(path):
    run = {}
    with open(path) as f:
        for line in f:
            words = line.split()
            if words[:1] == ["raw"]:
                run[words[1]] = float(words[2])
            elif line.startswith("{"):
                run.update(json.loads(line))
    return run


def is_met(value, direction, goal):
    return value >= goal if direction == HIGHER else value <= goal


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json")
    p.add_argument("runs", nargs="+")
    args = p.parse_args()
    runs = [read_run(path) for path in args.runs]

    figures, missed, absent = {}, [], []
    print(f"{'figure':<24}{'median':>9}{'min':>9}{'max':>9}  goal")
    for name, direction, goal, formula in FIGURES:
        try:
            values = [formula(r) for r in runs]
        except KeyError:
            absent.append(name)
            continue
        value = statistics.median(values)
        figures[name] = {"value": value, "unit": "x", "goal": goal, "runs": values}
        verdict = ""
        if goal is not None:
            met = is_met(value, direction, goal)
            verdict = f"{direction} {goal} x: {'met' if met else 'NOT MET'}"
            if not met:
                missed.append(name)
        print(f"{name:<24}{value:>9.3f}{min(values):>9.3f}{max(values):>9.3f}  {verdict}")
    print("\nseal and open: time of the AEAD alone on the same body, by that of the record; 4 KiB with AES-256-GCM if\n"
          "nothing else is said.  handshake (SEV-SNP evidence of both sides), handshake_pinned and verify_snp: time by that of\n"
          "the operations they cannot do without.")
    print("ns, median: " + ", ".join(f"{k} {statistics.median(r[k] for r in runs):.0f}"
                                     for k in runs[0] if k != "verify_snp"))
    for name in absent:
        print(f"not measured: {name} (neither this machine nor this build has it)")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"figures": figures, "raw": runs}, f, indent=1)
    n_goals = sum(f["goal"] is not None for f in figures.values())
    print(f"{n_goals - len(missed)} of {n_goals} goals met, {len(missed)} missed{': ' if missed else ''}"
          + ", ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
