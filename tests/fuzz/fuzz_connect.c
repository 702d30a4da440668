/*
 * Whole requests to a server of rpcs that do nothing: HTTP, envelopes, JSON
 * and binary.  The first byte says what kind, the second how it is cut up.
 */
#include "fuzz_rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POST(path, type)                                                       \
	"POST " path " HTTP/1.1\r\nHost: a\r\nContent-Type: " type "\r\n"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const heads[] = {
		POST("/u", "application/json"),
		POST("/s", "application/connect+json") "Connect-Content-"
						       "Encoding: gzip\r\n",
		POST("/c", "application/connect+json"),
		"",
		POST("/u", "application/proto") "Accept-Encoding: gzip\r\n",
		POST("/s", "application/connect+proto") "Connect-Accept-"
							"Encoding: gzip\r\n",
		POST("/c", "application/connect+proto") "Connect-Content-"
							"Encoding: gzip\r\n",
		POST("/u", "application/proto") "Content-Encoding: gzip\r\n",
	};
	const char *head;
	char text[512], sink[4096];
	int fd, n;

	if (size < 2 || size > 30000)
		return 0;
	fd = dial();
	head = heads[data[0] % countof(heads)];
	n = *head != '\0' ? snprintf(text, sizeof(text),
				"%sContent-Length: %zu\r\n\r\n", head, size - 2)
			  : 0;
	(void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
	send_pieces(
	    fd, data + 2, size - 2, data[1] % 4 == 0 ? size : data[1] + 1u);
	settle();
	while (read(fd, sink, sizeof(sink)) > 0)
		;
	hang_up(fd);
	return 0;
}
