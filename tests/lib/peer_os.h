/*
 * peer_os.h - what tests/net/peer.c asks of one system and not of the other.
 */
#ifndef TESTS_PEER_OS_H
#define TESTS_PEER_OS_H

#include <sys/socket.h>

/* recvmsg() of this datagram socket says where it went; peer_answer() makes
 * of that what sendmsg() takes for where the answer comes from. */
void peer_want_destination(int fd, int family);
void peer_answer(struct msghdr *m);
/* It may be bound to an address that this host does not have. */
void peer_any_source(int fd, int family);
/* An ICMP echo and a second for the answer: 0, or an errno. */
int peer_ping(const struct sockaddr *to, socklen_t len);

#endif
