#include "ask.h"

#include "connect.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
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
    const char *why;

    *body = (struct page){ 0 };
    const int fd = connect_to(ask->host, ask->port, PATIENCE_S, &why);
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
