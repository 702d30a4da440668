/* envd/fs.h - filesystem.Filesystem.  All of it is done as root. */
#ifndef ENVD_FS_H
#define ENVD_FS_H

#include "envd/connect.h"

void fs_stat(struct rpc *c, const json_t *in);
void fs_make_dir(struct rpc *c, const json_t *in);
void fs_move(struct rpc *c, const json_t *in);
void fs_list_dir(struct rpc *c, const json_t *in);
void fs_remove(struct rpc *c, const json_t *in);

void fs_watch_dir(struct rpc *c, const json_t *in);
void fs_create_watcher(struct rpc *c, const json_t *in);
void fs_get_watcher_events(struct rpc *c, const json_t *in);
void fs_remove_watcher(struct rpc *c, const json_t *in);

/* The path in field `name`, resolved.  -1: the rpc has failed. */
int fs_path(struct rpc *c, const json_t *in, const char *name, struct user *u,
    char out[PATH_MAX]);

#endif
