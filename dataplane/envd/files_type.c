/* What a file is: by the sandbox's own list, by extension, by its bytes. */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/own.h"
#include "envd/files.h"

#define TEXT "text/plain; charset=utf-8"

enum { LIST_MAX = 512 * 1024, TYPE_MAX = 128 };

const char *files_type_list = "/etc/mime.types";

/* --- by name --------------------------------------------------------------*/

/* NULL: none that is a plain file of a sane size. */
static char *
read_list(void)
{
	autoclose int fd =
	    open(files_type_list, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t len = 0;
	ssize_t n;
	char *text;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > LIST_MAX)
		return NULL;
	text = malloc((size_t)st.st_size + 1);
	while (text != NULL && len < (size_t)st.st_size &&
	       (n = read(fd, text + len, (size_t)st.st_size - len)) > 0)
		len += (size_t)n;
	if (text != NULL)
		text[len] = '\0';
	return text;
}

static bool
has_word(const char *p, const char *end, const char *word, size_t len)
{
	while (p < end) {
		size_t n;

		p += strspn(p, " \t\r");
		n = strcspn(p, " \t\r\n#");
		if (n == 0)
			return false;
		if (n == len && memcmp(p, word, n) == 0)
			return true;
		p += n;
	}
	return false;
}

/* The last line that names it counts. */
static bool
find_in_list(const char *text, const char *ext, char type[TYPE_MAX])
{
	size_t len = strlen(ext);
	bool found = false;

	for (const char *line = text; *line != '\0';) {
		const char *end = line + strcspn(line, "\n");
		size_t n = strcspn(line, " \t\r\n#");

		if (n > 0 && n < TYPE_MAX - 16 &&
		    has_word(line + n, end, ext, len)) {
			(void)snprintf(type, TYPE_MAX, "%.*s%s", (int)n, line,
			    strncmp(line, "text/", 5) == 0 ? "; charset=utf-8"
							   : "");
			found = true;
		}
		line = end + (*end == '\n');
	}
	return found;
}

static const char *
by_list(const char *ext)
{
	static char type[TYPE_MAX]; /* until we are asked again */
	autofree char *text = read_list();
	char lower[32];
	size_t n = 0;

	if (text == NULL)
		return NULL;
	if (find_in_list(text, ext, type))
		return type;
	for (; ext[n] != '\0' && n + 1 < sizeof(lower); n++)
		lower[n] = (char)tolower((unsigned char)ext[n]);
	lower[n] = '\0';
	return strcmp(lower, ext) != 0 && find_in_list(text, lower, type)
		   ? type
		   : NULL;
}

const char *
files_type_by_name(const char *name)
{
	static const char *const types[][2] = {
		{ "avif", "image/avif" },
		{ "bin", "application/octet-stream" },
		{ "css", "text/css; charset=utf-8" },
		{ "csv", "text/csv; charset=utf-8" },
		{ "gif", "image/gif" },
		{ "gz", "application/gzip" },
		{ "htm", "text/html; charset=utf-8" },
		{ "html", "text/html; charset=utf-8" },
		{ "jpeg", "image/jpeg" },
		{ "jpg", "image/jpeg" },
		{ "js", "text/javascript; charset=utf-8" },
		{ "json", "application/json" },
		{ "md", "text/markdown; charset=utf-8" },
		{ "mjs", "text/javascript; charset=utf-8" },
		{ "mp3", "audio/mpeg" },
		{ "mp4", "video/mp4" },
		{ "pdf", "application/pdf" },
		{ "png", "image/png" },
		{ "svg", "image/svg+xml" },
		{ "tar", "application/x-tar" },
		{ "txt", TEXT },
		{ "wasm", "application/wasm" },
		{ "webp", "image/webp" },
		{ "xml", "text/xml; charset=utf-8" },
		{ "zip", "application/zip" },
	};
	const char *dot = strrchr(name, '.'), *type;

	if (dot == NULL || dot[1] == '\0')
		return NULL;
	type = by_list(dot + 1);
	for (size_t i = 0; type == NULL && i < countof(types); i++)
		if (strcasecmp(dot + 1, types[i][0]) == 0)
			type = types[i][1];
	return type;
}

/* --- by content -----------------------------------------------------------*/

/* As browsers sniff (mimesniff.spec.whatwg.org); `?` stands for any byte. */
static const struct {
	const char *magic;
	size_t n;
	const char *type;
} magics[] = {
#define MAGIC(s, type)                                                         \
	{                                                                      \
		s, sizeof(s) - 1, type                                         \
	}
	MAGIC("%PDF-", "application/pdf"),
	MAGIC("%!PS-Adobe-", "application/postscript"),
	MAGIC("\xfe\xff??", "text/plain; charset=utf-16be"),
	MAGIC("\xff\xfe??", "text/plain; charset=utf-16le"),
	MAGIC("\xef\xbb\xbf?", TEXT),
	MAGIC("\0\0\1\0", "image/x-icon"),
	MAGIC("\0\0\2\0", "image/x-icon"),
	MAGIC("BM", "image/bmp"),
	MAGIC("GIF87a", "image/gif"),
	MAGIC("GIF89a", "image/gif"),
	MAGIC("RIFF????WEBPVP", "image/webp"),
	MAGIC("\x89PNG\r\n\x1a\n", "image/png"),
	MAGIC("\xff\xd8\xff", "image/jpeg"),
	MAGIC("FORM????AIFF", "audio/aiff"),
	MAGIC("ID3", "audio/mpeg"),
	MAGIC("OggS\0", "application/ogg"),
	MAGIC("MThd\0\0\0\6", "audio/midi"),
	MAGIC("RIFF????AVI ", "video/avi"),
	MAGIC("RIFF????WAVE", "audio/wave"),
	MAGIC("\x1a\x45\xdf\xa3", "video/webm"),
	MAGIC("??????????????????????????????????LP",
	    "application/vnd.ms-fontobject"),
	MAGIC("\0\1\0\0", "font/ttf"),
	MAGIC("OTTO", "font/otf"),
	MAGIC("ttcf", "font/collection"),
	MAGIC("wOFF", "font/woff"),
	MAGIC("wOF2", "font/woff2"),
	MAGIC("\x1f\x8b\x08", "application/x-gzip"),
	MAGIC("PK\3\4", "application/zip"),
	MAGIC("Rar!\x1a\7\0", "application/x-rar-compressed"),
	MAGIC("Rar!\x1a\7\1\0", "application/x-rar-compressed"),
	MAGIC("\0asm", "application/wasm"),
#undef MAGIC
};

static bool
has_magic(const char *head, size_t n, const char *magic, size_t len)
{
	if (n < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (magic[i] != '?' && magic[i] != head[i])
			return false;
	return true;
}

static bool
is_html(const char *p, size_t n)
{
	static const char *const tags[] = { "<!DOCTYPE HTML", "<HTML", "<HEAD",
		"<SCRIPT", "<IFRAME", "<H1", "<DIV", "<FONT", "<TABLE", "<A",
		"<STYLE", "<TITLE", "<B", "<BODY", "<BR", "<P", "<!--" };

	for (size_t i = 0; i < countof(tags); i++) {
		size_t len = strlen(tags[i]);

		if (n > len && strncasecmp(p, tags[i], len) == 0 &&
		    (p[len] == ' ' || p[len] == '>'))
			return true;
	}
	return false;
}

/* A box `ftyp` that names mp4 as its brand, or as one it goes with. */
static bool
is_mp4(const char *head, size_t n)
{
	const unsigned char *u = (const unsigned char *)head;
	size_t box;

	if (n < 12)
		return false;
	box =
	    (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
	if (box > n || box % 4 != 0 || memcmp(head + 4, "ftyp", 4) != 0)
		return false;
	for (size_t i = 8; i + 3 <= box; i += 4)
		if (i != 12 && memcmp(head + i, "mp4", 3) == 0)
			return true;
	return false;
}

static bool
is_binary(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c <= 0x08 || c == 0x0b || (c >= 0x0e && c <= 0x1a) ||
		    (c >= 0x1c && c <= 0x1f))
			return true;
	}
	return false;
}

static const char *
by_content(const char *head, size_t n)
{
	size_t i = 0;

	while (i < n && strchr("\t\n\f\r ", head[i]) != NULL && head[i] != '\0')
		i++;
	if (is_html(head + i, n - i))
		return "text/html; charset=utf-8";
	if (n - i >= 5 && memcmp(head + i, "<?xml", 5) == 0)
		return "text/xml; charset=utf-8";
	for (size_t m = 0; m < countof(magics); m++)
		if (has_magic(head, n, magics[m].magic, magics[m].n))
			return magics[m].type;
	if (is_mp4(head, n))
		return "video/mp4";
	return is_binary(head + i, n - i) ? "application/octet-stream" : TEXT;
}

const char *
files_type(const char *name, const char *head, size_t n)
{
	const char *type = files_type_by_name(name);

	return type != NULL ? type : by_content(head, n);
}
