/* log_model.h -- the logs of a node over a disk that forgets, and what must be read from them: every batch that was
 * appended, byte for byte. Of a log that is compacted: every record at its offset, unless a later one of its key was
 * committed, or it had no value and that for long enough. log_world.h has what happens to them. */
#ifndef CHRONIK_TESTS_LOG_MODEL_H
#define CHRONIK_TESTS_LOG_MODEL_H

#include "codec/record_batch_builder.h"
#include "disk_model.h"
#include "log/state.h"
#include "small_logs.h"

enum {
    WORLD_LOGS = 6,
    WORLD_BATCHES = 60000,
    WORLD_PRODUCERS = 3,
    BATCH_MAX = 6000,
    WORLD_READS = 16,
    RECORDS_MAX = 4
};

struct kept_batch {
    int64_t base_offset, last_offset, first_timestamp, max_timestamp;
    int64_t producer_id; /* -1: none */
    int32_t sequence, epoch;
    uint32_t size;
    uint8_t *bytes;
    int64_t kept_ms; /* wall clock of its append */
};

struct kept_log {
    bool open;
    bool compacts;
    struct uuid topic_id;
    char topic[32];
    int32_t partition;
    uint32_t count; /* batches appended */
    struct kept_batch *batches;
    int64_t durable_offset;
    int64_t start_seen, start_asked; /* the log start offset as it was shown, and what it may become */
    int64_t trimmed;
    uint64_t trim_sequence; /* `trimmed` is durable with it */
    int32_t epoch;
    bool replicated;
    int64_t high_watermark; /* as it was told */
    int64_t begin;          /* where it begins if it has no batch */

    /* A truncation or reset under way. Until it is durable, a crash may take it back: what was cut off is kept. */
    bool cutting, cut_done, cut_all;
    int64_t cut_offset;
    uint32_t tail_count; /* batches behind the others that were cut off */
    int64_t tail_durable, tail_start, tail_asked, tail_begin, tail_high_watermark;
    uint32_t era;                        /* that the truncation began */
    int64_t known_from, tail_known_from; /* what producers did before may be forgotten */
    uint32_t learns;
    bool learning;
};

struct kept_read {
    uint64_t waiter;
    uint32_t log;
    uint32_t life; /* of the log */
    int64_t offset, end_offset;
    uint32_t size_max;
    bool by_time;
    bool pinned;
    struct log_read read;
};

struct world {
    struct prng prng;
    struct disk disk;
    struct logs_config config;
    struct log_rules rules;
    struct logs *logs;
    void *memory;
    struct effects effects;
    uint64_t mono_ns;
    int64_t wall_ms;
    struct kept_log kept[WORLD_LOGS];
    uint32_t life[WORLD_LOGS];
    struct kept_read reads[WORLD_READS];
    uint64_t next_waiter;
    uint32_t topics_made;
    bool halted;
    bool faults;     /* this life has some */
    bool replicates; /* some logs have other replicas */
    bool compacts;   /* some logs are compacted */
    uint32_t keys;   /* of records that are built, 0: they have none */
    uint32_t keys_max;
    uint64_t flips, fills, files_judged;
    struct effect_halt halt;
    /* what happened, so that a test can see that it did */
    uint64_t appends, duplicates, refusals, reads_done, reads_waited, file_reads, recoveries, times, times_found;
    uint64_t compacted, records_gone, batches_gone, batches_emptied;
    uint64_t deleted, trims, small_file_reads, copies, bad_copies, cuts, resets, cuts_lost, learnt;
};

static const char *world_why = "";

#define WORLD_CHECK(condition)                                                                                         \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s: %s:%d: %s\n", world_why, __FILE__, __LINE__, #condition);                             \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void world_config(struct world *world)
{
    world->config = small_logs_config();
    world->config.logs_max = WORLD_LOGS;
    world->config.segments_max = 4096;
    world->config.producers_max = 64;
    world->rules = small_log_rules();
    world->config.compaction_memory_size = 2048; /* for 48 keys */
    world->config.compaction_backoff_ms = 20;
    world->rules.max_compaction_lag_ms = INT64_MAX;
    world->rules.delete_retention_ms = 500;
    world->rules.min_cleanable_dirty_ratio = DIRTY_RATIO_ONE / 5;
}

static void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    prng_init(&world->prng, seed, 1);
    prng_init(&world->disk.prng, seed, 2);
    world_config(world);
    world->mono_ns = 1000;
    world->wall_ms = 1700000000000;
    world->next_waiter = 1;
    world->disk.inode_count = 1;
}

static void world_free(struct world *world)
{
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        struct kept_log *kept = &world->kept[log];
        for (uint32_t i = 0; i < kept->count + kept->tail_count; i++) free(kept->batches[i].bytes);
        free(kept->batches);
    }
    free(world->memory);
    disk_free(&world->disk);
}

static uint64_t world_below(struct world *world, uint64_t bound)
{
    return prng_below(&world->prng, bound);
}

static bool world_chance(struct world *world, uint32_t numerator, uint32_t denominator)
{
    return prng_chance(&world->prng, numerator, denominator);
}

/* ---- steps ---- */

static void world_commit(struct world *world)
{
    logs_commit(world->logs, world->mono_ns, world->wall_ms, &world->effects);
    WORLD_CHECK(world->effects.count <= EFFECTS_MAX);
    disk_take_orders(&world->disk, &world->effects);
    world->effects.count = 0;
    if (logs_state(world->logs) == LOGS_BROKEN) {
        world->halted = true;
        world->halt = logs_halt(world->logs);
    }
}

static void world_pass(struct world *world, uint64_t ns)
{
    world->mono_ns += ns;
    world->wall_ms = 1700000000000 + (int64_t)(world->mono_ns / 1000000);
}

/* One answer of the disk, if one is due; false: nothing is under way. */
static bool world_answer(struct world *world)
{
    struct event event = { .mono_ns = world->mono_ns, .wall_ms = world->wall_ms };

    if (!disk_step(&world->disk, &event)) return false;
    logs_on_disk(world->logs, &event, &world->effects);
    world_commit(world);
    return true;
}

static struct kept_batch *world_batch_at(struct kept_log *kept, int64_t offset)
{
    uint32_t low = 0, high = kept->count;

    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (kept->batches[middle].last_offset < offset) low = middle + 1;
        else high = middle;
    }
    return low < kept->count ? &kept->batches[low] : NULL;
}

static int64_t world_end(const struct kept_log *kept)
{
    return kept->count == 0 ? kept->begin : MAX(kept->batches[kept->count - 1].last_offset + 1, kept->begin);
}

/* ---- what a compacted log may lack ---- */

static bool world_find_record(const struct kept_batch *kept, int64_t offset, struct record_batch *batch,
                              struct record *record)
{
    struct record_iterator iterator;

    WORLD_CHECK(record_batch_read((struct bytes){ kept->bytes, kept->size }, batch) == RECORD_BATCH_WHOLE);
    record_iterator_init(&iterator, batch, record_batch_payload(batch));
    while (record_iterator_next(&iterator, record) == RECORD_NEXT) {
        if (record_offset(batch, record) == offset) return true;
    }
    return false;
}

/* Whether a record with that key was committed behind that offset. */
static bool world_is_written_over(const struct kept_log *kept, const struct kept_batch *from, struct bytes key,
                                  int64_t offset, int64_t high_watermark)
{
    for (const struct kept_batch *at = from; at < kept->batches + kept->count; at++) {
        struct record_iterator iterator;
        struct record_batch batch;
        struct record record;
        if (at->last_offset >= high_watermark) return false;
        WORLD_CHECK(record_batch_read((struct bytes){ at->bytes, at->size }, &batch) == RECORD_BATCH_WHOLE);
        record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
        while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
            if (record_offset(&batch, &record) > offset && bytes_equal(record.key, key)) return true;
        }
    }
    return false;
}

static void world_check_gone(struct world *world, uint32_t log, const struct kept_batch *kept, int64_t offset)
{
    const struct log_offsets offsets = log_offsets(world->logs, log);
    struct record_batch batch;
    struct record record;

    if (offset < offsets.log_start_offset || !world_find_record(kept, offset, &batch, &record)) return;
    world->records_gone++;
    if (world_is_written_over(&world->kept[log], kept, record.key, offset, offsets.high_watermark)) return;
    WORLD_CHECK(record.value.data == NULL);
    WORLD_CHECK(kept->last_offset < offsets.high_watermark);
    WORLD_CHECK(world->wall_ms - kept->kept_ms >= world->rules.delete_retention_ms);
}

/* The batch stands for a kept one: it says the same of all offsets that it still has. */
static void world_check_left(struct world *world, uint32_t log, const struct kept_batch *kept,
                             const struct record_batch *batch)
{
    struct record_iterator iterator;
    struct record_batch was;
    struct record record, before;
    int64_t next = kept->base_offset;

    WORLD_CHECK(record_batch_crc_matches(batch));
    WORLD_CHECK(record_batch_read((struct bytes){ kept->bytes, kept->size }, &was) == RECORD_BATCH_WHOLE);
    WORLD_CHECK(batch->base_offset == kept->base_offset && record_batch_last_offset(batch) == kept->last_offset);
    WORLD_CHECK(batch->leader_epoch == was.leader_epoch && batch->producer_id == was.producer_id);
    WORLD_CHECK(batch->producer_epoch == was.producer_epoch && batch->base_sequence == was.base_sequence);
    record_iterator_init(&iterator, batch, record_batch_payload(batch));
    while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
        const int64_t offset = record_offset(batch, &record);
        while (next < offset) world_check_gone(world, log, kept, next++);
        next++;
        WORLD_CHECK(world_find_record(kept, offset, &was, &before));
        WORLD_CHECK(bytes_equal(record.key, before.key) && bytes_equal(record.value, before.value));
        WORLD_CHECK((record.value.data == NULL) == (before.value.data == NULL));
        WORLD_CHECK(record_timestamp(batch, &record) == record_timestamp(&was, &before));
    }
    while (next <= kept->last_offset) world_check_gone(world, log, kept, next++);
    world->batches_emptied += batch->record_count == 0;
}

/* Batches from an offset on, where some may be gone. Returns where the last whole one ends. */
static int64_t world_check_compacted(struct world *world, uint32_t log, int64_t offset, int64_t end_offset,
                                     struct bytes bytes)
{
    struct kept_log *kept = &world->kept[log];
    const struct kept_batch *at = world_batch_at(kept, offset);

    while (bytes.size > 0) {
        struct record_batch batch;
        if (record_batch_read(bytes, &batch) != RECORD_BATCH_WHOLE) return offset; /* a range of a file cuts it */
        WORLD_CHECK(record_batch_last_offset(&batch) < end_offset);
        for (; at != NULL && at->base_offset != batch.base_offset; at++) {
            WORLD_CHECK(at < kept->batches + kept->count && at->base_offset < batch.base_offset);
            for (int64_t gone = at->base_offset; gone <= at->last_offset; gone++) {
                world_check_gone(world, log, at, gone);
            }
            world->batches_gone++;
        }
        WORLD_CHECK(at != NULL);
        world_check_left(world, log, at++, &batch);
        offset = record_batch_last_offset(&batch) + 1;
        bytes = (struct bytes){ bytes.data + batch.bytes.size, bytes.size - batch.bytes.size };
    }
    return offset;
}

/* ---- reads ---- */

static int64_t world_check_bytes(struct world *world, struct kept_read *read)
{
    struct kept_log *kept = &world->kept[read->log];
    const struct log_read *got = &read->read;
    uint8_t *bytes = malloc(got->size + 1);
    uint32_t size = 0;

    for (uint32_t i = 0; i < got->piece_count; i++) {
        const struct piece *piece = &got->pieces[i];
        if (piece->data != NULL) {
            memcpy(bytes + size, piece->data, piece->size);
        } else {
            const uint32_t inode = disk_inode_of(&world->disk, piece->path);
            WORLD_CHECK(inode != 0);
            WORLD_CHECK(piece->position + piece->size <= world->disk.inodes[inode].now_size);
            memcpy(bytes + size, world->disk.inodes[inode].now + piece->position, piece->size);
            world->file_reads++;
        }
        size += piece->size;
    }
    WORLD_CHECK(size == got->size);
    if (kept->compacts) {
        const int64_t end =
            world_check_compacted(world, read->log, read->offset, read->end_offset, (struct bytes){ bytes, size });
        WORLD_CHECK(size == 0 || end > read->offset);
        free(bytes);
        return end;
    }
    const struct kept_batch *batch = world_batch_at(kept, read->offset);
    int64_t end = read->offset;
    for (uint32_t at = 0; at < size;) {
        WORLD_CHECK(batch != NULL && batch < kept->batches + kept->count);
        const uint32_t left = MIN(batch->size, size - at);
        WORLD_CHECK(at > 0 || left == batch->size);
        WORLD_CHECK(batch->last_offset < read->end_offset);
        WORLD_CHECK(memcmp(bytes + at, batch->bytes, left) == 0);
        at += left;
        if (left == batch->size) end = batch->last_offset + 1;
        batch++;
    }
    free(bytes);
    return end;
}

static void world_check_time(struct world *world, const struct kept_read *read, const struct time_answer *answer)
{
    const struct kept_log *kept = &world->kept[read->log];
    const struct log_offsets offsets = log_offsets(world->logs, read->log);
    int64_t wanted = read->offset;

    world->times++;
    if (kept->compacts) { /* the record may be gone; but what is answered is one that was */
        struct record_batch batch;
        struct record record;
        if (answer->offset < 0) return;
        WORLD_CHECK(world_find_record(world_batch_at(&world->kept[read->log], answer->offset), answer->offset, &batch,
                                      &record));
        WORLD_CHECK(record_timestamp(&batch, &record) == answer->timestamp);
        WORLD_CHECK(wanted == LOOKUP_MAX_TIMESTAMP || answer->timestamp >= wanted);
        return;
    }
    if (wanted == LOOKUP_MAX_TIMESTAMP) {
        wanted = -1;
        for (uint32_t i = 0; i < kept->count; i++) {
            if (kept->batches[i].base_offset < offsets.log_start_offset) continue;
            if (kept->batches[i].last_offset < offsets.high_watermark) {
                wanted = MAX(wanted, kept->batches[i].max_timestamp);
            }
        }
        /* Where the log begins within a batch or a segment, the youngest record may not be known to be it. */
        if (offsets.log_start_offset > 0) return;
        /* Where it is not committed, no other is looked for. */
        if (offsets.high_watermark < offsets.log_end_offset && kept->replicated) return;
    }
    for (uint32_t i = 0; i < kept->count; i++) {
        const struct kept_batch *batch = &kept->batches[i];
        if (batch->last_offset >= offsets.high_watermark) break;
        if (batch->last_offset < offsets.log_start_offset || batch->max_timestamp < wanted) continue;
        /* Records of a batch are one millisecond apart. */
        int64_t offset = batch->base_offset;
        if (wanted > batch->first_timestamp) offset += wanted - batch->first_timestamp;
        offset = MAX(offset, offsets.log_start_offset);
        WORLD_CHECK(wanted >= 0);
        WORLD_CHECK(answer->offset == offset);
        WORLD_CHECK(answer->timestamp == batch->first_timestamp + (offset - batch->base_offset));
        world->times_found++;
        return;
    }
    WORLD_CHECK(answer->offset == -1);
}

/* Asks, or asks again. */
static void world_ask(struct world *world, struct kept_read *read)
{
    struct time_answer answer;
    enum read_verdict verdict;

    if (read->by_time) {
        verdict = logs_find_time(world->logs, read->log, read->offset, read->waiter, &answer, &world->effects);
    } else {
        verdict = logs_read(world->logs, read->log, read->offset, read->end_offset, read->size_max, true, read->waiter,
                            &read->read, &world->effects);
    }
    switch (verdict) {
    case READ_OK:
        world->reads_done++;
        if (read->by_time) {
            world_check_time(world, read, &answer);
        } else {
            const struct kept_batch *first = world_batch_at(&world->kept[read->log], read->offset);
            const bool some = read->offset < read->end_offset && first != NULL && first->last_offset < read->end_offset;
            /* A compacted log ends where it ended, but a bound in its middle may lie in a hole. */
            const bool may_lack = world->kept[read->log].compacts &&
                                  read->end_offset < log_offsets(world->logs, read->log).high_watermark;
            WORLD_CHECK(some == (read->read.piece_count > 0) || may_lack);
            world_check_bytes(world, read);
            if (read->read.piece_count > 0) {
                read->pinned = true;
                return; /* given back later */
            }
        }
        read->waiter = 0;
        return;
    case READ_WAITS:
    case READ_BUSY: world->reads_waited++; return;
    case READ_OUT_OF_RANGE:
        WORLD_CHECK(read->offset < log_offsets(world->logs, read->log).log_start_offset);
        read->waiter = 0;
        return;
    case READ_CORRUPT: WORLD_CHECK(false); return;
    }
}

static void world_ready(struct world *world)
{
    for (uint64_t waiter; (waiter = logs_next_ready(world->logs)) != 0;) {
        for (uint32_t i = 0; i < WORLD_READS; i++) {
            struct kept_read *read = &world->reads[i];
            if (read->waiter != waiter) continue;
            if (read->life == world->life[read->log]) world_ask(world, read);
            else read->waiter = 0;
        }
    }
}

/* What is still being sent is sent. */
static void world_unpin_all(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_READS; i++) {
        struct kept_read *read = &world->reads[i];
        if (!read->pinned) continue;
        logs_unpin(world->logs, &read->read);
        read->pinned = false;
        read->waiter = 0;
    }
}

static void world_read(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);
    struct kept_read *read = &world->reads[world_below(world, WORLD_READS)];

    if (read->pinned) {
        /* What was promised to stay is still there. */
        if (read->life == world->life[read->log]) world_check_bytes(world, read);
        for (uint32_t i = 0; i < read->read.piece_count; i++) {
            const char *path = read->read.pieces[i].path;
            WORLD_CHECK(path == NULL || disk_inode_of(&world->disk, path) != 0);
        }
        logs_unpin(world->logs, &read->read);
        read->pinned = false;
        read->waiter = 0;
        return;
    }
    if (read->waiter != 0 || !world->kept[log].open) return;
    const struct log_offsets offsets = log_offsets(world->logs, log);
    *read = (struct kept_read){ .waiter = world->next_waiter++, .log = log, .life = world->life[log] };
    read->by_time = world_chance(world, 1, 4);
    if (read->by_time) {
        const struct kept_log *kept = &world->kept[log];
        read->offset =
            world_chance(world, 1, 5) ? LOOKUP_MAX_TIMESTAMP : world->wall_ms + 100 - (int64_t)world_below(world, 5000);
        if (kept->count > 0 && world_chance(world, 1, 2)) {
            read->offset =
                kept->batches[world_below(world, kept->count)].max_timestamp - 1 + (int64_t)world_below(world, 3);
        }
        if (read->offset < 0) read->offset = LOOKUP_MAX_TIMESTAMP;
    } else {
        const uint64_t span = (uint64_t)(offsets.durable_offset - offsets.log_start_offset);
        read->offset = offsets.log_start_offset + (int64_t)(span == 0 ? 0 : world_below(world, span + 1));
        read->end_offset = offsets.high_watermark;
        if (world_chance(world, 1, 4) && read->end_offset > read->offset) { /* a high watermark that lags */
            const struct kept_batch *batch =
                world_batch_at(&world->kept[log],
                               read->offset + (int64_t)world_below(world, (uint64_t)(read->end_offset - read->offset)));
            read->end_offset = batch->base_offset;
        }
        read->size_max = 1 + (uint32_t)world_below(world, world_chance(world, 1, 2) ? 3000 : 60000);
    }
    world_ask(world, read);
}

/* What a truncation leaves: whole batches up to the offset, and in them at least what the log begins with. */
static void world_cut(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct log_offsets offsets = log_offsets(world->logs, log);

    kept->cut_done = true;
    kept->era = world->logs->logs[log].era;
    kept->tail_count = 0;
    kept->tail_durable = kept->durable_offset;
    kept->tail_start = kept->start_seen;
    kept->tail_asked = kept->start_asked;
    kept->tail_begin = kept->begin;
    kept->tail_high_watermark = kept->high_watermark;
    kept->tail_known_from = kept->known_from;
    if (world->logs->logs[log].learns > kept->learns || kept->cut_all) kept->known_from = offsets.log_start_offset;
    kept->learns = world->logs->logs[log].learns;
    while (kept->count > 0 && (kept->cut_all || kept->batches[kept->count - 1].last_offset >= kept->cut_offset)) {
        kept->count--;
        kept->tail_count++;
    }
    kept->begin = kept->cut_all ? kept->cut_offset : MAX(kept->begin, offsets.log_start_offset);
    if (kept->cut_all) kept->start_seen = kept->start_asked = kept->cut_offset;
    if (kept->cut_all) kept->trimmed = 0;
    WORLD_CHECK(offsets.log_end_offset == world_end(kept));
    kept->durable_offset = MIN(kept->durable_offset, offsets.log_end_offset);
    if (kept->cut_all) kept->durable_offset = offsets.log_end_offset;
    kept->high_watermark = MIN(kept->high_watermark, offsets.log_end_offset);
    if (kept->cut_all) kept->high_watermark = offsets.log_end_offset;
    for (uint32_t i = 0; i < WORLD_READS; i++) {
        if (world->reads[i].log == log) world->reads[i].life = UINT32_MAX; /* what it reads may be gone */
    }
}

static void world_cut_is_durable(struct kept_log *kept)
{
    for (uint32_t i = 0; i < kept->tail_count; i++) free(kept->batches[kept->count + i].bytes);
    kept->tail_count = 0;
    kept->cutting = kept->cut_done = false;
}

static void world_cuts(struct world *world)
{
    struct log_truncated truncated;

    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        if (!world->kept[log].cutting || world->kept[log].cut_done) continue;
        if (world->logs->logs[log].truncation > TRUNCATION_WANTED) world_cut(world, log);
    }
    while ((truncated = logs_next_truncated(world->logs)).log != LOG_NONE) {
        WORLD_CHECK(world->kept[truncated.log].cut_done && !truncated.failed);
        world_cut_is_durable(&world->kept[truncated.log]);
    }
}

/* What became durable is never lost from now on. */
static void world_settle(struct world *world)
{
    world_cuts(world);
    for (uint32_t log; (log = logs_next_durable(world->logs)) != LOG_NONE;) {
        WORLD_CHECK(world->kept[log].open);
        const struct log_offsets offsets = log_offsets(world->logs, log);
        WORLD_CHECK(offsets.durable_offset >= world->kept[log].durable_offset); /* equal: it was cut since */
        WORLD_CHECK(offsets.durable_offset <= world_end(&world->kept[log]));
        world->kept[log].durable_offset = offsets.durable_offset;
    }
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        struct kept_log *kept = &world->kept[log];
        if (!kept->open) continue;
        const bool learning = !log_offsets(world->logs, log).producers_known;
        const int64_t start = log_offsets(world->logs, log).log_start_offset;
        if (learning || kept->learning) kept->known_from = start; /* what was deleted meanwhile was not learnt */
        kept->learning = learning;
        WORLD_CHECK(start >= kept->start_seen);
        WORLD_CHECK(start >= kept->trimmed || !logs_is_durable(world->logs, kept->trim_sequence));
        kept->start_seen = start;
        kept->start_asked = MAX(kept->start_asked, world->logs->logs[log].next_start_offset);
    }
    world_ready(world);
}

#endif
