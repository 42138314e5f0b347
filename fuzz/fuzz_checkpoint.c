/* A checkpoint file of any bytes: the logs open, or halt and say why. They never take it for more than it is, and
 * never read or write beyond their memory. The last bytes are made the file's checksum at times, so that what stands
 * in front of it is looked at too. */
#include "base/crc32c.h"
#include "log/checkpoint.h"

#include <stdlib.h>

enum { LOGS = 4, STEPS_MAX = 2000 };

static struct logs *logs;
static struct effects effects, orders;
static uint8_t file[1 << 16];
static uint32_t file_size;

static void must(bool holds)
{
    if (!holds) abort();
}

static void open_logs(void)
{
    const struct logs_config config = {
        .logs_max = LOGS,
        .segments_max = 64,
        .producers_max = 16,
        .journal_id = 1,
        .tail_unit_size = 4096,
        .tail_memory_size = 64 * 1024,
        .journal_file_size = 16 * 1024,
        .journal_files_max = 2,
        .hash_seed = 1,
        .producer_id_expiration_ms = 1000,
        .waiters_max = 4,
    };
    const struct log_rules rules = { .retention_ms = 1,
                                     .retention_size = 1,
                                     .segment_size = 4096,
                                     .segment_ms = 1,
                                     .index_interval_size = 100,
                                     .segment_index_size = 4096,
                                     .deletes = true };
    static void *memory;
    const size_t size = logs_size(&config);

    if (memory == NULL) memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(memory, 0, size);
    logs = memory;
    logs_init(logs, &config);
    for (uint32_t log = 0; log < LOGS; log++) {
        struct uuid id = { { 0 } };
        id.bytes[15] = (uint8_t)(1 + log / 2);
        must(logs_open(logs, log, &id, BYTES_LITERAL("t"), (int32_t)(log % 2), &rules));
    }
}

/* A disk with nothing on it but the checkpoint. */
static void answer(const struct effect *order, struct event *event)
{
    struct event_disk *disk = &event->disk;

    switch (order->type) {
    case EFFECT_READ:
        event->type = EVENT_READ_DONE;
        disk->op = order->read.op;
        if (op_owner(disk->op) == OP_LOGS && order->read.position < file_size && order->read.path[4] == '_') {
            disk->size = MIN(order->read.size, file_size - (uint32_t)order->read.position);
            memcpy(order->read.into, file + order->read.position, disk->size);
        }
        return;
    case EFFECT_WRITE:
        event->type = EVENT_WRITTEN;
        disk->op = order->write.op;
        return;
    case EFFECT_SYNC:
        event->type = EVENT_SYNCED;
        disk->op = order->sync.op;
        return;
    case EFFECT_FILE:
        event->type = EVENT_FILE_DONE;
        disk->op = order->file.op;
        return;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    abort();
}

static void commit(uint64_t mono_ns)
{
    logs_commit(logs, mono_ns, 1000, &effects);
    for (uint32_t i = 0; i < effects.count; i++) {
        if (effects.list[i].type != EFFECT_NOTE) orders.list[orders.count++] = effects.list[i];
    }
    effects.count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size - 1 > sizeof file) return 0;
    file_size = (uint32_t)size - 1;
    memcpy(file, data + 1, file_size);
    if ((data[0] & 1) != 0 && file_size >= 4) store_u32(file + file_size - 4, crc32c(0, file, file_size - 4));

    open_logs();
    effects.count = orders.count = 0;
    logs_recover(logs, &effects);
    commit(1);
    for (uint32_t step = 0; step < STEPS_MAX && logs_state(logs) == LOGS_RECOVERING; step++) {
        struct event event = { .mono_ns = step + 2, .wall_ms = 1000 };
        if (orders.count > 0) {
            answer(&orders.list[0], &event);
            memmove(&orders.list[0], &orders.list[1], --orders.count * sizeof orders.list[0]);
            logs_on_disk(logs, &event, &effects);
        }
        commit(step + 2);
    }
    must(logs_state(logs) == LOGS_OPEN || logs_state(logs) == LOGS_BROKEN);
    if (logs_state(logs) == LOGS_OPEN) logs_check(logs);
    return 0;
}
