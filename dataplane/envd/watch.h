/*
 * envd/watch.h - directories that are being watched, with inotify.
 *
 * Each watch has an inotify instance of its own, so that one that overflows
 * takes no other with it.
 */
#ifndef ENVD_WATCH_H
#define ENVD_WATCH_H

#include "envd/envd.h"

enum {
	WATCHES_MAX = 1024,
	WATCH_DIRS_MAX = 65536,
	WATCH_TOLD_MAX = 16384, /* of what a new directory brings along */
	WATCH_BUFFER_MAX = 16 * 1024 * 1024,  /* events nobody has fetched */
	WATCH_BUFFERS_MAX = 48 * 1024 * 1024, /* of all watches */
};

struct watched_dir {
	int wd;
	char *path; /* absolute, as below the root that was asked for */
};

struct watch {
	struct loop_io io;
	struct loop *loop;
	/* One FilesystemEvent as JSON. */
	void (*on_event)(struct watch *w, const char *json, size_t n);
	/* It sees nothing more: why. */
	void (*on_dead)(struct watch *w, const char *why);
	char *root;
	bool recursive, include_entry, dead;
	struct watched_dir *dirs;
	size_t ndirs, capdirs;
};

/* Set the callbacks first.  ERR_NOTFOUND, ERR_INVALID, ERR_SYS,
 * or ERR_UNSUPPORTED where the system has no inotify. */
int watch_open(struct watch *w, struct loop *l, const char *path,
    bool network_too, struct err *e);
void watch_close(struct watch *w);
/* Not now: whoever hears of events has no room. */
void watch_pause(struct watch *w, bool paused);

/* What has happened already, without waiting for the loop to see it. */
void watch_read_now(struct watch *w);

struct watches *watches_new(struct envd *d, struct err *e);

#endif
