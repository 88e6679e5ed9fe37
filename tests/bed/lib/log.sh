# SPDX-License-Identifier: MIT
# What the kernel of a test host says.  Sourced by bed.

log_bad="WARNING:|BUG:|BUG |Oops|Kernel panic|Call Trace:|possible recursive locking|possible circular locking|possible irq lock|\
inconsistent lock state|suspicious RCU usage|KASAN|UBSAN|refcount_t:|self-detected stall|detected stalls|soft lockup|\
blocked for more than|unable to handle|general protection fault|sleeping function called|scheduling while atomic|\
Bad page|ODEBUG:|list_add corruption|list_del corruption|unreferenced object|VM_WARN|lockdep is turned off"

bed_log() {
	local host

	host_dir "$@"
	cat "$host/console.log" 2>/dev/null || die "host $1 has no log (in $BED_DIR)"
}

# Twice, because a fresh object counts as leaked only when it stays unreferenced.
log_scan_leaks() {
	call_run 120 sh -c 'k=/sys/kernel/debug/kmemleak; [ -e $k ] || exit 0
		echo scan >$k; sleep 6; echo scan >$k; cat $k' </dev/null
}

# Blank the reports of KCSAN that are not about KVM, or stand in races.known; how many is said at the end.
log_blank_races() {
	awk -v known="$bed_src/lib/races.known" '
		BEGIN {
			while ((getline line < known) > 0)
				if (line !~ /^#/)
					races[line] = 1
		}
		/BUG: KCSAN: / {
			title = $0
			sub(/.*data-race in /, "", title)
			ours = title ~ /kvm|gmem|presence|svm|npf|tdp|mmu|vcpu|gpc|dp_/ && !(title in races)
			blank = !ours
			n += blank
		}
		{ print blank ? "" : $0 }
		/====================/ { blank = 0 }
		END {
			if (n)
				printf "%d data races outside of KVM, or known (races.known)\n", n > "/dev/stderr"
		}'
}

bed_check_log() {
	local host bad leaks=

	host_dir "$@"
	[ -e "$host/console.log" ] || die "host $1 has no log (in $BED_DIR)"
	host_alive && leaks=$(log_scan_leaks)
	bad=$(tr -d '\r' <"$host/console.log" | log_blank_races | grep -nE -A20 "$log_bad" | head -n 120)
	if [ -n "$bad$leaks" ]; then
		echo "kernel log of ${host##*/}:"
		printf '%s\n' "$bad" "$leaks" | grep .
		return 1
	fi
}
