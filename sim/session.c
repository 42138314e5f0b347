#include "sim/session.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* One request is written and one response read at a time, whoever's it is. */
static uint8_t *frame;
static struct writer writer;
static int16_t writing_key, writing_version;
static uint8_t *arena_memory;
static struct arena arena;

void session_init(struct session *session)
{
    *session = (struct session){ .wire = WIRE_NONE };
}

void session_free(struct session *session)
{
    free(session->in);
}

void session_connect(struct session *session, struct world *world, uint32_t client, uint32_t machine,
                     enum listener listener)
{
    CHECK(session->wire == WIRE_NONE);
    session->wire = world_connect(world, client, machine, listener);
    session->machine = machine;
    session->pending_first = session->pending_count = 0;
    session->in_begin = session->in_end = 0;
}

void session_hang_up(struct session *session, struct world *world)
{
    if (session->wire == WIRE_NONE) return;
    world_hang_up(world, session->wire);
    session->wire = WIRE_NONE;
    session->pending_count = 0;
}

struct writer *session_begin(struct session *session, int16_t api_key, int16_t version)
{
    CHECK(session->wire != WIRE_NONE && session->pending_count < SESSION_PENDING_MAX);
    if (frame == NULL) frame = malloc(SESSION_FRAME_MAX);
    writer = writer_of(frame, SESSION_FRAME_MAX);
    writer_leave_int32(&writer);
    writing_key = api_key;
    writing_version = version;
    const struct request_header header = { .api_key = api_key,
                                           .api_version = version,
                                           .correlation_id = ++session->correlation_id,
                                           .client_id = BYTES_LITERAL("sim") };
    request_header_write(&writer, &header);
    return &writer;
}

void session_end(struct session *session, struct world *world, uint64_t cookie, bool answered)
{
    CHECK(writer_ok(&writer));
    writer_patch_int32(&writer, 0, (int32_t)writer.size - 4);
    if (answered) {
        session->pending[(session->pending_first + session->pending_count++) % SESSION_PENDING_MAX] =
            (struct pending){ writing_key,
                              writing_version,
                              session->correlation_id,
                              cookie,
                              { world->now_ns, world_known_index(world, session->machine) } };
    }
    world_write(world, session->wire, frame, (uint32_t)writer.size);
}

void session_take(struct session *session, const uint8_t *data, uint32_t size)
{
    const uint32_t kept = session->in_end - session->in_begin;

    if (session->in_end + size > session->in_max) {
        if (session->in_begin > 0) memmove(session->in, session->in + session->in_begin, kept);
        session->in_begin = 0;
        session->in_end = kept;
    }
    if (session->in_end + size > session->in_max) {
        session->in_max = MAX(4096U, 2 * (session->in_end + size));
        session->in = realloc(session->in, session->in_max);
    }
    memcpy(session->in + session->in_end, data, size);
    session->in_end += size;
}

enum session_verdict session_next(struct session *session, struct response *response)
{
    const uint32_t there = session->in_end - session->in_begin;

    if (there == 0) { /* idle: most are, most of the time */
        free(session->in);
        session->in = NULL;
        session->in_begin = session->in_end = session->in_max = 0;
    }
    if (there < 4) return SESSION_EMPTY;
    const uint8_t *head = session->in + session->in_begin;
    const uint32_t size = load_u32(head);
    if (size > 64 << 20) return SESSION_GARBLED;
    if (there < 4 + size) return SESSION_EMPTY;
    if (session->pending_count == 0) return SESSION_GARBLED;
    session->in_begin += 4 + size;

    const struct pending pending = session->pending[session->pending_first];
    session->pending_first = (session->pending_first + 1) % SESSION_PENDING_MAX;
    session->pending_count--;
    if (arena_memory == NULL) arena_memory = malloc(SESSION_ARENA_SIZE);
    arena_init(&arena, arena_memory, SESSION_ARENA_SIZE);
    *response = (struct response){ .api_key = pending.api_key,
                                   .version = pending.version,
                                   .cookie = pending.cookie,
                                   .asked = pending.asked,
                                   .body = reader_of((struct bytes){ head + 4, size }),
                                   .arena = &arena };
    int32_t correlation_id;
    if (!response_header_read(&response->body, pending.api_key, pending.version, &correlation_id)) {
        return SESSION_GARBLED;
    }
    return correlation_id == pending.correlation_id ? SESSION_RESPONSE : SESSION_GARBLED;
}
