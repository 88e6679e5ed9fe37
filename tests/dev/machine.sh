# SPDX-License-Identifier: MIT
# What the machine must have before anything runs.  Sourced by dev.

packages_kernel='gcc libc6-dev make flex bison bc perl git xz-utils ccache libelf-dev linux-source-6.12'
packages_user='meson ninja-build pkg-config libnng-dev libsodium-dev libssl-dev libgcrypt20-dev libpopt-dev libjson-c-dev libcunit1-dev libconfig-dev libtss2-dev libseccomp-dev libcap-dev swtpm spin g++ python3-cryptography python3-nacl'
packages_bed='qemu-system-x86 socat iproute2 busybox-static cpio tcpdump openssl'
packages_check='sparse coccinelle'

machine_check() {
	local os=${GMEM_OS_RELEASE:-/etc/os-release} id version

	[ "$(id -u)" = 0 ] ||
		die "this needs root (packages are installed, and test hosts read this machine's file system); try: sudo ./dev ..."
	id=$(. "$os" 2>/dev/null && echo "${ID:-}")
	version=$(. "$os" 2>/dev/null && echo "${VERSION_ID:-}")
	[[ $id = debian && $version =~ ^(12|13)$ ]] ||
		die "this runs on Debian 12 or 13, and this is ${id:-an unknown system} ${version}; use such a machine, virtual machine or container."
	[ "$(uname -m)" = x86_64 ] || die "this runs on x86-64, and this machine is $(uname -m)."
}

# The disk under the cache: what a cold build takes, or a little when all is there.
machine_disk() {
	local need_mb=$1 dir=$GMEM_CACHE free_mb

	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	free_mb=$(($(stat -f -c '%a * %S' "$dir") / 1048576))
	((free_mb >= need_mb)) ||
		die "$GMEM_CACHE has $free_mb MB free and $need_mb MB are needed; free some room, or set GMEM_CACHE to another directory."
}

packages_missing() {
	local p

	for p in "$@"; do
		dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"
	done
}

apt_install() {
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 update &&
		apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 --no-install-recommends install "$@"
}

# Install what is missing of the named packages; nothing is fetched if nothing is.
packages_need() {
	local missing

	missing=$(packages_missing "$@" | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	echo "installing with apt: $missing"
	step_quiet=1 step "install packages" apt_install $missing && return
	die "apt cannot install $missing(no network, or no package mirror set up?): $(grep -m1 '^E:' "$step_log"); all of it: $step_log."
}

# All that building and running takes.
machine_prepare() {
	machine_check
	if [ -d "$GMEM_CACHE/kernel/images" ]; then
		machine_disk 1500
	else
		machine_disk 9000
	fi
	log_dir_make
	packages_need $packages_kernel $packages_user $packages_bed "$@"
}
