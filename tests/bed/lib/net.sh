# SPDX-License-Identifier: MIT
# The network between two test hosts.  Sourced by bed.
#
# Each QEMU sends its packets to the datagram socket peer.sock in its own
# directory, which is a symbolic link to the other's link.sock.  Without the
# link packets are lost and nobody is told, as on a network that was cut.

# Sets dir_a and dir_b.
net_pair() {
	local host

	[ $# = 2 ] || die "which two hosts?"
	host_dir "$1"
	dir_a=$host
	host_dir "$2"
	dir_b=$host
	[ -d "$dir_a" ] && [ -d "$dir_b" ] || die "hosts $1 and $2 must be up"
}

bed_net() {
	local dir_a dir_b

	net_pair "$@"
	ln -sfn "$dir_b/link.sock" "$dir_a/peer.sock"
	ln -sfn "$dir_a/link.sock" "$dir_b/peer.sock"
}

bed_heal() {
	bed_net "$@"
}

bed_cut() {
	local dir_a dir_b

	net_pair "$@"
	rm -f "$dir_a/peer.sock" "$dir_b/peer.sock"
}

bed_addr() {
	local host

	host_dir "$@"
	cat "$host/addr" 2>/dev/null || die "host $1 is not up"
}
