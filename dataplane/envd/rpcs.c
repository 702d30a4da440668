/* Every rpc there is. */
#include <string.h>

#include "base/own.h"
#include "envd/connect.h"
#include "envd/fs.h"
#include "envd/proc.h"

#define FS   "/filesystem.Filesystem/"
#define PROC "/process.Process/"

static const struct rpc_method methods[] = {
	{ PROC "Start", RPC_SERVER_STREAM, proc_start, NULL },
	{ PROC "Connect", RPC_SERVER_STREAM, proc_connect, NULL },
	{ PROC "List", RPC_UNARY, proc_list, NULL },
	{ PROC "Update", RPC_UNARY, proc_update, NULL },
	{ PROC "SendInput", RPC_UNARY, proc_send_input, NULL },
	{ PROC "StreamInput", RPC_CLIENT_STREAM, NULL, proc_stream_input },
	{ PROC "CloseStdin", RPC_UNARY, proc_close_stdin, NULL },
	{ PROC "SendSignal", RPC_UNARY, proc_send_signal, NULL },
	{ FS "Stat", RPC_UNARY, fs_stat, NULL },
	{ FS "MakeDir", RPC_UNARY, fs_make_dir, NULL },
	{ FS "Move", RPC_UNARY, fs_move, NULL },
	{ FS "ListDir", RPC_UNARY, fs_list_dir, NULL },
	{ FS "Remove", RPC_UNARY, fs_remove, NULL },
	{ FS "WatchDir", RPC_SERVER_STREAM, fs_watch_dir, NULL },
	{ FS "CreateWatcher", RPC_UNARY, fs_create_watcher, NULL },
	{ FS "GetWatcherEvents", RPC_UNARY, fs_get_watcher_events, NULL },
	{ FS "RemoveWatcher", RPC_UNARY, fs_remove_watcher, NULL },
};

const struct rpc_method *
rpc_find(const char *path)
{
	for (size_t i = 0; i < countof(methods); i++)
		if (strcmp(methods[i].path, path) == 0)
			return &methods[i];
	return NULL;
}
