/*
 * guest - counts for ever, and says so.
 *
 * It fills its slices with known contents.  Then each round prints one line
 * to com1: the count, the sum of one slice (slice = count modulo their
 * number), and what its own area is filled with, '!' if that is not one byte
 * all over.  A byte in the mailbox is taken out and its own area filled with
 * it.  So the lines of a guest and of its clone, put together, tell whether
 * the clone went on at the very next step, and with the right memory.
 *
 * Runs in long mode, without interrupts, where the loader put it; the code
 * does not care where that is.  r12 is the count and nothing else.
 */
#include "guest.h"

#define COM1 0x3f8
#define COM1_LSR (COM1 + 5)
#define LSR_THRE 0x20
#define MIX 0x9e3779b97f4a7c15

	.section .rodata
	.globl	guest_begin, guest_end
	.balign	16
guest_begin:
	cld
	movl	$GUEST_FILL, %edi
	movl	$(GUEST_SLICES * GUEST_SLICE / 8), %ecx
	movabsq	$MIX, %rdx
fill:	movq	%rdi, %rax
	imulq	%rdx, %rax
	stosq
	decl	%ecx
	jnz	fill
	movb	$'.', %al
	call	fill_own
	xorl	%r12d, %r12d

round:	cmpb	$0, GUEST_MAIL
	je	no_mail
	xorl	%eax, %eax
	xchgb	%al, GUEST_MAIL
	call	fill_own
no_mail:
	movq	%r12, %rax
	call	print_hex
	call	sum_slice
	call	print_hex
	call	look_own
	call	print_char
	movb	$'\n', %al
	call	print_char
	incq	%r12
	jmp	round

/* al -> all of its own area */
fill_own:
	movl	$GUEST_OWN, %edi
	movl	$GUEST_OWN_LEN, %ecx
	rep	stosb
	ret

/* What fills its own area -> al; '!' if several things do. */
look_own:
	movl	$GUEST_OWN, %edi
	movl	$(GUEST_OWN_LEN / 8), %ecx
	movq	(%rdi), %rax
	repe	scasq
	jne	mixed
	movq	%rax, %rdx
	rolq	$8, %rdx
	cmpq	%rax, %rdx
	je	pure
mixed:	movb	$'!', %al
pure:	ret

/* The sum of slice r12 modulo GUEST_SLICES -> rax; order counts. */
sum_slice:
	movq	%r12, %rax
	xorl	%edx, %edx
	movl	$GUEST_SLICES, %ecx
	divq	%rcx
	imull	$GUEST_SLICE, %edx, %esi
	addl	$GUEST_FILL, %esi
	movl	$(GUEST_SLICE / 8), %ecx
	xorl	%eax, %eax
sum:	rolq	$1, %rax
	addq	(%rsi), %rax
	addq	$8, %rsi
	decl	%ecx
	jnz	sum
	ret

/* rax as sixteen digits and a space */
print_hex:
	movq	%rax, %rbx
	movl	$16, %ecx
digit:	rolq	$4, %rbx
	movb	%bl, %al
	andb	$15, %al
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	decimal
	addb	$('a' - '9' - 1), %al
decimal:
	call	print_char
	decl	%ecx
	jnz	digit
	movb	$' ', %al

/* al; keeps all but rax and rdx.  print_hex falls into it. */
print_char:
	movb	%al, %ah
	movw	$COM1_LSR, %dx
busy:	inb	%dx, %al
	testb	$LSR_THRE, %al
	jz	busy
	movb	%ah, %al
	movw	$COM1, %dx
	outb	%al, %dx
	ret
guest_end:

	.section .note.GNU-stack, "", @progbits
