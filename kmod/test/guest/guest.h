/*
 * guest - where the test guest's things lie in its memory.  Both the guest
 * (assembler) and its loader read this: plain numbers only.
 */
#ifndef COP_KMOD_GUEST_H
#define COP_KMOD_GUEST_H

#define GUEST_GDT   0x1000
#define GUEST_PML4  0x2000
#define GUEST_PDPT  0x3000
#define GUEST_PD    0x4000
#define GUEST_STACK 0x8000 /* its end: grows down */
#define GUEST_MAIL  0x9000 /* one byte, for the guest to take */
#define GUEST_CODE  0x10000

/* What the guest writes when it is told to. */
#define GUEST_OWN     0x100000
#define GUEST_OWN_LEN 0x100000

/* Known contents: slices that the guest adds up, one each round. */
#define GUEST_FILL   0x200000
#define GUEST_SLICE  0x100000
#define GUEST_SLICES 48

#define GUEST_MEM_MIN (GUEST_FILL + GUEST_SLICES * GUEST_SLICE)

#endif
