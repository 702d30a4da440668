#include "capture/capture_int.h"

/*
 * bpf(4) would do it: BIOCSETF and BIOCLOCK on a descriptor that is bound to
 * the link's epair.  There is no link yet whose packets could be asked for.
 */
int
packet_begin(int fd, const struct bpf_program *p, struct err *e)
{
	(void)fd;
	(void)p;
	return err_set(e, ERR_UNSUPPORTED,
	    "captures of a sandbox's link are not supported on FreeBSD yet");
}

int
packet_next(int fd, uint32_t snaplen, struct pcapng_packet *out, struct err *e)
{
	(void)snaplen;
	(void)out;
	(void)fd;
	return err_set(e, ERR_UNSUPPORTED,
	    "captures of a sandbox's link are not supported on FreeBSD yet");
}

void
packet_counts(int fd, struct pcapng_counts *c)
{
	(void)fd;
	(void)c;
}
