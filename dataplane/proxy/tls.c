#include "proxy/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/own.h"
#include "proxy/tls_msg.h"

struct tls_context {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	int plain;
	int broken; /* OpenSSL has given it up */
	int over;   /* its end was read, and not said yet */
};

/* --- certificate and key
 * -------------------------------------------------------*/

static int
failed(struct err *e, const char *key, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	if (why == NULL)
		return err_set(e, ERR_INVALID, "%s: %s", key, what);
	return err_set(e, ERR_INVALID, "%s: %s (%s)", key, what, why);
}

/* Nobody is there to be asked for one. */
static int
no_password(char *to, int cap, int writing, void *arg)
{
	(void)to;
	(void)cap;
	(void)writing;
	(void)arg;
	return -1;
}

/* The first certificate is the server's own; the others lead to its root. */
static int
take_chain(SSL_CTX *ctx, BIO *in, struct err *e)
{
	X509 *x = PEM_read_bio_X509(in, NULL, no_password, NULL);
	int rc;

	if (x == NULL)
		return failed(e, "tls_cert", "there is no certificate in it");
	rc = SSL_CTX_use_certificate(ctx, x);
	X509_free(x);
	if (rc != 1)
		return failed(e, "tls_cert", "the certificate is not usable");
	while ((x = PEM_read_bio_X509(in, NULL, no_password, NULL)) != NULL)
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			return failed(
			    e, "tls_cert", "a certificate is not usable");
		}
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return failed(
		    e, "tls_cert", "a certificate behind the first is broken");
	ERR_clear_error();
	return 0;
}

static int
take_key(SSL_CTX *ctx, BIO *in, struct err *e)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_password, NULL);
	int rc;

	if (key == NULL)
		return failed(
		    e, "tls_key", "there is no key without a password in it");
	rc = SSL_CTX_use_PrivateKey(ctx, key);
	EVP_PKEY_free(key);
	if (rc != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return failed(e, "tls_key",
		    "it is not the key of tls_cert's certificate");
	return 0;
}

static int
take_files(SSL_CTX *ctx, const char *p, size_t n, struct err *e)
{
	struct tls_files f;
	BIO *cert, *key;
	int rc = -1;

	if (n < sizeof(f))
		return err_set(e, ERR_BUG, "tls_cert: nothing was handed over");
	memcpy(&f, p, sizeof(f));
	if (f.cert_len > TLS_FILE_MAX || f.key_len > TLS_FILE_MAX ||
	    sizeof(f) + f.cert_len + f.key_len != n)
		return err_set(e, ERR_BUG, "tls_cert: lengths do not add up");
	p += sizeof(f);
	cert = BIO_new_mem_buf(p, (int)f.cert_len);
	key = BIO_new_mem_buf(p + f.cert_len, (int)f.key_len);
	if (cert == NULL || key == NULL)
		(void)err_set(e, ERR_SYS, "tls_cert: no memory");
	else if (take_chain(ctx, cert, e) == 0)
		rc = take_key(ctx, key, e);
	BIO_free(cert);
	BIO_free(key);
	return rc;
}

/* Who offers protocols must offer the one that there is. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n,
    const unsigned char *in, unsigned int len, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1\x08http/1.0";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, n, ours, sizeof(ours) - 1, in,
		len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_up(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					SSL_MODE_RELEASE_BUFFERS);
	/* A ticket holds a session at the client; nothing is kept here. */
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

struct tls_context *
tls_context_new(int fd, struct err *e)
{
	size_t cap = sizeof(struct tls_files) + 2 * TLS_FILE_MAX + 1;
	struct tls_context *x = calloc(1, sizeof(*x));
	char *text = malloc(cap);
	ssize_t n = text != NULL ? pread(fd, text, cap, 0) : -1;
	int rc;

	if (x == NULL || text == NULL || n < 0) {
		rc = err_sys(e, "tls_cert");
	} else {
		x->ctx = SSL_CTX_new(TLS_server_method());
		rc = x->ctx == NULL ? failed(e, "tls_cert", "no TLS")
				    : take_files(x->ctx, text, (size_t)n, e);
		OPENSSL_cleanse(text, cap);
	}
	free(text);
	if (rc < 0) {
		tls_context_free(x);
		return NULL;
	}
	set_up(x->ctx);
	return x;
}

void
tls_context_free(struct tls_context *x)
{
	if (x == NULL)
		return;
	SSL_CTX_free(x->ctx); /* connections hold on to it */
	free(x);
}

const char *
tls_context_doubt(const struct tls_context *x, const char *domain)
{
	X509 *cert = SSL_CTX_get0_certificate(x->ctx);
	char name[300];

	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		return "it has expired";
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		return "it is not valid yet";
	(void)snprintf(name, sizeof(name), "80-i0.%s", domain);
	if (*domain != '\0' &&
	    X509_check_host(cert, name, strlen(name), 0, NULL) != 1)
		return "it has no name *.DOMAIN";
	return NULL;
}

/* --- a connection
 * -------------------------------------------------------------*/

struct tls *
tls_new(struct tls_context *x, int fd)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->ssl = SSL_new(x->ctx);
	if (t->ssl == NULL || SSL_set_fd(t->ssl, fd) != 1) {
		tls_free(t);
		return NULL;
	}
	SSL_set_accept_state(t->ssl);
	return t;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	free(t);
}

/* -1 and errno, of a call that did not go well. */
static ssize_t
no(struct tls *t, int rc)
{
	int kind = SSL_get_error(t->ssl, rc);

	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		errno = EAGAIN;
		return -1;
	}
	t->broken = 1;
	ERR_clear_error();
	errno = ECONNRESET;
	return -1;
}

enum tls_step
tls_accept(struct tls *t)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return TLS_DONE;
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	default:
		break;
	}
	t->plain = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST;
	t->broken = 1;
	ERR_clear_error();
	return TLS_FAILED;
}

int
tls_was_plain(const struct tls *t)
{
	return t->plain;
}

ssize_t
tls_read(struct tls *t, void *to, size_t n)
{
	size_t have = 0, got;

	if (t->broken) {
		errno = ECONNRESET;
		return -1;
	}
	while (have < n) {
		int rc;

		ERR_clear_error();
		rc = SSL_read_ex(t->ssl, (char *)to + have, n - have, &got);
		if (rc == 1) {
			have += got;
			continue;
		}
		if (SSL_get_error(t->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			t->over = have > 0;
		else if (no(t, rc) < 0 && have == 0)
			return -1;
		break;
	}
	return (ssize_t)have;
}

size_t
tls_pending(const struct tls *t)
{
	return t->over || t->broken ? 1 : (size_t)SSL_pending(t->ssl);
}

/* A head and the body behind it go as one record where they are small. */
static const void *
first_record(const struct iovec *v, int n, size_t *len)
{
	static char both[TLS_RECORD_MAX];
	size_t more;

	*len = v[0].iov_len;
	if (n < 2 || v[0].iov_len >= sizeof(both))
		return v[0].iov_base;
	more = sizeof(both) - v[0].iov_len;
	if (more > v[1].iov_len)
		more = v[1].iov_len;
	memcpy(both, v[0].iov_base, v[0].iov_len);
	memcpy(both + v[0].iov_len, v[1].iov_base, more);
	*len += more;
	return both;
}

ssize_t
tls_writev(struct tls *t, const struct iovec *v, int n)
{
	size_t len, put;
	const void *p = first_record(v, n, &len);
	int rc;

	if (t->broken) {
		errno = ECONNRESET;
		return -1;
	}
	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, p, len, &put);
	return rc == 1 ? (ssize_t)put : no(t, rc);
}

enum tls_step
tls_end(struct tls *t)
{
	int rc;

	if (t->broken || !SSL_is_init_finished(t->ssl))
		return TLS_FAILED;
	ERR_clear_error();
	rc = SSL_shutdown(t->ssl);
	if (rc >= 0) /* 0: ours is said, the client's is not here yet */
		return TLS_DONE;
	return no(t, rc) < 0 && errno == EAGAIN ? TLS_WANTS_WRITE : TLS_FAILED;
}
