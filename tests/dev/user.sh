# SPDX-License-Identifier: MIT
# User space: meson build directories in the cache, one per checkout and flavour.  Sourced by dev.

user_setup() {
	local dir=$1

	shift
	[ -e "$dir/build.ninja" ] || meson setup "$dir" "$dev_top" "$@"
}

# Build flavour (plain, asan, tsan) under its lock; sets build_dir.
user_build() {
	local flavour=$1 options=()

	case $flavour in
	asan) options=(-Db_sanitize=address,undefined -Db_lundef=false) ;;
	tsan) options=(-Db_sanitize=thread -Db_lundef=false) ;;
	esac
	build_dir=$GMEM_CACHE/build/$(echo "$dev_top" | sha256sum | cut -c1-12)/$flavour
	mkdir -p "${build_dir%/*}" || die "cannot write $GMEM_CACHE"
	must "user space ($flavour)" user_build_locked "$build_dir" "${options[@]}"
}

user_build_locked() {
	(
		flock 9
		export CCACHE_DIR=$GMEM_CACHE/ccache
		user_setup "$@" && ninja -C "$1" ${GMEM_JOBS:+-j "$GMEM_JOBS"}
	) 9>"$1.lock"
}
