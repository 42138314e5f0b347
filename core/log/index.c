#include "log/index.h"

#include "base/check.h"

struct segment_mark segment_mark_empty(int64_t base_offset)
{
    return (struct segment_mark){
        .end_offset = base_offset,
        .largest_timestamp = -1,
        .largest_timestamp_offset = base_offset,
        .indexed_timestamp = -1,
    };
}

static void add_time_entry(struct segment_mark *mark, int64_t base_offset, struct index_entries *entries)
{
    if (mark->largest_timestamp <= mark->indexed_timestamp) return;
    uint8_t *to = entries->time_index + entries->time_index_size;
    store_u64(to, (uint64_t)mark->largest_timestamp);
    store_u32(to + 8, (uint32_t)(mark->largest_timestamp_offset - base_offset));
    entries->time_index_size += TIME_INDEX_ENTRY_SIZE;
    mark->time_index_size += TIME_INDEX_ENTRY_SIZE;
    mark->indexed_timestamp = mark->largest_timestamp;
}

void segment_mark_add(struct segment_mark *mark, int64_t base_offset, const struct indexed_batch *batch,
                      uint32_t interval_size, struct index_entries *entries)
{
    CHECK(batch->last_offset >= mark->end_offset && batch->last_offset - base_offset <= INT32_MAX);
    if (mark->largest_timestamp < batch->max_timestamp) {
        mark->largest_timestamp = batch->max_timestamp;
        mark->largest_timestamp_offset = batch->last_offset;
    }
    if (mark->unindexed_size > interval_size) {
        const int64_t named = batch->last_offset + (MUTANT(index_names_next_offset) ? 1 : 0);
        uint8_t *to = entries->index + entries->index_size;
        store_u32(to, (uint32_t)(named - base_offset));
        store_u32(to + 4, mark->size);
        entries->index_size += INDEX_ENTRY_SIZE;
        mark->index_size += INDEX_ENTRY_SIZE;
        add_time_entry(mark, base_offset, entries);
        mark->unindexed_size = 0;
    }
    mark->end_offset = batch->last_offset + 1;
    mark->size += batch->size;
    mark->unindexed_size += batch->size;
}

void segment_mark_forget_indexes(struct segment_mark *mark)
{
    mark->index_size = INDEX_SIZE_UNKNOWN;
    mark->time_index_size = INDEX_SIZE_UNKNOWN;
}

void segment_mark_close(struct segment_mark *mark, int64_t base_offset, struct index_entries *entries)
{
    add_time_entry(mark, base_offset, entries);
}

struct index_entry index_entry_read(const uint8_t *bytes, int64_t base_offset)
{
    return (struct index_entry){ base_offset + (int32_t)load_u32(bytes), load_u32(bytes + 4) };
}

struct time_index_entry time_index_entry_read(const uint8_t *bytes, int64_t base_offset)
{
    return (struct time_index_entry){ (int64_t)load_u64(bytes), base_offset + (int32_t)load_u32(bytes + 8) };
}
