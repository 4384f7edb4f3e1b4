#include "mock_certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/attr.h"
#include "base/fatal.h"

struct authority {
    EVP_PKEY *key;
    X509 *cert;
};

static const struct {
    const char *name, *hosts;
    long until_s;
} wanted[] = {
    {"good", "DNS:localhost,IP:127.0.0.1", 86400},
    {"wrong", "DNS:elsewhere.test", 86400},
    {"expired", "DNS:localhost,IP:127.0.0.1", -86400},
};

const char *mock_certs_path(const struct mock_certs *certs, const char *file)
{
    static char paths[8][64];
    static int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", certs->dir, file);
    return path;
}

static void add(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ENSURE(ext && X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

static X509 *cert_new(EVP_PKEY *key, const char *name, long until_s)
{
    static long serial = 1;
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), -2L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(cert), until_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    return cert;
}

static void save(const struct mock_certs *certs, const char *name, X509 *cert,
                 EVP_PKEY *key)
{
    char file[64];
    FILE *f;

    snprintf(file, sizeof(file), "%s.pem", name);
    f = fopen(mock_certs_path(certs, file), "w");
    ENSURE(f && PEM_write_X509(f, cert) == 1);
    fclose(f);
    if (!key)
        return;
    snprintf(file, sizeof(file), "%s.key", name);
    f = fopen(mock_certs_path(certs, file), "w");
    ENSURE(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    fclose(f);
}

static struct authority authority_new(const char *name)
{
    struct authority a = {EVP_EC_gen("P-256"), NULL};

    a.cert = cert_new(a.key, name, 86400);
    X509_set_issuer_name(a.cert, X509_get_subject_name(a.cert));
    add(a.cert, a.cert, NID_basic_constraints, "critical,CA:TRUE");
    add(a.cert, a.cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add(a.cert, a.cert, NID_subject_key_identifier, "hash");
    ENSURE(X509_sign(a.cert, a.key, EVP_sha256()) > 0);
    return a;
}

static void authority_free(struct authority *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

void mock_certs_make(struct mock_certs *certs)
{
    struct authority ca, other;

    strcpy(certs->dir, "/tmp/bijia-certs-XXXXXX");
    ENSURE(mkdtemp(certs->dir));
    ca = authority_new("tests");
    other = authority_new("others");
    save(certs, "ca", ca.cert, NULL);
    save(certs, "other_ca", other.cert, NULL);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        EVP_PKEY *key = EVP_EC_gen("P-256");
        X509 *cert = cert_new(key, wanted[i].name, wanted[i].until_s);

        X509_set_issuer_name(cert, X509_get_subject_name(ca.cert));
        add(cert, ca.cert, NID_subject_alt_name, wanted[i].hosts);
        ENSURE(X509_sign(cert, ca.key, EVP_sha256()) > 0);
        save(certs, wanted[i].name, cert, key);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    authority_free(&ca);
    authority_free(&other);
}

void mock_certs_remove(struct mock_certs *certs)
{
    static const char *const files[] = {
        "ca.pem",    "other_ca.pem", "good.pem",    "good.key",
        "wrong.pem", "wrong.key",    "expired.pem", "expired.key"};

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(mock_certs_path(certs, files[i]));
    rmdir(certs->dir);
}
