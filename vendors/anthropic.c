/* anthropic.c - Claude's own language: POST /messages. */
#include "vendors/anthropic.h"

extern const struct adapter adapter_anthropic;
const struct adapter adapter_anthropic = {
    .name = "anthropic",
    .chat_path = "/messages",
    .headers = "anthropic-version: 2023-06-01\r\n",
    .write = anthropic_write,
    .refuses = anthropic_refuses,
    .reader_size = sizeof(struct anthropic_reader),
    .body = anthropic_body,
    .end = anthropic_end,
};
