#include "io/conf.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "io/conf_int.h"
#include "io/place.h"

enum { LINE_BYTES_MAX = 4096 };

enum kind {
	K_TEXT,
	K_WORD, /* one of `words` */
	K_PATH, /* absolute */
	K_LISTEN,
	K_DOMAIN,
	K_BOOL,
	K_U32,
	K_CAP, /* K_U32, or 0: none */
	K_NET4,
	K_NET6,
	K_SERVERS,  /* list, char [][64] */
	K_PREFIXES, /* list, struct conf_prefix [] */
};

/*
 * The one place that knows the keys.  `cap` is the bytes of a text, or the
 * offset of a list's counter.
 */
#define T(f)	offsetof(struct conf, f), sizeof(((struct conf *)0)->f)
#define N(f)	offsetof(struct conf, f), 0
#define L(f, n) offsetof(struct conf, f), offsetof(struct conf, n)

static const struct row {
	const char *name;
	enum kind kind;
	size_t at, cap;
	const char *def;
	uint32_t min, max;
	const char *words;
	const char *help;
} rows[] = {
	{ "api_listen", K_LISTEN, T(api_listen), "127.0.0.1:3000", 0, 0, NULL,
	    "Where the REST API listens: ADDRESS:PORT, IPv6 in brackets." },
	{ "way_in_listen", K_LISTEN, T(way_in_listen), "127.0.0.1:3002", 0, 0,
	    NULL,
	    "Where requests for what runs in sandboxes arrive: "
	    "ADDRESS:PORT." },
	{ "tls_listen", K_LISTEN, T(tls_listen), "", 0, 0, NULL,
	    "Where the same arrives by TLS, and requests for api.DOMAIN, "
	    "which go to api_listen: ADDRESS:PORT.  SDKs that know nothing "
	    "but the domain come to port 443.  Empty: nowhere." },
	{ "tls_cert", K_PATH, T(tls_cert), "", 0, 0, NULL,
	    "PEM file with the certificate for *.DOMAIN, and behind it those "
	    "that lead to its root.  A reload reads it and tls_key anew; "
	    "connections that are open stay." },
	{ "tls_key", K_PATH, T(tls_key), "", 0, 0, NULL,
	    "PEM file with its key, without a password.  Root alone needs to "
	    "be able to read it." },
	{ "access_log", K_BOOL, T(access_log), "no", 0, 0, NULL,
	    "Log a line for each request to a sandbox, up to 1000 a second: "
	    "method, host, path without its query, status, bytes, time." },
	{ "state_dir", K_PATH, T(state_dir), place_state, 0, 0, NULL,
	    "Directory of everything that must outlive the daemon." },
	{ "domain", K_DOMAIN, T(domain), "", 0, 0, NULL,
	    "Domain of sandbox URLs, PORT-ID.DOMAIN; needs a wildcard DNS "
	    "entry that leads to way_in_listen.  Empty: clients are told no "
	    "domain." },
	{ "log_level", K_WORD, T(log_level), "info", 0, 0,
	    "error warn info debug", "How much is logged." },

	{ "net4", K_NET4, N(net4), "10.78.0.0/16", 8, 30, NULL,
	    "IPv4 network of the sandboxes; each slot takes two addresses." },
	{ "net6", K_NET6, N(net6), "fd77::/64", 32, 112, NULL,
	    "IPv6 network of the sandboxes." },
	{ "ipv6", K_BOOL, N(ipv6), "no", 0, 0, NULL, "Give sandboxes IPv6." },
	{ "resolver_port", K_U32, N(resolver_port), "5300", 1, 65535, NULL,
	    "Port of coppice-egressd's resolver, UDP and TCP, to which "
	    "sandboxes' queries are redirected." },
	{ "upstream_dns", K_SERVERS, L(upstream_dns, nupstream_dns), "", 0, 0,
	    NULL,
	    "Name servers that the resolver asks: addresses, with :PORT if "
	    "it is not 53.  Empty: those of the host's resolv.conf." },
	{ "site_deny", K_PREFIXES, L(site_deny, nsite_deny), "", 0, 0, NULL,
	    "Ranges that no sandbox may reach, whatever its policy says, in "
	    "addition to the built-in ones.  A reload takes it over "
	    "without a gap." },
	{ "site_allow", K_PREFIXES, L(site_allow, nsite_allow), "", 0, 0, NULL,
	    "Holes in the built-in and in the site_deny ranges.  A reload "
	    "takes it over without a gap." },

	{ "id_base", K_U32, N(id_base), "2147483648", 65536, 3221225472u, NULL,
	    "First of the host's user and group ids that sandboxes use, 65536 "
	    "for each; a multiple of 65536, clear of /etc/subuid." },
	{ "max_sandboxes", K_U32, N(max_sandboxes), "4096", 1, 16383, NULL,
	    "How many sandboxes may exist, paused ones included." },
	{ "pool_slots", K_U32, N(pool_slots), "16", 0, 4096, NULL,
	    "Slots kept ready for sandboxes to come." },
	{ "pool_size", K_U32, N(pool_size), "2", 0, 1024, NULL,
	    "Sandboxes kept ready of each template that does not say; 0 is "
	    "none." },
	{ "default_cpu_count", K_U32, N(default_cpu_count), "2", 1, 1024, NULL,
	    "Cores of a sandbox whose template does not say." },
	{ "default_memory_mb", K_U32, N(default_memory_mb), "512", 64, 1048576,
	    NULL, "Memory of a sandbox whose template does not say, in MiB." },
	{ "default_disk_mb", K_U32, N(default_disk_mb), "5120", 64, 16777216,
	    NULL, "Disk of a sandbox whose template does not say, in MiB." },
	{ "pids_max", K_U32, N(pids_max), "2048", 32, 4194304, NULL,
	    "Processes and threads in one sandbox." },
	{ "max_flows", K_U32, N(max_flows), "4096", 1, 65535, NULL,
	    "Connections of one sandbox at a time." },
	{ "max_packets_per_s", K_CAP, N(max_packets_per_s), "0", 100, 10000000,
	    NULL,
	    "Packets that one sandbox may send in a second; more are "
	    "dropped." },
	{ "max_egress_mbit", K_CAP, N(max_egress_mbit), "0", 1, 100000, NULL,
	    "What one sandbox may send, in megabits a second." },
	{ "max_ingress_mbit", K_CAP, N(max_ingress_mbit), "0", 1, 100000, NULL,
	    "What is let through to one sandbox, in megabits a second; "
	    "requests for what runs there are not counted." },
	{ "host_memory_mb", K_U32, N(host_memory_mb), "0", 0, 67108864, NULL,
	    "Memory for all sandboxes together, in MiB; 0 is 80 % of the "
	    "host's." },
	{ "disk_backend", K_WORD, T(disk_backend), "auto", 0, 0,
	    "auto btrfs image zfs copy",
	    "How disk limits are kept.  Linux: on the host's own btrfs, in a "
	    "btrfs image of ours, or whichever works.  FreeBSD: by clones in "
	    "zfs_dataset, not at all in a plain copy of the template, or, "
	    "auto, in clones if they can be had." },
	{ "disk_image_mb", K_U32, N(disk_image_mb), "32768", 1024, 67108864,
	    NULL, "Size of that image, in MiB." },
	{ "zfs_dataset", K_TEXT, T(zfs_dataset), "", 0, 0, NULL,
	    "FreeBSD: the ZFS data set below which templates and sandboxes "
	    "go.  Empty: the one that state_dir lies on." },
	{ "devfs_ruleset", K_U32, N(devfs_ruleset), "4", 1, 65535, NULL,
	    "FreeBSD: the rule set of devfs that says which devices a sandbox "
	    "sees; 4 is devfsrules_jail." },

	{ "default_timeout_s", K_U32, N(default_timeout_s), "300", 1, 604800,
	    NULL,
	    "Life of a sandbox, in seconds, when its creator does not say." },
	{ "max_timeout_h", K_U32, N(max_timeout_h), "24", 1, 8760, NULL,
	    "The longest life that may be asked for, in hours." },
	{ "require_secure", K_BOOL, N(require_secure), "no", 0, 0, NULL,
	    "Give every sandbox an access token, asked for or not." },
	{ "policy_while_paused", K_BOOL, N(policy_while_paused), "no", 0, 0,
	    NULL,
	    "Accept network updates for paused sandboxes (E2B answers "
	    "404)." },
	{ "api_keys", K_TEXT, T(api_keys), "", 0, 0, NULL,
	    "Accepted API keys, separated by commas; see COPPICE_API_KEYS.  "
	    "None here and in api_keys_file: any key is accepted, on loopback "
	    "only." },
	{ "api_keys_file", K_PATH, T(api_keys_file), "", 0, 0, NULL,
	    "File with one API key on each line; see "
	    "COPPICE_API_KEYS_FILE." },
};

static void *
field(struct conf *c, size_t at)
{
	return (char *)c + at;
}

static const void *
cfield(const struct conf *c, size_t at)
{
	return (const char *)c + at;
}

/* --- values ---------------------------------------------------------------*/

static int PRINTF(2, 3) bad(struct err *e, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, ERR_INVALID, "%s", text);
}

static int
set_text(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	char *to = field(c, r->at);
	size_t n = strlen(v);

	if (n >= r->cap)
		return bad(e, "%zu bytes, and %zu is the most", n, r->cap - 1);
	memcpy(to, v, n + 1);
	return 0;
}

static int
set_word(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	size_t n = strlen(v);

	for (const char *p = r->words; *p != '\0';) {
		size_t have = strcspn(p, " ");

		if (have == n && strncmp(p, v, n) == 0)
			return set_text(r, c, v, e);
		p += have + strspn(p + have, " ");
	}
	return bad(e, "\"%.60s\" is none of: %s", v, r->words);
}

static int
set_path(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	if (*v != '\0' && *v != '/')
		return bad(e, "\"%.60s\" is not an absolute path", v);
	if (*v == '\0' && *r->def != '\0')
		return bad(e, "a path is needed");
	return set_text(r, c, v, e);
}

static int
port_parse(const char *s, uint32_t *out)
{
	uint32_t n = 0;

	if (*s == '\0' || strlen(s) > 5 || strspn(s, "0123456789") != strlen(s))
		return -1;
	for (; *s != '\0'; s++)
		n = n * 10 + (uint32_t)(*s - '0');
	if (n < 1 || n > 65535)
		return -1;
	*out = n;
	return 0;
}

/* ADDRESS:PORT or [ADDRESS]:PORT; with `bare`, the port may be missing. */
static int
endpoint(const char *v, bool bare, struct err *e)
{
	bool brackets = *v == '[';
	const char *port = strrchr(v, ':');
	char addr[64];
	struct np_addr a;
	uint32_t n;
	size_t len;

	if (bare && np_addr_parse(v, &a) == 0)
		return 0;
	if (port == NULL || (brackets && (port == v || port[-1] != ']')))
		return bad(e, "\"%.60s\" is not ADDRESS:PORT", v);
	len = (size_t)(port - v) - (brackets ? 2 : 0);
	if (len >= sizeof(addr))
		return bad(e, "\"%.60s\" is not an address", v);
	memcpy(addr, v + brackets, len);
	addr[len] = '\0';
	if (np_addr_parse(addr, &a) < 0)
		return bad(e, "\"%s\" is not an address", addr);
	if (!brackets && strchr(addr, ':') != NULL)
		return bad(e, "\"%.60s\": put an IPv6 address in brackets", v);
	if (port_parse(port + 1, &n) < 0)
		return bad(e, "\"%.20s\" is not a port (1 to 65535)", port + 1);
	return 0;
}

static int
set_listen(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	if ((*v != '\0' || *r->def != '\0') && endpoint(v, false, e) < 0)
		return -1;
	return set_text(r, c, v, e);
}

static int
set_domain(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";

	if (v[strspn(v, ok)] != '\0' || *v == '.' || *v == '-' ||
	    strstr(v, "..") != NULL)
		return bad(
		    e, "\"%.60s\" is not a domain name in small letters", v);
	return set_text(r, c, v, e);
}

static int
set_bool(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	bool *to = field(c, r->at);

	if (strcmp(v, "yes") != 0 && strcmp(v, "no") != 0)
		return bad(e, "\"%.60s\" is neither yes nor no", v);
	*to = *v == 'y';
	return 0;
}

static int
set_u32(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	uint32_t *to = field(c, r->at);
	unsigned long long n;

	if (*v == '\0' || v[strspn(v, "0123456789")] != '\0')
		return bad(e, "\"%.60s\" is not a whole number", v);
	errno = 0;
	n = strtoull(v, NULL, 10);
	if (errno == 0 && n == 0 && r->kind == K_CAP) {
		*to = 0;
		return 0;
	}
	if (errno != 0 || n < r->min || n > r->max)
		return bad(
		    e, "%.30s is not between %u and %u", v, r->min, r->max);
	*to = (uint32_t)n;
	return 0;
}

static int
prefix(const char *v, struct np_prefix *out, struct err *e)
{
	const char *slash = strchr(v, '/');
	char addr[64];
	struct np_addr a;

	if (np_prefix_parse(v, out) == 0)
		return 0;
	if (slash == NULL || (size_t)(slash - v) >= sizeof(addr))
		return bad(e, "\"%.60s\" is not an address", v);
	memcpy(addr, v, (size_t)(slash - v));
	addr[slash - v] = '\0';
	if (np_addr_parse(addr, &a) < 0)
		return bad(e, "\"%.60s\": %s is not an address", v, addr);
	return bad(e, "\"%.60s\": the prefix length is 0 to %d", v,
	    a.family == NP_V4 ? 32 : 128);
}

static int
set_net(const struct row *r, struct conf *c, const char *v, struct err *e)
{
	struct np_prefix *to = field(c, r->at), p;

	if (prefix(v, &p, e) < 0)
		return -1;
	if (p.family != (r->kind == K_NET4 ? NP_V4 : NP_V6))
		return bad(e, "\"%.60s\" is not an IPv%d network", v,
		    r->kind == K_NET4 ? 4 : 6);
	if (p.len < r->min || p.len > r->max)
		return bad(e, "\"%.60s\": a prefix length from %u to %u fits",
		    v, r->min, r->max);
	*to = p;
	return 0;
}

static int
add_server(struct conf *c, const char *v, struct err *e)
{
	size_t n = strlen(v);

	if (n >= sizeof(c->upstream_dns[0]))
		return bad(e, "\"%.60s\" is not an address", v);
	if (endpoint(v, true, e) < 0)
		return -1;
	memcpy(c->upstream_dns[c->nupstream_dns++], v, n + 1);
	return 0;
}

/* One or more, separated by commas or blanks; a second line adds. */
static int
add_list(const struct row *r, struct conf *c, const char *v, uint32_t line,
    struct err *e)
{
	size_t *n = field(c, r->cap);
	struct conf_prefix *to = field(c, r->at);

	for (v += strspn(v, ", \t"); *v != '\0'; v += strspn(v, ", \t")) {
		size_t len = strcspn(v, ", \t");
		char item[80];

		if (len >= sizeof(item))
			return bad(e, "\"%.60s\" is not an address", v);
		memcpy(item, v, len);
		item[len] = '\0';
		v += len;
		if (*n == CONF_LIST_MAX)
			return bad(e, "more than %d entries", CONF_LIST_MAX);
		if (r->kind == K_SERVERS) {
			if (add_server(c, item, e) < 0)
				return -1;
			continue;
		}
		if (prefix(item, &to[*n].prefix, e) < 0)
			return -1;
		to[(*n)++].line = line;
	}
	return 0;
}

static int
set(const struct row *r, struct conf *c, const char *v, uint32_t line,
    struct err *e)
{
	switch (r->kind) {
	case K_TEXT:
		return set_text(r, c, v, e);
	case K_WORD:
		return set_word(r, c, v, e);
	case K_PATH:
		return set_path(r, c, v, e);
	case K_LISTEN:
		return set_listen(r, c, v, e);
	case K_DOMAIN:
		return set_domain(r, c, v, e);
	case K_BOOL:
		return set_bool(r, c, v, e);
	case K_U32:
	case K_CAP:
		return set_u32(r, c, v, e);
	case K_NET4:
	case K_NET6:
		return set_net(r, c, v, e);
	case K_SERVERS:
	case K_PREFIXES:
		return add_list(r, c, v, line, e);
	}
	return err_set(e, ERR_BUG, "%s has no type", r->name);
}

/* --- the file -------------------------------------------------------------*/

void
conf_defaults(struct conf *c)
{
	struct err e;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < countof(rows); i++)
		(void)set(&rows[i], c, rows[i].def, 0, &e);
}

struct reading {
	struct conf *c;
	const char *path;
	FILE *complain;
	uint32_t line;
	uint32_t seen[countof(rows)]; /* in which line, 0 = not yet */
	bool failed;
};

static void PRINTF(2, 3) complain(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	r->failed = true;
	fprintf(r->complain, "%s:%u: ", r->path, r->line);
	va_start(ap, fmt);
	vfprintf(r->complain, fmt, ap);
	va_end(ap);
	fputc('\n', r->complain);
}

static char *
trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && strchr(" \t\r\n", end[-1]) != NULL)
		*--end = '\0';
	return s + strspn(s, " \t");
}

static const struct row *
find(const char *key)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].name, key) == 0)
			return &rows[i];
	return NULL;
}

static bool
is_list(const struct row *r)
{
	return r->kind == K_SERVERS || r->kind == K_PREFIXES;
}

static void
one_line(struct reading *r, char *text)
{
	char *key = trim(text), *eq, *value;
	const struct row *row;
	struct err e;
	uint32_t *seen;

	if (*key == '\0' || *key == '#')
		return;
	eq = strchr(key, '=');
	if (eq == NULL) {
		complain(r, "\"%.60s\": key = value is expected", key);
		return;
	}
	*eq = '\0';
	key = trim(key);
	value = eq + 1;
	/* A comment begins with a # that stands alone. */
	for (char *p = value; (p = strchr(p, '#')) != NULL; p++)
		if (p == value || p[-1] == ' ' || p[-1] == '\t') {
			*p = '\0';
			break;
		}
	value = trim(value);
	row = find(key);
	if (row == NULL) {
		complain(r, "%.60s: there is no such key", key);
		return;
	}
	seen = &r->seen[row - rows];
	if (*seen != 0 && !is_list(row)) {
		complain(r, "%s: given in line %u already", key, *seen);
		return;
	}
	*seen = r->line;
	if (set(row, r->c, value, r->line, &e) < 0)
		complain(r, "%s: %s", key, e.msg);
}

/* Blames the later of two lines, or line 0 for defaults. */
static void
blame(struct reading *r, const char *a, const char *b)
{
	uint32_t la = r->seen[find(a) - rows], lb = r->seen[find(b) - rows];

	r->line = la > lb ? la : lb;
}

static void
check_tls(struct reading *r)
{
	const struct conf *c = r->c;

	if (c->tls_listen[0] == '\0')
		return;
	if (c->tls_cert[0] == '\0') {
		blame(r, "tls_listen", "tls_cert");
		complain(r, "tls_cert: tls_listen needs one");
	}
	if (c->tls_key[0] == '\0') {
		blame(r, "tls_listen", "tls_key");
		complain(r, "tls_key: tls_listen needs one");
	}
	if (strcmp(c->tls_listen, c->api_listen) == 0) {
		blame(r, "tls_listen", "api_listen");
		complain(
		    r, "tls_listen: %s is api_listen's already", c->tls_listen);
	}
	if (strcmp(c->tls_listen, c->way_in_listen) == 0) {
		blame(r, "tls_listen", "way_in_listen");
		complain(r, "tls_listen: %s is way_in_listen's already",
		    c->tls_listen);
	}
}

static void
check_together(struct reading *r)
{
	struct conf *c = r->c;
	uint64_t slots4 = (UINT64_C(1) << (32 - c->net4.len)) / 2 - 1;
	uint64_t last_id =
	    (uint64_t)c->id_base + ((uint64_t)c->max_sandboxes + 1) * 65536 - 1;

	if (c->max_sandboxes > slots4) {
		blame(r, "max_sandboxes", "net4");
		complain(r, "max_sandboxes: %u do not fit into net4 (%llu do)",
		    c->max_sandboxes, (unsigned long long)slots4);
	}
	if (c->id_base % 65536 != 0) {
		blame(r, "id_base", "id_base");
		complain(r, "id_base: %u is no multiple of 65536", c->id_base);
	}
	/* The last id of all means "no id" to the kernel. */
	if (last_id >= UINT32_MAX) {
		blame(r, "id_base", "max_sandboxes");
		complain(r, "id_base: %u sandboxes need ids up to %llu",
		    c->max_sandboxes, (unsigned long long)last_id);
	}
	if (c->default_timeout_s > c->max_timeout_h * 3600) {
		blame(r, "default_timeout_s", "max_timeout_h");
		complain(r, "default_timeout_s: %u is over max_timeout_h",
		    c->default_timeout_s);
	}
	if (strcmp(c->api_listen, c->way_in_listen) == 0) {
		blame(r, "api_listen", "way_in_listen");
		complain(r, "way_in_listen: %s is api_listen's already",
		    c->way_in_listen);
	}
	check_tls(r);
}

static void
read_lines(struct reading *r, FILE *f)
{
	char text[LINE_BYTES_MAX];

	while (fgets(text, sizeof(text), f) != NULL) {
		size_t n = strlen(text);

		r->line++;
		if (n + 1 == sizeof(text) && text[n - 1] != '\n') {
			int ch;

			complain(r, "the line is longer than %d bytes",
			    LINE_BYTES_MAX - 2);
			while ((ch = fgetc(f)) != EOF && ch != '\n')
				;
			continue;
		}
		one_line(r, text);
	}
	if (ferror(f))
		complain(r, "cannot be read: %s", strerror(errno));
}

int
conf_read(struct conf *c, const char *path, FILE *to)
{
	struct reading r = { .c = c, .path = path, .complain = to };
	FILE *f;

	conf_defaults(c);
	if (path == NULL)
		return 0;
	f = fopen(path, "re");
	if (f == NULL) {
		fprintf(
		    to, "%s: cannot be opened: %s\n", path, strerror(errno));
		return -1;
	}
	read_lines(&r, f);
	(void)fclose(f);
	if (!r.failed)
		check_together(&r);
	return r.failed ? -1 : 0;
}

int
conf_fits(struct conf *c, const char *path, FILE *to)
{
	struct reading r = { .c = c, .path = path, .complain = to };

	check_together(&r);
	return r.failed ? -1 : 0;
}

void
conf_environment(struct conf *c)
{
	static const char *const vars[][2] = {
		{ "COPPICE_API_KEYS", "api_keys" },
		{ "COPPICE_API_KEYS_FILE", "api_keys_file" },
	};

	for (size_t i = 0; i < countof(vars); i++) {
		const char *v = getenv(vars[i][0]);
		struct err e;

		if (v == NULL || *v == '\0')
			continue;
		/* Keys that do not fit must not mean "any key will do". */
		if (set(find(vars[i][1]), c, v, 0, &e) < 0) {
			fprintf(stderr, "%s: %s\n", vars[i][0], e.msg);
			exit(1);
		}
	}
}

/* --- printing -------------------------------------------------------------*/

static void
print_list(const struct row *r, const struct conf *c, FILE *to)
{
	const size_t *n = cfield(c, r->cap);
	const struct conf_prefix *p = cfield(c, r->at);
	char text[NP_PREFIX_TEXT];

	for (size_t i = 0; i < *n; i++) {
		if (i > 0)
			fputs(", ", to);
		fputs(r->kind == K_SERVERS ? c->upstream_dns[i]
					   : np_prefix_text(&p[i].prefix, text),
		    to);
	}
}

static void
print_value(const struct row *r, const struct conf *c, FILE *to)
{
	char text[NP_PREFIX_TEXT];
	const uint32_t *n = cfield(c, r->at);
	const bool *yes = cfield(c, r->at);

	switch (r->kind) {
	case K_TEXT:
	case K_WORD:
	case K_PATH:
	case K_LISTEN:
	case K_DOMAIN:
		fputs(cfield(c, r->at), to);
		break;
	case K_BOOL:
		fputs(*yes ? "yes" : "no", to);
		break;
	case K_U32:
	case K_CAP:
		fprintf(to, "%u", *n);
		break;
	case K_NET4:
	case K_NET6:
		fputs(np_prefix_text(cfield(c, r->at), text), to);
		break;
	case K_SERVERS:
	case K_PREFIXES:
		print_list(r, c, to);
		break;
	}
}

size_t
conf_nkeys(void)
{
	return countof(rows);
}

const char *
conf_key(size_t i)
{
	return rows[i].name;
}

void
conf_print_key(const struct conf *c, size_t i, FILE *to)
{
	const struct row *r = &rows[i];
	const struct conf_prefix *p = cfield(c, r->at);

	print_value(r, c, to);
	if (r->kind != K_PREFIXES)
		return;
	for (size_t k = 0; k < *(const size_t *)cfield(c, r->cap); k++)
		fprintf(to, ":%u", p[k].line);
}

int
conf_set_key(struct conf *c, size_t i, const char *value, struct err *e)
{
	return set(&rows[i], c, value, 0, e);
}

void
conf_print(const struct conf *c, FILE *to)
{
	for (size_t i = 0; i < countof(rows); i++) {
		fprintf(to, "%s = ", rows[i].name);
		print_value(&rows[i], c, to);
		fputc('\n', to);
	}
}

static const char *
kind_text(enum kind k)
{
	static const char *const text[] = {
		[K_TEXT] = "text",
		[K_WORD] = "word",
		[K_PATH] = "path",
		[K_LISTEN] = "address:port",
		[K_DOMAIN] = "domain",
		[K_BOOL] = "yes | no",
		[K_U32] = "number",
		[K_CAP] = "number",
		[K_NET4] = "IPv4 prefix",
		[K_NET6] = "IPv6 prefix",
		[K_SERVERS] = "addresses",
		[K_PREFIXES] = "prefixes",
	};

	return text[k];
}

/* mdoc wants every sentence on a line of its own. */
static void
print_help(const char *help, FILE *to)
{
	for (const char *p = help; *p != '\0'; p++) {
		fputc(*p, to);
		if (p[0] == '.' && p[1] == ' ' && p[2] == ' ') {
			fputc('\n', to);
			p += 2;
		}
	}
	fputc('\n', to);
}

void
conf_print_man(FILE *to)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const struct row *r = &rows[i];

		fprintf(to, ".It Ic %s Pq %s\n", r->name, kind_text(r->kind));
		print_help(r->help, to);
		if (r->kind == K_WORD)
			fprintf(to, "One of: %s.\n", r->words);
		if (r->kind == K_U32)
			fprintf(to, "From %u to %u.\n", r->min, r->max);
		if (r->kind == K_CAP)
			fprintf(to, "0 for no limit, or from %u to %u.\n",
			    r->min, r->max);
		if (*r->def != '\0')
			fprintf(to, "Default: %s.\n", r->def);
	}
}
