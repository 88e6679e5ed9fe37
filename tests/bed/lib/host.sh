# SPDX-License-Identifier: MIT
# Test hosts: starting, ending, finding out about them.  Sourced by bed.

# A host that does not exist, or does not live, is an error of the caller.
host_dir() {
	[ -n "${1:-}" ] || die "which host? (bed help)"
	[[ $1 =~ ^[A-Za-z0-9_-]{1,24}$ ]] || die "a host's name is letters, digits, - and _: $1"
	host=$BED_DIR/$1
}

# The keeper holds the lock for as long as QEMU lives.
host_alive() {
	[ -e "$host/lock" ] && ! flock -n "$host/lock" true
}

host_need() {
	host_dir "$@"
	host_alive || die "host $1 is not up (in $BED_DIR)"
}

host_pid() {
	head -n1 "$host/lock" 2>/dev/null
}

# Ask QEMU's monitor.
host_monitor() {
	echo "$1" | socat -t 5 - "UNIX-CONNECT:$host/monitor.sock" 2>/dev/null
}

# End QEMU by way of its keeper, and wait until both are gone.
host_end() {
	local i pid

	for i in $(seq 100); do
		host_alive || return 0
		pid=$(host_pid)
		[ -n "$pid" ] && kill -TERM "$pid" 2>/dev/null
		sleep 0.05
	done
	die "the keeper of ${host##*/} (pid $pid) does not end"
}

# The helper programs, built once per content.
tools_build() {
	local key p

	key=$(cat "$bed_src"/*.c "$bed_src"/*.h | sha256sum | cut -c1-16)
	tools=$GMEM_CACHE/bed/tools-$key
	[ -e "$tools/done" ] && return
	mkdir -p "$tools" || die "cannot write $GMEM_CACHE: set GMEM_CACHE to a directory that can be written"
	(
		flock 9
		[ -e "$tools/done" ] && exit
		for p in agent call keep tsc; do
			cc -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -o "$tools/$p" "$bed_src/$p.c" || exit 1
		done
		: >"$tools/done"
	) 9>"$tools/lock" || die "cannot build the test bed's helper programs (is gcc installed?)"
}

# kvm only where guests of ours can have guests of their own.
accel_pick() {
	local m

	if [ -n "${BED_ACCEL:-}" ]; then
		echo "$BED_ACCEL"
		return
	fi
	for m in amd:svm intel:vmx; do
		if [ -r /dev/kvm ] && [ -w /dev/kvm ] && grep -qw "${m#*:}" /proc/cpuinfo &&
		   grep -q '[1Y]' "/sys/module/kvm_${m%:*}/parameters/nested" 2>/dev/null; then
			echo kvm
			return
		fi
	done
	echo tcg
}

# Addresses are given out in the order of coming up: 10.77.0.1, .2, ...
addr_next() {
	local n=1

	while grep -qsx "10.77.0.$n" "$BED_DIR"/*/addr; do
		n=$((n + 1))
	done
	echo "10.77.0.$n"
}

# What memory on /tmp, /run or /dev would hide from the host.
keep_list() {
	local d r list=

	for d in "$GMEM_CACHE" "$bed_src/../.." ${BED_KEEP:-}; do
		r=$(readlink -f "$d")
		case $r in
		/tmp/*|/run/*) list=$list${list:+:}$r ;;
		esac
	done
	echo "$list"
}

up_options() {
	kernel=${BED_KERNEL:-} mem=1024 smp='' addr='' capture='' append='' owner=${BED_OWNER:-0} ttl=14400
	boot_timeout=300 icount=0
	while [ $# -gt 0 ]; do
		[ "$1" = --icount ] && { icount=1; shift; continue; }
		[ $# -gt 1 ] || die "up: $1 needs a value"
		case $1 in
		--kernel) kernel=$2 ;;
		--mem) mem=$2 ;;
		--smp) smp=$2 ;;
		--addr) addr=$2 ;;
		--capture) capture=$2 ;;
		--append) append=$2 ;;
		--owner) owner=$2 ;;
		--ttl) ttl=$2 ;;
		--boot-timeout) boot_timeout=$2 ;;
		*) die "up: unknown option $1" ;;
		esac
		shift 2
	done
	[ -r "$kernel" ] || die "up: no kernel at '$kernel' (--kernel BZIMAGE; ./dev kernel builds one)"
	kernel=$(readlink -f "$kernel")
}

# Fill the array qemu.
up_command() {
	local accel khz mac cpus=''

	accel=$(accel_pick)
	((icount)) && accel=icount
	if [ "$accel" = icount ]; then
		smp=1
	elif [ "$accel" = kvm ]; then
		smp=${smp:-2}
	else
		# An emulated CPU that gets no time for half a minute is this machine's load, not a lockup.
		append="watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120 $append"
		# QEMU's FXRSTOR and XRSTOR clear IGNNE in the *first* CPU's flags, from any CPU's
		# thread and without a lock.  Meeting a VMRUN or #VMEXIT of the first CPU that undoes
		# it (host state is run under the guest's page tables, or the other way round), hence
		# no program runs there: docs/testing.md.
		smp=${smp:-3}
		((smp == 1)) || cpus=1-$((smp - 1))
	fi
	khz=$(cat "$GMEM_CACHE/bed/tsc-khz" 2>/dev/null)
	if ((icount)); then
		# One instruction is 1 ns of all clocks.  A CPU that halts would skip to the next
		# timer while the machine outside has not moved, so that every timeout fires.
		khz=1000000
		append="idle=poll $append"
	fi
	mac=52:54:00:77:00:$(printf %02x "${addr##*.}")
	qemu=(qemu-system-x86_64 -name "gmem-${host##*/}" -machine q35 -m "$mem" -smp "$smp"
		-nodefaults -no-user-config -display none -no-reboot -vga none
		-serial "file:$host/console.log"
		-monitor "unix:$host/monitor.sock,server=on,wait=off"
		-kernel "$kernel"
		-device virtio-rng-pci
		-fsdev "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap"
		-device virtio-9p-pci,fsdev=root,mount_tag=/dev/root
		-fsdev "local,id=share,path=$host/share,security_model=none"
		-device virtio-9p-pci,fsdev=share,mount_tag=share
		-netdev "user,id=ctl,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:0-10.0.2.15:4000"
		-device virtio-net-pci,netdev=ctl,mac=52:54:00:00:00:01,romfile=
		-netdev "dgram,id=link,local.type=unix,local.path=$host/link.sock,remote.type=unix,remote.path=$host/peer.sock"
		-device "virtio-net-pci,netdev=link,mac=$mac,romfile=")
	[ -n "$capture" ] && qemu+=(-object "filter-dump,id=dump,netdev=link,file=$capture")
	if [ "$accel" = kvm ]; then
		qemu+=(-accel kvm -cpu host)
	elif [ "$accel" = icount ]; then
		qemu+=(-accel tcg,thread=single -icount shift=0,sleep=off -cpu max,erms=off,fsrm=off)
	else
		qemu+=(-accel tcg,thread=multi -cpu max,erms=off,fsrm=off,xsave=off)
	fi
	qemu+=(-append "root=/dev/root rootfstype=9p rootflags=trans=virtio,version=9p2000.L,msize=262144,cache=loose ro \
console=ttyS0 panic=-1 tsc_early_khz=$khz tsc=reliable rcupdate.rcu_expedited=1 init=$bed_src/init \
gmem.agent=$tools/agent gmem.keep=$(keep_list) gmem.name=${host##*/} gmem.addr=$addr gmem.cpus=$cpus $append")
}

up_wait() {
	local i

	for ((i = 0; i < boot_timeout * 10; i++)); do
		grep -qs '^bed: ready' "$host/console.log" && break
		host_alive || die "QEMU of ${host##*/} ended: $(cat "$host/qemu.log") (console: $host/console.log)"
		sleep 0.1
	done
	((i < boot_timeout * 10)) || die "${host##*/} did not boot in $boot_timeout s (console: $host/console.log)"
	host_monitor 'info usernet' | sed -n 's/.*HOST_FORWARD\] *[0-9]* *127.0.0.1 *\([0-9]*\).*/\1/p' >"$host/port"
	[ -s "$host/port" ] || die "QEMU of ${host##*/} does not say its port"
	call_run 30 true >/dev/null || die "${host##*/} booted, but runs no command"
}

bed_up() {
	local name=${1:-} kernel mem smp addr capture append owner ttl boot_timeout icount tools qemu host

	host_dir "$name"
	shift
	up_options "$@"
	((${#host} < 90)) || die "the path $host is too long for a socket: set BED_DIR to a shorter one"
	tools_build
	mkdir -p -m 700 "$BED_DIR" || die "cannot write $BED_DIR"
	host_alive && die "host $name is up already (in $BED_DIR)"
	(
		flock 9
		rm -rf "$host"
		mkdir -m 700 "$host" "$host/share" || exit 1
		echo "${addr:-$(addr_next)}" >"$host/addr"
		[ -s "$GMEM_CACHE/bed/tsc-khz" ] || "$tools/tsc" >"$GMEM_CACHE/bed/tsc-khz"
	) 9>"$BED_DIR/.lock" || die "cannot write $BED_DIR"
	addr=$(cat "$host/addr")
	od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$host/share/.token"
	chmod 600 "$host/share/.token"
	echo "$tools" >"$host/tools"
	up_command
	"$tools/keep" "$host/lock" "$owner" "$ttl" "${qemu[@]}" </dev/null >"$host/qemu.log" 2>&1 ||
		die "cannot start QEMU: $(cat "$host/qemu.log")"
	up_wait
}

bed_kill() {
	local host

	host_need "$@"
	host_end
}

bed_down() {
	local name host

	[ $# -gt 0 ] || die "down: which host?"
	for name; do
		host_dir "$name"
		host_end
		rm -rf "$host"
	done
}

bed_list() {
	local host d

	for d in "$BED_DIR"/*/; do
		host=${d%/}
		host_alive && echo "${host##*/} $(cat "$host/addr") pid $(host_pid)"
	done
	return 0
}
