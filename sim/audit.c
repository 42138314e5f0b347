#include "sim/audit.h"

#include "base/crc32c.h"
#include "codec/record_batch.h"
#include "log/index.h"
#include "log/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file {
    uint8_t *bytes;
    uint32_t size;
};

/* What is known of a segment while its indexes are read. */
struct audited {
    struct judge *judge;
    struct plane *plane;
    uint32_t machine;
    const struct judged_partition *partition; /* NULL: of a topic that nobody has told the judge of */
    const char *path;
    int64_t base_offset;
    int64_t end_offset;
    struct file log;
};

/* The path of one segment's file, by that of its .log. */
static struct file load(const struct disk *disk, const char *log_path, const char *extension)
{
    char path[PATH_SIZE_MAX + 16];
    const size_t stem = strlen(log_path) - strlen(".log");
    struct file file = { .bytes = malloc(1) };

    snprintf(path, sizeof path, "%.*s%s", (int)stem, log_path, extension);
    const uint32_t known = path_known(&disk->paths, path);
    const uint32_t inode = known == PATH_NONE ? INODE_NONE : names_get(&disk->now, known);
    if (inode == INODE_NONE || inode == INODE_DIRECTORY) return file;
    file.size = disk->inodes[inode].size;
    file.bytes = realloc(file.bytes, (size_t)file.size + 1);
    content_read(&disk->inodes[inode], 0, file.bytes, file.size);
    return file;
}

/* Of all its bytes; the epoch in its head is covered by no checksum of its own. */
static uint64_t digest_of(const struct record_batch *batch)
{
    return ((uint64_t)crc32c(1, batch->bytes.data, batch->bytes.size) << 32 | batch->bytes.size) | 1;
}

/* In some runs all logs are compacted, and that of the offsets of consumer groups is in all. */
static bool compacts(const struct judge *judge, const char *path)
{
    return judge->compacts || strstr(path, "__consumer_offsets.") != NULL;
}

static void audit_batches(struct audited *segment)
{
    struct bytes left = { segment->log.bytes, segment->log.size };
    struct record_batch batch;

    segment->end_offset = segment->base_offset;
    for (; left.size > 0; left.data += batch.bytes.size, left.size -= batch.bytes.size) {
        const uint32_t at = segment->log.size - left.size;
        if (record_batch_read(left, &batch) != RECORD_BATCH_WHOLE || !record_batch_crc_matches(&batch)) {
            judge_violated(segment->judge, RULE_F, "%s: no whole batch at %u", segment->path, at);
            return;
        }
        const bool compacted = compacts(segment->judge, segment->path) && batch.base_offset > segment->end_offset;
        if (batch.base_offset != segment->end_offset && !compacted) {
            judge_violated(segment->judge, RULE_F, "%s: offset %lld at %u, where %lld is expected", segment->path,
                           (long long)batch.base_offset, at, (long long)segment->end_offset);
            return;
        }
        /* Each replica compacts for itself: what they have of a batch differs. */
        if (segment->partition != NULL && !compacts(segment->judge, segment->path)) {
            plane_on_stored(segment->plane, segment->judge, segment->machine, segment->partition, batch.base_offset,
                            digest_of(&batch));
        }
        segment->end_offset = record_batch_last_offset(&batch) + 1;
    }
}

static void audit_index(struct audited *segment, struct bytes index)
{
    int64_t last_offset = -1;
    uint32_t position = 0;

    for (; index.size >= INDEX_ENTRY_SIZE; index.data += INDEX_ENTRY_SIZE, index.size -= INDEX_ENTRY_SIZE) {
        const struct index_entry entry = index_entry_read(index.data, segment->base_offset);
        struct record_batch batch;
        const struct bytes there = { segment->log.bytes + MIN(entry.position, segment->log.size),
                                     segment->log.size - MIN(entry.position, segment->log.size) };
        if (entry.last_offset <= last_offset || (last_offset >= 0 && entry.position <= position)) {
            judge_violated(segment->judge, RULE_F, "%s: its index does not rise at offset %lld", segment->path,
                           (long long)entry.last_offset);
        }
        if (record_batch_read(there, &batch) != RECORD_BATCH_WHOLE ||
            record_batch_last_offset(&batch) != entry.last_offset) {
            judge_violated(segment->judge, RULE_F, "%s: its index has offset %lld at %u", segment->path,
                           (long long)entry.last_offset, entry.position);
            return;
        }
        last_offset = entry.last_offset;
        position = entry.position;
    }
    if (index.size > 0) judge_violated(segment->judge, RULE_F, "%s: its index ends in half an entry", segment->path);
}

static void audit_time_index(struct audited *segment, struct bytes index)
{
    struct bytes left = { segment->log.bytes, segment->log.size };
    int64_t largest = -1, previous = -1, end_offset = segment->base_offset;

    for (; index.size >= TIME_INDEX_ENTRY_SIZE;
         index.data += TIME_INDEX_ENTRY_SIZE, index.size -= TIME_INDEX_ENTRY_SIZE) {
        const struct time_index_entry entry = time_index_entry_read(index.data, segment->base_offset);
        struct record_batch batch;
        while (end_offset <= entry.last_offset && record_batch_read(left, &batch) == RECORD_BATCH_WHOLE) {
            if (batch.record_count > 0) largest = MAX(largest, batch.max_timestamp);
            end_offset = record_batch_last_offset(&batch) + 1;
            left.data += batch.bytes.size;
            left.size -= batch.bytes.size;
        }
        if (end_offset != entry.last_offset + 1 || largest != entry.timestamp || entry.timestamp <= previous) {
            judge_violated(segment->judge, RULE_F, "%s: its time index has %lld up to offset %lld, where %lld is right",
                           segment->path, (long long)entry.timestamp, (long long)entry.last_offset, (long long)largest);
            return;
        }
        previous = entry.timestamp;
    }
    if (index.size > 0) judge_violated(segment->judge, RULE_F, "%s: half an entry in its time index", segment->path);
}

/* Whose files lie in the directory of "wal/<topic>.<id>/<partition>/<file>"; NULL: nobody has told the judge. */
static const struct judged_partition *partition_of(const struct judge *judge, const char *path)
{
    const char *topic = strchr(path, '/'), *index = topic == NULL ? NULL : strchr(topic + 1, '/');
    struct uuid id;

    if (index == NULL) return NULL;
    const struct bytes name = { (const uint8_t *)topic + 1, (uint32_t)(index - topic - 1) };
    if (!topic_directory_read(name, &id)) return NULL;
    for (uint32_t i = 0; i < judge->partition_count; i++) {
        const struct judged_partition *partition = &judge->partitions[i];
        if (uuid_equal(&partition->topic_id, &id) && partition->index == atoi(index + 1)) return partition;
    }
    return NULL;
}

/* One .log file with its indexes. */
static void audit_segment(const struct disk *disk, struct audited *segment)
{
    struct file index = load(disk, segment->path, ".index"), time_index = load(disk, segment->path, ".timeindex");

    segment->log = load(disk, segment->path, ".log");
    audit_batches(segment);
    audit_index(segment, (struct bytes){ index.bytes, index.size });
    audit_time_index(segment, (struct bytes){ time_index.bytes, time_index.size });
    free(segment->log.bytes);
    free(index.bytes);
    free(time_index.bytes);
}

void audit_files(const struct disk *disk, uint32_t machine, struct judge *judge, struct plane *plane)
{
    uint32_t count, directory = PATH_NONE;
    int64_t end_offset = -1;
    uint32_t *sorted = names_sorted(&disk->now, &disk->paths, PATH_NONE, &count);

    for (uint32_t i = 0; i < count; i++) {
        const struct path *path = &disk->paths.list[sorted[i]];
        const char *slash = strrchr(path->text, '/');
        int64_t base_offset;
        uint32_t edition;
        enum segment_file kind;
        if (slash == NULL) continue;
        const struct bytes name = { (const uint8_t *)slash + 1, (uint32_t)strlen(slash + 1) };
        if (!segment_name_read(name, &base_offset, &edition, &kind) || kind != SEGMENT_LOG) continue;
        /* Files below the log start offset go one by one. */
        const struct judged_partition *partition = partition_of(judge, path->text);
        const int64_t log_start = partition == NULL ? INT64_MAX : plane_log_start(plane, machine, partition);
        /* What was unlinked with a replica that was taken away may come back in a crash, in part: it is nobody's. */
        if (partition != NULL && log_start == INT64_MAX) continue;
        const bool dying = log_start >= base_offset || partition->may_retain || partition->start_asked >= base_offset;
        /* What was compacted lies there beside what it became, until that is due. */
        if (path->parent == directory && base_offset != end_offset && !dying && !compacts(judge, path->text)) {
            judge_violated(judge, RULE_F, "%s: follows a segment that ends at %lld", path->text, (long long)end_offset);
        }
        directory = path->parent;
        struct audited segment = { .judge = judge,
                                   .plane = plane,
                                   .machine = machine,
                                   .partition = partition,
                                   .path = path->text,
                                   .base_offset = base_offset };
        audit_segment(disk, &segment);
        end_offset = segment.end_offset;
    }
    free(sorted);
}
