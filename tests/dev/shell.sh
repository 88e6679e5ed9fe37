# SPDX-License-Identifier: MIT
# ./dev shell.  Sourced by dev.

dev_shell() {
	local flavour=gmem debug_kernel=0 build_dir='' bzimage='' saved

	case ${1:-} in
	'') ;;
	--debug-kernel) flavour=debug ;;
	*) die "shell: unknown option $1 (./dev help)." ;;
	esac
	machine_prepare
	kernel_need "$flavour"
	user_build plain
	beds_init
	must "test host" "$BED" up shell --mem 2048
	echo "This machine's files are here, read-only; writable are /tmp, /run and /run/share, which is"
	echo "$("$BED" share shell) outside.  The programs are in $build_dir.  exit ends it all."
	if [ ! -t 0 ]; then
		"$BED" run shell -- bash
		return
	fi
	saved=$(stty -g)
	stty raw -echo
	"$BED" run shell -- env TERM="${TERM:-dumb}" PS1='test-host:\w# ' script -qc 'bash --norc -i' /dev/null
	stty "$saved"
}
