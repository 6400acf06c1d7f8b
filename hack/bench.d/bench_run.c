/* SPDX-License-Identifier: Apache-2.0
 * Runs a program and tells what it took, as JSON in the file OUT:
 *   bench_run OUT PROGRAM ARG...                its end is waited for
 *   bench_run --ready URL OUT PROGRAM ARG...    until URL answers 200; then it is sent SIGTERM
 * A process of its own, because ru_maxrss of a child begins with what the process that forked it had. Source:
 * getrusage(2), and setmax_mm_hiwater_rss in Linux' fs/exec.c. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "base/url.h"
#include "tiny.h"

enum { POLL_NS = 200 * 1000 };

static size_t drop(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    (void)arg;
    return size * n;
}

static bool connects(uint16_t port)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return yes;
}

static bool answers(CURL *c)
{
    long status = 0;
    return curl_easy_perform(c) == CURLE_OK &&
           curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK && status == 200;
}

static CURL *new_probe(const char *url)
{
    CURL *c = curl_easy_init();
    if (!c || curl_easy_setopt(c, CURLOPT_URL, url) != CURLE_OK) {
        tiny_die("libcurl does not start");
    }
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, drop);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, 1L);
    return c;
}

static uint16_t port_of(const char *text)
{
    struct fl_url url;
    struct fl_err err = FL_ERR_INIT;
    if (fl_url_parse(fl_str_of(text), &url, &err) < 0) {
        tiny_die("%s", err.msg);
    }
    return url.port;
}

static void wait_ready(CURL *probe, uint16_t port, pid_t pid)
{
    const struct timespec pause = {.tv_nsec = POLL_NS};
    while (!connects(port) || !answers(probe)) {
        int status;
        if (waitpid(pid, &status, WNOHANG) == pid) {
            tiny_die("it ended before it was ready");
        }
        nanosleep(&pause, NULL);
    }
}

static pid_t start(char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        tiny_die("%s: %s", argv[0], strerror(errno));
    }
    if (pid < 0) {
        tiny_die("fork: %s", strerror(errno));
    }
    return pid;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    const char *url = NULL;
    if (argc > 2 && strcmp(argv[1], "--ready") == 0) {
        url = argv[2];
        argv += 2;
        argc -= 2;
    }
    if (argc < 3) {
        tiny_die("usage: bench_run [--ready URL] OUT PROGRAM ARG...");
    }
    FILE *out = fopen(argv[1], "w");
    if (!out) {
        tiny_die("%s: %s", argv[1], strerror(errno));
    }
    CURL *probe = url ? new_probe(url) : NULL;
    uint16_t port = url ? port_of(url) : 0;
    double began = tiny_wall_s();
    pid_t pid = start(argv + 2);
    double ready = 0;
    if (url) {
        wait_ready(probe, port, pid);
        ready = tiny_wall_s() - began;
        kill(pid, SIGTERM);
    }
    int status = 0;
    struct rusage u;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    double wall = tiny_wall_s() - began;
    getrusage(RUSAGE_CHILDREN, &u);
    fprintf(
        out,
        "{\"exit\": %d, \"wall_s\": %.6f, \"ready_s\": %.6f, \"cpu_s\": %.6f, \"rss_kib\": %ld}\n",
        WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), wall, ready,
        seconds(u.ru_utime) + seconds(u.ru_stime), u.ru_maxrss);
    if (fclose(out) != 0) {
        tiny_die("%s: %s", argv[1], strerror(errno));
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
