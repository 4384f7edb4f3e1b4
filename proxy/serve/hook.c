#include "serve/hook.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/json_write.h"
#include "base/log.h"
#include "base/time.h"

enum {
    JOBS_MOST = 256,
    COUNTS_MOST = 4096,
    BODY_BYTES = 4096,
    CONNECT_MS = 5000,
    POST_MS = 10000,
    FIRST_WAIT_MS = 1000, /* before the second try, then four times as long */
    FAREWELL_MS = 2000,
    SECOND_MS = 1000,
    MS_NANOS = 1000000,
    OK = 200,
    REDIRECTS = 300,
    TIMED_OUT = 408,
    TOO_MANY = 429,
    SERVER_ERRORS = 500,
};

/* One warning, in an arena of its own. */
struct job {
    struct job *next;
    struct arena *arena;
    const char *id, *body;
    int tries;
    int64_t due_ms;
};

struct hook {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct snapshot *s; /* the edition in force; NULL: none yet */
    struct job *jobs;
    size_t n_jobs, n_counts;
    struct hook_count *counts;
    uint64_t n_sent, n_failed;
    _Atomic int64_t end_ms; /* 0: go on */
};

static const char *const eaches[] = {"all", "team", "key", "user"},
                         *const periods[] = {"day", "month", "total"};

/* --- telling -------------------------------------------------------------- */

/* Is it nobody's own, or else whose? */
static const char *who_of(const struct warning *w, char out[ACCOUNT_WHO + 1])
{
    memcpy(out, w->key.who, ACCOUNT_WHO);
    out[ACCOUNT_WHO] = '\0';
    return out;
}

static void add(struct buf *b, const char *name, const char *text)
{
    if (json_add_raw(b, b->len > 1 ? "," : "") ||
        json_add_text(b, slice_of(name)) || json_add_raw(b, ":") ||
        (text ? json_add_text(b, slice_of(text)) : json_add_raw(b, "null")))
        fatal("a warning is larger than %d bytes", BODY_BYTES);
}

static void add_amount(struct buf *b, const char *name, int64_t nanos)
{
    char text[MONEY_TEXT];

    add(b, name, decimal_text(nanos, text));
}

/* "Team demo has spent CNY 80.12 of CNY 100 per day." */
static const char *sentence(const struct warning *w, struct arena *a)
{
    const char *currency = currency_name((enum currency)w->key.currency);
    char spent[MONEY_TEXT], cap[MONEY_TEXT], who[ACCOUNT_WHO + 1];
    bool own = w->key.scope == ACCOUNT_KEY || w->key.scope == ACCOUNT_USER;

    return arena_printf(
        a, "%s%s%s%s%s has spent %s %s of %s %s %s.", own ? "" : "Team ",
        own ? eaches[w->key.scope] : "", own ? " " : "",
        own ? who_of(w, who) : w->team,
        own ? arena_printf(a, " of team %s", w->team) : "", currency,
        decimal_text(w->spent_nanos, spent), currency,
        decimal_text(w->cap_nanos, cap),
        w->key.period == PERIOD_TOTAL
            ? "in all"
            : arena_printf(a, "per %s", periods[w->key.period]));
}

static const char *body_of(const struct warning *w, struct arena *a)
{
    char who[ACCOUNT_WHO + 1], at[TIME_TEXT];
    struct buf b;
    const char *text;

    buf_init(&b, BODY_BYTES);
    if (json_add_raw(&b, "{"))
        fatal("no room for a warning");
    add(&b, "event", "budget_warning");
    add(&b, "id", w->id);
    add(&b, "at", time_text(w->at_unix_ms, at));
    add(&b, "team", w->team);
    add(&b, "each", eaches[w->key.scope]);
    add(&b, "who", *who_of(w, who) ? who : NULL);
    add(&b, "per", periods[w->key.period]);
    add(&b, "since", w->key.window_ms ? time_text(w->key.window_ms, at) : NULL);
    add_amount(&b, "fraction", w->mark.fraction_nanos);
    add(&b, "currency", currency_name((enum currency)w->key.currency));
    add_amount(&b, "amount", w->cap_nanos);
    add_amount(&b, "spent", w->spent_nanos);
    add(&b, "text", sentence(w, a));
    if (json_add_raw(&b, "}"))
        fatal("no room for a warning");
    text = arena_strndup(a, b.bytes, b.len);
    buf_fini(&b);
    return text;
}

static void log_warning(const struct warning *w)
{
    char reached[MONEY_TEXT], cap[MONEY_TEXT], spent[MONEY_TEXT],
        fraction[MONEY_TEXT], who[ACCOUNT_WHO + 1];

    log_line(LOG_WARN, "budget",
             "team=%s each=%s per=%s who=\"%s\" fraction=%s reached=%s of=%s "
             "spent=%s currency=%s id=%s",
             w->team, eaches[w->key.scope], periods[w->key.period],
             w->key.scope == ACCOUNT_KEY ? who_of(w, who) : "",
             decimal_text(w->mark.fraction_nanos, fraction),
             decimal_text(w->mark.nanos, reached),
             decimal_text(w->cap_nanos, cap),
             decimal_text(w->spent_nanos, spent),
             currency_name((enum currency)w->key.currency), w->id);
}

/* Under the lock. */
static void count(struct hook *h, const struct warning *w)
{
    struct hook_count *c = h->counts, *end = c + h->n_counts;

    while (c < end && (c->fraction_nanos != w->mark.fraction_nanos ||
                       c->scope != w->key.scope || c->period != w->key.period ||
                       strcmp(c->team, w->team) != 0))
        c++;
    if (c == end && h->n_counts == COUNTS_MOST)
        return;
    if (c == end) {
        h->n_counts++;
        *c = (struct hook_count){.scope = w->key.scope,
                                 .period = w->key.period,
                                 .fraction_nanos = w->mark.fraction_nanos};
        memcpy(c->team, w->team, sizeof(c->team));
    }
    c->n++;
}

static struct job *job_of(const struct warning *w)
{
    struct arena *a = arena_new();
    struct job *j = arena_alloc(a, sizeof(*j));

    *j = (struct job){.arena = a,
                      .id = arena_strndup(a, w->id, sizeof(w->id) - 1),
                      .body = body_of(w, a)};
    return j;
}

void hook_warn(void *hook, const struct warning *w)
{
    struct hook *h = hook;

    log_warning(w);
    pthread_mutex_lock(&h->lock);
    count(h, w);
    if (h->s && h->s->webhook && h->n_jobs < JOBS_MOST) {
        struct job *j = job_of(w), **end = &h->jobs;

        while (*end)
            end = &(*end)->next;
        *end = j;
        h->n_jobs++;
        pthread_cond_signal(&h->wake);
    } else if (h->s && h->s->webhook) {
        h->n_failed++;
        log_line(LOG_WARN, "webhook",
                 "id=%s result=given_up why=\"%d others wait\"", w->id,
                 JOBS_MOST);
    }
    pthread_mutex_unlock(&h->lock);
}

/* --- sending -------------------------------------------------------------- */

static size_t swallow(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)size;
    (void)arg;
    return n;
}

static int is_over(void *arg, curl_off_t a, curl_off_t b, curl_off_t c,
                   curl_off_t d)
{
    const struct hook *h = arg;
    int64_t end_ms = atomic_load(&h->end_ms);

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return end_ms && clock_mono_ms() >= end_ms;
}

static bool set_up(CURL *easy, struct hook *h, const struct job *j,
                   const struct snapshot *s)
{
    const char *ca = conf_path(s->conf, s->conf->webhook.ca_file, j->arena);

    return !curl_easy_setopt(easy, CURLOPT_URL, s->webhook) &&
           !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https,http") &&
           !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, j->body) &&
           !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)CONNECT_MS) &&
           !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)POST_MS) &&
           !curl_easy_setopt(easy, CURLOPT_USERAGENT, "bijia/" BIJIA_VERSION) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow) &&
           !curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) &&
           !curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_over) &&
           !curl_easy_setopt(easy, CURLOPT_XFERINFODATA, h) &&
           (!ca || !curl_easy_setopt(easy, CURLOPT_CAINFO, ca));
}

/* The status; 0 and *why: none came. Never the URL, which may be a secret. */
static long post(struct hook *h, const struct job *j, const struct snapshot *s,
                 const char **why)
{
    struct curl_slist *head =
        curl_slist_append(NULL, "Content-Type: application/json");
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_FAILED_INIT;
    long status = 0;

    if (head && easy && set_up(easy, h, j, s) &&
        !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, head))
        code = curl_easy_perform(easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    *why = curl_easy_strerror(code);
    curl_easy_cleanup(easy);
    curl_slist_free_all(head);
    return status;
}

static bool is_worth_a_try(long status)
{
    return status == 0 || status == TIMED_OUT || status == TOO_MANY ||
           status >= SERVER_ERRORS;
}

static void job_end(struct job *j, long status, const char *why)
{
    bool sent = status >= OK && status < REDIRECTS;

    log_line(sent ? LOG_INFO : LOG_WARN, "webhook",
             "id=%s result=%s tries=%d status=%ld why=\"%s\"", j->id,
             sent ? "sent" : "given_up", j->tries, status, why);
    arena_free(j->arena);
}

/* Under the lock; it is let go while the job is sent. */
static void work(struct hook *h, struct job *j)
{
    struct snapshot *s = snapshot_retain(h->s);
    const char *why = "no webhook any more";
    long status = 0;

    pthread_mutex_unlock(&h->lock);
    j->tries++;
    if (s->webhook)
        status = post(h, j, s, &why);
    pthread_mutex_lock(&h->lock);
    if (s->webhook && is_worth_a_try(status) && j->tries < HOOK_TRIES &&
        !atomic_load(&h->end_ms)) {
        j->due_ms =
            clock_mono_ms() + ((int64_t)FIRST_WAIT_MS << 2 * (j->tries - 1));
        j->next = h->jobs;
        h->jobs = j;
    } else {
        bool sent = status >= OK && status < REDIRECTS;

        h->n_jobs--;
        h->n_sent += sent;
        h->n_failed += !sent;
        job_end(j, status, why);
    }
    snapshot_release(s);
}

/* --- the thread ----------------------------------------------------------- */

/* The first that is due, in the order they came; else when one will be. */
static struct job *take_due(struct hook *h, int64_t *due_ms)
{
    int64_t now_ms = clock_mono_ms();
    struct job **first = NULL, *j;

    *due_ms = INT64_MAX;
    for (struct job **at = &h->jobs; *at; at = &(*at)->next)
        if ((*at)->due_ms < *due_ms) {
            *due_ms = (*at)->due_ms;
            first = at;
        }
    if (!first || (*due_ms > now_ms && !atomic_load(&h->end_ms)))
        return NULL;
    j = *first;
    *first = j->next;
    return j;
}

static void wait_until(struct hook *h, int64_t due_ms)
{
    struct timespec when = {
        .tv_sec = due_ms / SECOND_MS,
        .tv_nsec = due_ms % SECOND_MS * MS_NANOS,
    };

    if (due_ms == INT64_MAX)
        pthread_cond_wait(&h->wake, &h->lock);
    else
        pthread_cond_timedwait(&h->wake, &h->lock, &when);
}

static void *run(void *arg)
{
    struct hook *h = arg;

    pthread_setname_np(pthread_self(), "bijia-hook");
    pthread_mutex_lock(&h->lock);
    while (!atomic_load(&h->end_ms) || h->jobs) {
        int64_t due_ms;
        struct job *j = take_due(h, &due_ms);

        if (j)
            work(h, j);
        else
            wait_until(h, due_ms);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

struct hook *hook_start(struct arena *a)
{
    struct hook *h = arena_alloc(a, sizeof(*h));
    pthread_condattr_t by_mono;
    sigset_t all, before;

    h->counts = arena_alloc(a, COUNTS_MOST * sizeof(*h->counts));
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&by_mono);
    pthread_condattr_setclock(&by_mono, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &by_mono);
    pthread_condattr_destroy(&by_mono);
    sigfillset(&all); /* signals go to main's loop alone */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&h->thread, NULL, run, h))
        fatal("cannot start the webhook's thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return h;
}

void hook_follow(struct hook *h, struct snapshot *s)
{
    struct snapshot *before;

    snapshot_retain(s);
    pthread_mutex_lock(&h->lock);
    before = h->s;
    h->s = s;
    pthread_mutex_unlock(&h->lock);
    snapshot_release(before);
}

void hook_stop(struct hook *h)
{
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->end_ms, clock_mono_ms() + FAREWELL_MS);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    snapshot_release(h->s);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
}

/* --- counts --------------------------------------------------------------- */

void hook_each(struct hook *h,
               void (*each)(void *to, const struct hook_count *count), void *to)
{
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->n_counts; i++)
        each(to, &h->counts[i]);
    pthread_mutex_unlock(&h->lock);
}

struct hook_posts hook_posts(struct hook *h)
{
    struct hook_posts p;

    pthread_mutex_lock(&h->lock);
    p = (struct hook_posts){h->n_sent, h->n_failed, h->n_jobs};
    pthread_mutex_unlock(&h->lock);
    return p;
}
