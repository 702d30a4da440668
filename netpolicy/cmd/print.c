#include "cmd/cmd.h"

#include <stdlib.h>

#include "base/own.h"

const char *
cmd_clean(char *text)
{
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return text;
}

static int
flushed(struct err *e)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_sys(e, "standard output");
	return 0;
}

int
cmd_print_json(json_t *taken, struct err *e)
{
	autofree char *text = NULL;

	if (taken != NULL)
		text = json_dumps(taken, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(taken);
	if (text == NULL)
		return err_set(e, ERR_SYS, "no memory for the answer");
	(void)puts(text);
	return flushed(e);
}

int
cmd_print_text(struct buf *b, struct err *e)
{
	(void)fwrite(b->data, 1, b->len, stdout);
	return flushed(e);
}
