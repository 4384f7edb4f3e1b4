/* gemini.c - Google's own language: the model stands in the path. */
#include "vendors/gemini.h"

extern const struct adapter adapter_gemini;
const struct adapter adapter_gemini = {
    .name = "gemini",
    .chat_path = "/models/{model}:generateContent",
    .stream_path = "/models/{model}:streamGenerateContent?alt=sse",
    .headers = "",
    .write = gemini_write,
    .refuses = gemini_refuses,
    .reader_size = sizeof(struct gemini_reader),
    .body = gemini_body,
    .end = gemini_end,
};
