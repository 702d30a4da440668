/* frame_os.h - what frame_os.c and frame_fence.c have of one another. */
#ifndef TESTS_FREEBSD_FRAME_OS_H
#define TESTS_FREEBSD_FRAME_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A bpf descriptor that hears what comes in at an interface of that jail (0:
 * the host), with a buffer of so many bytes. */
int frame_bpf(int place, const char *interface, unsigned size);

/* The link behind this descriptor is one that frame_drain() empties. */
void frame_fence_add(int fd, int place, const char *interface);
bool frame_is_fence(const uint8_t *f, size_t n);

#endif
