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
#include "record/receipt.h"
#include "record/recorder.h"

enum {
    TEXT_MOST = 160, /* bytes between the quotes, escapes included */
    DIGITS_MOST = 20,
    OTHER_MOST = 3 * TEXT_MOST + 2 * MONEY_TEXT + 96,
};

struct pen {
    char *at, *end;
};

static void put_bytes(struct pen *p, const char *bytes, size_t len)
{
    ENSURE((size_t)(p->end - p->at) >= len); /* RECEIPT_JSON_LEAST */
    memcpy(p->at, bytes, len);
    p->at += len;
}

#define PUT(p, literal) put_bytes(p, literal, sizeof(literal) - 1)

/* Bytes of the UTF-8 character at `s`, 0 if there is none. The text ends in
 * a NUL, which no continuation byte is. */
static size_t utf8_len(const char *s)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80                    ? 1
               : u[0] >= 0xc2 && u[0] < 0xe0  ? 2
               : u[0] >= 0xe0 && u[0] < 0xf0  ? 3
               : u[0] >= 0xf0 && u[0] <= 0xf4 ? 4
                                              : 0;

    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] >= 0xa0) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] >= 0x90))
        return 0;
    return n;
}

/* One character of `*text`, spelt so that JSON and terminals read it as
 * such; moves past it. */
static size_t spell(char out[8], const char **text)
{
    static const char hex[] = "0123456789abcdef";
    static const char unknown[] = "\\ufffd", control[] = "\\u00";
    unsigned char c = (unsigned char)**text;
    size_t n = utf8_len(*text);

    if (n == 0) {
        memcpy(out, unknown, sizeof(unknown));
        (*text)++;
        return sizeof(unknown) - 1;
    }
    if (c == '"' || c == '\\') {
        out[0] = '\\';
        out[1] = (char)c;
        (*text)++;
        return 2;
    }
    if (c == 0xc2 && (unsigned char)(*text)[1] < 0xa0)
        c = (unsigned char)(*text)[1]; /* a C1 control */
    else if (c >= 0x20 && c != 0x7f) {
        memcpy(out, *text, n);
        *text += n;
        return n;
    }
    memcpy(out, control, sizeof(control));
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    *text += n;
    return 6;
}

/* How many bytes at `s`, `most` at most, stand for themselves: nearly all. */
static size_t plain_run(const char *s, size_t most)
{
    size_t n = 0;

    while (n < most && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' &&
           s[n] != '\\')
        n++;
    return n;
}

/* A quoted text, or null. */
static void put_text(struct pen *p, const char *text)
{
    size_t used, n;
    char c[8];

    if (!text) {
        PUT(p, "null");
        return;
    }
    PUT(p, "\"");
    used = plain_run(text, TEXT_MOST);
    put_bytes(p, text, used);
    for (text += used; *text && used < TEXT_MOST; used += n) {
        n = spell(c, &text);
        if (used + n > TEXT_MOST)
            break;
        put_bytes(p, c, n);
    }
    PUT(p, "\"");
}

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
    put_bytes(p, text, strlen(text));
}

static void put_int(struct pen *p, int64_t v)
{
    uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char digits[DIGITS_MOST + 1];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (v < 0)
        digits[--at] = '-';
    put_bytes(p, digits + at, sizeof(digits) - at);
}

static void put_ms(struct pen *p, int32_t ms)
{
    if (ms < 0)
        PUT(p, "null");
    else
        put_int(p, ms);
}

static void put_bool(struct pen *p, bool yes)
{
    if (yes)
        PUT(p, "true");
    else
        PUT(p, "false");
}

static void put_money(struct pen *p, struct money m)
{
    char text[MONEY_TEXT];

    PUT(p, "{\"amount\":\"");
    decimal_text(m.nanos, text);
    put_bytes(p, text, strlen(text));
    PUT(p, "\",\"currency\":\"");
    put_bytes(p, currency_name(m.currency), 3);
    PUT(p, "\"}");
}

static void put_offer(struct pen *p, struct offer_name name)
{
    PUT(p, "\"vendor\":");
    put_text(p, name.vendor);
    PUT(p, ",\"model\":");
    put_text(p, name.model);
}

static void put_times(struct pen *p, int32_t first_byte_ms, int32_t total_ms)
{
    PUT(p, ",\"first_byte_ms\":");
    put_ms(p, first_byte_ms);
    PUT(p, ",\"total_ms\":");
    put_ms(p, total_ms);
}

static void put_fault(struct pen *p, uint8_t fault)
{
    const char *name = fault_traits((enum fault)fault)->name;

    PUT(p, ",\"fault\":\"");
    put_bytes(p, name, strlen(name));
    PUT(p, "\"");
}

static void put_attempt(struct pen *p, const struct receipt *r,
                        const struct receipt_attempt *a)
{
    PUT(p, "{\"id\":");
    put_text(p, a->id);
    PUT(p, ",");
    put_offer(p, receipt_offer(r, a->offer));
    PUT(p, ",\"status\":");
    put_int(p, a->status);
    put_fault(p, a->fault);
    put_times(p, a->first_byte_ms, a->total_ms);
    if (a->maybe_billed)
        PUT(p, ",\"maybe_billed\":true");
    if (a->estimated || a->usage.estimated)
        PUT(p, ",\"estimated\":true");
    if (a->unpriced) {
        PUT(p, ",\"unpriced\":true");
    } else if (a->cost.nanos != 0 || a->fault == FAULT_NONE ||
               a->maybe_billed) {
        PUT(p, ",\"cost\":");
        put_money(p, a->cost);
    }
    if (a->stated.nanos != 0) {
        PUT(p, ",\"stated_cost\":");
        put_money(p, a->stated);
    }
    PUT(p, "}");
}

static void put_attempts(struct pen *p, const struct receipt *r)
{
    PUT(p, ",\"attempts\":[");
    for (uint32_t i = 0; i < r->n_attempts; i++) {
        if (i > 0)
            PUT(p, ",");
        put_attempt(p, r, &r->attempts[i]);
    }
    PUT(p, "]");
}

/* Those of the attempt that answered; nothing is known if none did. */
static void put_tokens(struct pen *p, const struct receipt *r)
{
    const struct receipt_attempt *a = receipt_chosen(r);

    PUT(p, ",\"tokens\":{\"estimated_input\":");
    put_int(p, r->estimated_input);
    PUT(p, ",\"expected_output\":");
    put_int(p, r->expected_output);
    if (a) {
        PUT(p, ",\"input\":");
        put_int(p, a->usage.input_tokens);
        PUT(p, ",\"cached\":");
        put_int(p, a->usage.cached_tokens);
        PUT(p, ",\"cache_write\":");
        put_int(p, a->usage.cache_write_tokens);
        PUT(p, ",\"output\":");
        put_int(p, a->usage.output_tokens);
        PUT(p, ",\"thinking\":");
        put_int(p, a->usage.thinking_tokens);
        PUT(p, ",\"estimated\":");
        put_bool(p, a->estimated || a->usage.estimated);
    }
    PUT(p, "}");
}

static void put_costs(struct pen *p, const struct receipt *r)
{
    PUT(p, ",\"expected_cost\":");
    put_money(p, r->expected);
    PUT(p, ",\"cost\":");
    put_money(p, r->cost);
    PUT(p, ",\"runner_up\":");
    if (!r->has_runner_up) {
        PUT(p, "null");
        return;
    }
    PUT(p, "{");
    put_offer(p, receipt_runner_up(r));
    PUT(p, ",\"cost\":");
    put_money(p, r->runner_up_cost);
    PUT(p, "}");
}

static void put_other(struct pen *p, const struct receipt *r,
                      const struct receipt_other *o)
{
    PUT(p, "{");
    put_offer(p, receipt_offer(r, o->offer));
    if (o->why == WHY_LISTED) {
        PUT(p, ",\"why\":\"dearer\",\"cost\":");
        put_money(p, o->compared);
    } else {
        PUT(p, ",\"why\":");
        put_text(p, why_name((enum why)o->why));
    }
    PUT(p, "}");
}

static void put_others(struct pen *p, const struct receipt *r)
{
    uint32_t n = 0;

    PUT(p, ",\"others\":[");
    for (; n < r->n_others && (size_t)(p->end - p->at) > 2 * (size_t)OTHER_MOST;
         n++) {
        if (n > 0)
            PUT(p, ",");
        put_other(p, r, &r->others[n]);
    }
    PUT(p, "]");
    if (r->others_omitted + (r->n_others - n) > 0) {
        PUT(p, ",\"others_omitted\":");
        put_int(p, r->others_omitted + (r->n_others - n));
    }
}

static void put_head(struct pen *p, const struct receipt *r)
{
    PUT(p, "{\"at\":\"");
    put_time(p, r->at_unix_ms);
    PUT(p, "\",\"id\":");
    put_text(p, r->id);
    PUT(p, ",\"team\":");
    put_text(p, receipt_team(r));
    PUT(p, ",\"key\":");
    put_text(p, r->key_id[0] ? r->key_id : NULL);
    PUT(p, ",\"asked\":");
    put_text(p, r->asked);
    PUT(p, ",\"stream\":");
    put_bool(p, r->stream);
    PUT(p, ",\"status\":");
    put_int(p, r->status);
    PUT(p, ",");
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
    PUT(&p, "}\n");
    return (size_t)(p.at - text);
}
