/* cmd_admin.c - bijia admin: speaks to a running bijia over its socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "conf/conf.h"

#include "admin/plane.h"
#include "cli/admin_call.h"
#include "cli/options.h"
#include "cli/table.h"

struct admin_run {
    const struct args *args;
    struct arena *arena;
    cJSON *json;
};

/* --- showing -------------------------------------------------------------- */

/* A member as a cell: a text, or a whole number; "" if it is not there. */
static const char *cell(const struct admin_run *r, const cJSON *of,
                        const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(of, name);

    if (cJSON_IsString(item))
        return item->valuestring;
    if (cJSON_IsBool(item))
        return cJSON_IsTrue(item) ? "yes" : "no";
    if (cJSON_IsNumber(item))
        return arena_printf(r->arena, "%.0f", item->valuedouble);
    return "";
}

/* "37/60": what is left of a limit. */
static const char *left_of(const struct admin_run *r, const cJSON *of,
                           const char *name)
{
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(of, name);

    return limit ? arena_printf(r->arena, "%s/%s", cell(r, limit, "remaining"),
                                cell(r, limit, "limit"))
                 : "";
}

static void show_status(const struct admin_run *r)
{
    for (const cJSON *item = r->json->child; item; item = item->next)
        printf("%-12s %s\n", item->string, cell(r, r->json, item->string));
}

/* One row: the members `names` of `of`. */
static void add_cells(const struct admin_run *r, struct table *t,
                      const cJSON *of, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        table_add(t, "%s", cell(r, of, names[i]));
}

static void show_offers(const struct admin_run *r)
{
    static const char *const names[] = {
        "vendor", "model", "state", "cooling_ms", "in_flight", "first_byte_ms"};
    struct table *t = table_new("VENDOR|MODEL|STATE|COOLING MS>|IN FLIGHT>|"
                                "FIRST BYTE MS>",
                                r->arena);
    const cJSON *o;

    cJSON_ArrayForEach(o, cJSON_GetObjectItemCaseSensitive(r->json, "offers"))
    {
        add_cells(r, t, o, names, ARRAY_LEN(names));
    }
    table_print(t, stdout);
}

static void show_vendors(const struct admin_run *r)
{
    static const char *const names[] = {"key", "cooling_ms", "in_flight",
                                        "concurrency"};
    struct table *t = table_new("VENDOR|KEY>|COOLING MS>|IN FLIGHT>|"
                                "CONCURRENCY>|RPM LEFT>|TPM LEFT>",
                                r->arena);
    const cJSON *v, *k;

    cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(r->json, "vendors"))
    {
        cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(v, "keys"))
        {
            table_add(t, "%s", cell(r, v, "vendor"));
            add_cells(r, t, k, names, ARRAY_LEN(names));
            table_add(t, "%s", left_of(r, k, "rpm"));
            table_add(t, "%s", left_of(r, k, "tpm"));
        }
    }
    table_print(t, stdout);
}

static void add_team(const struct admin_run *r, struct table *t,
                     const cJSON *team)
{
    const cJSON *a;

    table_add(t, "%s", team->string);
    table_add(t, "%s", cell(r, team, "in_flight"));
    table_add(t, "%s", cell(r, team, "refused"));
    table_add(t, "%s", left_of(r, team, "rpm"));
    table_add(t, "%s", left_of(r, team, "tpm"));
    for (int i = 0; i < 4; i++)
        table_add(t, "%s", "");
    cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(team, "accounts"))
    {
        for (int i = 0; i < 5; i++)
            table_add(t, "%s", "");
        table_add(t, "%s %s", cell(r, a, "of"), cell(r, a, "who"));
        table_add(t, "%s %s", cell(r, a, "currency"), cell(r, a, "spent"));
        table_add(t, "%s", cell(r, a, "reserved"));
        table_add(t, "%s", cell(r, a, "cap"));
    }
}

static void show_teams(const struct admin_run *r)
{
    struct table *t = table_new("TEAM|IN FLIGHT>|LIMITED>|RPM LEFT>|TPM LEFT>|"
                                "ACCOUNT|SPENT>|RESERVED>|CAP>",
                                r->arena);
    const cJSON *team;

    cJSON_ArrayForEach(team, cJSON_GetObjectItemCaseSensitive(r->json, "teams"))
    {
        add_team(r, t, team);
    }
    table_print(t, stdout);
}

static void show_offer_names(const struct admin_run *r)
{
    const cJSON *list = r->json->child, *name;

    cJSON_ArrayForEach(name, list)
    {
        printf("%s %s\n", list->string, name->valuestring);
    }
}

/* --- asking --------------------------------------------------------------- */

static const struct {
    const char *name, *request;
    bool wants_offer;
    void (*show)(const struct admin_run *r); /* NULL: as it came */
} verbs[] = {
    {"status", "GET /v1/status", false, show_status},
    {"offers", "GET /v1/offers", false, show_offers},
    {"vendors", "GET /v1/vendors", false, show_vendors},
    {"teams", "GET /v1/teams", false, show_teams},
    {"ledger", "GET /v1/ledger", false, show_status},
    {"metrics", "GET /metrics", false, NULL},
    {"disable", "POST /v1/offers/disable", true, show_offer_names},
    {"enable", "POST /v1/offers/enable", true, show_offer_names},
    {"reload", "POST /v1/reload", false, show_status},
    {"drain", "POST /v1/drain", false, show_status},
};

static const char *offer_body(const char *offer, struct arena *a)
{
    cJSON *json = cJSON_CreateObject();
    char text[1024] = "{}";

    cJSON_AddStringToObject(json, "offer", offer);
    (void)cJSON_PrintPreallocated(json, text, sizeof(text), false);
    cJSON_Delete(json);
    return arena_printf(a, "%s", text);
}

static int refused(const struct admin_answer *answer)
{
    cJSON *json = cJSON_Parse(answer->body.bytes);
    const cJSON *message = cJSON_GetObjectItemCaseSensitive(
        cJSON_GetObjectItemCaseSensitive(json, "error"), "message");

    fprintf(stderr, "bijia admin: %s\n",
            cJSON_IsString(message) ? message->valuestring
                                    : "the answer is not understood");
    cJSON_Delete(json);
    return 1;
}

static int show(size_t verb, struct admin_run *r,
                const struct admin_answer *answer)
{
    if (answer->status != 200)
        return refused(answer);
    r->json = cJSON_Parse(answer->body.bytes);
    if (!verbs[verb].show || option_given(r->args, "--json"))
        printf("%s%s", answer->body.bytes, verbs[verb].show ? "\n" : "");
    else if (r->json)
        verbs[verb].show(r);
    cJSON_Delete(r->json);
    return 0;
}

static int ask(size_t verb, const struct args *args, struct arena *a)
{
    struct diag *diag = arena_alloc(a, sizeof(*diag));
    struct admin_run r = {.args = args, .arena = a};
    struct admin_answer answer;
    const struct conf *conf;
    const char *path;

    if (conf_load(&conf, option_conf_dir(args, NULL), a, diag) < 0) {
        diag_print(diag);
        return 1;
    }
    path = plane_socket(conf, a);
    if (admin_call(&answer, path, verbs[verb].request,
                   verbs[verb].wants_offer ? offer_body(args->words[1], a)
                                           : NULL,
                   a) != 0) {
        fprintf(stderr, "bijia admin: %s: %s; is bijia running?\n", path,
                strerror(errno));
        return 1;
    }
    return show(verb, &r, &answer);
}

static int run(const struct args *args)
{
    for (size_t i = 0; args->n_words > 0 && i < ARRAY_LEN(verbs); i++) {
        struct arena *a;
        int status;

        if (strcmp(verbs[i].name, args->words[0]) != 0)
            continue;
        if (verbs[i].wants_offer && args->n_words < 2)
            return usage_error(args, "which offer? vendor/model, model or "
                                     "vendor/*");
        a = arena_new();
        status = ask(i, args, a);
        arena_free(a);
        return status;
    }
    return usage_error(args, "status, offers, vendors, teams, ledger, metrics, "
                             "disable, enable, reload or drain?");
}

static const struct option_row options[] = {
    OPTION_CONF,
    {"--json", NULL, "as the admin plane tells it"},
};

extern const struct command command_admin;
const struct command command_admin = {
    .name = "admin",
    .usage = "status | offers | vendors | teams | ledger | metrics |\n"
             "             disable OFFER | enable OFFER | reload | drain",
    .help = "look into a running bijia, and take offers out",
    .more =
        "It speaks over the unix socket admin.sock in the state directory\n"
        "(`admin` in bijia.yaml), which bijia's own user and root may use.\n"
        "An OFFER is vendor/model, a model, or vendor/*; what is disabled\n"
        "stays so until it is enabled or bijia ends.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .words_most = 2,
    .run = run,
};
