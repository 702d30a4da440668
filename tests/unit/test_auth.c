/* Keys in all their spellings, and who counts as this machine. */
#include "ctl/api/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/t.h"

static void
keys(void)
{
	struct auth a;
	struct err e;

	CHECK(auth_load(&a, "", "", &e) == 0 && a.n == 0);
	CHECK(auth_check(&a, "anything", NULL, &e) == 0);
	CHECK(auth_check(&a, NULL, "Bearer x", &e) == 0);
	CHECK(auth_check(&a, NULL, NULL, &e) < 0 && e.kind == ERR_AUTH);
	CHECK(auth_check(&a, "", NULL, &e) < 0);
	CHECK(auth_check(&a, NULL, "Bearer ", &e) < 0);
	CHECK(auth_check(&a, NULL, "Basic eDp5", &e) < 0);
	auth_fini(&a);

	CHECK(auth_load(&a, "e2b_aa, e2b_bb ,,", "", &e) == 0 && a.n == 2);
	CHECK(auth_known(&a, "e2b_aa") && auth_known(&a, "e2b_bb"));
	CHECK(!auth_known(&a, "e2b_a") && !auth_known(&a, "e2b_aa "));
	CHECK(!auth_known(&a, "") && !auth_known(&a, "E2B_AA"));
	CHECK(auth_check(&a, "e2b_bb", NULL, &e) == 0);
	CHECK(auth_check(&a, NULL, "bearer e2b_bb", &e) == 0);
	/* One that validates is enough. */
	CHECK(auth_check(&a, "wrong", "Bearer e2b_aa", &e) == 0);
	CHECK(auth_check(&a, "wrong", NULL, &e) < 0 && e.kind == ERR_AUTH);
	/* The key itself is kept nowhere. */
	CHECK(memmem(a.hash, a.n * sizeof(a.hash[0]), "e2b_", 4) == NULL);
	auth_fini(&a);
}

static void
files(void)
{
	char path[] = "/tmp/cop-keys-XXXXXX";
	int fd = mkstemp(path);
	static const char text[] = "# ours\n\n  e2b_one  \ne2b_two";
	struct auth a;
	struct err e;

	CHECK(fd >= 0 && write(fd, text, sizeof(text) - 1) > 0);
	CHECK(auth_load(&a, "", path, &e) == 0 && a.n == 2);
	CHECK(auth_known(&a, "e2b_one") && auth_known(&a, "e2b_two"));
	auth_fini(&a);
	CHECK(ftruncate(fd, 0) == 0);
	CHECK(auth_load(&a, "", path, &e) < 0); /* it would open the door */
	auth_fini(&a);
	(void)close(fd);
	(void)unlink(path);
	CHECK(auth_load(&a, "", path, &e) < 0);
	CHECK(strstr(e.msg, path) != NULL);
	auth_fini(&a);
}

static void
hosts(void)
{
	CHECK(auth_host_is_local("localhost", ""));
	CHECK(auth_host_is_local("LOCALHOST:3000", ""));
	CHECK(auth_host_is_local("127.0.0.1:3000", ""));
	CHECK(auth_host_is_local("[::1]:3000", ""));
	CHECK(auth_host_is_local("[::1]", ""));
	CHECK(!auth_host_is_local("[::1]x", ""));
	CHECK(!auth_host_is_local("[::2]", ""));
	CHECK(!auth_host_is_local(NULL, ""));
	CHECK(!auth_host_is_local("", ""));
	CHECK(!auth_host_is_local("localhost.evil.example", ""));
	CHECK(!auth_host_is_local("evil.example", "box.example"));
	CHECK(auth_host_is_local("api.box.example:80", "box.example"));
	CHECK(!auth_host_is_local("box.example", "box.example"));
	CHECK(!auth_host_is_local("api.", ""));
}

int
main(void)
{
	keys();
	files();
	hosts();
	return t_end();
}
