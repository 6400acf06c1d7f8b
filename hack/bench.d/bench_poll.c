/* SPDX-License-Identifier: Apache-2.0
 * The floor of a poll of a git server: libcurl sends ls-refs over one kept connection, hashes the
 * answer, and does nothing else:
 *   bench_poll URL CA-FILE RATE SECONDS
 * At a rate, not as fast as it goes: what is done now and then finds caches cold. Prints one line of
 * JSON. Source of the request: git's gitprotocol-v2.adoc and gitprotocol-http.adoc. */
#include <curl/curl.h>
#include <openssl/evp.h>

#include "base/mem.h"
#include "base/num.h"
#include "tiny.h"

static const char request[] = "0014command=ls-refs\n"
                              "0016object-format=sha1"
                              "0001"
                              "000csymrefs\n"
                              "001bref-prefix refs/heads/\n"
                              "001aref-prefix refs/tags/\n"
                              "0014ref-prefix HEAD\n"
                              "0000";

struct answer {
    EVP_MD_CTX *hash;
    size_t bytes;
};

static size_t take(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    a->bytes += size * n;
    return EVP_DigestUpdate(a->hash, p, size * n) == 1 ? size * n : 0;
}

static CURL *new_handle(const char *url, const char *ca, struct answer *a)
{
    CURL *c = curl_easy_init();
    struct curl_slist *h = curl_slist_append(NULL, "Git-Protocol: version=2");
    if (!c || !h) {
        tiny_die("libcurl does not start");
    }
    h = curl_slist_append(h, "Content-Type: application/x-git-upload-pack-request");
    h = curl_slist_append(h, "Accept: application/x-git-upload-pack-result");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CAINFO, ca);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
    curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)(sizeof(request) - 1));
    curl_easy_setopt(c, CURLOPT_POSTFIELDS, request);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
    return c;
}

static void poll_once(CURL *c, struct answer *a)
{
    long status = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];
    a->bytes = 0;
    if (EVP_DigestInit_ex(a->hash, EVP_sha256(), NULL) != 1) {
        tiny_die("no SHA-256");
    }
    CURLcode rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (rc != CURLE_OK || status != 200 || a->bytes < 8) {
        tiny_die("%s, status %ld, %zu bytes", curl_easy_strerror(rc), status, a->bytes);
    }
    (void)EVP_DigestFinal_ex(a->hash, digest, NULL);
}

int main(int argc, char **argv)
{
    uint64_t rate;
    uint64_t seconds;
    if (argc != 5 || !fl_num_u64(fl_str_of(argv[3]), &rate) || rate == 0 || rate > 1000 ||
        !fl_num_u64(fl_str_of(argv[4]), &seconds) || seconds == 0) {
        tiny_die("usage: bench_poll URL CA-FILE RATE SECONDS");
    }
    struct answer a = {.hash = EVP_MD_CTX_new()};
    CURL *c = new_handle(argv[1], argv[2], &a);
    const struct timespec pause = {.tv_sec = rate == 1,
                                   .tv_nsec = 1000000000L / (long)rate % 1000000000L};
    double spent = 0;
    poll_once(c, &a); /* connects */
    double cpu = tiny_cpu_s();
    for (uint64_t i = 0; i < rate * seconds; i++) {
        nanosleep(&pause, NULL);
        double began = tiny_wall_s();
        poll_once(c, &a);
        spent += tiny_wall_s() - began;
    }
    cpu = tiny_cpu_s() - cpu;
    double n = (double)(rate * seconds);
    printf(
        "{\"polls\": %.0f, \"bytes\": %zu, \"cpu_s\": %.6f, \"cpu_ms\": %.4f, \"wall_ms\": %.4f}\n",
        n, a.bytes, cpu, cpu / n * 1e3, spent / n * 1e3);
    return 0;
}
