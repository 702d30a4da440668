/* Every rpc there is. */
#include <string.h>

#include "base/own.h"
#include "envd/connect.h"
#include "envd/fs.h"
#include "envd/proc.h"
#include "filesystem.pb-c.h"
#include "process.pb-c.h"

#define FS   "/filesystem.Filesystem/"
#define PROC "/process.Process/"

/* The messages of an rpc are called as it is itself. */
#define FS_MSGS(x)                                                             \
	&filesystem__##x##_request__descriptor,                                \
	    &filesystem__##x##_response__descriptor
#define PROC_MSGS(x)                                                           \
	&process__##x##_request__descriptor,                                   \
	    &process__##x##_response__descriptor

static const struct rpc_method methods[] = {
	{ PROC "Start", RPC_SERVER_STREAM, proc_start, NULL, PROC_MSGS(start) },
	{ PROC "Connect", RPC_SERVER_STREAM, proc_connect, NULL,
	    PROC_MSGS(connect) },
	{ PROC "List", RPC_UNARY, proc_list, NULL, PROC_MSGS(list) },
	{ PROC "Update", RPC_UNARY, proc_update, NULL, PROC_MSGS(update) },
	{ PROC "SendInput", RPC_UNARY, proc_send_input, NULL,
	    PROC_MSGS(send_input) },
	{ PROC "StreamInput", RPC_CLIENT_STREAM, NULL, proc_stream_input,
	    PROC_MSGS(stream_input) },
	{ PROC "CloseStdin", RPC_UNARY, proc_close_stdin, NULL,
	    PROC_MSGS(close_stdin) },
	{ PROC "SendSignal", RPC_UNARY, proc_send_signal, NULL,
	    PROC_MSGS(send_signal) },
	{ FS "Stat", RPC_UNARY, fs_stat, NULL, FS_MSGS(stat) },
	{ FS "MakeDir", RPC_UNARY, fs_make_dir, NULL, FS_MSGS(make_dir) },
	{ FS "Move", RPC_UNARY, fs_move, NULL, FS_MSGS(move) },
	{ FS "ListDir", RPC_UNARY, fs_list_dir, NULL, FS_MSGS(list_dir) },
	{ FS "Remove", RPC_UNARY, fs_remove, NULL, FS_MSGS(remove) },
	{ FS "WatchDir", RPC_SERVER_STREAM, fs_watch_dir, NULL,
	    FS_MSGS(watch_dir) },
	{ FS "CreateWatcher", RPC_UNARY, fs_create_watcher, NULL,
	    FS_MSGS(create_watcher) },
	{ FS "GetWatcherEvents", RPC_UNARY, fs_get_watcher_events, NULL,
	    FS_MSGS(get_watcher_events) },
	{ FS "RemoveWatcher", RPC_UNARY, fs_remove_watcher, NULL,
	    FS_MSGS(remove_watcher) },
};

const struct rpc_method *
rpc_find(const char *path)
{
	for (size_t i = 0; i < countof(methods); i++)
		if (strcmp(methods[i].path, path) == 0)
			return &methods[i];
	return NULL;
}
