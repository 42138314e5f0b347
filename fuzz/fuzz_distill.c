/* A batch of any bytes, distilled: it ends, and what is left of one whose records can be read is a batch that stands
 * for the same offsets, says nothing that the other one did not say, and is left alone the next time. */
#include "log/distill.h"

#include <stdlib.h>

enum { ROOM = 64 * 1024, HEAD_SIZE = 4, MAP_SIZE = 8 * 1024 };

static uint8_t unpacked[ROOM], kept[ROOM], again[ROOM], opened[ROOM];
static _Alignas(16) uint8_t scratch[COMPRESSION_SCRATCH_SIZE], other_scratch[DECOMPRESSION_SCRATCH_SIZE];
static _Alignas(64) uint8_t slots[MAP_SIZE];
static const struct distill_memory memory = { unpacked, kept, ROOM, ROOM, scratch };

static void must(bool holds)
{
    if (!holds) abort();
}

static uint32_t records_of(const struct record_batch *batch)
{
    const struct compression_memory from = { opened, ROOM, other_scratch, sizeof other_scratch };
    struct record_iterator iterator;
    struct record record;
    struct bytes records;
    uint32_t count = 0;

    must(record_batch_open(batch, &from, &records) == COMPRESSION_OK);
    record_iterator_init(&iterator, batch, records);
    while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
        must(record.key.data != NULL && record.offset_delta >= 0 && record.offset_delta <= batch->last_offset_delta);
        count++;
    }
    return count;
}

static void judge_left(const struct record_batch *batch, const struct distill_rules *rules, bool head_stays,
                       struct bytes bytes)
{
    struct distilled distilled;
    struct record_batch left;

    must(bytes.size <= ROOM);
    memcpy(again, bytes.data, bytes.size);
    must(record_batch_read((struct bytes){ again, bytes.size }, &left) == RECORD_BATCH_WHOLE);
    must(left.bytes.size == bytes.size && record_batch_crc_matches(&left));
    must(left.base_offset == batch->base_offset && left.last_offset_delta == batch->last_offset_delta);
    must(left.leader_epoch == batch->leader_epoch && left.producer_id == batch->producer_id);
    must(left.producer_epoch == batch->producer_epoch && left.base_sequence == batch->base_sequence);
    must((uint32_t)left.record_count == records_of(&left) && left.record_count <= batch->record_count);
    must(distill_batch(&left, rules, head_stays, &memory, &distilled) == DISTILL_SAME);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_batch batch;
    struct distilled distilled;
    struct key_map keys;

    if (size < HEAD_SIZE || size > ROOM) return 0;
    const struct bytes bytes = { data + HEAD_SIZE, (uint32_t)(size - HEAD_SIZE) };
    if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE) return 0;
    if (batch.base_offset < 0 || batch.last_offset_delta < 0 || batch.record_count < 0) return 0; /* its reader looks */
    if (batch.base_offset > INT64_MAX - 1 - batch.last_offset_delta) return 0;
    memset(slots, 0, sizeof slots);
    key_map_init(&keys, slots, sizeof slots, 7);
    if ((data[0] & 1) != 0 && distill_map(&batch, &keys, &memory, &distilled) != DISTILL_SAME) return 0;
    const struct distill_rules rules = {
        .keys = &keys,
        .mapped_end = (data[0] & 2) != 0 ? record_batch_last_offset(&batch) : INT64_MAX,
        .now_ms = (int64_t)data[1] << 33,
        .delete_retention_ms = (data[0] & 4) != 0 ? INT64_MAX : 1 + data[2],
    };
    const bool head_stays = (data[0] & 8) != 0;
    if (distill_batch(&batch, &rules, head_stays, &memory, &distilled) == DISTILL_WRITTEN) {
        judge_left(&batch, &rules, head_stays, distilled.batch);
    }
    return 0;
}
