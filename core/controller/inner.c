/* inner.c -- what does a node wish for by itself, and what becomes of that?
 *
 * Each kind has up to three places here: where it is wished for, where the leader decides it (a case in inner_decide),
 * and what the origin does when it is done (inner_on_done). */
#include "base/check.h"
#include "controller/controller_state.h"

enum {
    AUTO_CREATE_NAMES_SIZE_MAX = 32 << 10, /* in one wish */
    REGISTRATION_VERSION = 2,
    ANSWER_SIZE_MAX = MAX(64, ISR_ANSWER_SIZE), /* of an inner wish */
};

/* What the leader makes of one. */
enum inner_verdict {
    INNER_DECIDED,   /* the draft holds what is to be changed; nothing may be, too */
    INNER_WAITS,     /* for an index */
    INNER_LATER,     /* its origin does not know yet what it has to know */
    INNER_MALFORMED, /* the body is not what its kind says */
};

struct inner {
    const struct wish *wish;
    struct reader body;
    struct writer answer;
    struct controller_answer decided; /* of the draft; with INNER_WAITS its wait_index counts */
};

/* Whether this may be decided now. */
static bool may_touch(struct controller *controller, struct inner *inner, uint64_t key)
{
    if (draft_begin_wish(controller, key, &inner->decided)) return true;
    CHECK(inner->decided.wait_index != 0); /* an inner wish names one thing */
    return false;
}

/* ---- registration ---- */

static int64_t epoch_of(const struct image *image, int32_t broker_id)
{
    const uint32_t broker = image_broker_by_id(image, broker_id);

    return broker == SLOT_NONE ? -1 : image_broker(image, broker)->epoch;
}

static void wish_registration(struct controller *controller)
{
    uint8_t memory[2048]; /* three hosts and a rack */
    struct wish_registration_record_endpoint endpoints[ENDPOINT_COUNT];
    struct wish_registration_record record = { .previous_epoch =
                                                   epoch_of(controller->image, controller->config.node_id),
                                               .disk_epoch = metadata_log_disk_epoch(controller->log),
                                               .rack = controller->config.rack,
                                               .observer = controller->config.observer,
                                               .endpoints = endpoints };
    struct writer body = writer_of(memory, sizeof memory);

    for (uint32_t kind = 0; kind < ENDPOINT_COUNT; kind++) {
        if (controller->config.endpoints[kind].port == 0) continue;
        endpoints[record.endpoints_count++] =
            (struct wish_registration_record_endpoint){ .kind = (int8_t)kind,
                                                        .host = controller->config.endpoints[kind].host,
                                                        .port = controller->config.endpoints[kind].port };
    }
    wish_registration_record_write(&body, REGISTRATION_VERSION, &record);
    controller->registration_epoch = record.previous_epoch;
    controller->registration_wish =
        wishes_open(&controller->wishes, WISH_REGISTER, REGISTRATION_VERSION, writer_written(&body), WISH_NEVER, false);
}

/* A node whose own broker is not registered in this life wishes for that first. Not one that only takes its cluster for
 * itself: it has no logs to serve, and leaves that to its next start. */
static void keep_registering(struct controller *controller)
{
    if (controller->registered || controller->config.recovers) return;
    const bool moved = epoch_of(controller->image, controller->config.node_id) != controller->registration_epoch;
    if (controller->registration_wish != 0 && moved) {
        MAYBE(true); /* a wish of our life before came to pass; this one never can, since it knows nothing of that */
        wishes_withdraw(&controller->wishes, controller->registration_wish);
        controller->registration_wish = 0;
    }
    if (controller->registration_wish == 0 && controller->registration_ns <= controller->mono_ns) {
        wish_registration(controller);
    }
}

/* It was relied on in a life of which its disk knows nothing: that disk is an empty one, or an older copy. */
static bool has_lost_its_logs(const struct controller *controller, int32_t broker_id, int64_t disk_epoch)
{
    const uint32_t broker = image_broker_by_id(controller->image, broker_id);

    if (broker == SLOT_NONE || MUTANT(registration_believes_any_disk)) return false;
    return disk_epoch < image_broker(controller->image, broker)->unfenced_epoch;
}

/* One broker more than there is room for would stop every node: it is kept waiting until another one is removed. */
static bool has_room(const struct controller *controller, int32_t broker_id)
{
    if (image_broker_by_id(controller->image, broker_id) != SLOT_NONE) return true;
    return image_view(controller->image).broker_count < controller->config.image.brokers_max;
}

/* The first leader of all founds the cluster with the registration that comes first. */
static enum inner_verdict decide_register(struct controller *controller, struct inner *inner, struct effects *effects)
{
    const struct image_view view = image_view(controller->image);
    const uint64_t key = draft_key(controller, SUBJECT_REGISTRATION, (struct bytes){ 0 });
    struct wish_registration_record record;
    struct proposal *records = &controller->draft.records;

    arena_reset(&controller->arena);
    if (inner->wish->version < 0 || inner->wish->version > REGISTRATION_VERSION) return INNER_LATER;
    if (!wish_registration_record_read(&inner->body, inner->wish->version, &controller->arena, &record))
        return INNER_MALFORMED;
    if (reader_left(&inner->body) > 0 || record.endpoints_count > ENDPOINT_COUNT) return INNER_MALFORMED;
    if (!may_touch(controller, inner, key)) return INNER_WAITS;
    /* Else it comes from a life before the present one, or from one that has not heard of that life's end. */
    if (record.previous_epoch != epoch_of(controller->image, inner->wish->broker_id)) return INNER_LATER;
    if (!has_room(controller, inner->wish->broker_id)) return INNER_LATER;
    if (uuid_is_zero(&view.cluster_id)) {
        const struct uuid cluster_id = controller_random_id(&controller->cluster);
        decide_cluster(&cluster_id, records);
        controller->founded = true;
        NOTE(effects, CLUSTER_CREATED, controller->config.node_id);
    }
    const bool unclean = has_lost_its_logs(controller, inner->wish->broker_id, record.disk_epoch);
    if (unclean) NOTE(effects, BROKER_UNCLEAN, inner->wish->broker_id, record.disk_epoch);
    decide_registration(controller->image, inner->wish->broker_id, &inner->wish->incarnation, &record, unclean,
                        records);
    draft_made(controller, key);
    return INNER_DECIDED;
}

/* ---- producer ids ---- */

bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *wish)
{
    struct producer_ids *ids = &controller->ids;

    if (ids->next < ids->end) {
        *producer_id = ids->next++;
        return true;
    }
    if (ids->wish == 0 && wishes_have_room(&controller->wishes, WISH_PRODUCER_IDS)) {
        ids->wish = wishes_open(&controller->wishes, WISH_PRODUCER_IDS, 0, (struct bytes){ 0 }, WISH_NEVER, true);
    }
    *wish = ids->wish;
    return false;
}

static enum inner_verdict decide_ids(struct controller *controller, struct inner *inner)
{
    const uint64_t key = draft_key(controller, SUBJECT_PRODUCER_IDS, (struct bytes){ 0 });
    const int64_t first = image_view(controller->image).next_producer_id;

    if (reader_left(&inner->body) > 0) return INNER_MALFORMED;
    if (!may_touch(controller, inner, key)) return INNER_WAITS;
    decide_producer_ids(controller->image, inner->wish->broker_id, &controller->draft.records);
    draft_made(controller, key);
    wish_producer_ids_record_write(&inner->answer, 0, &(struct wish_producer_ids_record){ first, PRODUCER_ID_BLOCK });
    return INNER_DECIDED;
}

static void on_producer_ids(struct controller *controller)
{
    struct producer_ids *ids = &controller->ids;
    struct wish_producer_ids_record block;
    struct bytes answer;
    const enum wish_verdict verdict = wishes_outcome(&controller->wishes, ids->wish, &answer);
    struct reader reader = reader_of(answer);

    arena_reset(&controller->arena);
    const bool read = wish_producer_ids_record_read(&reader, 0, &controller->arena, &block);
    if (verdict == WISH_GRANTED && read && block.first_producer_id >= 0 && block.count > 0) {
        ids->next = block.first_producer_id;
        ids->end = block.first_producer_id + MIN(block.count, INT64_MAX - block.first_producer_id);
    }
    wishes_forget(&controller->wishes, ids->wish);
    ids->wish = 0; /* if there is no block, whoever still wants an id wishes for another one */
}

/* ---- topics that are asked for ---- */

uint64_t controller_auto_create_topics(struct controller *controller, const struct bytes *names, uint32_t count,
                                       uint64_t deadline_ns)
{
    uint8_t memory[AUTO_CREATE_NAMES_SIZE_MAX];
    struct writer body = writer_of(memory, MIN((uint32_t)sizeof memory, controller->wish_size_max));

    for (uint32_t i = 0; i < count; i++) {
        const struct writer before = body;
        writer_string(&body, true, false, names[i]);
        if (writer_ok(&body)) continue;
        body = before; /* the rest when they are asked for again */
        break;
    }
    /* Many clients miss the same topic at the same time. */
    const uint64_t same = wishes_same(&controller->wishes, WISH_AUTO_CREATE, writer_written(&body));
    if (same != 0) return same;
    if (!wishes_have_room(&controller->wishes, WISH_AUTO_CREATE)) return 0;
    return wishes_open(&controller->wishes, WISH_AUTO_CREATE, 0, writer_written(&body), deadline_ns, false);
}

/* What groups want of their topic. */
struct internal_topic {
    int32_t partition_count;
    char segment_size[CONFIG_TEXT_SIZE_MAX];
    struct create_topics_request_config configs[3];
};

static void make_internal(const struct image *image, struct internal_topic *topic)
{
    struct text segment_size = text_in(topic->segment_size, sizeof topic->segment_size);

    text_add_int(&segment_size, broker_config_int(image, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES));
    topic->partition_count = (int32_t)broker_config_int(image, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
    topic->configs[0] =
        (struct create_topics_request_config){ BYTES_LITERAL("cleanup.policy"), BYTES_LITERAL("compact") };
    topic->configs[1] =
        (struct create_topics_request_config){ BYTES_LITERAL("compression.type"), BYTES_LITERAL("producer") };
    topic->configs[2] =
        (struct create_topics_request_config){ BYTES_LITERAL("segment.bytes"), text_bytes(&segment_size) };
}

/* What may not be made is left out: the origin sees in the image which are there. */
static enum inner_verdict decide_auto_create(struct controller *controller, struct inner *inner)
{
    while (reader_left(&inner->body) > 0) {
        const struct bytes name = reader_string(&inner->body, true, false);
        struct create_topics_request_topic topic = { .name = name, .num_partitions = -1, .replication_factor = -1 };
        struct internal_topic internal;
        struct topic_made made;
        if (!reader_ok(&inner->body)) return INNER_MALFORMED;
        if (bytes_equal(name, BYTES_LITERAL("__consumer_offsets"))) {
            make_internal(controller->image, &internal);
            topic.num_partitions = internal.partition_count;
            topic.configs = internal.configs;
            topic.configs_count = COUNT_OF(internal.configs);
        }
        controller_create_topic(controller, &topic, false, &made, &inner->decided);
        if (inner->decided.wait_index != 0) return INNER_WAITS;
    }
    return INNER_DECIDED;
}

/* ---- ISRs ---- */

bool controller_wish_isr(struct controller *controller, const struct isr_wish *wish)
{
    return isr_wishes_add(controller->isr_wishes, wish);
}

bool controller_has_isr_room(const struct controller *controller)
{
    return isr_wishes_have_room(controller->isr_wishes);
}

bool controller_next_isr_answer(struct controller *controller, struct isr_answer *answer)
{
    return isr_wishes_next_answer(controller->isr_wishes, controller->image, answer);
}

static void keep_wishing_isrs(struct controller *controller)
{
    if (!controller->registered || !isr_wishes_have_some(controller->isr_wishes)) return;
    isr_wishes_ask(controller->isr_wishes, epoch_of(controller->image, controller->config.node_id),
                   &controller->wishes);
}

/* What no longer finds room is to be asked again. */
static enum error decide_one_isr(struct controller *controller, const struct wish *wish,
                                 const struct wish_isr_record_partition *partition)
{
    struct proposal *records = &controller->draft.records;
    const struct proposal before = *records;
    const enum error error = decide_isr(controller->image, wish->broker_id, partition, records);

    if (proposal_ok(records)) return error;
    *records = before;
    return ERROR_REQUEST_TIMED_OUT;
}

/* Each partition is judged alone, and each record guards itself: so many of these may be under way side by side. */
static enum inner_verdict decide_isrs(struct controller *controller, struct inner *inner)
{
    int16_t errors[ISR_BATCH_MAX];
    struct wish_isr_record record;

    arena_reset(&controller->arena);
    if (!wish_isr_record_read(&inner->body, 0, &controller->arena, &record)) return INNER_MALFORMED;
    if (reader_left(&inner->body) > 0 || record.partitions_count > ISR_BATCH_MAX) return INNER_MALFORMED;
    if (!draft_begin_guarded(controller, &inner->decided)) return INNER_WAITS;
    const enum error stale = decide_origin(controller->image, inner->wish->broker_id, record.broker_epoch);
    for (uint32_t i = 0; i < record.partitions_count; i++) {
        const struct wish_isr_record_partition *partition = &record.partitions[i];
        errors[i] = (int16_t)(stale != ERROR_NONE ? stale : decide_one_isr(controller, inner->wish, partition));
    }
    draft_made_guarded(controller);
    wish_isr_answer_record_write(&inner->answer, 0,
                                 &(struct wish_isr_answer_record){ errors, record.partitions_count });
    return INNER_DECIDED;
}

/* ---- all of them ---- */

void inner_wish(struct controller *controller)
{
    keep_registering(controller);
    keep_wishing_isrs(controller);
}

void inner_decide(struct controller *controller, const struct wish *wish, struct effects *effects)
{
    uint8_t memory[ANSWER_SIZE_MAX];
    struct inner inner = { .wish = wish, .body = reader_of(wish->body), .answer = writer_of(memory, sizeof memory) };
    enum inner_verdict verdict;

    switch (wish->kind) { /* of any node, perhaps a newer one: so there is a default */
    case WISH_REGISTER: verdict = decide_register(controller, &inner, effects); break;
    case WISH_PRODUCER_IDS: verdict = decide_ids(controller, &inner); break;
    case WISH_ISR: verdict = decide_isrs(controller, &inner); break;
    case WISH_AUTO_CREATE: verdict = decide_auto_create(controller, &inner); break;
    default: controller_dismiss(controller, WISH_LATER); return;
    }
    switch (verdict) {
    case INNER_DECIDED:
        if (!controller_conclude(controller, writer_written(&inner.answer))) {
            controller_dismiss(controller, WISH_TOO_LARGE);
        }
        break;
    case INNER_WAITS: controller_postpone(controller, inner.decided.wait_index); break;
    case INNER_LATER: wishing_answer(controller, WISH_LATER, (struct bytes){ 0 }); break;
    case INNER_MALFORMED: controller_dismiss(controller, WISH_MALFORMED); break;
    }
}

void inner_on_done(struct controller *controller, uint64_t sequence)
{
    isr_wishes_on_done(controller->isr_wishes, &controller->wishes, sequence);
    if (sequence == controller->ids.wish) on_producer_ids(controller);
    if (sequence == controller->registration_wish) {
        controller->registration_wish = 0;
        controller->registration_ns = controller->mono_ns + WISH_RETRY_NS; /* if a leader of another version refused */
    }
}
