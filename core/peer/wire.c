#include "peer/wire.h"

#include "base/check.h"
#include "base/crc32c.h"
#include "codec/reader.h"

enum {
    MAGIC = 0x43485250,        /* "CHRP" */
    CRC_BEGIN = 8,             /* size and checksum are not covered */
    INTRODUCTION_SIZE_MIN = 66 /* with two empty hosts */
};

_Static_assert(INTRODUCTION_SIZE_MIN + 2 * PEER_HOST_SIZE_MAX <= WIRE_HANDSHAKE_SIZE_MAX, "a handshake fits");

/* ---- frames ---- */

bool wire_head_read(const uint8_t *from, uint32_t payload_max, struct frame_head *head)
{
    *head = (struct frame_head){ load_u32(from), load_u32(from + 4), load_u32(from + 8), from[12] };
    if (head->size < WIRE_HEAD_SIZE || head->size - WIRE_HEAD_SIZE > payload_max) return false;
    if (head->checked > head->size - WIRE_HEAD_SIZE) return false;
    return (from[13] | from[14] | from[15]) == 0;
}

bool frame_is_whole(const uint8_t *frame, const struct frame_head *head)
{
    return crc32c(0, frame + CRC_BEGIN, WIRE_HEAD_SIZE - CRC_BEGIN + head->checked) == head->crc;
}

void wire_head_write(uint8_t *to, const struct frame_head *head)
{
    store_u32(to, head->size);
    store_u32(to + 4, head->crc);
    store_u32(to + 8, head->checked);
    store_u32(to + 12, (uint32_t)head->kind << 24);
}

uint32_t frame_crc_begin(uint8_t kind, uint32_t checked)
{
    uint8_t bytes[WIRE_HEAD_SIZE];

    wire_head_write(bytes, &(struct frame_head){ .checked = checked, .kind = kind });
    return crc32c(0, bytes + CRC_BEGIN, WIRE_HEAD_SIZE - CRC_BEGIN);
}

/* ---- handshakes ---- */

static struct bytes read_host(struct reader *reader)
{
    const uint8_t size = reader_uint8(reader);
    const uint8_t *host = reader_take(reader, size);

    if (host == NULL || size == 0) reader_fail(reader);
    for (uint32_t i = 0; host != NULL && i < size; i++) {
        if (host[i] <= ' ' || host[i] >= 0x7f) reader_fail(reader); /* it may stand in a line of the log */
    }
    return (struct bytes){ host, size };
}

bool introduction_read(struct bytes payload, struct introduction *introduction)
{
    struct reader reader = reader_of(payload);
    const uint32_t magic = reader_uint32(&reader);

    *introduction = (struct introduction){ .version_min = reader_uint16(&reader) };
    introduction->version_max = reader_uint16(&reader);
    const uint8_t channel = reader_uint8(&reader);
    introduction->channel = channel == WIRE_DATA ? WIRE_DATA : WIRE_CONTROL;
    reader_take(&reader, 3); /* for later versions */
    introduction->node_id = reader_int32(&reader);
    introduction->wanted_id = reader_int32(&reader);
    introduction->member_id = (uint64_t)reader_int64(&reader);
    introduction->cluster_id = reader_uuid(&reader);
    introduction->incarnation = reader_uuid(&reader);
    introduction->node_address.port = reader_uint16(&reader);
    introduction->wal_address.port = reader_uint16(&reader);
    introduction->node_address.host = read_host(&reader);
    introduction->wal_address.host = read_host(&reader);

    return reader_ok(&reader) && magic == MAGIC && channel <= WIRE_DATA && introduction->version_min >= 1 &&
           introduction->version_min <= introduction->version_max && introduction->node_id >= 1 &&
           introduction->wanted_id >= 0 && introduction->member_id != 0 && !uuid_is_zero(&introduction->incarnation) &&
           introduction->node_address.port != 0 && introduction->wal_address.port != 0;
}

static uint8_t *put_host(uint8_t *to, struct bytes host)
{
    CHECK(host.size > 0 && host.size <= PEER_HOST_SIZE_MAX);
    *to = (uint8_t)host.size;
    memcpy(to + 1, host.data, host.size);
    return to + 1 + host.size;
}

uint32_t introduction_write(uint8_t *to, const struct introduction *introduction)
{
    memset(to, 0, INTRODUCTION_SIZE_MIN);
    store_u32(to, MAGIC);
    store_u16(to + 4, introduction->version_min);
    store_u16(to + 6, introduction->version_max);
    to[8] = (uint8_t)introduction->channel;
    store_u32(to + 12, (uint32_t)introduction->node_id);
    store_u32(to + 16, (uint32_t)introduction->wanted_id);
    store_u64(to + 20, introduction->member_id);
    memcpy(to + 28, introduction->cluster_id.bytes, 16);
    memcpy(to + 44, introduction->incarnation.bytes, 16);
    store_u16(to + 60, introduction->node_address.port);
    store_u16(to + 62, introduction->wal_address.port);
    uint8_t *end = put_host(to + 64, introduction->node_address.host);
    end = put_host(end, introduction->wal_address.host);
    return (uint32_t)(end - to);
}

/* Numbers on the wire stay what they are, whatever becomes of the enum. */
static const enum peer_reason wire_reasons[] = {
    [1] = PEER_WRONG_VERSION, [2] = PEER_WRONG_CLUSTER, [3] = PEER_WRONG_NODE, [4] = PEER_DUPLICATE,
    [5] = PEER_ONESELF,       [6] = PEER_UNKNOWN,       [7] = PEER_NO_ROOM,    [8] = PEER_LINKED_ALREADY,
};

bool refusal_read(struct bytes payload, struct refusal *refusal)
{
    struct reader reader = reader_of(payload);
    const uint32_t magic = reader_uint32(&reader);

    *refusal = (struct refusal){ .version_min = reader_uint16(&reader) };
    refusal->version_max = reader_uint16(&reader);
    const uint8_t reason = reader_uint8(&reader);
    reader_take(&reader, 3);
    refusal->node_id = reader_int32(&reader);
    refusal->cluster_id = reader_uuid(&reader);
    /* A reason of a later version is a refusal all the same. */
    refusal->reason = reason >= 1 && reason < COUNT_OF(wire_reasons) ? wire_reasons[reason] : PEER_WRONG_VERSION;
    return reader_ok(&reader) && magic == MAGIC && refusal->node_id >= 1;
}

uint32_t refusal_write(uint8_t *to, const struct refusal *refusal)
{
    uint8_t reason = 1;

    while (reason < COUNT_OF(wire_reasons) && wire_reasons[reason] != refusal->reason) reason++;
    CHECK(reason < COUNT_OF(wire_reasons));
    store_u32(to, MAGIC);
    store_u16(to + 4, refusal->version_min);
    store_u16(to + 6, refusal->version_max);
    store_u32(to + 8, (uint32_t)reason << 24);
    store_u32(to + 12, (uint32_t)refusal->node_id);
    memcpy(to + 16, refusal->cluster_id.bytes, 16);
    return 32;
}
