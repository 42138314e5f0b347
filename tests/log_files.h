/* log_files.h -- a log's files as Kafka's dump tool looks at them: whole batches, and indexes that name them. */
#ifndef CHRONIK_TESTS_LOG_FILES_H
#define CHRONIK_TESTS_LOG_FILES_H

#include "log_world.h"

static const struct disk_inode *world_file(struct world *world, const struct segment *segment, enum segment_file file)
{
    char path[PATH_SIZE_MAX];

    segment_path(world->logs, segment, file, path);
    return &world->disk.inodes[disk_inode_of(&world->disk, path)]; /* inode 0 is empty */
}

/* Where in the segment the batch with that last offset lies; -1: there is none. */
static int64_t world_position(const struct disk_inode *node, int64_t last_offset, int64_t *max_timestamp)
{
    struct record_batch batch;

    for (uint64_t at = 0; at < node->now_size; at += batch.bytes.size) {
        const struct bytes bytes = { node->now + at, (uint32_t)(node->now_size - at) };
        WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
        WORLD_CHECK(record_batch_crc_matches(&batch));
        *max_timestamp = batch.max_timestamp;
        if (record_batch_last_offset(&batch) == last_offset) return (int64_t)at;
    }
    return -1;
}

static void world_judge_segment(struct world *world, const struct segment *segment)
{
    const struct disk_inode *bytes = world_file(world, segment, SEGMENT_LOG);
    const struct disk_inode *index = world_file(world, segment, SEGMENT_INDEX);
    const struct disk_inode *time_index = world_file(world, segment, SEGMENT_TIME_INDEX);
    int64_t max_timestamp, previous = -1;

    if ((segment->flags & SEGMENT_CUTTING) != 0) return; /* somebody still reads it */
    WORLD_CHECK(bytes->now_size == segment->written.size);
    WORLD_CHECK(world_position(bytes, INT64_MAX, &max_timestamp) == -1);
    /* One that nobody has missed yet has no entry, or right ones: those who read it there ask no checkpoint. */
    const bool bad = (segment->flags & SEGMENT_INDEX_BAD) != 0;
    WORLD_CHECK(bad ? index->now_size % INDEX_ENTRY_SIZE == 0 : index->now_size == segment->written.index_size);
    for (uint64_t at = 0; at < index->now_size; at += INDEX_ENTRY_SIZE) {
        const struct index_entry entry = index_entry_read(index->now + at, segment->base_offset);
        WORLD_CHECK(entry.last_offset > previous);
        WORLD_CHECK(world_position(bytes, entry.last_offset, &max_timestamp) == entry.position);
        previous = entry.last_offset;
    }
    const uint64_t half = time_index->now_size % TIME_INDEX_ENTRY_SIZE;
    WORLD_CHECK(bad ? half == 0 : time_index->now_size == segment->written.time_index_size);
    previous = -1;
    for (uint64_t at = 0; at < time_index->now_size; at += TIME_INDEX_ENTRY_SIZE) {
        const struct time_index_entry entry = time_index_entry_read(time_index->now + at, segment->base_offset);
        WORLD_CHECK(entry.timestamp > previous);
        WORLD_CHECK(world_position(bytes, entry.last_offset, &max_timestamp) >= 0);
        WORLD_CHECK(entry.timestamp == max_timestamp);
        previous = entry.timestamp;
    }
}

/* The files of all logs are whole, and hold nothing else. Only at rest, and while no bit was turned over. */
static void world_judge_files(struct world *world)
{
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        if (!world->kept[log].open) continue;
        for (uint32_t at = world->logs->logs[log].first_segment; at != SEGMENT_NONE;
             at = world->logs->segments[at].next) {
            world_judge_segment(world, &world->logs->segments[at]);
            world->files_judged++;
        }
    }
}

#endif
