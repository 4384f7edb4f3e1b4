#include "record/ledger_moves.h"

#include <limits.h>
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/fatal.h"
#include "base/log.h"

#include "record/pen.h"

enum {
    MOVES_MOST = 1 << 18, /* then they are folded */
    MOVE_TEXT = 72,       /* [no,spent,covered] and a comma */
    SUMS_LEAST = 1024     /* places of a table, a power of two */
};

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out,
                              NULL);
}

int ledger_moves_prepare(struct ledger_moves *m, sqlite3 *db)
{
    int rc = prepare(db, "INSERT INTO move(body) VALUES(?1)", &m->add);

    if (rc == SQLITE_OK)
        rc = prepare(db, "SELECT body FROM move ORDER BY n", &m->read);
    if (rc == SQLITE_OK)
        rc = prepare(db, "DELETE FROM move", &m->clear);
    return rc;
}

void ledger_moves_finalize(struct ledger_moves *m)
{
    sqlite3_finalize(m->add);
    sqlite3_finalize(m->read);
    sqlite3_finalize(m->clear);
    m->add = m->read = m->clear = NULL;
}

void ledger_moves_fini(struct ledger_moves *m)
{
    free(m->text);
    m->text = NULL;
}

void ledger_moves_begin(struct ledger_moves *m)
{
    m->folded = false;
}

void ledger_moves_committed(struct ledger_moves *m)
{
    if (m->folded)
        m->n_rows = m->n_moves = 0;
}

bool ledger_moves_any(const struct ledger_moves *m)
{
    return m->n_rows > 0;
}

/* Steps a statement that gives no row. */
static int run(sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);

    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- noting -----------------------------------------------------------------
 */

static void make_room(struct ledger_moves *m, size_t n)
{
    size_t need = n * MOVE_TEXT + 2;

    if (need <= m->room)
        return;
    free(m->text);
    m->room = 2 * need;
    m->text = malloc(m->room);
    if (!m->text)
        fatal("out of memory noting what accounts hold");
}

static void note(struct pen *p, const struct account_plan *plan)
{
    PEN(p, "[");
    pen_int(p, plan->no);
    PEN(p, ",");
    pen_int(p, plan->delta);
    PEN(p, ",");
    pen_int(p, plan->covered);
    PEN(p, "],");
}

static int write_row(struct ledger_moves *m, const struct account_plan *plans,
                     size_t n)
{
    struct pen p;
    int rc;

    make_room(m, n);
    p = (struct pen){m->text, m->text + m->room};
    PEN(&p, "[");
    for (size_t i = 0; i < n; i++) {
        FAILPOINT("account_before");
        note(&p, &plans[i]);
    }
    p.at[-1] = ']';
    m->n_rows++;
    m->n_moves += n;
    rc = sqlite3_bind_text64(m->add, 1, m->text, (uint64_t)(p.at - m->text),
                             SQLITE_STATIC, SQLITE_UTF8);
    return rc == SQLITE_OK ? run(m->add) : rc;
}

static int move_each(struct ledger_accounts *accounts,
                     struct account_plan *plans, size_t n)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
        FAILPOINT("account_before");
        rc = ledger_accounts_move(accounts, &plans[i]);
    }
    return rc;
}

static bool is_due(const struct ledger_moves *m,
                   const struct account_plan *plans, size_t n)
{
    if (m->n_rows >= MOVES_ROWS || m->n_moves >= MOVES_MOST)
        return true;
    for (size_t i = 0; i < n; i++)
        if (plans[i].closing)
            return true;
    return false;
}

int ledger_moves_add(struct ledger_moves *m, struct ledger_accounts *accounts,
                     struct account_plan *plans, size_t n)
{
    int rc = SQLITE_OK;

    if (n == 0 || (n <= MOVES_FEW && !ledger_moves_any(m)))
        return move_each(accounts, plans, n);
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = ledger_accounts_open(accounts, &plans[i]);
    if (rc == SQLITE_OK)
        rc = write_row(m, plans, n);
    if (rc != SQLITE_OK || !is_due(m, plans, n))
        return rc;
    FAILPOINT("fold_before");
    rc = ledger_moves_fold(m, accounts);
    FAILPOINT("fold_after");
    return rc;
}

/* --- folding ----------------------------------------------------------------
 */

struct sum {
    int64_t no, spent, covered; /* no 0: a free place */
};

struct sums {
    struct sum *table; /* by number; open addressing */
    size_t room, n;
};

static struct sum *table_new(size_t room)
{
    struct sum *table = calloc(room, sizeof(*table));

    if (!table)
        fatal("out of memory summing what accounts hold");
    return table;
}

static struct sum *place_of(const struct sums *s, int64_t no)
{
    size_t at = ((uint64_t)no * 0x9e3779b97f4a7c15U >> 32) & (s->room - 1);

    while (s->table[at].no && s->table[at].no != no)
        at = (at + 1) & (s->room - 1);
    return &s->table[at];
}

static void sums_double(struct sums *s)
{
    struct sums wider = {table_new(2 * s->room), 2 * s->room, s->n};

    for (size_t i = 0; i < s->room; i++)
        if (s->table[i].no)
            *place_of(&wider, s->table[i].no) = s->table[i];
    free(s->table);
    *s = wider;
}

/* The cover that was told last holds. */
static void sums_add(struct sums *s, const int64_t move[3])
{
    struct sum *sum = place_of(s, move[0]);

    if (!sum->no) {
        sum->no = move[0];
        s->n++;
    }
    if (__builtin_add_overflow(sum->spent, move[1], &sum->spent))
        sum->spent = INT64_MAX;
    sum->covered = move[2];
    if (2 * s->n > s->room)
        sums_double(s);
}

/* One number and what stands behind it; NULL: there is none. */
static const char *read_number(const char *at, char behind, int64_t *out)
{
    char *end;

    *out = strtoll(at, &end, 10);
    return end > at && *end == behind ? end + 1 : NULL;
}

/* As write_row() wrote them; else the file was damaged. */
static int read_row(struct sums *s, const char *at)
{
    int64_t move[3];

    if (!at || *at != '[')
        return SQLITE_CORRUPT;
    do {
        if (*++at != '[')
            return SQLITE_CORRUPT;
        at = read_number(at + 1, ',', &move[0]);
        if (at)
            at = read_number(at, ',', &move[1]);
        if (at)
            at = read_number(at, ']', &move[2]);
        if (!at || move[0] <= 0)
            return SQLITE_CORRUPT;
        sums_add(s, move);
    } while (*at == ',');
    return *at == ']' && !at[1] ? SQLITE_OK : SQLITE_CORRUPT;
}

static int read_rows(struct ledger_moves *m, struct sums *s)
{
    int rc = SQLITE_OK, step = SQLITE_DONE;

    while (rc == SQLITE_OK && (step = sqlite3_step(m->read)) == SQLITE_ROW)
        rc = read_row(s, (const char *)sqlite3_column_text(m->read, 0));
    sqlite3_reset(m->read);
    if (rc != SQLITE_OK)
        log_line(LOG_ERROR, "ledger_moves",
                 "problem=\"a row of the table move cannot be read\"");
    return rc == SQLITE_OK && step != SQLITE_DONE ? step : rc;
}

static int compare(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;

    return (x->no > y->no) - (x->no < y->no);
}

/* In the order of the rows: each page is visited once. */
static int move_sums(struct sums *s, struct ledger_accounts *accounts)
{
    struct account_plan plan = {.account = NULL};
    int rc = SQLITE_OK;

    qsort(s->table, s->room, sizeof(*s->table), compare);
    for (size_t i = s->room - s->n; i < s->room && rc == SQLITE_OK; i++) {
        plan.no = s->table[i].no;
        plan.delta = s->table[i].spent;
        plan.covered = s->table[i].covered;
        rc = ledger_accounts_move(accounts, &plan);
    }
    return rc;
}

int ledger_moves_fold(struct ledger_moves *m, struct ledger_accounts *accounts)
{
    struct sums sums = {table_new(SUMS_LEAST), SUMS_LEAST, 0};
    int rc = read_rows(m, &sums);

    if (rc == SQLITE_OK)
        rc = move_sums(&sums, accounts);
    free(sums.table);
    if (rc == SQLITE_OK)
        rc = run(m->clear);
    m->folded = true;
    return rc;
}
