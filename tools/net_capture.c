/*
 * net_capture.c - coppice net capture: the API's stream into a file or a pipe.
 *
 * Blocks are written whole, so that what was written is a file at any moment.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/own.h"
#include "tools/coppice_int.h"
#include "tools/net_int.h"

enum {
	BLOCK_HEAD = 8,
	BLOCK_LEAST = 12,
	BLOCK_MOST = 1024 * 1024,
	BLOCK_STATISTICS = 5,
	BLOCK_PACKET = 6,
	STATISTICS_OPTIONS = 20, /* where they begin */
	OPT_IFDROP = 5,
	COMPLAINT_MAX = 16 * 1024,
	PATIENCE_S = 3, /* for the file's end, after Ctrl-C */
};

struct job {
	const char *sandbox, *file; /* "-": standard output */
	const char *packets, *bytes, *seconds, *snaplen;
	bool overwrite;
	struct buf filter, url;
	char name[64]; /* of the file, if none was given */
};

struct writer {
	const struct job *job;
	CURL *curl;
	int fd;
	struct buf block;     /* the one under way */
	struct buf complaint; /* an answer that is no file */
	uint64_t packets, bytes, dropped;
	bool complete; /* its last block was there */
	bool deaf;     /* whoever reads has enough */
	bool failed;
};

/* --- Ctrl-C --------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;
static volatile int connection = -1;

/* First: no more packets, and the end of the file.  Then: at once. */
static void
on_signal(int signo)
{
	const int fd = connection;
	const bool again = interrupted != 0 || signo == SIGALRM;

	interrupted = 1;
	if (fd >= 0)
		(void)shutdown(fd, again ? SHUT_RDWR : SHUT_WR);
	if (!again)
		(void)alarm(PATIENCE_S);
}

static void
watch_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal };

	(void)sigaction(SIGINT, &a, NULL);
	(void)sigaction(SIGTERM, &a, NULL);
	(void)sigaction(SIGHUP, &a, NULL);
	(void)sigaction(SIGALRM, &a, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static curl_socket_t
on_socket(void *ctx, curlsocktype what, struct curl_sockaddr *a)
{
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	(void)ctx;
	(void)what;
	connection = fd;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int
on_close(void *ctx, curl_socket_t fd)
{
	(void)ctx;
	if (connection == fd)
		connection = -1;
	return close(fd);
}

/* --- blocks --------------------------------------------------------------- */

static int
open_file(struct writer *w)
{
	const char *name = w->job->file;
	const int how = w->job->overwrite ? O_TRUNC : O_EXCL;

	if (w->fd >= 0)
		return 0;
	w->fd = strcmp(name, "-") == 0
		    ? STDOUT_FILENO
		    : open(name, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
	if (w->fd >= 0)
		return 0;
	fprintf(stderr, "coppice: %s: %s%s\n", name, strerror(errno),
	    errno == EEXIST ? " (-f overwrites it)" : "");
	return -1;
}

static int
write_all(struct writer *w, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(w->fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EPIPE) {
			w->deaf = true;
			return -1;
		}
		if (done < 0) {
			fprintf(stderr, "coppice: %s: %s\n", w->job->file,
			    strerror(errno));
			return -1;
		}
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static uint32_t
word(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* if_drop of the last block: options are code, length, padded value. */
static void
read_statistics(struct writer *w, const char *p, size_t n)
{
	size_t at = STATISTICS_OPTIONS;

	w->complete = true;
	while (at + 4 <= n) {
		uint16_t head[2];

		memcpy(head, p + at, sizeof(head));
		at += sizeof(head);
		if (head[0] == OPT_IFDROP && head[1] == sizeof(w->dropped) &&
		    at + sizeof(w->dropped) <= n)
			memcpy(&w->dropped, p + at, sizeof(w->dropped));
		if (head[0] == 0)
			return;
		at += ((size_t)head[1] + 3) & ~(size_t)3;
	}
}

static int
write_block(struct writer *w)
{
	const char *p = w->block.data;
	const uint32_t type = word(p);
	const size_t n = w->block.len;

	if (write_all(w, p, n) < 0)
		return -1;
	w->bytes += n;
	w->complete = false;
	if (type == BLOCK_PACKET)
		w->packets++;
	if (type == BLOCK_STATISTICS)
		read_statistics(w, p, n);
	buf_reset(&w->block);
	return 0;
}

/* How much the block under way still lacks; 0 if it cannot be one. */
static size_t
lacking(const struct writer *w)
{
	size_t have = w->block.len, whole;

	if (have < BLOCK_HEAD)
		return BLOCK_HEAD - have;
	whole = word(w->block.data + 4);
	if (whole < BLOCK_LEAST || whole > BLOCK_MOST || whole % 4 != 0 ||
	    whole < have)
		return 0;
	return whole - have;
}

static int
take_bytes(struct writer *w, const char *p, size_t n)
{
	while (n > 0) {
		size_t want = lacking(w);

		if (want > n)
			want = n;
		if (want == 0 || buf_add(&w->block, p, want) < 0) {
			fprintf(
			    stderr, "coppice: the answer is no capture file\n");
			return -1;
		}
		p += want;
		n -= want;
		if (w->block.len > BLOCK_HEAD && lacking(w) == 0 &&
		    write_block(w) < 0)
			return -1;
	}
	return 0;
}

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct writer *w = ctx;
	long status = 0;

	(void)curl_easy_getinfo(w->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		(void)buf_add(&w->complaint, p, size * n);
		return size * n;
	}
	if (open_file(w) == 0 && take_bytes(w, p, size * n) == 0)
		return size * n;
	w->failed = !w->deaf;
	return 0;
}

/* --- one capture ---------------------------------------------------------- */

static int
complain(const struct writer *w, long status)
{
	json_t *body = json_loadb(
	    w->complaint.data, w->complaint.len, JSON_DECODE_ANY, NULL);
	const int rc = coppice_complain(w->job->sandbox, status, body);

	json_decref(body);
	return rc;
}

static int
summary(const struct writer *w, CURLcode rc, const char *why)
{
	if (w->failed)
		return 1;
	fprintf(stderr,
	    "coppice: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64
	    " dropped%s%s\n",
	    w->packets, w->bytes, w->dropped, w->fd > 2 ? ": " : "",
	    w->fd > 2 ? w->job->file : "");
	if (w->complete || w->deaf || interrupted)
		return 0;
	fprintf(stderr, "coppice: the capture broke off%s%s\n",
	    rc != CURLE_OK ? ": " : "", rc != CURLE_OK ? why : "");
	return 1;
}

static int
perform(struct writer *w, const char *url)
{
	char why[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = api_headers();
	CURL *c = w->curl;
	long status = 0;
	CURLcode rc;

	(void)curl_easy_setopt(c, CURLOPT_URL, url);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, w);
	(void)curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	(void)curl_easy_setopt(c, CURLOPT_CLOSESOCKETFUNCTION, on_close);
	watch_signals();
	rc = curl_easy_perform(c);
	curl_slist_free_all(headers);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return summary(w, rc, why);
	if (rc == CURLE_OK)
		return complain(w, status);
	fprintf(stderr, "coppice: %s: %s\n", api_url(),
	    *why != '\0' ? why : curl_easy_strerror(rc));
	return 1;
}

static int
capture(struct job *j)
{
	struct writer w = { .job = j, .fd = -1 };
	const char *url = buf_str(&j->url);
	int rc = 1;

	buf_init(&w.block, BLOCK_MOST);
	buf_init(&w.complaint, COMPLAINT_MAX);
	w.curl = curl_easy_init();
	if (w.curl == NULL || url == NULL)
		fprintf(stderr, "coppice: no memory\n");
	else
		rc = perform(&w, url);
	curl_easy_cleanup(w.curl);
	if (w.fd > STDERR_FILENO && close(w.fd) < 0) {
		fprintf(stderr, "coppice: %s: %s\n", j->file, strerror(errno));
		rc = 1;
	}
	buf_fini(&w.block);
	buf_fini(&w.complaint);
	return rc;
}

/* --- arguments ------------------------------------------------------------ */

static void
parameter(struct job *j, const char *name, const char *value)
{
	const char *last = buf_str(&j->url);
	bool first = last == NULL || strchr(last, '?') == NULL;
	char *esc = curl_easy_escape(NULL, value, 0);

	if (esc == NULL ||
	    buf_printf(&j->url, "%s%s=%s", first ? "?" : "&", name, esc) < 0)
		buf_fini(&j->url); /* found empty by capture() */
	curl_free(esc);
}

static void
make_url(struct job *j)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{ "filter", buf_str(&j->filter) },
		{ "packets", j->packets },
		{ "bytes", j->bytes },
		{ "seconds", j->seconds },
		{ "snaplen", j->snaplen },
	};

	(void)buf_printf(
	    &j->url, "%s/sandboxes/%s/network/capture", api_url(), j->sandbox);
	for (size_t i = 0; i < countof(all); i++)
		if (all[i].value != NULL && *all[i].value != '\0')
			parameter(j, all[i].name, all[i].value);
}

static int
options(struct job *j, int argc, char **argv)
{
	int ch;

	/* The filter's own words begin where the options end. */
	while ((ch = getopt(argc, argv, "+b:c:fs:t:w:")) != -1)
		switch (ch) {
		case 'b':
			j->bytes = optarg;
			break;
		case 'c':
			j->packets = optarg;
			break;
		case 'f':
			j->overwrite = true;
			break;
		case 's':
			j->snaplen = optarg;
			break;
		case 't':
			j->seconds = optarg;
			break;
		case 'w':
			j->file = optarg;
			break;
		default:
			return -1;
		}
	return 0;
}

static int
parse(struct job *j, int argc, char **argv)
{
	if (options(j, argc, argv) < 0 || optind >= argc)
		return -1;
	/* Before the sandbox or behind it. */
	j->sandbox = argv[optind++];
	if (options(j, argc, argv) < 0)
		return -1;
	for (int i = optind; i < argc; i++)
		if (buf_printf(&j->filter, "%s%s", i > optind ? " " : "",
			argv[i]) < 0) {
			fprintf(stderr, "coppice: the filter is too long\n");
			return -1;
		}
	return coppice_is_id(j->sandbox) ? 0 : -1;
}

int
net_capture(int argc, char **argv)
{
	struct job j = { .file = NULL };
	int rc;

	buf_init(&j.filter, 4096);
	buf_init(&j.url, 16384);
	/* getopt(3) wants a name in front, which is the verb. */
	if (parse(&j, argc + 1, argv - 1) < 0) {
		rc = net_usage();
	} else {
		(void)snprintf(j.name, sizeof(j.name), "%s.pcapng", j.sandbox);
		if (j.file == NULL)
			j.file = j.name;
		make_url(&j);
		if (strcmp(j.file, "-") == 0 && isatty(STDOUT_FILENO)) {
			fprintf(stderr,
			    "coppice: standard output is a terminal: pipe it "
			    "into tcpdump -r - or wireshark -k -i -\n");
			rc = 2;
		} else if (strcmp(j.file, "-") != 0 && !j.overwrite &&
			   access(j.file, F_OK) == 0) {
			fprintf(stderr,
			    "coppice: %s exists (-f overwrites it)\n", j.file);
			rc = 1;
		} else {
			rc = capture(&j);
		}
	}
	buf_fini(&j.filter);
	buf_fini(&j.url);
	return rc;
}
