/* ledger_read.h - questions to the ledger of a state directory, whether or
 * not somebody writes it. */
#pragma once

#include <stdint.h>

/* Tokens, in and out, that attempts at that vendor's model used in exchanges
 * since then. 0 too if there is no ledger yet, or it cannot be read (which is
 * logged). Reads every row: for starts and reloads, not for requests. */
int64_t ledger_tokens_since(const char *state_dir, const char *vendor,
                            const char *model, int64_t since_unix_ms);
