/* log_world.h -- what happens to the logs of a node, and what must hold afterwards.
 *
 * The model learns after each step what became durable; after each crash it demands all of that back, byte for byte,
 * accepts of the rest a first part, and nothing else. */
#ifndef CHRONIK_TESTS_LOG_WORLD_H
#define CHRONIK_TESTS_LOG_WORLD_H

#include "log_model.h"

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
        struct record_input record = { .timestamp = timestamp + i, .value = { value, size } };
        char key[8];
        if (world->keys > 0) {
            snprintf(key, sizeof key, "%u", (unsigned)world_below(world, world->keys));
            record.key = (struct bytes){ (const uint8_t *)key, (uint32_t)strlen(key) };
            if (world_chance(world, 1, 6)) record.value = (struct bytes){ NULL, 0 };
        }
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
        .kept_ms = world->wall_ms,
    };
    memcpy(last->bytes, batch->bytes.data, batch->bytes.size);
    record_batch_stamp(last->bytes, batch, answer->base_offset, epoch, -1);
}

/* The newest batches of a producer that the log surely knows, newest first. */
static uint32_t world_batches_of(const struct kept_log *kept, int64_t producer_id, const struct kept_batch **list,
                                 uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = kept->count; i > 0 && count < max; i--) {
        if (kept->batches[i - 1].last_offset < kept->known_from) break;
        if (kept->batches[i - 1].producer_id == producer_id) list[count++] = &kept->batches[i - 1];
    }
    return count;
}

/* What a producer sends after all that it has sent. Of one whose batches lie before all that is surely known, the log
 * may know something all the same: what it read before that was deleted. It accepts this either way. */
static int32_t world_next_sequence(struct world *world, const struct kept_log *kept, int64_t producer_id)
{
    for (uint32_t i = kept->count; i > 0; i--) {
        const struct kept_batch *last = &kept->batches[i - 1];
        if (last->producer_id != producer_id) continue;
        return last->sequence + (int32_t)(last->last_offset - last->base_offset) + 1;
    }
    return (int32_t)world_below(world, 5);
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
        sequence = world_next_sequence(world, kept, producer_id);
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
    const bool begins = log_offsets(world->logs, log).log_start_offset == copy.from;
    copy.to = copy.from;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *to = sent + copy.batches.size;
        const uint32_t records = 1 + (uint32_t)world_below(world, 4);
        int64_t base_offset = copy.to + (world_chance(world, 1, 10) ? (int64_t)world_below(world, 5) : 0);
        /* A log that begins anew may begin within a batch. */
        if (i == 0 && begins && world_chance(world, 1, 2)) base_offset = MAX(copy.from - (int64_t)records + 1, 0);
        const struct bytes bytes = world_build(world, to, -1, 0, -1, records);
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

    if (!world->kept[log].open || world->kept[log].cutting || !logs_has_room(world->logs)) return;
    world->keys = world->kept[log].compacts ? world->keys_max : 0;
    if (world->kept[log].replicated && world_chance(world, 1, 3)) {
        world_copy(world, log);
        return;
    }
    if (!log_offsets(world->logs, log).producers_known) { /* nobody may lead it yet */
        world->learnt++;
        return;
    }
    world_append_as(world, log, world_chance(world, 1, 2) ? (int64_t)world_below(world, WORLD_PRODUCERS) : -1);
}

/* The log turns out to have what its leader has not, or nothing of what it has. */
static void world_truncate(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);
    struct kept_log *kept = &world->kept[log];
    if (!kept->open || !kept->replicated || kept->cutting) return;
    const struct log_offsets offsets = log_offsets(world->logs, log);

    kept->cutting = true;
    kept->cut_done = false;
    kept->cut_all = world_chance(world, 1, 8);
    if (kept->cut_all) {
        kept->cut_offset = offsets.log_end_offset + (int64_t)world_below(world, 5);
        if (world_chance(world, 1, 8)) kept->cut_offset = (int64_t)world_below(world, (uint64_t)kept->cut_offset + 1);
        logs_reset(world->logs, log, kept->cut_offset);
        world->resets++;
        return;
    }
    const int64_t from = MAX(offsets.high_watermark, kept->start_asked);
    const int64_t span = offsets.log_end_offset - from;
    kept->cut_offset = from + (int64_t)world_below(world, world_chance(world, 1, 2) ? 3 : (uint64_t)span + 3);
    /* Where an epoch begins, or in the middle of a batch: both may be asked for. */
    if (kept->cut_offset < offsets.log_end_offset && world_chance(world, 3, 4)) {
        kept->cut_offset = MAX(from, world_batch_at(kept, kept->cut_offset)->base_offset);
    }
    logs_truncate(world->logs, log, kept->cut_offset);
    world->cuts++;
}

/* Others hold what is durable here, or not yet. */
static void world_raise(struct world *world)
{
    const uint32_t log = (uint32_t)world_below(world, WORLD_LOGS);
    struct kept_log *kept = &world->kept[log];

    if (!kept->open || !kept->replicated || kept->cutting) return;
    if (log >= WORLD_LOGS / 2 && !world_chance(world, 1, 30)) return; /* their followers are slow */
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
    if (!kept->open || kept->cutting) return;
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
    struct log_rules rules = world->rules;

    rules.compacts = kept->compacts;
    if (kept->compacts) rules.segment_size /= 3;
    WORLD_CHECK(logs_open(world->logs, log, &kept->topic_id,
                          (struct bytes){ (const uint8_t *)kept->topic, (uint32_t)strlen(kept->topic) },
                          kept->partition, &rules));
    if (kept->replicated) logs_set_replicated(world->logs, log, true);
}

static void world_create_log(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct kept_log *neighbour = log % 2 == 1 ? &world->kept[log - 1] : NULL;

    for (uint32_t i = 0; i < kept->count + kept->tail_count; i++) free(kept->batches[i].bytes);
    free(kept->batches);
    /* Two neighbours share a topic; but a partition of a topic is never made twice. */
    const bool shares = neighbour != NULL && neighbour->open && !uuid_equal(&neighbour->topic_id, &kept->topic_id);
    const uint32_t topic = shares ? 0 : ++world->topics_made;
    *kept = (struct kept_log){ .open = true, .partition = (int32_t)(log % 2) };
    kept->replicated = world->replicates && world_chance(world, 1, 2);
    kept->compacts = world->compacts && world_chance(world, 1, 2);
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
        world_unpin_all(world); /* what was cut off waits for its readers */
        if (world_answer(world)) continue;
        world_pass(world, 10 * NS_PER_MS);
        world_commit(world);
    }
    world_settle(world);
}

/* A truncation that was not durable: it has happened, or it has not; nothing in between. */
static void world_judge_cut(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct log_offsets offsets = log_offsets(world->logs, log);

    if (!kept->cut_done) {
        /* It may have been said in the very step that the crash came in; but then it was not durable. */
        kept->cutting = false;
        return;
    }
    if (world->logs->logs[log].era == kept->era) {
        WORLD_CHECK(offsets.log_end_offset == world_end(kept));
    } else {
        world->cuts_lost++;
        kept->count += kept->tail_count;
        kept->tail_count = 0;
        kept->durable_offset = kept->tail_durable;
        kept->start_seen = kept->tail_start;
        if (kept->cut_all) kept->start_asked = kept->tail_asked;
        kept->begin = kept->tail_begin;
        kept->high_watermark = kept->tail_high_watermark;
        kept->known_from = kept->tail_known_from;
    }
    world_cut_is_durable(kept);
}

static void world_judge_log(struct world *world, uint32_t log)
{
    struct kept_log *kept = &world->kept[log];
    const struct log_offsets offsets = log_offsets(world->logs, log);
    int32_t epoch = -1;

    if (kept->cutting) world_judge_cut(world, log);
    WORLD_CHECK(offsets.log_end_offset >= kept->durable_offset);
    WORLD_CHECK(offsets.durable_offset == offsets.log_end_offset);
    WORLD_CHECK(offsets.log_start_offset >= kept->start_seen && offsets.log_start_offset <= kept->start_asked);
    WORLD_CHECK(offsets.high_watermark >= offsets.log_start_offset);
    kept->learns = world->logs->logs[log].learns;
    if (kept->learns > 0) kept->known_from = offsets.log_start_offset;
    if (kept->replicated) WORLD_CHECK(offsets.high_watermark <= MAX(kept->high_watermark, offsets.log_start_offset));
    else WORLD_CHECK(offsets.high_watermark == offsets.durable_offset);
    /* What was not durable may be there or not, but nothing else. */
    while (kept->count > 0 && kept->batches[kept->count - 1].last_offset >= offsets.log_end_offset) {
        free(kept->batches[--kept->count].bytes);
    }
    WORLD_CHECK(world_end(kept) == offsets.log_end_offset);
    kept->durable_offset = offsets.log_end_offset;
    kept->start_seen = offsets.log_start_offset;
    kept->start_asked = offsets.log_start_offset;
    kept->trimmed = 0;
    kept->trim_sequence = 0;
    for (uint32_t i = 0; i < kept->count; i++) epoch = MAX(epoch, kept->batches[i].epoch);
    /* An empty log that was cut off may have forgotten the epochs of what was deleted before; or know them, while the
     * model has forgotten what was compacted away before it was deleted. */
    const bool empty = offsets.log_start_offset == offsets.log_end_offset;
    WORLD_CHECK(offsets.leader_epoch == epoch || (empty && offsets.leader_epoch <= MAX(epoch, kept->epoch)));
    kept->epoch = MAX(MAX(epoch, offsets.leader_epoch), 0);
    if (empty) return;
    for (int32_t asked = 0; asked <= epoch; asked++) {
        const struct epoch_end end = log_epoch_end(world->logs, log, asked);
        int64_t end_offset = offsets.log_end_offset;
        for (uint32_t i = kept->count; i > 0 && kept->batches[i - 1].epoch > asked; i--) {
            end_offset = kept->batches[i - 1].base_offset;
        }
        /* Epochs that ended below the log start offset may be forgotten; then the first known start is the answer. */
        WORLD_CHECK(end.end_offset == end_offset ||
                    (end.end_offset > end_offset && end_offset <= offsets.log_start_offset) ||
                    (end.end_offset < end_offset && end_offset <= offsets.log_start_offset));
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
        offset = world_check_bytes(world, &read);
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
        world_unpin_all(world);
        if (world_answer(world)) continue;
        world_settle(world);
        if (world->disk.order_count == 0 && logs_deadline_ns(world->logs) == UINT64_MAX) return;
        world_pass(world, 200 * NS_PER_MS);
        world_commit(world);
    }
    WORLD_CHECK(!"never at rest");
}

#endif
