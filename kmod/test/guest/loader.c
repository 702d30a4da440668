/*
 * loader - makes a virtual machine ready for bhyve, without a boot ROM.
 *
 *	loader [-m MIB] NAME	a machine that runs the test guest (guest.S)
 *	loader -e NAME		a machine without memory, for bhyve -r to fill
 *	loader -w BYTE NAME	puts BYTE into the mailbox of a running guest
 *
 * FreeBSD, as root.  No linker script: guest.S is read-only data of this
 * program, so that the compiler's driver builds all of it:
 *
 *	cc -o loader loader.c guest.S -lvmmapi -lutil
 */
#include <sys/param.h>

#include <machine/vmm.h>

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <vmmapi.h>

#include "guest.h"

#define MIB	  (1024UL * 1024)
#define PTE_TABLE 0x003 /* present, writable */
#define PTE_2MIB  0x083 /* the same, and a large page */

extern const char guest_begin[], guest_end[];

static _Noreturn void
usage(void)
{
	fprintf(
	    stderr, "usage: loader [-m MIB] NAME | -e NAME | -w BYTE NAME\n");
	exit(2);
}

static void *
guest_at(struct vmctx *ctx, uint64_t gpa, size_t len)
{
	void *p = vm_map_gpa(ctx, gpa, len);

	if (p == NULL)
		errx(1, "no memory at %#jx", (uintmax_t)gpa);
	return p;
}

/* The first GiB of guest memory where it is, in large pages. */
static void
write_tables(struct vmctx *ctx)
{
	uint64_t *pml4 = guest_at(ctx, GUEST_PML4, PAGE_SIZE);
	uint64_t *pdpt = guest_at(ctx, GUEST_PDPT, PAGE_SIZE);
	uint64_t *pd = guest_at(ctx, GUEST_PD, PAGE_SIZE);

	pml4[0] = GUEST_PDPT | PTE_TABLE;
	pdpt[0] = GUEST_PD | PTE_TABLE;
	for (uint64_t i = 0; i < PAGE_SIZE / sizeof(*pd); i++)
		pd[i] = (i * 2 * MIB) | PTE_2MIB;
}

static void
set_registers(struct vmctx *ctx)
{
	struct vcpu *vcpu = vm_vcpu_open(ctx, 0);
	int error;

	if (vcpu == NULL)
		err(1, "vm_vcpu_open");
	error = vcpu_reset(vcpu);
	if (error != 0)
		errx(1, "vcpu_reset: %d", error);
	vm_setup_freebsd_gdt(guest_at(ctx, GUEST_GDT, PAGE_SIZE));
	error = vm_setup_freebsd_registers(
	    vcpu, GUEST_CODE, GUEST_PML4, GUEST_GDT, GUEST_STACK);
	if (error != 0)
		errx(1, "registers: %d", error);
	vm_vcpu_close(vcpu);
}

static struct vmctx *
create(const char *name)
{
	struct vmctx *ctx;

	if (vm_create(name) != 0)
		err(1, "%s: cannot create it", name);
	ctx = vm_open(name);
	if (ctx == NULL)
		err(1, "%s: cannot open what was created", name);
	return ctx;
}

static void
load(const char *name, size_t len)
{
	struct vmctx *ctx = create(name);
	size_t n = (uintptr_t)guest_end - (uintptr_t)guest_begin;

	if (vm_setup_memory(ctx, len, VM_MMAP_ALL) != 0)
		err(1, "%s: no %zu MiB for it", name, len / MIB);
	memcpy(guest_at(ctx, GUEST_CODE, n), guest_begin, n);
	write_tables(ctx);
	set_registers(ctx);
	vm_close(ctx);
}

/* By a mapping of its memory, as bhyve has one: gone when this ends. */
static void
write_mail(const char *name, char byte)
{
	struct vmctx *ctx = vm_open(name);
	volatile char *mail;
	char seg[64];
	size_t len;

	if (ctx == NULL)
		err(1, "%s", name);
	/* Segment 0 is its memory; before 15.0 all of it has to be mapped. */
	if (vm_get_memseg(ctx, 0, &len, seg, sizeof(seg)) != 0 ||
	    vm_setup_memory(ctx, len, VM_MMAP_ALL) != 0)
		err(1, "%s: cannot map its memory", name);
	mail = guest_at(ctx, GUEST_MAIL, 1);
	*mail = byte;
	vm_close(ctx);
}

int
main(int argc, char **argv)
{
	size_t len = 64 * MIB;
	const char *byte = NULL;
	bool empty = false;
	int c;

	while ((c = getopt(argc, argv, "em:w:")) != -1) {
		switch (c) {
		case 'e':
			empty = true;
			break;
		case 'm':
			len = strtoul(optarg, NULL, 10) * MIB;
			break;
		case 'w':
			byte = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || (byte != NULL && strlen(byte) != 1))
		usage();
	if (len < GUEST_MEM_MIN || len > 1024 * MIB)
		errx(2, "from %lu to 1024 MiB", GUEST_MEM_MIN / MIB);
	if (byte != NULL)
		write_mail(argv[optind], byte[0]);
	else if (empty)
		vm_close(create(argv[optind]));
	else
		load(argv[optind], len);
	return 0;
}
