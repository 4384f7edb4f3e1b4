/* openai_member.c - members that are taken out, and their commas. */
#include "vendors/openai_write.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

size_t edits_drop_member(struct edits *e, size_t from, size_t to, size_t gone)
{
    const char *b = e->body.bytes;
    size_t comma = from - 1;

    while (is_space(b[comma]))
        comma--;
    if (b[comma] == ',' && comma >= gone) {
        from = comma;
    } else {
        while (is_space(b[to]))
            to++;
        if (b[to] == ',')
            to++;
    }
    edits_add(e, from, to - from, (struct slice){"", 0});
    return to;
}

void edits_drop_members(struct edits *e, struct span span,
                        bool (*drops)(void *self, const struct json_text *key,
                                      enum json_kind kind),
                        void *self)
{
    const char *body = e->body.bytes;
    struct json_scan s;
    struct json_text key;
    size_t gone = 0;

    json_scan_init(&s, (struct slice){body + span.at, span.len});
    for (json_enter(&s); json_member(&s, &key);) {
        enum json_kind kind = json_peek(&s);

        json_skip(&s);
        if (drops(self, &key, kind))
            gone = edits_drop_member(e, (size_t)(key.raw.bytes - 1 - body),
                                     (size_t)(s.at - body), gone);
    }
}
