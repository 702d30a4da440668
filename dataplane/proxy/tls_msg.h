/*
 * tls_msg.h - how coppiced hands coppice-proxyd a certificate and its key:
 * one sealed file in memory, so that the two always fit each other and
 * proxyd needs no right to read root's files.
 */
#ifndef PROXY_TLS_MSG_H
#define PROXY_TLS_MSG_H

#include <stdint.h>

enum { TLS_FILE_MAX = 256 * 1024 };

/* In front; the two PEM files follow, certificates first. */
struct tls_files {
	uint32_t cert_len, key_len;
};

#endif
