#include "code/lang.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/own.h"

/* --- strings of each language ---------------------------------------------*/

enum style { PYTHON, JAVA, R };

static int
put_char(struct buf *b, uint32_t c, enum style style)
{
	if (c == '"' || c == '\\')
		return buf_printf(b, "\\%c", (int)c);
	if (c >= 0x20 && c < 0x7f)
		return buf_printf(b, "%c", (int)c);
	/* Java reads \u000a before it looks for strings. */
	if (c < 0x80)
		return buf_printf(b, "\\%03o", c);
	if (c < 0x10000)
		return buf_printf(b, "\\u%04x", c);
	if (style != JAVA)
		return buf_printf(b, "\\U%08x", c);
	c -= 0x10000;
	return buf_printf(
	    b, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

static int
put_quoted(struct buf *b, const char *s, enum style style)
{
	const char *end = s + strlen(s);
	uint32_t c;

	if (buf_puts(b, "\"") < 0)
		return -1;
	while (s < end) {
		/* R refuses a string with both \u and octal in it. */
		if (style == R && (unsigned char)*s >= 0x80) {
			if (buf_add(b, s++, 1) < 0)
				return -1;
			continue;
		}
		if (*s == '\\') {
			c = '\\';
			s++;
		} else
			s = jv_char(s, end, &c);
		if (put_char(b, c, style) < 0)
			return -1;
	}
	return buf_puts(b, "\"");
}

/* --- variables in each language -------------------------------------------*/

static int
python_var(struct buf *b, const char *name, const char *value)
{
	if (buf_puts(b, value != NULL ? "__import__('os').environ["
				      : "__import__('os').environ.pop(") < 0 ||
	    put_quoted(b, name, PYTHON) < 0)
		return -1;
	if (value == NULL)
		return buf_puts(b, ",None)\n");
	if (buf_puts(b, "]=") < 0 || put_quoted(b, value, PYTHON) < 0)
		return -1;
	return buf_puts(b, "\n");
}

/* Strings of JSON are strings of JavaScript. */
static int
javascript_var(struct buf *b, const char *name, const char *value)
{
	if (buf_puts(b,
		value != NULL ? "process.env[" : "delete process.env[") < 0 ||
	    jv_put_text(b, name, strlen(name)) < 0 || buf_puts(b, "]") < 0)
		return -1;
	if (value != NULL &&
	    (buf_puts(b, "=") < 0 || jv_put_text(b, value, strlen(value)) < 0))
		return -1;
	return buf_puts(b, ";\n");
}

static int
r_var(struct buf *b, const char *name, const char *value)
{
	if (value == NULL) {
		if (buf_puts(b, "Sys.unsetenv(") < 0 ||
		    put_quoted(b, name, R) < 0)
			return -1;
		return buf_puts(b, ")\n");
	}
	/* By a list, since a name may be none of R's. */
	if (buf_puts(b, "do.call(Sys.setenv,structure(list(") < 0 ||
	    put_quoted(b, value, R) < 0 || buf_puts(b, "),names=") < 0 ||
	    put_quoted(b, name, R) < 0)
		return -1;
	return buf_puts(b, "))\n");
}

static bool
is_shell_name(const char *s)
{
	if (*s >= '0' && *s <= '9')
		return false;
	return *s != '\0' &&
	       s[strspn(s,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789_")] == '\0';
}

static int
bash_var(struct buf *b, const char *name, const char *value)
{
	if (!is_shell_name(name))
		return 0; /* bash has no way to say it */
	if (value == NULL)
		return buf_printf(b, "unset %s\n", name);
	if (buf_printf(b, "export %s='", name) < 0)
		return -1;
	for (; *value != '\0'; value++)
		if ((*value == '\'' ? buf_puts(b, "'\\''")
				    : buf_add(b, value, 1)) < 0)
			return -1;
	return buf_puts(b, "'\n");
}

static int
java_var(struct buf *b, const char *name, const char *value)
{
	if (buf_puts(b, value != NULL ? "System.setProperty("
				      : "System.clearProperty(") < 0 ||
	    put_quoted(b, name, JAVA) < 0)
		return -1;
	if (value != NULL &&
	    (buf_puts(b, ",") < 0 || put_quoted(b, value, JAVA) < 0))
		return -1;
	return buf_puts(b, ");\n");
}

/* --- languages ------------------------------------------------------------*/

/*
 * What a first execution would otherwise pay for: the formatters of a result,
 * the printer of a traceback.  And a kernel whose reader is slow waits for it:
 * ZeroMQ would throw messages away, and what is printed would pile up in the
 * kernel's memory.
 */
static const char python_warm[] =
    "def _coppice_warm():\n"
    "    import sys, threading, time\n"
    "    shell = get_ipython()\n"
    "    def patient(stream, wire):\n"
    "        plain = stream.write\n"
    "        def write(text):\n"
    "            done = plain(text)\n"
    "            while (stream._buffer.tell() > 4194304 and wire.is_alive()\n"
    "                    and threading.current_thread() is not wire):\n"
    "                time.sleep(0.002)\n"
    "            return done\n"
    "        stream._buffer.tell()\n"
    "        stream.write = write\n"
    "    try:\n"
    "        import zmq\n"
    "        pub = shell.kernel.iopub_thread\n"
    "        pub.schedule(\n"
    "            lambda: pub.socket.setsockopt(zmq.XPUB_NODROP, 1))\n"
    "        patient(sys.stdout, pub.thread)\n"
    "        patient(sys.stderr, pub.thread)\n"
    "    except Exception:\n"
    "        pass\n"
    "    shell.display_formatter.format([1, 'a', 1.5, {}])\n"
    "    shell.run_cell(\n"
    "        'def _coppice_warm(n):\\n    return 1 / n\\n'\n"
    "        '_coppice_warm(0)', store_history=False, silent=True)\n"
    "    for name in ('type', 'value', 'traceback', 'exc'):\n"
    "        vars(sys).pop('last_' + name, None)\n"
    "try:\n"
    "    _coppice_warm()\n"
    "finally:\n"
    "    del _coppice_warm\n"
    "print()\n";

static const struct lang langs[] = {
	{ "python", "python3", "python3-ipykernel", python_var, false,
	    python_warm },
	{ "javascript", "javascript", "nodejs", javascript_var, false, NULL },
	{ "typescript", "javascript", "nodejs", javascript_var, false, NULL },
	{ "bash", "bash", "bash", bash_var, false, NULL },
	{ "r", "ir", "r-base-core and r-cran-irkernel", r_var, false, NULL },
	{ "java", "java", "default-jdk-headless", java_var, true, NULL },
};

const struct lang *
lang_find(const char *name)
{
	for (size_t i = 0; i < countof(langs); i++)
		if (strcmp(langs[i].name, name) == 0)
			return &langs[i];
	return NULL;
}

int
lang_name(const char *asked, char to[LANG_NAME_MAX])
{
	size_t n;

	asked += strspn(asked, " \t\r\n\v\f");
	n = strlen(asked);
	while (n > 0 && strchr(" \t\r\n\v\f", asked[n - 1]) != NULL)
		n--;
	if (n == 0) {
		asked = "python";
		n = strlen(asked);
	}
	if (n >= LANG_NAME_MAX)
		return -1;
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(asked[i] >= 'A' && asked[i] <= 'Z'
				   ? asked[i] - 'A' + 'a'
				   : asked[i]);
	to[n] = '\0';
	if (strcmp(to, "js") == 0)
		memcpy(to, "javascript", sizeof("javascript"));
	else if (strcmp(to, "ts") == 0)
		memcpy(to, "typescript", sizeof("typescript"));
	return 0;
}

/* --- lists ----------------------------------------------------------------*/

void
varlist_free(struct varlist *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct varlist){ NULL, 0 };
}

static struct var *
find(const struct varlist *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].name, name) == 0)
			return &l->v[i];
	return NULL;
}

const struct var *
varlist_get(const struct varlist *l, const char *name)
{
	return find(l, name);
}

static struct var *
append(struct varlist *l)
{
	struct var *more;

	if (l->n >= VARS_MAX)
		return NULL;
	if (l->n % 16 == 0) {
		more = realloc(l->v, (l->n + 16) * sizeof(*more));
		if (more == NULL)
			return NULL;
		l->v = more;
	}
	return &l->v[l->n];
}

int
varlist_set(struct varlist *l, const char *name, const char *value)
{
	autofree char *n = strdup(name);
	autofree char *v = value != NULL ? strdup(value) : NULL;
	struct var *at = find(l, name);

	if (n == NULL || (value != NULL && v == NULL))
		return -1;
	if (at != NULL) {
		free(at->value);
		at->value = take(&v);
		return 0;
	}
	at = append(l);
	if (at == NULL)
		return -1;
	*at = (struct var){ take(&n), take(&v) };
	l->n++;
	return 0;
}

int
varlist_from(struct varlist *l, struct jv object, struct jv *bad)
{
	struct jv_iter it = jv_members(object);
	struct jv key, value;

	while (jv_next(&it, &key, &value)) {
		autofree char *name = jv_strdup(key);
		autofree char *text = jv_strdup(value);

		if (name == NULL || text == NULL || *name == '\0' ||
		    strchr(name, '=') != NULL ||
		    varlist_set(l, name, text) < 0) {
			if (bad != NULL)
				*bad = key;
			return -1;
		}
	}
	return 0;
}
