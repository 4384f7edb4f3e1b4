/*
 *   time (UTC)    id        team  asked -> offer                   status
 *   09:00:00.123  80677649  demo  chat -> deepseek/deepseek-flash  200     ...
 *
 * A cell is its text, made safe; its colour is put round it only when it is
 * printed, so that it has no width.
 */
#include <inttypes.h>
#include <stdint.h>
#include <string.h>

#include "base/money.h"

#include "conf/utf8.h"

#include "cli/tail.h"

enum {
    CELL_BYTES = 384,
    WIDTH_MOST = 64, /* one long cell does not push all that follow */
    SHORT_ID = 8,
    SECOND_MS = 1000,
    DAMAGED_CHARS = 60,
    CLIENT_ERROR = 400,
    SERVER_ERROR = 500,
};

enum column {
    AT,
    ID,
    TEAM,
    OFFER,
    STATUS,
    TOKENS,
    COST,
    EXPECTED,
    TIMES,
    SAVED,
    TROUBLE, /* the last: alone it may be empty */
};

static const struct {
    const char *title;
    int width;
    bool right;
} columns[TAIL_COLUMNS] = {
    [AT] = {"time (UTC)", 12, false},
    [ID] = {"id", 8, false},
    [TEAM] = {"team", 8, false},
    [OFFER] = {"asked -> offer", 32, false},
    [STATUS] = {"status", 6, false},
    [TOKENS] = {"in(cached)/out", 14, true},
    [COST] = {"cost", 14, true},
    [EXPECTED] = {"expected", 10, true},
    [TIMES] = {"first/total", 13, true},
    [SAVED] = {"saved", 10, true},
    [TROUBLE] = {"what failed", 0, false},
};

static const char plain[] = "\x1b[0m", dim[] = "\x1b[2m", red[] = "\x1b[31m",
                  green[] = "\x1b[32m", yellow[] = "\x1b[33m",
                  bold[] = "\x1b[1m";

struct cell {
    size_t len;
    char text[CELL_BYTES];
    const char *colour; /* NULL: none */
};

struct row {
    struct cell cells[TAIL_COLUMNS];
};

/* Adds what a terminal shows and does not obey; the rest becomes '?'. */
static void add(struct cell *c, const char *text)
{
    size_t left = strlen(text), n;
    uint32_t ch;

    for (; left > 0 && c->len + 4 < CELL_BYTES; text += n, left -= n) {
        n = utf8_take(&ch, text, left);
        if (n > 0 && !utf8_is_hidden(ch)) {
            memcpy(c->text + c->len, text, n);
            c->len += n;
            continue;
        }
        c->text[c->len++] = '?';
        n = n > 0 ? n : 1;
    }
    c->text[c->len] = '\0';
}

static int width_of(const char *text)
{
    size_t left = strlen(text), n;
    int width = 0;
    uint32_t ch;

    for (; left > 0; text += n, left -= n) {
        n = utf8_take(&ch, text, left);
        width += n > 0 ? utf8_width(ch) : 1;
        n = n > 0 ? n : 1;
    }
    return width;
}

static const cJSON *get(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *item = get(object, name);

    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static void add_text(struct cell *c, const char *text)
{
    add(c, text ? text : "-");
}

/* Whole numbers up to 2^53 are exact; "-" for what is none. */
static void add_number(struct cell *c, const cJSON *object, const char *name)
{
    const cJSON *item = get(object, name);
    char text[32] = "-";

    if (cJSON_IsNumber(item))
        snprintf(text, sizeof(text), "%.0f", item->valuedouble);
    add(c, text);
}

/* "210ms", "1.83s" */
static void add_ms(struct cell *c, const cJSON *object, const char *name)
{
    const cJSON *item = get(object, name);
    char text[32] = "-";

    if (cJSON_IsNumber(item) && item->valueint < SECOND_MS)
        snprintf(text, sizeof(text), "%dms", item->valueint);
    else if (cJSON_IsNumber(item))
        snprintf(text, sizeof(text), "%.2fs", item->valuedouble / SECOND_MS);
    add(c, text);
}

static void add_offer(struct cell *c, const cJSON *from)
{
    add_text(c, text_of(from, "vendor"));
    add(c, "/");
    add_text(c, text_of(from, "model"));
}

/* "chat -> deepseek/deepseek-flash"; the offer alone if it was asked for. */
static void fill_offer(struct cell *c, const cJSON *line)
{
    const char *asked = text_of(line, "asked");
    struct cell offer = {0};

    if (text_of(line, "vendor"))
        add_offer(&offer, line);
    else
        add(&offer, "none");
    if (asked && *asked && strcmp(asked, offer.text) != 0) {
        add(c, asked);
        add(c, " -> ");
    }
    add(c, offer.text);
}

static void fill_status(struct cell *c, const cJSON *line)
{
    const cJSON *status = get(line, "status");
    int n = cJSON_IsNumber(status) ? status->valueint : 0;

    add_number(c, line, "status");
    c->colour = n >= SERVER_ERROR ? red : n >= CLIENT_ERROR ? yellow : green;
}

static void fill_tokens(struct cell *c, const cJSON *line)
{
    const cJSON *tokens = get(line, "tokens");

    if (!cJSON_IsNumber(get(tokens, "input"))) {
        add(c, "-");
        return;
    }
    if (cJSON_IsTrue(get(tokens, "estimated")))
        add(c, "~");
    add_number(c, tokens, "input");
    if (cJSON_IsNumber(get(tokens, "cached")) &&
        get(tokens, "cached")->valuedouble > 0) {
        add(c, "(");
        add_number(c, tokens, "cached");
        add(c, ")");
    }
    add(c, "/");
    add_number(c, tokens, "output");
}

static void fill_money(struct cell *c, const cJSON *money, bool named)
{
    if (!money) {
        add(c, "-");
        return;
    }
    if (named) {
        add_text(c, text_of(money, "currency"));
        add(c, " ");
    }
    add_text(c, text_of(money, "amount"));
}

static bool nanos_of(int64_t *out, const cJSON *money)
{
    const char *amount = text_of(money, "amount");
    bool negative = amount && *amount == '-';

    if (!amount || !decimal_parse(out, amount + negative))
        return false;
    *out = negative ? -*out : *out;
    return true;
}

/* Against the runner-up; less than nothing if it would have been cheaper. */
static void fill_saved(struct cell *c, const cJSON *line)
{
    const cJSON *cost = get(line, "cost");
    const cJSON *there = get(get(line, "runner_up"), "cost");
    const char *currency = text_of(cost, "currency");
    char text[MONEY_TEXT];
    int64_t paid, spared;

    if (!currency || !text_of(there, "currency") ||
        strcmp(currency, text_of(there, "currency")) != 0 ||
        !nanos_of(&paid, cost) || !nanos_of(&spared, there) ||
        __builtin_sub_overflow(spared, paid, &spared)) {
        add(c, "-");
        return;
    }
    add(c, decimal_text(spared, text));
    c->colour = spared > 0 ? green : spared < 0 ? yellow : NULL;
}

/* NULL: none. */
static const char *fault_of(const cJSON *object)
{
    const char *fault = text_of(object, "fault");

    return fault && strcmp(fault, "none") != 0 ? fault : NULL;
}

/* Attempts that failed, and the end of the exchange if it was another:
 * "qwen/qwen3.7-flash rate_limited 15ms; client_gone" */
static void fill_trouble(struct cell *c, const cJSON *line)
{
    const cJSON *attempt, *attempts = get(line, "attempts");
    const char *end = fault_of(line);

    cJSON_ArrayForEach(attempt, attempts)
    {
        const char *fault = fault_of(attempt);

        if (!fault)
            continue;
        if (end && strcmp(fault, end) == 0)
            end = NULL;
        add(c, c->len > 0 ? "; " : "");
        add_offer(c, attempt);
        add(c, " ");
        add(c, fault);
        add(c, " ");
        add_ms(c, attempt, "total_ms");
    }
    if (end) {
        add(c, c->len > 0 ? "; " : "");
        add(c, end);
    }
    if (get(line, "limited")) {
        add(c, ", ");
        add_number(c, get(line, "limited"), "count");
        add(c, " requests since ");
        add_text(c, text_of(get(line, "limited"), "since"));
    }
    c->colour = fault_of(line) ? red : yellow;
}

static void fill_at(struct cell *c, const cJSON *line)
{
    const char *at = text_of(line, "at"), *t = at ? strchr(at, 'T') : NULL;

    add_text(c, t ? t + 1 : at);
    if (c->len > 0 && c->text[c->len - 1] == 'Z')
        c->text[--c->len] = '\0';
    c->colour = dim;
}

/* An id begins with its time; its end is what tells it from others. */
static void fill_id(struct cell *c, const cJSON *line)
{
    const char *id = text_of(line, "id");
    size_t len = id ? strlen(id) : 0;

    add_text(c, len > SHORT_ID ? id + len - SHORT_ID : id);
    c->colour = dim;
}

static void print_cell(struct tail_table *t, const struct cell *c, int i)
{
    int width = width_of(c->text), pad;
    bool last = i == TAIL_COLUMNS - 1;

    if (width > t->widths[i] && width <= WIDTH_MOST && !last)
        t->widths[i] = width;
    pad = width < t->widths[i] ? t->widths[i] - width : 0;
    fprintf(t->to, "%s%*s", i > 0 ? "  " : "", columns[i].right ? pad : 0, "");
    if (t->colours && c->colour)
        fprintf(t->to, "%s%s%s", c->colour, c->text, plain);
    else
        fputs(c->text, t->to);
    if (!columns[i].right && !last)
        fprintf(t->to, "%*s", pad, "");
}

static void print_row(struct tail_table *t, const struct row *row)
{
    for (int i = 0; i < TAIL_COLUMNS; i++)
        if (row->cells[i].len > 0)
            print_cell(t, &row->cells[i], i);
    fputc('\n', t->to);
}

void tail_table_init(struct tail_table *t, FILE *to, bool colours)
{
    *t = (struct tail_table){.to = to, .colours = colours};
    for (int i = 0; i < TAIL_COLUMNS; i++)
        t->widths[i] = columns[i].width;
}

void tail_table_head(struct tail_table *t)
{
    struct row row = {0};

    for (int i = 0; i < TAIL_COLUMNS; i++) {
        add(&row.cells[i], columns[i].title);
        row.cells[i].colour = bold;
    }
    print_row(t, &row);
}

void tail_table_row(struct tail_table *t, const cJSON *line)
{
    struct row row = {0};
    struct cell *c = row.cells;

    fill_at(&c[AT], line);
    fill_id(&c[ID], line);
    add_text(&c[TEAM], text_of(line, "team"));
    fill_offer(&c[OFFER], line);
    fill_status(&c[STATUS], line);
    fill_tokens(&c[TOKENS], line);
    fill_money(&c[COST], get(line, "cost"), true);
    fill_money(&c[EXPECTED], get(line, "expected_cost"), false);
    add_ms(&c[TIMES], line, "first_byte_ms");
    add(&c[TIMES], "/");
    add_ms(&c[TIMES], line, "total_ms");
    fill_saved(&c[SAVED], line);
    fill_trouble(&c[TROUBLE], line);
    print_row(t, &row);
}

void tail_table_damaged(struct tail_table *t, const char *line)
{
    struct cell c = {0};
    char start[DAMAGED_CHARS + 1];

    snprintf(start, sizeof(start), "%s", line);
    add(&c, start);
    fprintf(t->to, "%sdamaged line: %s%s\n", t->colours ? dim : "", c.text,
            t->colours ? plain : "");
}
