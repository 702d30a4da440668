/*-
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Guest memory that a file backs, copied on write.
 *
 * A segment's object is an anonymous one that shadows the object of the file:
 *
 *	VM's vmspace (nested page tables) --+
 *	                                    +--> shadow object --> file's object
 *	bhyve's vmspace (mmap of the VM) ---+    one VM's pages    everybody's
 *
 * vm_fault(9) walks that chain by itself: a read enters the file's page, read
 * only; a write puts a copy of it into the shadow object.  Copying happens
 * below the object that both address spaces map, not in their map entries, or
 * else each of them would write a copy of its own.
 *
 * The file is busy text for as long as the segment lives.  What nobody can
 * open for writing nobody can change or truncate, so that a page that was not
 * copied yet stays what it was, and is there.
 */

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/capsicum.h>
#include <sys/fcntl.h>
#include <sys/file.h>
#include <sys/kernel.h>
#include <sys/limits.h>
#include <sys/lock.h>
#include <sys/mman.h>
#include <sys/proc.h>
#include <sys/rwlock.h>
#include <sys/sysctl.h>
#include <sys/vnode.h>

#include <machine/vmm.h>

#include <vm/vm.h>
#include <vm/vm_param.h>
#include <vm/vm_extern.h>
#include <vm/vm_object.h>

#include <dev/vmm/vmm_memseg_fd.h>
#if __FreeBSD_version >= 1500000
#include <dev/vmm/vmm_mem.h>
#include <dev/vmm/vmm_vm.h>
#else
/* Any segment may be system memory: its number is up to user land. */
#define	VM_SYSMEM	0
#define	VM_MAXSYSMEM	4	/* VM_MAX_MEMSEGS of vmm.c */
#endif

SYSCTL_DECL(_hw_vmm);
SYSCTL_INT(_hw_vmm, OID_AUTO, memseg_fd, CTLFLAG_RD | CTLFLAG_MPSAFE,
    SYSCTL_NULL_INT_PTR, VM_MEMSEG_FD_VERSION,
    "Version of VM_ALLOC_MEMSEG_FD, guest memory that a file backs");

int
vm_memseg_fd_check(const struct vm_memseg_fd *msf)
{

	/*
	 * Without it, bhyve may go on reading a page that the guest has
	 * written.  A kernel that lacks it does not load this module.
	 */
	if (!vm_fault_shared_shadow)
		return (EOPNOTSUPP);

	if (msf->version != VM_MEMSEG_FD_VERSION || msf->flags != 0)
		return (EINVAL);
	for (size_t i = 0; i < nitems(msf->spare); i++) {
		if (msf->spare[i] != 0)
			return (EINVAL);
	}
	if (msf->segid < VM_SYSMEM || msf->segid >= VM_SYSMEM + VM_MAXSYSMEM)
		return (EINVAL);
	if (msf->len == 0 || ((msf->off | msf->len) & PAGE_MASK) != 0)
		return (EINVAL);
	if (msf->len > OFF_MAX || msf->off > OFF_MAX - msf->len)
		return (EINVAL);
	return (0);
}

/*
 * The vnode behind a descriptor that may be mapped for reading, referenced.
 */
static int
memseg_fd_vnode(struct thread *td, int fd, struct vnode **vpp)
{
	cap_rights_t rights;
	struct file *fp;
	int error;

	error = fget_mmap(td, fd, cap_rights_init_one(&rights, CAP_MMAP_R),
	    NULL, &fp);
	if (error != 0)
		return (error);
	if (fp->f_ops == &path_fileops)
		error = EBADF;
	else if ((fp->f_flag & FREAD) == 0)
		error = EACCES;
	else if (fp->f_type != DTYPE_VNODE ||
	    fp->f_vnode->v_type != VREG || fp->f_vnode->v_object == NULL)
		error = ENODEV;
	if (error == 0) {
		*vpp = fp->f_vnode;
		vref(*vpp);
	}
	fdrop(fp, td);
	return (error);
}

/*
 * The file itself, referenced: not a stacked file system's view of it, which
 * may be unmounted before us and takes what it knows of text along.
 */
static int
memseg_fd_lowest(struct vnode *vp, struct vnode **lvpp)
{
#if __FreeBSD_version >= 1500000
	return (VOP_GETLOWVNODE(vp, lvpp, FREAD));
#else
	vm_object_t obj;
	int error;

	/* The view has the object of the file, and that knows its vnode. */
	error = vn_lock(vp, LK_SHARED);
	if (error != 0)
		return (error);
	*lvpp = NULL;
	obj = vp->v_object;
	if (obj != NULL) {
		VM_OBJECT_RLOCK(obj);
		*lvpp = vm_object_vnode(obj);
		VM_OBJECT_RUNLOCK(obj);
	}
	if (*lvpp != NULL)
		vref(*lvpp);
	else
		error = ENODEV;
	VOP_UNLOCK(vp);
	return (error);
#endif
}

/*
 * Make the file immutable, and see that it is long enough, in that order.
 */
static int
memseg_fd_hold(struct vnode *vp, vm_ooffset_t end, struct ucred *cred)
{
	struct vattr va;
	int error;

	error = vn_lock(vp, LK_SHARED);
	if (error != 0)
		return (error);
	error = VOP_SET_TEXT(vp);
	if (error == 0) {
		error = VOP_GETATTR(vp, &va, cred);
		if (error == 0 && va.va_size < (u_quad_t)end)
			error = EINVAL;
		if (error != 0)
			VOP_UNSET_TEXT_CHECKED(vp);
	}
	VOP_UNLOCK(vp);
	return (error);
}

/*
 * On tmpfs a shared mapping that may write outlives the descriptor it was made
 * from without being counted as a writer of the vnode.  Once the file is text
 * such mappings only go.
 */
static bool
memseg_fd_written(vm_object_t obj)
{
	bool written;

	VM_OBJECT_RLOCK(obj);
	written = (obj->flags & OBJ_SWAP) != 0 &&
	    obj->un_pager.swp.writemappings > 0;
	VM_OBJECT_RUNLOCK(obj);
	return (written);
}

void
vm_memseg_fd_release(struct vnode *vp)
{

	/* The file may be gone by a forced unmount: that is fine. */
	vn_lock(vp, LK_SHARED | LK_RETRY);
	VOP_UNSET_TEXT_CHECKED(vp);
	vput(vp);
}

/*
 * On success *objp is an object that shadows the file's, and *vpp the file's
 * vnode, referenced and held as text: vm_memseg_fd_release() undoes that.
 */
int
vm_memseg_fd_object(struct thread *td, const struct vm_memseg_fd *msf,
    struct vnode **vpp, vm_object_t *objp)
{
	struct vnode *lvp, *vp;
	vm_object_t obj;
	vm_ooffset_t off;
	vm_prot_t maxprot;
	boolean_t writecounted;
	int error, flags;

	error = memseg_fd_vnode(td, msf->fd, &vp);
	if (error != 0)
		return (error);
	error = memseg_fd_lowest(vp, &lvp);
	if (error == 0) {
		error = memseg_fd_hold(lvp, msf->off + msf->len, td->td_ucred);
		if (error != 0)
			vrele(lvp);
	}
	if (error != 0)
		goto out;

	/* What mmap(2) does: permissions, MAC, the right object. */
	off = msf->off;
	flags = MAP_PRIVATE;
	maxprot = VM_PROT_READ;
	writecounted = FALSE;
	error = vm_mmap_vnode(td, msf->len, VM_PROT_READ, &maxprot, &flags,
	    vp, &off, &obj, &writecounted);
	if (error == 0 && memseg_fd_written(obj)) {
		vm_object_deallocate(obj);
		error = ETXTBSY;
	}
	if (error != 0) {
		vm_memseg_fd_release(lvp);
		goto out;
	}

	/*
	 * Not charged to anyone's swap limit, as guest memory is not.  The
	 * reference to the file's object moves into the shadow object.
	 */
	off = msf->off;
	vm_object_shadow(&obj, &off, msf->len, NULL, false);
	vm_memseg_fd_shared(obj);
	*objp = obj;
	*vpp = lvp;
out:
	vrele(vp);
	return (error);
}

#if __FreeBSD_version >= 1500000
/* Before 15.0 segments are private to vmm.c, and this is there. */
int
vm_alloc_memseg_fd(struct vm *vm, const struct vm_memseg_fd *msf,
    struct thread *td)
{
	struct vm_mem_seg *seg;
	int error;

	vm_assert_memseg_xlocked(vm);

	error = vm_memseg_fd_check(msf);
	if (error != 0)
		return (error);
	seg = &vm_mem(vm)->mem_segs[msf->segid];
	if (seg->object != NULL)
		return (EEXIST);

	error = vm_memseg_fd_object(td, msf, &seg->vnode, &seg->object);
	if (error != 0)
		return (error);
	seg->len = msf->len;
	seg->sysmem = true;
	return (0);
}
#endif

/*
 * OBJ_ONEMAPPING would say that one map entry at most maps the object.  With
 * it a copy on write leaves the file's page mapped in the other address space,
 * which then reads what the guest has overwritten; and an entry that goes
 * takes the object's pages along.  A new shadow object has it, and
 * vm_object_deallocate() sets it again whenever one reference is left, so that
 * it is cleared each time an entry of the VM was made.  Nothing faults on that
 * entry before, since the vCPUs are frozen and the segments locked.
 */
void
vm_memseg_fd_shared(vm_object_t obj)
{

	VM_OBJECT_WLOCK(obj);
	vm_object_clear_flag(obj, OBJ_ONEMAPPING);
	VM_OBJECT_WUNLOCK(obj);
}
