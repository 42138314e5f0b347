/* admin_world.h -- one whole node, alone: Kafka's bytes in, Kafka's bytes out, a disk that takes its time between. */
#ifndef CHRONIK_TESTS_ADMIN_WORLD_H
#define CHRONIK_TESTS_ADMIN_WORLD_H

#include "codec/api.h"
#include "codec/errors.h"
#include "codec/messages.h"
#include "disk_model.h"
#include "meta/configs.h"
#include "node.h"
#include "t.h"

#include <sys/mman.h>

enum { ANSWER_MAX = 4 << 20, REQUEST_MAX = 1 << 20, STEPS_MAX = 20000, ARENA_MAX = 8 << 20, LINK = 0 };
#define MS UINT64_C(1000000)

struct world {
    struct node *node;
    size_t node_size;
    struct disk disk;
    struct effects effects;
    struct event event;
    uint64_t mono_ns;
    bool halted;
    enum halt_reason halt_reason;
    bool disk_stands;     /* its disk answers nothing as long as this is set */
    uint32_t orders_left; /* so many things happen before everything stops; 0: it does not */
    bool closes;          /* its client's link, and may */
    bool receiving, sending;
    uint8_t *into;
    uint32_t into_size;
    uint8_t in[REQUEST_MAX], out[ANSWER_MAX];
    uint32_t in_at, in_size, out_at, out_size;
    int32_t correlation_id;
    uint8_t arena_memory[ARENA_MAX];
    struct arena arena;
};

static inline void obey(struct world *world)
{
    for (uint32_t i = 0; i < world->effects.count; i++) {
        const struct effect *effect = &world->effects.list[i];
        switch (effect->type) {
        case EFFECT_OPEN_LINK: EXPECT("it is alone", false); break;
        case EFFECT_RECEIVE:
            world->receiving = true;
            world->into = effect->receive.into;
            world->into_size = effect->receive.size;
            break;
        case EFFECT_SEND:
            for (uint32_t p = 0; p < effect->send.piece_count; p++) {
                const struct piece *piece = &effect->send.pieces[p];
                memcpy(world->out + world->out_size, piece->data, piece->size);
                world->out_size += piece->size;
            }
            world->sending = true;
            break;
        case EFFECT_HALT:
            world->halted = true;
            world->halt_reason = effect->halt.reason;
            break;
        case EFFECT_CLOSE_LINK: EXPECT("the link stays open", world->closes); break;
        case EFFECT_WRITE:
        case EFFECT_SYNC:
        case EFFECT_READ:
        case EFFECT_FILE: {
            CHECK(world->disk.order_count < DISK_ORDERS_MAX);
            world->disk.orders[world->disk.order_count++] = *effect;
            break;
        }
        case EFFECT_NOTE: break;
        }
    }
}

static inline void step(struct world *world, enum event_type type)
{
    world->event.type = type;
    world->event.mono_ns = ++world->mono_ns;
    world->event.wall_ms = 1700000000000;
    world->effects.count = 0;
    node_step(world->node, &world->event, &world->effects);
    obey(world);
}

static inline bool deliver(struct world *world)
{
    const uint32_t size = MIN(world->in_size - world->in_at, world->into_size);

    if (!world->receiving || size == 0) return false;
    world->receiving = false;
    world->event = (struct event){ .received = { LINK, size, world->in + world->in_at } };
    if (world->into != NULL) {
        memcpy(world->into, world->in + world->in_at, size);
        world->event.received.data = world->into;
    }
    world->in_at += size;
    step(world, EVENT_RECEIVED);
    return true;
}

/* Until nothing moves; time moves only where `until_ns` lets it. */
static inline void run(struct world *world, uint64_t until_ns)
{
    for (int i = 0; i < STEPS_MAX && !world->halted; i++) {
        if (world->sending) {
            world->sending = false;
            world->event = (struct event){ .sent = { LINK } };
            step(world, EVENT_SENT);
            continue;
        }
        if (deliver(world)) continue;
        world->event = (struct event){ 0 };
        if (world->orders_left > 0 && --world->orders_left == 0) return;
        if (!world->disk_stands && disk_step(&world->disk, &world->event)) {
            step(world, world->event.type);
            continue;
        }
        const uint64_t deadline = node_deadline_ns(world->node);
        if (deadline > MAX(until_ns, world->mono_ns)) {
            world->mono_ns = MAX(until_ns, world->mono_ns);
            return;
        }
        world->mono_ns = MAX(world->mono_ns, deadline);
        step(world, EVENT_TIME_PASSED);
    }
    EXPECT("it comes to rest", world->halted);
}

/* A node on the disk that there is; the one before it, if there was one, is gone. */
static inline void world_start(struct world *world, bool recovers)
{
    const bool may_stop = world->orders_left > 0;
    struct config config;

    config_init(&config);
    config.node_id = 1;
    config.seed[0] = 11 + world->mono_ns;
    strcpy(config.advertised_kafka.host, "broker.example");
    config.advertised_kafka.port = 9092;
    strcpy(config.rack, "east");
    config.topics_max = 50;
    config.partitions_max = 300;
    config.links_max = 4;
    config.log_retention_ms = 86400000;
    config.recovers = recovers;
    /* What a process ordered and did not wait for is done all the same, and nobody is told. */
    while (!world->disk_stands && disk_step(&world->disk, &world->event)) continue;
    if (world->node != NULL) munmap(world->node, world->node_size);
    world->node_size = node_size(&config);
    EXPECT("the limits agree", world->node_size > 0);
    world->node =
        mmap(NULL, world->node_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    node_init(world->node, &config);
    world->halted = false;
    world->receiving = world->sending = false;
    step(world, EVENT_STARTED);
    run(world, 0);
    if (world->halted || (may_stop && world->orders_left == 0)) return;
    world->event = (struct event){ .link_opened = { LINK, LISTENER_KAFKA, BYTES_LITERAL("127.0.0.1:5") } };
    step(world, EVENT_LINK_OPENED);
    run(world, 0);
}

static inline struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);

    prng_init(&world->disk.prng, 1, 1);
    arena_init(&world->arena, world->arena_memory, sizeof world->arena_memory);
    world_start(world, false);
    return world;
}

static inline void world_free(struct world *world)
{
    munmap(world->node, world->node_size);
    disk_free(&world->disk);
    free(world);
}

/* ---- one request, one answer ---- */

static inline struct writer begin(struct world *world, int16_t key, int16_t version)
{
    struct writer writer = writer_of(world->in, sizeof world->in);
    const struct request_header header = { key, version, ++world->correlation_id, BYTES_LITERAL("test") };

    writer_leave_int32(&writer);
    request_header_write(&writer, &header);
    return writer;
}

static inline void finish(struct world *world, struct writer *writer)
{
    EXPECT("the request fits", writer_ok(writer));
    writer_patch_int32(writer, 0, (int32_t)writer->size - 4);
    world->in_at = 0;
    world->in_size = (uint32_t)writer->size;
    world->out_at = world->out_size = 0;
}

static inline struct reader answer(struct world *world, int16_t key, int16_t version)
{
    int32_t correlation_id = 0;

    EXPECT("an answer came", world->out_size >= 8);
    EXPECT_EQ("one, and whole", world->out_size, load_u32(world->out) + 4);
    struct reader reader = reader_of((struct bytes){ world->out + 4, world->out_size - 4 });
    EXPECT("with a header", response_header_read(&reader, key, version, &correlation_id));
    EXPECT_EQ("to this request", world->correlation_id, correlation_id);
    return reader;
}

#define ASK(api, KEY, version_asked, ...)                                                                              \
    const struct api##_request api##_asked = { __VA_ARGS__ };                                                          \
    struct api##_response api##_answer;                                                                                \
    {                                                                                                                  \
        struct writer asking = begin(world, KEY, version_asked);                                                       \
        api##_request_write(&asking, version_asked, &api##_asked);                                                     \
        finish(world, &asking);                                                                                        \
        run(world, 0);                                                                                                 \
        struct reader answering = answer(world, KEY, version_asked);                                                   \
        arena_reset(&world->arena);                                                                                    \
        EXPECT("can be read", api##_response_read(&answering, version_asked, &world->arena, &api##_answer));           \
        EXPECT_EQ("to its end", 0, reader_left(&answering));                                                           \
    }

static inline bool says(struct bytes bytes, const char *words)
{
    return bytes.size == strlen(words) && memcmp(bytes.data, words, bytes.size) == 0;
}

#endif
