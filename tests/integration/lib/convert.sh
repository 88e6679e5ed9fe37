# SPDX-License-Identifier: MIT
# A guest that has pages discarded and converted while it comes in.  Source it after resume.sh.

# Of each class, in each of three steps, before and after they arrive.
convert_pages=16
# What must have been so in each step that the stream is held for: the others had been brought beside a page that was wanted.
convert_least=8
# Some end shared: two thirds of 6 classes of 96 pages, at most 1.5 MiB.
convert_options() {
	guest_append+=" gmem.convert=$convert_pages"
	vmm_options="--conversion ${1:-right}"
	export SHARED_MIB=2
}

# converts STEP: has the guest do it, and waits until it has.
converts() {
	local i

	expect "the guest cannot be told" ctl B step "$1"
	for i in $(seq $((1800 * patience))); do
		grep -aqs "^CONVERT-END step=$1" "$share_b/b.console" && return
		[ -e "$share_b/$vmm_job.rc" ] && break
		sleep 0.1
	done
	fail "the guest does not do step $1: $(tail -n1 "$share_b/b.console" 2>/dev/null), $(tail -n1 "$share_b/$vmm_job.log")"
}

# Discarded and converted, gmem-pager killed, again, and once more while all the rest comes.
converts_and_kills() {
	converts 1
	expect "gmem-pager ended by itself" "$BED" stop B $pager_job KILL
	says A $source_job 'connection lost'
	on B rm -f $sock/pager.sock
	pager_job=$pager_job-again
	pager_start
	says B $pager_job 'connected again'
	converts 2
	expect "the guest cannot be told" ctl B step 3
	release
	converts 3
}

# Every class came, with pages that were missing and with such that had arrived.
conversions_happened() {
	python3 - "$share_b/b.console" "$share_b/b.json" $convert_least $convert_pages <<-'PYTHON' || fail "not every class of conversion happened"
	import json, re, sys
	least, pages = int(sys.argv[3]), int(sys.argv[4])
	line = re.compile(r"CONVERT step=(\d) class=([a-z-]+) when=(before|after) missing=(\d+) present=(\d+)")
	seen = {}
	with open(sys.argv[1], errors="replace") as f:
	    for m in filter(None, map(line.match, f)):
	        seen[int(m[1]), m[2], m[3]] = int(m[4]), int(m[5])
	with open(sys.argv[2]) as f:
	    told = json.load(f)["conversion"]
	classes = ["discard", "to-shared", "round-trip", "shared-discard", "to-private", "shared-round-trip"]
	wrong = []
	for step in (1, 2, 3):
	    for name in classes:
	        missing, present = seen.get((step, name, "before"), (0, 0))
	        if missing + present != pages or (step < 3 and missing < least):
	            wrong.append(f"step {step}, {name}, before: {missing} missing, {present} present")
	        missing, present = seen.get((step, name, "after"), (0, 0))
	        if present != pages or missing:
	            wrong.append(f"step {step}, {name}, after: {missing} missing, {present} present")
	# A round trip's first command is among those of its own kind.
	n_first = sum(missing for (step, name, when), (missing, present) in seen.items())
	n_told = sum(counts["missing"] for counts in told.values())
	if n_told != n_first:
	    wrong.append(f"the VMM counted {n_told} missing pages, the guest {n_first}")
	print("\n".join(wrong) or f"number {n_first} pages were missing when they were discarded or converted, "
	      f"{sum(counts['present'] for counts in told.values())} present")
	sys.exit(bool(wrong))
	PYTHON
}
