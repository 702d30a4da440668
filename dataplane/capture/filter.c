/* filter.c - what was asked, and a user's filter into a checked program. */
#include "capture/capture_int.h"

#include <inttypes.h>
#include <string.h>

#include "base/own.h"

int
ask_check(const struct capture_ask *a, struct err *e)
{
	if (a->bytes < CAPTURE_BYTES_MIN || a->bytes > CAPTURE_BYTES_MAX)
		return err_set(e, ERR_INVALID,
		    "bytes: %" PRIu64 " is not %d to %d", a->bytes,
		    CAPTURE_BYTES_MIN, CAPTURE_BYTES_MAX);
	if (a->snaplen < CAPTURE_SNAPLEN_MIN ||
	    a->snaplen > CAPTURE_SNAPLEN_MAX)
		return err_set(e, ERR_INVALID,
		    "snaplen: %" PRIu32 " is not %d to %d", a->snaplen,
		    CAPTURE_SNAPLEN_MIN, CAPTURE_SNAPLEN_MAX);
	if (a->seconds > CAPTURE_SECONDS_MAX)
		return err_set(e, ERR_INVALID,
		    "seconds: %" PRIu32 " is not 0 to %d", a->seconds,
		    CAPTURE_SECONDS_MAX);
	if (memchr(a->filter, '\0', sizeof(a->filter)) == NULL)
		return err_set(e, ERR_INVALID, "filter: longer than %d bytes",
		    CAPTURE_FILTER_MAX);
	return 0;
}

static int
check_program(const struct bpf_program *p, struct err *e)
{
	if (p->bf_len > CAPTURE_INSNS_MAX)
		return err_set(e, ERR_INVALID,
		    "filter: %u instructions, more than %d", p->bf_len,
		    CAPTURE_INSNS_MAX);
	if (!bpf_validate(p->bf_insns, (int)p->bf_len))
		return err_set(
		    e, ERR_INVALID, "filter: its program is not valid");
	return 0;
}

int
filter_compile(
    const char *text, uint32_t snaplen, struct bpf_program *out, struct err *e)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, (int)snaplen);
	int rc = 0;

	if (p == NULL)
		return err_set(e, ERR_SYS, "libpcap: no memory");
	if (pcap_compile(p, out, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		rc = err_set(e, ERR_INVALID, "filter: %s", pcap_geterr(p));
	pcap_close(p);
	if (rc < 0 || check_program(out, e) == 0)
		return rc;
	pcap_freecode(out);
	return -1;
}
