/* Any bytes as records of __consumer_offsets, which a follower copies from whoever led before: each is read or refused,
 * what this version writes is read back as it was, and who loads them serves or gives up the partition. */
#include "codec/record_batch_builder.h"
#include "groups_world.h"

enum { RECORDS_MAX = 32, BATCH_MAX = 64 * 1024 };

static struct bytes some_bytes(struct reader *input)
{
    const uint16_t said = reader_uint16(input);
    const uint32_t size = MIN(said % 512U, reader_left(input));
    const uint8_t *at = reader_take(input, size);

    if ((said & 0x8000) != 0) return (struct bytes){ 0 };
    return (struct bytes){ at, at == NULL ? 0 : size };
}

/* ---- what is read, written and read again ---- */

static struct bytes written(const struct writer *writer)
{
    CHECK(!writer->malformed && writer->size <= writer->capacity);
    return (struct bytes){ writer->data, (uint32_t)writer->size };
}

static void try_key(struct bytes bytes)
{
    uint8_t memory[2048];
    struct writer writer = writer_of(memory, sizeof memory);
    const struct record_key key = record_key_read(bytes);

    if (key.kind != RECORD_OFFSET && key.kind != RECORD_GROUP) return;
    CHECK(group_partition(key.group_id, 50) < 50);
    record_key_write(&writer, &key);
    const struct record_key again = record_key_read(written(&writer));
    CHECK(again.kind == key.kind && bytes_equal(again.group_id, key.group_id));
    CHECK(key.kind == RECORD_GROUP || (bytes_equal(again.topic, key.topic) && again.partition == key.partition));
}

static void try_offset(struct bytes bytes)
{
    uint8_t memory[2048];
    struct writer writer = writer_of(memory, sizeof memory);
    struct offset_value offset, again;

    if (!offset_value_read(bytes, &offset)) return;
    offset_value_write(&writer, &offset);
    CHECK(offset_value_read(written(&writer), &again));
    CHECK(again.offset == offset.offset && again.commit_ms == offset.commit_ms);
    CHECK(again.expire_ms == offset.expire_ms && bytes_equal(again.metadata, offset.metadata));
    CHECK(again.leader_epoch == (offset.expire_ms == NO_EXPIRY ? offset.leader_epoch : -1));
}

static void try_group(struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    struct group_value group;
    struct member_value member;
    int16_t version;
    uint32_t members = 0;

    if (!group_value_read(&reader, &version, &group)) return;
    while (members < group.member_count && member_value_read(&reader, version, &member)) {
        subscription_has_topic(member.subscription, BYTES_LITERAL("t"));
        members++;
    }
    CHECK(members <= bytes.size); /* whatever count it names: each takes some bytes */
}

/* ---- a log of them ---- */

static void append(struct world *world, uint32_t log, struct bytes bytes)
{
    struct record_batch batch;
    struct append_answer answer;

    CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    CHECK(logs_append(world->logs, log, &batch, 3, -1, 0, &answer) == APPEND_OK);
}

static void load(struct reader *input, uint32_t partition)
{
    static uint8_t memory[BATCH_MAX];
    struct record_batch_builder builder;
    struct world *world = world_new();
    struct record_input record;

    record_batch_builder_init(&builder, memory, sizeof memory);
    for (uint32_t i = 0; i < RECORDS_MAX && reader_left(input) > 0; i++) {
        record = (struct record_input){ .timestamp = 1, .key = some_bytes(input), .value = some_bytes(input) };
        record_batch_builder_add(&builder, &record);
    }
    if (builder.batch.record_count > 0) {
        append(world, world_log(world, (int32_t)partition), record_batch_builder_end(&builder));
        world_commit(world);
        world_restart(world);
        world_pass(world, 100000); /* and whoever was a member there does not say anything any more */
    }
    world_free(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader input = reader_of((struct bytes){ data, (uint32_t)size });
    const uint32_t partition = reader_uint8(&input) % OFFSETS_PARTITIONS;
    struct reader values = input;

    for (uint32_t i = 0; i < RECORDS_MAX && reader_left(&values) > 0; i++) {
        try_key(some_bytes(&values));
        const struct bytes value = some_bytes(&values);
        try_offset(value);
        try_group(value);
        subscription_has_topic(value, BYTES_LITERAL("t"));
    }
    load(&input, partition);
    return 0;
}
