#!/bin/bash
# SPDX-License-Identifier: MIT
# gmem-attest as people run it: each subcommand, bad inputs, exit codes, and no secret in anything it says.
# usage: tool_test.sh GMEM-ATTEST SOFTWARE-EVIDENCE-MAKER SOURCE-ROOT
set -u

attest=$(realpath "$1") make_evidence=$(realpath "$2") root=$3
vectors=${GMEM_VECTORS:-$root/../shared/vectors}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
n=0 failed=0

# want CODE PATTERN COMMAND...: exit code, and a line of the output (both streams), or silence
want() {
	local code=$1 pattern=$2 got

	shift 2
	"$@" > out 2>&1
	got=$?
	cat out >> everything
	n=$((n + 1))
	[ "$pattern" != silence ] || [ -s out ] || echo silence >> out
	if [ $got != "$code" ] || ! grep -qE -- "$pattern" out; then
		echo "not ok: $*: exit code $got, not $code; or no line with '$pattern' in:"
		sed 's/^/    /' out
		failed=$((failed + 1))
	fi
}

zeros=$(printf '0%.0s' {1..64})
digest=$(printf '5a%.0s' {1..64})

want 2 '^usage:' "$attest"
want 0 '^usage:' "$attest" --help
want 2 'no such command' "$attest" frobnicate
for command in keygen make-ticket show check; do
	want 0 "^gmem-attest $command:" "$attest" "$command" --help
	want 2 'unknown option' "$attest" "$command" --frobnicate
done

# keygen
want 2 'are needed' "$attest" keygen
want 2 'not an option' "$attest" keygen --private a --public b c
for who in source destination; do
	want 0 silence "$attest" keygen --private $who.key --public $who.pub
done
want 0 silence "$attest" keygen --signing --private issuer.key --public issuer.pub
want 3 'nothing is written over' "$attest" keygen --private source.key --public other.pub
want 3 'nothing is written over' "$attest" keygen --private other.key --public source.pub
want 3 'cannot write' "$attest" keygen --private no/such/folder --public x.pub
want 0 '^600$' stat -c %a issuer.key
want 0 '^ed25519:[0-9a-f]{64}$' cat issuer.pub

# make-ticket
ticket=(--issuer issuer.key --source-key source.pub --destination-key destination.pub --vm-id "$zeros" --output ticket)
want 2 'are needed' "$attest" make-ticket
want 2 'source-platform' "$attest" make-ticket "${ticket[@]}"
want 2 '64 hex digits' "$attest" make-ticket "${ticket[@]}" --source-platform issuer.pub --destination-platform "$zeros"
want 2 'incarnation' "$attest" make-ticket "${ticket[@]}" --any-platform --incarnation 0
want 2 'valid' "$attest" make-ticket "${ticket[@]}" --any-platform --valid 99999999
want 2 'from' "$attest" make-ticket "${ticket[@]}" --any-platform --from yesterday
want 2 'keys of their own' "$attest" make-ticket "${ticket[@]/source.pub/destination.pub}" --any-platform
want 3 'issuer' "$attest" make-ticket "${ticket[@]/issuer.key/source.key}" --any-platform
want 3 'static public key' "$attest" make-ticket "${ticket[@]/source.pub/nothing}" --any-platform
chmod 640 issuer.key
want 3 'chmod 600' "$attest" make-ticket "${ticket[@]}" --any-platform
chmod 600 issuer.key
want 0 silence "$attest" make-ticket "${ticket[@]}" --any-platform --incarnation 7 --from 2026-01-02T03:04:05Z --valid 60
want 0 '^308$' stat -c %s ticket

# show
want 2 'one file' "$attest" show
want 3 'cannot read' "$attest" show nothing
want 3 'no evidence of any kind' "$attest" show issuer.pub
want 0 '^incarnation +7$' "$attest" show ticket
want 0 '^not before +2026-01-02T03:04:05Z$' "$attest" show ticket
want 0 '^not after +2026-01-02T03:05:05Z$' "$attest" show ticket
want 0 "^source static key +$(cat source.pub)$" "$attest" show ticket
want 0 "^ticket id +$(sha256sum < ticket | cut -d' ' -f1)$" "$attest" show ticket
want 0 '"incarnation": ?"7"' "$attest" show ticket --json
head -c 100 ticket > cut
want 3 'no ticket' "$attest" show cut

# evidence by a software key
want 0 silence "$make_evidence" issuer.key "$digest" evidence
want 0 'attests nothing' "$attest" show evidence
platform=$("$attest" show evidence | sed -n 's/^platform id  *//p')
key=$(sed s/ed25519:// issuer.pub)
printf 'software: { allow = true; keys = [ "%s" ]; };\n' "$key" > on.policy
printf 'software: { allow = false; keys = [ "%s" ]; };\n' "$key" > off.policy
printf 'software: {\n\tallow = true;\n\tkees = [ ];\n};\n' > bad.policy
want 2 'are needed' "$attest" check on.policy
want 2 'report-data is needed' "$attest" check on.policy evidence
want 2 'hex digits' "$attest" check on.policy evidence --report-data 12
want 2 '--time' "$attest" check on.policy evidence --report-data "$digest" --time now
want 3 'line 3: software.kees' "$attest" check bad.policy evidence --report-data "$digest"
want 3 '^gmem-attest: nothing: cannot be read' "$attest" check nothing evidence --report-data "$digest"
want 3 'a folder; a policy is one file' "$attest" check . evidence --report-data "$digest"
printf 'software: {\n\tallow = true 1;\n};\n' > syntax.policy
want 3 'syntax.policy: line 2: .allow = true 1;.: syntax error; look here' "$attest" check syntax.policy evidence \
	--report-data "$digest"
want 3 'cannot read' "$attest" check on.policy nothing --report-data "$digest"
want 3 'cannot read nothing' "$attest" check on.policy evidence --report-data "$digest" --log nothing
want 3 'no TDX collateral' "$attest" check on.policy evidence --report-data "$digest" --collateral issuer.pub
want 0 '^BELIEVED$' "$attest" check on.policy evidence --report-data "$digest"
want 0 'ATTESTS NOTHING ABOUT THE MACHINE' "$attest" check on.policy evidence --report-data "$digest"
want 0 '^holds +ticket.platform' "$attest" check on.policy evidence --report-data "$digest" --platform "$platform"
want 1 '^fails +ticket.platform' "$attest" check on.policy evidence --report-data "$digest" --platform "${zeros/0/1}"
want 1 '^fails +software.allow' "$attest" check off.policy evidence --report-data "$digest"
want 1 '^REFUSED$' "$attest" check on.policy evidence --report-data "${digest/5a/5b}"
want 1 '"believed": ?false' "$attest" check off.policy evidence --report-data "$digest" --json
want 1 'no section' "$attest" check "$root/docs/examples/tpm.policy" evidence --report-data "$digest"

# a pinned key's evidence is the digest alone
printf '%b' "$(printf '\\x5a%.0s' {1..64})" > digest
printf 'pinned: { keys = [ "%s" ]; };\n' "$(cat source.pub)" > pinned.policy
want 0 '^BELIEVED$' "$attest" check pinned.policy digest --report-data "$digest" --static-key source.pub
want 1 '^fails +pinned.keys' "$attest" check pinned.policy digest --report-data "$digest" --static-key destination.pub
want 1 '^fails +pinned.keys' "$attest" check pinned.policy digest --report-data "$digest"

# what real machines made
if [ -d "$vectors/snp" ]; then
	milan=(--cert "$vectors/snp/milan-v2.vcek.der" --cert "$vectors/snp/milan.ask-ark.pem")
	debug=(--cert "$vectors/snp/milan-v2-debug.vcek.der" --cert "$vectors/snp/milan.ask-ark.pem")
	cat > snp.policy <<-EOF
	snp: {
		any_measurement = true;
		floor: { milan: { boot_loader = 0; tee = 0; snp = 0; microcode = 0; }; };
	};
	EOF
	want 0 '^measurement +[0-9a-f]{96}$' "$attest" show "$vectors/snp/milan-v2.report" "${milan[@]}"
	want 2 'needs --cert' "$attest" show "$vectors/snp/milan-v2.report"
	want 3 'no certificates' "$attest" show "$vectors/snp/milan-v2.report" --cert issuer.pub
	want 0 '^BELIEVED$' "$attest" check snp.policy "$vectors/snp/milan-v2.report" "${milan[@]}" --time 2025-01-01T00:00:00Z
	want 0 '^not asked +report_data' "$attest" check snp.policy "$vectors/snp/milan-v2.report" "${milan[@]}" \
		--time 2025-01-01T00:00:00Z
	want 1 '^fails +snp.report_data' "$attest" check snp.policy "$vectors/snp/milan-v2.report" "${milan[@]}" \
		--time 2025-01-01T00:00:00Z --report-data "$digest"
	want 1 '^REFUSED$' "$attest" check snp.policy "$vectors/snp/milan-v2.report" "${milan[@]}" --time 2000-01-01T00:00:00Z
	want 1 '^fails +snp.*debug' "$attest" check snp.policy "$vectors/snp/milan-v2-debug.report" "${debug[@]}" \
		--time 2025-01-01T00:00:00Z
	want 1 '^REFUSED$' "$attest" check snp.policy "$vectors/snp/milan-v2.report" "${debug[@]}" --time 2025-01-01T00:00:00Z
	any='"any"'
	cat > tdx.policy <<-EOF
	tdx: { mrtd = $any; rtmr0 = $any; rtmr1 = $any; rtmr2 = $any; rtmr3 = $any; mrseam = $any; };
	EOF
	quote=("$vectors/tdx/v4-collateral.quote" --collateral "$vectors/tdx/v4-collateral.json")
	want 0 '^BELIEVED$' "$attest" check tdx.policy "${quote[@]}" --time 2025-06-30T00:00:00Z
	want 1 '^fails +tdx.*window' "$attest" check tdx.policy "${quote[@]}" --time 2025-08-30T00:00:00Z
	want 1 '^fails +tdx.collateral' "$attest" check tdx.policy "$vectors/tdx/v4-collateral.quote" --time 2025-06-30T00:00:00Z
	want 1 '^fails +tdx.td.mrtd' "$attest" check "$root/docs/examples/tdx.policy" "${quote[@]}" --time 2025-06-30T00:00:00Z
	mkdir trust
	cp "$vectors/tdx/v4-collateral.json" trust/tdx-collateral.json
	want 0 '^BELIEVED$' "$attest" check tdx.policy "$vectors/tdx/v4-collateral.quote" --trust trust --time 2025-06-30T00:00:00Z
	echo '{' > trust/tdx-collateral.json
	want 3 'tdx-collateral.json' "$attest" check tdx.policy "$vectors/tdx/v4-collateral.quote" --trust trust
	want 0 '^quote version +5$' "$attest" show "$vectors/tdx/v5.quote"
	head -c 600 "$vectors/tdx/v5.quote" > cut
	want 3 'cut' "$attest" show cut
else
	echo "skipped: real evidence: no $vectors"
fi

# nothing secret was said
for secret in source.key destination.key issuer.key; do
	n=$((n + 1))
	if grep -qF "$(sed s/ed25519:// $secret)" everything; then
		echo "not ok: $secret is in the output"
		failed=$((failed + 1))
	fi
done
echo "$((n - failed)) of $n checks hold"
[ $failed = 0 ]
