/* policy.c - policy.yaml: teams, what they may use, and aliases. */
#include <string.h>

#include "conf/check.h"
#include "conf/files.h"

/* An empty `allow` would allow nothing, and looks as if it allowed all. */
#define PATTERNS(word, member, least, text)                         \
    FIELD(conf_team, word, member, .kind = FIELD_WORDS, .init = "", \
          .min = (least), .check = check_pattern, .live = true,     \
          .help = (text))

static const struct field vendor_rows[] = {
    PATTERNS("allow", rules.allow_vendors, 1,
             "only these; absent: all. A '*' at the end stands for any rest"),
    PATTERNS("deny", rules.deny_vendors, 0, "never these, allowed or not"),
};

static const struct field model_rows[] = {
    PATTERNS("allow", rules.allow_models, 1,
             "only these: model or vendor/model; absent: all"),
    PATTERNS("deny", rules.deny_models, 0, "never these, allowed or not"),
};

static const struct field cap_rows[] = {
    FIELD(conf_team, "input", rules.cap_input, .kind = FIELD_RATE, .init = "",
          .min = 1, .max = MOST_NANOS, .live = true,
          .help = "dearest price of input, per 1M tokens in the policy's "
                  "currency"),
    FIELD(conf_team, "output", rules.cap_output, .kind = FIELD_RATE, .init = "",
          .min = 1, .max = MOST_NANOS, .live = true,
          .help = "the same of output"),
};

static const struct field_table vendor_rules = FIELD_TABLE(vendor_rows),
                                model_rules = FIELD_TABLE(model_rows),
                                caps = FIELD_TABLE(cap_rows);

static const struct field team_rows[] = {
    SECTION("vendors", &vendor_rules, "which vendors the team may use"),
    SECTION("models", &model_rules, "which models the team may use"),
    SECTION("price_cap", &caps, "offers that cost more are left out"),
    FIELD(conf_team, "residency", wish.residency, .kind = FIELD_WORDS,
          .init = "", .min = 1, .max = 64, .check = check_vendor, .live = true,
          .help = "regions of vendors that its requests may go to: cn"),
    BY_HAND("floor", &floor_fields,
            "what a model must be able to do, asked for or not"),
    BY_HAND("objective", &objective_fields,
            "cheapest, or what else counts besides the cost"),
    BY_HAND("objectives", NULL, "the same of single aliases, by their names"),
    BY_HAND("limits", &limits_fields, "of all its requests together"),
    BY_HAND("key_limits", &limits_fields,
            "of the requests of each of its keys"),
    BY_HAND("aliases", NULL, "of this team, before those of all"),
    BY_HAND("budgets", &budget_fields,
            "what may be spent; each request must fit into all of them"),
};

static const struct field_table team_fields = FIELD_TABLE(team_rows);

static const struct field alias_rows[] = {
    FIELD(conf_alias, "NAME", targets, .kind = FIELD_WORDS, .min = 1,
          .check = check_pattern, .live = true,
          .help = "vendor/model, model, or vendor/*: what may answer"),
};

static const struct field_table alias_fields = FIELD_TABLE(alias_rows);

static const struct field webhook_rows[] = {
    FIELD(conf, "url", webhook.url, .kind = FIELD_TEXT, .init = "",
          .check = check_url, .live = true,
          .help = "https://host/path; http only in this network"),
    FIELD(conf, "env", webhook.secret.env, .kind = FIELD_TEXT, .init = "",
          .check = check_env, .live = true,
          .help = "or the environment variable that holds the URL, if it is "
                  "itself a secret"),
    FIELD(conf, "file", webhook.secret.file, .kind = FIELD_TEXT, .init = "",
          .live = true, .help = "or the file, which nobody else may read"),
    FIELD(conf, "ca_file", webhook.ca_file, .kind = FIELD_TEXT, .init = "",
          .live = true,
          .help = "PEM file of the authorities to trust instead of the "
                  "system's"),
};

static const struct field_table webhook_fields = FIELD_TABLE(webhook_rows);

static const struct field file_rows[] = {
    FIELD(conf, "currency", currency, .kind = FIELD_CURRENCY, .init = "CNY",
          .live = true, .help = "costs are compared and told in it"),
    FIELD(conf, "unpriced", unpriced, .kind = FIELD_CHOICE, .init = "deny",
          .choices = "deny last", .live = true,
          .help = "models without a price: never used, or only after all "
                  "others"),
    BY_HAND("aliases", &alias_fields, "names that stand for several models"),
    BY_HAND("teams", &team_fields, "by name"),
    SECTION("webhook", &webhook_fields,
            "is sent the warnings of budgets: a JSON object each, by POST"),
};

const struct field_table policy_fields = FIELD_TABLE(file_rows);

/* An alias is one field whose name is the alias's own. */
static const struct conf_alias *read_aliases(const struct load *l,
                                             const struct node *map,
                                             size_t *n_out)
{
    const struct node *n = children(l, map, NODE_MAP, "\"aliases\"", n_out);
    struct conf_alias *first, *alias;

    first = alias = arena_alloc(l->arena, *n_out * sizeof(*alias));
    for (; n; n = n->next, alias++) {
        struct field row = alias_rows[0];
        struct node one = {.kind = NODE_MAP, .n_children = 1}, value = *n;
        const struct field_table table = {&row, 1};

        alias->place = n->key_place;
        alias->name = arena_strndup(l->arena, n->key, strlen(n->key));
        if (!check_key(n, check_name, "an alias", l->diag))
            continue;
        row.name = alias->name;
        value.next = NULL;
        one.child = &value;
        fields_read(&table, &one, alias, l->arena, l->diag);
    }
    return first;
}

static void read_team(const struct load *l, struct conf_team *team,
                      const struct node *n)
{
    const struct node *aliases = node_find(n, "aliases"),
                      *budgets = node_find(n, "budgets");

    team->place = n->key_place;
    team->name = arena_strndup(l->arena, n->key, strlen(n->key));
    if (!check_key(n, check_name, "a team", l->diag))
        return;
    fields_read(&team_fields, n, team, l->arena, l->diag);
    wish_read(l, &team->wish, n);
    team->limits = limits_read(l, node_find(n, "limits"));
    team->key_limits = limits_read(l, node_find(n, "key_limits"));
    if (aliases)
        team->aliases = read_aliases(l, aliases, &team->n_aliases);
    if (budgets)
        budgets_read(l, team, budgets);
}

static void check_webhook(const struct load *l, const struct node *section)
{
    struct conf_webhook *w = &l->conf->webhook;
    int n =
        (w->url != NULL) + (w->secret.env != NULL) + (w->secret.file != NULL);

    w->secret.place = *node_head(section);
    if (n != 1)
        diag_error(l->diag, node_head(section),
                   "\"webhook\" wants one of \"url\", \"env\" and \"file\"");
    else if (w->url && url_is_exposed(w->url))
        diag_error(l->diag, node_head(section),
                   "who spends what would go through the net for all to read: "
                   "the webhook wants https://");
}

void policy_read(const struct load *l, const struct node *root)
{
    const struct node *aliases = node_find(root, "aliases"),
                      *teams = node_find(root, "teams"), *n;
    struct conf *c = l->conf;
    struct conf_team *team;

    fields_read(&policy_fields, root, c, l->arena, l->diag);
    if (node_find(root, "webhook"))
        check_webhook(l, node_find(root, "webhook"));
    if (aliases)
        c->aliases = read_aliases(l, aliases, &c->n_aliases);
    if (!teams)
        return;
    n = children(l, teams, NODE_MAP, "\"teams\"", &c->n_teams);
    team = arena_alloc(l->arena, c->n_teams * sizeof(*team));
    c->teams = team;
    for (; n; n = n->next)
        read_team(l, team++, n);
}
