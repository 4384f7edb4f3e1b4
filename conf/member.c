#include "conf/member.h"

#include <string.h>

#include "conf/utf8.h"
#include "conf/value.h"

enum {
    TEXT_BYTES_MOST = 4096,
    WORDS_MOST = 1000,
};

static void *member(const struct reading *r, size_t offset)
{
    return (char *)r->item + offset;
}

static void wrong(const struct reading *r, const struct field *f,
                  const struct node *n)
{
    if (n->kind != NODE_TEXT)
        diag_error(r->diag, &n->place, "\"%s\" wants %s, found %s", f->name,
                   value_wanted(f->kind), node_form(n));
    else if (n->nothing)
        diag_error(
            r->diag, node_head(n), "\"%s\" has no value: it wants %s", f->name,
            f->kind == FIELD_CHOICE ? f->choices : value_wanted(f->kind));
    else
        diag_error(r->diag, &n->place, "\"%s\" wants %s%s, found \"%.64s\"",
                   f->name, f->kind == FIELD_CHOICE ? "one of: " : "",
                   f->kind == FIELD_CHOICE ? f->choices : value_wanted(f->kind),
                   n->text);
}

/* A text within its bounds, in nothing but characters one can see. */
static bool check_text(const struct reading *r, const struct field *f,
                       const struct node *n)
{
    size_t len = strlen(n->text);
    int64_t max = f->kind == FIELD_TEXT && f->max ? f->max : TEXT_BYTES_MOST;
    const char *complaint;

    if (len == 0 || n->nothing) {
        wrong(r, f, n);
        return false;
    }
    if (len > (size_t)max) {
        diag_error(r->diag, &n->place,
                   "\"%s\" is %zu bytes long, more than the limit of %lld",
                   f->name, len, (long long)max);
        return false;
    }
    for (size_t i = 0, step; i < len; i += step) {
        uint32_t c = 0;

        step = utf8_take(&c, n->text + i, len - i);
        if (step == 0 || utf8_is_hidden(c)) {
            diag_error(r->diag, &n->place,
                       "\"%s\" holds a character that cannot be seen (U+%04X)",
                       f->name, c);
            return false;
        }
    }
    complaint = f->check ? f->check(n->text) : NULL;
    if (complaint && *complaint == '!')
        diag_secret(r->diag, &n->place, "\"%s\" %s", f->name, complaint + 1);
    else if (complaint)
        diag_error(r->diag, &n->place, "\"%s\" %s, found \"%.64s\"", f->name,
                   complaint, n->text);
    return !complaint;
}

static const char *keep(const struct reading *r, const char *text)
{
    return arena_strndup(r->arena, text, strlen(text));
}

static void read_text(const struct reading *r, const struct field *f,
                      const struct node *n)
{
    if (n->kind != NODE_TEXT)
        wrong(r, f, n);
    else if (check_text(r, f, n))
        *(const char **)member(r, f->offset) = keep(r, n->text);
}

static bool is_choice(const char *choices, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = choices; (at = strstr(at, word)); at += len)
        if ((at == choices || at[-1] == ' ') &&
            (at[len] == ' ' || at[len] == '\0'))
            return len > 0 && !strchr(word, ' ');
    return false;
}

static void read_choice(const struct reading *r, const struct field *f,
                        const struct node *n)
{
    if (n->kind != NODE_TEXT || !is_choice(f->choices, n->text))
        wrong(r, f, n);
    else
        *(const char **)member(r, f->offset) = keep(r, n->text);
}

static bool check_size(const struct reading *r, const struct field *f,
                       const struct node *n, size_t n_words)
{
    int64_t max = f->max ? f->max : WORDS_MOST;

    if ((int64_t)n_words < f->min)
        diag_error(r->diag, node_head(n),
                   "\"%s\" is an empty list: write at least one, or leave the "
                   "word out",
                   f->name);
    else if ((int64_t)n_words > max)
        diag_error(r->diag, node_head(n), "\"%s\" has %zu, more than %lld",
                   f->name, n_words, (long long)max);
    else
        return true;
    return false;
}

static void read_words(const struct reading *r, const struct field *f,
                       const struct node *n)
{
    const struct node *first = n->kind == NODE_LIST ? n->child : n;
    struct conf_word *words;
    size_t n_words = n->kind == NODE_LIST ? n->n_children : 1, kept = 0;

    if (n->kind == NODE_MAP) {
        wrong(r, f, n);
        return;
    }
    if (!check_size(r, f, n, n_words))
        return;
    words = arena_alloc(r->arena, n_words * sizeof(*words));
    for (const struct node *w = first; w;
         w = n->kind == NODE_LIST ? w->next : NULL) {
        if (w->kind != NODE_TEXT)
            wrong(r, f, w);
        else if (check_text(r, f, w))
            words[kept++] = (struct conf_word){w->place, keep(r, w->text)};
    }
    *(struct conf_words *)member(r, f->offset) =
        (struct conf_words){words, kept};
}

static void read_yes_no(const struct reading *r, const struct field *f,
                        const struct node *n)
{
    bool yes = false;

    if (n->kind != NODE_TEXT || !yes_no_parse(&yes, n->text))
        wrong(r, f, n);
    else
        *(bool *)member(r, f->offset) = yes;
}

static void read_currency(const struct reading *r, const struct field *f,
                          const struct node *n)
{
    if (n->kind != NODE_TEXT || !currency_parse(member(r, f->offset), n->text))
        wrong(r, f, n);
}

static void read_number(const struct reading *r, const struct field *f,
                        const struct node *n)
{
    char limit[VALUE_TEXT];
    int64_t value;

    if (n->kind != NODE_TEXT || n->nothing ||
        !value_parse(&value, f->kind, n->text))
        wrong(r, f, n);
    else if (value < f->min && f->min == 1 && f->kind != FIELD_COUNT)
        diag_error(r->diag, &n->place, "\"%s\" must be more than 0", f->name);
    else if (value < f->min)
        diag_error(r->diag, &n->place, "\"%s\" is %.64s, less than %s", f->name,
                   n->text, value_show(f->kind, f->min, limit));
    else if (f->max && value > f->max)
        diag_error(r->diag, &n->place, "\"%s\" is %.64s, more than %s", f->name,
                   n->text, value_show(f->kind, f->max, limit));
    else
        *(int64_t *)member(r, f->offset) = value;
}

static void read_nothing(const struct reading *r, const struct field *f,
                         const struct node *n)
{
    (void)r, (void)f, (void)n;
}

static void (*const readers[FIELD_KINDS])(const struct reading *,
                                          const struct field *,
                                          const struct node *) = {
    [FIELD_TEXT] = read_text,       [FIELD_CHOICE] = read_choice,
    [FIELD_WORDS] = read_words,     [FIELD_YES_NO] = read_yes_no,
    [FIELD_COUNT] = read_number,    [FIELD_SIZE] = read_number,
    [FIELD_DURATION] = read_number, [FIELD_RATE] = read_number,
    [FIELD_DECIMAL] = read_number,  [FIELD_CURRENCY] = read_currency,
    [FIELD_INSTANT] = read_number,  [FIELD_SECTION] = read_nothing,
    [FIELD_BY_HAND] = read_nothing,
};

void member_read(const struct reading *r, const struct field *f,
                 const struct node *n)
{
    if (f->has)
        *(bool *)member(r, f->has) = true;
    readers[f->kind](r, f, n);
}
