#!/bin/bash
# SPDX-License-Identifier: MIT
# A guest in an emulated host survives a neighbour that loads FPU state all the
# time: QEMU's emulation of that spoils SVM on the host's first CPU, which the
# bed therefore keeps free of guests (docs/testing.md).  With a guest on that
# CPU this takes two seconds to fail.

. "$(dirname "$0")/lib/test.sh"

hosts=A
share_a=$("$BED" share A)
expect "host A does not come up" host_up A
on A mkdir -p $sock
expect "the load does not start" "$BED" spawn A fpuload -- "$GMEM_BUILD/tests/integration/fpuload"
expect "the VMM does not start" "$BED" spawn A vmm -- "$vmm" --kernel "$GMEM_BZIMAGE" \
	--initrd "$GMEM_BUILD/tests/vmm/guest/gmem-guest.cpio" --mem "$mem_mib" --vcpus "$vcpus" \
	--console $share/a.console --control $sock/vmm.sock
wait_socket A $sock/vmm.sock vmm
expect "the guest does not live: $(tail -n1 "$share_a/vmm.log")" ctl A wait-round 30 $((200 * patience))
expect "the VMM does not end" ctl A quit
expect "the VMM ended badly" "$BED" wait A vmm --timeout $((60 * patience))
"$BED" stop A fpuload
echo "ok $test_name"
