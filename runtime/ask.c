#include "ask.h"

#include <errno.h>
#include <http_parser.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 40, INPUT_SIZE = 16 << 10 };

struct hearing {
    struct page *body;
    bool complete;
};

static int on_body(http_parser *parser, const char *data, size_t size)
{
    struct hearing *hearing = parser->data;

    page_add(hearing->body, "%.*s", (int)size, data);
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct hearing *hearing = parser->data;

    hearing->complete = true;
    return 0;
}

static int fail(struct page *body, const struct ask *ask, const char *why)
{
    page_free(body);
    page_add(body, "%s:%u: %s", ask->host, ask->port, why);
    return 0;
}

/* A connected socket, or -1 and in `why` why not. */
static int connect_to(const struct ask *ask, const char **why)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    struct addrinfo *addresses;
    char port[8];
    int fd = -1;

    snprintf(port, sizeof port, "%u", ask->port);
    const int error = getaddrinfo(ask->host, port, &hints, &addresses);
    if (error != 0) {
        *why = gai_strerror(error);
        return -1;
    }
    for (const struct addrinfo *at = addresses; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd < 0) continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, at->ai_addr, at->ai_addrlen) == 0) break;
        *why = strerror(errno);
        close(fd);
        fd = -1;
    }
    freeaddrinfo(addresses);
    return fd;
}

static bool send_request(int fd, const struct ask *ask)
{
    struct page request = { 0 };
    size_t done = 0;

    page_add(&request, "%s %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n", ask->body != NULL ? "POST" : "GET",
             ask->path, ask->host, ask->port);
    if (ask->api_key[0] != 0) page_add(&request, "X-API-Key: %s\r\n", ask->api_key);
    if (ask->body != NULL) {
        page_add(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(ask->body));
    }
    page_add(&request, "\r\n%s", ask->body != NULL ? ask->body : "");
    while (!request.failed && done < request.size) {
        const ssize_t sent = send(fd, request.data + done, request.size - done, MSG_NOSIGNAL);
        if (sent <= 0) break;
        done += (size_t)sent;
    }
    const bool whole = !request.failed && done == request.size;
    page_free(&request);
    return whole;
}

int ask_node(const struct ask *ask, struct page *body)
{
    static const http_parser_settings callbacks = { .on_body = on_body, .on_message_complete = on_complete };
    static char input[INPUT_SIZE];
    struct hearing hearing = { .body = body };
    http_parser parser;
    const char *why = "no address";

    *body = (struct page){ 0 };
    const int fd = connect_to(ask, &why);
    if (fd < 0) return fail(body, ask, why);
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = &hearing;
    bool well = send_request(fd, ask);
    while (well && !hearing.complete) {
        const ssize_t size = recv(fd, input, sizeof input, 0);
        if (size < 0) break;
        /* Zero bytes are the end, which may complete an answer. */
        well = http_parser_execute(&parser, &callbacks, input, (size_t)size) == (size_t)size && size > 0;
    }
    close(fd);
    if (!hearing.complete) return fail(body, ask, "the answer broke off");
    return (int)parser.status_code;
}
