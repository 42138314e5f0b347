#include "http.h"

#include "base/check.h"

#include <http_parser.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { BACKLOG = 64, INPUT_SIZE = 4096, FIELD_NAME_SIZE = 16 };

static const char key_field[] = "X-API-Key";

struct connection {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uint32_t handles; /* not yet closed, of the two above */
    struct http *http;
    struct connection *next, **link; /* in the list of all */
    http_parser parser;
    char target[HTTP_TARGET_SIZE_MAX + 1];
    size_t target_size, head_size, text_size;
    char field[FIELD_NAME_SIZE]; /* name of the field being read; a longer one is cut */
    size_t field_size;
    bool in_value;
    char key[HTTP_KEY_SIZE_MAX + 1];
    size_t key_size;
    char *text; /* the body */
    uint64_t id;
    int refused;     /* the status to refuse the request with, 0: none */
    bool unanswered; /* its answer comes by http_answer */
    bool from_loopback;
    bool closing;
    bool last; /* close after the answer */

    char input[INPUT_SIZE];
    size_t input_begin, input_end; /* read, and not yet parsed */

    uv_write_t write; /* one answer at a time; nothing is read meanwhile */
    char head[256];
    struct page body;
};

struct http {
    uv_loop_t *loop;
    uv_tcp_t listener;
    struct http_handler handler;
    struct connection *connections;
    uint32_t connection_count;
    uint64_t requests;
};

static void parse(struct connection *connection);

static void on_handle_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (--connection->handles > 0) return;
    *connection->link = connection->next;
    if (connection->next != NULL) connection->next->link = connection->link;
    connection->http->connection_count--;
    page_free(&connection->body);
    free(connection->text);
    free(connection);
}

static void close_connection(struct connection *connection)
{
    if (connection->closing) return;
    connection->closing = true;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

static void on_timer(uv_timer_t *timer)
{
    close_connection(timer->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;

    (void)suggested;
    CHECK(connection->input_begin == connection->input_end);
    connection->input_begin = connection->input_end = 0;
    *buffer = uv_buf_init(connection->input, sizeof connection->input);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;

    (void)buffer;
    if (size < 0) {
        close_connection(connection);
        return;
    }
    connection->input_end = (size_t)size;
    parse(connection);
}

/* Waits for a request: it has to be here, whole, before the timer fires. */
static void await(struct connection *connection)
{
    if (uv_timer_start(&connection->timer, on_timer, HTTP_REQUEST_MS, 0) != 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) != 0) {
        close_connection(connection);
    }
}

/* ---- answering ---- */

static const char *status_words(int status)
{
    switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct connection *connection = write->data;

    page_free(&connection->body);
    if (connection->closing) return;
    if (status != 0 || connection->last) {
        close_connection(connection);
        return;
    }
    /* Whatever came behind that request is the next one. */
    http_parser_pause(&connection->parser, 0);
    if (connection->input_begin < connection->input_end) parse(connection);
    else await(connection);
}

/* Sends it, and takes over its body. */
static void send_answer(struct connection *connection, struct http_answer *answer)
{
    const bool is_head = connection->parser.method == HTTP_HEAD;

    if (answer->body.failed) answer->status = 500; /* no memory: an empty body */
    connection->unanswered = false;
    connection->body = answer->body;
    const int head_size =
        snprintf(connection->head, sizeof connection->head,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s%s\r\n", answer->status,
                 status_words(answer->status), answer->content_type, answer->body.size,
                 answer->status == 405 ? "Allow: " : "", answer->status == 405 ? answer->allow : "",
                 answer->status == 405 ? "\r\n" : "", connection->last ? "Connection: close\r\n" : "");
    CHECK(head_size > 0 && (size_t)head_size < sizeof connection->head);
    const uv_buf_t parts[] = {
        uv_buf_init(connection->head, (unsigned)head_size),
        uv_buf_init(connection->body.data, (unsigned)connection->body.size),
    };
    connection->write.data = connection;
    /* The timer goes on: an answer that is not taken for so long is given up. */
    const bool has_body = !is_head && connection->body.size > 0;
    if (uv_timer_start(&connection->timer, on_timer, HTTP_REQUEST_MS, 0) != 0 ||
        uv_write(&connection->write, (uv_stream_t *)&connection->tcp, parts, has_body ? 2 : 1, on_written) != 0) {
        close_connection(connection);
    }
}

static const struct http_answer plain_answer = { .status = 200,
                                                 .content_type = "text/plain; charset=utf-8",
                                                 .allow = "GET, HEAD" };

static void refuse_with(struct connection *connection, int status)
{
    struct http_answer answer = plain_answer;

    answer.status = status;
    page_add(&answer.body, "%d %s\n", status, status_words(status));
    send_answer(connection, &answer);
}

/* A whole request is here, or as much of one as it takes to refuse it. */
static void answer(struct connection *connection)
{
    const unsigned method = connection->parser.method;
    const bool known = method == HTTP_GET || method == HTTP_HEAD || method == HTTP_POST;
    struct http_answer answer = plain_answer;

    uv_read_stop((uv_stream_t *)&connection->tcp);
    if (connection->refused != 0) {
        refuse_with(connection, connection->refused);
        return;
    }
    if (!known) {
        refuse_with(connection, 405);
        return;
    }
    connection->target[strcspn(connection->target, "#")] = 0;
    char *query = connection->target + strcspn(connection->target, "?");
    if (*query == '?') *query++ = 0;
    const struct http_request request = {
        .id = connection->id,
        .is_post = method == HTTP_POST,
        .from_loopback = connection->from_loopback,
        .path = connection->target,
        .query = query,
        .api_key = connection->key_size <= HTTP_KEY_SIZE_MAX ? connection->key : "",
        .body = connection->text != NULL ? connection->text : "",
    };
    connection->unanswered = true;
    /* An answer that never comes is given up. */
    if (uv_timer_start(&connection->timer, on_timer, HTTP_REQUEST_MS, 0) != 0) {
        close_connection(connection);
        return;
    }
    struct http *http = connection->http;
    if (http->handler.answer(http->handler.context, &request, &answer)) send_answer(connection, &answer);
}

void http_answer(struct http *http, uint64_t id, struct http_answer *answer)
{
    for (struct connection *at = http->connections; at != NULL; at = at->next) {
        if (at->id != id || !at->unanswered || at->closing) continue;
        send_answer(at, answer);
        return;
    }
    page_free(&answer->body);
}

/* ---- parsing ---- */

static int on_begin(http_parser *parser)
{
    struct connection *connection = parser->data;

    connection->target_size = connection->head_size = connection->text_size = 0;
    connection->field_size = connection->key_size = 0;
    connection->in_value = false;
    connection->key[0] = 0;
    free(connection->text);
    connection->text = NULL;
    connection->refused = 0;
    connection->id = ++connection->http->requests;
    return 0;
}

/* Non-zero ends the parsing with an error, and the status that was set. */
static int refuse(struct connection *connection, int status)
{
    connection->refused = status;
    return 1;
}

static int on_target(http_parser *parser, const char *data, size_t size)
{
    struct connection *connection = parser->data;

    if (connection->target_size + size > HTTP_TARGET_SIZE_MAX) return refuse(connection, 414);
    memcpy(connection->target + connection->target_size, data, size);
    connection->target_size += size;
    connection->target[connection->target_size] = 0;
    return 0;
}

static int count_head(struct connection *connection, size_t size)
{
    connection->head_size += size;
    return connection->head_size > HTTP_HEAD_SIZE_MAX ? refuse(connection, 431) : 0;
}

static int on_field(http_parser *parser, const char *data, size_t size)
{
    struct connection *connection = parser->data;

    if (connection->in_value) connection->field_size = 0;
    connection->in_value = false;
    const size_t kept = MIN(size, (size_t)FIELD_NAME_SIZE - connection->field_size);
    memcpy(connection->field + connection->field_size, data, kept);
    connection->field_size += kept;
    return count_head(connection, size);
}

static int on_value(http_parser *parser, const char *data, size_t size)
{
    struct connection *connection = parser->data;
    const bool is_key = connection->field_size == sizeof key_field - 1 &&
                        strncasecmp(connection->field, key_field, sizeof key_field - 1) == 0;

    connection->in_value = true;
    if (is_key && connection->key_size + size <= HTTP_KEY_SIZE_MAX) {
        memcpy(connection->key + connection->key_size, data, size);
        connection->key[connection->key_size + size] = 0;
    }
    if (is_key) connection->key_size += size;
    return count_head(connection, size);
}

static int on_body(http_parser *parser, const char *data, size_t size)
{
    struct connection *connection = parser->data;

    if (connection->text_size + size > HTTP_BODY_SIZE_MAX) return refuse(connection, 413);
    if (connection->text == NULL) connection->text = calloc(1, HTTP_BODY_SIZE_MAX + 1);
    if (connection->text == NULL) return refuse(connection, 503);
    memcpy(connection->text + connection->text_size, data, size);
    connection->text_size += size;
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct connection *connection = parser->data;

    connection->last = http_should_keep_alive(parser) == 0 || parser->upgrade;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

static void parse(struct connection *connection)
{
    http_parser *parser = &connection->parser;
    const size_t size = connection->input_end - connection->input_begin;

    connection->input_begin +=
        http_parser_execute(parser, &callbacks, connection->input + connection->input_begin, size);
    const enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (error == HPE_OK && !parser->upgrade) {
        if (!uv_is_active((uv_handle_t *)&connection->tcp)) await(connection);
        return;
    }
    if (error != HPE_PAUSED || parser->upgrade) {
        connection->last = true;
        if (error == HPE_HEADER_OVERFLOW) connection->refused = 431;
        else if (error != HPE_PAUSED && connection->refused == 0) connection->refused = 400;
    }
    answer(connection);
}

/* ---- connections ---- */

static bool is_from_loopback(const uv_tcp_t *tcp)
{
    struct sockaddr_storage address;
    int size = sizeof address;

    if (uv_tcp_getpeername(tcp, (struct sockaddr *)&address, &size) != 0) return false;
    if (address.ss_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *)&address)->sin_addr.s_addr) >> 24 == 127;
    }
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&address)->sin6_addr;
    return address.ss_family == AF_INET6 &&
           (IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127));
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct http *http = stream->data;
    struct connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;

    if (connection == NULL) return; /* stays in the backlog until the next one comes */
    connection->http = http;
    connection->next = http->connections;
    connection->link = &http->connections;
    if (connection->next != NULL) connection->next->link = &connection->next;
    http->connections = connection;
    http->connection_count++;
    http_parser_init(&connection->parser, HTTP_REQUEST);
    connection->parser.data = connection;
    /* These cannot fail on Linux: they only set up memory. */
    CHECK(uv_tcp_init(http->loop, &connection->tcp) == 0);
    CHECK(uv_timer_init(http->loop, &connection->timer) == 0);
    connection->tcp.data = connection->timer.data = connection;
    connection->handles = 2;
    if (uv_accept(stream, (uv_stream_t *)&connection->tcp) != 0 || http->connection_count > HTTP_CONNECTIONS_MAX) {
        close_connection(connection);
        return;
    }
    connection->from_loopback = is_from_loopback(&connection->tcp);
    await(connection);
}

struct http *http_new(uv_loop_t *loop, int fd, const struct http_handler *handler)
{
    struct http *http = calloc(1, sizeof *http);

    if (http == NULL) return NULL;
    http->loop = loop;
    http->handler = *handler;
    if (uv_tcp_init(loop, &http->listener) != 0 || uv_tcp_open(&http->listener, fd) != 0) return NULL;
    http->listener.data = http;
    return uv_listen((uv_stream_t *)&http->listener, BACKLOG, on_connection) == 0 ? http : NULL;
}

void http_close(struct http *http)
{
    uv_close((uv_handle_t *)&http->listener, NULL);
    for (struct connection *at = http->connections; at != NULL; at = at->next) close_connection(at);
}

void http_free(struct http *http)
{
    CHECK(http->connections == NULL);
    free(http);
}
