#include "envd/os.h"

#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TIDY_BYTES = 256 * 1024,
	ONCE_BYTES = 128 * 1024, /* larger ones are mapped, and unmapped */
};

void
os_hide(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0);
}

/*
 * Not by signal(): glibc keeps two signals to itself, and posix_spawn() leaves
 * just those ignored in whatever it starts, a daemon that `make` started among
 * them.
 */
void
os_ignore_nothing(void)
{
	struct {
		void *handler; /* NULL: the default */
		unsigned long flags;
		void *restorer;
		uint64_t mask;
	} none = { 0 };

	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(
		    SYS_rt_sigaction, sig, &none, NULL, sizeof(none.mask));
}

void
os_memory_set_up(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, ONCE_BYTES);
}

void
os_memory_give_back(void)
{
	if (mallinfo2().fordblks > TIDY_BYTES)
		(void)malloc_trim(0);
}

/* Pid 1 of the sandbox has them as it is. */
int
os_adopt_orphans(struct err *e)
{
	(void)e;
	return 0;
}
