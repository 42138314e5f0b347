/* http.h -- a small HTTP/1.1 server for operators: bounded requests, few connections, whole answers.
 *
 * It serves GET, HEAD and POST, keeps connections alive, and answers pipelined requests one after the other. A request
 * has HTTP_REQUEST_MS to arrive, and its answer as long to be made and as long again to be taken; connections beyond
 * HTTP_CONNECTIONS_MAX are closed at once. */
#ifndef CHRONIK_RUNTIME_HTTP_H
#define CHRONIK_RUNTIME_HTTP_H

#include "page.h"

#include <stdint.h>
#include <uv.h>

enum {
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_HEAD_SIZE_MAX = 8 * 1024, /* target and header fields together; above: 431, or 414 for the target */
    HTTP_TARGET_SIZE_MAX = 1024,
    HTTP_BODY_SIZE_MAX = 16 * 1024, /* above: 413 */
    HTTP_KEY_SIZE_MAX = 256,        /* of an X-API-Key field; a longer one is no key of ours */
    HTTP_REQUEST_MS = 30 * 1000,
};

/* A whole request, until the handler returns. Texts are terminated. */
struct http_request {
    uint64_t id; /* never used again */
    bool is_post;
    bool from_loopback;
    const char *path;  /* without a query */
    const char *query; /* behind the '?'; "" if there is none */
    const char *api_key;
    const char *body; /* of a POST */
};

struct http_answer {
    int status;
    const char *content_type;
    const char *allow; /* with status 405: the methods that there are */
    struct page body;
};

struct http_handler {
    /* Fills in the answer to a GET or POST, which comes in as plain text with status 200. False: it will come by
     * http_answer. Called on the loop thread. */
    bool (*answer)(void *context, const struct http_request *request, struct http_answer *answer);
    void *context;
};

struct http;

/* Takes over a listening socket. NULL if that is not possible. */
struct http *http_new(uv_loop_t *loop, int fd, const struct http_handler *handler);

/* The answer to a request that had to wait. Takes over the body. Its client may have given up: then nothing happens. */
void http_answer(struct http *http, uint64_t id, struct http_answer *answer);

/* Closes all connections; the loop has to run once more before http_free. */
void http_close(struct http *http);
void http_free(struct http *http);

#endif
