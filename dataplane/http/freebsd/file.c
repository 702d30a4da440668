#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "http/http_int.h"

const int send_file_follows = 0;

ssize_t
file_to_socket(int sock, int file, int64_t from, size_t n)
{
	off_t sent = 0;

	/* It may say EAGAIN and have sent something. */
	if (sendfile(file, sock, (off_t)from, n, NULL, &sent, 0) == 0 ||
	    sent > 0)
		return (ssize_t)sent;
	if (errno == EOPNOTSUPP) /* Linux's word for a file it cannot send */
		errno = EINVAL;
	return -1;
}
