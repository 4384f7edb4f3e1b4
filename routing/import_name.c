/* import_name.c - which of our models a catalogue's model is. */
#include <string.h>
#include <strings.h>

#include "routing/import.h"

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, const char *with)
{
    size_t len = strlen(text), end = strlen(with);

    return len >= end && strcasecmp(text + len - end, with) == 0;
}

static bool has(const char *text, const char *part)
{
    for (; *text; text++)
        if (begins(text, part))
            return true;
    return false;
}

static bool is(const char *text, const char *other)
{
    return strcasecmp(text, other) == 0;
}

/* genai-prices says them so. A regular expression is none of them: such a
 * model is found by its own name only. */
static const struct {
    const char *word;
    bool (*holds)(const char *text, const char *wanted);
} rules[] = {
    {"equals", is},
    {"starts_with", begins},
    {"ends_with", ends},
    {"contains", has},
};

static bool rule_holds(const struct node *rule, const char *model);

static bool some_hold(const struct node *list, const char *model)
{
    for (const struct node *n = list->child; n; n = n->next)
        if (rule_holds(n, model))
            return true;
    return false;
}

static bool all_hold(const struct node *list, const char *model)
{
    for (const struct node *n = list->child; n; n = n->next)
        if (!rule_holds(n, model))
            return false;
    return list->child != NULL;
}

/* {starts_with: "gpt-6"}, {or: [...]}, {and: [...]} */
static bool rule_holds(const struct node *rule, const char *model)
{
    const struct node *any = node_find(rule, "or"),
                      *all = node_find(rule, "and");

    if (any)
        return some_hold(any, model);
    if (all)
        return all_hold(all, model);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct node *n = node_find(rule, rules[i].word);

        if (n && n->kind == NODE_TEXT && *n->text)
            return rules[i].holds(model, n->text);
    }
    return false;
}

bool import_names(const struct import_price *p, const char *model,
                  enum import_name how)
{
    switch (how) {
    case IMPORT_NAME_SAME: return strcmp(p->model, model) == 0;
    case IMPORT_NAME_LETTERS: return is(p->model, model);
    case IMPORT_NAME_RULES:
        return p->also_when && rule_holds(p->also_when, model);
    case IMPORT_NAMES: break;
    }
    return false;
}
