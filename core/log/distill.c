#include "log/distill.h"

#include "base/check.h"

/* ---- its records ---- */

/* One of a transaction may have been aborted, and a marker says so: neither says anything about keys. */
static bool stands_apart(const struct record_batch *batch)
{
    return (batch->attributes & (RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL)) != 0;
}

static enum distill_verdict open_batch(const struct record_batch *batch, const struct distill_memory *memory,
                                       struct bytes *records)
{
    const struct compression_memory unpack = { memory->unpacked, memory->unpacked_size, memory->scratch,
                                               COMPRESSION_SCRATCH_SIZE };

    switch (record_batch_open(batch, &unpack, records)) {
    case COMPRESSION_OK: return DISTILL_SAME;
    case COMPRESSION_TOO_LARGE: return DISTILL_TOO_LARGE;
    case COMPRESSION_CORRUPT:
    case COMPRESSION_UNKNOWN: break;
    }
    return DISTILL_UNREADABLE;
}

/* Steps through records whose offsets rise within their batch. */
struct walk {
    struct record_iterator iterator;
    struct record record;
    struct bytes bytes; /* of the record */
    int32_t delta_min;
};

static void walk_begin(struct walk *walk, const struct record_batch *batch, struct bytes records)
{
    record_iterator_init(&walk->iterator, batch, records);
    walk->delta_min = 0;
}

static enum record_iteration walk_next(struct walk *walk)
{
    const uint8_t *begin = walk->iterator.at;
    const enum record_iteration iteration = record_iterator_next(&walk->iterator, &walk->record);
    if (iteration != RECORD_NEXT) return iteration;

    const int32_t delta = walk->record.offset_delta;
    if (delta < walk->delta_min || delta > walk->iterator.batch->last_offset_delta) return RECORD_MALFORMED;
    walk->delta_min = delta < INT32_MAX ? delta + 1 : delta;
    walk->bytes = (struct bytes){ begin, (uint32_t)(walk->iterator.at - begin) };
    return RECORD_NEXT;
}

/* ---- which ones stay ---- */

struct chosen {
    uint32_t count;
    uint32_t size;
    uint32_t keyless;
    bool tombstones;       /* some of them have no value */
    int64_t max_timestamp; /* of those that stay */
};

static bool stays(const struct record_batch *batch, const struct record *record, const struct distill_rules *rules)
{
    const bool has_horizon = (batch->attributes & RECORD_BATCH_DELETE_HORIZON) != 0;
    const int64_t offset = record_offset(batch, record);

    if (record->key.data == NULL) return false;
    if (MUTANT(compaction_keeps_the_first) && key_map_get(rules->keys, record->key) == offset) return false;
    if (offset < key_map_get(rules->keys, record->key)) return false;
    if (record->value.data != NULL) return true;
    if (rules->keeps_tombstones) return true;
    return (!has_horizon || rules->now_ms < batch->base_timestamp) && !MUTANT(compaction_drops_tombstones_at_once);
}

static enum distill_verdict choose(const struct record_batch *batch, struct bytes records,
                                   const struct distill_rules *rules, struct chosen *chosen)
{
    enum record_iteration iteration;
    struct walk walk;

    *chosen = (struct chosen){ .max_timestamp = NO_TIMESTAMP };
    walk_begin(&walk, batch, records);
    while ((iteration = walk_next(&walk)) == RECORD_NEXT) {
        chosen->keyless += walk.record.key.data == NULL;
        if (!stays(batch, &walk.record, rules)) continue;
        chosen->count++;
        chosen->size += walk.bytes.size;
        chosen->tombstones |= walk.record.value.data == NULL;
        chosen->max_timestamp = MAX(chosen->max_timestamp, record_timestamp(batch, &walk.record));
    }
    return iteration == RECORD_END ? DISTILL_SAME : DISTILL_UNREADABLE;
}

/* ---- the batch that they make ---- */

static void write_records(const struct record_batch *batch, struct bytes records, const struct distill_rules *rules,
                          int64_t base_timestamp, uint8_t *to, uint32_t *size)
{
    uint8_t *begin = to;
    struct walk walk;

    walk_begin(&walk, batch, records);
    while (walk_next(&walk) == RECORD_NEXT) {
        if (!stays(batch, &walk.record, rules)) continue;
        if (base_timestamp == batch->base_timestamp) {
            memcpy(to, walk.bytes.data, walk.bytes.size);
            to += walk.bytes.size;
        } else {
            const uint64_t timestamp = (uint64_t)batch->base_timestamp + (uint64_t)walk.record.timestamp_delta;
            to = record_write_retimed(to, walk.bytes, (int64_t)(timestamp - (uint64_t)base_timestamp));
        }
    }
    *size = (uint32_t)(to - begin);
}

/* A head without records, as Kafka writes it. */
static struct bytes write_empty(const struct record_batch *batch, uint8_t *to)
{
    struct record_batch empty = *batch;

    empty.attributes &= RECORD_BATCH_LOG_APPEND_TIME;
    empty.base_timestamp = NO_TIMESTAMP;
    empty.record_count = 0;
    record_batch_write_head(to, RECORD_BATCH_HEAD_SIZE, &empty);
    return (struct bytes){ to, RECORD_BATCH_HEAD_SIZE };
}

/* Packs what lies behind the place of the head in `kept`; the unpacked records are not needed any more. */
static enum distill_verdict pack(const struct record_batch *head, uint32_t size, const struct distill_memory *memory,
                                 struct bytes *batch)
{
    const struct bytes plain = { memory->kept + RECORD_BATCH_HEAD_SIZE, size };
    const struct compression_memory packing = { memory->unpacked + RECORD_BATCH_HEAD_SIZE,
                                                memory->unpacked_size - RECORD_BATCH_HEAD_SIZE, memory->scratch,
                                                COMPRESSION_SCRATCH_SIZE };
    uint8_t *to = memory->kept;
    struct bytes packed = plain;

    if (record_batch_compression(head) != COMPRESSION_NONE) {
        to = memory->unpacked;
        if (compression_compress(record_batch_compression(head), plain, &packing, &packed) != COMPRESSION_OK) {
            return DISTILL_TOO_LARGE;
        }
    }
    *batch = (struct bytes){ to, RECORD_BATCH_HEAD_SIZE + packed.size };
    record_batch_write_head(to, batch->size, head);
    return DISTILL_WRITTEN;
}

static enum distill_verdict write_chosen(const struct record_batch *batch, struct bytes records,
                                         const struct distill_rules *rules, const struct chosen *chosen,
                                         bool begins_horizon, const struct distill_memory *memory, struct bytes *left)
{
    const uint64_t growth = begins_horizon ? (uint64_t)chosen->count * RECORD_RETIMED_GROWTH_MAX : 0;
    struct record_batch head = *batch;
    uint32_t size;

    if (RECORD_BATCH_HEAD_SIZE + chosen->size + growth > memory->kept_size) return DISTILL_TOO_LARGE;
    head.record_count = (int32_t)chosen->count;
    if ((batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) == 0) head.max_timestamp = chosen->max_timestamp;
    if (begins_horizon) {
        const bool for_ever = rules->delete_retention_ms > INT64_MAX - rules->now_ms;
        head.base_timestamp = for_ever ? INT64_MAX : rules->now_ms + rules->delete_retention_ms;
        head.attributes |= RECORD_BATCH_DELETE_HORIZON;
    }
    write_records(batch, records, rules, head.base_timestamp, memory->kept + RECORD_BATCH_HEAD_SIZE, &size);
    return pack(&head, size, memory, left);
}

enum distill_verdict distill_batch(const struct record_batch *batch, const struct distill_rules *rules, bool head_stays,
                                   const struct distill_memory *memory, struct distilled *distilled)
{
    struct bytes records;
    struct chosen chosen;

    *distilled = (struct distilled){ .unpacked_size = batch->bytes.size };
    if (stands_apart(batch) || record_batch_last_offset(batch) >= rules->mapped_end) return DISTILL_SAME;
    if (batch->record_count == 0) return head_stays ? DISTILL_SAME : DISTILL_GONE;
    enum distill_verdict verdict = open_batch(batch, memory, &records);
    if (verdict != DISTILL_SAME) return verdict;
    distilled->unpacked_size = records.size;
    verdict = choose(batch, records, rules, &chosen);
    if (verdict != DISTILL_SAME) return verdict;

    distilled->removed_count = (uint32_t)batch->record_count - chosen.count;
    distilled->keyless_count = chosen.keyless;
    const bool begins_horizon =
        chosen.tombstones && !rules->keeps_tombstones && (batch->attributes & RECORD_BATCH_DELETE_HORIZON) == 0;
    if (distilled->removed_count == 0 && !begins_horizon) return DISTILL_SAME;
    if (chosen.count > 0) {
        return write_chosen(batch, records, rules, &chosen, begins_horizon, memory, &distilled->batch);
    }
    if (!head_stays) return DISTILL_GONE;
    distilled->batch = write_empty(batch, memory->kept);
    return DISTILL_WRITTEN;
}

enum distill_verdict distill_map(const struct record_batch *batch, struct key_map *keys,
                                 const struct distill_memory *memory, struct distilled *distilled)
{
    enum record_iteration iteration;
    struct bytes records;
    struct walk walk;

    *distilled = (struct distilled){ .unpacked_size = batch->bytes.size };
    if (stands_apart(batch) || batch->record_count <= 0) return DISTILL_SAME;
    if (!key_map_has_room(keys, (uint32_t)batch->record_count)) return DISTILL_GONE;
    const enum distill_verdict verdict = open_batch(batch, memory, &records);
    if (verdict != DISTILL_SAME) return verdict;
    distilled->unpacked_size = records.size;
    walk_begin(&walk, batch, records);
    while ((iteration = walk_next(&walk)) == RECORD_NEXT) {
        if (walk.record.key.data == NULL) continue;
        key_map_put(keys, walk.record.key, record_offset(batch, &walk.record));
    }
    return iteration == RECORD_END ? DISTILL_SAME : DISTILL_UNREADABLE;
}
