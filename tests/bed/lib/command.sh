# SPDX-License-Identifier: MIT
# Commands inside a test host.  Sourced by bed.

# call_run TIMEOUT-S COMMAND...; wants $host
call_run() {
	local port

	port=$(cat "$host/port" 2>/dev/null) || die "host ${host##*/} is not up yet"
	"$(cat "$host/tools")/call" "$port" "$host/share/.token" "$@"
}

# Options in front of "--"; sets timeout, and rest to the command.
command_split() {
	timeout=0
	while [ $# -gt 0 ]; do
		case $1 in
		--timeout) timeout=${2:-}; shift 2 ;;
		--) shift; break ;;
		-*) die "unknown option $1" ;;
		*) break ;;
		esac
	done
	[ $# -gt 0 ] || die "which command?"
	rest=("$@")
}

bed_run() {
	local host timeout rest

	host_need "$@"
	shift
	command_split "$@"
	call_run "$timeout" "${rest[@]}"
}

# The job's shell leads a session of its own, so a signal reaches all of it.
bed_spawn() {
	local host timeout rest job=${2:-}

	host_need "$@"
	[[ $job =~ ^[A-Za-z0-9_-]+$ ]] || die "spawn: a job's name is letters, digits, - and _: '$job'"
	shift 2
	command_split "$@"
	rm -f "$host/share/$job".{log,rc,pid}
	call_run 30 setsid -f sh -c 'echo $$ >"$0.pid"; "$@" </dev/null >"$0.log" 2>&1; echo $? >"$0.rc.new"; mv "$0.rc.new" "$0.rc"' \
		"/run/share/$job" "${rest[@]}" </dev/null
}

bed_wait() {
	local host job=${2:-} timeout=0 end

	host_dir "$@"
	[ "${3:-}" = --timeout ] && timeout=$4
	end=$((SECONDS + timeout))
	until [ -s "$host/share/$job.rc" ]; do
		host_alive || die "host ${host##*/} went away during $job"
		if ((timeout && SECONDS >= end)); then
			echo "bed: timeout: $job on ${host##*/} still runs" >&2
			return 124
		fi
		sleep 0.1
	done
	return "$(cat "$host/share/$job.rc")"
}

bed_stop() {
	local host job=${2:-} sig=${3:-KILL}

	host_need "$@"
	[ -s "$host/share/$job.pid" ] || die "no job $job on ${host##*/}"
	call_run 30 kill "-$sig" -- "-$(cat "$host/share/$job.pid")" </dev/null
}

bed_share() {
	local host

	host_dir "$@"
	echo "$host/share"
}
