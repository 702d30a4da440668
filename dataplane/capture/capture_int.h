/*
 * capture_int.h - coppice-capture: one link's packets into a stream.
 *
 * One thread, and a process for each capture.  main() gives up what it does
 * not need before it reads its first byte; what was asked is checked; then
 * packets go from the socket into a buffer with a ceiling, and from there to
 * whoever reads.  Nothing here looks inside a packet.
 */
#ifndef CAPTURE_INT_H
#define CAPTURE_INT_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "capture/capture_msg.h"
#include "capture/pcapng.h"

enum {
	CAPTURE_INSNS_MAX = 4096,	  /* of a compiled filter */
	CAPTURE_BUFFER_MAX = 1024 * 1024, /* that nobody has read yet */
	CAPTURE_ASK_MS = 10000,		  /* for the request to arrive */
	CAPTURE_COMPILE_S = 5,		  /* for a filter to compile */
};

/* --- filter.c ------------------------------------------------------------- */

/* Whatever comes over the stream: e names the field and its value. */
int ask_check(const struct capture_ask *a, struct err *e);
/* A filter's program, checked; free it with pcap_freecode(). */
int filter_compile(
    const char *text, uint32_t snaplen, struct bpf_program *out, struct err *e);

/* --- capture.c ------------------------------------------------------------ */

struct capture_fds {
	/*
	 * Bound to one interface, and letting nothing through; on FreeBSD a
	 * bpf(4) descriptor that is open for reading alone and does not wait.
	 */
	int packet;
	int stream;
};

/* Reads the request, answers it, captures; 0 when that came to an end. */
int capture_run(struct capture_fds fds, const char *ifname, const char *sandbox,
    struct err *e);
/* From a signal handler: it is to end, with a whole file. */
void capture_stop(void);

/* --- linux/ or freebsd/ --------------------------------------------------- */

/*
 * No more than what capture_run() does: neither files nor sockets nor
 * programs, and no byte out of the packet socket.
 */
int confine(struct capture_fds fds, struct err *e);
/* From now on what the filter lets through arrives, for good. */
int packet_begin(int fd, const struct bpf_program *p, struct err *e);
/*
 * 1 with a packet, whose data is good until the next call; 0 if there is none
 * now; -1 if there will be none any more, with e unless the interface is gone
 * (ERR_NONE).
 */
int packet_next(
    int fd, uint32_t snaplen, struct pcapng_packet *out, struct err *e);
/* Packets that poll() does not tell of, as they have been read already. */
bool packet_waiting(void);
/* Adds what was counted since the last call. */
void packet_counts(int fd, struct pcapng_counts *c);

#endif
