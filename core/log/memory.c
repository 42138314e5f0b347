/* memory.c -- what the room's memory consists of: one block, its parts sized by the config. */
#include "log/state.h"

enum { ENTRIES_MIN = 256, BYTES_PER_ENTRY = 512, TAIL_SHARE_OF_ROUND = 4 };

/* What a batch costs in a journal round beside its bytes. */
enum { HEADS_SIZE = JOURNAL_FRAME_HEAD_SIZE + JOURNAL_ENTRY_HEAD_SIZE + PAYLOAD_HEAD_SIZE + 8 };

static uint32_t entries_max_of(const struct logs_config *config)
{
    const uint64_t wanted = MIN(config->tail_memory_size / BYTES_PER_ENTRY, (uint64_t)1 << 24);
    uint32_t entries_max = ENTRIES_MIN;

    while (entries_max < wanted) entries_max *= 2;
    return entries_max;
}

/* Room for all that a log may have: what it forgets sooner, a follower from long ago would have to copy anew. */
static uint32_t epochs_max_of(const struct logs_config *config)
{
    return config->logs_max * (EPOCHS_OF_LOG_MAX - 1);
}

/* Logs that are open and deleted ones whose files are still there, together. */
static uint32_t doomed_max_of(const struct logs_config *config)
{
    return 2 * config->logs_max + 1024;
}

static uint32_t waiters_max_of(const struct logs_config *config)
{
    return config->waiters_max > 0 ? config->waiters_max : (uint32_t)WAITERS_DEFAULT;
}

static uint32_t ready_max_of(const struct logs_config *config)
{
    return waiters_max_of(config) + 2 * LOOKUPS_MAX;
}

/* A batch that unpacks to more is looked at from outside only; see times.h. */
static uint32_t unpacked_size_of(const struct logs_config *config)
{
    return (uint32_t)MIN(config->tail_memory_size, (uint64_t)8 << 20);
}

/* Of what is written at once: heads are 61 bytes apart, one batch reaches beyond, and one entry closes the index. */
enum { OUTPUT_BATCHES_MAX = COMPACTION_WRITE_SIZE / RECORD_BATCH_HEAD_SIZE + 3 };

static struct tail_config tail_config_of(const struct logs_config *config)
{
    return (struct tail_config){ .unit_size = config->tail_unit_size, .memory_size = config->tail_memory_size };
}

static struct journal_config journal_config_of(const struct logs_config *config)
{
    const uint64_t share = config->tail_memory_size / TAIL_SHARE_OF_ROUND;
    return (struct journal_config){
        .directory = JOURNAL_DIRECTORY,
        .owner = OP_JOURNAL,
        .journal_id = config->journal_id,
        .file_size = config->journal_file_size,
        .files_max = config->journal_files_max,
        .round_size_max =
            (uint32_t)MIN(share, (uint64_t)config->journal_file_size) / JOURNAL_BLOCK_SIZE * JOURNAL_BLOCK_SIZE,
    };
}

/* Hands out parts of one block; without a block it only counts. */
struct carver {
    uint8_t *block;
    size_t used;
};

static void *carve(struct carver *carver, size_t size)
{
    void *part = carver->block == NULL ? NULL : carver->block + carver->used;
    carver->used += (size + 63) / 64 * 64;
    return part;
}

/* All of the room's memory, in one order for logs_size and logs_init. */
struct parts {
    struct logs *logs;
    void *journal, *tail, *entries, *epochs, *producers, *names, *topics_pool, *segments_pool, *file_pins_pool;
    void *doomed_pool, *log_slots, *topics, *segments, *flushes, *cursors, *lookups, *lookup_buffers, *file_pins;
    void *busy, *ready, *doomed, *checkpoint_buffer, *recovery_buffers, *remove_buffers;
    void *unpacked, *unpack_scratch;
    void *keys, *input, *kept, *pack_scratch, *output, *output_index, *output_time_index;
};

static size_t lay_out(struct parts *parts, uint8_t *block, const struct logs_config *config)
{
    struct carver carver = { block, 0 };
    const struct tail_config tail = tail_config_of(config);
    const struct journal_config journal = journal_config_of(config);
    const uint32_t topics_max = doomed_max_of(config);

    *parts = (struct parts){
        .logs = carve(&carver, sizeof(struct logs)),
        .journal = carve(&carver, journal_size(&journal)),
        .tail = carve(&carver, tail_size(&tail)),
        .entries = carve(&carver, entries_size(entries_max_of(config))),
        .epochs = carve(&carver, epochs_size(epochs_max_of(config))),
        .producers = carve(&carver, producers_size(config->producers_max, config->logs_max)),
        .names = carve(&carver, map_size(config->logs_max + topics_max, MAP_KEY_ID)),
        .topics_pool = carve(&carver, pool_size(topics_max)),
        .segments_pool = carve(&carver, pool_size(config->segments_max)),
        .file_pins_pool = carve(&carver, pool_size(FILE_PINS_MAX)),
        .doomed_pool = carve(&carver, pool_size(topics_max)),
        .log_slots = carve(&carver, config->logs_max * sizeof(struct log)),
        .topics = carve(&carver, topics_max * sizeof(struct log_topic)),
        .segments = carve(&carver, config->segments_max * sizeof(struct segment)),
        .flushes = carve(&carver, FLUSHES_MAX * sizeof(struct flush)),
        .cursors = carve(&carver, CURSORS_MAX * sizeof(struct cursor)),
        .lookups = carve(&carver, LOOKUPS_MAX * sizeof(struct lookup)),
        .lookup_buffers = carve(&carver, (size_t)LOOKUPS_MAX * LOOKUP_BUFFER_SIZE),
        .file_pins = carve(&carver, FILE_PINS_MAX * sizeof(struct file_pin)),
        .busy = carve(&carver, waiters_max_of(config) * sizeof(uint64_t)),
        .ready = carve(&carver, ready_max_of(config) * sizeof(uint64_t)),
        .doomed = carve(&carver, topics_max * sizeof(struct doomed)),
        .checkpoint_buffer = carve(&carver, CHECKPOINT_BUFFER_SIZE),
        .recovery_buffers = carve(&carver, (size_t)RECOVERIES_MAX * RECOVERY_BUFFER_SIZE),
        .remove_buffers = carve(&carver, (size_t)REMOVES_MAX * RECOVERY_BUFFER_SIZE),
        .unpacked = carve(&carver, unpacked_size_of(config)),
        .unpack_scratch = carve(&carver, DECOMPRESSION_SCRATCH_SIZE),
        .keys = carve(&carver, key_map_size(config->compaction_memory_size)),
        .input = carve(&carver, unpacked_size_of(config)),
        .kept = carve(&carver, unpacked_size_of(config)),
        .pack_scratch = carve(&carver, COMPRESSION_SCRATCH_SIZE),
        .output = carve(&carver, COMPACTION_WRITE_SIZE + unpacked_size_of(config)),
        .output_index = carve(&carver, OUTPUT_BATCHES_MAX * INDEX_ENTRY_SIZE),
        .output_time_index = carve(&carver, OUTPUT_BATCHES_MAX * TIME_INDEX_ENTRY_SIZE),
    };
    return carver.used;
}

size_t logs_size(const struct logs_config *config)
{
    struct parts parts;

    return lay_out(&parts, NULL, config);
}

static void init_arrays(struct logs *logs, const struct parts *parts)
{
    logs->logs = parts->log_slots;
    logs->topics = parts->topics;
    logs->segments = parts->segments;
    logs->flushes = parts->flushes;
    logs->cursors = parts->cursors;
    logs->lookups = parts->lookups;
    logs->file_pins = parts->file_pins;
    logs->busy_waiters = parts->busy;
    logs->ready_waiters = parts->ready;
    logs->doomed = parts->doomed;
    logs->checkpoint.buffer = parts->checkpoint_buffer;
    logs->unpacked = parts->unpacked;
    logs->unpacked_size = unpacked_size_of(&logs->config);
    logs->unpack_scratch = parts->unpack_scratch;
    for (uint32_t i = 0; i < LOOKUPS_MAX; i++) {
        logs->lookups[i].buffer = (uint8_t *)parts->lookup_buffers + (size_t)i * LOOKUP_BUFFER_SIZE;
    }
    for (uint32_t i = 0; i < RECOVERIES_MAX; i++) {
        logs->recovery.compares[i].buffer = (uint8_t *)parts->recovery_buffers + (size_t)i * RECOVERY_BUFFER_SIZE;
    }
    for (uint32_t i = 0; i < REMOVES_MAX; i++) {
        logs->removes[i].buffer = (uint8_t *)parts->remove_buffers + (size_t)i * RECOVERY_BUFFER_SIZE;
    }
}

static void init_compaction(struct logs *logs, const struct parts *parts)
{
    struct compaction *compaction = &logs->compaction;
    const uint32_t unpacked_size = unpacked_size_of(&logs->config);

    *compaction = (struct compaction){
        .log = LOG_NONE,
        .doomed = DOOMED_NONE,
        .source = SEGMENT_NONE,
        .backoff_ns = MAX(logs->config.compaction_backoff_ms, 1U) * NS_PER_MS,
        .batch_size_max = unpacked_size,
        .input = parts->input,
        .memory = { parts->unpacked, parts->kept, unpacked_size, unpacked_size, parts->pack_scratch },
        .output_room = COMPACTION_WRITE_SIZE + unpacked_size,
        .output = parts->output,
        .index = parts->output_index,
        .time_index = parts->output_time_index,
    };
    key_map_init(&compaction->keys, parts->keys, logs->config.compaction_memory_size, logs->config.hash_seed);
}

void logs_init(struct logs *logs, const struct logs_config *config)
{
    const struct tail_config tail = tail_config_of(config);
    const struct journal_config journal = journal_config_of(config);
    struct parts parts;

    CHECK(config->logs_max >= 1 && config->segments_max >= config->logs_max && config->producers_max >= 1);
    lay_out(&parts, (uint8_t *)logs, config);
    *logs = (struct logs){
        .config = *config,
        .journal = parts.journal,
        .tail = parts.tail,
        .dirty_first = SEGMENT_NONE,
        .dirty_last = SEGMENT_NONE,
        .dying_first = SEGMENT_NONE,
        .dying_last = SEGMENT_NONE,
        .replaced_first = SEGMENT_NONE,
        .replaced_last = SEGMENT_NONE,
        .flush_queue_first = LOG_NONE,
        .flush_queue_last = LOG_NONE,
        .durable_first = LOG_NONE,
        .durable_last = LOG_NONE,
        .trim_first = LOG_NONE,
        .trim_last = LOG_NONE,
        .end_first = LOG_NONE,
        .end_last = LOG_NONE,
        .moving = { LOG_NONE, LOG_NONE },
        .unclear = { LOG_NONE, LOG_NONE },
        .cut_first = SEGMENT_NONE,
        .cut_last = SEGMENT_NONE,
        .learn_first = LOG_NONE,
        .learn_last = LOG_NONE,
        .doomed_first = DOOMED_NONE,
        .doomed_last = DOOMED_NONE,
        .retain_log = LOG_NONE,
        .recovery.chunk = CHUNK_NONE,
    };
    for (uint32_t i = 0; i < TRUNCATION_LINES; i++) logs->truncations[i] = (struct log_line){ LOG_NONE, LOG_NONE };
    init_arrays(logs, &parts);
    init_compaction(logs, &parts);
    const uint64_t entry_max = MIN(tail_entry_size_max(&tail), (uint64_t)journal.round_size_max);
    CHECK(entry_max > 2 * HEADS_SIZE);
    logs->batch_size_max = (uint32_t)(entry_max - HEADS_SIZE);
    tail_init(logs->tail, &tail);
    journal_init(logs->journal, &journal, logs->tail);
    entries_init(&logs->entries, parts.entries, entries_max_of(config));
    epochs_init(&logs->epochs, parts.epochs, epochs_max_of(config));
    producers_init(&logs->producers, parts.producers, config->producers_max, config->logs_max,
                   config->producer_id_expiration_ms, config->hash_seed);
    map_init(&logs->names, parts.names, config->logs_max + doomed_max_of(config), MAP_KEY_ID, config->hash_seed);
    pool_init(&logs->topics_pool, parts.topics_pool, doomed_max_of(config));
    pool_init(&logs->segments_pool, parts.segments_pool, config->segments_max);
    pool_init(&logs->file_pins_pool, parts.file_pins_pool, FILE_PINS_MAX);
    pool_init(&logs->doomed_pool, parts.doomed_pool, doomed_max_of(config));
    ring_init(&logs->busy, waiters_max_of(config));
    ring_init(&logs->ready, ready_max_of(config));
}
