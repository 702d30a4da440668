#include "../rules_int.h"

#include "../privd.h"

/* One sentence for all: nothing of this is built for pf so far. */
static int
unbuilt(struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
	    "rules: pf anchors are not built yet on FreeBSD");
}

int
rules_kernel_open(struct rules *r, struct err *e)
{
	(void)r;
	return unbuilt(e);
}

void
rules_kernel_close(struct rules *r)
{
	(void)r;
}

int
rules_kernel_watch(struct rules *r, struct loop *l, struct err *e)
{
	(void)r;
	(void)l;
	return unbuilt(e);
}

uint32_t
rules_kernel_batch(const struct rules *r)
{
	(void)r;
	return 1;
}

int
rules_kernel_make(struct rules *r, uint32_t first, uint32_t n, struct err *e)
{
	(void)r;
	(void)first;
	(void)n;
	return unbuilt(e);
}

int
rules_kernel_apply(
    struct rules *r, struct rules_want *w, uint32_t *revoked, struct err *e)
{
	(void)r;
	(void)w;
	(void)revoked;
	return unbuilt(e);
}

int
rules_kernel_prepare(struct rules *r, struct rules_want *w, struct err *e)
{
	(void)r;
	(void)w;
	return unbuilt(e);
}

int
rules_kernel_clear(struct rules *r, uint32_t slot, struct err *e)
{
	(void)r;
	(void)slot;
	return unbuilt(e);
}

int
rules_kernel_log(struct rules *r)
{
	(void)r;
	return -1;
}

int
rules_kernel_flows(const struct np_addr *from, size_t nfrom,
    struct rules_flow **v, uint32_t *n, struct err *e)
{
	(void)from;
	(void)nfrom;
	*v = NULL;
	*n = 0;
	return unbuilt(e);
}

int
rules_kernel_state(
    struct rules *r, uint32_t slot, struct rules_state *out, struct err *e)
{
	(void)r;
	(void)slot;
	(void)out;
	return unbuilt(e);
}

int
rules_remove(const struct conf *cf, struct err *e)
{
	(void)cf;
	return unbuilt(e);
}
