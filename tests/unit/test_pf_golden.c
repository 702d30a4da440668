/*
 * Every golden case that has pf text: the text as it is filed, in the model,
 * against np_judge() at the edges of every rule of the case.
 */
#include <dirent.h>
#include <getopt.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "test_pf_world.h"

enum { PATH = 512, EDGES = 4 };

static unsigned cases;

struct args {
	uint32_t slot;
	bool v6;
	char site[PATH];
};

static void
file_name(char to[PATH], const char *dir, const char *name)
{
	(void)snprintf(to, PATH, "tests/golden/%.200s/%s", dir, name);
}

/* The words of args.txt that change what is judged. */
static void
read_args(const char *dir, struct args *a)
{
	char path[PATH], word[64];
	FILE *f;

	*a = (struct args){ .slot = 1, .v6 = true };
	file_name(path, dir, "site.txt");
	if (access(path, R_OK) == 0)
		memcpy(a->site, path, sizeof(a->site));
	file_name(path, dir, "args.txt");
	f = fopen(path, "re");
	while (f != NULL && fscanf(f, "%63s", word) == 1) {
		if (strcmp(word, "--no-v6") == 0)
			a->v6 = false;
		if (strcmp(word, "--slot") == 0)
			CHECK(fscanf(f, "%u", &a->slot) == 1);
	}
	if (f != NULL)
		(void)fclose(f);
}

static int
load_file(struct world *w, const char *path, struct err *e)
{
	static char text[1 << 20];
	char name[PF_ANCHOR_NAME];
	struct pfm_text t = { pf_anchor_name(w->slot.slot, name), text, 0 };
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return err_sys(e, "%s", path);
	t.len = fread(text, 1, sizeof(text), f);
	(void)fclose(f);
	if (t.len == 0 || t.len == sizeof(text))
		return err_set(e, ERR_INVALID, "%s: no text", path);
	return pf_model_load(w->m, &t, e);
}

static void
check_flow(
    const struct world *w, const struct np_ir *ir, const struct np_flow *f)
{
	struct pfm_packet p = w_packet(w, f, 40000);
	bool want = np_judge(ir, f)->verdict == NP_PASS &&
		    !w_is_own(w, f->to) &&
		    (w->conf.v6 || f->to.family == NP_V4);
	struct pfm_judged j;

	pf_model_judge(w->m, &p, &j);
	CHECK(j.pass == (w_asks_names(w, f) || want));
}

static void
check_edges(const struct world *w, const struct np_ir *ir)
{
	for (size_t i = 0; i < ir->n; i++) {
		const struct np_rule *r = &ir->v[i];
		np_u128 at[EDGES] = { r->to.lo, r->to.hi, r->to.lo - 1,
			r->to.hi + 1 };

		for (int k = 0; k < EDGES; k++) {
			struct np_flow f = { { at[k] & np_last(r->family),
						 r->family },
				(uint16_t)(r->port_lo + k - 1),
				r->proto == 0 ? IPPROTO_UDP : r->proto };

			check_flow(w, ir, &f);
			f.port = 443;
			f.proto = k & 1 ? IPPROTO_TCP : 47;
			check_flow(w, ir, &f);
		}
	}
}

static void
one_case(const char *dir)
{
	char pf[PATH], request[PATH];
	struct cmd_input in;
	struct err e = { 0 };
	struct args a;
	struct world w;

	file_name(pf, dir, "pf.txt");
	file_name(request, dir, "request.json");
	if (access(pf, R_OK) < 0)
		return;
	cases++;
	read_args(dir, &a);
	CHECK(cmd_input_read(
		  &in, request, a.site[0] == '\0' ? NULL : a.site, &e) == 0);
	CHECK(w_open(&w, a.slot, 15, a.v6, NULL, &e) == 0);
	CHECK(load_file(&w, pf, &e) == 0);
	if (e.msg[0] != '\0')
		printf("# %s: %s at %s\n", dir, e.msg, e.where);
	else
		check_edges(&w, &in.ir);
	if (t_failed > 0)
		printf("# in %s\n", dir);
	w_close(&w);
	cmd_input_fini(&in);
}

int
main(void)
{
	DIR *d = opendir("tests/golden");
	const struct dirent *x;

	CHECK(d != NULL);
	while (d != NULL && t_failed == 0 && (x = readdir(d)) != NULL)
		if (x->d_name[0] != '.')
			one_case(x->d_name);
	if (d != NULL)
		(void)closedir(d);
	CHECK(cases > 25);
	return t_end();
}
