/*
 * attr.h - walking netlink attributes: libmnl's macros, kept const.
 */
#ifndef NFT_ATTR_H
#define NFT_ATTR_H

#include <stdbool.h>

#include <libmnl/libmnl.h>

/* Unlike mnl_nlmsg_ok(), which takes 2 GiB and more for less than nothing. */
static inline bool
nlmsg_fits(const struct nlmsghdr *h, int left)
{
	return left >= (int)sizeof(*h) && h->nlmsg_len >= sizeof(*h) &&
	       h->nlmsg_len <= (unsigned)left;
}

/* Is it there, and that long? */
static inline bool
attr_is(const struct nlattr *a, size_t len)
{
	return a != NULL && mnl_attr_get_payload_len(a) == len;
}

static inline int
attr_left(const void *a, const void *end)
{
	return (int)((const char *)end - (const char *)a);
}

/* Those of a message, behind its header of `offset` bytes. */
#define attr_for_each(a, h, offset)                                            \
	for ((a) = mnl_nlmsg_get_payload_offset((h), (offset));                \
	     mnl_attr_ok((a), attr_left((a), mnl_nlmsg_get_payload_tail(h)));  \
	     (a) = mnl_attr_next(a))

/* Those inside another. */
#define attr_for_each_in(a, nest)                                              \
	for ((a) = mnl_attr_get_payload(nest); mnl_attr_ok((a),                \
		 attr_left((a), (const char *)mnl_attr_get_payload(nest) +     \
				    mnl_attr_get_payload_len(nest)));          \
	     (a) = mnl_attr_next(a))

/* The attribute of that type inside nest, which may be NULL; or NULL. */
static inline const struct nlattr *
attr_find_in(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a;

	if (nest == NULL)
		return NULL;
	attr_for_each_in (a, nest) {
		if (mnl_attr_get_type(a) == type)
			return a;
	}
	return NULL;
}

#endif
