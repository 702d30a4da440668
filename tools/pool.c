/* pool.c - coppice pool [warm|drain]: sandboxes kept ready. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "tools/coppice_int.h"

static int
usage(void)
{
	fputs("usage: coppice pool [--json]\n"
	      "       coppice pool warm TEMPLATE COUNT\n"
	      "       coppice pool drain TEMPLATE\n",
	    stderr);
	return 2;
}

static void
print_head(void)
{
	printf("%-22s %-20s %6s %8s %7s %6s\n", "TEMPLATE", "ID", "READY",
	    "WARMING", "TARGET", "IN USE");
}

static void
print_row(const json_t *o)
{
	printf("%-22s %-20s %6lld %8lld %7lld %6lld\n",
	    coppice_text(o, "template"), coppice_text(o, "templateID"),
	    coppice_number(o, "ready"), coppice_number(o, "warming"),
	    coppice_number(o, "target"), coppice_number(o, "inUse"));
}

static int
show(bool json)
{
	json_t *all, *o;
	long status = api_call("GET", "/pool", &all, NULL);
	int rc = 0;
	size_t i;

	if (status != 200) {
		rc = coppice_complain("pool", status, all);
	} else if (json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_head();
		json_array_foreach (all, i, o)
			print_row(o);
	}
	json_decref(all);
	return rc;
}

/* The path of a verb about a template; complains where that is no name. */
static int
path_of(const char *template, const char *verb, char to[512])
{
	char *esc = curl_easy_escape(NULL, template, 0);
	int n = -1;

	if (esc != NULL && *esc != '\0')
		n = snprintf(to, 512, "/pool/%s/%s", esc, verb);
	curl_free(esc);
	if (n > 0 && n < 512)
		return 0;
	fprintf(stderr, "coppice: \"%.60s\" is not a template\n", template);
	return -1;
}

static int
warm(const char *template, const char *count)
{
	char path[512], body[64];
	json_t *said;
	long status;
	char *end;
	long n = strtol(count, &end, 10);
	int rc = 0;

	if (*count == '\0' || *end != '\0') {
		fprintf(stderr, "coppice: \"%.40s\" is not a number\n", count);
		return 2;
	}
	if (path_of(template, "warm", path) < 0)
		return 1;
	(void)snprintf(body, sizeof(body), "{\"count\":%ld}", n);
	status = api_send("POST", path, body, &said);
	if (status == 202) {
		print_head();
		print_row(said);
	} else {
		rc = coppice_complain(template, status, said);
	}
	json_decref(said);
	return rc;
}

static int
drain(const char *template)
{
	char path[512];
	json_t *said;
	long status;
	int rc = 0;

	if (path_of(template, "drain", path) < 0)
		return 1;
	status = api_send("POST", path, NULL, &said);
	if (status == 200)
		printf("%s: %lld drained\n", coppice_text(said, "template"),
		    coppice_number(said, "drained"));
	else
		rc = coppice_complain(template, status, said);
	json_decref(said);
	return rc;
}

int
cmd_pool(int argc, char **argv)
{
	if (argc == 0)
		return show(false);
	if (argc == 1 && strcmp(argv[0], "--json") == 0)
		return show(true);
	if (argc == 3 && strcmp(argv[0], "warm") == 0)
		return warm(argv[1], argv[2]);
	if (argc == 2 && strcmp(argv[0], "drain") == 0)
		return drain(argv[1]);
	return usage();
}
