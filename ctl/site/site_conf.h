/*
 * site_conf.h - the ranges that the operator's configuration denies to all,
 * for everybody who compiles or judges a policy.
 */
#ifndef SITE_SITE_CONF_H
#define SITE_SITE_CONF_H

#include "io/conf.h"
#include "netpolicy/site.h"

/* What is built in, less what is carved out, and the sandboxes' own networks */
int site_from_conf(const struct conf *cf, struct np_site *out, struct err *e);

#endif
