/* reference.c - the rows of field.h told to people, and to a reload. */
#include <stdio.h>
#include <string.h>

#include "conf/field.h"
#include "conf/value.h"

enum {
    LINE_BYTES = 512,
};

struct printing {
    int indent;
    void (*print)(void *to, const char *line);
    void *to;
};

static const char *const kind_names[FIELD_KINDS] = {
    [FIELD_TEXT] = "text",         [FIELD_CHOICE] = "choice",
    [FIELD_WORDS] = "words",       [FIELD_YES_NO] = "yes/no",
    [FIELD_COUNT] = "count",       [FIELD_SIZE] = "size",
    [FIELD_DURATION] = "duration", [FIELD_RATE] = "price",
    [FIELD_DECIMAL] = "decimal",   [FIELD_CURRENCY] = "currency",
    [FIELD_INSTANT] = "instant",   [FIELD_SECTION] = "section",
    [FIELD_BY_HAND] = "section",
};

static void show_limits(const struct field *f, char *out, size_t size)
{
    char least[VALUE_TEXT], most[VALUE_TEXT];

    *out = '\0';
    if (f->kind == FIELD_CHOICE)
        snprintf(out, size, "one of: %s", f->choices);
    else if (value_is_number(f->kind) && f->max)
        snprintf(out, size, "%s..%s", value_show(f->kind, f->min, least),
                 value_show(f->kind, f->max, most));
    else if (f->kind == FIELD_TEXT && f->max)
        snprintf(out, size, "at most %lld bytes", (long long)f->max);
    else if (f->kind == FIELD_WORDS && f->max)
        snprintf(out, size, "%lld..%lld of them", (long long)f->min,
                 (long long)f->max);
    else if (f->kind == FIELD_WORDS && f->min)
        snprintf(out, size, "at least %lld", (long long)f->min);
}

static void print_section(const struct printing *p, const struct field *f)
{
    char line[LINE_BYTES];

    snprintf(line, sizeof(line), "%*s%s:  %s", p->indent * 4, "", f->name,
             f->help);
    p->print(p->to, line);
    if (f->inside)
        fields_print(f->inside, p->indent + 1, p->print, p->to);
}

static void print_field(const struct printing *p, const struct field *f)
{
    char line[LINE_BYTES], limits[128];
    const char *init = !f->init ? "required" : *f->init ? f->init : "optional";

    show_limits(f, limits, sizeof(limits));
    snprintf(line, sizeof(line), "%*s%-21s %-9s %-18s %-7s%s%s", p->indent * 4,
             "", f->name, kind_names[f->kind], init,
             f->live ? "live" : "restart", *limits ? "  " : "", limits);
    p->print(p->to, line);
    snprintf(line, sizeof(line), "%*s%s", p->indent * 4 + 4, "", f->help);
    p->print(p->to, line);
}

void fields_print(const struct field_table *table, int indent,
                  void (*print)(void *to, const char *line), void *to)
{
    struct printing p = {indent, print, to};

    for (size_t i = 0; i < table->n_rows; i++) {
        const struct field *f = &table->rows[i];

        if (f->kind == FIELD_SECTION || f->kind == FIELD_BY_HAND)
            print_section(&p, f);
        else
            print_field(&p, f);
    }
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_words(const struct conf_words *a, const struct conf_words *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (!same_text(a->items[i].text, b->items[i].text))
            return false;
    return true;
}

static bool same(const struct field *f, const void *a, const void *b)
{
    const void *x = (const char *)a + f->offset,
               *y = (const char *)b + f->offset;

    if (value_is_number(f->kind))
        return *(const int64_t *)x == *(const int64_t *)y;
    if (f->kind == FIELD_TEXT || f->kind == FIELD_CHOICE)
        return same_text(*(const char *const *)x, *(const char *const *)y);
    if (f->kind == FIELD_WORDS)
        return same_words(x, y);
    if (f->kind == FIELD_YES_NO)
        return *(const bool *)x == *(const bool *)y;
    return f->kind != FIELD_CURRENCY ||
           *(const enum currency *)x == *(const enum currency *)y;
}

struct comparing {
    const void *before, *after;
    void (*tell)(void *to, const char *word);
    void *to;
};

static void compare(const struct comparing *c, const struct field_table *table,
                    const char *section)
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct field *f = &table->rows[i];
        char word[64];

        snprintf(word, sizeof(word), "%s%s%s", section, *section ? "." : "",
                 f->name);
        if (f->kind == FIELD_SECTION)
            compare(c, f->inside, word);
        else if (f->kind != FIELD_BY_HAND && !f->live &&
                 !same(f, c->before, c->after))
            c->tell(c->to, word);
    }
}

void fields_compare(const struct field_table *table, const void *before,
                    const void *after, void (*tell)(void *to, const char *word),
                    void *to)
{
    struct comparing c = {before, after, tell, to};

    compare(&c, table, "");
}
