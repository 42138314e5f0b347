/* The records of __consumer_offsets: which partition has a group, and Kafka's bytes of each fact. */
#include "base/text.h"
#include "group/records.h"
#include "t.h"

/* As java.lang.String.hashCode has it, and Kafka's Utils.abs of that. */
static const struct place_row {
    const char *why;
    const char *id;
    uint32_t count;
    uint32_t partition;
} place_rows[] = {
    { "nothing", "", 50, 0 },
    { "a letter", "a", 50, 97 % 50 },
    { "a negative hash counts without its sign", "my-group", 50, 12 },         /* -1906497762 */
    { "the smallest number has no such: 0", "polygenelubricants", 49, 0 },     /* -2147483648 */
    { "a positive one", "console-consumer-1", 50, 24 },                        /* 35782224 */
    { "two bytes are one letter", "\xc3\xa9t\xc3\xa9", 1000, 742 },            /* 227742 */
    { "outside of the first plane are two", "\xf0\x9f\x98\x80", 10000, 2899 }, /* 1772899 */
    { "one partition has all", "whatever", 1, 0 },
};

TEST(groups_are_where_kafka_has_them)
{
    FOR_EACH(place_row, row, place_rows) {
        EXPECT_EQ(row->why, row->partition, group_partition(text_of(row->id), row->count));
    }
}

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static const struct key_row {
    const char *why;
    const uint8_t *bytes;
    uint32_t size;
    enum record_kind kind;
    const char *group, *topic;
    int32_t partition;
    bool written; /* these are the bytes that are written */
} key_rows[] = {
    { "an offset", BYTES(0, 1, 0, 1, 'g', 0, 2, 't', 't', 0, 0, 0, 9), RECORD_OFFSET, "g", "tt", 9, true },
    { "an older one", BYTES(0, 0, 0, 1, 'g', 0, 2, 't', 't', 0, 0, 0, 9), RECORD_OFFSET, "g", "tt", 9, false },
    { "a group", BYTES(0, 2, 0, 2, 'g', 'h'), RECORD_GROUP, "gh", "", 0, true },
    { "what the topics of a group looked like once", BYTES(0, 4, 0, 1, 'g'), RECORD_OTHER, "", "", 0, false },
    { "cut short", BYTES(0, 1, 0, 1, 'g', 0, 2, 't'), RECORD_BROKEN, "", "", 0, false },
    { "no key", BYTES(7), RECORD_BROKEN, "", "", 0, false },
    { "a negative version", BYTES(255, 255, 0, 1, 'g'), RECORD_BROKEN, "", "", 0, false },
};

TEST(keys_are_those_of_kafka)
{
    FOR_EACH(key_row, row, key_rows) {
        const struct record_key key = record_key_read((struct bytes){ row->bytes, row->size });
        EXPECT_EQ(row->why, row->kind, key.kind);
        if (row->kind != RECORD_OFFSET && row->kind != RECORD_GROUP) continue;
        EXPECT(row->why, bytes_equal(key.group_id, text_of(row->group)));
        EXPECT(row->why, bytes_equal(key.topic, text_of(row->topic)) || row->kind == RECORD_GROUP);
        EXPECT_EQ(row->why, row->partition, key.partition);
        if (!row->written) continue;
        uint8_t memory[64];
        struct writer writer = writer_of(memory, sizeof memory);
        record_key_write(&writer, &key);
        EXPECT("as it was", bytes_equal(writer_written(&writer), (struct bytes){ row->bytes, row->size }));
    }
}

#define OFFSET_42 0, 0, 0, 0, 0, 0, 0, 42
#define AT_5 0, 0, 0, 0, 0, 0, 0, 5

static const struct offset_row {
    const char *why;
    const uint8_t *bytes;
    uint32_t size;
    bool good;
    int32_t leader_epoch;
    int64_t expire_ms;
    bool written;
} offset_rows[] = {
    { "version 3", BYTES(0, 3, OFFSET_42, 0, 0, 0, 7, 0, 1, 'm', AT_5), true, 7, NO_EXPIRY, true },
    { "version 1 has an end", BYTES(0, 1, OFFSET_42, 0, 1, 'm', AT_5, OFFSET_42), true, -1, 42, true },
    { "version 0", BYTES(0, 0, OFFSET_42, 0, 1, 'm', AT_5), true, -1, NO_EXPIRY, false },
    { "version 2", BYTES(0, 2, OFFSET_42, 0, 1, 'm', AT_5), true, -1, NO_EXPIRY, false },
    { "version 4", BYTES(0, 4, OFFSET_42, 0, 0, 0, 7, 2, 'm', AT_5, 0), true, 7, NO_EXPIRY, false },
    { "of tomorrow", BYTES(0, 5, OFFSET_42), false, 0, 0, false },
    { "cut short", BYTES(0, 3, OFFSET_42, 0, 0, 0, 7, 0, 9, 'm'), false, 0, 0, false },
};

TEST(offsets_are_those_of_kafka)
{
    FOR_EACH(offset_row, row, offset_rows) {
        struct offset_value value;
        EXPECT_EQ(row->why, row->good, offset_value_read((struct bytes){ row->bytes, row->size }, &value));
        if (!row->good) continue;
        EXPECT_EQ(row->why, 42, value.offset);
        EXPECT_EQ(row->why, row->leader_epoch, value.leader_epoch);
        EXPECT_EQ(row->why, 5, value.commit_ms);
        EXPECT_EQ(row->why, row->expire_ms, value.expire_ms);
        EXPECT(row->why, bytes_equal(value.metadata, BYTES_LITERAL("m")));
        if (!row->written) continue;
        uint8_t memory[64];
        struct writer writer = writer_of(memory, sizeof memory);
        offset_value_write(&writer, &value);
        EXPECT("as it was", bytes_equal(writer_written(&writer), (struct bytes){ row->bytes, row->size }));
    }
}

#define TYPE_AND_GENERATION 0, 1, 'c', 0, 0, 0, 3
#define MEMBER_HEAD 0, 1, 'm'
#define CLIENT_AND_HOST 0, 1, 'i', 0, 1, 'h'

static const struct group_row {
    const char *why;
    const uint8_t *bytes;
    uint32_t size;
    bool good;
    int64_t state_ms;
    int32_t rebalance_ms;
    bool is_static;
    bool written;
} group_rows[] = {
    { "version 3",
      BYTES(0, 3, TYPE_AND_GENERATION, 0, 1, 'p', 0, 1, 'm', AT_5, 0, 0, 0, 1, MEMBER_HEAD, 0, 1, 's', CLIENT_AND_HOST,
            0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 1, 'x', 0, 0, 0, 1, 'y'),
      true, 5, 9, true, true },
    { "version 2",
      BYTES(0, 2, TYPE_AND_GENERATION, 0, 1, 'p', 0, 1, 'm', AT_5, 0, 0, 0, 1, MEMBER_HEAD, CLIENT_AND_HOST, 0, 0, 0, 9,
            0, 0, 0, 8, 0, 0, 0, 1, 'x', 0, 0, 0, 1, 'y'),
      true, 5, 9, false, false },
    { "version 1",
      BYTES(0, 1, TYPE_AND_GENERATION, 0, 1, 'p', 0, 1, 'm', 0, 0, 0, 1, MEMBER_HEAD, CLIENT_AND_HOST, 0, 0, 0, 9, 0, 0,
            0, 8, 0, 0, 0, 1, 'x', 0, 0, 0, 1, 'y'),
      true, -1, 9, false, false },
    { "version 0 has one time for both",
      BYTES(0, 0, TYPE_AND_GENERATION, 0, 1, 'p', 0, 1, 'm', 0, 0, 0, 1, MEMBER_HEAD, CLIENT_AND_HOST, 0, 0, 0, 8, 0, 0,
            0, 1, 'x', 0, 0, 0, 1, 'y'),
      true, -1, 8, false, false },
    { "a member is missing", BYTES(0, 3, TYPE_AND_GENERATION, 0, 1, 'p', 0, 1, 'm', AT_5, 0, 0, 0, 1), false, 0, 0,
      false, false },
    { "of tomorrow", BYTES(0, 5, TYPE_AND_GENERATION), false, 0, 0, false, false },
};

TEST(groups_are_those_of_kafka)
{
    FOR_EACH(group_row, row, group_rows) {
        struct reader reader = reader_of((struct bytes){ row->bytes, row->size });
        struct group_value group;
        struct member_value member = { 0 };
        int16_t version;
        const bool good = group_value_read(&reader, &version, &group) && member_value_read(&reader, version, &member);
        EXPECT_EQ(row->why, row->good, good && reader_left(&reader) == 0);
        if (!row->good) continue;
        EXPECT_EQ(row->why, 3, group.generation);
        EXPECT_EQ(row->why, row->state_ms, group.state_ms);
        EXPECT(row->why, bytes_equal(group.leader, BYTES_LITERAL("m")));
        EXPECT_EQ(row->why, row->rebalance_ms, member.rebalance_ms);
        EXPECT_EQ(row->why, 8, member.session_ms);
        EXPECT_EQ(row->why, row->is_static, member.instance_id.data != NULL);
        EXPECT(row->why, bytes_equal(member.subscription, BYTES_LITERAL("x")));
        EXPECT(row->why, bytes_equal(member.assignment, BYTES_LITERAL("y")));
        if (!row->written) continue;
        uint8_t memory[128];
        struct writer writer = writer_of(memory, sizeof memory);
        group_value_write(&writer, &group);
        member_value_write(&writer, &member);
        EXPECT("as it was", bytes_equal(writer_written(&writer), (struct bytes){ row->bytes, row->size }));
    }
}

static const struct topic_row {
    const char *why;
    const uint8_t *bytes;
    uint32_t size;
    bool has;
} topic_rows[] = {
    { "the first", BYTES(0, 1, 0, 0, 0, 2, 0, 1, 't', 0, 1, 'u', 0, 0, 0, 0), true },
    { "the last", BYTES(0, 0, 0, 0, 0, 2, 0, 1, 'u', 0, 1, 't', 0, 0, 0, 0), true },
    { "none of them", BYTES(0, 0, 0, 0, 0, 1, 0, 1, 'u', 255, 255, 255, 255), false },
    { "no topic at all", BYTES(0, 3, 0, 0, 0, 0), false },
    { "it cannot be read: perhaps", BYTES(0, 0, 0, 0, 0, 9, 0, 1, 'u'), true },
};

TEST(subscriptions_name_topics)
{
    FOR_EACH(topic_row, row, topic_rows) {
        EXPECT_EQ(row->why, row->has,
                  subscription_has_topic((struct bytes){ row->bytes, row->size }, BYTES_LITERAL("t")));
    }
}
