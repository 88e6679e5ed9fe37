# SPDX-License-Identifier: MIT
"""The figures of the services beside raw TCP, and of their moves beside QEMU's.

    pager_figures.py [--json FILE] [--sealed RUN...] [--plain RUN...]
                     [--gmem RUN... --qemu-tls RUN...] [--gmem-plain RUN... --qemu RUN...] [--stalls N]

A RUN is the output of one run: of bench_pager and bench_pager_plain, or of tests/perf/qemu/run.py.  Of moves, the first
run of ours is compared with the first of QEMU's, and so on.  A figure's value is the median of its runs; figures that miss
their goal are said to.  What was not measured is named; the exit code is 1 if a run lacks a figure, or nothing was
measured.  N moves are no run: the emulator stood.
"""
import argparse
import json
import statistics
import sys

HIGHER, LOWER = ">=", "<="

# name, which runs, its name there, direction, goal
FIGURES = [
    ("rtt_vs_tcp", "sealed", "rtt", LOWER, 1.3),
    ("rtt_vs_tcp_plain", "plain", "rtt", LOWER, 1.3),
    ("stream_vs_tcp", "sealed", "stream", HIGHER, 0.8),
    ("stream_vs_tcp_plain", "plain", "stream", HIGHER, 0.8),
    ("rtt_opened_vs_tcp", "sealed", "rtt_opened", LOWER, None),
    ("rtt_opened_vs_tcp_plain", "plain", "rtt_opened", LOWER, None),
    ("rtt_alone_vs_tcp", "sealed", "rtt_alone", LOWER, None),
    ("rtt_alone_vs_tcp_plain", "plain", "rtt_alone", LOWER, None),
    ("gap_vs_qemu", "moves_plain", "gap_ms", LOWER, 1),
    ("gap_vs_qemu_tls", "moves", "gap_ms", LOWER, 1),
    ("total_vs_qemu", "moves_plain", "total_ms", LOWER, 1),
    ("total_vs_qemu_tls", "moves", "total_ms", LOWER, 1),
    ("source_cpu_per_page_vs_qemu", "moves_plain", "source_cpu_per_page_ns", LOWER, 1),
    ("source_cpu_per_page_vs_qemu_tls", "moves", "source_cpu_per_page_ns", LOWER, 1),
    ("bytes_vs_qemu", "moves_plain", "bytes", LOWER, 1),
    ("bytes_vs_qemu_tls", "moves", "bytes", LOWER, None),
]

MOVES = ("qemu", "gmem_plain", "qemu_tls", "gmem")
COMPARED = {"moves_plain": ("gmem_plain", "qemu"), "moves": ("gmem", "qemu_tls")}

EXPLANATION = """
rtt: from the event that is read to the page that is present, by TCP's from the request to the page in memory; the
neighbours of the page come behind it and are not in it.  rtt_opened: to the record that is open, by TCP's to the bytes
that are received.  rtt_alone: rtt of pages without neighbours.  stream: the background stream of a whole move, GB/s by
GB/s.  plain: without encryption, which no shipped program can do.  ..._vs_qemu: a move of the same guest by the services,
by one of QEMU's post-copy, in counted instructions; both without encryption, or (..._tls) both with it."""


def read_run(path):
    run = {}
    with open(path) as f:
        for line in f:
            words = line.split()
            if words[:1] == ["raw"]:
                run[words[1]] = float(words[2])
    return run


def read_move(path):
    with open(path) as f:
        return json.load(f)


def compare(ours, theirs):
    """Ratios, run by run, of all that both of them have."""
    return [{key: a[key] / b[key] for key in a if isinstance(a[key], (int, float)) and b.get(key)}
            for a, b in zip(ours, theirs, strict=True)]


def is_met(value, direction, goal):
    return value >= goal if direction == HIGHER else value <= goal


def print_times(kind, runs):
    if runs:
        print(f"{kind}, median: " + ", ".join(f"{k} {statistics.median(r[k] for r in runs if k in r):g}"
                                              for k, value in runs[0].items() if isinstance(value, (int, float))))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json")
    p.add_argument("--sealed", nargs="+", default=[])
    p.add_argument("--plain", nargs="+", default=[])
    for kind in MOVES:
        p.add_argument("--" + kind.replace("_", "-"), nargs="+", default=[])
    p.add_argument("--stalls", type=int)
    args = p.parse_args()
    runs = {kind: [read_run(path) for path in getattr(args, kind)] for kind in ("sealed", "plain")}
    runs |= {kind: [read_move(path) for path in getattr(args, kind)] for kind in MOVES}
    measured = dict(runs) | {kind: compare(runs[ours], runs[theirs]) for kind, (ours, theirs) in COMPARED.items()}

    figures, missed, absent = {}, [], []
    is_incomplete = False
    print(f"{'figure':<32}{'median':>9}{'min':>9}{'max':>9}  goal")
    for name, kind, key, direction, goal in FIGURES:
        values = [r[key] for r in measured[kind] if key in r]
        if not values:
            absent.append(name)
            is_incomplete |= bool(measured[kind])
            continue
        value = statistics.median(values)
        figures[name] = {"value": value, "unit": "x", "goal": goal, "runs": values}
        verdict = ""
        if goal is not None:
            met = is_met(value, direction, goal)
            verdict = f"{direction} {goal} x: {'met' if met else 'NOT MET'}"
            if not met:
                missed.append(name)
        print(f"{name:<32}{value:>9.3f}{min(values):>9.3f}{max(values):>9.3f}  {verdict}")
    print(EXPLANATION)
    for kind in runs:
        print_times(kind, runs[kind])
    for name in absent:
        print(f"not measured: {name}")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"figures": figures, "raw": runs, "stalls": args.stalls}, f, indent=1)
    if args.stalls:
        print(f"stalls of the emulator, after which a move was done again: {args.stalls}")
    n_goals = sum(f["goal"] is not None for f in figures.values())
    print(f"{n_goals - len(missed)} of {n_goals} goals met, {len(missed)} missed{': ' if missed else ''}"
          + ", ".join(missed))
    return 1 if is_incomplete or not figures else 0


if __name__ == "__main__":
    sys.exit(main())
