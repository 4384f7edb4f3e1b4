/*
 * json_write.h - the few calls that our own JSON is written with.
 *
 * Texts are quoted and escaped; bytes that are no UTF-8 become U+FFFD, so
 * that what we write is always valid JSON.
 */
#pragma once

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* 0, or -1: the buffer's limit would be passed (a part may be written). */
int json_add_text(struct buf *b, struct slice text) MUST_CHECK;
/* Bytes that are JSON already. */
int json_add_raw(struct buf *b, const char *json) MUST_CHECK;
