# SPDX-License-Identifier: MIT
"""Print what a move's report says, for people; the last line holds the numbers.

    figures.py REPORT.json
"""
import json
import sys

with open(sys.argv[1]) as f:
    r = json.load(f)
g, m, v, c = r["guest"], r["migration"], r["verify"], r["channel"]
ms = {k: f"{us / 1000:.1f} ms" for k, us in m["fault_latency_us"].items()}
down, total = f"{m['downtime_ms'] or 0:.0f} ms", f"{(m['total_ms'] or 0) / 1000:.1f} s"

print(f"""
guest    Linux, {g['vcpus']} vCPUs, {g['ram_mib']} MiB of RAM, {g['private_mib']} MiB of it private guest_memfd memory
channel  {c['transport']}, {c['cipher']}, {c['handshake']}; {m['bytes_wire'] / 2**20:.1f} MiB on the wire
move     stopped for {down}, went on while its memory arrived, all of it there after {total}
pages    {m['pages_total']}: {m['pages_demand']} on demand, {m['pages_background']} in the background; \
{m['pages_zero']} were zero, {m['pages_duplicate']} came twice and were dropped
faults   p50 {ms['p50']}, p90 {ms['p90']}, p99 {ms['p99']}, longest {ms['max']}
rounds   {v['rounds_before']} on A, {v['rounds_after']} on B; {v['mismatches']} wrong words
compared {v['pages_compared']} pages by hash on both hosts, past the pager: {v['pages_different']} differ
""")
for sentence in r.get("findings", []):
    print("wrong:", sentence)
print(f"{r['result']}: downtime {down}, total {total}, {m['pages_demand']} demand + {m['pages_background']} background "
      f"of {m['pages_total']} pages, {v['mismatches']} mismatches, {v['pages_different']} of {v['pages_compared']} "
      "compared pages differ")
