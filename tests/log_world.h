/* log_world.h -- the logs of a node over a disk that forgets, and a model that does not.
 *
 * The model keeps every batch that was appended, as it must be read. After each step it learns what became durable;
 * after each crash it demands all of that back, byte for byte, accepts of the rest a first part, and nothing else. */
#ifndef CHRONIK_TESTS_LOG_WORLD_H
#define CHRONIK_TESTS_LOG_WORLD_H

#include "codec/record_batch_builder.h"
#include "disk_model.h"
#include "log/state.h"

enum { WORLD_LOGS = 6, WORLD_BATCHES = 60000, WORLD_PRODUCERS = 3, BATCH_MAX = 6000, WORLD_READS = 16 };

struct kept_batch {
    int64_t base_offset, last_offset, first_timestamp, max_timestamp;
    int64_t producer_id; /* -1: none */
    int32_t sequence, epoch;
    uint32_t size;
    uint8_t *bytes;
};

struct kept_log {
    bool open;
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
    uint64_t flips, fills, files_judged;
    struct effect_halt halt;
    /* what happened, so that a test can see that it did */
    uint64_t appends, duplicates, refusals, reads_done, reads_waited, file_reads, recoveries, times, times_found;
    uint64_t deleted, trims, small_file_reads, copies, bad_copies;
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
    world->config = (struct logs_config){
        .logs_max = WORLD_LOGS,
        .segments_max = 4096,
        .producers_max = 64,
        .journal_id = 77,
        .tail_unit_size = 16 * 1024,
        .tail_memory_size = 256 * 1024,
        .journal_file_size = 64 * 1024,
        .journal_files_max = 4,
        .hash_seed = 5,
        .producer_id_expiration_ms = 1000 * 1000 * 1000,
        .waiters_max = 64,
    };
    world->rules = (struct log_rules){
        .retention_ms = -1,
        .retention_size = -1,
        .segment_size = 20000,
        .segment_ms = 1000 * 1000,
        .index_interval_size = 700,
        .segment_index_size = 4096,
        .file_delete_delay_ms = 50,
        .deletes = true,
    };
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
        for (uint32_t i = 0; i < kept->count; i++) free(kept->batches[i].bytes);
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
    return kept->count == 0 ? 0 : kept->batches[kept->count - 1].last_offset + 1;
}

/* ---- reads ---- */

static void world_check_bytes(struct world *world, struct kept_read *read)
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
    const struct kept_batch *batch = world_batch_at(kept, read->offset);
    for (uint32_t at = 0; at < size;) {
        WORLD_CHECK(batch != NULL && batch < kept->batches + kept->count);
        const uint32_t left = MIN(batch->size, size - at);
        WORLD_CHECK(at > 0 || left == batch->size);
        WORLD_CHECK(batch->last_offset < read->end_offset);
        WORLD_CHECK(memcmp(bytes + at, batch->bytes, left) == 0);
        at += left;
        batch++;
    }
    free(bytes);
}

static void world_check_time(struct world *world, const struct kept_read *read, const struct time_answer *answer)
{
    const struct kept_log *kept = &world->kept[read->log];
    const struct log_offsets offsets = log_offsets(world->logs, read->log);
    int64_t wanted = read->offset;

    world->times++;
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
            WORLD_CHECK(some == (read->read.piece_count > 0));
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

/* What became durable is never lost from now on. */
static void world_settle(struct world *world)
{
    for (uint32_t log; (log = logs_next_durable(world->logs)) != LOG_NONE;) {
        WORLD_CHECK(world->kept[log].open);
        const struct log_offsets offsets = log_offsets(world->logs, log);
        WORLD_CHECK(offsets.durable_offset > world->kept[log].durable_offset);
        WORLD_CHECK(offsets.durable_offset <= world_end(&world->kept[log]));
        world->kept[log].durable_offset = offsets.durable_offset;
    }
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        struct kept_log *kept = &world->kept[log];
        if (!kept->open) continue;
        const int64_t start = log_offsets(world->logs, log).log_start_offset;
        WORLD_CHECK(start >= kept->start_seen);
        WORLD_CHECK(start >= kept->trimmed || !logs_is_durable(world->logs, kept->trim_sequence));
        kept->start_seen = start;
        kept->start_asked = MAX(kept->start_asked, world->logs->logs[log].next_start_offset);
    }
    world_ready(world);
}

/* ---- appends ---- */

static struct bytes world_build(struct world *world, uint8_t *memory, int64_t producer_id, int16_t epoch,
                                int32_t sequence, uint32_t records)
{
    struct record_batch_builder builder;
    uint8_t value[BATCH_MAX / 2];
    const uint32_t value_max = world_chance(world, 1, 10) ? (uint32_t)sizeof value / records : 60;
    const int64_t timestamp = world->wall_ms - (int64_t)world_below(world, 2000);

    record_batch_builder_init(&builder, memory, BATCH_MAX);
    builder.batch.producer_id = producer_id;
    builder.batch.producer_epoch = epoch;
    builder.batch.base_sequence = sequence;
    for (uint32_t i = 0; i < records; i++) {
        const uint32_t size = (uint32_t)world_below(world, value_max);
        for (uint32_t b = 0; b < size; b++) value[b] = (uint8_t)prng_next(&world->prng);
        const struct record_input record = { .timestamp = timestamp + i, .value = { value, size } };
        WORLD_CHECK(record_batch_builder_add(&builder, &record));
    }
    return record_batch_builder_end(&builder);
}

static void world_keep(struct world *world, uint32_t log, const struct record_batch *batch,
                       const struct append_answer *answer, int32_t epoch)
{
    struct kept_log *kept = &world->kept[log];
    struct kept_batch *last = &kept->batches[kept->count++];

    WORLD_CHECK(kept->count < WORLD_BATCHES);
    *last = (struct kept_batch){
        .base_offset = answer->base_offset,
        .last_offset = answer->last_offset,
        .first_timestamp = batch->base_timestamp,
        .max_timestamp = batch->max_timestamp,
        .producer_id = batch->producer_id,
        .sequence = batch->base_sequence,
        .epoch = epoch,
        .size = batch->bytes.size,
        .bytes = malloc(batch->bytes.size),
    };
    memcpy(last->bytes, batch->bytes.data, batch->bytes.size);
    record_batch_stamp(last->bytes, batch, answer->base_offset, epoch, -1);
}

/* The newest batches of a producer in a log, newest first. */
static uint32_t world_batches_of(const struct kept_log *kept, int64_t producer_id, const struct kept_batch **list,
                                 uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = kept->count; i > 0 && count < max; i--) {
        if (kept->batches[i - 1].producer_id == producer_id) list[count++] = &kept->batches[i - 1];
    }
    return count;
}

static void world_append_as(struct world *world, uint32_t log, int64_t producer_id)
{
    struct kept_log *kept = &world->kept[log];
    const struct kept_batch *known[PRODUCER_BATCHES_JUDGED];
    uint8_t memory[BATCH_MAX];
    struct record_batch batch;
    struct append_answer answer;
    uint32_t records = 1 + (uint32_t)world_below(world, 4);
    const uint32_t count = world_batches_of(kept, producer_id, known, PRODUCER_BATCHES_JUDGED);
    int32_t sequence = -1;
    const struct kept_batch *repeated = NULL;
    enum append_verdict expected = APPEND_OK;

    if (producer_id >= 0) {
        sequence = count == 0 ? (int32_t)world_below(world, 5)
                              : known[0]->sequence + (int32_t)(known[0]->last_offset - known[0]->base_offset) + 1;
        /* Clients have at most five batches in flight. */
        if (count == PRODUCER_BATCHES_JUDGED && known[count - 1]->base_offset >= kept->durable_offset) return;
        if (count > 0 && world_chance(world, 1, 4)) {
            repeated = known[world_below(world, count)];
            sequence = repeated->sequence;
            records = (uint32_t)(repeated->last_offset - repeated->base_offset) + 1;
            expected = APPEND_DUPLICATE;
        } else if (count > 0 && world_chance(world, 1, 20)) {
            sequence += 1;
            expected = APPEND_OUT_OF_ORDER;
        }
    }
    const struct bytes bytes = world_build(world, memory, producer_id, 0, sequence, records);
    WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    if (world_chance(world, 1, 200)) kept->epoch++;
    const enum append_verdict verdict = logs_append(world->logs, log, &batch, kept->epoch, -1, world->wall_ms, &answer);
    if (verdict == APPEND_NO_MEMORY || verdict == APPEND_DISK_FULL) {
        world->refusals++;
        WORLD_CHECK(verdict != APPEND_DISK_FULL || logs_usage(world->logs).disk_full);
        return;
    }
    WORLD_CHECK(verdict == expected);
    if (verdict == APPEND_DUPLICATE) {
        world->duplicates++;
        WORLD_CHECK(answer.base_offset == repeated->base_offset && answer.last_offset == repeated->last_offset);
        return;
    }
    if (verdict != APPEND_OK) return;
    world->appends++;
    WORLD_CHECK(answer.base_offset == world_end(kept));
    world_keep(world, log, &batch, &answer, kept->epoch);
}

/* What a leader sends: whole batches behind each other, at times with a hole where compaction took something. */
static void world_copy(struct world *world, uint32_t log)
{
    static uint8_t sent[8 * BATCH_MAX];
    struct kept_log *kept = &world->kept[log];
    struct record_batch batches[8];
    struct log_copy copy = { .from = world_end(kept), .batches = { sent, 0 } };
    const uint32_t count = 1 + (uint32_t)world_below(world, 8);
    const bool bad = world_chance(world, 1, 20);

    if (world_chance(world, 1, 50)) kept->epoch++;
    copy.to = copy.from;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = sent + copy.batches.size;
        const int64_t base_offset = copy.to + (world_chance(world, 1, 10) ? (int64_t)world_below(world, 5) : 0);
        const struct bytes bytes = world_build(world, to, -1, 0, -1, 1 + (uint32_t)world_below(world, 4));
        WORLD_CHECK(record_batch_read(bytes, &batches[i]) == RECORD_BATCH_WHOLE);
        record_batch_stamp(to, &batches[i], base_offset, kept->epoch, -1);
        WORLD_CHECK(record_batch_read(bytes, &batches[i]) == RECORD_BATCH_WHOLE);
        copy.batches.size += bytes.size;
        copy.to = record_batch_last_offset(&batches[i]) + 1;
    }
    copy.leader_epoch = kept->epoch;
    if (bad) sent[RECORD_BATCH_CRC_BEGIN + world_below(world, copy.batches.size - RECORD_BATCH_CRC_BEGIN)] ^= 4;
    const enum copy_verdict verdict = logs_append_copy(world->logs, log, &copy, world->wall_ms);
    const int64_t end_offset = log_offsets(world->logs, log).log_end_offset;
    if (bad) {
        /* Of a batch behind the first, the flipped bit may lie in a field that is judged by its value alone: an offset
         * or an epoch that could be. */
        world->bad_copies += verdict == COPY_INVALID;
        WORLD_CHECK(verdict != COPY_OK || count > 1);
        if (verdict == COPY_INVALID) WORLD_CHECK(end_offset == copy.from);
        if (verdict == COPY_INVALID) return;
        for (uint32_t i = 0, at = 0; i < count; at += batches[i++].bytes.size) {
            WORLD_CHECK(record_batch_read((struct bytes){ sent + at, batches[i].bytes.size }, &batches[i]) ==
                        RECORD_BATCH_WHOLE);
        }
    }
    WORLD_CHECK(verdict == COPY_OK || verdict == COPY_NO_MEMORY || verdict == COPY_DISK_FULL);
    if (verdict != COPY_OK) world->refusals++;
    for (uint32_t i = 0; i < count && record_batch_last_offset(&batches[i]) < end_offset; i++) {
        const struct append_answer answer = { batches[i].base_offset, record_batch_last_offset(&batches[i]), -1 };
        world_keep(world, log, &batches[i], &answer, batches[i].leader_epoch);
        kept->epoch = MAX(kept->epoch, batches[i].leader_epoch);
        world->copies++;
    }
    WORLD_CHECK(world_end(kept) == end_offset);
}

static void world_append(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);

    if (!world->kept[log].open || !logs_has_room(world->logs)) return;
    if (world->kept[log].replicated && world_chance(world, 1, 3)) {
        world_copy(world, log);
        return;
    }
    world_append_as(world, log, world_chance(world, 1, 2) ? (int64_t)world_below(world, WORLD_PRODUCERS) : -1);
}

/* Others hold what is durable here, or not yet. */
static void world_raise(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);
    struct kept_log *kept = &world->kept[log];

    if (!kept->open || !kept->replicated) return;
    const struct log_offsets offsets = log_offsets(world->logs, log);
    const int64_t span = offsets.durable_offset - offsets.high_watermark;
    if (span <= 0) return;
    kept->high_watermark = offsets.durable_offset;
    if (world_chance(world, 1, 2)) {
        kept->high_watermark -= (int64_t)world_below(world, (uint64_t)span);
        kept->high_watermark = world_batch_at(kept, kept->high_watermark - 1)->last_offset + 1;
    }
    logs_set_high_watermark(world->logs, log, kept->high_watermark);
    logs_set_high_watermark(world->logs, log, offsets.high_watermark); /* old news */
    WORLD_CHECK(log_offsets(world->logs, log).high_watermark == kept->high_watermark);
}

static void world_trim(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);
    struct kept_log *kept = &world->kept[log];
    if (!kept->open) return;
    const struct log_offsets offsets = log_offsets(world->logs, log);
    const int64_t span = offsets.high_watermark - offsets.log_start_offset;
    const int64_t wanted = offsets.log_start_offset + (int64_t)world_below(world, (uint64_t)span + 1);

    if (wanted <= offsets.log_start_offset) return;
    const uint64_t sequence = logs_advance_start(world->logs, log, wanted);
    if (sequence == 0) return;
    world->trims++;
    kept->start_asked = MAX(kept->start_asked, wanted);
    kept->trimmed = wanted;
    kept->trim_sequence = sequence;
}

/* ---- lives ---- */

static void world_open_log(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    WORLD_CHECK(logs_open(world->logs, log, &kept->topic_id,
                          (struct bytes){ (const uint8_t *)kept->topic, (uint32_t)strlen(kept->topic) },
                          kept->partition, &world->rules));
    if (kept->replicated) logs_set_replicated(world->logs, log, true);
}

static void world_create_log(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct kept_log *neighbour = log % 2 == 1 ? &world->kept[log - 1] : NULL;

    for (uint32_t i = 0; i < kept->count; i++) free(kept->batches[i].bytes);
    free(kept->batches);
    /* Two neighbours share a topic; but a partition of a topic is never made twice. */
    const bool shares = neighbour != NULL && neighbour->open && !uuid_equal(&neighbour->topic_id, &kept->topic_id);
    const uint32_t topic = shares ? 0 : ++world->topics_made;
    *kept = (struct kept_log){ .open = true, .partition = (int32_t)(log % 2) };
    kept->replicated = world->replicates && world_chance(world, 1, 2);
    kept->batches = malloc(WORLD_BATCHES * sizeof *kept->batches);
    if (topic == 0) {
        kept->topic_id = world->kept[log - 1].topic_id;
        strcpy(kept->topic, world->kept[log - 1].topic);
    } else {
        store_u32(kept->topic_id.bytes, topic);
        snprintf(kept->topic, sizeof kept->topic, "topic%u", topic % 3);
    }
    world_open_log(world, log);
}

/* A new process over what is on the disk. */
static void world_boot(struct world *world)
{
    const size_t size = logs_size(&world->config);

    free(world->memory);
    world->memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(world->memory, 0, size);
    world->logs = world->memory;
    logs_init(world->logs, &world->config);
    memset(world->reads, 0, sizeof world->reads);
    world->disk.order_count = 0;
    world->effects.count = 0;
    world->halted = false;
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        if (world->kept[log].open) world_open_log(world, log);
    }
    logs_recover(world->logs, &world->effects);
    world_commit(world);
}

/* Runs until the logs are open; false: interrupted after `steps` answers, or halted. */
static bool world_recover(struct world *world, uint64_t steps)
{
    while (logs_state(world->logs) == LOGS_RECOVERING) {
        if (steps-- == 0) return false;
        if (!world_answer(world)) {
            WORLD_CHECK(logs_deadline_ns(world->logs) != UINT64_MAX); /* or it would stay like this for ever */
            world_pass(world, 10 * NS_PER_MS);
            world_commit(world);
        }
    }
    return logs_state(world->logs) == LOGS_OPEN;
}

static void world_stop(struct world *world)
{
    logs_stop(world->logs, &world->effects);
    for (uint32_t i = 0; logs_state(world->logs) != LOGS_STOPPED; i++) {
        WORLD_CHECK(i < 20000);
        world_settle(world);
        if (world_answer(world)) continue;
        world_pass(world, 10 * NS_PER_MS);
        world_commit(world);
    }
    world_settle(world);
}

static void world_judge_log(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct log_offsets offsets = log_offsets(world->logs, log);
    int32_t epoch = -1;

    WORLD_CHECK(offsets.log_end_offset >= kept->durable_offset);
    WORLD_CHECK(offsets.durable_offset == offsets.log_end_offset);
    WORLD_CHECK(offsets.log_start_offset >= kept->start_seen && offsets.log_start_offset <= kept->start_asked);
    WORLD_CHECK(offsets.high_watermark >= offsets.log_start_offset);
    if (kept->replicated) WORLD_CHECK(offsets.high_watermark <= MAX(kept->high_watermark, offsets.log_start_offset));
    else WORLD_CHECK(offsets.high_watermark == offsets.durable_offset);
    /* What was not durable may be there or not, but nothing else. */
    while (kept->count > 0 && kept->batches[kept->count - 1].base_offset >= offsets.log_end_offset) {
        free(kept->batches[--kept->count].bytes);
    }
    WORLD_CHECK(world_end(kept) == offsets.log_end_offset);
    kept->durable_offset = offsets.log_end_offset;
    kept->start_seen = offsets.log_start_offset;
    kept->start_asked = offsets.log_start_offset;
    kept->trimmed = 0;
    kept->trim_sequence = 0;
    for (uint32_t i = 0; i < kept->count; i++) epoch = MAX(epoch, kept->batches[i].epoch);
    WORLD_CHECK(offsets.leader_epoch == epoch);
    kept->epoch = MAX(epoch, 0);
    for (int32_t asked = 0; asked <= epoch; asked++) {
        const struct epoch_end end = log_epoch_end(world->logs, log, asked);
        int64_t end_offset = offsets.log_end_offset;
        for (uint32_t i = kept->count; i > 0 && kept->batches[i - 1].epoch > asked; i--) {
            end_offset = kept->batches[i - 1].base_offset;
        }
        /* Epochs that ended below the log start offset may be forgotten; then the first known start is the answer. */
        WORLD_CHECK(end.end_offset == end_offset ||
                    (end.end_offset > end_offset && end_offset <= offsets.log_start_offset) ||
                    (end.end_offset < end_offset && end_offset < offsets.log_start_offset));
    }
}

/* Reads a log from its start to its end and compares all of it. */
static void world_judge_bytes(struct world *world, uint32_t log)
{
    const struct log_offsets offsets = log_offsets(world->logs, log);
    int64_t offset = offsets.log_start_offset;

    while (offset < offsets.log_end_offset) {
        struct kept_read read = { .waiter = world->next_waiter++,
                                  .log = log,
                                  .offset = offset,
                                  .end_offset = offsets.log_end_offset,
                                  .size_max = 1 + (uint32_t)world_below(world, 30000) };
        for (;;) {
            const enum read_verdict verdict = logs_read(world->logs, log, offset, read.end_offset, read.size_max, true,
                                                        read.waiter, &read.read, &world->effects);
            world_commit(world);
            if (verdict == READ_OK) break;
            WORLD_CHECK(verdict == READ_WAITS);
            uint64_t ready = 0;
            while (ready != read.waiter) {
                WORLD_CHECK(world_answer(world));
                if ((ready = logs_next_ready(world->logs)) == 0) continue;
                for (uint32_t i = 0; i < WORLD_READS; i++) {
                    if (world->reads[i].waiter == ready) world_ask(world, &world->reads[i]);
                }
            }
        }
        WORLD_CHECK(read.read.piece_count > 0);
        world_check_bytes(world, &read);
        uint32_t size = read.read.size;
        const struct kept_batch *batch = world_batch_at(&world->kept[log], offset);
        for (; batch < world->kept[log].batches + world->kept[log].count && size >= batch->size; batch++) {
            size -= batch->size;
            offset = batch->last_offset + 1;
        }
        logs_unpin(world->logs, &read.read);
    }
}

static void world_judge(struct world *world)
{
    world->recoveries++;
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        if (!world->kept[log].open) continue;
        world_judge_log(world, log);
    }
    while (logs_next_durable(world->logs) != LOG_NONE) {
    }
    for (uint32_t log = 0; log < WORLD_LOGS; log++) {
        if (world->kept[log].open) world_judge_bytes(world, log);
    }
    logs_check(world->logs);
}

/* Everything that can be done is done: nothing is due and the disk is idle. */
static void world_rest(struct world *world)
{
    for (uint32_t i = 0; i < 20000; i++) {
        world_settle(world);
        if (world_answer(world)) continue;
        world_settle(world);
        if (world->disk.order_count == 0 && logs_deadline_ns(world->logs) == UINT64_MAX) return;
        world_pass(world, 200 * NS_PER_MS);
        world_commit(world);
    }
    WORLD_CHECK(!"never at rest");
}

#endif
