#include "conf/check.h"

#include <string.h>
#include <strings.h>

#include "conf/utf8.h"

enum {
    NAME_BYTES_MOST = 64,
    MODEL_BYTES_MOST = 128,
    HOST_BYTES_MOST = 255,
    LABEL_BYTES_MOST = 63,
};

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS  "0123456789"

const char *check_vendor(const char *text)
{
    if (strlen(text) > NAME_BYTES_MOST)
        return "wants a name of at most 64 bytes";
    if (!strchr(LETTERS DIGITS, *text) ||
        text[strspn(text, LETTERS DIGITS "-_.")])
        return "wants a name of letters, digits, '-', '_' and '.'";
    return NULL;
}

static bool is_graph(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

const char *check_model(const char *text)
{
    if (strlen(text) > MODEL_BYTES_MOST)
        return "wants a model's name of at most 128 bytes";
    if (!is_graph(text) || text[strcspn(text, "\"\\*")])
        return "wants a model's name: ASCII without blanks, quotes and '*'";
    return NULL;
}

static bool has_blank(const char *text)
{
    size_t left = strlen(text), n;
    uint32_t c;

    for (; left > 0; text += n, left -= n) {
        n = utf8_take(&c, text, left);
        if (n == 0 || utf8_is_blank(c) || utf8_is_hidden(c))
            return true;
    }
    return false;
}

const char *check_name(const char *text)
{
    if (strlen(text) > MODEL_BYTES_MOST)
        return "wants a name of at most 128 bytes";
    if (has_blank(text) || text[strcspn(text, "\"\\*,")])
        return "wants a name without blanks, quotes, ',' and '*'";
    return NULL;
}

const char *check_pattern(const char *text)
{
    size_t star = strcspn(text, "*");

    if (strlen(text) > NAME_BYTES_MOST + 1 + MODEL_BYTES_MOST)
        return "wants a name of at most 193 bytes";
    if (has_blank(text) || text[strcspn(text, "\"\\,")])
        return "wants a name without blanks, quotes and ','";
    if (text[star] && text[star + 1])
        return "wants a '*' only at its end";
    return NULL;
}

/* 1..65535, up to the end of the text. */
static bool is_port(const char *text)
{
    int n = 0;

    if (*text == '0' || !*text)
        return false;
    for (; *text >= '0' && *text <= '9' && n <= 65535; text++)
        n = n * 10 + (*text - '0');
    return !*text && n >= 1 && n <= 65535;
}

static bool is_host(const char *s, size_t len)
{
    size_t label = 0;

    if (len == 0 || len > HOST_BYTES_MOST)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!strchr(LETTERS DIGITS "-_", s[i]) || ++label > LABEL_BYTES_MOST)
            return false;
    }
    return true;
}

/* "[" hex digits, colons, a dotted end "]"; libc decides when dialling. */
static bool is_bracketed(const char *s, size_t len)
{
    return len >= 4 && s[0] == '[' && s[len - 1] == ']' &&
           strspn(s + 1, "0123456789abcdefABCDEF:.") == len - 2 &&
           memchr(s, ':', len);
}

/* host[:port], `len` bytes of it. */
static const char *check_authority(const char *s, size_t len)
{
    size_t host;
    char port[8] = "";

    if (memchr(s, '@', len))
        return "!wants a URL without a user or password; keys belong under "
               "\"keys\"";
    host = s[0] == '[' ? strcspn(s, "]") + 1 : strcspn(s, ":/");
    if (host > len)
        return "wants a host in front of the path";
    if (!is_host(s, host) && !is_bracketed(s, host))
        return "wants a host name or address behind \"://\"";
    if (host == len)
        return NULL;
    if (s[host] != ':' || len - host - 1 >= sizeof(port))
        return "wants a port 1..65535 behind the host's ':'";
    memcpy(port, s + host + 1, len - host - 1);
    return is_port(port) ? NULL : "wants a port 1..65535 behind the host's ':'";
}

static const char *check_url_path(const char *path)
{
    if (strpbrk(path, "?#"))
        return "!wants a URL without '?' and '#'; keys belong under \"keys\"";
    if (!is_graph(path) || strpbrk(path, "\"<>\\^`{|}"))
        return "wants a URL without blanks and quotes";
    for (const char *at = path; (at = strstr(at, "/.")); at++)
        if (at[2] == '/' || at[2] == '\0' ||
            (at[2] == '.' && (at[3] == '/' || at[3] == '\0')))
            return "wants a path without \"/./\" and \"/../\"";
    if (strstr(path, "//"))
        return "wants a path without \"//\"";
    return NULL;
}

const char *check_url(const char *text)
{
    const char *rest = strstr(text, "://"), *wrong;
    size_t len;

    if (strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0)
        return "wants a URL that begins with https:// or http://";
    rest += 3;
    len = strcspn(rest, "/?#");
    wrong = check_authority(rest, len);
    return wrong ? wrong : check_url_path(rest + len);
}

const char *check_proxy(const char *text)
{
    static const char *const schemes[] = {"http://", "https://", "socks5://",
                                          "socks5h://"};

    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i]);

        if (strncmp(text, schemes[i], n) == 0)
            return check_authority(text + n, strcspn(text + n, "/")) == NULL &&
                           !text[n + strcspn(text + n, "/")]
                       ? NULL
                   : strchr(text, '@')
                       ? "!wants a proxy's URL without a user or password"
                       : "wants SCHEME://host:port";
    }
    return "wants a proxy's URL: http://, https://, socks5:// or socks5h://";
}

const char *check_template(const char *text)
{
    const char *query = strchr(text, '?');

    if (*text != '/')
        return "wants a path that begins with '/'";
    if (query && (strchr(query + 1, '?') || strchr(query + 1, '{')))
        return "wants a path with at most one '?', and {model} before it";
    for (const char *at = text; (at = strpbrk(at, "{}")); at += 7)
        if (strncmp(at, "{model}", 7) != 0)
            return "wants a path in which {model} is the only word in braces";
    if (!is_graph(text) || strpbrk(text, "#\"<>\\^`|") || strstr(text, "//") ||
        strstr(text, "/../") || strstr(text, "/./"))
        return "wants a path without blanks and quotes";
    return NULL;
}

const char *check_header_name(const char *text)
{
    /* Of these we have our own, or they are secrets. */
    static const char *const ours[] = {"host",
                                       "connection",
                                       "content-length",
                                       "content-type",
                                       "transfer-encoding",
                                       "accept",
                                       "te",
                                       "trailer",
                                       "upgrade",
                                       "expect",
                                       "authorization",
                                       "proxy-authorization",
                                       "api-key",
                                       "x-api-key",
                                       "x-goog-api-key",
                                       "cookie",
                                       "accept-encoding",
                                       "user-agent",
                                       "x-bijia-attempt"};

    if (!*text || strlen(text) > 64 || text[strspn(text, LETTERS DIGITS "-_")])
        return "a header's name is of letters, digits, '-' and '_'";
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (strcasecmp(text, ours[i]) == 0)
            return "this header is not for the configuration to set: keys "
                   "belong under \"keys\"";
    return NULL;
}

const char *check_header_value(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return "wants printable ASCII";
    return NULL;
}

const char *check_listen(const char *text)
{
    const char *colon = strrchr(text, ':');
    size_t host = colon ? (size_t)(colon - text) : 0;

    if (!colon || !is_port(colon + 1) ||
        (host > 0 && !is_host(text, host) && !is_bracketed(text, host)))
        return "wants an address such as 127.0.0.1:8080, [::1]:8080 or :8080";
    return NULL;
}

const char *check_env(const char *text)
{
    if (strlen(text) > MODEL_BYTES_MOST || !strchr(LETTERS "_", *text) ||
        text[strspn(text, LETTERS DIGITS "_")])
        return "!wants the NAME of an environment variable such as "
               "DEEPSEEK_API_KEY; a key itself never stands in a "
               "configuration file";
    return NULL;
}

const char *check_digest(const char *text)
{
    return strlen(text) == 64 && strspn(text, DIGITS "abcdef") == 64
               ? NULL
               : "wants 64 hex digits, as `bijia keys new` writes them";
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool ends(const char *text, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(text + len - n, with, n) == 0;
}

static bool is_private_address(const char *host)
{
    static const char *const starts[] = {
        "127.",    "10.",     "192.168.", "[::1]",   "[fc",     "[fd",
        "172.16.", "172.17.", "172.18.",  "172.19.", "172.20.", "172.21.",
        "172.22.", "172.23.", "172.24.",  "172.25.", "172.26.", "172.27.",
        "172.28.", "172.29.", "172.30.",  "172.31."};

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (begins(host, starts[i]))
            return true;
    return false;
}

bool url_is_exposed(const char *url)
{
    static const char *const inner[] = {".local", ".internal", ".lan",
                                        ".localhost", ".home.arpa"};
    const char *host;
    size_t len;

    if (!begins(url, "http://"))
        return false;
    host = url + strlen("http://");
    len = strcspn(host, ":/");
    if (is_private_address(host) || (*host != '[' && !memchr(host, '.', len)))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(inner); i++)
        if (ends(host, len, inner[i]))
            return false;
    return true;
}

bool check_key(const struct node *n, field_check *check, const char *what,
               struct diag *diag)
{
    const char *wrong = *n->key ? check(n->key) : "wants a name";

    if (wrong)
        diag_error(diag, &n->key_place, "%s %s, found \"%.64s\"", what, wrong,
                   n->key);
    return !wrong;
}
