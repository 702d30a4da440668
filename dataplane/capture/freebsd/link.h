/* capture/freebsd/link.h - the link's own address, looked up before confine().
 */
#ifndef CAPTURE_LINK_H
#define CAPTURE_LINK_H

#include <stdint.h>

/* Six bytes, or NULL where it has none. */
const uint8_t *link_mac(void);

#endif
