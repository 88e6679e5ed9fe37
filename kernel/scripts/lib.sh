# SPDX-License-Identifier: MIT
# What the kernel scripts share: where the source comes from, where trees and
# builds live, and what a build depends on.  Sourced by bash scripts.
#
#   $GMEM_CACHE/kernel/VERSION/stock    the source package, never written to but for stock/out*
#   $GMEM_CACHE/kernel/VERSION/gmem     the same with the series on it: hard links to stock for
#                                       what the series leaves alone, a git branch for the rest
#   $GMEM_CACHE/kernel/VERSION/debug    as gmem, for the debug kernel; kcsan: likewise
#   $GMEM_CACHE/kernel/VERSION/check    as gmem, for building step by step
#   $GMEM_CACHE/kernel/images/KEY/      finished kernels, by all that they depend on
#
# Build directories stand inside the trees, because then the kernel names its
# sources by relative paths, and ccache serves one tree from the other's results.

set -u -o pipefail

k_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
k_series=${GMEM_KERNEL_DIR:-$k_top/kernel}
k_base=6.12
GMEM_CACHE=${GMEM_CACHE:-/var/cache/gmem}
GMEM_JOBS=${GMEM_JOBS:-$(nproc)}
export CCACHE_DIR=${CCACHE_DIR:-$GMEM_CACHE/ccache} CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-4G}
# Not depend mode: a configuration symbol of the series changes autoconf.h, which every file
# includes, and only preprocessed text shows that most objects of stock and gmem are the same.
export CCACHE_COMPILERCHECK=content CCACHE_NODEPEND=1 LC_ALL=C

k_die() {
	echo "${0##*/}: $*" >&2
	exit 1
}

# Sets k_tar and k_ver.  KERNEL_SOURCE=TARBALL overrides the Debian package.
k_source_find() {
	k_tar=${KERNEL_SOURCE:-/usr/src/linux-source-$k_base.tar.xz}
	[ -r "$k_tar" ] || k_die "no kernel source at $k_tar: install linux-source-$k_base or set KERNEL_SOURCE to a tarball of $k_base.y"
	if [ -n "${KERNEL_SOURCE:-}" ]; then
		k_ver=tar-$(sha256sum "$k_tar" | cut -c1-16)
	else
		k_ver=$(dpkg-query -W -f '${Version}' "linux-source-$k_base" 2>/dev/null) ||
			k_ver=file-$(stat -c %s-%Y "$k_tar")
	fi
	k_ver=${k_ver//[^A-Za-z0-9.+-]/_}
	k_dir=$GMEM_CACHE/kernel/$k_ver
	k_stock=$k_dir/stock
	k_tree=$k_dir/gmem
	mkdir -p "$k_dir" || k_die "cannot write $k_dir: set GMEM_CACHE to a directory that can be written"
}

# Unpack the source unless it is there.  Whole or not at all.
k_source_unpack() {
	local tmp=$k_dir/unpack.tmp release

	[ -e "$k_stock/Makefile" ] && return
	exec 7>"$k_dir/unpack.lock"
	flock 7
	[ -e "$k_stock/Makefile" ] && exec 7>&- && return
	rm -rf "$tmp"
	mkdir "$tmp" || k_die "cannot write $k_dir"
	tar -xf "$k_tar" -C "$tmp" --strip-components=1 ||
		{ rm -rf "$tmp"; k_die "cannot unpack $k_tar into $k_dir (disk full?)"; }
	release=$(make -s -C "$tmp" kernelversion)
	case $release in
	$k_base|$k_base.*) ;;
	*) rm -rf "$tmp"; k_die "$k_tar holds Linux $release; the series is for $k_base.y" ;;
	esac
	mv "$tmp" "$k_stock"
	exec 7>&-
}

# A tree that shares its files with stock; nothing may write them in place.
k_tree_make() {
	local tree=$1

	[ -e "$tree/Makefile" ] && return
	rm -rf "$tree" "$tree.tmp"
	mkdir "$tree.tmp" || k_die "cannot write $k_dir"
	(cd "$k_stock" && find . -mindepth 1 -maxdepth 1 ! -name 'out*' -exec cp -al -t "$tree.tmp" {} +) ||
		{ rm -rf "$tree.tmp"; k_die "cannot link the source into $tree (disk full?)"; }
	mv "$tree.tmp" "$tree"
}

# Take the lock on a tree; held until the script ends.
k_lock() {
	exec 8>"$1.lock" || k_die "cannot write $k_dir"
	flock -n 8 && return
	echo "waiting for another build in $1" >&2
	flock 8
}

# The hash of all that the kernel of flavour $1 (see build) is made of.
k_key() {
	local flavour=$1 dirs=(config scripts/lib.sh scripts/build)

	[[ $flavour = *stock ]] || dirs+=(src steps "hooks/$k_base" scripts/apply)
	{
		echo "$k_ver $flavour"
		"${KCC:-gcc}" -dumpfullversion
		cd "$k_series" && for d in "${dirs[@]}"; do
			[ -e "$d" ] && find "$d" -type f -print0
		done | sort -z | xargs -0 sha256sum
	} | sha256sum | cut -c1-24
}

# make in a build directory of a tree: k_make TREE OUT ARGUMENT...
k_make() {
	local tree=$1 out=$2

	shift 2
	make -C "$tree" O="$tree/$out" -j"$GMEM_JOBS" CC="ccache ${KCC:-gcc}" LOCALVERSION= \
		KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=gmem \
		KBUILD_BUILD_HOST=gmem KBUILD_BUILD_VERSION=1 "$@" 8>&-
}

# Configure TREE/OUT: tinyconfig plus the named fragments, each line of which must hold, but for
# symbols that this tree does not (yet) have: the series adds some.
k_config() {
	local tree=$1 out=$2 new=$1/$2/.config.new line bad=0 f files=()

	shift 2
	for f; do
		files+=("$k_series/config/$f.config")
	done
	set -- "${files[@]}"
	mkdir -p "$tree/$out" || k_die "cannot write $tree/$out"
	k_make "$tree" "$out" -s KCONFIG_CONFIG="$new" tinyconfig >/dev/null || k_die "tinyconfig failed in $tree"
	cat "$@" >>"$new"
	k_make "$tree" "$out" -s KCONFIG_CONFIG="$new" olddefconfig >/dev/null 2>&1 || k_die "olddefconfig failed in $tree"
	while read -r line; do
		k_config_holds "$new" "$line" || ! k_config_known "$tree" "${line%%=*}" || { echo "not in effect: $line" >&2; bad=1; }
	done < <(cat "$@" | grep '^CONFIG_' | tac | awk -F= '!seen[$1]++')
	((!bad)) || k_die "the fragments $* do not fit this kernel"
	cmp -s "$new" "$tree/$out/.config" || cp "$new" "$tree/$out/.config"
	rm -f "$new" "$new.old"
}

# Only of symbols of KVM is it asked; others are in every 6.12.y.
k_config_known() {
	[[ $2 != CONFIG_KVM_* ]] || grep -qx "config ${2#CONFIG_}" "$1"/{arch/x86,virt}/kvm/Kconfig
}

k_config_holds() {
	case $2 in
	*=n) ! grep -q "^${2%=n}=" "$1" ;;
	*) grep -qxF "$2" "$1" ;;
	esac
}
