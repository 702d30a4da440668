/* world - what a case finds: a machine_ops, a golden file, and short words. */
#ifndef COP_KMOD_WORLD_H
#define COP_KMOD_WORLD_H

#include <limits.h>
#include <sys/types.h>

#include "check.h"
#include "machine.h"

#define GOLDEN_PAGES 24

enum side { GUEST, HOST };

struct world {
	const struct machine_ops *ops;
	struct tally *t;
	const char *dir;
	size_t page;
	char path[PATH_MAX]; /* the golden file: GOLDEN_PAGES pages */
	int fd;		     /* open for reading */
	int watch;	     /* the same, of the runner */
	uint64_t hash;	     /* of what the file was made of */
};

struct kcase {
	const char *name;
	void (*run)(struct world *w);
	const char *not_on_model; /* why; NULL: it runs there, too */
};

bool world_open(struct world *w, const struct machine_ops *ops, const char *dir,
    struct tally *t);
/* Checks that the golden file is what it was, and that nobody holds it. */
void world_close(struct world *w);

void run_table(const struct machine_ops *ops, const char *dir, const char *only,
    const struct kcase *table, size_t n, struct tally *t);

/* The byte that stands at that offset of any golden file; never 0. */
unsigned char golden(uint64_t off);
/* A file of golden bytes, open for reading; -1 when it cannot be made. */
int golden_file(const char *path, uint64_t len);
uint64_t file_hash(int fd);
/* DIR/what.N of this process, new. */
void world_path(struct world *w, const char *what, char path[PATH_MAX]);

/* A machine without memory. */
struct machine *machine_new(struct world *w);
/* The whole golden file as segment 0, mapped from address 0. */
struct machine *machine_golden(struct world *w);

/* Segment SEGID of the golden file, all of it. */
struct vm_memseg_fd whole_file(const struct world *w, int segid);

int peek(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    void *buf, size_t n);
int poke(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    const void *buf, size_t n);
/* N bytes of that value. */
int fill(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    unsigned char byte, size_t n);
bool has(struct world *w, struct machine *m, enum side side, uint64_t gpa,
    unsigned char byte, size_t n);
/* N bytes as the golden file has them at OFF. */
bool has_golden(struct world *w, struct machine *m, enum side side,
    uint64_t gpa, uint64_t off, size_t n);

/* Whether somebody may open it for writing, now. */
int try_write(struct world *w, const char *path);

#endif
