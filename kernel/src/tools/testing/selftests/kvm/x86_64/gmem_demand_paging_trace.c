// SPDX-License-Identifier: GPL-2.0-only
/* KVM demand paging on guest_memfd: its tracepoints. */
#include <ctype.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "gmem_demand_paging_env.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/gmem_demand_paging_test"

const char *tracefs_absent(void)
{
	if (access(TRACEFS "/events", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		return "no tracefs";
	if (access(TRACEFS "/events/kvm", F_OK))
		return "no events of KVM in tracefs";
	return NULL;
}

static void instance_write(const char *name, const char *text)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/%s", name);
	fd = open(path, O_WRONLY | O_TRUNC);
	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == strlen(text),
		    "%s: %s", path, strerror(errno));
	close(fd);
}

/* From here on, is there a line of this event for @gfn? */
static bool trace_has(FILE *trace, const char *event, uint64_t gfn)
{
	char line[512], name[64], text[64], *p;

	snprintf(name, sizeof(name), ": kvm_dp_%s: ", event);
	snprintf(text, sizeof(text), " gfn 0x%lx", gfn);
	while (fgets(line, sizeof(line), trace)) {
		p = strstr(line, name);
		if (!p)
			continue;
		p = strstr(p, text);
		if (p && isspace(p[strlen(text)]))
			return true;
	}
	return false;
}

static pid_t vcpu_tid;

static void *traced_vcpu(void *arg)
{
	WRITE_ONCE(vcpu_tid, syscall(SYS_gettid));
	return run_thread(arg);
}

static pthread_t vcpu_sleeps(struct env *e)
{
	pthread_t thread;

	WRITE_ONCE(vcpu_tid, 0);
	TEST_ASSERT_EQ(pthread_create(&thread, NULL, traced_vcpu, e->vcpu), 0);
	read_event(e->session);
	wait_asleep(&vcpu_tid);
	return thread;
}

/* Waits with all that belongs to them, and the block at GFN 0, which is complete. */
static void run_traced(void)
{
	struct env e = env_create(KVM_DP_MODE_WAIT, guest_reader);
	struct kvm_dp_fail fail = { .gfn = DATA_GFN, .n_pages = 1 };
	struct kvm_dp_collapse collapse = { .n_pages = 1 };
	pthread_t thread;

	thread = vcpu_sleeps(&e);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_FAIL, &fail), 0);
	TEST_ASSERT_EQ(run_join(thread), -EFAULT);
	thread = vcpu_sleeps(&e);
	populate(e.session, DATA_GFN, 1);
	TEST_ASSERT_EQ(run_join(thread), 0);
	TEST_ASSERT_EQ(ioctl(e.session, KVM_DP_COLLAPSE, &collapse), 0);
	env_destroy(&e);
}

void test_tracepoints(void)
{
	static const char * const events[] = {
		"missing", "wait", "fail", "missing", "wait", "populate", "wake", "collapse",
	};
	char name[64];
	FILE *trace;
	int i;

	rmdir(INSTANCE);
	TEST_ASSERT(!mkdir(INSTANCE, 0700), INSTANCE ": %s", strerror(errno));
	/* Its stamps are in order whatever the CPUs' clocks say. */
	instance_write("trace_clock", "counter");
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(name, sizeof(name), "events/kvm/kvm_dp_%s/enable", events[i]);
		instance_write(name, "1");
	}
	run_traced();
	instance_write("tracing_on", "0");

	trace = fopen(INSTANCE "/trace", "r");
	TEST_ASSERT(trace, INSTANCE "/trace: %s", strerror(errno));
	for (i = 0; i < ARRAY_SIZE(events); i++)
		TEST_ASSERT(trace_has(trace, events[i],
				      i == ARRAY_SIZE(events) - 1 ? 0 : DATA_GFN),
			    "kvm_dp_%s is not in the trace, or not in order", events[i]);
	fclose(trace);
	TEST_ASSERT(!rmdir(INSTANCE), "rmdir " INSTANCE ": %s", strerror(errno));
}
