// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM demand paging: session fds, what a pager holds.  A session may do what
 * its rights say, from any process, and nothing else.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dp.h"

#define ALL_RIGHTS	(KVM_DP_RIGHT_EVENTS | KVM_DP_RIGHT_POPULATE |	\
			 KVM_DP_RIGHT_MARK | KVM_DP_RIGHT_DISCARD |	\
			 KVM_DP_RIGHT_EXTRACT | KVM_DP_RIGHT_QUERY |	\
			 KVM_DP_RIGHT_FREEZE | KVM_DP_RIGHT_FAIL)

static u32 right_for(unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_DP_MARK:
	case KVM_DP_COLLAPSE:
		return KVM_DP_RIGHT_MARK;
	case KVM_DP_QUERY:
		return KVM_DP_RIGHT_QUERY;
	case KVM_DP_FREEZE:
	case KVM_DP_THAW:
		return KVM_DP_RIGHT_FREEZE;
	case KVM_DP_POPULATE:
		return KVM_DP_RIGHT_POPULATE;
	case KVM_DP_EXTRACT:
		return KVM_DP_RIGHT_EXTRACT;
	case KVM_DP_DISCARD:
		return KVM_DP_RIGHT_DISCARD;
	case KVM_DP_FAIL:
	case KVM_DP_POISON:
		return KVM_DP_RIGHT_FAIL;
	default:
		return 0;
	}
}

static long session_ioctl(struct file *file, unsigned int ioctl, unsigned long arg)
{
	struct kvm_dp_session *session = file->private_data;
	struct kvm_dp *dp = session->dp;
	void __user *uarg = (void __user *)arg;
	u32 right = right_for(ioctl);

	if (!right)
		return -ENOTTY;
	if (!(session->rights & right))
		return -EPERM;

	switch (ioctl) {
	case KVM_DP_MARK:
		return kvm_dp_mark(dp, uarg);
	case KVM_DP_COLLAPSE:
		return kvm_dp_collapse(dp, uarg);
	case KVM_DP_QUERY:
		return kvm_dp_query(dp, uarg);
	case KVM_DP_FREEZE:
		return arg ? -EINVAL : kvm_dp_freeze(dp);
	case KVM_DP_THAW:
		return arg ? -EINVAL : kvm_dp_thaw(dp);
	case KVM_DP_POPULATE:
		return kvm_dp_populate(session, uarg,
				       file->f_flags & O_NONBLOCK);
	case KVM_DP_EXTRACT:
		return kvm_dp_extract(dp, uarg);
	case KVM_DP_FAIL:
		return kvm_dp_fail(dp, uarg);
	case KVM_DP_POISON:
		return kvm_dp_poison(dp, uarg);
	default:
		return kvm_dp_discard(dp, uarg);
	}
}

static ssize_t session_read(struct file *file, char __user *buf, size_t len,
			    loff_t *off)
{
	struct kvm_dp_session *session = file->private_data;

	if (!(session->rights & KVM_DP_RIGHT_EVENTS))
		return -EPERM;

	return kvm_dp_read_events(session, buf, len, file->f_flags & O_NONBLOCK);
}

static __poll_t session_poll(struct file *file, poll_table *wait)
{
	struct kvm_dp_session *session = file->private_data;
	struct kvm_dp *dp = session->dp;
	__poll_t mask = 0;

	poll_wait(file, &dp->readers, wait);
	smp_mb(); /* pairs with wq_has_sleeper() in waiter_add() */
	if (!READ_ONCE(dp->kvm))
		mask |= EPOLLHUP;
	if ((session->rights & KVM_DP_RIGHT_EVENTS) && kvm_dp_has_event(dp))
		mask |= EPOLLIN | EPOLLRDNORM;
	return mask;
}

static int session_release(struct inode *inode, struct file *file)
{
	struct kvm_dp_session *session = file->private_data;
	struct kvm_dp *dp = session->dp;

	if (session->rights & KVM_DP_RIGHT_EVENTS)
		kvm_dp_wait_release(session);
	atomic_dec(&dp->n_sessions);
	kfree(session);
	kvm_dp_put(dp);
	return 0;
}

static const struct file_operations session_fops = {
	.owner		= THIS_MODULE,
	.release	= session_release,
	.unlocked_ioctl	= session_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.read		= session_read,
	.poll		= session_poll,
	.llseek		= noop_llseek,
};

int kvm_dp_session_create(struct kvm_dp *dp,
			  struct kvm_dp_create_session __user *uargs)
{
	struct kvm_dp_create_session args;
	struct kvm_dp_session *session;
	struct file *file;
	int fd, r;

	if (copy_from_user(&args, uargs, sizeof(args)))
		return -EFAULT;
	if (args.flags || memchr_inv(args.reserved, 0, sizeof(args.reserved)) ||
	    !args.rights || args.rights & ~ALL_RIGHTS)
		return -EINVAL;
	if ((args.rights & KVM_DP_RIGHT_EXTRACT) && !dp->allow_extract)
		return -EPERM;

	session = kzalloc(sizeof(*session), GFP_KERNEL_ACCOUNT);
	if (!session)
		return -ENOMEM;
	session->rights = args.rights;

	/* Keeps the VM from being switched off under the new session. */
	if (!kvm_dp_enter(dp)) {
		r = -ENODEV;
		goto err_free;
	}

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		r = fd;
		goto err_leave;
	}

	kvm_dp_get(dp);
	session->dp = dp;
	file = anon_inode_getfile("kvm-dp-session", &session_fops, session, O_RDWR);
	if (IS_ERR(file)) {
		r = PTR_ERR(file);
		goto err_put;
	}

	atomic_inc(&dp->n_sessions);
	if (args.rights & KVM_DP_RIGHT_EVENTS)
		atomic_inc(&dp->n_attached);
	kvm_dp_leave(dp);
	fd_install(fd, file);
	return fd;

err_put:
	kvm_dp_put(dp);
	put_unused_fd(fd);
err_leave:
	kvm_dp_leave(dp);
err_free:
	kfree(session);
	return r;
}
