/*
 * sub_int.h - the namespace driver's own.
 *
 * Three kinds of process run this code: `coppice-privd spawn` itself, the
 * helpers that it forks (slot.c, clean.c), and the parked init of each slot
 * (init.c), which is envd after its exec.
 */
#ifndef SUBSTRATE_SUB_INT_H
#define SUBSTRATE_SUB_INT_H

#include <linux/filter.h>
#include <sched.h>

#include "cgroup.h"
#include "ctl/substrate/substrate.h"
#include "ctl/substrate/uuid.h"
#include "disk.h"

enum {
	SUB_IDS = 65536, /* in each sandbox */
	SUB_STALE_MAX = 2,
};

/*
 * Where things are in the private root, which is all that this process and
 * what it forks can see of the host's files.
 */
#define ROOT_STATE   "/state" /* the state directory */
#define ROOT_DISK    "/disk"  /* the disk image, if there is one */
#define ROOT_DEV     "/dev"   /* the device nodes of every sandbox */
#define ROOT_EVE     "/eve"   /* a parked init hangs its mounts here */
#define ROOT_IDS     "/ids"   /* boot ids, in files without a name */
#define ROOT_NEW     "/new"   /* and then has its root here */
#define ROOT_LOWER   "/lower" /* layers, for as long as a mount takes */
#define ROOT_UPPER   "/upper"
#define ROOT_ENVD    "/envd"		/* a copy that nobody can read */
#define ROOT_CAPTURE "/coppice-capture" /* the same */

#define ROOT_TEMPLATES ROOT_STATE "/templates"

/* A parked init still has mounts to make: two filters, one after the other. */
enum { FILTER_PARKED, FILTER_STARTED, FILTER_N };

struct substrate {
	struct conf cf;
	struct cgroups cg;
	struct disk disk;
	struct sock_fprog filters[FILTER_N];
	int host_ns;
	int envd; /* O_PATH */
	int null;
	bool ipv6;
	uint32_t mtu;
	int ncpus;
	cpu_set_t cpus;		 /* that this process may use */
	char boot_id[UUID_TEXT]; /* the host's */
	/* Closing takes a grace period: when nobody waits. */
	int stale[SUB_STALE_MAX];
	bool attach; /* layers must hang somewhere: an older kernel */
	/* Of coppice-capture; 0: there is no such user. */
	uid_t capture_uid;
	gid_t capture_gid;
};

/* What a parked init is told; the root's mount rides on it. */
struct init_go {
	struct spawn_create create;
	cpu_set_t cpus;
};

/* What a helper says of the slot that it made; descriptors ride on it. */
struct slot_made {
	int32_t rc;
	pid_t pid;
	struct spawn_ref ref;
	struct err err;
};

uint32_t sub_id_base(const struct substrate *s, uint32_t slot);

/* root.c: leaves the host's files behind. */
int root_enter(struct substrate *s, const char *envd_path, struct err *e);

/*
 * helper.c: a child with nothing open but 0 to 2 and `keep` (which is sorted
 * for it), that ends when we do.
 */
pid_t helper_fork(int *keep, size_t n, struct err *e);

/* capture.c: what it needs of the host's files, before they are out of sight */
void capture_prepare(struct substrate *s);

/* filter.c: the system calls of a sandbox, as the kernel takes them. */
int filter_build(struct sock_fprog out[FILTER_N], struct err *e);
void filter_free(struct sock_fprog f[FILTER_N]);
int filter_install(const struct sock_fprog *f, struct err *e);

/*
 * stack.c: the read-only layers of a template, topmost first: its own root,
 * then those that the file `layers` beside it names, an id a line.
 */
enum {
	STACK_MAX = LAYERS_MAX,
	STACK_LOWERDIR_MAX = 256, /* as much as fsconfig(2) takes at once */
};

struct stack {
	int fd[STACK_MAX]; /* O_PATH */
	size_t n;
};

/*
 * `templates` is the directory of all of them, `mapped` a mount of it with the
 * sandbox's ids, below which the layers are opened.  What fails still wants
 * its stack_close().
 */
int stack_open(
    struct stack *st, int mapped, int templates, const char *id, struct err *e);
void stack_close(struct stack *st);
int stack_lowerdir(
    const struct stack *st, char to[STACK_LOWERDIR_MAX], struct err *e);

/* layers.c: the root of a sandbox, mounted nowhere yet. */
int layers_mount(struct substrate *s, const struct sub_unit *u,
    const struct spawn_create *c, struct err *e);
/* What the overlay of an earlier boot left in the way. */
int layers_forget(const struct disk *d, const char *id, struct err *e);

/* What a parked init begins with; all other descriptors are closed. */
struct init_fds {
	int ctl;    /* to privd */
	int go;	    /* readable when its ids are mapped */
	int listen; /* the socket that envd answers on */
	cpu_set_t cpus;
};

/* n processors of ours, beginning at another one for each slot. */
void sub_cpus(
    const struct substrate *s, uint32_t slot, uint32_t n, cpu_set_t *out);

/* init.c: never returns. */
_Noreturn void init_main(const struct substrate *s, const struct init_fds *fds);

/* identity.c, in a fresh upper: what is the same for all or random ... */
int identity_prepare(
    const struct substrate *s, const char *name, struct err *e);
/* ... and what names the sandbox. */
int identity_write(const struct substrate *s, const char *id, struct err *e);

/* What a slot begins with, before anybody has asked for it. */
void sub_usual_limits(const struct substrate *s, struct cg_limits *out);
/* A slot's files before they have an owner. */
const char *sub_spare_name(char to[SPAWN_ID_MAX], struct spawn_ref r);

/* caps.c */
int caps_bound(struct err *e); /* the bounding set of all sandboxes */
int caps_raise(struct err *e); /* effective := permitted */

#endif
