// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging on guest_memfd: what the emulator fetches, reads and writes,
 * and the page tables that it walks.
 */
#include <fcntl.h>

#include "gmem_demand_paging_own.h"

#define PORT		0x2000		/* userspace's */
#define PIC_MASK	0x21		/* KVM's own: reads as what was written */
#define MMIO_GPA	0xd8000000ull
#define FEP_PARAM	"/sys/module/kvm/parameters/force_emulation_prefix"

static const struct own_want page_1 = { OWN_GFN(1), KVM_DP_EVENT_KVM };

static void guest_outs(uint64_t addr, uint64_t port)
{
	asm volatile("outsl" : "+S"(addr) : "d"(port) : "memory");
	GUEST_SYNC(1);
}

static void assert_out(struct own *o, const void *data, int len)
{
	struct kvm_run *run = o->e.vcpu->run;

	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	TEST_ASSERT_EQ(run->io.direction, KVM_EXIT_IO_OUT);
	TEST_ASSERT_EQ(run->io.port, PORT);
	TEST_ASSERT_EQ(run->io.size * run->io.count, len);
	TEST_ASSERT(!memcmp((uint8_t *)run + run->io.data_offset, data, len),
		    "other bytes than those that came");
}

/* String output reads its operand, or both halves of it, before it does anything. */
static void outs(struct own *o)
{
	vcpu_args_set(o->e.vcpu, 2, OWN_GPA(1) + 8, (uint64_t)PORT);
	own_run_kvm(o, 1);
	assert_out(o, &o->contents[1][8], 4);
	own_sync(o, NULL, 0, 1);
}

static void outs_crossing(struct own *o)
{
	const struct own_want wants[] = {
		{ OWN_GFN(2), KVM_DP_EVENT_KVM }, page_1,
	};
	uint8_t bytes[4];

	memcpy(bytes, &o->contents[1][4094], 2);
	memcpy(bytes + 2, &o->contents[2][0], 2);
	vcpu_args_set(o->e.vcpu, 2, OWN_GPA(2) - 2, (uint64_t)PORT);
	own_run(o, wants, 2);
	assert_out(o, bytes, 4);
	own_sync(o, NULL, 0, 1);
}

static void guest_ins(uint64_t addr, uint64_t port, uint64_t n)
{
	volatile uint8_t *p = (void *)addr;

	asm volatile("outb %%al, %%dx" : : "a"(0x5a), "d"(PIC_MASK));
	asm volatile("rep insb" : "+D"(addr), "+c"(n) : "d"(port) : "memory");
	GUEST_SYNC(p[-1] | p[0] << 8 | p[1] << 16);
}

static void assert_gives_up(struct own *o)
{
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	TEST_ASSERT_EQ(o->e.vcpu->run->exit_reason, KVM_EXIT_INTERNAL_ERROR);
	TEST_ASSERT_EQ(o->e.vcpu->run->internal.suberror, KVM_INTERNAL_ERROR_EMULATION);
}

/* A port in userspace: its byte cannot be asked for twice. */
static void ins_of_userspace(struct own *o)
{
	struct kvm_run *run = o->e.vcpu->run;

	vcpu_args_set(o->e.vcpu, 3, OWN_GPA(1), (uint64_t)PORT, 1ul);
	own_run(o, NULL, 0);
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_IO);
	TEST_ASSERT_EQ(run->io.direction, KVM_EXIT_IO_IN);
	TEST_ASSERT_EQ(run->io.port, PORT);
	assert_gives_up(o);
}

void test_own_string_io(void)
{
	own_each(outs, guest_outs);
	own_each(outs_crossing, guest_outs);
	own_each(ins_of_userspace, guest_ins);
}

static void guest_movs(uint64_t to, uint64_t from)
{
	asm volatile("movsl" : "+D"(to), "+S"(from) : : "memory");
	GUEST_SYNC(1);
}

/* As with a port in userspace. */
static void device_to_memory(struct own *o)
{
	struct kvm_run *run = o->e.vcpu->run;

	virt_pg_map(o->e.vm, MMIO_GPA, MMIO_GPA);
	vcpu_args_set(o->e.vcpu, 2, OWN_GPA(1), MMIO_GPA);
	own_run(o, NULL, 0);
	TEST_ASSERT_EQ(run->exit_reason, KVM_EXIT_MMIO);
	TEST_ASSERT_EQ(run->mmio.phys_addr, MMIO_GPA);
	TEST_ASSERT_EQ(run->mmio.len, 4);
	TEST_ASSERT(!run->mmio.is_write, "a write");
	assert_gives_up(o);
}

void test_own_mmio(void)
{
	own_each(device_to_memory, guest_movs);
}

/*
 * Behind KVM's prefix KVM emulates an instruction that the CPU would execute; once
 * the page has come, the CPU does.
 */
static char fep_before[8];

const char *fep_absent(void)
{
	return access(FEP_PARAM, W_OK) ? "the parameter force_emulation_prefix" : NULL;
}

static void fep_set(const char *value, char *ret_before)
{
	int fd = open(FEP_PARAM, O_RDWR);

	TEST_ASSERT(fd >= 0, FEP_PARAM ": %s", strerror(errno));
	if (ret_before)
		TEST_ASSERT(read(fd, ret_before, sizeof(fep_before) - 1) > 0, "read");
	TEST_ASSERT_EQ(pwrite(fd, value, strlen(value), 0), (ssize_t)strlen(value));
	close(fd);
}

static uint64_t *fep_word(int offset)
{
	return (uint64_t *)(OWN_GPA(1) + offset);
}

static void guest_fep_read(void)
{
	uint64_t word;

	asm volatile(KVM_FEP "mov %1, %0" : "=r"(word) : "m"(*fep_word(16)));
	GUEST_SYNC(word);
}

static void guest_fep_write(void)
{
	asm volatile(KVM_FEP "movb $0, %0" : "=m"(*fep_word(16)));
	GUEST_SYNC(*fep_word(16));
}

static void guest_fep_add(void)
{
	asm volatile(KVM_FEP "addq $5, %0" : "+m"(*fep_word(16)));
	GUEST_SYNC(*fep_word(16));
}

static void guest_fep_cmpxchg(void)
{
	uint64_t old = *(uint64_t *)OWN_GPA(0);

	asm volatile(KVM_FEP "lock cmpxchg %2, %0"
		     : "+m"(*fep_word(16)), "+a"(old) : "r"(77ul) : "cc");
	GUEST_SYNC(*fep_word(16));
}

static uint64_t word_of(struct own *o, int page, int offset)
{
	uint64_t word;

	memcpy(&word, &o->contents[page][offset], sizeof(word));
	return word;
}

static void fep_read(struct own *o)
{
	own_sync(o, &page_1, 1, word_of(o, 1, 16));
}

static void fep_write(struct own *o)
{
	own_sync(o, &page_1, 1, word_of(o, 1, 16) & ~0xffull);
}

static void fep_add(struct own *o)
{
	own_sync(o, &page_1, 1, word_of(o, 1, 16) + 5);
}

static void fep_cmpxchg(struct own *o)
{
	uint64_t word = word_of(o, 1, 16);

	/* What it is compared with is there. */
	own_put(o, 0, 0, &word, sizeof(word));
	own_bring(o, OWN_GFN(0));
	own_sync(o, &page_1, 1, 77);
}

static void guest_fep_cross(void)
{
	asm volatile(KVM_FEP "addq $5, %0" : "+m"(*fep_word(4092)));
	GUEST_SYNC(*fep_word(4092));
}

/* The one half is there, the other is not: neither is added to twice. */
static void fep_cross(struct own *o)
{
	const struct own_want want = { OWN_GFN(2), KVM_DP_EVENT_KVM };
	uint64_t word;

	memcpy(&word, &o->contents[1][4092], 4);
	memcpy((uint8_t *)&word + 4, &o->contents[2][0], 4);
	own_bring(o, OWN_GFN(1));
	own_sync(o, &want, 1, word + 5);
}

static void guest_fep_write_cross(void)
{
	asm volatile(KVM_FEP "movq $0x77777777, %0" : "=m"(*fep_word(4092)));
	GUEST_SYNC(*fep_word(4092));
}

/* Nothing is written to the first page as long as the second one is missing. */
static void cross_at_once(void)
{
	struct own *o = own_create(false, false, guest_fep_write_cross);
	uint8_t *first = addr_gpa2hva(o->e.vm, OWN_GPA(1));

	own_bring(o, OWN_GFN(1));
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), -EFAULT);
	TEST_ASSERT_EQ(o->e.vcpu->run->memory_fault.gpa, OWN_GPA(2));
	TEST_ASSERT(!memcmp(first, o->contents[1], 4096), "one half was written");
	own_bring(o, OWN_GFN(2));
	own_sync(o, NULL, 0, 0x77777777);
	own_destroy(o);
}

void test_own_emulator(void)
{
	fep_set("1", fep_before);
	own_each(fep_read, guest_fep_read);
	own_each(fep_write, guest_fep_write);
	own_each(fep_add, guest_fep_add);
	own_each(fep_cmpxchg, guest_fep_cmpxchg);
	own_each(fep_cross, guest_fep_cross);
	cross_at_once();
	fep_set(fep_before, NULL);
}

#define N_ADDS		3000

static void guest_fep_adder(void)
{
	volatile uint64_t *word = fep_word(-4);
	int i;

	*word = 0;
	for (i = 0; i < N_ADDS; i++)
		asm volatile(KVM_FEP "addq $1, %0" : "+m"(*word));
	GUEST_SYNC(*word);
}

/* The second page goes between reading and writing: nothing is added twice. */
void test_own_crossing(void)
{
	struct own *o;

	fep_set("1", fep_before);
	o = own_create(true, false, guest_fep_adder);
	own_bring(o, OWN_GFN(0));
	own_toggle(o, OWN_GFN(1));
	TEST_ASSERT_EQ((intptr_t)run_thread(o->e.vcpu), 0);
	own_toggle_end();
	assert_sync(o->e.vcpu, N_ADDS);
	own_destroy(o);
	fep_set(fep_before, NULL);
}

static void guest_fep_counter(void)
{
	for (;;)
		asm volatile(KVM_FEP "lock incl %0" : "+m"(*(uint32_t *)OWN_GPA(0)));
}

/* Between reading and exchanging, the page may go. */
void test_own_exchange(void)
{
	fep_set("1", fep_before);
	own_counts_no_more(guest_fep_counter);
	fep_set(fep_before, NULL);
}

static const uint8_t prefix[] = { 0x0f, 0x0b, 'k', 'v', 'm' };
static const uint8_t code[] = { 0x48, 0x8b, 0x07, 0xc3 };	/* mov (%rdi), %rax; ret */

static void guest_call(uint64_t entry, uint64_t arg)
{
	GUEST_SYNC(((uint64_t (*)(uint64_t))entry)(arg));
}

/* The prefix and what it is for are on two pages; @n bytes of them on the first. */
static void fetch(struct own *o, int n)
{
	uint8_t bytes[sizeof(prefix) + sizeof(code)];

	memcpy(bytes, prefix, sizeof(prefix));
	memcpy(bytes + sizeof(prefix), code, sizeof(code));
	own_put(o, 0, 4096 - n, bytes, n);
	own_put(o, 1, 0, bytes + n, sizeof(bytes) - n);
	own_bring(o, OWN_GFN(0));
	own_bring(o, OWN_GFN(2));
	vcpu_args_set(o->e.vcpu, 2, OWN_GPA(1) - n, OWN_GPA(2) + 40);
	own_sync(o, &page_1, 1, word_of(o, 2, 40));
}

static void fetch_insn(struct own *o)
{
	fetch(o, sizeof(prefix));
}

static void fetch_middle(struct own *o)
{
	fetch(o, sizeof(prefix) + 2);
}

static void fetch_prefix(struct own *o)
{
	fetch(o, 2);
}

void test_own_fetch(void)
{
	fep_set("1", fep_before);
	own_each(fetch_insn, guest_call);
	own_each(fetch_middle, guest_call);
	own_each(fetch_prefix, guest_call);
	fep_set(fep_before, NULL);
}

/* Where nothing else is mapped, so that its page tables are its own. */
#define TABLES_GVA	0x700000000000ull

static void tables_map(struct own *o, uint64_t *ret_gfns)
{
	int level;

	virt_pg_map(o->e.vm, TABLES_GVA, OWN_GPA(1));
	for (level = 1; level <= 3; level++)
		ret_gfns[level - 1] = own_table_gfn(o->e.vm, TABLES_GVA, level);
}

/* From the top to the operand, each table once; nobody takes it for a #PF. */
static void tables(struct own *o)
{
	struct own_want wants[4] = { [3] = page_1 };
	uint64_t gfns[3], *pte;
	int i;

	tables_map(o, gfns);
	for (i = 0; i < 3; i++) {
		wants[2 - i] = (struct own_want) { gfns[i], KVM_DP_EVENT_KVM };
		TEST_ASSERT_EQ(mark(o->e.session, gfns[i], 1, KVM_DP_MARK_MISSING), 0);
	}
	pte = vm_get_page_table_entry(o->e.vm, TABLES_GVA);
	*pte &= ~BIT_ULL(5);
	vcpu_args_set(o->e.vcpu, 2, TABLES_GVA + 8, (uint64_t)PORT);
	own_run(o, wants, 4);
	assert_out(o, &o->contents[1][8], 4);
	TEST_ASSERT(*pte & BIT_ULL(5), "the entry was not marked accessed");
	own_sync(o, NULL, 0, 1);
}

void test_own_tables(void)
{
	own_each(tables, guest_outs);
}

/*
 * An operand that is written and not read: its page is missing after the registers
 * have changed, and they must not change twice.
 */

/* A port in the kernel: the instruction is executed again. */
static void ins(struct own *o)
{
	vcpu_args_set(o->e.vcpu, 3, OWN_GPA(1) + 8, (uint64_t)PIC_MASK, 1ul);
	own_sync(o, &page_1, 1, own_byte(1, 7) | 0x5a << 8 | own_byte(1, 9) << 16);
}

static void ins_many(struct own *o)
{
	const struct own_want wants[] = { page_1, { OWN_GFN(2), KVM_DP_EVENT_KVM } };

	vcpu_args_set(o->e.vcpu, 3, OWN_GPA(2) - 3, (uint64_t)PIC_MASK, 6ul);
	own_sync(o, wants, 2, own_byte(1, 4092) | 0x5a5a << 8);
}

static void guest_fep_push(void)
{
	asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp;" KVM_FEP "push %1; mov %%rbx, %%rsp"
		     : : "r"(OWN_GPA(1) + 24), "r"(1234ul) : "rbx", "memory");
	GUEST_SYNC(*fep_word(16));
}

static void fep_push(struct own *o)
{
	own_sync(o, &page_1, 1, 1234);
}

/* Dirty as well as accessed. */
static void tables_written(struct own *o)
{
	struct own_want wants[2] = { { 0, KVM_DP_EVENT_KVM }, page_1 };
	uint64_t gfns[3], *pte;

	tables_map(o, gfns);
	wants[0].gfn = gfns[0];
	pte = vm_get_page_table_entry(o->e.vm, TABLES_GVA);
	*pte &= ~(BIT_ULL(5) | BIT_ULL(6));
	TEST_ASSERT_EQ(mark(o->e.session, gfns[0], 1, KVM_DP_MARK_MISSING), 0);
	vcpu_args_set(o->e.vcpu, 3, TABLES_GVA + 8, (uint64_t)PIC_MASK, 1ul);
	own_sync(o, wants, 2, own_byte(1, 7) | 0x5a << 8 | own_byte(1, 9) << 16);
	TEST_ASSERT_EQ(*pte & (BIT_ULL(5) | BIT_ULL(6)), BIT_ULL(5) | BIT_ULL(6));
}

void test_own_emulated_write(void)
{
	own_each(ins, guest_ins);
	own_each(ins_many, guest_ins);
	own_each(tables_written, guest_ins);
	fep_set("1", fep_before);
	own_each(fep_push, guest_fep_push);
	fep_set(fep_before, NULL);
}
