/*
 * ends.h - one end of a pair, as ioctls see it; epair.c decides what is done.
 * fd is an AF_INET datagram socket in the network where the interface is.
 */
#ifndef LINK_ENDS_H
#define LINK_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "link/addr.h"

bool end_exists(int fd, const char *name);
int end_rename(int fd, const char *from, const char *to, struct err *e);
int end_group(int fd, const char *name, const char *group, struct err *e);
int end_describe(int fd, const char *name, const char *text, struct err *e);
/* "" where there is none. */
void end_description(int fd, const char *name, char *to, size_t room);
int end_mac(
    int fd, const char *name, const uint8_t mac[LINK_MAC_LEN], struct err *e);
int end_mtu(int fd, const char *name, uint32_t mtu, struct err *e);
/* Checksums are computed, not left to hardware that there is not. */
int end_checksums(int fd, const char *name, struct err *e);
int end_into_jail(int fd, const char *name, int jid, struct err *e);
/* Up, and asks nobody for addresses on the wire. */
int end_up(int fd, const char *name, bool arp, struct err *e);
int end_addr4(int fd, const char *name, const struct np_addr *a, unsigned len,
    struct err *e);
/* fd6: AF_INET6; no duplicate address detection. */
int end_addr6(int fd6, const char *name, const struct np_addr *a, unsigned len,
    struct err *e);
/* No address that nobody asked for, no probing; `on` false: no IPv6 at all. */
int end_quiet6(int fd6, const char *name, bool on, struct err *e);

#endif
