/* loading.c -- reads the logs of partitions that were gained, one after the other, in bounded pieces; those that
 * somebody has asked for before the others.
 *
 * What is read goes into a buffer, because a batch is replayed in as many steps as its records need. */
#include "base/check.h"
#include "group/state.h"

/* ---- asking ---- */

/* False: there is nothing more to be read of it. */
static bool begin_with(struct groups *groups, uint32_t log)
{
    struct place *place = &groups->places[log];

    if (place->state != PLACE_READING) return false;
    if (place->next_offset >= place->end_offset) {
        place->state = PLACE_SETTLING;
        return false;
    }
    groups->reading.state = READING_ASKS;
    groups->reading.place = log;
    groups->reading.skip = 0;
    return true;
}

static void begin(struct groups *groups)
{
    const struct chain *const chains[] = { &groups->urgent, &groups->loading };

    for (uint32_t i = 0; i < COUNT_OF(chains); i++) {
        for (uint32_t log = chains[i]->first; log != CHAIN_NONE; log = chains[i]->hooks[log].next) {
            if (begin_with(groups, log)) return;
        }
    }
}

/* It lies in memory: copied, because what is read of a batch goes on over several steps. */
static void take(struct groups *groups)
{
    struct reading *reading = &groups->reading;

    reading->filled = 0;
    for (uint32_t i = 0; i < reading->read.piece_count; i++) {
        const struct piece *piece = &reading->read.pieces[i];
        if (piece->size > reading->buffer_size - reading->filled) break; /* the last batch may be cut */
        memcpy(reading->buffer + reading->filled, piece->data, piece->size);
        reading->filled += piece->size;
    }
    logs_unpin(groups->rooms.logs, &reading->read);
    reading->used = 0;
    reading->state = READING_HAS;
}

static void ask(struct groups *groups, struct effects *effects)
{
    struct reading *reading = &groups->reading;
    struct place *place = &groups->places[reading->place];

    reading->ready = false;
    switch (logs_read(groups->rooms.logs, reading->place, place->next_offset, place->end_offset, reading->buffer_size,
                      true, GROUPS_WAITER, &reading->read, effects)) {
    case READ_WAITS:
    case READ_BUSY: reading->state = READING_WAITS; return;
    case READ_OUT_OF_RANGE: /* its begin went up meanwhile */
        place->next_offset = MAX(place->next_offset, log_offsets(groups->rooms.logs, reading->place).log_start_offset);
        reading->state = READING_NOTHING;
        groups->due = true;
        return;
    case READ_CORRUPT: break;
    case READ_OK:
        if (reading->read.piece_count == 0) { /* compaction has left nothing up to there */
            place->next_offset = place->end_offset;
            reading->state = READING_NOTHING;
            groups->due = true;
            return;
        }
        if (reading->read.pieces[0].data != NULL) {
            take(groups);
            return;
        }
        if (reading->read.size > reading->buffer_size) {
            logs_unpin(groups->rooms.logs, &reading->read);
            break;
        }
        reading->state = READING_UNDER_WAY;
        effects_add(effects, EFFECT_READ)->read = (struct effect_read){
            .op = op_make(OP_GROUPS, 0),
            .path = reading->read.pieces[0].path,
            .position = reading->read.pieces[0].position,
            .into = reading->buffer,
            .size = reading->read.pieces[0].size,
        };
        return;
    }
    reading->state = READING_NOTHING;
    place_fail(groups, reading->place, effects);
    groups->due = true;
}

void groups_on_ready(struct groups *groups, uint64_t waiter)
{
    CHECK(waiter == GROUPS_WAITER);
    if (groups->reading.state == READING_WAITS) groups->reading.state = READING_ASKS;
}

void groups_on_disk(struct groups *groups, const struct event *event)
{
    struct reading *reading = &groups->reading;

    CHECK(event->type == EVENT_READ_DONE && reading->state == READING_UNDER_WAY);
    logs_unpin(groups->rooms.logs, &reading->read);
    reading->state = READING_HAS;
    reading->filled = event->disk.result == DISK_DONE ? event->disk.size : 0;
    reading->used = 0;
    if (!reading->orphaned) return;
    reading->orphaned = false;
    reading->state = READING_NOTHING;
}

void loading_forget(struct groups *groups, uint32_t place)
{
    struct reading *reading = &groups->reading;

    if (reading->state == READING_NOTHING || reading->place != place) return;
    if (reading->state == READING_UNDER_WAY) reading->orphaned = true;
    else reading->state = READING_NOTHING;
}

/* ---- replaying ---- */

/* The records of one batch from `skip` on, as many as may be; REPLAY_DONE with *whole false: there are more. */
static enum replay_verdict replay_batch(struct groups *groups, const struct record_batch *batch, uint32_t *left,
                                        bool *whole)
{
    struct reading *reading = &groups->reading;
    struct record_iterator iterator;
    struct record record;
    struct bytes records;
    uint32_t number = 0;

    *whole = true;
    if (!record_batch_crc_matches(batch)) return REPLAY_BROKEN;
    if ((batch->attributes & RECORD_BATCH_CONTROL) != 0) return REPLAY_DONE;
    if (record_batch_open(batch, &groups->unpack, &records) != COMPRESSION_OK) return REPLAY_BROKEN;
    record_iterator_init(&iterator, batch, records);
    for (;;) {
        switch (record_iterator_next(&iterator, &record)) {
        case RECORD_END: reading->skip = 0; return REPLAY_DONE;
        case RECORD_MALFORMED: return REPLAY_BROKEN;
        case RECORD_NEXT: break;
        }
        if (number++ < reading->skip) continue;
        if (*left == 0) {
            *whole = false;
            return REPLAY_DONE;
        }
        --*left;
        reading->skip++;
        const enum replay_verdict verdict = replay_record(groups, reading->place, &record);
        if (verdict != REPLAY_DONE) return verdict;
    }
}

static void replay(struct groups *groups, uint32_t *left, struct effects *effects)
{
    struct reading *reading = &groups->reading;
    struct place *place = &groups->places[reading->place];
    bool some = reading->used > 0;

    while (place->next_offset < place->end_offset) {
        const struct bytes rest = { reading->buffer + reading->used, reading->filled - reading->used };
        struct record_batch batch;
        bool whole;
        if (record_batch_read(rest, &batch) != RECORD_BATCH_WHOLE) break;
        if (replay_batch(groups, &batch, left, &whole) != REPLAY_DONE) {
            some = false;
            break;
        }
        if (!whole) {
            groups->due = true;
            return;
        }
        some = true;
        reading->used += batch.bytes.size;
        place->next_offset = MAX(place->next_offset, record_batch_last_offset(&batch) + 1);
    }
    reading->state = READING_NOTHING;
    groups->due = true; /* for more of it, or for the next place */
    if (some && place->next_offset >= place->end_offset) place->state = PLACE_SETTLING;
    if (!some) place_fail(groups, reading->place, effects);
}

void loading_work(struct groups *groups, struct effects *effects)
{
    struct reading *reading = &groups->reading;
    uint32_t left = RECORDS_PER_STEP_MAX;

    if (reading->state == READING_NOTHING) begin(groups);
    if (reading->state == READING_ASKS && effects_space(effects) > EFFECTS_MAX / 2) ask(groups, effects);
    else if (reading->state == READING_ASKS) groups->due = true;
    if (reading->state == READING_HAS) replay(groups, &left, effects);
}
