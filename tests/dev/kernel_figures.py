# SPDX-License-Identifier: MIT
"""The figures of the kernel half, from what bench_kernel printed.

    kernel_figures.py [--json FILE] --stock LOG... --runs LOG...

A figure's value is the median of its runs; figures that miss their goal are said to.
"""
import argparse
import json
import statistics
import sys

HIGHER, LOWER = ">=", "<="

# name, unit, direction, goal, from the raw figures of one run
FIGURES = [
    ("exit", "x", HIGHER, 2.3, lambda r: r["uffd"] / r["exit"]),
    ("wait", "x", HIGHER, 1.55, lambda r: r["uffd"] / r["wait"]),
    ("wait_reply", "x", HIGHER, None, lambda r: r["uffd"] / r["wait_reply"]),
    ("wait_poll", "x", HIGHER, 1.4, lambda r: r["uffd"] / r["wait_poll"]),
    ("wait_around16", "x", HIGHER, 2.8, lambda r: r["uffd"] / r["wait_around16"]),
    ("wait_around16_vs_uffd_around16", "x", HIGHER, 1.2, lambda r: r["uffd_around16"] / r["wait_around16"]),
    ("populate_vs_memcpy", "x", HIGHER, 2.5, lambda r: r["bulk_memcpy"] / r["bulk_populate"]),
    ("populate_vs_uffdio_copy", "x", HIGHER, 0.95, lambda r: r["bulk_uffdio_copy"] / r["bulk_populate"]),
    ("mark_range", "x", HIGHER, 500, lambda r: r["attribute_range"] / r["mark_range"]),
    ("mark_single", "x", HIGHER, 12, lambda r: r["attribute_single"] / r["mark_single"]),
    ("bytes_per_gfn_sparse", "bytes", LOWER, 0.2, lambda r: max(r["bytes_every_other"], r["bytes_one_per_block"])),
    ("bytes_per_gfn_present", "bytes", LOWER, 0, lambda r: r["bytes_present"]),
    ("bytes_per_gfn_missing", "bytes", LOWER, 0.02, lambda r: r["bytes_missing"]),
    ("off_cost_pct", "%", LOWER, 0.2, lambda r: (r["touch_anon"] / r["stock"] - 1) * 100),
    ("all_present_cost_pct", "%", LOWER, 1, lambda r: (r["touch_private_on"] / r["touch_private_off"] - 1) * 100),
    ("freeze_ns_per_gib_1g", "ns", LOWER, None, lambda r: r["freeze_1g"]),
    ("freeze_ns_per_gib_1t", "ns", LOWER, "freeze_ns_per_gib_1g", lambda r: r["freeze_1t"]),
    ("after_huge_ratio", "x", HIGHER, 1, lambda r: r["huge_share"] if not r["huge_faults"] else 0),
    ("memslot_ms", "ms", LOWER, 10, lambda r: r["memslot"] / 1e6),
]
# Instructions per page or GFN, and what each is.
RAW = {
    "touch_anon": "first touch, anonymous memory, nobody pages",
    "touch_private_off": "first touch, private memory, demand paging off",
    "touch_private_on": "the same, switched on, session open, all present",
    "uffd": "userfaultfd, reader with poll and two clock reads",
    "uffd_lean": "userfaultfd, reader that only reads and copies",
    "uffd_around16": "the same, 16 pages a fault",
    "exit": "exit mode, the vCPU's thread populates",
    "wait": "wait mode, pager that only reads and populates",
    "wait_reply": "the same, populate and read in one call",
    "wait_poll": "wait mode, pager with poll and two clock reads",
    "wait_around16": "wait mode, 16 pages a fault",
    "bulk_memcpy": "memcpy into a mapped memfd",
    "bulk_uffdio_copy": "UFFDIO_COPY, 512 pages a call",
    "bulk_populate": "KVM_DP_POPULATE, 512 pages a call",
    "mark_range": "KVM_DP_MARK, one call for 256Ki GFNs",
    "attribute_range": "KVM_SET_MEMORY_ATTRIBUTES, the same",
    "mark_single": "KVM_DP_MARK, one call per GFN",
    "attribute_single": "KVM_SET_MEMORY_ATTRIBUTES, one call per GFN",
    "mark_single_elapsed": "KVM_DP_MARK, one call per GFN, waiting included, rcu_expedited=0",
    "freeze_mapped_4k": "KVM_DP_FREEZE, 1 GiB mapped with 4K, the call",
    "freeze_mapped_2m": "the same, mapped with 2M",
    "mark_vm_4k": "KVM_DP_MARK of the whole VM, 1 GiB mapped with 4K, per SPTE",
    "mark_vm_2m": "the same, mapped with 2M, per SPTE",
    "step_syscall": "a part of the above: the cheapest system call",
    "step_exit": "a part: KVM_RUN, fault on a missing page, exit to user space",
    "step_touch_populated": "a part: fault on a page that is there, mapping it",
    "step_populate_single": "a part: KVM_DP_POPULATE of one page a call",
    "step_populate_skipped": "a part: the same, of a page that is present: allocate, copy, free",
    "step_populate_zero": "a part: the same with zeros: no page",
}


def read_raw(path):
    with open(path) as f:
        words = [line.split() for line in f if line.startswith("raw ")]
    return {w[1]: float(w[2]) for w in words}


def goal_met(figures, figure, direction):
    goal = figure["goal"]
    if goal is None:
        return None
    # Memory is counted in whole slabs: a thousandth of a byte is one or two of them.
    value = round(figure["value"], 3)
    return value >= goal if direction == HIGHER else value <= goal


def number(x):
    x = 0.0 if abs(x) < 0.0005 else x
    return f"{x:.3f}" if abs(x) < 10 else f"{x:.1f}" if abs(x) < 1000 else f"{x:.0f}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--json")
    p.add_argument("--stock", nargs="+", required=True)
    p.add_argument("--runs", nargs="+", required=True)
    args = p.parse_args()
    runs = [read_raw(path) for path in args.runs]
    stock = statistics.median(read_raw(path)["touch_anon"] for path in args.stock)
    for r in runs:
        r["stock"] = stock

    figures, missed = {}, []
    print(f"{'figure':<32}{'median':>9}{'min':>9}{'max':>9}  goal")
    for name, unit, direction, goal, formula in FIGURES:
        values = [formula(r) for r in runs]
        if isinstance(goal, str):
            goal = figures[goal]["value"]
        figures[name] = {"value": statistics.median(values), "unit": unit, "goal": goal, "runs": values}
        met = goal_met(figures, figures[name], direction)
        if met is False:
            missed.append(name)
        verdict = "" if met is None else f"{direction} {number(goal)} {unit}: {'met' if met else 'NOT MET'}"
        print(f"{name:<32}{number(figures[name]['value']):>9}{number(min(values)):>9}{number(max(values)):>9}  {verdict}")

    print("\ninstructions per page or GFN")
    for name, what in RAW.items():
        print(f"{statistics.median(r[name] for r in runs):>11.1f}  {what}")
    print(f"{stock:>11.1f}  first touch, anonymous memory, on the unpatched kernel")
    sparse = {k: statistics.median(r[k] for r in runs) for k in ("bytes_every_other", "bytes_one_per_block")}
    print(f"bytes per GFN of the range: {sparse['bytes_every_other']:.3f} with every other one missing, "
          f"{sparse['bytes_one_per_block']:.3f} with one per 2 MiB")

    pages = {k: statistics.median(r[k] for r in runs) for k in runs[0] if k.startswith("huge_") and k[-3:] in ("_2m", "_1g")}
    print("huge SPTEs after the last page: " + ", ".join(f"{k[5:]} {v:.0f}" for k, v in pages.items())
          + "; faults in a second pass " + number(statistics.median(r["huge_faults"] for r in runs)))
    rates = {k: statistics.median(r[k] for r in runs) for k in runs[0] if k.endswith("_write_ratio")}
    print("write rate beside a VM that was never paged: " + ", ".join(f"{k[5:-12]} {v:.3f}" for k, v in rates.items()))

    if args.json:
        with open(args.json, "w") as f:
            json.dump({"figures": figures, "raw": runs}, f, indent=1)
    n_goals = sum(f["goal"] is not None for f in figures.values())
    print(f"{n_goals - len(missed)} of {n_goals} goals met, {len(missed)} missed{': ' if missed else ''}"
          + ", ".join(missed))


if __name__ == "__main__":
    sys.exit(main())
