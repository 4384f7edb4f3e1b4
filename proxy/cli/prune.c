#include "cli/prune.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <cjson/cJSON.h>

#include "base/time.h"

#include "conf/conf.h"

#include "admin/plane.h"
#include "cli/admin_call.h"
#include "record/recorder.h"
#include "record/retention.h"

enum {
    ERROR_TEXT = 512,
    LOOK_NS = 50 * 1000 * 1000, /* between looks whether it is done */
};

struct prune {
    const struct conf *conf;
    struct arena *arena;
    int64_t before_ms;
};

static void nap(void)
{
    const struct timespec t = {.tv_nsec = LOOK_NS};

    nanosleep(&t, NULL);
}

static int told(int64_t n_exchanges, int64_t n_attempts, int64_t n_accounts,
                bool failed)
{
    printf("removed %" PRId64 " requests with %" PRId64 " attempts, %" PRId64
           " accounts of windows that are over\n",
           n_exchanges, n_attempts, n_accounts);
    if (failed)
        fprintf(stderr, "bijia ledger: then it failed; the log of bijia says "
                        "why. What was removed is gone, the rest is whole\n");
    return failed ? 1 : 0;
}

/* --- by the running proxy ------------------------------------------------- */

static int64_t number(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static cJSON *ask(const struct prune *p, const char *request, const char *body)
{
    struct admin_answer answer;
    cJSON *json;

    if (admin_call(&answer, plane_socket(p->conf, p->arena), request, body,
                   p->arena) != 0)
        return NULL;
    json = cJSON_Parse(answer.body.bytes);
    if (answer.status != 200)
        fprintf(stderr, "bijia ledger: %s\n", answer.body.bytes);
    if (answer.status == 200 && json)
        return json;
    cJSON_Delete(json);
    return cJSON_CreateNull();
}

/* -1: nothing is running. */
static int by_proxy(const struct prune *p)
{
    static const char *const names[] = {"requests", "attempts", "accounts"};
    int64_t before[3], after[3];
    cJSON *json = ask(p, "GET /v1/ledger", NULL);
    char at[TIME_TEXT];
    bool busy = true, failed = false;

    if (!json)
        return -1;
    for (int i = 0; i < 3; i++)
        before[i] = number(json, names[i]);
    cJSON_Delete(json);
    json = ask(p, "POST /v1/ledger/prune",
               arena_printf(p->arena, "{\"before\":\"%s\"}",
                            time_text(p->before_ms, at)));
    while (cJSON_IsObject(json) && busy) {
        cJSON_Delete(json);
        nap();
        json = ask(p, "GET /v1/ledger", NULL);
        busy = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "busy"));
        failed = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "failed"));
        for (int i = 0; i < 3; i++)
            after[i] = number(json, names[i]) - before[i];
    }
    busy = busy || !cJSON_IsObject(json);
    cJSON_Delete(json);
    if (busy) {
        fprintf(stderr, "bijia ledger: the proxy gave no answer\n");
        return 1;
    }
    return told(after[0], after[1], after[2], failed);
}

/* --- by ourselves --------------------------------------------------------- */

static int alone(const struct prune *p)
{
    const char *dir = conf_path(p->conf, p->conf->server.state_dir, p->arena);
    char error[ERROR_TEXT];
    struct recorder *r = recorder_new(dir, 1, error, sizeof(error));
    const struct retention *t;
    bool ok;

    if (!r) {
        fprintf(stderr, "bijia ledger: %s\n", error);
        return 1;
    }
    t = recorder_retention(r);
    recorder_prune(r, p->before_ms);
    while (atomic_load(&t->busy) && recorder_healthy(r))
        nap();
    ok = recorder_healthy(r) && !atomic_load(&t->failed);
    (void)told(atomic_load(&t->n_exchanges), atomic_load(&t->n_attempts),
               atomic_load(&t->n_accounts), !ok);
    recorder_free(r);
    return ok ? 0 : 1;
}

int prune_run(const struct args *args, struct arena *a)
{
    const char *text = option_value(args, "--before");
    struct prune p = {.arena = a};
    static struct diag diag;
    int status;

    if (!text || !time_parse(&p.before_ms, text))
        return usage_error(args, "prune wants --before and an instant such as "
                                 "2026-01-01");
    if (!retention_is_fit(p.before_ms))
        return usage_error(args, "prune: rows of the last %d days stay",
                           LEDGER_KEEP_LEAST_DAYS);
    if (conf_load(&p.conf, option_conf_dir(args, NULL), a, &diag) != 0) {
        diag_print(&diag);
        return 1;
    }
    status = by_proxy(&p);
    return status < 0 ? alone(&p) : status;
}
