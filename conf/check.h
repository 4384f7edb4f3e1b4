/*
 * check.h - what a text must look like to be a name, a URL, an address.
 *
 * Each is a field_check: NULL, or what is wrong, said so that the text found
 * can follow. See field.h for a message that begins with '!'.
 */
#pragma once

#include <stdbool.h>

#include "conf/field.h"

/* Of a vendor: letters, digits, "-_." ; it becomes a header's value. */
const char *check_vendor(const char *text);
/* Of a model, as the vendor calls it: ASCII without blanks; may hold '/'. */
const char *check_model(const char *text);
/* Of a team or alias: any script, no blank, no '*'. */
const char *check_name(const char *text);
/* vendor, vendor/model, model, or one of them with a '*' at its end. */
const char *check_pattern(const char *text);

/* http(s)://host[:port][/path], nothing else. */
const char *check_url(const char *text);
/* The same, or socks5:// or socks5h://, and no path. */
const char *check_proxy(const char *text);
/* "/chat/completions", "/models/{model}:generate?alt=sse" */
const char *check_template(const char *text);
/* Of a header that the configuration may set, and of its value: whole
 * sentences. */
const char *check_header_name(const char *text);
const char *check_header_value(const char *text);
/* "host:port", "[::1]:port", ":port" */
const char *check_listen(const char *text);
const char *check_env(const char *text);
const char *check_digest(const char *text);

/* An http:// URL whose host is neither this machine nor, by its look, in a
 * private network. `url` has passed check_url(). */
bool url_is_exposed(const char *url);

/* Complains about the key of `n` unless it is such a name. */
bool check_key(const struct node *n, field_check *check, const char *what,
               struct diag *diag) MUST_CHECK;
