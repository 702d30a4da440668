/* What the kernel has in use, by its own books. */
#include "kernel_test.h"

#include <sys/types.h>
#include <sys/sysctl.h>

/* An int or a 64-bit number; -1: there is none of that name. */
static long
number(const char *name)
{
	union {
		uint32_t u32;
		uint64_t u64;
	} v = { .u64 = 0 };
	size_t n = sizeof(v);

	if (sysctlbyname(name, &v, &n, NULL, 0) != 0)
		return -1;
	return n == sizeof(v.u32) ? (long)v.u32 : (long)v.u64;
}

/* Pages that are neither free nor a cache of something else. */
static long
pages_in_use(void)
{
	return number("vm.stats.vm.v_page_count") -
	       number("vm.stats.vm.v_free_count") -
	       number("vm.stats.vm.v_inactive_count") -
	       number("vm.stats.vm.v_laundry_count");
}

static long
pages_not_free(void)
{
	return number("vm.stats.vm.v_page_count") -
	       number("vm.stats.vm.v_free_count");
}

static long
vnodes(void)
{
	return number("vfs.numvnodes") - number("vfs.freevnodes");
}

static long
vm_objects(void)
{
	return number("vm.uma.VM_OBJECT.stats.current");
}

static long
map_entries(void)
{
	return number("vm.uma.MAP_ENTRY.stats.current");
}

static long
swap_reserved(void)
{
	return number("vm.swap_reserved");
}

/*
 * A thousand rounds that each left one behind would show 1000 more, a private
 * page each time 8000, a file's pages 4000. Slack is for what the rest of the
 * system does meanwhile.
 */
static const struct meter meters[] = {
	{ "pages in use", pages_in_use, 2000 },
	{ "pages not free", pages_not_free, 3000 },
	{ "vnodes in use", vnodes, 60 },
	{ "VM objects", vm_objects, 100 },
	{ "map entries", map_entries, 200 },
	{ "swap reserved", swap_reserved, 1 << 20 },
};

size_t
kernel_meters(const struct meter **m)
{
	*m = meters;
	return sizeof(meters) / sizeof(*meters);
}
