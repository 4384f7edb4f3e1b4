/* budget.c - what a team, one of its keys or one of its users may spend. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"
#include "conf/value.h"

#define UNIT_NANOS 1000000000LL

enum {
    WARNINGS_MOST = 8,
};

static const char *check_fraction(const char *text)
{
    int64_t nanos;

    if (!value_parse(&nanos, FIELD_DECIMAL, text) || nanos <= 0 ||
        nanos > UNIT_NANOS)
        return "wants a fraction above 0 and at most 1";
    return NULL;
}

static const struct field budget_rows[] = {
    FIELD(conf_budget, "amount", amount_nanos, .kind = FIELD_DECIMAL,
          .max = 4000000000LL * UNIT_NANOS, .live = true,
          .help = "how much: it is never passed"),
    FIELD(conf_budget, "currency", currency, .kind = FIELD_CURRENCY, .init = "",
          .live = true, .help = "of the amount; absent: the policy's"),
    FIELD(conf_budget, "per", per, .kind = FIELD_CHOICE,
          .choices = "day month total", .live = true,
          .help = "a calendar day or month of its zone, or once for all"),
    FIELD(conf_budget, "each", each, .kind = FIELD_CHOICE, .init = "team",
          .choices = "team key user", .live = true,
          .help = "who has it: the team together, each of its keys, each end "
                  "user (the request's field `user`)"),
    FIELD(conf_budget, "zone", zone, .kind = FIELD_TEXT,
          .init = "Asia/Shanghai", .max = 64, .live = true,
          .help = "whose midnight begins a day: a name or +08:00"),
    FIELD(conf_budget, "at_cap", at_cap, .kind = FIELD_CHOICE, .init = "refuse",
          .choices = "refuse free_only downgrade", .live = true,
          .help = "what does not fit: 429; free_only and downgrade: after "
                  "what is free, or that alias"),
    FIELD(conf_budget, "downgrade", downgrade, .kind = FIELD_TEXT, .init = "",
          .max = 128, .check = check_name, .live = true,
          .help = "the alias, with at_cap: downgrade"),
    FIELD(conf_budget, "bound_output", bound_output, .kind = FIELD_YES_NO,
          .init = "no", .live = true,
          .help = "a request that sets no max_tokens and does not fit gets "
                  "as many as do"),
    FIELD(
        conf_budget, "warn", warn, .kind = FIELD_WORDS, .init = "",
        .max = WARNINGS_MOST, .check = check_fraction, .live = true,
        .help =
            "fractions of the amount at which it is told once: in the log, the "
            "metrics, and to the webhook"),
};

const struct field_table budget_fields = FIELD_TABLE(budget_rows);

/* What could not be read is told already, and NULL. */
static bool is_whole(const struct conf_budget *b)
{
    return b->per && b->each && b->zone && b->at_cap;
}

static bool same_account(const struct conf_budget *a,
                         const struct conf_budget *b)
{
    return is_whole(a) && strcmp(a->per, b->per) == 0 &&
           strcmp(a->each, b->each) == 0 && a->currency == b->currency &&
           (strcmp(a->per, "total") == 0 || strcmp(a->zone, b->zone) == 0);
}

static void check_budget(const struct load *l, const struct conf_budget *all,
                         const struct conf_budget *b)
{
    bool downgrades = b->at_cap && strcmp(b->at_cap, "downgrade") == 0;

    if (!is_whole(b))
        return;
    if (downgrades != (b->downgrade != NULL))
        diag_error(l->diag, &b->place,
                   downgrades ? "\"at_cap: downgrade\" wants \"downgrade: "
                                "ALIAS\" beside it"
                              : "\"downgrade\" wants \"at_cap: downgrade\" "
                                "beside it");
    for (const struct conf_budget *other = all; other < b; other++)
        if (same_account(other, b)) {
            diag_error(l->diag, &b->place,
                       "a second budget of the same kind; the first stands on "
                       "line %d",
                       other->place.line);
            return;
        }
}

void budgets_read(const struct load *l, struct conf_team *team,
                  const struct node *list)
{
    size_t n;
    const struct node *b = children(l, list, NODE_LIST, "\"budgets\"", &n);
    struct conf_budget *first, *budget;

    if (n > CONF_BUDGETS_MOST) {
        diag_error(l->diag, node_head(list), "more than %d budgets",
                   CONF_BUDGETS_MOST);
        return;
    }
    first = budget = arena_alloc(l->arena, n * sizeof(*budget));
    team->budgets = first;
    team->n_budgets = n;
    for (; b; b = b->next, budget++) {
        budget->place = b->place;
        budget->currency = l->conf->currency;
        fields_read(&budget_fields, b, budget, l->arena, l->diag);
        check_budget(l, first, budget);
    }
}
