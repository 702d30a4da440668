/* dump.h - asking the kernel and reading its answer; for this directory. */
#ifndef NFT_DUMP_H
#define NFT_DUMP_H

#include "nft/batch.h"

#include <libmnl/libmnl.h>

enum { NFT_ANSWER_ROOM = 64 * 1024, NFT_ASK_ROOM = 512 };

typedef int nft_on_msg(void *arg, const struct nlmsghdr *h, struct err *e);

/* A request in buf (NFT_ASK_ROOM bytes); add attributes, then nft_read(). */
struct nlmsghdr *nft_ask(
    struct nft_sock *s, char *buf, uint16_t type, uint16_t flags);
/*
 * Hands each message of the answer to `on`.  If the rules changed meanwhile,
 * `again` (may be NULL) is called and everything comes once more.
 */
int nft_read(struct nft_sock *s, struct nlmsghdr *ask, nft_on_msg *on,
    void (*again)(void *arg), void *arg, struct err *e);
nft_on_msg nft_ignore;

/*
 * read_ports.c: the lists of the ids that are in use, as the compiler writes
 * them.  *odd: there are others, or one is missing.
 */
int nft_read_ports(struct nft_sock *s, uint32_t slot,
    const uint32_t ids[NP_NCLASSES], bool *odd,
    struct np_ports out[NP_NCLASSES], struct err *e);

/* Is the message about something in our table? */
bool nft_is_ours(const struct nlmsghdr *h);

#endif
