/* Which sandbox a request is for, and what may not pass. */
#include "proxy/target.h"

#include <string.h>

#include "../t.h"

static struct text
t(const char *s)
{
	return (struct text){ s, s == NULL ? 0 : strlen(s) };
}

static void
goes(const char *host, const char *id, const char *port, const char *want_id,
    unsigned want_port)
{
	struct target out = { .id = "" };
	const char *wrong = target_find(t(host), t(id), t(port), &out);

	if (wrong != NULL)
		printf("# %s: %s\n", host, wrong);
	CHECK(wrong == NULL);
	CHECK(strcmp(out.id, want_id) == 0 && out.port == want_port);
}

static void
fails(const char *host, const char *id, const char *port)
{
	struct target out;

	if (target_find(t(host), t(id), t(port), &out) == NULL)
		printf("# %s passes\n", host);
	CHECK(target_find(t(host), t(id), t(port), &out) != NULL);
}

static void
hosts(void)
{
	goes("49983-iabc.e2b.app", NULL, NULL, "iabc", 49983);
	goes("80-iabc-x-y.e2b.app:3002", NULL, NULL, "iabc", 80);
	goes("65535-0.a", NULL, NULL, "0", 65535);
	fails("iabc.e2b.app", NULL, NULL);
	fails("80-iabc", NULL, NULL); /* no dot */
	fails("0-iabc.e2b.app", NULL, NULL);
	fails("65536-iabc.e2b.app", NULL, NULL);
	fails("4294967376-iabc.e2b.app", NULL, NULL);
	fails("-iabc.e2b.app", NULL, NULL);
	fails("80-.e2b.app", NULL, NULL);
	fails("80-iABC.e2b.app", NULL, NULL);
	fails("80-i_bc.e2b.app", NULL, NULL);
	fails("+80-iabc.e2b.app", NULL, NULL);
	fails("80-012345678901234567890123456789012.x", NULL, NULL);
	fails("", NULL, NULL);
	fails(NULL, NULL, NULL);
	fails(".", NULL, NULL);
	fails("localhost", NULL, NULL);
	fails("[::1", NULL, NULL);
}

static void
headers(void)
{
	goes("localhost", "iabc", "8080", "iabc", 8080);
	goes("LocalHost:3002", "iabc", "8080", "iabc", 8080);
	goes("127.0.0.1:3002", "iabc", "8080", "iabc", 8080);
	goes("[::1]:3002", "iabc", "8080", "iabc", 8080);
	goes("[::1]", "iabc", "8080", "iabc", 8080);
	goes("sandbox.example.com", "iabc", "8080", "iabc", 8080);
	/* Another host's headers do not count. */
	goes("80-iabc.example.com", "iother", "81", "iabc", 80);
	fails("example.com", "iabc", "80");
	fails("sandbox", "iabc", "80");
	fails("xsandbox.example.com", "iabc", "80");
	fails("localhost.example.com", "iabc", "80");
	fails("localhost", "iabc", NULL);
	fails("localhost", NULL, "80");
	fails("localhost", "", "80");
	fails("localhost", "iabc", "");
	fails("localhost", "iabc", "80 ");
	fails("localhost", "../x", "80");
}

static void
paths(void)
{
	static const char *const closed[] = { "/init", "//init", "/init/",
		"/init//", "/init?x=1", "/./init", "/a/../init", "/../init",
		"/%69nit", "/%2Finit", "/init%2f", "/a%2f..%2finit", "/freeze",
		"/unfreeze", "/collapse", "/fsfreeze", "/fsthaw", "/upgrade",
		"http://host/init", "http://host//init/?a", "/init/.",
		"/init#x", "///.//x/..//init", "/start", "/logs",
		"/logs?after=1", "/START/", "/lOgS", "/Init", "/%2569nit",
		"/%252e%252e/init", "/%2e%2e/init", "/x/%2E%2e%2Finit",
		"/in%69t/%2e", "/init%3f", "/init%00", "/init;v=1", "/init%3Bv",
		"\\init", "/x\\..\\logs", "/%5cstart", "/%252525252569",
		"HTTP://host/logs", "ws://a@b:1//start" };
	static const char *const open[] = { "/", "/health", "/init2", "/x/init",
		"/init/x", "*", "http://host", "http://init", "http://a?/init",
		"/starts", "/log", "/init%", "/initi", "/logs/x", "/;/init",
		"/%25zz", "/100%25%2525", "/process.Process/StartX",
		"/files?path=/init", "/process.Process/Start", "/init%", "/%zz",
		"" };
	char longer[4096];

	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		if (!target_forbidden(closed[i], strlen(closed[i])))
			printf("# %s is open\n", closed[i]);
		CHECK(target_forbidden(closed[i], strlen(closed[i])));
	}
	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		if (target_forbidden(open[i], strlen(open[i])))
			printf("# %s is closed\n", open[i]);
		CHECK(!target_forbidden(open[i], strlen(open[i])));
	}
	/* Nothing hides behind the end of a buffer. */
	memset(longer, '/', sizeof(longer));
	memcpy(longer + sizeof(longer) - 4, "init", 4);
	CHECK(target_forbidden(longer, sizeof(longer)));
	CHECK(!target_forbidden("/files?path=", 12));
}

/* What is judged is what is passed on. */
static void
origin(void)
{
	static const char *const forms[][2] = { { "/x?y", "/x?y" },
		{ "*", "*" }, { "", "" }, { "http://h/x", "/x" },
		{ "http://h", "/" }, { "http://h?x://y/init", "?x://y/init" },
		{ "http://h:1//x", "//x" }, { "h/x", "h/x" },
		{ "/x://y/z", "/x://y/z" } };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct text got = target_origin(t(forms[i][0]));

		CHECK(got.n == strlen(forms[i][1]) &&
		      memcmp(got.p, forms[i][1], got.n) == 0);
	}
}

static bool
html(const char *agent, const char *accept, const char *mode, const char *with)
{
	return target_wants_html(t(agent), t(accept), t(mode), t(with));
}

static void
browsers(void)
{
	static const char fox[] = "Mozilla/5.0 (X11) Gecko Firefox/130";

	CHECK(html(fox, NULL, NULL, NULL));
	CHECK(html(fox, "text/html,application/json", NULL, NULL));
	CHECK(html(fox, "application/json", "navigate", "x"));
	CHECK(!html(fox, "application/json", NULL, NULL));
	CHECK(!html(fox, NULL, "cors", NULL));
	CHECK(!html(fox, NULL, "websocket", NULL));
	CHECK(!html(fox, NULL, NULL, "XMLHttpRequest"));
	CHECK(!html("python-httpx/0.27", "text/html", NULL, NULL));
	CHECK(!html("curl/8", NULL, "navigate", NULL));
	CHECK(!html(NULL, NULL, NULL, NULL));
}

int
main(void)
{
	hosts();
	headers();
	paths();
	origin();
	browsers();
	return t_end();
}
