#include <sys/sendfile.h>
#include <sys/socket.h>

#include "http/http_int.h"

const int send_file_follows = MSG_MORE;

ssize_t
file_to_socket(int sock, int file, int64_t from, size_t n)
{
	off_t off = (off_t)from;

	return sendfile(sock, file, &off, n);
}
