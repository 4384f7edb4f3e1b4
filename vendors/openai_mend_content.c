/* openai_mend_content.c - texts: lists of parts, and <think> tags. */
#include "base/json_write.h"

#include "vendors/openai_mend.h"

static const char opening[] = "<think>", closing[] = "</think>";

/* A text too long for its buffer ends the reading. */
static void keep(struct mend *m, struct buf *b, struct slice bytes)
{
    if (buf_add(b, bytes))
        intake_fail(m->in, FAULT_GARBLED);
}

static struct slice all_of(const struct buf *b)
{
    return (struct slice){b->bytes, b->len};
}

static void clear(struct buf *b)
{
    buf_drop(b, b->len);
}

/* [at, end) makes way for the text; thoughts become one more member. Both
 * are JSON's insides already. */
static void put_raw(struct mend *m, const char *at, const char *end)
{
    struct mending *all = m->r->mending;

    mend_put(m, at, end, slice_of("\""));
    mend_add(m, all_of(&all->text));
    mend_add(m, slice_of("\""));
    if (!all->thought.len)
        return;
    mend_add(m, slice_of(",\"reasoning_content\":\""));
    mend_add(m, all_of(&all->thought));
    mend_add(m, slice_of("\""));
}

/* --- lists of parts ------------------------------------------------------- */

/* Texts of the parts at `s`, and of those within; thoughts elsewhere. */
static void part_read(struct mend *m, struct json_scan *s, struct buf *to)
{
    struct json_text key, text;

    if (json_peek(s) != JSON_OBJECT) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_member(s, &key);) {
        if (json_text_is(key, "text") && json_peek(s) == JSON_STRING) {
            if (json_text(s, &text))
                keep(m, to, text.raw);
        } else {
            json_skip(s);
        }
    }
}

static void thinking_part_read(struct mend *m, struct json_scan *s)
{
    struct buf *to = &m->r->mending->thought;
    struct json_text text;

    if (json_peek(s) == JSON_STRING) {
        if (json_text(s, &text))
            keep(m, to, text.raw);
        return;
    }
    if (json_peek(s) != JSON_ARRAY) {
        json_skip(s);
        return;
    }
    for (json_enter(s); json_element(s);)
        part_read(m, s, to);
}

static void parts_read(struct mend *m, struct json_scan *s)
{
    struct json_text key, text;

    for (json_enter(s); json_element(s);) {
        if (json_peek(s) != JSON_OBJECT) {
            json_skip(s);
            continue;
        }
        for (json_enter(s); json_member(s, &key);) {
            if (json_text_is(key, "thinking"))
                thinking_part_read(m, s);
            else if (!json_text_is(key, "text") || json_peek(s) != JSON_STRING)
                json_skip(s);
            else if (json_text(s, &text))
                keep(m, &m->r->mending->text, text.raw);
        }
    }
}

/* [{"type":"reasoning.text","text":...}]: where nothing else says it. */
void mend_details(struct mend *m, struct json_text key)
{
    struct mending *all = m->r->mending;
    const char *at;

    if (m->has_reasoning || m->has_reasoning_content ||
        json_peek(&m->s) != JSON_ARRAY) {
        json_skip(&m->s);
        return;
    }
    at = m->s.at;
    clear(&all->text);
    clear(&all->thought);
    parts_read(m, &m->s);
    mend_put(m, key.raw.bytes, key.raw.bytes + key.raw.len,
             slice_of("reasoning_content"));
    put_raw(m, at, m->s.at);
}

/* --- <think> tags --------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* One character more of the text held back: does it still look like `tag`,
 * with at most a line's end or two before it? 2: it is all of it. */
static int looks_like(const char *held, size_t n, const char *tag)
{
    size_t at = 0;

    while (at < n && is_blank(held[at]))
        at++;
    if (at > 4 || n - at > strlen(tag) || memcmp(held + at, tag, n - at) != 0)
        return 0;
    return n - at == strlen(tag) ? 2 : 1;
}

static struct buf *where(struct mend *m)
{
    return m->choice->think == THINK_WITHIN ? &m->r->mending->thought
                                            : &m->r->mending->text;
}

/* Gives back from the front what cannot belong to the tag. */
static void release(struct mend *m, const char *tag)
{
    struct mend_choice *c = m->choice;
    size_t n = 1;

    while (n < c->n_held && !looks_like(c->held + n, c->n_held - n, tag))
        n++;
    keep(m, where(m), (struct slice){c->held, n});
    c->n_held -= n;
    memmove(c->held, c->held + n, c->n_held);
}

static void start_over(struct mend *m)
{
    struct mend_choice *c = m->choice;

    c->think = THINK_OVER;
    keep(m, where(m), (struct slice){c->held, c->n_held});
    c->n_held = 0;
}

static void character(struct mend *m, char byte)
{
    struct mend_choice *c = m->choice;
    bool start = c->think == THINK_START;
    const char *tag = start ? opening : closing;
    int looks;

    if ((c->think == THINK_BEHIND || c->think == THINK_OPENED) &&
        is_blank(byte))
        return;
    if (c->think == THINK_BEHIND)
        c->think = THINK_OVER;
    if (c->think == THINK_OPENED)
        c->think = THINK_WITHIN;
    if (c->think == THINK_OVER) {
        keep(m, where(m), (struct slice){&byte, 1});
        return;
    }
    c->held[c->n_held++] = byte;
    looks = looks_like(c->held, c->n_held, tag);
    if (looks == 2) {
        c->think = start ? THINK_OPENED : THINK_BEHIND;
        c->n_held = 0;
    } else if (looks == 0 && start) {
        start_over(m);
    } else if (looks == 0) {
        release(m, tag);
    }
}

/* All of the held text, at the end. */
static void let_go(struct mend *m)
{
    struct mend_choice *c = m->choice;

    keep(m, where(m), (struct slice){c->held, c->n_held});
    c->n_held = 0;
}

/* What `text` and `thought` hold, as JSON's insides. */
static void quote(struct mend *m, struct buf *b)
{
    struct slice quoted;

    if (!b->len)
        return;
    quoted = json_quote(m->in->reader.arena, all_of(b));
    clear(b);
    keep(m, b, (struct slice){quoted.bytes + 1, quoted.len - 2});
}

static void untag(struct mend *m, struct json_text text)
{
    struct mending *all = m->r->mending;
    const char *at = text.raw.bytes - 1;
    const char *p = text.raw.bytes, *end = p + text.raw.len;

    while (p < end) {
        char utf8[UTF8_MAX];
        size_t n = 1;

        utf8[0] = *p;
        if (*p == '\\')
            n = utf8_put(json_character(&p, end), utf8);
        else
            p++;
        for (size_t i = 0; i < n; i++)
            character(m, utf8[i]);
    }
    if (m->ended)
        let_go(m);
    quote(m, &all->text);
    quote(m, &all->thought);
    put_raw(m, at, end + 1);
}

void mend_held(struct mend *m, const char *before)
{
    struct mending *all = m->r->mending;
    const char *brace = m->s.at - 1;

    if (!m->choice->n_held)
        return;
    clear(&all->text);
    clear(&all->thought);
    let_go(m);
    quote(m, &all->text);
    quote(m, &all->thought);
    mend_put(m, brace, brace, slice_of(before));
    mend_add(m, slice_of("\"content\":"));
    put_raw(m, brace, brace);
}

void mend_content(struct mend *m)
{
    struct mending *all = m->r->mending;
    enum json_kind kind = json_peek(&m->s);
    const char *at = m->s.at;
    struct json_text text;

    clear(&all->text);
    clear(&all->thought);
    if (kind == JSON_ARRAY && mend_has(m, QUIRK_CONTENT_PARTS)) {
        parts_read(m, &m->s);
        put_raw(m, at, m->s.at);
    } else if (kind == JSON_STRING && mend_has(m, QUIRK_THINK_TAGS) &&
               (m->choice->think != THINK_OVER || m->choice->n_held)) {
        if (json_text(&m->s, &text))
            untag(m, text);
    } else {
        json_skip(&m->s);
    }
}
