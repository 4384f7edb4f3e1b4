/*
 * door.h - who are you, what do you ask: the routes of the public port.
 *
 * A key is checked when the head is there, before a body is read.
 */
#pragma once

#include "http/http.h"

bool door_admit(struct http_request *req, void *worker);
void door_chat(struct http_request *req, void *worker);
void door_models(struct http_request *req, void *worker);
void door_model(struct http_request *req, void *worker);
void door_healthz(struct http_request *req, void *worker);
void door_readyz(struct http_request *req, void *worker);
