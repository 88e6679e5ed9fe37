# SPDX-License-Identifier: MIT
# Moves with signed tickets, policies and evidence by software keys, instead of
# pinned keys.  Source it after test.sh: it replaces how the services are started.

attest=$GMEM_BUILD/attest/gmem-attest

# signing_key NAME: in both shares.
signing_key() {
	expect "a signing key" "$attest" keygen --signing --private "$share_a/$1.key" --public "$share_a/$1.pub"
	cp "$share_a/$1".{key,pub} "$share_b/"
}

# policy FILE KEY...: believes these software keys and nothing else.
policy() {
	local file=$1 key keys=

	shift
	for key; do
		keys+="${keys:+, }\"$(sed 's/^ed25519://' "$share_a/$key.pub")\""
	done
	echo "software: { allow = true; keys = [ $keys ]; };" | tee "$share_a/$file" >"$share_b/$file"
}

# A signed one's is the hash of it.
ticket_id() {
	sha256sum <"$share_a/ticket" | head -c 8
}

# platform KEY: id of the machine that has this software key.
platform() {
	python3 - "$share_a/$1.pub" <<-'PYTHON'
	import hashlib, sys
	key = bytes.fromhex(open(sys.argv[1]).read().strip().removeprefix("ed25519:"))
	print(hashlib.sha256(b"gmem v1 platform".ljust(24, b"\0") + b"\1" + key).hexdigest())
	PYTHON
}

# Hosts A and B, and another machine X that the policy believes just as well.
attested_identities() {
	local h key

	move_identities
	for key in issuer a b x; do
		signing_key $key
	done
	policy policy a b x
	policy other.policy x
}

# attested_ticket [INCARNATION]: from A to B, each on its own machine, B's by its software key if $platform_b is not set.
attested_ticket() {
	rm -f "$share_a/ticket" "$share_b/ticket"
	expect "a signed ticket" "$attest" make-ticket --issuer "$share_a/issuer.key" --source-key "$share_b/peer.pub" \
		--destination-key "$share_a/peer.pub" --source-platform "$(platform a)" \
		--destination-platform "${platform_b:-$(platform b)}" --vm-id "$share_a/vm-id" --incarnation "${1:-1}" \
		--from "$(date -u -d '-2 hours' +%Y-%m-%dT%H:%M:%SZ)" --valid 86400 --output "$share_a/ticket"
	cp "$share_a/ticket" "$share_b/ticket"
}

pinned_options=$(declare -f service_options)
eval "pinned_${pinned_options}"

# Options that come after these override them.
service_options() {
	echo "$(pinned_service_options | sed 's/--peer [^ ]*//') --issuer $share/issuer.pub --policy $share/policy --evidence software"
}

# attested_pager [OPTION]..., and the VMM that waits; attested_source: each with the machine's own key.
attested_pager() {
	pager_with_guest --evidence-key $share/b.key "$@"
}

pager_with_guest() {
	pager_start "$@"
	[ -n "${vmm_waits:-}" ] || guest_incoming
	vmm_waits=
}

attested_source() {
	source_start --evidence-key $share/a.key "$@"
}

# says SENTENCE FILE...: one of them has it.  What a host writes into its share may take a moment to show.
says() {
	local i

	for i in $(seq $((600 * patience))); do
		grep -Eqs -- "$@" && return
		sleep 0.1
	done
	fail "nobody says \"$1\": $(tail -qn1 "${@:2}")"
}

# is_refused SENTENCE: the move is tried and refused in these words, and the guest goes on at A.
is_refused() {
	expect "the move was not tried" ctl A move
	ctl A wait-move $((120 * patience)) >"$share_a/move.answer" 2>&1 && fail "the move was not refused"
	says "$1" "$share_a/source.log" "$share_b/pager.log"
	"$BED" wait A source --timeout $((60 * patience))
	expect "the guest does not go on at A" ctl A wait-more 1 $((200 * patience))
	[ ! -s "$share_b/b.console" ] || fail "something ran at B"
}

# signal_job HOST JOB SIGNAL: to the program; "bed stop" would end the shell, too, that writes its exit code down.
signal_job() {
	on "$1" sh -c 'kill -s "$1" $(pgrep -P "$(cat "$0")")' "$share/$2.pid" "$3"
}

# keys_are_guarded HOST JOB KEY: of a service in mid-move, its static key and its evidence's.
keys_are_guarded() {
	# before the services, which have -15
	"$BED" run "$1" --timeout $((600 * patience)) -- nice -n -20 /usr/bin/python3 \
		"$GMEM_TOP/tests/integration/lib/look.py" $share/$2.pid $share/$2.log $share/own.key $share/$3.key </dev/null
}

# Whatever still waits at B ends, and the VMM there with it.
pager_end() {
	[ -s "$share_b/pager.rc" ] || signal_job B pager TERM 2>/dev/null	# it may be about to end
	"$BED" wait B pager --timeout $((60 * patience))
	"$BED" wait B vmm --timeout $((60 * patience))
	[ -s "$share_b/vmm.rc" ] || fail "the VMM at B does not end with gmem-pager: $(tail -n1 "$share_b/vmm.log")"
}

# gmem-pager dies; the VMM at B keeps its VM, to which nothing has happened, for the next one.
pager_dies() {
	signal_job B pager KILL
	"$BED" wait B pager --timeout $((60 * patience))
	[ -s "$share_b/pager.rc" ] || fail "gmem-pager lives after SIGKILL"
	[ ! -e "$share_b/vmm.rc" ] || fail "the VMM at B ended: $(tail -n1 "$share_b/vmm.log")"
	on B rm -f $sock/pager.sock
	vmm_waits=1
}
