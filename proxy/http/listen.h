/* listen.h - listening sockets of a server. */
#pragma once

#include "http/http.h"

/* Takes in what has connected already, then closes them. */
void listeners_close(struct http_server *s);
void listeners_tls(struct http_server *s, struct tls_context *tls);
