/* http.h -- a small HTTP/1.1 server for operators: bounded requests, few connections, whole answers.
 *
 * It serves GET and HEAD, reads and forgets bodies, keeps connections alive, and answers pipelined requests one after
 * the other. A request has HTTP_REQUEST_MS to arrive; connections beyond HTTP_CONNECTIONS_MAX are closed at once. */
#ifndef CHRONIK_RUNTIME_HTTP_H
#define CHRONIK_RUNTIME_HTTP_H

#include "page.h"

#include <uv.h>

enum {
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_HEAD_SIZE_MAX = 8 * 1024, /* target and header fields together; above: 431, or 414 for the target */
    HTTP_TARGET_SIZE_MAX = 1024,
    HTTP_BODY_SIZE_MAX = 64 * 1024, /* above: 413 */
    HTTP_REQUEST_MS = 30 * 1000,
};

struct http_answer {
    int status;
    const char *content_type;
    struct page body;
};

struct http_handler {
    /* Fills in the answer to GET `path` (without a query). Called on the loop thread. */
    void (*answer)(void *context, const char *path, struct http_answer *answer);
    void *context;
};

struct http;

/* Takes over a listening socket. NULL if that is not possible. */
struct http *http_new(uv_loop_t *loop, int fd, const struct http_handler *handler);

/* Closes all connections; the loop has to run once more before http_free. */
void http_close(struct http *http);
void http_free(struct http *http);

#endif
