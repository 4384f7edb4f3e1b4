/*
 * complaint.h - what a vendor says when it refuses, in any of its shapes.
 *
 * {"error":{...}}, {"error":"..."}, {"code":...,"message":...}, base_resp,
 * error_code and more become one struct; rows of a table (complaint.c) turn
 * it into a fault.
 */
#pragma once

#include "base/json_scan.h"

#include "vendors/adapter.h"

enum {
    COMPLAINT_TEXT_MAX = 300,       /* bytes of answer.error */
    COMPLAINT_BODY_MAX = 64 * 1024, /* bytes of an error's body kept */
};

/* Texts lie in the JSON they were read from. */
struct complaint {
    int status; /* HTTP's, or what the body says when that is 200 */
    struct json_text code, type, message;
    int64_t retry_after_ms; /* if it says so in a field of its own; or 0 */
    bool stated;            /* there is one: an error that is not null */
    bool hinted; /* a bare code or message; an error unless choices came */
};

/* Reads one member's value if it may belong to a complaint; false: it does
 * not, and was not read. */
bool complaint_member(struct complaint *c, const struct json_text *key,
                      struct json_scan *s);

/* Reads an error's whole body. False: nothing of the kind was in it. */
bool complaint_read(struct complaint *c, struct slice body);

/* Reads "2.5s", "350ms", "1m" at *at as milliseconds, and moves past it; -1: no
 * such thing. */
int64_t complaint_amount(const char **at, const char *end);

enum fault complaint_fault(const struct complaint *c,
                           const struct manner *manner);

/* Sets the answer's fault, error (safe to show) and retry_after_ms. */
void complaint_tell(const struct complaint *c, struct reader *r);
