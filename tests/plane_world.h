/* plane_world.h -- the leader of a metadata log that a test holds in its hand, and the brokers that it looks after.
 *
 * Node 1 leads; the others are there as the log and their heartbeats say. Whatever is proposed is committed at once.
 * Requests are decided as the leader would decide a wish: their own handler, into a draft, into the log. */
#ifndef CHRONIK_TESTS_PLANE_WORLD_H
#define CHRONIK_TESTS_PLANE_WORLD_H

#include "broker/admin.h"
#include "broker/apis.h"
#include "controller/controller_state.h"
#include "fake_metadata_log.h"
#include "t.h"

enum { PLANE_BROKERS_MAX = 8, PLANE_PARTITIONS_MAX = 16384, PLANE_LINE_MAX = 256 };
#define PLANE_MS UINT64_C(1000000)

struct plane {
    struct controller *controller;
    struct prng prng;
    uint64_t now_ns;
    struct effects effects;
    bool silent[PLANE_BROKERS_MAX + 1]; /* this broker sends no heartbeats */
    bool leaves[PLANE_BROKERS_MAX + 1]; /* it wants to shut down */
    bool may_go[PLANE_BROKERS_MAX + 1]; /* and was told that it may */
    bool holds;                         /* what is proposed is not committed */
    uint32_t entries;                   /* committed by plane_settle, of partitions */
    uint32_t changes;                   /* of partitions, by what was applied since it was zeroed */
    uint32_t changes_most;              /* by one entry */
    uint32_t notes[NOTE_COUNT];
    uint8_t request[1 << 16], response[1 << 20], answer[1 << 20];
    uint64_t arena_memory[1 << 17];
    struct arena arena;
};

/* The handler's call of a wish: `out` gets the answer's body. */
static inline struct call plane_call(struct plane *plane, const struct wish *wish, uint64_t *kept, uint64_t *no_wish,
                                     struct writer *out)
{
    return (struct call){ .api_key = wish->kind,
                          .version = wish->version,
                          .body = wish->body,
                          .decides = true,
                          .kept = kept,
                          .wish = no_wish,
                          .controller = plane->controller,
                          .image = controller_image(plane->controller),
                          .arena = &plane->arena,
                          .effects = &plane->effects,
                          .out = out };
}

/* A wish whose turn it is: it is answered, or waits. */
static inline void plane_take_turn(struct plane *plane, const struct wish *wish)
{
    struct writer out = writer_of(plane->response, sizeof plane->response);
    uint64_t kept[KEPT_WORDS] = { 0 }, no_wish = 0;
    struct call call = plane_call(plane, wish, kept, &no_wish, &out);

    arena_reset(&plane->arena);
    controller_begin(plane->controller);
    if (api_handle(&call) == CALL_WAITS) controller_postpone(plane->controller, call.wait.value);
    else CHECK(controller_conclude(plane->controller, writer_written(&out)));
}

static inline void plane_step(struct plane *plane)
{
    struct image_change change;
    struct controller_frame frame;
    struct wish wish;
    const uint64_t applied = controller_applied_index(plane->controller);
    uint32_t changes = 0;

    plane->effects.count = 0;
    controller_on_time(plane->controller, plane->now_ns);
    while (controller_next_change(plane->controller, &change, &plane->effects)) {
        changes += change.kind == CHANGE_PARTITION_CHANGED;
    }
    plane->changes += changes;
    plane->changes_most = MAX(plane->changes_most, changes);
    plane->entries += changes > 0 && controller_applied_index(plane->controller) > applied;
    while (controller_next_done(plane->controller) != 0) {
    }
    while (controller_next_wish(plane->controller, &wish, &plane->effects)) plane_take_turn(plane, &wish);
    while (controller_next_frame(plane->controller, &frame)) {
        struct heartbeat_answer answer;
        if (frame.kind != CONTROLLER_FRAME_HEARTBEAT_ANSWER) continue;
        if (heartbeat_answer_read(frame.parts[0], &answer)) plane->may_go[frame.to] |= answer.may_go;
    }
    controller_commit(plane->controller, &plane->effects);
    for (uint32_t i = 0; i < plane->effects.count; i++) {
        if (plane->effects.list[i].type == EFFECT_NOTE) plane->notes[plane->effects.list[i].note.id]++;
    }
    if (plane->holds) return;
    group.committed = group.last;
    group_hear(1, group.committed);
}

/* Until nothing is proposed any more, and everything is applied. */
static inline void plane_settle(struct plane *plane)
{
    for (int quiet = 0; quiet < 4;) {
        const uint64_t last = group.last;
        plane_step(plane);
        quiet = group.last == last && controller_applied_index(plane->controller) == last ? quiet + 1 : 0;
    }
}

static inline const struct image *plane_image(const struct plane *plane)
{
    return controller_image(plane->controller);
}

static inline void plane_beat(struct plane *plane, int32_t id)
{
    const uint32_t slot = image_broker_by_id(plane_image(plane), id);
    uint8_t bytes[HEARTBEAT_SIZE];
    if (slot == SLOT_NONE || plane->silent[id]) return;
    const struct heartbeat heartbeat = { .broker_id = id,
                                         .broker_epoch = image_broker(plane_image(plane), slot)->epoch,
                                         .applied_index = controller_applied_index(plane->controller),
                                         .ready = true,
                                         .wants_shutdown = plane->leaves[id] };

    heartbeat_write(&heartbeat, bytes);
    controller_on_peer_frame(plane->controller, id, (uint64_t)id << MEMBER_SUFFIX_BITS | 1, CONTROLLER_FRAME_HEARTBEAT,
                             (struct bytes){ bytes, sizeof bytes }, &plane->effects);
}

/* Time passes, and brokers say that they are alive. */
static inline void plane_pass(struct plane *plane, uint64_t ms)
{
    const uint64_t until_ns = plane->now_ns + ms * PLANE_MS;

    while (plane->now_ns < until_ns) {
        plane->now_ns += 100 * PLANE_MS;
        for (int32_t id = 2; id <= PLANE_BROKERS_MAX; id++) plane_beat(plane, id);
        plane_settle(plane);
    }
}

static inline void plane_put(struct plane *plane, const struct proposal *records)
{
    CHECK(proposal_ok(records));
    group_append(group.term, proposal_bytes(records));
    plane_settle(plane);
}

static inline void plane_register(struct plane *plane, int32_t id, bool fenced)
{
    uint8_t memory[512];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_broker_record record = metadata_broker_record_default;

    record.broker_id = id;
    record.epoch = -1;
    record.fenced = fenced;
    store_u64(record.incarnation.bytes, prng_next(&plane->prng));
    proposal_add_broker(&records, &record);
    plane_put(plane, &records);
}

/* A node has started, and registers: with what its disk knows of an earlier registration. */
static inline void plane_restart(struct plane *plane, int32_t id, int64_t disk_epoch)
{
    uint8_t memory[512], head[WISH_HEAD_SIZE], frame[1024];
    const uint32_t slot = image_broker_by_id(plane_image(plane), id);
    struct writer body = writer_of(memory, sizeof memory), all = writer_of(frame, sizeof frame);
    struct wish wish = { .sequence = 1, .first_open = 1, .attempt = 1, .kind = WISH_REGISTER, .version = 1 };

    store_u64(wish.incarnation.bytes, prng_next(&plane->prng));
    wish.term = group.term;
    wish_registration_record_write(
        &body, 1,
        &(struct wish_registration_record){ .previous_epoch =
                                                slot == SLOT_NONE ? -1 : image_broker(plane_image(plane), slot)->epoch,
                                            .disk_epoch = disk_epoch });
    wish.body = writer_written(&body);
    wish_write(&wish, head);
    writer_raw(&all, (struct bytes){ head, sizeof head });
    writer_raw(&all, wish.body);
    EXPECT("understood", controller_on_peer_frame(plane->controller, id, (uint64_t)id << MEMBER_SUFFIX_BITS | 1,
                                                  CONTROLLER_FRAME_WISH, writer_written(&all), &plane->effects));
    plane_settle(plane);
}

/* The leader alone, registered and open; then so many brokers. */
static inline struct plane *plane_new(int32_t brokers)
{
    struct plane *plane = calloc(1, sizeof *plane);
    const struct controller_config config = {
        .node_id = 1,
        .seed = { 5, 6 },
        .image = { .node_id = 1,
                   .topics_max = 2048,
                   .partitions_max = PLANE_PARTITIONS_MAX,
                   .brokers_max = PLANE_BROKERS_MAX,
                   .settings_max = 64,
                   .hash_seed = 9 },
        .endpoints = { { BYTES_LITERAL("localhost"), 9092 } },
        .journal_file_size = 64 << 10,
        .snapshot_entries = 1000,
        .message_size_max = 1 << 20,
        .members_max = PLANE_BROKERS_MAX,
        .voters_target = 3,
        .address = BYTES_LITERAL("localhost:9093"),
    };
    const size_t size = (controller_size(&config) + 63) / 64 * 64;

    prng_init(&plane->prng, 3, 4);
    group_reset(&plane->prng);
    arena_init(&plane->arena, plane->arena_memory, sizeof plane->arena_memory);
    plane->now_ns = 1;
    plane->controller = memset(aligned_alloc(64, size), 0, size);
    controller_init(plane->controller, &config);
    controller_start(plane->controller, &plane->effects);
    group_elect(1, 0);
    plane_settle(plane);
    controller_set_ready(plane->controller, false);
    plane_settle(plane);
    CHECK(controller_state(plane->controller) == CONTROLLER_OPEN);
    for (int32_t id = 2; id <= brokers; id++) plane_register(plane, id, false);
    return plane;
}

static inline void plane_free(struct plane *plane)
{
    controller_check(plane->controller);
    free(plane->controller);
    free(plane);
}

static inline struct uuid plane_topic_id(struct bytes name)
{
    struct uuid id = { { 't', [15] = 1 } };

    memcpy(id.bytes + 1, name.data, MIN(name.size, 12U));
    return id;
}

/* A topic of so many partitions, on these replicas, of whom the first leads and those in `isr` are in sync. */
static inline void plane_create(struct plane *plane, const char *name, int32_t partitions, const int32_t *replicas,
                                uint32_t replica_count, uint32_t isr_count)
{
    uint8_t memory[FAKE_PROPOSAL_MAX];
    const struct uuid id = plane_topic_id(text_of(name));
    struct proposal records = proposal_in(memory, sizeof memory);
    struct metadata_partition_record partition = metadata_partition_record_default;

    proposal_add_topic(&records, &(struct metadata_topic_record){ text_of(name), id, false, (int8_t)replica_count });
    partition.topic_id = id;
    partition.replicas = (int32_t *)(uintptr_t)replicas;
    partition.replicas_count = replica_count;
    partition.isr = (int32_t *)(uintptr_t)replicas;
    partition.isr_count = isr_count;
    partition.leader = replicas[0];
    for (partition.index = 0; partition.index < partitions; partition.index++) {
        if (records.writer.size + 256 > sizeof memory) {
            plane_put(plane, &records);
            records = proposal_in(memory, sizeof memory);
        }
        proposal_add_partition(&records, &partition);
    }
    plane_put(plane, &records);
}

static inline const struct image_partition *plane_partition(const struct plane *plane, const char *name, int32_t index)
{
    const uint32_t topic = image_topic_by_name(plane_image(plane), text_of(name));

    CHECK(topic != SLOT_NONE && image_partition_slot(plane_image(plane), topic, index) != SLOT_NONE);
    return image_partition(plane_image(plane), image_partition_slot(plane_image(plane), topic, index));
}

static inline void plane_add_ids(struct text *text, const char *name, const int32_t *ids, uint32_t count)
{
    text_add(text, name);
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) text_add(text, ",");
        text_add_int(text, ids[i]);
    }
}

/* "leader=1 isr=1,2 replicas=1,2,3 adding=3" */
static inline const char *plane_said(const struct plane *plane, const char *name, int32_t index)
{
    static char line[PLANE_LINE_MAX];
    const struct image_partition *partition = plane_partition(plane, name, index);
    struct text text = text_in(line, sizeof line - 1);
    int32_t ids[REPLICAS_MAX];

    text_add(&text, "leader=");
    text_add_int(&text, partition->leader);
    plane_add_ids(&text, " isr=", ids, image_partition_brokers(partition, partition->isr, ids));
    plane_add_ids(&text, " replicas=", partition->replicas, partition->replica_count);
    if (partition->adding != 0) {
        plane_add_ids(&text, " adding=", ids, image_partition_brokers(partition, partition->adding, ids));
    }
    if (partition->removing != 0) {
        plane_add_ids(&text, " removing=", ids, image_partition_brokers(partition, partition->removing, ids));
    }
    line[text.size] = 0;
    return line;
}

/* The leader of a partition says that these are in sync. */
static inline void plane_wish_isr(struct plane *plane, const char *name, int32_t index, const int32_t *ids,
                                  uint32_t count)
{
    uint8_t memory[1024];
    const struct image_partition *partition = plane_partition(plane, name, index);
    struct proposal records = proposal_in(memory, sizeof memory);
    struct wish_isr_record_member members[REPLICAS_MAX];
    const struct wish_isr_record_partition wish = { .topic_id = image_topic(plane_image(plane), partition->topic)->id,
                                                    .index = index,
                                                    .leader_epoch = partition->leader_epoch,
                                                    .partition_epoch = partition->partition_epoch,
                                                    .isr = members,
                                                    .isr_count = count };

    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = image_broker_by_id(plane_image(plane), ids[i]);
        members[i] = (struct wish_isr_record_member){ ids[i], image_broker(plane_image(plane), slot)->epoch };
    }
    const enum error error = decide_isr(plane_image(plane), partition->leader, &wish, &records);
    EXPECT("the leader may say so", error == ERROR_NONE || error == ERROR_NEW_LEADER_ELECTED);
    plane_put(plane, &records);
}

/* Decides what is in plane->request, as the leader decides a wish of itself, and leaves the answer's body in
 * plane->response. */
static inline struct reader plane_decide(struct plane *plane, int16_t key, int16_t version, struct bytes body)
{
    struct writer out = writer_of(plane->response, sizeof plane->response);
    struct controller *controller = plane->controller;
    struct wish wish;
    uint64_t kept[KEPT_WORDS] = { 0 }, no_wish = 0;
    struct call call =
        plane_call(plane, &(struct wish){ .kind = (uint8_t)key, .version = version }, kept, &no_wish, &out);

    if (!admin_changes_metadata(key)) {
        arena_reset(&plane->arena);
        call.body = body;
        EXPECT_EQ("it is answered", CALL_ANSWERED, api_handle(&call));
        CHECK(writer_ok(&out));
        arena_reset(&plane->arena);
        return reader_of(writer_written(&out));
    }
    const uint64_t asked = controller_wish(controller, key, version, body, UINT64_MAX);
    CHECK(asked != 0 && controller_next_wish(controller, &wish, &plane->effects));
    arena_reset(&plane->arena);
    call.body = wish.body;
    EXPECT_EQ("it is decided", CALL_ANSWERED, api_handle(&call));
    EXPECT("and concluded", controller_conclude(controller, (struct bytes){ 0 }));
    while (controller_next_wish(controller, &wish, &plane->effects)) CHECK(false);
    controller_forget(controller, asked);
    plane_settle(plane);
    CHECK(writer_ok(&out));
    arena_reset(&plane->arena);
    return reader_of(writer_written(&out));
}

/* `api`_asked is decided; `api`_answer is what comes of it. */
#define PLANE_ASK(api, KEY, version_asked, ...)                                                                        \
    const struct api##_request api##_asked = { __VA_ARGS__ };                                                          \
    struct api##_response api##_answer;                                                                                \
    {                                                                                                                  \
        struct writer asking = writer_of(plane->request, sizeof plane->request);                                       \
        api##_request_write(&asking, version_asked, &api##_asked);                                                     \
        struct reader answering = plane_decide(plane, KEY, version_asked, writer_written(&asking));                    \
        EXPECT("can be read", api##_response_read(&answering, version_asked, &plane->arena, &api##_answer));           \
        EXPECT_EQ("to its end", 0, reader_left(&answering));                                                           \
    }

#endif
