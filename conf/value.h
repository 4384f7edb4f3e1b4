/*
 * value.h - one word's text to its value, and back for people to read.
 *
 * The rows of value.c are the kinds of field.h: what each looks like, and how
 * it is read.
 */
#pragma once

#include "conf/field.h"

/* What a word of that kind wants, to follow "wants". */
const char *value_wanted(enum field_kind kind);

/* A kind whose member is one int64_t (a struct rate counts as one). */
bool value_is_number(enum field_kind kind);

/* Reads a number of such a kind. False: it is not so written, or does not
 * fit 64 bits. */
bool value_parse(int64_t *out, enum field_kind kind,
                 const char *text) MUST_CHECK;

enum {
    VALUE_TEXT = 40
};

/* The shortest way to write it: "16KiB", "30s". Returns `text`. */
const char *value_show(enum field_kind kind, int64_t n, char text[VALUE_TEXT]);

bool yes_no_parse(bool *out, const char *text) MUST_CHECK;
