#include "serve/serve.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/fatal.h"
#include "base/log.h"

#include "record/retention.h"
#include "serve/feed.h"
#include "serve/hook.h"
#include "serve/program.h"
#include "serve/revoke.h"

enum {
    ERROR_TEXT = 512,
    SAVE_MS = 60000,
};

/* --- the files ------------------------------------------------------------ */

static struct edition *load(struct program *p, uint64_t number)
{
    struct snapshot *snapshot = NULL;
    struct diag *diag = arena_alloc(p->arena, sizeof(*diag));
    struct edition *e = NULL;

    if (snapshot_load(&snapshot, p->dir, number, &secrets_of_process, diag) ==
        0)
        e = edition_new(snapshot, p->health, p->quotas, p->limits);
    log_text(diag->text);
    return e;
}

static struct tls_context *load_tls(const struct program *p,
                                    const struct edition *e, bool *ok)
{
    const struct conf *conf = e->snapshot->conf;
    const struct conf_server *c = &conf->server;
    struct tls_context *t = NULL;
    char error[ERROR_TEXT];

    *ok = true;
    if (!c->tls_certificate)
        return NULL;
    t = tls_server_new(conf_path(conf, c->tls_certificate, p->arena),
                       conf_path(conf, c->tls_key, p->arena), error,
                       sizeof(error));
    if (!t) {
        log_line(LOG_ERROR, "tls", "error=\"%s\"", error);
        *ok = false;
    }
    return t;
}

static void keep_rows(struct program *p, const struct snapshot *s)
{
    atomic_store(&recorder_retention(p->recorder)->keep_ms,
                 s->conf->server.ledger_keep_ms);
}

/* --- reload --------------------------------------------------------------- */

struct taking {
    struct arena *arena; /* holds this */
    struct worker *worker;
    struct edition *edition;
    struct tls_context *tls;
};

static void take(void *arg)
{
    struct taking *t = arg;

    worker_take_edition(t->worker, t->edition);
    if (t->tls)
        worker_take_tls(t->worker, t->tls);
    arena_free(t->arena);
}

static void hand_out(struct program *p, struct edition *e,
                     struct tls_context *tls[])
{
    for (int i = 0; i < p->n_workers; i++) {
        struct arena *a = arena_new();
        struct taking *t = arena_alloc(a, sizeof(*t));

        *t = (struct taking){a, &p->workers[i], edition_retain(e), tls[i]};
        loop_post(p->workers[i].loop, take, t);
    }
}

/* Each worker has a context of its own: nothing of TLS is shared. */
static bool load_all_tls(const struct program *p, const struct edition *e,
                         struct tls_context *tls[])
{
    bool ok = true;

    for (int i = 0; i < p->n_workers && ok; i++)
        tls[i] = load_tls(p, e, &ok);
    return ok;
}

static void warn_fixed(void *to, const char *word)
{
    (void)to;
    log_line(LOG_WARN, "reload", "word=%s note=\"needs a restart\"", word);
}

bool program_reload(struct program *p)
{
    struct tls_context *tls[WORKERS_MOST] = {0};
    struct edition *e = load(p, p->edition->snapshot->edition + 1);

    if (!e || !load_all_tls(p, e, tls)) {
        log_line(LOG_ERROR, "reload",
                 "result=refused edition=%llu note=\"the running edition "
                 "stays\"",
                 (unsigned long long)p->edition->snapshot->edition);
        for (int i = 0; i < p->n_workers; i++)
            tls_context_free(tls[i]);
        edition_release(e);
        return false;
    }
    edition_find_purses(e, recorder_purses(p->recorder));
    edition_bind(e, p->memory);
    conf_compare(p->edition->snapshot->conf, e->snapshot->conf, warn_fixed,
                 NULL);
    health_set_rules(p->health, e->rules);
    recorder_reopen(p->recorder);
    hand_out(p, e, tls);
    edition_release(p->edition);
    p->edition = e;
    log_line(LOG_INFO, "reload", "result=ok edition=%llu offers=%zu",
             (unsigned long long)e->snapshot->edition, e->snapshot->n_offers);
    feed_follow(p->feed, e->snapshot);
    hook_follow(p->hook, e->snapshot);
    keep_rows(p, e->snapshot);
    return true;
}

static void on_prices_changed(void *arg)
{
    struct program *p = arg;

    if (!p->draining)
        (void)program_reload(p);
}

/* Keys that are gone are refused from here on, whatever the other files look
 * like; new ones come with the reload. */
static void on_keys_changed(void *arg)
{
    struct program *p = arg;

    revoke_missing(p->edition, p->dir);
    if (!p->draining)
        (void)program_reload(p);
}

void program_look_at_keys(struct program *p)
{
    watch_look(&p->keys);
}

/* What has been learnt. Main's loop serves nobody: it may wait for a disk. */
static void on_save(void *arg)
{
    struct program *p = arg;

    memory_save(p->memory);
    timer_set(p->loop, &p->saving, SAVE_MS);
}

/* --- drain ---------------------------------------------------------------- */

static void stop_all(void *arg)
{
    struct program *p = arg;

    for (int i = 0; i < p->n_workers; i++)
        loop_stop(p->workers[i].loop);
    loop_stop(p->loop);
}

static void worker_idle(void *arg)
{
    struct program *p = arg;

    if (--p->n_draining == 0)
        stop_all(p);
}

struct drained {
    struct program *program;
    struct worker *worker;
};

static void on_idle(void *arg)
{
    struct drained *d = arg;

    loop_post(d->program->loop, worker_idle, d->program);
}

static void drain_worker(void *arg)
{
    struct drained *d = arg;

    d->worker->draining = true;
    http_server_drain(d->worker->server, on_idle, d);
}

void program_drain(struct program *p)
{
    int64_t drain_ms = p->edition->snapshot->conf->server.drain_ms;

    if (p->draining) { /* asked twice: now */
        stop_all(p);
        return;
    }
    p->draining = true;
    log_line(LOG_INFO, "drain", "most_ms=%lld", (long long)drain_ms);
    p->n_draining = p->n_workers;
    for (int i = 0; i < p->n_workers; i++) {
        struct drained *d = arena_alloc(p->arena, sizeof(*d));

        *d = (struct drained){p, &p->workers[i]};
        loop_post(p->workers[i].loop, drain_worker, d);
    }
    timer_set(p->loop, &p->deadline, drain_ms);
}

static void on_hup(evutil_socket_t fd, short what, void *arg)
{
    struct program *p = arg;

    (void)fd;
    (void)what;
    if (!p->draining)
        (void)program_reload(p);
}

static void on_term(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    program_drain(arg);
}

/* --- beginning and end ---------------------------------------------------- */

static void prepare_process(void)
{
    struct rlimit files, none = {0, 0};

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is an error, not an end */
    /* Blocks of 64 KiB to 64 MiB stay with us: see performance in README. */
    mallopt(M_MMAP_THRESHOLD, 256 << 20);
    mallopt(M_TRIM_THRESHOLD, 512 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    setrlimit(RLIMIT_CORE, &none); /* keys must not end in a core file */
}

static bool open_listeners(struct program *p)
{
    const struct conf_words *listen =
        &p->edition->snapshot->conf->server.listen;

    for (int w = 0; w < p->n_workers; w++) {
        for (size_t i = 0; i < listen->n; i++) {
            char error[ERROR_TEXT];
            int fd =
                http_listen_open(listen->items[i].text, error, sizeof(error));

            if (fd < 0) {
                log_line(LOG_ERROR, "listen", "address=%s error=\"%s\"",
                         listen->items[i].text, error);
                return false;
            }
            worker_listen(&p->workers[w], fd);
        }
    }
    return true;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    char name[16];

    snprintf(name, sizeof(name), "bijia-w%d", w->index);
    pthread_setname_np(pthread_self(), name);
    upstream_warm(w->upstream); /* certificates are read before any call */
    loop_run(w->loop);
    return NULL;
}

/* Signals go to main's loop alone. */
static void start_workers(struct program *p)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < p->n_workers; i++)
        if (pthread_create(&p->threads[i], NULL, run_worker, &p->workers[i]))
            fatal("cannot start a worker thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_until_told(struct program *p)
{
    struct event_base *events = loop_events(p->loop);
    struct event *hup = evsignal_new(events, SIGHUP, on_hup, p);
    struct event *term = evsignal_new(events, SIGTERM, on_term, p);
    struct event *interrupt = evsignal_new(events, SIGINT, on_term, p);

    if (!hup || !term || !interrupt || event_add(hup, NULL) ||
        event_add(term, NULL) || event_add(interrupt, NULL))
        fatal("cannot watch signals");
    watch_start(&p->keys, p->loop,
                arena_printf(p->arena, "%s/keys.yaml", p->dir), on_keys_changed,
                p);
    start_workers(p);
    timer_set(p->loop, &p->saving, SAVE_MS);
    log_line(LOG_INFO, "serving",
             "version=" BIJIA_VERSION " address=%s workers=%d offers=%zu",
             p->edition->snapshot->conf->server.listen.items[0].text,
             p->n_workers, p->edition->snapshot->n_offers);
    p->feed = feed_start(p->loop, on_prices_changed, p, p->arena);
    feed_follow(p->feed, p->edition->snapshot);
    p->began_ms = loop_now_ms(p->loop);
    loop_run(p->loop);
    feed_stop(p->feed);
    watch_stop(&p->keys);
    timer_stop(&p->saving);
    for (int i = 0; i < p->n_workers; i++)
        pthread_join(p->threads[i], NULL);
    event_free(hup);
    event_free(term);
    event_free(interrupt);
}

/* On the recorder's thread. Posted to all: who waits has said so by the time
 * it looks. */
static void on_granted(void *arg)
{
    struct program *p = arg;

    pthread_mutex_lock(&p->waking);
    for (int i = 0; i < p->n_workers && !p->loops_end; i++)
        if (p->workers[i].loop)
            loop_post(p->workers[i].loop, worker_granted, &p->workers[i]);
    pthread_mutex_unlock(&p->waking);
}

static bool begin(struct program *p)
{
    struct tls_context *tls[WORKERS_MOST] = {0};
    const struct conf_server *c = &p->edition->snapshot->conf->server;
    char error[ERROR_TEXT];

    p->n_workers =
        (int)c->workers < WORKERS_MOST ? (int)c->workers : WORKERS_MOST;
    if (!load_all_tls(p, p->edition, tls))
        return false;
    p->recorder = recorder_new(
        conf_path(p->edition->snapshot->conf, c->state_dir, p->arena),
        p->n_workers, error, sizeof(error));
    if (!p->recorder) {
        log_line(LOG_ERROR, "ledger", "error=\"%s\"", error);
        return false;
    }
    edition_find_purses(p->edition, recorder_purses(p->recorder));
    p->memory = memory_new(
        conf_path(p->edition->snapshot->conf, c->state_dir, p->arena));
    edition_bind(p->edition, p->memory);
    keep_rows(p, p->edition->snapshot);
    recorder_on_granted(p->recorder, on_granted, p);
    p->hook = hook_start(p->arena);
    hook_follow(p->hook, p->edition->snapshot);
    recorder_on_warning(p->recorder, hook_warn, p->hook);
    health_set_rules(p->health, p->edition->rules);
    for (int i = 0; i < p->n_workers; i++) {
        p->workers[i] = (struct worker){.index = i,
                                        .recorder = p->recorder,
                                        .health = p->health,
                                        .quotas = p->quotas,
                                        .memory = p->memory};
        worker_init(&p->workers[i], p->edition);
    }
    for (int i = 0; i < p->n_workers; i++)
        p->workers[i].tls = tls[i];
    return open_listeners(p);
}

/* The recorder lives longer: what a worker ends leaves receipts. */
static void end(struct program *p)
{
    pthread_mutex_lock(&p->waking);
    p->loops_end = true;
    pthread_mutex_unlock(&p->waking);
    for (int i = 0; i < p->n_workers; i++)
        if (p->workers[i].loop)
            worker_fini(&p->workers[i]);
    if (p->recorder)
        recorder_free(p->recorder);
    if (p->hook)
        hook_stop(p->hook);
    memory_free(p->memory);
}

int serve_run(const char *dir, const struct serve_plane *plane)
{
    struct arena *a = arena_new();
    struct program *p = arena_alloc(a, sizeof(*p));
    void *admin = NULL;
    int status = 1;

    prepare_process();
    p->arena = a;
    p->dir = dir;
    pthread_mutex_init(&p->waking, NULL);
    p->loop = loop_new();
    p->deadline = (struct loop_timer){.fn = stop_all, .arg = p};
    p->saving = (struct loop_timer){.fn = on_save, .arg = p};
    p->health = health_new();
    p->quotas = quotas_new();
    p->limits = limits_new();
    p->edition = load(p, 1);
    if (p->edition && begin(p) && (admin = plane->open(p))) {
        run_until_told(p);
        status = 0;
    }
    if (admin)
        plane->close(admin);
    end(p);
    edition_release(p->edition);
    quotas_free(p->quotas);
    health_free(p->health);
    limits_free(p->limits);
    timer_stop(&p->deadline);
    pthread_mutex_destroy(&p->waking);
    loop_free(p->loop);
    arena_free(a);
    return status;
}
