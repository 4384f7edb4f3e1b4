#include "routing/price_cover.h"

enum {
    ROWS_MOST = 64,
    EDGES_MOST = 2 * ROWS_MOST + 2,
    CELLS_MOST = 100000, /* beyond it nothing is said */
};

/* The axes of an offer's space: the first value of each stretch. */
struct axes {
    int64_t at[EDGES_MOST], input[EDGES_MOST], output[EDGES_MOST];
    const struct conf_window *windows[ROWS_MOST + 1]; /* NULL: none is open */
    size_t n_at, n_input, n_output, n_thinks, n_windows;
};

static void add_edge(int64_t *edges, size_t *n, int64_t edge)
{
    for (size_t i = 0; i < *n; i++)
        if (edges[i] == edge)
            return;
    edges[(*n)++] = edge;
}

static void add_window(struct axes *x, const struct conf_window *w)
{
    for (size_t i = 0; i < x->n_windows; i++)
        if (x->windows[i] == w)
            return;
    x->windows[x->n_windows++] = w;
}

/* Instants before `begin_ms` and prompts beyond `input_most` are of no
 * interest. False: too much to look at. */
static bool axes_of(struct axes *x, const struct offer *o, int64_t begin_ms,
                    int64_t input_most)
{
    *x = (struct axes){.n_at = 0};
    if (o->n_rows == 0 || o->n_rows > ROWS_MOST)
        return false;
    add_edge(x->at, &x->n_at, begin_ms);
    add_edge(x->input, &x->n_input, 0);
    add_edge(x->output, &x->n_output, 0);
    add_window(x, NULL);
    x->n_thinks = 1;
    for (size_t i = 0; i < o->n_rows; i++) {
        const struct price_row *r = &o->rows[i];

        if (r->from_ms > begin_ms)
            add_edge(x->at, &x->n_at, r->from_ms);
        if (r->until_ms > begin_ms && r->until_ms != INT64_MAX)
            add_edge(x->at, &x->n_at, r->until_ms);
        if (r->input_most < input_most)
            add_edge(x->input, &x->n_input, r->input_most + 1);
        if (r->output_most < INT64_MAX)
            add_edge(x->output, &x->n_output, r->output_most + 1);
        if (r->has_thinks)
            x->n_thinks = 2;
        if (r->window)
            add_window(x, r->window);
    }
    return x->n_at * x->n_input * x->n_output * x->n_thinks * x->n_windows <=
           CELLS_MOST;
}

static size_t n_cells(const struct axes *x)
{
    return x->n_at * x->n_input * x->n_output * x->n_thinks * x->n_windows;
}

static struct price_cell cell_at(const struct axes *x, size_t i)
{
    struct price_cell cell;

    cell.open = x->windows[i % x->n_windows];
    i /= x->n_windows;
    cell.thinks = i % x->n_thinks;
    i /= x->n_thinks;
    cell.output = x->output[i % x->n_output];
    i /= x->n_output;
    cell.input = x->input[i % x->n_input];
    cell.at_ms = x->at[i / x->n_input];
    return cell;
}

static size_t row_of_cell(const struct offer *o, const struct price_cell *cell)
{
    size_t i = 0;

    for (; i < o->n_rows; i++) {
        const struct price_row *r = &o->rows[i];

        if (r->from_ms <= cell->at_ms && cell->at_ms < r->until_ms &&
            cell->input <= r->input_most && cell->output <= r->output_most &&
            (!r->has_thinks || r->thinks == cell->thinks) &&
            (!r->window || r->window == cell->open))
            break;
    }
    return i;
}

static bool covers(const struct price_row *a, const struct price_row *b)
{
    return a->from_ms <= b->from_ms && a->until_ms >= b->until_ms &&
           a->input_most >= b->input_most && a->output_most >= b->output_most &&
           (!a->has_thinks || (b->has_thinks && a->thinks == b->thinks)) &&
           (!a->window || a->window == b->window);
}

static void warn_unused(struct compiling *c, const struct offer *o,
                        const struct price_row *row)
{
    const struct price_row *r = o->rows;

    while (r < row && !covers(r, row))
        r++;
    if (r < row)
        diag_warning(c->diag, &row->conf->place,
                     "this price of \"%s\" is never used: the one in line %d "
                     "holds before it does; the first that holds counts, so "
                     "put the newest and the narrowest first",
                     o->name, r->conf->place.line);
    else
        diag_warning(c->diag, &row->conf->place,
                     "this price of \"%s\" is never used: the rows before it "
                     "leave nothing for it",
                     o->name);
}

void price_cover_check(struct compiling *c, const struct offer *o)
{
    bool used[ROWS_MOST + 1] = {false};
    struct axes axes;

    if (!axes_of(&axes, o, INT64_MIN, INT64_MAX))
        return;
    for (size_t i = 0; i < n_cells(&axes); i++) {
        struct price_cell cell = cell_at(&axes, i);

        used[row_of_cell(o, &cell)] = true;
    }
    for (size_t i = 0; i < o->n_rows; i++)
        if (!used[i])
            warn_unused(c, o, &o->rows[i]);
}

bool price_gap_find(struct price_cell *out, const struct offer *o,
                    int64_t now_ms)
{
    int64_t most =
        o->conf->context_tokens ? o->conf->context_tokens : INT64_MAX;
    struct axes axes;

    if (!axes_of(&axes, o, now_ms, most))
        return false;
    for (size_t i = 0; i < n_cells(&axes); i++) {
        *out = cell_at(&axes, i);
        if (row_of_cell(o, out) == o->n_rows)
            return true;
    }
    return false;
}
