#include "capture/capture_int.h"

#include <sys/capsicum.h>
#include <unistd.h>

int
confine(struct capture_fds fds, struct err *e)
{
	cap_rights_t stream, packet, log;

	cap_rights_init(&stream, CAP_READ, CAP_WRITE, CAP_EVENT);
	cap_rights_init(&packet, CAP_READ, CAP_IOCTL, CAP_EVENT);
	cap_rights_init(&log, CAP_WRITE);
	if (cap_rights_limit(fds.stream, &stream) < 0 ||
	    cap_rights_limit(fds.packet, &packet) < 0 ||
	    cap_rights_limit(STDERR_FILENO, &log) < 0 || cap_enter() < 0)
		return err_sys(e, "capability mode");
	return 0;
}
