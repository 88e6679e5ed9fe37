// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's own accesses to guest_memfd memory.
 *
 * guest_memfd has no host virtual address, so the accessors that go through a
 * memslot's userspace mapping cannot reach private memory.  Where the host may
 * see it at all, i.e. for software-protected VMs, go through the page cache.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kvm_host.h>
#include <linux/pagemap.h>

#include "kvm_mm.h"

bool kvm_gmem_is_accessible(struct kvm *kvm, const struct kvm_memory_slot *slot,
			    gfn_t gfn)
{
	return slot && kvm_slot_can_be_private(slot) &&
	       kvm_arch_gmem_accessible(kvm) && kvm_mem_is_private(kvm, gfn);
}
EXPORT_SYMBOL_GPL(kvm_gmem_is_accessible);

/*
 * The page holds a reference, so that a concurrent PUNCH_HOLE at worst makes
 * the access hit memory that is no longer the guest's.
 */
static struct page *gmem_get_page(struct kvm *kvm, struct kvm_memory_slot *slot,
				  gfn_t gfn)
{
	kvm_pfn_t pfn;
	int r;

	r = kvm_gmem_get_pfn(kvm, slot, gfn, &pfn, NULL);
	if (r)
		return ERR_PTR(r);

	return pfn_to_page(pfn);
}

int kvm_gmem_read_page(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn,
		       void *data, int offset, int len)
{
	struct page *page = gmem_get_page(kvm, slot, gfn);

	if (IS_ERR(page))
		return PTR_ERR(page);

	memcpy_from_page(data, page, offset, len);
	put_page(page);
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_gmem_read_page);

/* The same where nobody may sleep: what is not there is not brought. */
int kvm_gmem_read_page_atomic(struct kvm_memory_slot *slot, gfn_t gfn, void *data,
			      int offset, int len)
{
	pgoff_t index = gfn - slot->base_gfn + slot->gmem.pgoff;
	struct file *file = get_file_active(&slot->gmem.file);
	struct folio *folio;
	struct page *page;
	int r = -EFAULT;

	if (!file)
		return -EFAULT;

	folio = filemap_get_folio(file->f_mapping, index);
	if (!IS_ERR(folio)) {
		page = folio_file_page(folio, index);
		if (folio_test_uptodate(folio) && !PageHWPoison(page)) {
			memcpy_from_page(data, page, offset, len);
			r = 0;
		}
		folio_put(folio);
	}
	fput(file);
	return r;
}

int kvm_gmem_write_page(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn,
			const void *data, int offset, int len)
{
	struct page *page = gmem_get_page(kvm, slot, gfn);

	if (IS_ERR(page))
		return PTR_ERR(page);

	memcpy_to_page(page, offset, data, len);
	put_page(page);
	return 0;
}
EXPORT_SYMBOL_GPL(kvm_gmem_write_page);

/*
 * Returns 0 if *@old was replaced by @new, 1 if it was not there (*@old is
 * updated), or -errno.  @len is 1, 2, 4 or 8 and the access naturally aligned.
 */
int kvm_gmem_cmpxchg(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn,
		     int offset, void *old, const void *new, int len)
{
	struct page *page = gmem_get_page(kvm, slot, gfn);
	bool done;
	void *p;

	if (IS_ERR(page))
		return PTR_ERR(page);

	p = kmap_local_page(page) + offset;
	switch (len) {
	case 1:
		done = try_cmpxchg((u8 *)p, (u8 *)old, *(u8 *)new);
		break;
	case 2:
		done = try_cmpxchg((u16 *)p, (u16 *)old, *(u16 *)new);
		break;
	case 4:
		done = try_cmpxchg((u32 *)p, (u32 *)old, *(u32 *)new);
		break;
	default:
		done = try_cmpxchg((u64 *)p, (u64 *)old, *(u64 *)new);
		break;
	}
	kunmap_local(p);
	put_page(page);
	return !done;
}
EXPORT_SYMBOL_GPL(kvm_gmem_cmpxchg);
