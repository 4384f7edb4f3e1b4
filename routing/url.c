#include "routing/url.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum {
    URL_MOST = 1024,
    HOST_MOST = 253,
    PORT_MOST = 65535,
};

static bool host_is_fit(const char *host, bool bracketed)
{
    unsigned char address[sizeof(struct in6_addr)];

    if (bracketed)
        return inet_pton(AF_INET6, host, address) == 1;
    if (!*host || strlen(host) > HOST_MOST || *host == '.' || *host == '-')
        return false;
    for (; *host; host++)
        if (!isalnum((unsigned char)*host) && !strchr(".-_", *host))
            return false;
    return true;
}

/* Behind the host: "" or ":8080". */
static bool port_read(uint16_t *out, const char *text, size_t len)
{
    unsigned long port = 0;

    if (len == 0)
        return true;
    if (*text != ':' || len < 2 || len > 6)
        return false;
    for (size_t i = 1; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = port * 10 + (unsigned long)(text[i] - '0');
    }
    *out = (uint16_t)port;
    return port > 0 && port <= PORT_MOST;
}

static bool path_is_fit(const char *path)
{
    for (; *path; path++)
        if (*path <= ' ' || *path > '~' || strchr("?#\\\"<>", *path))
            return false;
    return true;
}

static const char *authority_read(struct url *out, const char *text, size_t len,
                                  struct arena *a)
{
    bool bracketed = *text == '[';
    const char *end = memchr(text, bracketed ? ']' : ':', len);
    size_t host_len = end ? (size_t)(end - text) : len;
    char *host;

    if (memchr(text, '@', len))
        return "has a user in it";
    if (bracketed && !end)
        return "has a '[' without its ']'";
    host = arena_strndup(a, text + bracketed, host_len - bracketed);
    for (char *c = host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    out->host = host;
    host_len += bracketed;
    if (!host_is_fit(host, bracketed))
        return "has no host that could be";
    if (!port_read(&out->port, text + host_len, len - host_len))
        return "has no port that could be";
    return NULL;
}

const char *url_read(struct url *out, const char *text, struct arena *a)
{
    static const char https[] = "https://", http[] = "http://";
    const char *wrong;
    size_t len;

    *out = (struct url){.host = "", .path = ""};
    if (strlen(text) > URL_MOST)
        return "is too long";
    out->tls = strncmp(text, https, sizeof(https) - 1) == 0;
    if (!out->tls && strncmp(text, http, sizeof(http) - 1) != 0)
        return "does not begin with https:// or http://";
    text += out->tls ? sizeof(https) - 1 : sizeof(http) - 1;
    out->port = out->tls ? 443 : 80;
    len = strcspn(text, "/?#");
    wrong = authority_read(out, text, len, a);
    if (wrong)
        return wrong;
    text += len;
    if (!path_is_fit(text))
        return "has a query, a fragment or a character that no path may have";
    len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
        len--;
    out->path = arena_strndup(a, text, len);
    return NULL;
}
