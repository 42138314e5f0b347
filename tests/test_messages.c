/* test_messages.c -- what generated readers and writers promise; that the bytes are Kafka's: test_golden.c. */
#include "codec/messages.h"
#include "t.h"

static uint8_t memory[4096];
static uint8_t wire[512];
static struct arena arena;

static struct reader reader_over(const struct writer *writer)
{
    EXPECT("it fits", writer_ok(writer));
    arena_init(&arena, memory, sizeof memory);
    return reader_of(writer_written(writer));
}

TEST(a_message_refers_to_the_bytes_it_was_read_from)
{
    struct produce_request_partition partition = { .index = 7, .records = BYTES_LITERAL("not looked into") };
    struct produce_request_topic topic = { BYTES_LITERAL("t"), &partition, 1 };
    struct produce_request request = { .acks = -1, .timeout_ms = 30000, .topics = &topic, .topics_count = 1 };

    for (int16_t version = 3; version <= 11; version++) {
        struct produce_request back;
        struct writer writer = writer_of(wire, sizeof wire);
        produce_request_write(&writer, version, &request);
        struct reader reader = reader_over(&writer);
        EXPECT("what was written is read", produce_request_read(&reader, version, &arena, &back));
        EXPECT_EQ("all of it", 0, reader_left(&reader));
        EXPECT("null stays null", back.transactional_id.data == NULL);
        EXPECT_EQ("acks", -1, back.acks);
        EXPECT_EQ("timeout", 30000, back.timeout_ms);
        EXPECT_EQ("one topic", 1, back.topics_count);
        EXPECT_EQ("one partition", 7, back.topics[0].partitions[0].index);
        const struct bytes records = back.topics[0].partitions[0].records;
        EXPECT_BYTES("the records", "not looked into", 15, records.data, records.size);
        EXPECT("where they were", records.data > wire && records.data < wire + sizeof wire);
        EXPECT("arrays are in the arena", (uint8_t *)back.topics == memory);
    }
}

TEST(absent_fields_read_as_their_defaults)
{
    struct produce_response_partition partition = { .log_append_time_ms = 1, .log_start_offset = 2 };
    struct produce_response_topic topic = { .partitions = &partition, .partitions_count = 1 };
    struct produce_response response = { .topics = &topic, .topics_count = 1 }, back;
    struct writer writer = writer_of(wire, sizeof wire);
    produce_response_write(&writer, 4, &response);
    struct reader reader = reader_over(&writer);

    EXPECT("read", produce_response_read(&reader, 4, &arena, &back));
    const struct produce_response_partition *read = &back.topics[0].partitions[0];
    EXPECT_EQ("what 4 has", 1, read->log_append_time_ms);
    EXPECT_EQ("what came with 5", -1, read->log_start_offset);
    EXPECT_EQ("an array that came with 8", 0, read->record_errors_count);
    EXPECT("a string that came with 8", read->error_message.data == NULL);
    EXPECT("a tag that came with 10", !read->has_current_leader);
    EXPECT_EQ("is filled all the same", -1, read->current_leader.leader_id);
    EXPECT_EQ("defaults as data say the same", -1, produce_response_partition_default.current_leader.leader_epoch);
}

static const struct version_row {
    const char *why;
    int16_t version;
    bool good;
} version_rows[] = {
    { "served from 3 on", 3, true }, { "advertised and yet not ours", 2, false },
    { "the last", 11, true },        { "one more", 12, false },
    { "negative", -1, false },
};

TEST(a_version_that_is_not_ours_is_refused)
{
    const uint8_t empty[20] = { [7] = 1 }; /* no topics, in either encoding */
    FOR_EACH(version_row, row, version_rows) {
        struct produce_request request;
        struct reader reader = reader_of((struct bytes){ empty, sizeof empty });
        arena_init(&arena, memory, sizeof memory);
        EXPECT_EQ(row->why, row->good, produce_request_read(&reader, row->version, &arena, &request));
        EXPECT_EQ(row->why, row->good, reader_ok(&reader));
    }
}

TEST(a_tag_is_sent_only_if_it_says_something)
{
    struct api_versions_response response = api_versions_response_default;
    struct writer writer = writer_of(wire, sizeof wire);
    api_versions_response_write(&writer, 3, &response);
    EXPECT_BYTES("defaults are silent", "\0\0\1\0\0\0\0\0", 8, wire, writer.size);

    response.finalized_features_epoch = 0; /* not the default: it is -1 */
    response.zk_migration_ready = true;
    writer = writer_of(wire, sizeof wire);
    api_versions_response_write(&writer, 3, &response);
    EXPECT_BYTES("in rising order", "\0\0\1\0\0\0\0\2\1\x08\0\0\0\0\0\0\0\0\3\1\1", 21, wire, writer.size);
    writer = writer_of(wire, sizeof wire);
    api_versions_response_write(&writer, 2, &response);
    EXPECT_BYTES("not in a version without tags", "\0\0\0\0\0\0\0\0\0\0", 10, wire, writer.size);
}

static const struct body_row {
    const char *why;
    const char *bytes;
    size_t size;
    bool good;
} body_rows[] = {
#define BODY(literal) literal, sizeof(literal) - 1
    { "a bool in its tag", BODY("\0\0\1\0\0\0\0\1\3\1\1"), true },
    { "a bool of two bytes", BODY("\0\0\1\0\0\0\0\1\3\2\1\1"), false },
    { "a bool of none", BODY("\0\0\1\0\0\0\0\1\3\0"), false },
    { "an int64 of seven bytes", BODY("\0\0\1\0\0\0\0\1\1\7\0\0\0\0\0\0\0"), false },
    { "a tag of tomorrow", BODY("\0\0\1\0\0\0\0\1\4\2xx"), true },
};

TEST(a_tag_holds_its_field_and_nothing_else)
{
    FOR_EACH(body_row, row, body_rows) {
        struct api_versions_response response;
        struct reader reader = reader_of((struct bytes){ (const uint8_t *)row->bytes, (uint32_t)row->size });
        arena_init(&arena, memory, sizeof memory);
        EXPECT_EQ(row->why, row->good, api_versions_response_read(&reader, 3, &arena, &response));
        EXPECT_EQ(row->why, 0, reader_left(&reader));
    }
}

TEST(as_many_elements_as_can_be_there_are_believed)
{
    const uint8_t three[] = { 0, 0, 0, 0, 0, 0, 0, 4, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0 }; /* topics of three bytes */
    struct produce_request request;
    struct reader reader = reader_of((struct bytes){ three, sizeof three });

    arena_init(&arena, memory, sizeof memory);
    EXPECT("read", produce_request_read(&reader, 9, &arena, &request));
    EXPECT_EQ("all of them", 3, request.topics_count);
    EXPECT_EQ("all of it", 0, reader_left(&reader));
}

TEST(a_structure_may_be_null)
{
    struct describe_topic_partitions_request request = describe_topic_partitions_request_default, back;
    for (int present = 0; present < 2; present++) {
        request.has_cursor = present;
        request.cursor.partition_index = 5;
        struct writer writer = writer_of(wire, sizeof wire);
        describe_topic_partitions_request_write(&writer, 0, &request);
        struct reader reader = reader_over(&writer);
        EXPECT("read", describe_topic_partitions_request_read(&reader, 0, &arena, &back));
        EXPECT_EQ("null or not", present, back.has_cursor);
        EXPECT_EQ("its field", present ? 5 : 0, back.cursor.partition_index);
    }
    const uint8_t zero[] = { 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 0 };
    struct reader reader = reader_of((struct bytes){ zero, sizeof zero });
    EXPECT("read", describe_topic_partitions_request_read(&reader, 0, &arena, &back));
    EXPECT("for Kafka, only what is negative is null", back.has_cursor);
    EXPECT_EQ("its field", 9, back.cursor.partition_index);
}

TEST(null_and_empty_arrays_differ)
{
    struct metadata_request request = metadata_request_default, back;
    struct metadata_request_topic none;
    for (int empty = 0; empty < 2; empty++) {
        request.topics = empty ? &none : NULL;
        struct writer writer = writer_of(wire, sizeof wire);
        metadata_request_write(&writer, 1, &request);
        struct reader reader = reader_over(&writer);
        EXPECT("read", metadata_request_read(&reader, 1, &arena, &back));
        EXPECT_EQ("all topics, or none", empty, back.topics != NULL);
        EXPECT_EQ("no topics in either", 0, back.topics_count);
    }
}

TEST(claims_are_held_against_what_was_sent)
{
    /* A fetch request, version 4, of which all that is there is: 2^27 topics. */
    uint8_t claim[21 + 64] = { [17] = 0x08 };
    struct fetch_request request;
    struct reader reader = reader_of((struct bytes){ claim, sizeof claim });

    arena_init(&arena, memory, sizeof memory);
    EXPECT("refused", !fetch_request_read(&reader, 4, &arena, &request));
    EXPECT_EQ("nothing was taken", 0, arena.used);
    EXPECT("it is not the arena's fault", !arena.exhausted);

    claim[17] = 0;
    claim[20] = 10; /* 64 bytes hold ten empty topics of six bytes, but the arena does not */
    arena_init(&arena, memory, 64);
    reader = reader_of((struct bytes){ claim, sizeof claim });
    EXPECT("refused", !fetch_request_read(&reader, 4, &arena, &request));
    EXPECT("for want of room", arena.exhausted);
    arena_init(&arena, memory, sizeof memory);
    reader = reader_of((struct bytes){ claim, sizeof claim });
    EXPECT("with room it is read", fetch_request_read(&reader, 4, &arena, &request));
    EXPECT_EQ("trailing garbage shows", 4, reader_left(&reader));
}
