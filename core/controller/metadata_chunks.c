/* metadata_chunks.c -- pieces of our snapshots for those who were left behind.
 *
 * A chunk is read from the file when Raft wants to send it, into one of a few slots, and leaves in the step in which it
 * was read. Members that were left behind together ask for the same chunks: a slot serves all that want it, and keeps
 * it until another is needed. What finds no slot is lost; Raft asks again when its window has stalled. */
#include "base/check.h"
#include "controller/metadata_log_state.h"

void metadata_chunks_init(struct metadata_log *log, uint8_t *memory)
{
    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) log->chunks.slots[i].memory = memory + (size_t)i * log->chunks.size_max;
}

static bool is_of(const struct chunk_slot *slot, const struct raft_snapshot_request *request)
{
    return slot->state != CHUNK_FREE && slot->index == request->index && slot->offset == request->offset &&
           slot->size == request->size;
}

/* The slot that has this chunk, or will have it; CHUNK_SLOTS: all are in use. */
static uint32_t slot_for(struct metadata_log *log, const struct raft_snapshot_request *request)
{
    struct chunks *chunks = &log->chunks;
    uint32_t found = CHUNK_SLOTS;

    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
        if (is_of(&chunks->slots[i], request)) return i;
    }
    for (uint32_t i = 0; i < CHUNK_SLOTS; i++) {
        const struct chunk_slot *slot = &chunks->slots[i];
        if (slot->state != CHUNK_FREE && (slot->state != CHUNK_READY || slot->users > 0)) continue;
        if (found == CHUNK_SLOTS || slot->used < chunks->slots[found].used) found = i;
    }
    if (found == CHUNK_SLOTS) return found;
    struct chunk_slot *slot = &chunks->slots[found];
    slot->state = CHUNK_WANTED;
    slot->index = request->index;
    slot->offset = request->offset;
    slot->size = request->size;
    return found;
}

void metadata_chunks_push(struct metadata_log *log, const struct raft_message *message)
{
    struct chunks *chunks = &log->chunks;
    uint32_t slot = CHUNK_SLOTS;

    CHECK(message->snapshot_request.size <= chunks->size_max);
    if (chunks->count < CHUNKS_WAITING_MAX) slot = slot_for(log, &message->snapshot_request);
    if (slot == CHUNK_SLOTS) {
        log->counters.frames_lost++;
        return;
    }
    chunks->slots[slot].users++;
    chunks->slots[slot].used = ++chunks->uses;
    chunks->waiting[chunks->count++] = (struct chunk_wait){ *message, slot };
}

void metadata_chunks_go_on(struct metadata_log *log, struct effects *effects)
{
    for (uint32_t i = 0; i < CHUNK_SLOTS && effects_space(effects) > 0; i++) {
        struct chunk_slot *slot = &log->chunks.slots[i];
        if (slot->state != CHUNK_WANTED) continue;
        slot->state = CHUNK_READING;
        metadata_snapshot_path(slot->path, slot->index);
        effects_add(effects, EFFECT_READ)->read =
            (struct effect_read){ .op = op_make(OP_META, (uint64_t)i << 8 | META_OP_CHUNK),
                                  .path = slot->path,
                                  .position = slot->offset,
                                  .into = slot->memory,
                                  .size = slot->size };
    }
}

static void take_out(struct metadata_log *log, uint32_t at)
{
    struct chunks *chunks = &log->chunks;

    chunks->slots[chunks->waiting[at].slot].users--;
    memmove(&chunks->waiting[at], &chunks->waiting[at + 1], (chunks->count - at - 1) * sizeof chunks->waiting[0]);
    chunks->count--;
}

void metadata_chunks_on_disk(struct metadata_log *log, const struct event_disk *disk)
{
    const uint32_t number = (uint32_t)(disk->op >> 8 & 0xff);
    struct chunks *chunks = &log->chunks;
    struct chunk_slot *slot = &chunks->slots[number];

    CHECK(number < CHUNK_SLOTS && slot->state == CHUNK_READING);
    slot->state = CHUNK_READY;
    if (disk->result == DISK_DONE && disk->size == slot->size) return;
    /* The file is gone, or cannot be read. The next snapshot will be there. */
    for (uint32_t i = chunks->count; i > 0; i--) {
        if (chunks->waiting[i - 1].slot != number) continue;
        take_out(log, i - 1);
        log->counters.frames_lost++;
    }
    slot->state = CHUNK_FREE;
}

bool metadata_chunks_next(struct metadata_log *log, struct raft_message *message, struct bytes *bytes)
{
    struct chunks *chunks = &log->chunks;

    for (uint32_t i = 0; i < chunks->count; i++) {
        const struct chunk_slot *slot = &chunks->slots[chunks->waiting[i].slot];
        if (slot->state != CHUNK_READY) continue;
        *message = chunks->waiting[i].message;
        *bytes = (struct bytes){ slot->memory, slot->size };
        take_out(log, i);
        return true;
    }
    return false;
}
