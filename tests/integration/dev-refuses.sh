#!/bin/bash
# SPDX-License-Identifier: MIT
# ./dev on a machine where it cannot work: one clear sentence, exit code not 0.
# Asks the kernel for nothing that move.sh does not.

. "$(dirname "$0")/lib/test.sh"

tmp=$(mktemp -d)
trap 'umount "$tmp/tiny" 2>/dev/null; rm -rf "$tmp"' EXIT

# refuses WORDS COMMAND...: it fails, and its last line has the words.
refuses() {
	local words=$1 out rc

	shift
	out=$("$@" 2>&1)
	rc=$?
	[ $rc != 0 ] || fail "exit code 0 where it should say \"$words\""
	[ "$(grep -c '^\./dev: ' <<<"$out")" = 1 ] || fail "not one sentence, but: $out"
	grep -Eq "^\./dev: .*($words)" <<<"$out" || fail "does not say \"$words\", but: $out"
}

cd "$GMEM_TOP" || fail "no $GMEM_TOP"

# Another user must be able to read the script for this.
cp -r dev tests kernel "$tmp/" && chmod -R a+rX "$tmp" && chmod a+rx "$tmp"
refuses 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/dev" demo
refuses 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups "$tmp/dev" test unit

printf 'ID=ubuntu\nVERSION_ID="24.04"\n' >"$tmp/os-release"
refuses 'Debian 12 or 13, and this is ubuntu 24.04' env GMEM_OS_RELEASE="$tmp/os-release" ./dev kernel
refuses 'Debian 12 or 13, and this is an unknown' env GMEM_OS_RELEASE=/nonexistent ./dev kernel

refuses 'set GMEM_CACHE' env GMEM_CACHE=/proc/nothing ./dev kernel
mkdir "$tmp/tiny"
mount -t tmpfs -o size=30m tmpfs "$tmp/tiny" || fail "no tmpfs"
refuses 'MB free and [0-9]+ MB are needed' env GMEM_CACHE="$tmp/tiny/cache" ./dev kernel

# A package is missing, and apt has no network.
mkdir "$tmp/bin"
cat >"$tmp/bin/apt-get" <<'SH'
#!/bin/sh
echo "E: Failed to fetch http://deb.debian.org/debian: Temporary failure resolving 'deb.debian.org'"
exit 100
SH
cat >"$tmp/bin/dpkg-query" <<'SH'
#!/bin/sh
[ "$4" = ccache ] && exit 1
exec /usr/bin/dpkg-query "$@"
SH
chmod +x "$tmp/bin"/*
refuses 'apt cannot install ccache .*no network.*Temporary failure' env PATH="$tmp/bin:$PATH" ./dev kernel

refuses 'no such command: nonsense' ./dev nonsense
refuses 'no such test: nonsense' ./dev test nonsense
refuses 'unknown option' ./dev demo --nonsense
echo "ok $test_name"
