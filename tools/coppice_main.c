/* coppice - the operator's command. */
#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "tools/coppice_int.h"

static int
usage(void)
{
	fputs("usage: coppice list [--json]\n"
	      "       coppice inspect ID ...\n"
	      "       coppice kill ID ... | --all\n"
	      "       coppice status [-f FILE]\n"
	      "       coppice pool [warm|drain] ...\n"
	      "       coppice net VERB ...\n"
	      "       coppice doctor\n"
	      "       coppice reload [-f FILE]\n"
	      "       coppice version\n",
	    stderr);
	return 2;
}

int
coppice_complain(const char *what, long status, const json_t *body)
{
	if (status != 0)
		fprintf(stderr, "coppice: %s: %ld %s\n", what, status,
		    body == NULL ? "" : coppice_text(body, "message"));
	return 1;
}

/* All pages in one array, the caller's; NULL after a complaint. */
static json_t *
fetch_all(void)
{
	json_t *all = json_array(), *page;
	char next[1024] = "", path[2048];

	do {
		long status;
		char *esc = curl_easy_escape(NULL, next, 0);

		(void)snprintf(path, sizeof(path),
		    "/v2/sandboxes?limit=100%s%s",
		    *next != '\0' ? "&nextToken=" : "", esc == NULL ? "" : esc);
		curl_free(esc);
		status = api_call("GET", path, &page, next);
		if (status != 200 || json_array_extend(all, page) < 0) {
			(void)coppice_complain("list", status, page);
			json_decref(page);
			json_decref(all);
			return NULL;
		}
		json_decref(page);
	} while (*next != '\0');
	return all;
}

static void
print_row(const json_t *o)
{
	printf("%-22s %-20s %-8s %-20.19s %-20.19s %3lld %6lld %6lld\n",
	    coppice_text(o, "sandboxID"),
	    json_is_string(json_object_get(o, "alias"))
		? coppice_text(o, "alias")
		: coppice_text(o, "templateID"),
	    coppice_text(o, "state"), coppice_text(o, "startedAt"),
	    coppice_text(o, "endAt"), coppice_number(o, "cpuCount"),
	    coppice_number(o, "memoryMB"), coppice_number(o, "diskSizeMB"));
}

static int
cmd_list(int argc, char **argv)
{
	bool json = argc == 1 && strcmp(argv[0], "--json") == 0;
	json_t *all, *o;
	size_t i;

	if (argc > (json ? 1 : 0))
		return usage();
	all = fetch_all();
	if (all == NULL)
		return 1;
	if (json) {
		(void)json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		printf("%-22s %-20s %-8s %-20s %-20s %3s %6s %6s\n", "SANDBOX",
		    "TEMPLATE", "STATE", "STARTED", "ENDS", "CPU", "MEM",
		    "DISK");
		json_array_foreach (all, i, o)
			print_row(o);
	}
	json_decref(all);
	return 0;
}

bool
coppice_is_id(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789");

	if (n > 0 && n < 32 && s[n] == '\0')
		return true;
	fprintf(stderr, "coppice: \"%.60s\" is not a sandbox id\n", s);
	return false;
}

static int
inspect_one(const char *id)
{
	char path[128];
	json_t *body;
	long status;
	int rc = 0;

	if (!coppice_is_id(id))
		return 1;
	(void)snprintf(path, sizeof(path), "/sandboxes/%s", id);
	status = api_call("GET", path, &body, NULL);
	if (status == 200) {
		(void)json_dumpf(body, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		rc = coppice_complain(id, status, body);
	}
	json_decref(body);
	return rc;
}

static int
kill_one(const char *id)
{
	char path[128];
	json_t *body;
	long status;
	int rc = 0;

	if (!coppice_is_id(id))
		return 1;
	(void)snprintf(path, sizeof(path), "/sandboxes/%s", id);
	status = api_call("DELETE", path, &body, NULL);
	if (status == 204)
		printf("%s killed\n", id);
	else
		rc = coppice_complain(id, status, body);
	json_decref(body);
	return rc;
}

static int
cmd_inspect(int argc, char **argv)
{
	int rc = 0;

	if (argc < 1)
		return usage();
	for (int i = 0; i < argc; i++)
		rc |= inspect_one(argv[i]);
	return rc;
}

static int
cmd_kill(int argc, char **argv)
{
	json_t *all, *o;
	size_t at;
	int rc = 0;

	if (argc < 1)
		return usage();
	if (strcmp(argv[0], "--all") != 0) {
		for (int i = 0; i < argc; i++)
			rc |= kill_one(argv[i]);
		return rc;
	}
	all = fetch_all();
	if (all == NULL)
		return 1;
	json_array_foreach (all, at, o)
		rc |= kill_one(coppice_text(o, "sandboxID"));
	json_decref(all);
	return rc;
}

static int
cmd_status(int argc, char **argv)
{
	const char *conf = NULL;
	size_t i, running = 0;
	json_t *body, *all, *o;
	long status;

	if (argc == 2 && strcmp(argv[0], "-f") == 0)
		conf = argv[1];
	else if (argc != 0)
		return usage();
	status = api_call("GET", "/health", &body, NULL);
	json_decref(body);
	if (status == 0)
		return 1;
	printf("api        %s, health %ld\n", api_url(), status);
	all = fetch_all();
	if (all == NULL)
		return 1;
	json_array_foreach (all, i, o)
		running += strcmp(coppice_text(o, "state"), "running") == 0;
	printf("sandboxes  %zu running, %zu paused\n", running,
	    json_array_size(all) - running);
	json_decref(all);
	print_lost(conf);
	puts("processes");
	print_processes();
	return status == 200 ? 0 : 1;
}

static int
cmd_doctor(int argc, char **argv)
{
	(void)argv;
	return argc == 0 ? doctor() : usage();
}

static int
cmd_reload(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "-f") == 0)
		return reload(argv[1]);
	return argc == 0 ? reload(NULL) : usage();
}

static int
cmd_version(int argc, char **argv)
{
	(void)argv;
	if (argc != 0)
		return usage();
	puts("coppice " COP_VERSION);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "list", cmd_list },
	{ "inspect", cmd_inspect },
	{ "kill", cmd_kill },
	{ "status", cmd_status },
	{ "pool", cmd_pool },
	{ "net", cmd_net },
	{ "doctor", cmd_doctor },
	{ "reload", cmd_reload },
	{ "version", cmd_version },
	{ "--version", cmd_version },
};

int
main(int argc, char **argv)
{
	if (argc < 2)
		return usage();
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	for (size_t i = 0; i < countof(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 2, argv + 2);
	fprintf(stderr, "coppice: %s: there is no such command\n", argv[1]);
	return usage();
}
