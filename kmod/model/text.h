/*
 * text - busy text: files that machines hold, and files that are written.
 *
 * A private mapping promises nothing about a file that somebody else writes,
 * so a file is held by machines or open for writing, never both. A kernel
 * keeps this in its vnodes. Here it is a table of (device, inode) pairs, and
 * it binds only those who ask it: any other program may still write the file.
 * A file that is reached through two mounts which number it differently (a
 * nullfs) is two files here. Not for two threads at once.
 */
#ifndef COP_KMOD_TEXT_H
#define COP_KMOD_TEXT_H

#include <sys/stat.h>

struct text {
	struct text *next;
	dev_t dev;
	ino_t ino;
	unsigned holders, writers;
};

/* All zero is a table without files. */
struct texts {
	struct text *first;
};

/* By a machine. ETXTBSY while somebody writes it; ENOMEM. */
int text_hold(struct texts *t, const struct stat *file, struct text **held);
void text_release(struct texts *t, struct text *held);

/* By a writer, before the first byte. ETXTBSY while a machine holds it. */
int text_write(struct texts *t, const struct stat *file);
void text_written(struct texts *t, const struct stat *file);

#endif
