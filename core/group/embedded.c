#include "group/embedded.h"

#include "base/check.h"

enum { SIZE_SIZE = 4, PARTITION_SIZE = 4, FIRST_WITH_OWNED = 1, FIRST_WITH_GENERATION = 2, FIRST_WITH_RACK = 3 };

/* ---- what they support ---- */

static struct bytes take_sized(struct bytes *text)
{
    const struct bytes taken = { text->data + SIZE_SIZE, load_u32(text->data) };

    *text = (struct bytes){ taken.data + taken.size, text->size - SIZE_SIZE - taken.size };
    return taken;
}

struct supported supported_next(struct bytes *protocols)
{
    const struct bytes name = take_sized(protocols);

    return (struct supported){ name, take_sized(protocols) };
}

uint64_t supported_size(const struct supported *supported)
{
    return 2 * SIZE_SIZE + (uint64_t)supported->name.size + supported->subscription.size;
}

static uint8_t *put_sized(uint8_t *to, struct bytes bytes)
{
    store_u32(to, bytes.size);
    if (bytes.size > 0) memcpy(to + SIZE_SIZE, bytes.data, bytes.size);
    return to + SIZE_SIZE + bytes.size;
}

uint8_t *supported_put(uint8_t *to, const struct supported *supported)
{
    return put_sized(put_sized(to, supported->name), supported->subscription);
}

/* ---- topics ---- */

bool embedded_name(struct embedded_topics *topics, struct bytes *name)
{
    if (topics->left == 0) return false;
    topics->left--;
    *name = reader_string(&topics->reader, false, false);
    return true;
}

bool embedded_topic(struct embedded_topics *topics, struct bytes *name, uint32_t *partitions)
{
    if (!embedded_name(topics, name)) return false;
    *partitions = reader_uint32(&topics->reader);
    return true;
}

/* How many elements follow. */
static struct embedded_topics begin(struct reader *reader)
{
    const int32_t count = reader_int32(reader);

    if (count < 0) reader_fail(reader);
    return (struct embedded_topics){ *reader, reader_ok(reader) ? (uint32_t)count : 0 };
}

static struct embedded_topics read_names(struct reader *reader)
{
    const struct embedded_topics read = begin(reader);

    for (uint32_t i = 0; i < read.left && reader_ok(reader); i++) reader_string(reader, false, false);
    return read;
}

static struct embedded_topics read_topics(struct reader *reader)
{
    const struct embedded_topics read = begin(reader);

    for (uint32_t i = 0; i < read.left && reader_ok(reader); i++) {
        reader_string(reader, false, false);
        const uint32_t count = reader_uint32(reader);
        if (count > reader_left(reader) / PARTITION_SIZE) reader_fail(reader);
        else reader_take(reader, count * PARTITION_SIZE);
    }
    return read;
}

/* ---- all of it ---- */

bool subscription_read(struct bytes bytes, struct subscription *subscription)
{
    struct reader reader = reader_of(bytes);

    *subscription = (struct subscription){ .version = reader_int16(&reader) };
    if (subscription->version < 0) return false;
    subscription->names = read_names(&reader);
    reader_bytes(&reader, false, true); /* what an assignor of its own has to say */
    if (subscription->version >= FIRST_WITH_OWNED) subscription->owned = read_topics(&reader);
    if (subscription->version >= FIRST_WITH_GENERATION) reader_int32(&reader);
    if (subscription->version >= FIRST_WITH_RACK) subscription->rack = reader_string(&reader, false, true);
    return reader_ok(&reader);
}

bool assignment_read(struct bytes bytes, struct assignment *assignment)
{
    struct reader reader = reader_of(bytes);

    *assignment = (struct assignment){ 0 };
    if (bytes.size == 0) return true;
    if (reader_int16(&reader) < 0) return false;
    assignment->topics = read_topics(&reader);
    assignment->has_user_data = reader_bytes(&reader, false, true).size > 0;
    return reader_ok(&reader);
}
