# SPDX-License-Identifier: MIT
# ./dev kernel, and kernels for the others.  Sourced by dev.

kscripts=$dev_top/kernel/scripts

# kernel_need FLAVOUR: sets bzimage.
kernel_need() {
	local flavour=$1

	must "$flavour kernel" "$kscripts/build" "$flavour"
	bzimage=$(tail -n1 "$step_log")
	[ -r "$bzimage" ] || die "kernel/scripts/build named no kernel (see $step_log)."
	images_prune
}

# Old kernels go, but not what another run of today may use.
images_prune() {
	local old

	for old in $(ls -1dt "$GMEM_CACHE"/kernel/images/*/ | tail -n +9); do
		[ -n "$(find "$old" -maxdepth 0 -mtime +1)" ] && rm -rf "$old"
	done
	return 0
}

dev_kernel() {
	local what=gmem

	case ${1:-} in
	'') ;;
	--debug) what=debug ;;
	--kcsan) what=kcsan ;;
	--stock) what=stock ;;
	--check) what=check ;;
	--series) what=series ;;
	*) die "kernel: unknown option $1 (./dev help)." ;;
	esac
	machine_prepare
	case $what in
	check)
		packages_need $packages_check
		must "check the series" "$kscripts/check"
		grep -E '^(ok|FAIL| )' "$step_log" ;;
	series)
		must "write the series" "$kscripts/series" ${2:+"$2"}
		cat "$step_log" ;;
	*)
		kernel_need "$what"
		echo "$bzimage" ;;
	esac
}

dev_clean() {
	local n

	[ "$(id -u)" = 0 ] || [ -w "$GMEM_CACHE" ] || die "clean: no right to delete $GMEM_CACHE; try: sudo ./dev clean"
	[ -e "$GMEM_CACHE" ] || { echo "nothing in $GMEM_CACHE"; return; }
	# Only a directory that is ours.
	[ -d "$GMEM_CACHE/log" ] || die "clean: $GMEM_CACHE does not look like a cache of ours; delete it by hand."
	n=$("$dev_top/tests/bed/bed" list 2>/dev/null | awk '{print $1}')
	[ -z "$n" ] || "$dev_top/tests/bed/bed" down $n
	rm -rf "$GMEM_CACHE"/{kernel,build,bed,log,ccache}
	rmdir "$GMEM_CACHE" 2>/dev/null
	echo "deleted the caches in $GMEM_CACHE"
}
