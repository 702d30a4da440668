/*
 * tls.h - TLS for clients: what read(2), writev(2) and shutdown(2) are to a
 * plain connection.  The only file that knows OpenSSL is tls.c.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"

enum { TLS_RECORD_MAX = 16 * 1024 };

struct tls_context;
struct tls;

/* From what tls_msg.h describes; errors begin with tls_cert or tls_key. */
struct tls_context *tls_context_new(int fd, struct err *e);
void tls_context_free(struct tls_context *x);
/* What an operator may want to hear about it, or NULL: it has expired, it
 * is not for the names below `domain`. */
const char *tls_context_doubt(const struct tls_context *x, const char *domain);

/* fd stays the caller's.  NULL without memory. */
struct tls *tls_new(struct tls_context *x, int fd);
void tls_free(struct tls *t);

enum tls_step { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };

enum tls_step tls_accept(struct tls *t);
/* It failed because the client speaks plain HTTP. */
int tls_was_plain(const struct tls *t);

/*
 * As read(): 0 is the client's own word that it has no more to say.  One
 * that just goes away has broken the connection: -1, ECONNRESET.
 */
ssize_t tls_read(struct tls *t, void *to, size_t n);
/* Not 0: there is more to read, or an end, that no event will tell of. */
size_t tls_pending(const struct tls *t);
/*
 * As writev().  After EAGAIN the next call begins with the same bytes, and
 * has as many or more.
 */
ssize_t tls_writev(struct tls *t, const struct iovec *v, int n);
/* Says that we have no more to say: DONE, WANTS_WRITE, or FAILED. */
enum tls_step tls_end(struct tls *t);

#endif
