#include "group/consumer_records.h"

#include "base/check.h"

enum { VERSION = 0, TAG_HASH = 0, TAG_CLASSIC = 0 };

/* ---- names ---- */

bool names_next(struct bytes *names, struct bytes *name)
{
    if (names->size < NAME_HEAD_SIZE) return false;
    *name = (struct bytes){ names->data + NAME_HEAD_SIZE, load_u16(names->data) };
    CHECK(name->size <= names->size - NAME_HEAD_SIZE);
    *names = (struct bytes){ name->data + name->size, names->size - NAME_HEAD_SIZE - name->size };
    return true;
}

uint8_t *names_put(uint8_t *to, struct bytes name)
{
    store_u16(to, (uint16_t)name.size);
    memcpy(to + NAME_HEAD_SIZE, name.data, name.size);
    return to + NAME_HEAD_SIZE + name.size;
}

static void write_names(struct writer *writer, struct bytes names)
{
    struct bytes left = names, name;
    uint32_t count = 0;

    while (names_next(&left, &name)) count++;
    writer_uvarint(writer, count + 1);
    while (names_next(&names, &name)) writer_string(writer, true, false, name);
}

/* ---- what all have ---- */

static bool begin(struct reader *reader, struct bytes value)
{
    *reader = reader_of(value);
    return value.data != NULL && reader_int16(reader) == VERSION && reader_ok(reader);
}

static bool end(struct reader *reader)
{
    reader_skip_tags(reader);
    return reader_ok(reader);
}

/* How many elements follow, of a byte at least each. */
static uint32_t read_count(struct reader *reader)
{
    const uint32_t count = reader_uvarint(reader);

    if (count == 0 || count - 1 > reader_left(reader)) reader_fail(reader);
    return reader_ok(reader) ? count - 1 : 0;
}

static struct texts_value read_texts(struct reader *reader)
{
    struct texts_value read = { .count = read_count(reader) };

    read.texts.data = reader->at;
    for (uint32_t i = 0; i < read.count; i++) reader_string(reader, true, false);
    if (reader_ok(reader)) read.texts.size = (uint32_t)(reader->at - read.texts.data);
    return read;
}

/* ---- partitions ---- */

static struct part_list read_parts(struct reader *reader, struct part *list, uint32_t max)
{
    const uint32_t topics = read_count(reader);
    uint32_t count = 0;

    for (uint32_t i = 0; i < topics && reader_ok(reader); i++) {
        const struct uuid topic = reader_uuid(reader);
        const uint32_t partitions = read_count(reader);
        for (uint32_t j = 0; j < partitions && reader_ok(reader); j++) {
            if (count == max) reader_fail(reader);
            else list[count++] = (struct part){ topic, reader_int32(reader) };
        }
        reader_skip_tags(reader);
    }
    return (struct part_list){ list, reader_ok(reader) ? parts_sort(list, count) : 0 };
}

static void write_parts(struct writer *writer, struct part_list parts)
{
    writer_uvarint(writer, parts_topic_count(parts) + 1);
    while (parts.count > 0) {
        const uint32_t count = parts_of_topic(parts);
        writer_uuid(writer, &parts.list[0].topic);
        writer_uvarint(writer, count + 1);
        for (uint32_t i = 0; i < count; i++) writer_int32(writer, parts.list[i].index);
        writer_uvarint(writer, 0);
        parts = (struct part_list){ parts.list + count, parts.count - count };
    }
}

/* ---- reading ---- */

bool consumer_group_value_read(struct bytes value, struct consumer_group_value *group)
{
    struct reader reader, tagged;
    int32_t tag;

    *group = (struct consumer_group_value){ 0 };
    if (!begin(&reader, value)) return false;
    group->epoch = reader_int32(&reader);
    struct tags tags = reader_tags(&reader);
    while ((tag = reader_tag(&reader, &tags, &tagged)) >= 0) {
        if (tag != TAG_HASH) continue;
        group->hash = reader_int64(&tagged);
        reader_join(&reader, &tagged);
    }
    return reader_ok(&reader);
}

struct supported supported_value_read(struct reader *reader)
{
    const struct bytes name = reader_string(reader, true, false);
    const struct supported read = { name, reader_bytes(reader, true, false) };

    reader_skip_tags(reader);
    return read;
}

/* A structure that may be null begins with a byte that says that it is not. */
static void read_classic(struct reader *reader, struct consumer_member_value *member)
{
    member->is_classic = reader_int8(reader) == 1;
    if (!member->is_classic) return;
    member->classic.session_ms = reader_int32(reader);
    member->classic.count = read_count(reader);
    member->classic.protocols.data = reader->at;
    for (uint32_t i = 0; i < member->classic.count && reader_ok(reader); i++) supported_value_read(reader);
    if (reader_ok(reader)) member->classic.protocols.size = (uint32_t)(reader->at - member->classic.protocols.data);
    reader_skip_tags(reader);
}

bool consumer_member_value_read(struct bytes value, struct consumer_member_value *member)
{
    struct reader reader, tagged;
    int32_t tag;

    *member = (struct consumer_member_value){ 0 };
    if (!begin(&reader, value)) return false;
    member->instance_id = reader_string(&reader, true, true);
    member->rack = reader_string(&reader, true, true);
    member->client_id = reader_string(&reader, true, false);
    member->client_host = reader_string(&reader, true, false);
    member->topics = read_texts(&reader);
    member->regex = reader_string(&reader, true, true);
    member->rebalance_ms = reader_int32(&reader);
    member->assignor = reader_string(&reader, true, true);
    struct tags tags = reader_tags(&reader);
    while ((tag = reader_tag(&reader, &tags, &tagged)) >= 0) {
        if (tag != TAG_CLASSIC) continue;
        read_classic(&tagged, member);
        reader_join(&reader, &tagged);
    }
    return reader_ok(&reader);
}

bool target_value_read(struct bytes value, int32_t *epoch)
{
    struct reader reader;

    *epoch = 0;
    if (!begin(&reader, value)) return false;
    *epoch = reader_int32(&reader);
    return end(&reader);
}

bool target_member_value_read(struct bytes value, struct part *list, uint32_t max, struct part_list *parts)
{
    struct reader reader;

    *parts = (struct part_list){ list, 0 };
    if (!begin(&reader, value)) return false;
    *parts = read_parts(&reader, list, max);
    return end(&reader);
}

bool current_member_value_read(struct bytes value, struct part *list, uint32_t max, struct member_standing *standing)
{
    struct reader reader;

    *standing = (struct member_standing){ 0 };
    if (!begin(&reader, value)) return false;
    standing->epoch = reader_int32(&reader);
    standing->previous_epoch = reader_int32(&reader);
    const int8_t phase = reader_int8(&reader);
    if (phase < MEMBER_STABLE || phase > MEMBER_UNRELEASED) return false;
    standing->phase = (enum member_phase)phase;
    standing->assigned = read_parts(&reader, list, max);
    const uint32_t used = standing->assigned.count;
    standing->revoking = read_parts(&reader, list + used, max - used);
    return end(&reader);
}

bool regex_value_read(struct bytes value, struct regex_value *regex)
{
    struct reader reader;

    *regex = (struct regex_value){ 0 };
    if (!begin(&reader, value)) return false;
    regex->topics = read_texts(&reader);
    regex->version = reader_int64(&reader);
    regex->time_ms = reader_int64(&reader);
    return end(&reader);
}

/* ---- writing ---- */

void consumer_group_value_write(struct writer *writer, const struct consumer_group_value *group)
{
    struct writer measured = writer_measuring();

    writer_int16(writer, VERSION);
    writer_int32(writer, group->epoch);
    writer_uvarint(writer, group->hash != 0);
    if (group->hash == 0) return;
    writer_int64(&measured, group->hash);
    writer_tag(writer, TAG_HASH, &measured);
    writer_int64(writer, group->hash);
}

static void write_classic(struct writer *writer, const struct classic_value *classic)
{
    struct bytes left = classic->protocols;
    uint32_t count = 0;

    for (; left.size > 0; count++) supported_next(&left);
    writer_int8(writer, 1);
    writer_int32(writer, classic->session_ms);
    writer_uvarint(writer, count + 1);
    for (left = classic->protocols; left.size > 0;) {
        const struct supported supported = supported_next(&left);
        writer_string(writer, true, false, supported.name);
        writer_bytes(writer, true, false, supported.subscription);
        writer_uvarint(writer, 0);
    }
    writer_uvarint(writer, 0);
}

void consumer_member_value_write(struct writer *writer, const struct consumer_member_value *member)
{
    struct writer measured = writer_measuring();

    writer_int16(writer, VERSION);
    writer_string(writer, true, true, member->instance_id);
    writer_string(writer, true, true, member->rack);
    writer_string(writer, true, false, member->client_id);
    writer_string(writer, true, false, member->client_host);
    write_names(writer, member->topics.texts);
    writer_string(writer, true, true, member->regex);
    writer_int32(writer, member->rebalance_ms);
    writer_string(writer, true, true, member->assignor);
    writer_uvarint(writer, member->is_classic);
    if (!member->is_classic) return;
    write_classic(&measured, &member->classic);
    writer_tag(writer, TAG_CLASSIC, &measured);
    write_classic(writer, &member->classic);
}

void target_value_write(struct writer *writer, int32_t epoch)
{
    writer_int16(writer, VERSION);
    writer_int32(writer, epoch);
    writer_uvarint(writer, 0);
}

void target_member_value_write(struct writer *writer, struct part_list parts)
{
    writer_int16(writer, VERSION);
    write_parts(writer, parts);
    writer_uvarint(writer, 0);
}

void current_member_value_write(struct writer *writer, const struct member_standing *standing)
{
    writer_int16(writer, VERSION);
    writer_int32(writer, standing->epoch);
    writer_int32(writer, standing->previous_epoch);
    writer_int8(writer, (int8_t)standing->phase);
    write_parts(writer, standing->assigned);
    write_parts(writer, standing->revoking);
    writer_uvarint(writer, 0);
}

void regex_value_write(struct writer *writer, const struct regex_value *regex)
{
    writer_int16(writer, VERSION);
    write_names(writer, regex->topics.texts);
    writer_int64(writer, regex->version);
    writer_int64(writer, regex->time_ms);
    writer_uvarint(writer, 0);
}
