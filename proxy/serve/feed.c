#include "serve/feed.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fatal.h"
#include "base/file.h"
#include "base/log.h"

#include "conf/yaml.h"

#include "routing/import.h"

enum {
    CATALOGUE_BYTES_MOST = 32 << 20,
    FILE_BYTES_MOST = 4 << 20,
    CONNECT_MS = 10000,
    FETCH_MS = 120000,
    REDIRECTS_MOST = 3,
    LATE_MS = 60000, /* after a failure, at the latest */
    SECOND_MS = 1000,
    MS_NANOS = 1000000,
    WHY_BYTES = CURL_ERROR_SIZE + 64,
};

struct feed {
    struct loop *loop;
    void (*changed)(void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct snapshot *s; /* the edition in force; NULL: none yet */
    bool news;          /* another feed than before */
    atomic_bool stop;
    _Atomic uint64_t n_changed, n_same, n_refused, n_held;
    uint64_t told; /* the last remarks, as a hash of their lines */
};

/* --- fetching ------------------------------------------------------------- */

/* One reading of the feed. */
struct round {
    struct feed *feed;
    const struct snapshot *s;
    const struct conf_feed *conf;
    struct arena *arena;
    int64_t now_ms;
    struct buf bytes;
    char why[WHY_BYTES];
};

static size_t take(char *bytes, size_t size, size_t n, void *arg)
{
    struct round *r = arg;

    (void)size; /* 1, as libcurl promises */
    return buf_add(&r->bytes, (struct slice){bytes, n}) == 0 ? n : 0;
}

static int is_stopped(void *arg, curl_off_t a, curl_off_t b, curl_off_t c,
                      curl_off_t d)
{
    struct feed *f = arg;

    (void)a;
    (void)b;
    (void)c;
    (void)d;
    return atomic_load(&f->stop);
}

static bool set_up(CURL *easy, struct round *r, char error[CURL_ERROR_SIZE])
{
    const char *ca = conf_path(r->s->conf, r->conf->ca_file, r->arena);

    return !curl_easy_setopt(easy, CURLOPT_URL, r->conf->from) &&
           !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") &&
           !curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "https") &&
           !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MOST) &&
           !curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
           !curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                             (long)CONNECT_MS) &&
           !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS) &&
           !curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") &&
           !curl_easy_setopt(easy, CURLOPT_USERAGENT, "bijia/" BIJIA_VERSION) &&
           !curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take) &&
           !curl_easy_setopt(easy, CURLOPT_WRITEDATA, r) &&
           !curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L) &&
           !curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, is_stopped) &&
           !curl_easy_setopt(easy, CURLOPT_XFERINFODATA, r->feed) &&
           (!ca || !curl_easy_setopt(easy, CURLOPT_CAINFO, ca));
}

static bool fetch_url(struct round *r)
{
    char error[CURL_ERROR_SIZE] = "";
    CURL *easy = curl_easy_init();
    CURLcode code = CURLE_FAILED_INIT;

    if (easy && set_up(easy, r, error))
        code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (code == CURLE_WRITE_ERROR)
        snprintf(r->why, sizeof(r->why), "more than %d MiB",
                 CATALOGUE_BYTES_MOST >> 20);
    else if (code != CURLE_OK)
        snprintf(r->why, sizeof(r->why), "%s",
                 *error ? error : curl_easy_strerror(code));
    return code == CURLE_OK;
}

static bool fetch_file(struct round *r)
{
    const char *path = conf_path(r->s->conf, r->conf->from, r->arena);
    size_t len;
    char *bytes = file_read(path, &len, CATALOGUE_BYTES_MOST, r->arena);

    if (bytes && buf_add(&r->bytes, (struct slice){bytes, len}) == 0)
        return true;
    snprintf(r->why, sizeof(r->why), "%s", strerror(errno));
    return false;
}

static bool is_url(const struct round *r)
{
    return strncmp(r->conf->from, "https://", strlen("https://")) == 0;
}

static bool fetch(struct round *r)
{
    return is_url(r) ? fetch_url(r) : fetch_file(r);
}

static int64_t as_of_ms(const struct round *r)
{
    return is_url(r)
               ? r->now_ms
               : file_written_ms(conf_path(r->s->conf, r->conf->from, r->arena),
                                 r->now_ms);
}

/* --- judging -------------------------------------------------------------- */

static bool read_catalogue(struct round *r, enum import_format format,
                           struct import *out)
{
    struct diag *diag = arena_alloc(r->arena, sizeof(*diag));
    const struct node *root =
        yaml_read(r->bytes.bytes, r->bytes.len, "feed", r->arena, diag);

    if (import_read(out, format, root, r->now_ms, r->arena))
        return true;
    snprintf(r->why, sizeof(r->why), "no prices in the shape of %s",
             import_format_name(format));
    return false;
}

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

/* Does it say something else than the book, which stays as it is? */
static bool is_remark(const struct import_finding *f)
{
    return import_held(f->verdict) || f->by_hand;
}

static bool is_silent(const struct import_finding *f)
{
    return f->verdict == IMPORT_SAME || f->verdict == IMPORT_UNREADY;
}

static void tell_one(const struct round *r, const struct import_finding *f)
{
    char line[IMPORT_LINE];

    log_line(import_held(f->verdict) ? LOG_WARN : LOG_INFO, "price",
             "offer=%s what=\"%s%s\"", f->offer->name,
             import_line(f, r->s, r->now_ms, line),
             f->by_hand ? "; prices.yaml has its own, which stays" : "");
}

/* Changes are told when they are made, remarks when they are other than at
 * the last round. */
static void tell(struct round *r, const struct import_report *report,
                 bool written)
{
    uint64_t remarks = UINT64_C(14695981039346656037);
    char line[IMPORT_LINE];

    for (size_t i = 0; i < report->n; i++) {
        const struct import_finding *f = &report->findings[i];

        if (is_silent(f) || !is_remark(f))
            continue;
        remarks = mix(remarks, f->offer->name);
        remarks = mix(remarks, import_line(f, r->s, r->now_ms, line));
    }
    for (size_t i = 0; i < report->n; i++) {
        const struct import_finding *f = &report->findings[i];
        bool due = is_remark(f) ? remarks != r->feed->told : written;

        if (due && !is_silent(f))
            tell_one(r, f);
    }
    r->feed->told = remarks;
}

/* True: the file has another content now. */
static bool write_out(struct round *r, const struct import_report *report,
                      const struct import_source *source)
{
    const char *path = conf_feed_path(r->s->conf, r->arena);
    struct slice now;
    size_t len = 0;
    const char *was;
    struct buf out;
    bool changed = false;

    buf_init(&out, FILE_BYTES_MOST);
    if (import_write(&out, report, source, false, r->arena) < 0) {
        snprintf(r->why, sizeof(r->why), "too many prices");
    } else {
        now = (struct slice){out.bytes, out.len};
        was = file_read(path, &len, FILE_BYTES_MOST, r->arena);
        changed = !was || len != now.len || memcmp(was, now.bytes, len) != 0;
        if (changed && file_replace(path, now, r->arena) < 0) {
            snprintf(r->why, sizeof(r->why), "%s: %s", path, strerror(errno));
            changed = false;
        }
    }
    buf_fini(&out);
    return changed;
}

static bool take_round(struct round *r)
{
    struct import_source source = {
        .from = r->conf->from,
        .pairs = &r->conf->vendors,
        .now_ms = r->now_ms,
        .as_of_ms = as_of_ms(r),
    };
    struct import_report report;
    struct import import;
    bool changed;

    if (!import_format_find(&source.format, r->conf->format) || !fetch(r) ||
        !read_catalogue(r, source.format, &import))
        return false;
    import_judge(&report, r->s, &import, &source, r->arena);
    changed = write_out(r, &report, &source);
    if (*r->why)
        return false;
    tell(r, &report, changed);
    atomic_store(&r->feed->n_held, report.n_held);
    atomic_fetch_add(changed ? &r->feed->n_changed : &r->feed->n_same, 1);
    log_line(changed ? LOG_INFO : LOG_DEBUG, "feed",
             "result=%s prices=%zu offers=%zu changed=%zu held=%zu",
             changed ? "changed" : "same", import.n, report.n, report.n_changed,
             report.n_held);
    if (changed)
        loop_post(r->feed->loop, r->feed->changed, r->feed->arg);
    return true;
}

/* False: it could not be read, which has been told. */
static bool read_feed(struct feed *f, struct snapshot *s)
{
    struct round r = {
        .feed = f,
        .s = s,
        .conf = &s->conf->feed,
        .arena = arena_new(),
        .now_ms = clock_unix_ms(),
    };
    bool ok;

    buf_init(&r.bytes, CATALOGUE_BYTES_MOST);
    ok = take_round(&r);
    if (!ok)
        atomic_fetch_add(&f->n_refused, 1);
    if (!ok && !atomic_load(&f->stop))
        log_line(LOG_WARN, "feed",
                 "result=refused why=\"%.400s\" note=\"prices stay as they "
                 "are\"",
                 r.why);
    buf_fini(&r.bytes);
    arena_free(r.arena);
    return ok;
}

/* --- the thread ----------------------------------------------------------- */

static void wait_until(struct feed *f, int64_t due_ms)
{
    struct timespec when = {
        .tv_sec = due_ms / SECOND_MS,
        .tv_nsec = due_ms % SECOND_MS * MS_NANOS,
    };

    pthread_cond_timedwait(&f->wake, &f->lock, &when);
}

static void *run(void *arg)
{
    struct feed *f = arg;
    int64_t due_ms = 0;

    pthread_setname_np(pthread_self(), "bijia-feed");
    pthread_mutex_lock(&f->lock);
    while (!atomic_load(&f->stop)) {
        struct snapshot *s = f->s;
        int64_t every_ms;
        bool ok;

        if (!s || !s->conf->feed.from) {
            pthread_cond_wait(&f->wake, &f->lock);
            continue;
        }
        if (!f->news && clock_mono_ms() < due_ms) {
            wait_until(f, due_ms);
            continue;
        }
        f->news = false;
        every_ms = s->conf->feed.every_ms;
        snapshot_retain(s);
        pthread_mutex_unlock(&f->lock);
        ok = read_feed(f, s);
        snapshot_release(s);
        due_ms =
            clock_mono_ms() + (ok || every_ms < LATE_MS ? every_ms : LATE_MS);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

struct feed *feed_start(struct loop *loop, void (*changed)(void *arg),
                        void *arg, struct arena *a)
{
    struct feed *f = arena_alloc(a, sizeof(*f));
    pthread_condattr_t by_mono;
    sigset_t all, before;

    *f = (struct feed){.loop = loop, .changed = changed, .arg = arg};
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_init(&by_mono);
    pthread_condattr_setclock(&by_mono, CLOCK_MONOTONIC);
    pthread_cond_init(&f->wake, &by_mono);
    pthread_condattr_destroy(&by_mono);
    sigfillset(&all); /* signals go to main's loop alone */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&f->thread, NULL, run, f))
        fatal("cannot start the feed's thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return f;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool is_news(const struct snapshot *before, const struct snapshot *s)
{
    const struct conf_feed *a = before ? &before->conf->feed : NULL;
    const struct conf_feed *b = &s->conf->feed;

    return !a || !same_text(a->from, b->from) ||
           !same_text(a->format, b->format) || a->every_ms != b->every_ms;
}

void feed_follow(struct feed *f, struct snapshot *s)
{
    struct snapshot *before;

    snapshot_retain(s);
    pthread_mutex_lock(&f->lock);
    before = f->s;
    f->s = s;
    f->news = f->news || is_news(before, s);
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    snapshot_release(before);
}

struct feed_counts feed_count(const struct feed *f)
{
    return (struct feed_counts){
        .changed = atomic_load(&f->n_changed),
        .same = atomic_load(&f->n_same),
        .refused = atomic_load(&f->n_refused),
        .held = atomic_load(&f->n_held),
    };
}

void feed_stop(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    atomic_store(&f->stop, true);
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    snapshot_release(f->s);
    pthread_cond_destroy(&f->wake);
    pthread_mutex_destroy(&f->lock);
}
