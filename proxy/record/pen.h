/*
 * pen.h - JSON written into room that is known to suffice.
 *
 * For the receipts: every text is escaped so that JSON and terminals read it
 * as such, whoever chose it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct pen {
    char *at, *end;
};

void pen_bytes(struct pen *p, const char *bytes, size_t len);

#define PEN(p, literal) pen_bytes(p, literal, sizeof(literal) - 1)

/* A quoted text, `most` bytes between the quotes, escapes included; NULL:
 * null. */
void pen_text(struct pen *p, const char *text, size_t most);
void pen_int(struct pen *p, int64_t v);
