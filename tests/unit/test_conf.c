/* coppiced.conf: defaults, every kind of value, every error with its line. */
#include "io/conf.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../t.h"
#include "io/place.h"

static struct conf c;

/* Reads `text` as a file; what was complained about is in *said. */
static int
feed(const char *text, char **said)
{
	char path[] = "/tmp/test_conf.XXXXXX", from[64];
	int fd = mkstemp(path), rc;
	size_t n;
	FILE *f;
	char *p;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	(void)close(fd);
	f = open_memstream(said, &n);
	rc = conf_read(&c, path, f);
	(void)fclose(f);
	(void)unlink(path);
	/* The name of the file is another each time. */
	(void)snprintf(from, sizeof(from), "%s:", path);
	while ((p = strstr(*said, from)) != NULL)
		memmove(p, p + strlen(from), strlen(p + strlen(from)) + 1);
	return rc;
}

static void
reads(const char *text)
{
	char *said;

	CHECK(feed(text, &said) == 0);
	if (*said != '\0')
		printf("# %s", said);
	CHECK(*said == '\0');
	free(said);
}

static void
refuses(const char *text, const char *want)
{
	char *said;

	CHECK(feed(text, &said) == -1);
	if (strcmp(said, want) != 0)
		printf("# said \"%s\", not \"%s\"\n", said, want);
	CHECK(strcmp(said, want) == 0);
	free(said);
}

static char *
printed(void)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	conf_print(&c, f);
	(void)fclose(f);
	return text;
}

static void
defaults(void)
{
	CHECK(conf_read(&c, NULL, stderr) == 0);
	CHECK(strcmp(c.api_listen, "127.0.0.1:3000") == 0);
	CHECK(strcmp(c.way_in_listen, "127.0.0.1:3002") == 0);
	CHECK(strcmp(c.state_dir, place_state) == 0);
	CHECK(c.net4.addr == 0x0a4e0000 && c.net4.len == 16);
	CHECK(c.net6.family == NP_V6 && c.net6.len == 64);
	CHECK(!c.ipv6 && c.resolver_port == 5300 && c.nsite_deny == 0);
	CHECK(c.default_timeout_s == 300 && c.max_timeout_h == 24);
	CHECK(c.max_sandboxes >= 1 && c.max_sandboxes <= 16383);
	CHECK(c.api_keys[0] == '\0' && c.domain[0] == '\0');
	reads("");
	reads("# nothing\n\n   \n\t# at all");
}

static void
values(void)
{
	reads("api_listen = [::1]:80 # comment\n"
	      "domain=sb.example.com\r\n"
	      "  ipv6 =yes\n"
	      "api_keys = e2b_a#b,e2b_c\n"
	      "net4 = 192.168.7.9/20\n"
	      "max_sandboxes = 2000\n"
	      "site_deny = 10.0.0.0/8, 2001:db8::/32\n"
	      "site_deny = 192.0.2.1\n"
	      "upstream_dns = 9.9.9.9 [2620:fe::fe]:5353 1.1.1.1:53\n");
	CHECK(strcmp(c.api_listen, "[::1]:80") == 0);
	CHECK(strcmp(c.domain, "sb.example.com") == 0 && c.ipv6);
	CHECK(strcmp(c.api_keys, "e2b_a#b,e2b_c") == 0);
	CHECK(c.net4.addr == 0xc0a80000 && c.net4.len == 20);
	CHECK(c.nsite_deny == 3 && c.site_deny[1].prefix.family == NP_V6);
	CHECK(c.site_deny[0].line == 7 && c.site_deny[2].line == 8);
	CHECK(c.site_deny[2].prefix.len == 32);
	CHECK(c.nupstream_dns == 3);
	CHECK(strcmp(c.upstream_dns[1], "[2620:fe::fe]:5353") == 0);
	reads("max_flows = 1\nmax_packets_per_s = 100\nmax_egress_mbit = 0\n");
	CHECK(c.max_flows == 1 && c.max_packets_per_s == 100);
	CHECK(c.max_egress_mbit == 0 && c.max_ingress_mbit == 0);
}

static void
errors(void)
{
	refuses("api_listen = 127.0.0.1\n"
		"nonsense\n"
		"colour = red\n"
		"site_deny = 10.0.0.0/33\n"
		"ipv6 = maybe\n",
	    "1: api_listen: \"127.0.0.1\" is not ADDRESS:PORT\n"
	    "2: \"nonsense\": key = value is expected\n"
	    "3: colour: there is no such key\n"
	    "4: site_deny: \"10.0.0.0/33\": the prefix length is 0 to 32\n"
	    "5: ipv6: \"maybe\" is neither yes nor no\n");
	refuses("api_listen = ::1:80\n",
	    "1: api_listen: \"::1:80\": put an IPv6 address in brackets\n");
	refuses("api_listen = 127.0.0.1:0\n",
	    "1: api_listen: \"0\" is not a port (1 to 65535)\n");
	refuses("api_listen = host:80\n",
	    "1: api_listen: \"host\" is not an address\n");
	refuses(
	    "ipv6 = yes\n\nipv6 = no\n", "3: ipv6: given in line 1 already\n");
	refuses("resolver_port = 70000\n",
	    "1: resolver_port: 70000 is not between 1 and 65535\n");
	refuses("resolver_port = 5k\n",
	    "1: resolver_port: \"5k\" is not a whole number\n");
	refuses("resolver_port = 99999999999999999999999\n",
	    "1: resolver_port: 99999999999999999999999 is not between 1 and "
	    "65535\n");
	refuses("max_packets_per_s = 99\n",
	    "1: max_packets_per_s: 99 is not between 100 and 10000000\n");
	refuses(
	    "max_flows = 0\n", "1: max_flows: 0 is not between 1 and 65535\n");
	refuses("max_egress_mbit = 100001\nmax_ingress_mbit = -1\n",
	    "1: max_egress_mbit: 100001 is not between 1 and 100000\n"
	    "2: max_ingress_mbit: \"-1\" is not a whole number\n");
	refuses("disk_backend = ext4\n",
	    "1: disk_backend: \"ext4\" is none of: auto btrfs image zfs "
	    "copy\n");
	refuses("disk_backend = \n",
	    "1: disk_backend: \"\" is none of: auto btrfs image zfs copy\n");
	refuses("state_dir = var\n",
	    "1: state_dir: \"var\" is not an absolute path\n");
	refuses("state_dir =\n", "1: state_dir: a path is needed\n");
	refuses("net4 = fd77::/64\n",
	    "1: net4: \"fd77::/64\" is not an IPv4 network\n");
	refuses("domain = Example.com\n",
	    "1: domain: \"Example.com\" is not a domain name in small "
	    "letters\n");
	refuses("\nnet4 = 10.0.0.0/24\n",
	    "2: max_sandboxes: 4096 do not fit into net4 (127 do)\n");
	refuses("id_base = 100000\n",
	    "1: id_base: 100000 is no multiple of 65536\n");
	refuses("way_in_listen = 127.0.0.1:3000\n",
	    "1: way_in_listen: 127.0.0.1:3000 is api_listen's already\n");
}

static void
limits(void)
{
	char *text = malloc(65536), *said;
	size_t n = 0;

	for (int i = 0; i < CONF_LIST_MAX; i++)
		n += (size_t)sprintf(text + n, "site_deny = 192.0.2.%d\n", i);
	CHECK(feed(text, &said) == 0 && c.nsite_deny == CONF_LIST_MAX);
	free(said);
	(void)sprintf(text + n, "site_deny = 192.0.2.255\n");
	refuses(text, "65: site_deny: more than 64 entries\n");

	memset(text, 'x', 5000);
	(void)sprintf(text + 5000, "\nipv6 = perhaps\n");
	refuses(text, "1: the line is longer than 4094 bytes\n"
		      "2: ipv6: \"perhaps\" is neither yes nor no\n");
	(void)sprintf(text, "state_dir = /%0300d\n", 7);
	refuses(text, "1: state_dir: 301 bytes, and 255 is the most\n");
	free(text);
}

/* What is printed reads back, and prints the same again. */
static void
round_trip(const char *text)
{
	char *first, *second;

	reads(text);
	first = printed();
	reads(first);
	second = printed();
	CHECK(strcmp(first, second) == 0);
	free(first);
	free(second);
}

static void
environment(void)
{
	CHECK(conf_read(&c, NULL, stderr) == 0);
	CHECK(setenv("COPPICE_API_KEYS", "e2b_x,e2b_y", 1) == 0);
	CHECK(setenv("COPPICE_API_KEYS_FILE", "/etc/keys", 1) == 0);
	conf_environment(&c);
	CHECK(strcmp(c.api_keys, "e2b_x,e2b_y") == 0);
	CHECK(strcmp(c.api_keys_file, "/etc/keys") == 0);
}

/* All that changes from a to b, as "key key | key | key". */
static void
change(const char *a, const char *b, const char *want)
{
	static struct conf was;
	char text[512] = "";
	const char *key;

	reads(a);
	was = c;
	reads(b);
	for (int w = CONF_AT_ONCE; w <= CONF_NEVER; w++) {
		size_t at = 0;

		if (w > 0)
			(void)strcat(text, "| ");
		while ((key = conf_change(&was, &c, (enum conf_when)w, &at)) !=
		       NULL)
			(void)strcat(strcat(text, key), " ");
	}
	if (strcmp(text, want) != 0)
		printf("# changed: \"%s\", not \"%s\"\n", text, want);
	CHECK(strcmp(text, want) == 0);
}

static void
changes(void)
{
	char *text;
	struct err e;

	change("", "", "| | ");
	change("", "site_deny = 192.0.2.1\n", "site_deny | | ");
	change("site_deny = 192.0.2.1, 192.0.2.2\n",
	    "site_deny = 192.0.2.1\nsite_deny = 192.0.2.2\n", "site_deny | | ");
	change("\nsite_allow = fd00::/8\n", "site_allow = fd00::/8\n",
	    "site_allow | | ");
	change("pool_slots = 4\napi_keys = a\nupstream_dns = 9.9.9.9\n",
	    "net4 = 10.1.0.0/16\nipv6 = yes\nstate_dir = /a\n",
	    "| upstream_dns pool_slots api_keys | state_dir net4 ipv6 ");
	change("api_listen = 127.0.0.1:1\nway_in_listen = 127.0.0.1:2\n",
	    "net6 = fd78::/64\nresolver_port = 5\nid_base = 65536\n",
	    "| | api_listen way_in_listen net6 resolver_port id_base ");

	change("tls_cert = /a\ntls_key = /b\n",
	    "tls_listen = 127.0.0.1:443\ntls_cert = /c\ntls_key = /d\n"
	    "access_log = yes\n",
	    "tls_cert tls_key access_log | | tls_listen ");

	reads("net4 = 10.1.0.0/16\nipv6 = yes\n");
	text = conf_key_text(&c, "net4");
	CHECK(text != NULL);
	if (text == NULL)
		return;
	CHECK(strcmp(text, "net4=10.1.0.0/16") == 0);
	reads("net4 = 10.2.0.0/16\nipv6 = yes\n");
	CHECK(conf_keep(&c, text, &e) == 0);
	CHECK(c.net4.addr == 0x0a010000 && c.ipv6);
	free(text);
	CHECK(conf_keep(&c, "pool_slots=5", &e) == -1);
	CHECK(conf_keep(&c, "net=5", &e) == -1);
	CHECK(conf_keep(&c, "net4", &e) == -1);
	CHECK(conf_keep(&c, "net4=fd77::/64", &e) == -1);
	reads("max_sandboxes = 2000\n");
	CHECK(conf_keep(&c, "net4=10.0.0.0/24", &e) == 0);
	CHECK(conf_fits(&c, "x", fopen("/dev/null", "w")) == -1);
}

/* The table that the program prints; on every system as if on Linux. */
static char *
table(void)
{
	static const char page_has[] = "/var/lib/coppice";
	char *rows, *at;
	size_t n;
	FILE *f = open_memstream(&rows, &n);

	conf_print_man(f);
	(void)fclose(f);
	f = open_memstream(&at, &n);
	for (char *p = rows, *next; *p != '\0'; p = next) {
		size_t len = strlen(place_state);

		next = p + 1;
		if (strncmp(p, place_state, len) == 0) {
			(void)fputs(page_has, f);
			next = p + len;
		} else {
			(void)fputc(*p, f);
		}
	}
	(void)fclose(f);
	free(rows);
	return at;
}

/* The manual page has it. */
static void
manual(void)
{
	FILE *page = fopen("docs/man/coppiced.conf.5", "re");
	char *rows = table(), *text = calloc(1, 65536);

	CHECK(page != NULL);
	if (page != NULL) {
		CHECK(fread(text, 1, 65535, page) > strlen(rows));
		CHECK(strstr(text, rows) != NULL);
		(void)fclose(page);
	}
	free(rows);
	free(text);
}

int
main(void)
{
	manual();
	defaults();
	values();
	errors();
	limits();
	round_trip("");
	round_trip("ipv6 = yes\nsite_allow = 10.1.0.0/16,fd00::/8\n"
		   "upstream_dns = 9.9.9.9:5353\nlog_level = debug\n"
		   "api_keys = e2b_00\nmax_sandboxes = 16383\n");
	changes();
	environment();
	CHECK(conf_read(&c, "/nonexistent/x", fopen("/dev/null", "w")) == -1);
	return t_end();
}
