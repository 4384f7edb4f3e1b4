/*
 * mock_certs.h - an authority of the tests' own, and what it signs.
 *
 * Files in a fresh directory: ca.pem, other_ca.pem, and for each certificate
 * NAME.pem and NAME.key: good (localhost, 127.0.0.1), wrong (elsewhere.test),
 * expired (as good, until yesterday).
 */
#pragma once

struct mock_certs {
    char dir[32];
};

void mock_certs_make(struct mock_certs *certs);
void mock_certs_remove(struct mock_certs *certs);
/* Path of a file of theirs; stays until the next eight calls. */
const char *mock_certs_path(const struct mock_certs *certs, const char *file);
