# SPDX-License-Identifier: MIT
# Snapshots that host A writes and opens itself.  Source it after test.sh.

snapshot=${snapshot:-/run/share/vm.snapshot}
suspend_job=suspend

# Host A's own key opens the file.
suspend_start() {
	cp "$share_b/peer.pub" "$share_a/own.pub"
	"$BED" spawn A $suspend_job -- "$GMEM_BUILD/gmem-pager/gmem-source" --snapshot-to "$snapshot" \
		--socket $sock/source.sock $(service_options) --peer $share/own.pub || fail "gmem-source does not start"
	wait_socket A $sock/source.sock $suspend_job
}

restore_start() {
	"$BED" spawn A $source_job -- nice -n -15 "$GMEM_BUILD/gmem-pager/gmem-source" --snapshot-from "$snapshot" \
		--snapshot-writer $share/own.pub --snapshot-root "$1" --connect "$connect" $(service_options) ||
		fail "gmem-source does not start"
}

# Its root, as gmem-source prints it at the end.
snapshot_root() {
	grep -Ex '[0-9a-f]{64}' "$share_a/$suspend_job.log"
}
