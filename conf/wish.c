/* wish.c - what a team wants of the offers it gets: where they compute, what
 * they can do at least, and what its time is worth. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

/* More than this a second is nobody's time. */
#define SECOND_MOST (1000 * 1000000000LL)

enum {
    OBJECTIVES_MOST = 1000,
    NUMBER_BYTES = 32,
    TOKENS_MOST = 100000000,
};

#define ABILITY(word, member, text)                                     \
    FIELD(conf_floor, word, member, .kind = FIELD_YES_NO, .init = "no", \
          .live = true, .help = (text))

static const struct field floor_rows[] = {
    FIELD(conf_floor, "context", context_tokens, .kind = FIELD_COUNT,
          .init = "", .min = 1, .max = TOKENS_MOST, .live = true,
          .help = "tokens of prompt and answer together, at least"),
    FIELD(conf_floor, "max_output", max_output_tokens, .kind = FIELD_COUNT,
          .init = "", .min = 1, .max = TOKENS_MOST, .live = true,
          .help = "tokens of its longest answer, at least"),
    ABILITY("tools", tools, "must take tools"),
    ABILITY("vision", vision, "must take images"),
    ABILITY("json_object", json_object, "must take json_object"),
    ABILITY("json_schema", json_schema, "must keep to a json_schema"),
    ABILITY("thinking", thinking, "must be able to think"),
};

const struct field_table floor_fields = FIELD_TABLE(floor_rows);

/* "0.002 CNY/s" */
static bool worth_parse(struct money *out, const char *text)
{
    size_t len = strcspn(text, " ");
    char number[NUMBER_BYTES], currency[4] = "";

    if (len == 0 || len >= sizeof(number) || text[len] != ' ' ||
        strlen(text + len) != strlen(" CNY/s") ||
        strcmp(text + len + 4, "/s") != 0)
        return false;
    memcpy(number, text, len);
    number[len] = '\0';
    memcpy(currency, text + len + 1, 3);
    return decimal_parse(&out->nanos, number) && out->nanos <= SECOND_MOST &&
           currency_parse(&out->currency, currency);
}

static const char *check_worth(const char *text)
{
    struct money worth;

    return worth_parse(&worth, text)
               ? NULL
               : "wants what a second is worth, at most 1000, such as "
                 "\"0.002 CNY/s\"";
}

struct objective_words {
    const char *latency;
};

static const struct field objective_rows[] = {
    FIELD(objective_words, "latency", latency, .kind = FIELD_TEXT, .init = "",
          .check = check_worth, .live = true,
          .help = "what a second until the first byte is worth: \"0.002 "
                  "CNY/s\"; absent: nothing, the cheapest goes first"),
};

const struct field_table objective_fields = FIELD_TABLE(objective_rows);

static struct conf_objective read_one(const struct load *l,
                                      const struct node *n)
{
    struct conf_objective o = {.place = *node_head(n)};
    struct objective_words words = {NULL};

    if (n->kind == NODE_TEXT && !n->nothing && strcmp(n->text, "cheapest") == 0)
        return o;
    fields_read(&objective_fields, n, &words, l->arena, l->diag);
    if (words.latency && !worth_parse(&o.second, words.latency))
        o.second.nanos = 0; /* told by its check */
    return o;
}

static void read_each(const struct load *l, struct conf_wish *wish,
                      const struct node *map)
{
    const struct node *n =
        children(l, map, NODE_MAP, "\"objectives\"", &wish->n_objectives);
    struct conf_objective *o;

    if (wish->n_objectives > OBJECTIVES_MOST) {
        diag_error(l->diag, node_head(map), "more than %d objectives",
                   OBJECTIVES_MOST);
        wish->n_objectives = 0;
        return;
    }
    o = arena_alloc(l->arena, wish->n_objectives * sizeof(*o));
    wish->objectives = o;
    for (; n; n = n->next, o++) {
        *o = read_one(l, n);
        o->alias = arena_strndup(l->arena, n->key, strlen(n->key));
    }
}

void wish_read(const struct load *l, struct conf_wish *wish,
               const struct node *team)
{
    const struct node *floor = node_find(team, "floor"),
                      *objective = node_find(team, "objective"),
                      *objectives = node_find(team, "objectives");

    if (floor)
        fields_read(&floor_fields, floor, &wish->floor, l->arena, l->diag);
    if (objective)
        wish->objective = read_one(l, objective);
    if (objectives)
        read_each(l, wish, objectives);
}
