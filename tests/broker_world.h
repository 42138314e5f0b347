/* broker_world.h -- a broker with links that a test holds in its hand.
 *
 * world_send gives bytes to a link; world_run plays the host until nothing moves: it delivers what is to be received
 * in pieces of at most `chunk_size`, takes what is sent, and tells so (unless `slow`). Answers are then read one by
 * one with world_answer. Time stands still until a test moves `now`. */
#ifndef CHRONIK_TESTS_BROKER_WORLD_H
#define CHRONIK_TESTS_BROKER_WORLD_H

#include "broker/broker.h"
#include "codec/api.h"
#include "codec/record_batch_builder.h"
#include "fake_controller.h"
#include "fake_logs.h"
#include "fake_replicas.h"
#include "group/groups.h"
#include "meta/records.h"
#include "t.h"

enum { WORLD_LINKS = 8, WIRE_SIZE = 8 << 20, WORLD_LENT_MAX = 64 << 10 };
#define MS UINT64_C(1000000)

struct wire {
    bool open;
    bool closing; /* CLOSE_LINK was ordered */
    bool receiving;
    uint8_t *into;
    uint32_t into_size;
    bool sending;
    bool slow; /* takes nothing */
    uint8_t *in, *out;
    uint32_t in_at, in_size, in_max, out_at, out_size, out_max;
    uint32_t receives, sends, pieces, file_pieces;
};

struct world {
    struct broker *broker;
    struct image *image;
    struct logs *logs;
    struct replicas replicas;
    struct controller controller;
    struct effects effects;
    struct wire wires[WORLD_LINKS];
    uint64_t now;
    int64_t wall_ms;
    uint32_t chunk_size;
    uint32_t steps;
    uint32_t notes[NOTE_COUNT];
    uint8_t lent[WORLD_LENT_MAX];
    void *blocks[3]; /* to be freed */
};

/* ---- making one ---- */

/* Zeroed and aligned, without touching it: most of it is address space. */
static inline void *world_memory(size_t size, void **block)
{
    *block = calloc(1, size + 64);
    return (uint8_t *)*block + (64 - (uintptr_t)*block % 64);
}

static inline struct uuid topic_id_of(const char *name)
{
    struct uuid id = { { 0xcc } };
    for (uint32_t i = 0; name[i] != '\0' && i < 15; i++) id.bytes[i + 1] = (uint8_t)name[i];
    return id;
}

static inline void world_apply(struct world *world, const struct proposal *proposal)
{
    struct bytes rest = proposal_bytes(proposal), record;
    struct image_change change;
    const uint64_t index = image_view(world->image).applied_index + 1;

    while (proposal_next(&rest, &record)) {
        CHECK(image_apply(world->image, index, record, &change) == APPLY_DONE);
        while (image_is_draining(world->image)) image_drain(world->image, &change);
    }
    image_advance(world->image, index, 1);
}

static inline void world_topic(struct world *world, const char *name, int32_t partitions, int32_t leader)
{
    static uint8_t memory[64 << 10];
    int32_t replicas[2] = { leader, leader + 1 };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_topic(&proposal, &(struct metadata_topic_record){ .name = text_of(name),
                                                                   .topic_id = topic_id_of(name),
                                                                   .internal = name[0] == '_',
                                                                   .replica_target = 1 });
    for (int32_t i = 0; i < partitions; i++) {
        proposal_add_partition(&proposal, &(struct metadata_partition_record){ .topic_id = topic_id_of(name),
                                                                               .index = i,
                                                                               .replicas = replicas,
                                                                               .replicas_count = 1,
                                                                               .leader = leader,
                                                                               .leader_epoch = 3,
                                                                               .partition_epoch = 3 });
    }
    world_apply(world, &proposal);
}

static inline void world_config(struct world *world, const char *topic, const char *name, const char *value)
{
    uint8_t memory[1024];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_config(&proposal, &(struct metadata_config_record){ .resource_type = 2,
                                                                     .topic_id = topic_id_of(topic),
                                                                     .name = text_of(name),
                                                                     .value = text_of(value) });
    world_apply(world, &proposal);
}

static inline void world_broker(struct world *world, int32_t id, const char *host, uint16_t port)
{
    uint8_t memory[1024];
    struct metadata_broker_record_endpoint endpoint = { 0, text_of(host), port };
    struct proposal proposal = proposal_in(memory, sizeof memory);

    proposal_add_broker(&proposal, &(struct metadata_broker_record){ .broker_id = id,
                                                                     .epoch = -1,
                                                                     .incarnation = topic_id_of(host),
                                                                     .endpoints = &endpoint,
                                                                     .endpoints_count = 1 });
    world_apply(world, &proposal);
}

static const struct broker_config world_broker_config = {
    .node_id = 1,
    .links_max = WORLD_LINKS,
    .logs_max = FAKE_LOGS_MAX,
    .request_size_max = 1 << 20,
    .request_memory_size = 8 << 20,
    .tail_memory_size = 16 << 20,
    .message_size_max = 1 << 20,
    .link_idle_ms = 600000,
};

static inline struct world *world_new(const struct broker_config *config)
{
    static const struct image_config image_config = { .node_id = 1,
                                                      .topics_max = 64,
                                                      .partitions_max = FAKE_LOGS_MAX,
                                                      .brokers_max = 4,
                                                      .settings_max = 64,
                                                      .hash_seed = 7 };
    struct world *world = calloc(1, sizeof *world);
    uint8_t memory[256];
    struct proposal proposal = proposal_in(memory, sizeof memory);

    if (config == NULL) config = &world_broker_config;
    world->now = 1000 * MS;
    world->wall_ms = INT64_C(1700000000000);
    world->chunk_size = UINT32_MAX;
    world->image = world_memory(image_size(&image_config), &world->blocks[0]);
    image_init(world->image, &image_config);
    world->logs = fake_logs_new();
    CHECK(broker_size(config) > 0);
    world->broker = world_memory(broker_size(config), &world->blocks[1]);
    world->replicas = (struct replicas){ .node_id = config->node_id, .image = world->image };
    const struct groups_config groups_config = { .node_id = config->node_id,
                                                 .groups_max = 4,
                                                 .members_max = 8,
                                                 .offsets_max = 64,
                                                 .memory_size = 64 << 10,
                                                 .topics_max = 8,
                                                 .logs_max = FAKE_LOGS_MAX,
                                                 .waiters_max = 16,
                                                 .message_size_max = 16 << 10 };
    const struct groups_rooms around = { .logs = world->logs, .image = world->image, .replicas = &world->replicas };
    struct groups *groups = world_memory(groups_size(&groups_config), &world->blocks[2]);
    groups_init(groups, &groups_config, &around); /* there is no topic for offsets: it coordinates nothing */
    const struct broker_rooms rooms = { world->logs, &world->controller, world->image, &world->replicas, groups };
    broker_init(world->broker, config, &rooms);
    proposal_add_cluster(&proposal, &(struct metadata_cluster_record){ .cluster_id = topic_id_of("cluster") });
    proposal_add_feature(&proposal, &(struct metadata_feature_record){ text_of("metadata.version"), 1 });
    world_apply(world, &proposal);
    world_broker(world, 1, "here", 9092);
    return world;
}

static inline void world_free(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_LINKS; i++) {
        free(world->wires[i].in);
        free(world->wires[i].out);
    }
    fake_logs_free(world->logs);
    free(world->blocks[0]);
    free(world->blocks[1]);
    free(world->blocks[2]);
    free(world);
}

/* ---- the host ---- */

/* Room for `size` bytes in a buffer that grows. */
static inline void world_grow(uint8_t **data, uint32_t *max, uint32_t size)
{
    CHECK(size <= WIRE_SIZE);
    if (size <= *max) return;
    *max = size < 2 * *max ? 2 * *max : size;
    *data = realloc(*data, *max);
}

static inline void world_take_piece(struct wire *wire, const struct piece *piece)
{
    const uint8_t *from = piece->data;

    wire->pieces++;
    if (from == NULL) {
        wire->file_pieces++;
        from = (const uint8_t *)(uintptr_t)piece->position; /* a fake file is its address */
    }
    CHECK(piece->size > 0);
    world_grow(&wire->out, &wire->out_max, wire->out_size + piece->size);
    memcpy(wire->out + wire->out_size, from, piece->size);
    wire->out_size += piece->size;
}

static inline void world_do(struct world *world, const struct effect *effect)
{
    struct wire *wire;

    switch (effect->type) {
    case EFFECT_OPEN_LINK: CHECK(false); break;
    case EFFECT_RECEIVE:
        wire = &world->wires[effect->receive.link];
        CHECK(wire->open && !wire->receiving && effect->receive.size > 0);
        wire->receiving = true;
        wire->into = effect->receive.into;
        wire->into_size = effect->receive.size;
        wire->receives++;
        break;
    case EFFECT_SEND:
        wire = &world->wires[effect->send.link];
        CHECK(wire->open && !wire->sending && effect->send.piece_count > 0);
        wire->sending = true;
        wire->sends++;
        for (uint32_t i = 0; i < effect->send.piece_count; i++) world_take_piece(wire, &effect->send.pieces[i]);
        break;
    case EFFECT_CLOSE_LINK:
        wire = &world->wires[effect->close_link.link];
        CHECK(wire->open && !wire->closing);
        wire->closing = true;
        break;
    case EFFECT_NOTE: world->notes[effect->note.id]++; break;
    case EFFECT_WRITE:
    case EFFECT_SYNC:
    case EFFECT_READ:
    case EFFECT_FILE:
    case EFFECT_HALT: CHECK(false); break;
    }
}

static inline void world_begin(struct world *world)
{
    world->effects.count = 0;
    world->steps++;
    broker_on_time(world->broker, world->now, world->wall_ms);
}

static inline void world_end(struct world *world)
{
    broker_work(world->broker, &world->effects);
    for (uint32_t i = 0; i < world->effects.count; i++) world_do(world, &world->effects.list[i]);
    if (world->steps % 8 == 0) broker_check(world->broker); /* all of it: too slow for every step */
}

static inline void world_deliver(struct world *world, uint32_t link)
{
    struct wire *wire = &world->wires[link];
    uint32_t size = wire->in_size - wire->in_at;

    if (size > wire->into_size) size = wire->into_size;
    if (size > world->chunk_size) size = world->chunk_size;
    uint8_t *to = wire->into == NULL ? world->lent : wire->into;
    memcpy(to, wire->in + wire->in_at, size);
    wire->in_at += size;
    wire->receiving = false;
    world_begin(world);
    broker_on_received(world->broker, &(struct event_received){ link, size, to }, &world->effects);
    world_end(world);
    if (wire->into == NULL) memset(world->lent, 0xdd, sizeof world->lent); /* the loan is over */
}

static inline void world_close(struct world *world, uint32_t link)
{
    struct wire *wire = &world->wires[link];

    wire->open = wire->closing = wire->receiving = wire->sending = false;
    world_begin(world);
    broker_on_link_closed(world->broker, link);
    world_end(world);
}

/* One thing that the host has to do on a link, if there is one. */
static inline bool world_move(struct world *world, uint32_t link)
{
    struct wire *wire = &world->wires[link];

    if (!wire->open) return false;
    if (wire->closing) {
        world_close(world, link);
    } else if (wire->receiving && wire->in_at < wire->in_size) {
        world_deliver(world, link);
    } else if (wire->sending && !wire->slow) {
        wire->sending = false;
        world_begin(world);
        broker_on_sent(world->broker, link);
        world_end(world);
    } else {
        return false;
    }
    return true;
}

static inline void world_run(struct world *world)
{
    uint32_t limit = 0;

    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t link = 0; link < WORLD_LINKS; link++) moved |= world_move(world, link);
        if (broker_deadline_ns(world->broker) <= world->now) {
            world_begin(world);
            world_end(world);
            moved = true;
        }
        CHECK(limit++ < 200000); /* else the broker spins */
    }
}

/* A step in which nothing happened to the broker: it looks for itself what has changed. */
static inline void world_tick(struct world *world)
{
    world_begin(world);
    world_end(world);
    world_run(world);
}

/* Time passes. */
static inline void world_pass(struct world *world, uint64_t ms)
{
    const uint64_t until = world->now + ms * MS;

    world_run(world);
    while (broker_deadline_ns(world->broker) <= until) {
        if (broker_deadline_ns(world->broker) > world->now) world->now = broker_deadline_ns(world->broker);
        world_run(world);
    }
    world->now = until;
    world_run(world);
}

static inline void world_open(struct world *world, uint32_t link)
{
    struct wire *wire = &world->wires[link];

    *wire = (struct wire){
        .open = true, .in = wire->in, .in_max = wire->in_max, .out = wire->out, .out_max = wire->out_max
    };
    world_begin(world);
    broker_on_link_opened(world->broker, &(struct event_link_opened){ link, LISTENER_KAFKA, text_of("peer:1") });
    world_end(world);
}

/* A world that serves, with topic "t" of four partitions and one link. */
static inline struct world *world_serving(void)
{
    struct world *world = world_new(NULL);

    world_topic(world, "t", 4, 1);
    world_open(world, 0);
    broker_open(world->broker);
    world_run(world);
    return world;
}

static inline void world_send(struct world *world, uint32_t link, const uint8_t *data, uint32_t size)
{
    struct wire *wire = &world->wires[link];

    world_grow(&wire->in, &wire->in_max, wire->in_size + size);
    memcpy(wire->in + wire->in_size, data, size);
    wire->in_size += size;
}

/* All that the log has is durable and committed. */
static inline void world_durable(struct world *world, uint32_t log)
{
    struct log_offsets *offsets = &world->logs->logs[log].offsets;

    offsets->durable_offset = offsets->high_watermark = offsets->log_end_offset;
    world_begin(world);
    broker_on_high_watermark(world->broker, log);
    world_end(world);
    world_run(world);
}

static inline uint32_t world_log(const struct world *world, const char *topic, int32_t partition)
{
    return image_partition_slot(world->image, image_topic_by_name(world->image, text_of(topic)), partition);
}

/* Something came of a wish: these bytes, if it is an answer. */
static inline void world_done(struct world *world, uint64_t wish, enum wish_verdict verdict, struct bytes answer)
{
    struct fake_wish *made = fake_wish_at(&world->controller, wish);

    CHECK(answer.size <= FAKE_ANSWER_MAX);
    made->verdict = verdict;
    made->answer_size = answer.size;
    if (answer.size > 0) memcpy(made->answer, answer.data, answer.size);
    world_begin(world);
    broker_on_wish(world->broker, wish);
    world_end(world);
    world_run(world);
}

static inline void world_granted(struct world *world, uint64_t wish)
{
    world_done(world, wish, WISH_GRANTED, (struct bytes){ 0 });
}

/* The disk has answered every read that waits. */
static inline void world_read_done(struct world *world)
{
    world_begin(world);
    for (uint32_t i = 0; i < world->logs->waiter_count; i++) broker_on_ready(world->broker, world->logs->waiters[i]);
    world->logs->waiter_count = 0;
    world_end(world);
    world_run(world);
}

/* ---- requests and answers ---- */

struct frame_out {
    uint8_t *data;
    struct writer writer;
};

static uint8_t frame_memory[4 << 20];

static inline struct frame_out frame_begin(int16_t key, int16_t version, int32_t correlation_id)
{
    struct frame_out frame = { frame_memory, writer_of(frame_memory, sizeof frame_memory) };

    writer_leave_int32(&frame.writer);
    request_header_write(&frame.writer, &(struct request_header){ key, version, correlation_id, text_of("test") });
    return frame;
}

static inline struct bytes frame_end(struct frame_out *frame)
{
    CHECK(writer_ok(&frame->writer));
    writer_patch_int32(&frame->writer, 0, (int32_t)frame->writer.size - 4);
    return (struct bytes){ frame->data, (uint32_t)frame->writer.size };
}

static uint8_t answer_arena_memory[4 << 20] __attribute__((aligned(8)));
static struct arena answer_arena;

/* The next answer on a link, header read; false: there is none. */
static inline bool world_answer(struct world *world, uint32_t link, int16_t key, int16_t version,
                                int32_t correlation_id, struct reader *reader)
{
    struct wire *wire = &world->wires[link];
    int32_t got;

    if (wire->out_size - wire->out_at < 4) return false;
    const uint32_t size = load_u32(wire->out + wire->out_at);
    CHECK(size <= wire->out_size - wire->out_at - 4);
    *reader = reader_of((struct bytes){ wire->out + wire->out_at + 4, size });
    wire->out_at += 4 + size;
    arena_init(&answer_arena, answer_arena_memory, sizeof answer_arena_memory);
    CHECK(response_header_read(reader, key, version, &got));
    EXPECT_EQ("answers come in the order of requests", correlation_id, got);
    return true;
}

/* WORLD_ASK sends a request and runs; WORLD_GET reads the answer, which must be there and have no bytes behind it. */
#define WORLD_PUT(world, link, KEY, name, version, correlation, request)                                               \
    do {                                                                                                               \
        struct frame_out frame_ = frame_begin(KEY, (version), (correlation));                                          \
        name##_request_write(&frame_.writer, (version), (request));                                                    \
        const struct bytes bytes_ = frame_end(&frame_);                                                                \
        world_send((world), (link), bytes_.data, bytes_.size);                                                         \
    } while (0)

#define WORLD_ASK(world, link, KEY, name, version, correlation, request)                                               \
    do {                                                                                                               \
        WORLD_PUT(world, link, KEY, name, version, correlation, request);                                              \
        world_run(world);                                                                                              \
    } while (0)

#define WORLD_GET(why, world, link, KEY, name, version, correlation, response)                                         \
    do {                                                                                                               \
        struct reader reader_;                                                                                         \
        const bool there_ = world_answer((world), (link), KEY, (version), (correlation), &reader_);                    \
        EXPECT(why, there_);                                                                                           \
        *(response) = name##_response_default;                                                                         \
        if (there_) {                                                                                                  \
            EXPECT(why, name##_response_read(&reader_, (version), &answer_arena, (response)));                         \
            EXPECT_EQ(why, 0, reader_left(&reader_));                                                                  \
        }                                                                                                              \
    } while (0)

#define EXPECT_NO_ANSWER(why, world, link) EXPECT_EQ(why, (world)->wires[link].out_size, (world)->wires[link].out_at)

/* ---- batches ---- */

struct batch_spec {
    uint32_t count; /* 0: one */
    uint32_t value_size;
    int64_t timestamp;
    int64_t producer_id; /* 0: none */
    int32_t base_sequence;
    uint16_t attributes;
    bool no_key;
};

static uint8_t batch_value[2 << 20];

/* In memory of at least 128 bytes and value_size for each record. */
static inline struct bytes batch_of(uint8_t *memory, uint32_t memory_size, const struct batch_spec *spec)
{
    struct record_batch_builder builder;

    record_batch_builder_init(&builder, memory, memory_size);
    builder.batch.attributes = spec->attributes;
    if (spec->producer_id != 0) {
        builder.batch.producer_id = spec->producer_id;
        builder.batch.producer_epoch = 0;
        builder.batch.base_sequence = spec->base_sequence;
    }
    for (uint32_t i = 0; i < (spec->count == 0 ? 1 : spec->count); i++) {
        const struct record_input record = {
            .timestamp = spec->timestamp == 0 ? INT64_C(1700000000000) : spec->timestamp,
            .key = spec->no_key ? (struct bytes){ 0 } : text_of("k"),
            .value = { batch_value, spec->value_size },
        };
        CHECK(record_batch_builder_add(&builder, &record));
    }
    return record_batch_builder_end(&builder);
}

#endif
