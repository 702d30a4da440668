/* envd/ca.h - certificate authorities that the sandbox is to trust. */
#ifndef ENVD_CA_H
#define ENVD_CA_H

#include "base/err.h"

/* Adds a PEM bundle to the system's, in place of the one added before. */
int ca_install(const char *pem, struct err *e);

#endif
