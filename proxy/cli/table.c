#include "cli/table.h"

#include <stdarg.h>
#include <string.h>

#include "base/fatal.h"

#include "conf/utf8.h"

enum {
    CELL_BYTES = 512,
    GAP = 2,
    DECIMALS_MOST = 9,
    BYTES_A_CHAR = 4,
};

struct row {
    const char *cells[TABLE_COLUMNS_MOST];
    struct row *next;
};

struct table {
    struct arena *arena;
    size_t n_columns, n_filled;
    int widths[TABLE_COLUMNS_MOST];
    bool right[TABLE_COLUMNS_MOST], decimal[TABLE_COLUMNS_MOST];
    struct row *first, **end, *filling;
};

/* Copies what a terminal shows and does not obey; returns its columns. */
static int shown(char out[CELL_BYTES], const char *text)
{
    size_t left = strlen(text), len = 0, n;
    int width = 0;
    uint32_t c = 0;

    for (; left > 0 && len + BYTES_A_CHAR < CELL_BYTES; text += n, left -= n) {
        n = utf8_take(&c, text, left);
        if (n > 0 && !utf8_is_hidden(c)) {
            memcpy(out + len, text, n);
            len += n;
            width += utf8_width(c);
            continue;
        }
        out[len++] = '?';
        width++;
        n = n > 0 ? n : 1;
    }
    out[len] = '\0';
    return width;
}

static void add(struct table *t, const char *text)
{
    size_t column = t->n_filled;
    char safe[CELL_BYTES];
    int width = shown(safe, text);

    if (column == 0)
        t->filling = arena_alloc(t->arena, sizeof(*t->filling));
    t->filling->cells[column] = arena_strndup(t->arena, safe, strlen(safe));
    if (width > t->widths[column])
        t->widths[column] = width;
    if (++t->n_filled < t->n_columns)
        return;
    t->n_filled = 0;
    *t->end = t->filling;
    t->end = &t->filling->next;
}

struct table *table_new(const char *titles, struct arena *a)
{
    struct table *t = arena_alloc(a, sizeof(*t));
    const char *names[TABLE_COLUMNS_MOST];

    t->arena = a;
    t->end = &t->first;
    for (;;) {
        size_t len = strcspn(titles, "|");

        ENSURE(t->n_columns < TABLE_COLUMNS_MOST);
        t->right[t->n_columns] = len > 0 && titles[len - 1] == '>';
        names[t->n_columns] =
            arena_strndup(a, titles, len - t->right[t->n_columns]);
        t->n_columns++;
        if (!titles[len])
            break;
        titles += len + 1;
    }
    for (size_t i = 0; i < t->n_columns; i++)
        add(t, names[i]);
    return t;
}

void table_add(struct table *t, const char *fmt, ...)
{
    char text[CELL_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    add(t, text);
}

void table_nanos(struct table *t, int64_t nanos)
{
    char text[MONEY_TEXT];

    t->decimal[t->n_filled] = true;
    add(t, decimal_text(nanos, text));
}

/* How many decimals the longest number of a column has. */
static int decimals(const struct table *t, size_t column)
{
    int most = 0;

    for (const struct row *r = t->first; r; r = r->next) {
        const char *point = strchr(r->cells[column], '.');
        int n = point ? (int)strspn(point + 1, "0123456789") : 0;

        most = n > most && n <= DECIMALS_MOST ? n : most;
    }
    return most;
}

/* Blanks behind a number, so that its point stands under the others'. */
static int padding(const char *cell, int most)
{
    const char *point = strchr(cell, '.');
    int n = point ? (int)strlen(point + 1) : 0;

    return point && n < most ? most - n : 0;
}

static void print_cell(FILE *to, const struct table *t, size_t i,
                       const char *cell, int width, int most)
{
    char safe[CELL_BYTES];
    int behind = t->decimal[i] ? padding(cell, most) : 0;
    int blanks = width - shown(safe, cell) - behind;

    if (t->right[i])
        fprintf(to, "%*s%s%*s", blanks, "", cell, behind + GAP, "");
    else
        fprintf(to, "%s%*s", cell, blanks + behind + GAP, "");
}

/* The last cell that is not empty. */
static size_t last_of(const struct table *t, const struct row *r)
{
    size_t last = t->n_columns - 1;

    while (last > 0 && !*r->cells[last])
        last--;
    return last;
}

/* Nothing stands behind the last text of a line. */
static void print_last(FILE *to, const struct table *t, size_t i,
                       const char *cell, int width, int most)
{
    char safe[CELL_BYTES];
    int behind = t->decimal[i] ? padding(cell, most) : 0;
    int blanks = width - shown(safe, cell) - behind;

    fprintf(to, "%*s%s\n", t->right[i] ? blanks : 0, "", cell);
}

void table_print(const struct table *t, FILE *to)
{
    int widths[TABLE_COLUMNS_MOST] = {0}, most[TABLE_COLUMNS_MOST] = {0};

    for (size_t i = 0; i < t->n_columns; i++) {
        widths[i] = t->widths[i];
        most[i] = t->decimal[i] ? decimals(t, i) : 0;
        for (const struct row *r = t->first; most[i] > 0 && r; r = r->next) {
            char safe[CELL_BYTES];
            int width =
                shown(safe, r->cells[i]) + padding(r->cells[i], most[i]);

            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    for (const struct row *r = t->first; r; r = r->next) {
        size_t last = last_of(t, r);

        for (size_t i = 0; i < last; i++)
            print_cell(to, t, i, r->cells[i], widths[i], most[i]);
        print_last(to, t, last, r->cells[last], widths[last], most[last]);
    }
}
