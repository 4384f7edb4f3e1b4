/*
 * A receipt as one line of the routing log.
 *
 * Every text is bounded and escaped, whoever chose it; money is a decimal
 * string, since a JSON number would be read as a double. When room runs out
 * it is the last of `others` that are left out, and counted.
 */
#include <stdbool.h>
#include <string.h>

#include "base/fatal.h"
#include "base/time.h"

#include "vendors/fault.h"

#include "record/names.h"
#include "record/pen.h"
#include "record/receipt.h"
#include "record/recorder.h"

enum {
    TEXT_MOST = 160, /* bytes between the quotes, escapes included */
    OTHER_MOST = 3 * TEXT_MOST + 2 * MONEY_TEXT + 96,
};

/* The second is spelt once, since many receipts share it. */
static void put_time(struct pen *p, int64_t unix_ms)
{
    static _Thread_local int64_t spelt = -1;
    static _Thread_local char text[TIME_TEXT];
    int64_t from_1970_ms = unix_ms < 0 ? 0 : unix_ms;
    int ms = (int)(from_1970_ms % 1000);
    size_t at;

    if (spelt != from_1970_ms / 1000)
        time_text(from_1970_ms, text);
    spelt = from_1970_ms / 1000;
    at = strlen(text) - sizeof("123Z") + 1;
    text[at] = (char)('0' + ms / 100);
    text[at + 1] = (char)('0' + ms / 10 % 10);
    text[at + 2] = (char)('0' + ms % 10);
    pen_bytes(p, text, strlen(text));
}

static void put_ms(struct pen *p, int32_t ms)
{
    if (ms < 0)
        PEN(p, "null");
    else
        pen_int(p, ms);
}

static void put_bool(struct pen *p, bool yes)
{
    if (yes)
        PEN(p, "true");
    else
        PEN(p, "false");
}

static void put_money(struct pen *p, struct money m)
{
    char text[MONEY_TEXT];

    PEN(p, "{\"amount\":\"");
    decimal_text(m.nanos, text);
    pen_bytes(p, text, strlen(text));
    PEN(p, "\",\"currency\":\"");
    pen_bytes(p, currency_name(m.currency), 3);
    PEN(p, "\"}");
}

static void put_offer(struct pen *p, struct offer_name name)
{
    PEN(p, "\"vendor\":");
    pen_text(p, name.vendor, TEXT_MOST);
    PEN(p, ",\"model\":");
    pen_text(p, name.model, TEXT_MOST);
}

static void put_times(struct pen *p, int32_t first_byte_ms, int32_t total_ms)
{
    PEN(p, ",\"first_byte_ms\":");
    put_ms(p, first_byte_ms);
    PEN(p, ",\"total_ms\":");
    put_ms(p, total_ms);
}

static void put_fault(struct pen *p, uint8_t fault)
{
    const char *name = fault_traits((enum fault)fault)->name;

    PEN(p, ",\"fault\":\"");
    pen_bytes(p, name, strlen(name));
    PEN(p, "\"");
}

static void put_attempt(struct pen *p, const struct receipt *r,
                        const struct receipt_attempt *a)
{
    PEN(p, "{\"id\":");
    pen_text(p, a->id, TEXT_MOST);
    PEN(p, ",");
    put_offer(p, receipt_offer(r, a->offer));
    PEN(p, ",\"status\":");
    pen_int(p, a->status);
    put_fault(p, a->fault);
    put_times(p, a->first_byte_ms, a->total_ms);
    if (a->maybe_billed)
        PEN(p, ",\"maybe_billed\":true");
    if (a->estimated || a->usage.estimated)
        PEN(p, ",\"estimated\":true");
    if (a->unpriced) {
        PEN(p, ",\"unpriced\":true");
    } else if (a->cost.nanos != 0 || a->fault == FAULT_NONE ||
               a->maybe_billed) {
        PEN(p, ",\"cost\":");
        put_money(p, a->cost);
    }
    if (a->stated.nanos != 0) {
        PEN(p, ",\"stated_cost\":");
        put_money(p, a->stated);
    }
    PEN(p, "}");
}

static void put_attempts(struct pen *p, const struct receipt *r)
{
    PEN(p, ",\"attempts\":[");
    for (uint32_t i = 0; i < r->n_attempts; i++) {
        if (i > 0)
            PEN(p, ",");
        put_attempt(p, r, &r->attempts[i]);
    }
    PEN(p, "]");
}

/* Those of the attempt that answered; nothing is known if none did. */
static void put_tokens(struct pen *p, const struct receipt *r)
{
    const struct receipt_attempt *a = receipt_chosen(r);

    PEN(p, ",\"tokens\":{\"estimated_input\":");
    pen_int(p, r->estimated_input);
    PEN(p, ",\"expected_output\":");
    pen_int(p, r->expected_output);
    if (a) {
        PEN(p, ",\"input\":");
        pen_int(p, a->usage.input_tokens);
        PEN(p, ",\"cached\":");
        pen_int(p, a->usage.cached_tokens);
        if (a->usage.marked)
            PEN(p, ",\"cache_marked\":true");
        PEN(p, ",\"cache_write\":");
        pen_int(p, a->usage.cache_write_tokens);
        PEN(p, ",\"output\":");
        pen_int(p, a->usage.output_tokens);
        PEN(p, ",\"thinking\":");
        pen_int(p, a->usage.thinking_tokens);
        PEN(p, ",\"estimated\":");
        put_bool(p, a->estimated || a->usage.estimated);
    }
    PEN(p, "}");
}

static void put_costs(struct pen *p, const struct receipt *r)
{
    PEN(p, ",\"expected_cost\":");
    put_money(p, r->expected);
    PEN(p, ",\"cost\":");
    put_money(p, r->cost);
    PEN(p, ",\"runner_up\":");
    if (!r->has_runner_up) {
        PEN(p, "null");
        return;
    }
    PEN(p, "{");
    put_offer(p, receipt_runner_up(r));
    PEN(p, ",\"cost\":");
    put_money(p, r->runner_up_cost);
    PEN(p, "}");
}

static void put_other(struct pen *p, const struct receipt *r,
                      const struct receipt_other *o)
{
    PEN(p, "{");
    put_offer(p, receipt_offer(r, o->offer));
    if (o->why == WHY_LISTED) {
        PEN(p, ",\"why\":\"dearer\",\"cost\":");
        put_money(p, o->compared);
    } else {
        PEN(p, ",\"why\":");
        pen_text(p, why_name((enum why)o->why), TEXT_MOST);
    }
    PEN(p, "}");
}

static void put_others(struct pen *p, const struct receipt *r)
{
    uint32_t n = 0;

    PEN(p, ",\"others\":[");
    for (; n < r->n_others && (size_t)(p->end - p->at) > 2 * (size_t)OTHER_MOST;
         n++) {
        if (n > 0)
            PEN(p, ",");
        put_other(p, r, &r->others[n]);
    }
    PEN(p, "]");
    if (r->others_omitted + (r->n_others - n) > 0) {
        PEN(p, ",\"others_omitted\":");
        pen_int(p, r->others_omitted + (r->n_others - n));
    }
}

static void put_head(struct pen *p, const struct receipt *r)
{
    PEN(p, "{\"at\":\"");
    put_time(p, r->at_unix_ms);
    PEN(p, "\",\"id\":");
    pen_text(p, r->id, TEXT_MOST);
    PEN(p, ",\"team\":");
    pen_text(p, receipt_team(r), TEXT_MOST);
    PEN(p, ",\"key\":");
    pen_text(p, r->key_id[0] ? r->key_id : NULL, TEXT_MOST);
    PEN(p, ",\"asked\":");
    pen_text(p, r->asked, TEXT_MOST);
    PEN(p, ",\"stream\":");
    put_bool(p, r->stream);
    PEN(p, ",\"status\":");
    pen_int(p, r->status);
    PEN(p, ",");
    put_offer(p, receipt_chosen_offer(r));
}

size_t receipt_json(const struct receipt *r, char *text, size_t size)
{
    struct pen p = {text, text + size};

    ENSURE(size >= RECEIPT_JSON_LEAST);
    put_head(&p, r);
    put_attempts(&p, r);
    put_tokens(&p, r);
    put_costs(&p, r);
    put_times(&p, r->first_byte_ms, r->total_ms);
    put_fault(&p, r->fault);
    put_others(&p, r);
    PEN(&p, "}\n");
    return (size_t)(p.at - text);
}
