#include "http/fields.h"
#include "http/parse.h"

/*
 *   SIZE digits -> [EXTENSION ...] -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF
 *     ^                                 |                             |
 *     +---------------------------------|-----------------------------+
 *                            last chunk v
 *            LINE [NAME ... -> TRAILER ... -> TRAILER_LF] -> END_LF -> done
 */
enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE, /* the start of a trailer line, or of the empty one */
    NAME,
    TRAILER,
    TRAILER_LF,
    END_LF,
};

enum {
    SIZE_DIGITS_MOST = 8,
    EXTENSION_BYTES_MOST = 64, /* of one chunk */
    EXTRA_BYTES_MOST = 1024,   /* extensions and trailers in all */
};

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(char c)
{
    return (unsigned char)c >= 0x20 ? c != 0x7f : c == '\t';
}

static int take_size(struct http_chunks *c, char byte)
{
    int digit = digit_value(byte);

    if (digit >= 0) {
        c->left = c->left * 16 + (uint64_t)digit;
        return ++c->line_bytes > SIZE_DIGITS_MOST ? -1 : 0;
    }
    if (!c->line_bytes)
        return -1;
    c->line_bytes = 0;
    c->state = byte == ';' ? EXTENSION : SIZE_LF;
    return byte == ';' || byte == '\r' ? 0 : -1;
}

static int take_extra(struct http_chunks *c, char byte, enum state after)
{
    if (byte == '\r') {
        c->state = (uint8_t)after;
        return 0;
    }
    return is_text(byte) && ++c->extra_bytes <= EXTRA_BYTES_MOST ? 0 : -1;
}

static int take_line_feed(struct http_chunks *c, char byte, enum state next)
{
    c->state = (uint8_t)next;
    c->line_bytes = 0;
    return byte == '\n' ? 0 : -1;
}

static int take_name(struct http_chunks *c, char byte)
{
    return char_is(byte, TOKEN) && ++c->extra_bytes <= EXTRA_BYTES_MOST ? 0
                                                                        : -1;
}

/* A byte of the framing. */
static int take(struct http_chunks *c, char byte)
{
    switch ((enum state)c->state) {
    case SIZE: return take_size(c, byte);
    case EXTENSION:
        if (++c->line_bytes > EXTENSION_BYTES_MOST && byte != '\r')
            return -1;
        return take_extra(c, byte, SIZE_LF);
    case SIZE_LF:
        c->n_chunks++;
        return take_line_feed(c, byte, c->left ? DATA : LINE);
    case DATA: return -1; /* cannot be: taken in one piece */
    case DATA_CR: c->state = DATA_LF; return byte == '\r' ? 0 : -1;
    case DATA_LF: return take_line_feed(c, byte, SIZE);
    case LINE:
        c->state = byte == '\r' ? END_LF : NAME;
        return byte == '\r' ? 0 : take_name(c, byte);
    case NAME:
        if (byte != ':')
            return take_name(c, byte);
        c->state = TRAILER;
        return take_extra(c, byte, TRAILER_LF);
    case TRAILER: return take_extra(c, byte, TRAILER_LF);
    case TRAILER_LF: return take_line_feed(c, byte, LINE);
    case END_LF: c->done = true; return byte == '\n' ? 0 : -1;
    }
    return -1;
}

int http_chunks_next(struct http_chunks *c, struct slice *in, struct slice *out)
{
    *out = (struct slice){in->bytes, 0};
    while (in->len && !c->done && c->state != DATA) {
        if (take(c, *in->bytes) != 0)
            return -1;
        in->bytes++;
        in->len--;
    }
    if (!in->len || c->done)
        return 0;
    out->bytes = in->bytes;
    out->len = in->len < c->left ? in->len : (size_t)c->left;
    in->bytes += out->len;
    in->len -= out->len;
    c->left -= out->len;
    if (!c->left)
        c->state = DATA_CR;
    return 0;
}
