#include "operator.h"

#include "base/arena.h"
#include "base/check.h"
#include "codec/api.h"
#include "codec/writer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRAME_HEAD_SIZE = 4,
    REQUEST_SIZE_MAX = 256,
    RESPONSE_SIZE_MAX = 4096, /* a message is a sentence */
    ARENA_SIZE = 1024,
};

static const char client_id[] = "operator";

/* An order under way. Its place is its correlation id. */
struct asked {
    bool used;
    uint64_t id;
};

struct order {
    uv_write_t write;
    uint8_t bytes[REQUEST_SIZE_MAX];
};

struct operator
{
    uv_loop_t *loop;
    struct net *net;
    struct operator_handler handler;
    struct asked asked[OPERATOR_ASKED_MAX];
    uv_pipe_t *pipe; /* NULL: there is no link */
    uint8_t input[RESPONSE_SIZE_MAX];
    uint32_t input_size;
};

static void answer(struct operator* operator, uint32_t place, const struct operate_response *response)
{
    struct asked *asked = &operator->asked[place];

    if (!asked->used) return;
    asked->used = false;
    operator->handler.answered(operator->handler.context, asked->id, response);
}

static void on_pipe_closed(uv_handle_t *handle)
{
    free(handle);
}

static void hang_up(struct operator* operator)
{
    if (operator->pipe != NULL) uv_close((uv_handle_t *)operator->pipe, on_pipe_closed);
    operator->pipe = NULL;
}

static void lose(struct operator* operator)
{
    hang_up(operator);
    for (uint32_t i = 0; i < OPERATOR_ASKED_MAX; i++) answer(operator, i, NULL);
}

static void take_response(struct operator* operator, struct bytes frame)
{
    uint8_t memory[ARENA_SIZE];
    struct arena arena;
    struct reader reader = reader_of(frame);
    struct operate_response response;
    int32_t place;

    arena_init(&arena, memory, sizeof memory);
    CHECK(response_header_read(&reader, API_OPERATE, 0, &place)); /* our own node's words */
    CHECK(operate_response_read(&reader, 0, &arena, &response));
    CHECK(place >= 0 && place < OPERATOR_ASKED_MAX);
    answer(operator,(uint32_t) place, &response);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct operator* operator= handle->data;

    (void)suggested;
    CHECK(operator->input_size<RESPONSE_SIZE_MAX);
    *buffer = uv_buf_init((char *)operator->input + operator->input_size, RESPONSE_SIZE_MAX - operator->input_size);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct operator* operator= stream->data;
    uint32_t at = 0;

    (void)buffer;
    if (size < 0) {
        lose(operator);
        return;
    }
    operator->input_size +=(uint32_t) size;
    while (operator->input_size - at >= FRAME_HEAD_SIZE) {
        const uint32_t frame_size = load_u32(operator->input + at);
        CHECK(frame_size <= RESPONSE_SIZE_MAX - FRAME_HEAD_SIZE);
        if (operator->input_size - at - FRAME_HEAD_SIZE<frame_size) break;
        take_response(operator,(struct bytes){ operator->input + at + FRAME_HEAD_SIZE, frame_size });
        at += FRAME_HEAD_SIZE + frame_size;
    }
    memmove(operator->input, operator->input + at, operator->input_size - at);
    operator->input_size -= at;
}

static void on_written(uv_write_t *write, int status)
{
    (void)status; /* an end that broke off shows when reading */
    free(write->data);
}

/* A pair of sockets, whose one end becomes a link. */
static bool call_node(struct operator* operator)
{
    int ends[2];

    if (operator->pipe != NULL) return true;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return false;
    uv_pipe_t *pipe = calloc(1, sizeof *pipe);
    if (pipe == NULL || !net_adopt(operator->net, ends[0], LISTENER_OPERATOR)) {
        if (pipe == NULL) close(ends[0]);
        close(ends[1]);
        free(pipe);
        return false;
    }
    CHECK(uv_pipe_init(operator->loop, pipe, 0) == 0);
    CHECK(uv_pipe_open(pipe, ends[1]) == 0);
    pipe->data = operator;
    operator->pipe = pipe;
    operator->input_size = 0;
    return uv_read_start((uv_stream_t *)pipe, on_alloc, on_read) == 0;
}

bool operator_ask(struct operator* operator, uint64_t id, const struct operate_request *request)
{
    uint32_t place = 0;

    while (place < OPERATOR_ASKED_MAX && operator->asked[place].used) place++;
    if (place == OPERATOR_ASKED_MAX || !call_node(operator)) return false;
    struct order *order = calloc(1, sizeof *order);
    if (order == NULL) return false;

    struct writer writer = writer_of(order->bytes, sizeof order->bytes);
    const struct request_header header = {
        .api_key = API_OPERATE,
        .correlation_id = (int32_t)place,
        .client_id = { (const uint8_t *)client_id, sizeof client_id - 1 },
    };
    writer_int32(&writer, 0);
    request_header_write(&writer, &header);
    operate_request_write(&writer, 0, request);
    CHECK(writer_ok(&writer));
    store_u32(order->bytes, (uint32_t)writer.size - FRAME_HEAD_SIZE);

    const uv_buf_t buffer = uv_buf_init((char *)order->bytes, (unsigned)writer.size);
    order->write.data = order;
    if (uv_write(&order->write, (uv_stream_t *)operator->pipe, &buffer, 1, on_written) != 0) {
        free(order);
        return false;
    }
    operator->asked[place] =(struct asked){ true, id };
    return true;
}

struct operator* operator_new(uv_loop_t *loop, struct net *net, const struct operator_handler *handler)
{
    struct operator* operator= calloc(1, sizeof *operator);

    if (operator== NULL) return NULL;
    operator->loop = loop;
    operator->net = net;
    operator->handler = * handler;
    return operator;
}

void operator_close(struct operator* operator)
{
    memset(operator->asked, 0, sizeof operator->asked);
    hang_up(operator);
}

void operator_free(struct operator* operator)
{
    free(operator);
}
