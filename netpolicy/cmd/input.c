#include "cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/own.h"
#include "json/policy_json.h"
#include "pass.h"

static int
read_stream(FILE *f, const char *name, struct buf *b, struct err *e)
{
	for (;;) {
		char *to = buf_room(b, 4096);
		size_t n;

		if (to == NULL)
			return err_set(e, ERR_TOOBIG, "%s: more than %zu bytes",
			    name, b->max);
		n = fread(to, 1, 4096, f);
		buf_added(b, n);
		if (ferror(f))
			return err_sys(e, "%s", name);
		if (n == 0)
			return 0;
	}
}

int
cmd_read_file(const char *path, struct buf *b, struct err *e)
{
	FILE *f;
	int rc;

	if (path == NULL || strcmp(path, "-") == 0)
		return read_stream(stdin, "standard input", b, e);
	f = fopen(path, "re");
	if (f == NULL)
		return err_sys(e, "%s", path);
	rc = read_stream(f, path, b, e);
	(void)fclose(f);
	return rc;
}

/* --- the policy ----------------------------------------------------------- */

static json_t *
parse_json(const char *text, size_t n, struct err *e)
{
	json_error_t je;
	json_t *v = json_loadb(text, n, JSON_DECODE_ANY, &je);

	if (v == NULL) {
		err_set(e, ERR_INVALID, "Error when parsing request: %.180s",
		    je.text);
		err_at(e, "line %d", je.line);
		return NULL;
	}
	return v;
}

/*
 * A create body holds the network object; anything else is taken for the
 * object itself, which a PUT body looks like.
 */
static int
take_body(struct cmd_input *in, struct err *e)
{
	json_t *network = json_object_get(in->body, "network");
	bool is_create =
	    network != NULL || json_object_get(in->body, "templateID") != NULL;

	in->network = is_create ? network : in->body;
	if (np_policy_from_json(in->network, is_create, &in->policy, e) < 0)
		return -1;
	return np_internet_from_json(in->body, &in->policy, e);
}

static int
read_policy(struct cmd_input *in, const char *path, struct err *e)
{
	struct buf b;
	int rc;

	buf_init(&b, CMD_FILE_MAX);
	rc = cmd_read_file(path, &b, e);
	if (rc == 0) {
		in->body = parse_json(b.len == 0 ? "" : b.data, b.len, e);
		rc = in->body == NULL ? -1 : take_body(in, e);
	}
	buf_fini(&b);
	return rc;
}

/* --- the operator's ranges ------------------------------------------------ */

static char *
trim(char *s)
{
	size_t n;

	s[strcspn(s, "#")] = '\0';
	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
	return s;
}

/* `CIDR` or `deny CIDR` closes, `allow CIDR` carves a hole. */
static int
site_line(struct np_site *s, char *line, uint32_t number, struct err *e)
{
	struct np_prefix p;
	bool carve = false;

	line = trim(line);
	if (*line == '\0')
		return 0;
	if (strncmp(line, "allow", 5) == 0 && isspace((unsigned char)line[5])) {
		carve = true;
		line = trim(line + 5);
	} else if (strncmp(line, "deny", 4) == 0 &&
		   isspace((unsigned char)line[4])) {
		line = trim(line + 4);
	}
	if (np_prefix_parse(line, &p) < 0)
		return err_set(e, ERR_INVALID,
		    "\"%.80s\" is neither an address nor a CIDR", line);
	if (carve)
		return np_site_carve(s, &p, e);
	return np_site_deny(s, &p, number, e);
}

static int
site_lines(struct np_site *s, const char *path, char *text, struct err *e)
{
	uint32_t number = 0;

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		number++;
		if (site_line(s, line, number, e) < 0)
			return err_at(e, "%s:%u", path, number);
	}
	return 0;
}

static int
read_site(struct np_site *s, const char *path, struct err *e)
{
	autofree char *text = NULL;
	struct buf b;
	int rc;

	s->file = "site";
	if (np_site_builtin(s, e) < 0)
		return -1;
	if (path == NULL)
		return 0;
	buf_init(&b, CMD_FILE_MAX);
	rc = cmd_read_file(path, &b, e);
	if (rc == 0) {
		text = strndup(b.len == 0 ? "" : b.data, b.len);
		rc = text == NULL ? err_sys(e, "%s", path)
				  : site_lines(s, path, text, e);
	}
	buf_fini(&b);
	return rc;
}

int
cmd_input_read(
    struct cmd_input *in, const char *policy, const char *site, struct err *e)
{
	*in = (struct cmd_input){ 0 };
	np_policy_init(&in->policy);
	np_site_init(&in->site);
	if (read_site(&in->site, site, e) < 0)
		return -1;
	if (read_policy(in, policy, e) < 0)
		return -1;
	return np_lower(&in->policy, &in->site, &in->ir, e);
}

void
cmd_input_fini(struct cmd_input *in)
{
	np_ir_fini(&in->ir);
	np_site_fini(&in->site);
	np_policy_fini(&in->policy);
	json_decref(in->body);
}

int
cmd_passes(const struct cmd_opts *o, struct np_ir *ir, struct err *e)
{
	if (!o->no_merge && np_pass_merge(ir, e) < 0)
		return -1;
	if (!o->no_shadow && np_pass_shadow(ir, e) < 0)
		return -1;
	return 0;
}
