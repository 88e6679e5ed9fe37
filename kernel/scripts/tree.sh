# SPDX-License-Identifier: MIT
# The series as git objects, and a tree brought to one of its commits.  Sourced after lib.sh.

export GIT_AUTHOR_NAME=${GMEM_AUTHOR_NAME:-gmem} GIT_AUTHOR_EMAIL=${GMEM_AUTHOR_EMAIL:-gmem@localhost.localdomain}
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null

steps_list() {
	find "$k_series/steps" -mindepth 1 -maxdepth 1 -type d -name '[0-9][0-9]-*' -printf '%f\n' 2>/dev/null | sort
}

step_hook() {
	echo "$k_series/hooks/$k_base/$1.patch"
}

# Paths of kernel/src that step $1 brings.
step_files() {
	sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$k_series/steps/$1/files" 2>/dev/null
}

# Files of the package that some hook changes.
hooked_list() {
	hook_files "$k_series/hooks/$k_base"/*.patch 2>/dev/null | sort -u
}

# Each new file and each hook belongs to exactly one step.
series_validate() {
	local bad h s

	s=$(steps_list)
	bad=$(diff <(cd "$k_series/src" && find . -type f -printf '%P\n' | sort) \
		   <(for h in $s; do step_files "$h"; done | sort) |
	      sed -n 's/^< \(.*\)/kernel\/src\/\1 is in no step/p; s/^> \(.*\)/\1 is in a step, but not (or twice) in kernel\/src/p')
	for h in "$k_series/hooks/$k_base"/*.patch; do
		[ -e "$h" ] && ! grep -qx "$(basename "$h" .patch)" <<<"$s" && bad+=$'\n'"$h has no step"
	done
	for h in $s; do
		[ -s "$k_series/steps/$h/message" ] || bad+=$'\n'"steps/$h has no message"
	done
	[ -z "$bad" ] || k_die "the series is not consistent:" $'\n'"$bad"
}

# add_file ROOT PATH: put a file into the index (GIT_INDEX_FILE).
index_add() {
	local mode=100644 blob

	[ -x "$1/$2" ] && mode=100755
	blob=$(git hash-object -w --no-filters -- "$1/$2") &&
		git update-index --add --cacheinfo "$mode,$blob,$2"
}

# commit_make NUMBER PARENT-OR-"" < message; a minute between commits keeps their order.
commit_make() {
	local date

	date="$((1735689600 + $1 * 60)) +0000"
	GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date git commit-tree ${2:+-p "$2"} "$(git write-tree)"
}

step_message() {
	cat "$k_series/steps/$1/message"
	grep -q '^Signed-off-by:' "$k_series/steps/$1/message" ||
		printf '\nSigned-off-by: %s <%s>\n' "$GIT_AUTHOR_NAME" "$GIT_AUTHOR_EMAIL"
}

hook_files() {
	sed -n 's,^--- a/\([^\t]*\).*,\1,p' "$@"
}

git_apply() {
	git apply --cached --whitespace=nowarn "$@" 2>/dev/null
}

# Another 6.12.y than the hooks were made for: where lines around a change differ, one of
# each side has to be the same; where more does, hooks/6.12/older has another patch for
# that file, which may say that it stands in for a second one.  after-*.patch there mends
# what applies and is not enough, where it finds that.
hook_apply() {
	local step=$1 hook=$2 f p instead='' missing='' older=$k_series/hooks/$k_base/older/$1

	git_apply "$hook" && return
	while read -r f; do
		git_apply -C1 --include="$f" "$hook" && continue
		for p in "$older"/*.patch; do
			[ -e "$p" ] && [[ $p != */after-* ]] && [ "$(hook_files "$p")" = "$f" ] || continue
			git_apply "$p" || git_apply -C1 "$p" || continue
			instead+=" $(sed -n 's/^Instead of: //p' "$p")"
			continue 2
		done
		missing+=" $f"
	done < <(hook_files "$hook" | sort -u)
	for f in $missing; do
		[[ " $instead " = *" $f "* ]] && continue
		echo "$step: $f" >&2
		return 1
	done
	for p in "$older"/after-*.patch; do
		[ ! -e "$p" ] || git_apply "$p" || true
	done
}

step_commit() {
	local step=$1 n=$2 parent=$3 hook f

	hook=$(step_hook "$step")
	if [ -e "$hook" ]; then
		hook_apply "$step" "$hook" ||
			k_die "hook ${hook#"$k_top"/} does not apply to Linux $k_ver"
	fi
	while read -r f; do
		index_add "$k_series/src" "$f" || k_die "cannot add $f"
	done < <(step_files "$step")
	step_message "$step" | commit_make "$n" "$parent"
}

# Write all commits into TREE/.git, move the branch gmem, print its head.
branch_make() {
	local tree=$1 head f step n=0

	series_validate
	[ -d "$tree/.git" ] || git init -q -b gmem "$tree" >&2
	echo '*' >"$tree/.git/info/exclude"
	export GIT_DIR=$tree/.git GIT_WORK_TREE=$tree GIT_INDEX_FILE=$tree/.git/series.index
	rm -f "$GIT_INDEX_FILE"
	while read -r f; do
		# What an older Linux does not have, hook_apply() misses if it has to.
		[ ! -e "$k_stock/$f" ] || index_add "$k_stock" "$f" || k_die "cannot add $f"
	done < <(hooked_list)
	head=$(echo "Linux $k_ver, the files that the series changes" | commit_make 0 "") || k_die "cannot commit to $tree"
	git update-ref refs/heads/base "$head"
	for step in $(steps_list); do
		n=$((n + 1))
		head=$(step_commit "$step" "$n" "$head") || exit 1
	done
	git update-ref refs/heads/gmem "$head"
	git symbolic-ref HEAD refs/heads/gmem
	rm -f "$GIT_INDEX_FILE"
	echo "$head"
}

# Put one file in place by renaming, since the old one may be a hard link to stock.
file_place() {
	cmp -s "$1" "$2" && return
	mkdir -p "${2%/*}" && cp -p "$1" "$2.gmem-new" && touch "$2.gmem-new" && mv "$2.gmem-new" "$2"
}

# Bring TREE to COMMIT.  Untouched files keep their times, so make rebuilds little.
tree_sync() {
	local tree=$1 commit=$2 tmp f err=0

	tmp=$(mktemp -d "$tree/.git/sync.XXXXXX") || k_die "cannot write $tree"
	export GIT_DIR=$tree/.git GIT_WORK_TREE=$tree GIT_INDEX_FILE=$tmp/index
	git read-tree "$commit" && git checkout-index -q -a --prefix="$tmp/files/" || err=1
	mkdir -p "$tmp/files"
	# What an interrupted run has touched must be known to the next one.
	{ cat "$tree/.git/touched" 2>/dev/null; git ls-files; } | sort -u >"$tmp/touched"
	((err)) || { cp "$tmp/touched" "$tree/.git/touched" || err=1; }
	((err)) || while read -r f; do
		if [ -e "$tmp/files/$f" ]; then
			file_place "$tmp/files/$f" "$tree/$f" || err=1
		elif [ -e "$k_stock/$f" ]; then
			file_place "$k_stock/$f" "$tree/$f" || err=1
		else
			rm -f "$tree/$f"
		fi
	done <"$tmp/touched"
	((err)) || mv "$tmp/index" "$tree/.git/index"
	rm -rf "$tmp"
	unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
	((!err)) || k_die "cannot bring $tree to the series (disk full?)"
	git -C "$tree" update-index -q --refresh || true
}
