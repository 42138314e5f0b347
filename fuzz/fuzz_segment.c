/* A segment and its indexes of any bytes: reads and searches by time end, and what they point at lies in the file. An
 * index that lies costs a scan, never a wrong position: where a read is answered, the batch there has the offset. */
#include "log/batch_head.h"
#include "log/segments.h"

#include <stdlib.h>

enum { STEPS_MAX = 4000, FILE_MAX = 1 << 16 };

static struct logs *logs;
static struct effects effects, orders;
static uint8_t files[2 * SEGMENT_FILES][FILE_MAX]; /* behind the segment's, those that are being made anew */
static uint32_t sizes[2 * SEGMENT_FILES];

static void must(bool holds)
{
    if (!holds) abort();
}

/* An open log with one segment, which was written once upon a time. */
static void open_logs(int64_t base_offset, int64_t end_offset, int64_t largest_timestamp)
{
    const struct logs_config config = {
        .logs_max = 1,
        .segments_max = 4,
        .producers_max = 1,
        .journal_id = 1,
        .tail_unit_size = 4096,
        .tail_memory_size = 64 * 1024,
        .journal_file_size = 16 * 1024,
        .journal_files_max = 2,
        .hash_seed = 1,
        .producer_id_expiration_ms = 1000,
        .waiters_max = 4,
    };
    const struct log_rules rules = { .retention_ms = -1,
                                     .retention_size = -1,
                                     .segment_size = 1 << 20,
                                     .segment_ms = INT64_MAX,
                                     .index_interval_size = 100,
                                     .segment_index_size = 4096 };
    static void *memory;
    const struct uuid id = { { 1 } };
    const size_t size = logs_size(&config);

    if (memory == NULL) memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(memory, 0, size);
    logs = memory;
    logs_init(logs, &config);
    must(logs_open(logs, 0, &id, BYTES_LITERAL("t"), 0, &rules));
    logs->state = LOGS_OPEN;
    struct log *log = &logs->logs[0];
    struct segment *segment = &logs->segments[segment_add(logs, 0, base_offset, 0)];
    segment->flags = SEGMENT_SEALED;
    segment->written = (struct segment_mark){ .end_offset = end_offset,
                                              .largest_timestamp = largest_timestamp,
                                              .largest_timestamp_offset = end_offset - 1,
                                              .size = sizes[SEGMENT_LOG],
                                              .index_size = sizes[SEGMENT_INDEX],
                                              .time_index_size = sizes[SEGMENT_TIME_INDEX] };
    log->segments_size = log->end_position = log->written_position = log->durable_position = sizes[SEGMENT_LOG];
    log->log_start_offset = log->next_start_offset = base_offset;
    log->written_offset = log->durable_offset = log->log_end_offset = log->high_watermark = end_offset;
}

static bool ends(const char *path, const char *with)
{
    const size_t size = strlen(path), with_size = strlen(with);

    return size >= with_size && strcmp(path + size - with_size, with) == 0;
}

static uint32_t file_of(const char *path)
{
    if (ends(path, ".log")) return SEGMENT_LOG;
    if (ends(path, ".index")) return SEGMENT_INDEX;
    if (ends(path, ".timeindex")) return SEGMENT_TIME_INDEX;
    if (ends(path, ".index.new")) return SEGMENT_FILES + SEGMENT_INDEX;
    must(ends(path, ".timeindex.new"));
    return SEGMENT_FILES + SEGMENT_TIME_INDEX;
}

static void do_file(const struct effect_file *order)
{
    const uint32_t file = order->action == FILE_SYNC_DIRECTORY ? 0 : file_of(order->path);

    if (order->action == FILE_TRUNCATE) sizes[file] = (uint32_t)order->size;
    if (order->action == FILE_UNLINK) sizes[file] = 0;
    if (order->action == FILE_RENAME) {
        const uint32_t to = file_of(order->to);
        memcpy(files[to], files[file], sizes[file]);
        sizes[to] = sizes[file];
        sizes[file] = 0;
    }
}

static void answer(const struct effect *order, struct event *event)
{
    struct event_disk *disk = &event->disk;

    if (order->type == EFFECT_READ) {
        const uint32_t file = file_of(order->read.path);
        event->type = EVENT_READ_DONE;
        disk->op = order->read.op;
        if (order->read.position >= sizes[file]) return;
        disk->size = MIN(order->read.size, sizes[file] - (uint32_t)order->read.position);
        memcpy(order->read.into, files[file] + order->read.position, disk->size);
    } else if (order->type == EFFECT_WRITE) {
        event->type = EVENT_WRITTEN;
        disk->op = order->write.op;
        uint64_t position = order->write.position;
        const uint32_t file = file_of(order->write.path);
        must(file != SEGMENT_LOG);
        for (uint32_t i = 0; i < order->write.piece_count; i++) {
            must(position + order->write.pieces[i].size <= FILE_MAX);
            memcpy(files[file] + position, order->write.pieces[i].data, order->write.pieces[i].size);
            position += order->write.pieces[i].size;
        }
        sizes[file] = MAX(sizes[file], (uint32_t)position);
    } else if (order->type == EFFECT_SYNC) {
        event->type = EVENT_SYNCED;
        disk->op = order->sync.op;
    } else {
        must(order->type == EFFECT_FILE);
        event->type = EVENT_FILE_DONE;
        disk->op = order->file.op;
        do_file(&order->file);
    }
}

static void take_orders(void)
{
    for (uint32_t i = 0; i < effects.count; i++) {
        if (effects.list[i].type != EFFECT_NOTE) orders.list[orders.count++] = effects.list[i];
    }
    effects.count = 0;
}

/* Runs until the waiter may ask again. */
static void wait_for(uint64_t waiter)
{
    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        struct event event = { .mono_ns = 1000 + step, .wall_ms = 1000 };
        if (logs_next_ready(logs) == waiter) return;
        must(orders.count > 0);
        answer(&orders.list[0], &event);
        memmove(&orders.list[0], &orders.list[1], --orders.count * sizeof orders.list[0]);
        logs_on_disk(logs, &event, &effects);
        take_orders();
    }
    abort();
}

static void read_at(int64_t offset)
{
    struct log_read read;
    struct batch_head head;

    for (int tries = 0; tries < 4; tries++) {
        const enum read_verdict verdict = logs_read(logs, 0, offset, INT64_MAX, 1000, true, 7, &read, &effects);
        take_orders();
        if (verdict == READ_WAITS || verdict == READ_BUSY) {
            wait_for(7);
            continue;
        }
        if (verdict != READ_OK || read.piece_count == 0) return;
        const struct piece *piece = &read.pieces[0];
        must(piece->position + piece->size <= sizes[SEGMENT_LOG] && piece->size >= BATCH_HEAD_SIZE);
        must(batch_head_read(files[SEGMENT_LOG] + piece->position, &head));
        must(offset <= head.last_offset); /* where offsets leave a gap, it is the first batch behind it */
        logs_unpin(logs, &read);
        return;
    }
}

static void find_time(int64_t timestamp)
{
    struct time_answer found;

    for (int tries = 0; tries < 4; tries++) {
        const enum read_verdict verdict = logs_find_time(logs, 0, timestamp, 9, &found, &effects);
        take_orders();
        if (verdict != READ_WAITS && verdict != READ_BUSY) return;
        wait_for(9);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 16) return 0;
    const int64_t base_offset = load_u16(data), count = 1 + load_u16(data + 2);
    const uint32_t index_size = data[4] * INDEX_ENTRY_SIZE, time_index_size = data[5] * TIME_INDEX_ENTRY_SIZE;
    const int64_t offset = base_offset + load_u16(data + 6) % count;
    const int64_t timestamp = load_u32(data + 8), largest_timestamp = load_u32(data + 12);

    data += 16;
    size -= 16;
    if (size < (size_t)index_size + time_index_size + 1 || size > FILE_MAX) return 0;
    sizes[SEGMENT_INDEX] = index_size;
    sizes[SEGMENT_TIME_INDEX] = time_index_size;
    sizes[SEGMENT_LOG] = (uint32_t)size - index_size - time_index_size;
    memcpy(files[SEGMENT_INDEX], data, index_size);
    memcpy(files[SEGMENT_TIME_INDEX], data + index_size, time_index_size);
    memcpy(files[SEGMENT_LOG], data + index_size + time_index_size, sizes[SEGMENT_LOG]);
    effects.count = orders.count = 0;
    open_logs(base_offset, base_offset + count, largest_timestamp);
    find_time(timestamp);
    read_at(offset);
    find_time(LOOKUP_MAX_TIMESTAMP);
    read_at(base_offset);
    return 0;
}
