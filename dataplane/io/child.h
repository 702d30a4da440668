/*
 * io/child.h - which descriptors a process of ours starts with.
 *
 * coppiced passes them by number in the environment: COPPICE_FDS holds
 * `name=fd` pairs separated by commas.  Names: api, way_in, dns4u, dns4t (the
 * listeners), rules, spawn, route, ctl, sock (channels; see each daemon),
 * way_in_tls (a listener), tls (proxy/tls_msg.h).
 */
#ifndef IO_CHILD_H
#define IO_CHILD_H

#include "base/err.h"

/* The descriptor of that name, close-on-exec; -1 if it was not handed over. */
int child_fd(const char *name);

/*
 * On the `ctl` channel coppiced hands a living proxy new ends of channels
 * whose other process was restarted: this record, and one descriptor.  To
 * coppice-proxyd also `tls`, with another certificate, and, without any,
 * `access_log yes` or `access_log no`.
 */
struct child_handover {
	char name[16];
};

#endif
