# SPDX-License-Identifier: MIT
# What the user sees: one line per step, with the time that it takes.  Sourced by dev.

die() {
	echo "./dev: $*" >&2
	exit 1
}

# A directory for the logs of this run; the last ten runs are kept.
log_dir_make() {
	local old

	[ -n "${dev_log:-}" ] && return
	mkdir -p "$GMEM_CACHE/log" 2>/dev/null ||
		die "cannot write $GMEM_CACHE; set GMEM_CACHE to a directory that can be written, with 10 GB of room."
	dev_log=$(mktemp -d "$GMEM_CACHE/log/$(date +%Y%m%d-%H%M%S)-XXXX") ||
		die "cannot write $GMEM_CACHE (disk full?); free some room, or set GMEM_CACHE to another directory."
	for old in $(ls -1dt "$GMEM_CACHE"/log/*/ | tail -n +11); do
		rm -rf "$old"
	done
}

# A pause without a process of its own, which would outlive us and hold our output open.
pause() {
	local fd

	exec {fd}<> <(:)
	read -r -t "$1" -u "$fd"
	exec {fd}>&-
}

# Say now and then that the step $1 is still at it; its log is $2.
progress_tick() {
	local title=$1 log=$2 owner=$3 start=$SECONDS last

	pause 2
	[ -t 1 ] || echo "...  $title"
	while kill -0 "$owner" 2>/dev/null; do
		if [ -t 1 ]; then
			last=$(tail -c 400 "$log" 2>/dev/null | tr -c '[:print:]\n' ' ' | grep -v '^ *$' | tail -n1 | cut -c1-50)
			printf '\r\033[K...  %s  %d s  %s' "$title" $((SECONDS - start)) "$last"
			pause 1
		else
			pause 30
			kill -0 "$owner" 2>/dev/null || return
			echo "...  $title: $((SECONDS - start)) s"
		fi
	done
}

# step TITLE COMMAND...: its output goes to a log, the end of which is shown if it fails.
# Exit code 77 means skipped.  Returns the command's code; sets step_log.
step() {
	local title=$1 start=$SECONDS ticker rc name

	shift
	log_dir_make
	name=${title//[^A-Za-z0-9]/-}
	step_log=$dev_log/$name.log
	: >"$step_log" || die "cannot write $dev_log (disk full?); free some room, or set GMEM_CACHE to another directory."
	progress_tick "$title" "$step_log" $$ &
	ticker=$!
	("$@") >"$step_log" 2>&1 </dev/null
	rc=$?
	kill "$ticker" 2>/dev/null
	wait "$ticker" 2>/dev/null
	[ -t 1 ] && printf '\r\033[K'
	case $rc in
	0) echo "ok   $title ($((SECONDS - start)) s)" ;;
	77) echo "skip $title: $(tail -n1 "$step_log")" ;;
	*)
		echo "FAIL $title ($((SECONDS - start)) s)"
		[ -n "${step_quiet:-}" ] || step_tail
		;;
	esac
	return $rc
}

step_tail() {
	tail -n 25 "$step_log" | sed 's/^/     | /'
	echo "     all of it: $step_log"
}

# As step, but nothing works without it.
must() {
	step "$@" || die "$1: failed; what it said is above and in $step_log."
}
