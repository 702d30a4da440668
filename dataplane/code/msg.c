#include "code/msg.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	enum msg_type type;
} types[] = {
	{ "stream", MSG_STREAM },
	{ "status", MSG_STATUS },
	{ "execute_input", MSG_INPUT },
	{ "execute_result", MSG_RESULT },
	{ "display_data", MSG_DISPLAY },
	{ "error", MSG_ERROR },
	{ "execute_reply", MSG_REPLY },
	{ "kernel_info_reply", MSG_INFO_REPLY },
	{ "ready", MSG_READY },
};

static enum msg_type
type_of(struct jv name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (jv_is(name, types[i].name))
			return types[i].type;
	return MSG_OTHER;
}

const char *
msg_now(char to[MSG_DATE_TEXT])
{
	struct timespec t;
	struct tm tm;
	size_t n;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	(void)gmtime_r(&t.tv_sec, &tm);
	n = strftime(to, MSG_DATE_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(to + n, MSG_DATE_TEXT - n, ".%06ld+00:00",
	    (long)(t.tv_nsec / 1000) % 1000000);
	return to;
}

/* --- frames ---------------------------------------------------------------*/

static const char delimiter[] = "<IDS|MSG>";

static int
object(const struct zmtp_part *part, struct jv *out)
{
	if (jv_parse(part->p, part->n, out, NULL) < 0)
		return -1;
	return jv_type(*out) == JV_OBJECT ? 0 : -1;
}

int
msg_from_frames(const struct zmtp_part *parts, size_t n, struct msg *m)
{
	const size_t ndelim = sizeof(delimiter) - 1;
	struct jv header, parent;
	size_t i;

	for (i = 0; i < n; i++)
		if (parts[i].n == ndelim &&
		    memcmp(parts[i].p, delimiter, ndelim) == 0)
			break;
	/* Delimiter, signature, header, parent header, metadata, content. */
	if (n - i < 6 || object(&parts[i + 2], &header) < 0 ||
	    object(&parts[i + 3], &parent) < 0 ||
	    object(&parts[i + 5], &m->content) < 0)
		return -1;
	m->type = type_of(jv_get(header, "msg_type"));
	m->date = jv_get(header, "date");
	m->id = jv_get(parent, "msg_id");
	return 0;
}

static int
put_header(struct buf *b, const char *type, const char *session, const char *id)
{
	char date[MSG_DATE_TEXT];

	return buf_printf(b,
	    "{\"msg_id\":\"%s\",\"session\":\"%s\",\"username\":\"root\","
	    "\"date\":\"%s\",\"msg_type\":\"%s\",\"version\":\"5.3\"}",
	    id, session, msg_now(date), type);
}

int
msg_put_frames(struct buf *b, const char *type, const char *session,
    const char *id, const struct buf *content)
{
	struct buf header;
	int rc = -1;

	buf_init(&header, 1024);
	if (put_header(&header, type, session, id) == 0 &&
	    zmtp_put_frame(b, delimiter, sizeof(delimiter) - 1, true) == 0 &&
	    zmtp_put_frame(b, "", 0, true) == 0 &&
	    zmtp_put_frame(b, header.data, header.len, true) == 0 &&
	    zmtp_put_frame(b, "{}", 2, true) == 0 &&
	    zmtp_put_frame(b, "{}", 2, true) == 0)
		rc = zmtp_put_frame(b, content->data, content->len, false);
	buf_fini(&header);
	return rc;
}

/* --- lines ----------------------------------------------------------------*/

int
msg_from_line(const char *p, size_t n, struct msg *m)
{
	struct jv line, key, value;
	struct jv_iter it;

	*m = (struct msg){ .type = MSG_OTHER };
	if (jv_parse(p, n, &line, NULL) < 0 || jv_type(line) != JV_OBJECT)
		return -1;
	it = jv_members(line);
	while (jv_next(&it, &key, &value))
		if (jv_is(key, "type"))
			m->type = type_of(value);
		else if (jv_is(key, "id"))
			m->id = value;
		else if (jv_is(key, "date"))
			m->date = value;
		else if (jv_is(key, "content"))
			m->content = value;
	return 0;
}

int
msg_put_line(
    struct buf *b, const char *type, const char *id, const struct buf *content)
{
	if (buf_printf(b, "{\"type\":\"%s\",\"id\":\"%s\",\"content\":", type,
		id) < 0 ||
	    buf_add(b, content->data, content->len) < 0)
		return -1;
	return buf_puts(b, "}\n");
}

int
msg_put_execute(struct buf *b, struct jv code, enum msg_how how)
{
	/*
	 * Nothing waits in the kernel behind an execution, so none has to be
	 * thrown away when it fails; a kernel told to do so would for a while
	 * also throw away what comes next.
	 */
	if (buf_puts(b, "{\"code\":") < 0 || jv_put(b, code) < 0)
		return -1;
	return buf_printf(b,
	    ",\"silent\":%s,\"store_history\":%s,\"user_expressions\":{},"
	    "\"allow_stdin\":false,\"stop_on_error\":false}",
	    how == MSG_SILENT ? "true" : "false",
	    how == MSG_COUNTED ? "true" : "false");
}
