/*
 * review.h - what a person should know of the price book before trusting it.
 *
 * Warnings that depend on the time: prices read long ago, calendars that end,
 * requests that no row foresees. For `bijia check`; serving does not ask.
 */
#pragma once

#include "conf/diag.h"

#include "routing/snapshot.h"

void price_review(const struct snapshot *s, int64_t now_unix_ms,
                  struct diag *diag);
