#include "group/records.h"

enum {
    KEY_OFFSET_0 = 0, /* the same bytes in both */
    KEY_OFFSET_1 = 1,
    KEY_GROUP = 2,
    KEY_CONSUMER_GROUP = 3,
    KEY_CONSUMER_MEMBER = 5, /* 4 was what the topics looked like; a hash has taken its place */
    KEY_TARGET = 6,
    KEY_TARGET_MEMBER = 7,
    KEY_CURRENT_MEMBER = 8,
    KEY_REGEX = 16,

    OFFSET_VERSION_EXPIRES = 1, /* written where the client gave a retention time */
    OFFSET_VERSION = 3,
    OFFSET_VERSION_MAX = 4, /* flexible */
    GROUP_VERSION = 3,
    GROUP_VERSION_MAX = 4, /* flexible */
};

/* ---- where a group is ---- */

/* The next UTF-16 code units of a UTF-8 text, one or two of them, as Java has them. What is no UTF-8 counts as
 * U+FFFD, byte by byte: such an id comes from no client that Java could have served. */
static uint32_t next_units(struct bytes *text, uint16_t units[2])
{
    static const uint8_t leads[] = { 0xc0, 0xe0, 0xf0 };
    const uint8_t first = text->data[0];
    uint32_t more = 0, point = first;

    while (more < 3 && first >= leads[more]) more++;
    if (first >= 0x80) point = first & (0x3fu >> more);
    bool valid = first < 0x80 || (more > 0 && first < 0xf8 && text->size > more);
    for (uint32_t i = 1; valid && i <= more; i++) {
        valid = (text->data[i] & 0xc0) == 0x80;
        point = point << 6 | (text->data[i] & 0x3fu);
    }
    if (!valid || point > 0x10ffff) {
        point = 0xfffd;
        more = 0;
    }
    *text = (struct bytes){ text->data + more + 1, text->size - more - 1 };
    units[0] = (uint16_t)point;
    if (point < 0x10000) return 1;
    units[0] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
    units[1] = (uint16_t)(0xdc00 + ((point - 0x10000) & 0x3ff));
    return 2;
}

uint32_t group_partition(struct bytes group_id, uint32_t partition_count)
{
    uint32_t hash = 0;

    CHECK(partition_count > 0);
    while (group_id.size > 0) {
        uint16_t units[2];
        const uint32_t count = next_units(&group_id, units);
        for (uint32_t i = 0; i < count; i++) hash = 31 * hash + units[i];
    }
    return (hash == UINT32_C(1) << 31 ? 0 : hash > INT32_MAX ? 0 - hash : hash) % partition_count;
}

/* ---- keys ---- */

static const struct kind {
    int16_t version;
    enum record_kind kind;
    bool named;
} kinds[] = {
    { KEY_GROUP, RECORD_GROUP, false },
    { KEY_CONSUMER_GROUP, RECORD_CONSUMER_GROUP, false },
    { KEY_CONSUMER_MEMBER, RECORD_CONSUMER_MEMBER, true },
    { KEY_TARGET, RECORD_TARGET, false },
    { KEY_TARGET_MEMBER, RECORD_TARGET_MEMBER, true },
    { KEY_CURRENT_MEMBER, RECORD_CURRENT_MEMBER, true },
    { KEY_REGEX, RECORD_REGEX, true },
};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

struct record_key record_key_read(struct bytes key)
{
    struct reader reader = reader_of(key);
    struct record_key read = { .kind = RECORD_BROKEN };
    uint32_t at = 0;

    if (key.data == NULL || key.size < 2) return read;
    const int16_t version = reader_int16(&reader);
    if (version < 0) return read;
    while (at < KIND_COUNT && kinds[at].version != version) at++;
    if (at == KIND_COUNT && version > KEY_OFFSET_1) {
        read.kind = RECORD_OTHER;
        return read;
    }
    read.group_id = reader_string(&reader, false, false);
    if (version <= KEY_OFFSET_1) {
        read.topic = reader_string(&reader, false, false);
        read.partition = reader_int32(&reader);
    } else if (kinds[at].named) {
        read.name = reader_string(&reader, false, false);
    }
    if (reader_ok(&reader)) read.kind = version <= KEY_OFFSET_1 ? RECORD_OFFSET : kinds[at].kind;
    return read;
}

void record_key_write(struct writer *writer, const struct record_key *key)
{
    uint32_t at = 0;

    while (at < KIND_COUNT && kinds[at].kind != key->kind) at++;
    CHECK(at < KIND_COUNT || key->kind == RECORD_OFFSET);
    writer_int16(writer, key->kind == RECORD_OFFSET ? (int16_t)KEY_OFFSET_1 : kinds[at].version);
    writer_string(writer, false, false, key->group_id);
    if (key->kind == RECORD_OFFSET) {
        writer_string(writer, false, false, key->topic);
        writer_int32(writer, key->partition);
    } else if (kinds[at].named) {
        writer_string(writer, false, false, key->name);
    }
}

/* ---- offsets ---- */

bool offset_value_read(struct bytes value, struct offset_value *offset)
{
    struct reader reader = reader_of(value);
    const int16_t version = reader_int16(&reader);
    const bool flexible = version >= OFFSET_VERSION_MAX;

    *offset = (struct offset_value){ .leader_epoch = -1, .expire_ms = NO_EXPIRY };
    if (version < 0 || version > OFFSET_VERSION_MAX) return false;
    offset->offset = reader_int64(&reader);
    if (version >= OFFSET_VERSION) offset->leader_epoch = reader_int32(&reader);
    offset->metadata = reader_string(&reader, flexible, false);
    offset->commit_ms = reader_int64(&reader);
    if (version == OFFSET_VERSION_EXPIRES) offset->expire_ms = reader_int64(&reader);
    if (flexible) reader_skip_tags(&reader);
    return reader_ok(&reader);
}

void offset_value_write(struct writer *writer, const struct offset_value *offset)
{
    const bool expires = offset->expire_ms != NO_EXPIRY;

    writer_int16(writer, expires ? OFFSET_VERSION_EXPIRES : OFFSET_VERSION);
    writer_int64(writer, offset->offset);
    if (!expires) writer_int32(writer, offset->leader_epoch);
    writer_string(writer, false, false, offset->metadata);
    writer_int64(writer, offset->commit_ms);
    if (expires) writer_int64(writer, offset->expire_ms);
}

/* ---- groups ---- */

bool group_value_read(struct reader *reader, int16_t *version, struct group_value *group)
{
    *version = reader_int16(reader);
    *group = (struct group_value){ .state_ms = -1 };
    if (*version < 0 || *version > GROUP_VERSION_MAX) return false;
    const bool flexible = *version >= GROUP_VERSION_MAX;
    group->protocol_type = reader_string(reader, flexible, false);
    group->generation = reader_int32(reader);
    group->protocol = reader_string(reader, flexible, true);
    group->leader = reader_string(reader, flexible, true);
    if (*version >= 2) group->state_ms = reader_int64(reader);
    const int32_t count = flexible ? (int32_t)reader_uvarint(reader) - 1 : reader_int32(reader);
    if (count < 0) return false;
    group->member_count = (uint32_t)count;
    return reader_ok(reader);
}

bool member_value_read(struct reader *reader, int16_t version, struct member_value *member)
{
    const bool flexible = version >= GROUP_VERSION_MAX;

    *member = (struct member_value){ 0 };
    member->member_id = reader_string(reader, flexible, false);
    if (version >= 3) member->instance_id = reader_string(reader, flexible, true);
    member->client_id = reader_string(reader, flexible, false);
    member->client_host = reader_string(reader, flexible, false);
    if (version >= 1) member->rebalance_ms = reader_int32(reader);
    member->session_ms = reader_int32(reader);
    if (version == 0) member->rebalance_ms = member->session_ms;
    member->subscription = reader_bytes(reader, flexible, false);
    member->assignment = reader_bytes(reader, flexible, false);
    if (flexible) reader_skip_tags(reader);
    return reader_ok(reader);
}

void group_value_write(struct writer *writer, const struct group_value *group)
{
    writer_int16(writer, GROUP_VERSION);
    writer_string(writer, false, false, group->protocol_type);
    writer_int32(writer, group->generation);
    writer_string(writer, false, true, group->protocol);
    writer_string(writer, false, true, group->leader);
    writer_int64(writer, group->state_ms);
    writer_int32(writer, (int32_t)group->member_count);
}

void member_value_write(struct writer *writer, const struct member_value *member)
{
    writer_string(writer, false, false, member->member_id);
    writer_string(writer, false, true, member->instance_id);
    writer_string(writer, false, false, member->client_id);
    writer_string(writer, false, false, member->client_host);
    writer_int32(writer, member->rebalance_ms);
    writer_int32(writer, member->session_ms);
    writer_bytes(writer, false, false, member->subscription);
    writer_bytes(writer, false, false, member->assignment);
}

/* ---- subscriptions ---- */

bool subscription_has_topic(struct bytes subscription, struct bytes topic)
{
    struct reader reader = reader_of(subscription);

    reader_int16(&reader); /* every version begins alike */
    const int32_t count = reader_int32(&reader);
    for (int32_t i = 0; i < count && reader_ok(&reader); i++) {
        if (bytes_equal(reader_string(&reader, false, false), topic) && reader_ok(&reader)) return true;
    }
    return !reader_ok(&reader);
}
