/* raft_host.h -- does what a call of the engine wants done: messages through their bytes onto a network, writes to a
 * disk that takes its time, committed entries into a state. Part of raft_world.h. */
#ifndef CHRONIK_TESTS_RAFT_HOST_H
#define CHRONIK_TESTS_RAFT_HOST_H

#include "raft_judge.h"

/* ------------------------------------------------------------------------------------- network */

static const struct item *entries_of(struct world *world, struct node *node, const struct raft_message *message,
                                     struct raft_entry *entries, uint8_t *payload)
{
    const struct raft_append_request *request = &message->append_request;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const uint64_t index = request->prev_index + 1 + i;
        const struct item *item = items_at(&node->log, index);
        if (item == NULL) {
            world_violate(world, "node %u sends entry %u, which it has not", (unsigned)node->id, (unsigned)index);
            return NULL;
        }
        entries[i] = raft_entry(node->raft, index);
        if (item->size > 0) memcpy(payload, item->bytes, item->size);
        payload += item->size;
    }
    return node->log.list;
}

static const struct picture *picture_find(const struct node *node, uint64_t index)
{
    if (node->disk_picture.index == index) return &node->disk_picture;
    for (uint32_t i = 0; i < KEPT_MAX; i++) {
        if (node->kept[i].index == index) return &node->kept[i];
    }
    return NULL;
}

/* A newer snapshot has replaced `picture`: it stays while the engine says that it may send it. */
static void picture_keep(struct node *node, struct picture picture)
{
    for (uint32_t i = 0; i < KEPT_MAX; i++) {
        struct picture *kept = &node->kept[i];
        if (kept->index > 0 && !raft_snapshot_needed(node->raft, kept->index)) kept->index = 0;
        if (kept->index != 0 || picture.index == 0 || !raft_snapshot_needed(node->raft, picture.index)) continue;
        *kept = picture;
        picture.index = 0;
    }
}

static struct bytes encode(struct world *world, struct node *node, const struct raft_message *message)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    static uint8_t head[RAFT_MESSAGE_HEAD_SIZE_MAX];
    uint8_t *bytes;
    uint32_t payload_size = 0;

    if (message->kind == RAFT_APPEND_REQUEST) {
        for (uint32_t i = 0; i < message->append_request.entry_count; i++) {
            entries[i] = raft_entry(node->raft, message->append_request.prev_index + 1 + i);
        }
    }
    payload_size = raft_message_payload_size(message, entries);
    const uint32_t head_size = raft_message_write(message, entries, head);
    bytes = arena_take(world, head_size + payload_size);
    memcpy(bytes, head, head_size);
    if (message->kind == RAFT_APPEND_REQUEST) {
        if (entries_of(world, node, message, entries, bytes + head_size) == NULL) payload_size = 0;
    }
    if (message->kind == RAFT_SNAPSHOT_REQUEST) {
        const struct raft_snapshot_request *chunk = &message->snapshot_request;
        const struct picture *picture = picture_find(node, chunk->index);
        if (picture == NULL) {
            world_violate(world, "node %u sends a snapshot that it said it needs no more", (unsigned)node->id);
            return (struct bytes){ NULL, 0 };
        }
        memcpy(bytes + head_size, picture->bytes + chunk->offset, chunk->size);
    }
    return (struct bytes){ bytes, head_size + payload_size };
}

static bool connected(const struct node *from, const struct node *to)
{
    return from->group == to->group && !from->mute && !to->deaf;
}

static void world_send(struct world *world, struct node *node, const struct raft_message *message)
{
    struct node *to = world_node(world, message->to);
    const struct world_config *config = &world->config;

    world->stats.messages++;
    if (to == NULL || !connected(node, to) || world_chance(world, config->loss)) return;
    struct bytes bytes = encode(world, node, message);
    if (bytes.size == 0) return;
    if (world_chance(world, config->corrupt)) {
        uint8_t *bent = arena_take(world, bytes.size);
        memcpy(bent, bytes.data, bytes.size);
        for (uint64_t i = world_draw(world, 3) + 1; i > 0; i--) {
            bent[world_draw(world, MIN(bytes.size, 96))] ^= (uint8_t)(1u << world_draw(world, 8));
        }
        bytes.data = bent;
    }
    const uint32_t copies = world_chance(world, config->duplicate) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        const bool late = world_chance(world, config->late);
        const uint64_t factor = late ? 1 + world_draw(world, 100) : 1;
        const uint64_t delay_ns = factor * (config->delay_ns + world_draw(world, config->delay_ns + 1));
        uint64_t *arrives_ns = &to->arrives_ns[node - world->nodes], at_ns = world->now_ns + delay_ns;
        if (config->ordered && !late) {
            at_ns = MAX(at_ns, *arrives_ns);
            *arrives_ns = at_ns;
        }
        queue_push(world, (struct happening){ .at_ns = at_ns,
                                              .kind = HAPPENS_MESSAGE,
                                              .slot = (uint32_t)(to - world->nodes),
                                              .from = node->id,
                                              .bytes = bytes });
    }
}

/* ------------------------------------------------------------------------------------- state machine */

/* index, chain, checksum, size of the list, the list, filling */
static struct picture picture_make(struct world *world, uint64_t index, uint64_t term, uint64_t chain,
                                   const struct raft_configuration *list)
{
    const uint64_t filling = world_draw(world, 400);
    uint8_t *bytes = arena_take(world, 32 + list->size + filling);
    store_u64(bytes, index);
    store_u64(bytes + 8, chain);
    store_u32(bytes + 24, list->size);
    store_u32(bytes + 28, 0);
    memcpy(bytes + 32, list->bytes, list->size);
    memset(bytes + 32 + list->size, (int)index, filling);
    store_u64(bytes + 16, bytes_hash(bytes + 24, 8 + list->size + filling));
    return (struct picture){ index, term, chain, bytes, 32 + list->size + filling };
}

static bool picture_read(struct picture *picture)
{
    if (picture->size < 32) return false;
    if (load_u64(picture->bytes + 16) != bytes_hash(picture->bytes + 24, picture->size - 24)) return false;
    if (load_u64(picture->bytes) != picture->index) return false;
    picture->chain = load_u64(picture->bytes + 8);
    return true;
}

static struct bytes picture_list(const struct picture *picture)
{
    return (struct bytes){ picture->bytes + 32, load_u32(picture->bytes + 24) };
}

/* ------------------------------------------------------------------------------------- disk */

static struct op *disk_push(struct world *world, struct node *node, enum op_kind kind)
{
    if (node->op_first + node->op_count == node->op_max) {
        if (node->op_first > 0) {
            memmove(node->ops, node->ops + node->op_first, node->op_count * sizeof *node->ops);
            node->op_first = 0;
        } else {
            node->op_max = MAX(64, node->op_max * 2);
            node->ops = realloc(node->ops, node->op_max * sizeof *node->ops);
        }
    }
    const uint64_t takes_ns = world->config.disk_ns + world_draw(world, world->config.disk_ns + 1);
    const uint64_t install_ns = kind == OP_INSTALL ? world_draw(world, 200 * MS) : 0; /* long enough for a new leader */
    if (world->now_ns >= node->round_begin_ns || kind == OP_INSTALL) { /* else it joins the round that waits */
        node->round_begin_ns = MAX(node->disk_free_ns, world->now_ns);
        node->disk_free_ns = node->round_begin_ns + takes_ns + install_ns;
    }
    struct op *op = &node->ops[node->op_first + node->op_count++];
    *op = (struct op){ .kind = kind, .done_ns = node->disk_free_ns };
    queue_push(world, (struct happening){ .at_ns = op->done_ns,
                                          .kind = HAPPENS_DISK,
                                          .slot = (uint32_t)(node - world->nodes),
                                          .life = node->life });
    return op;
}

/* Makes the first `parts` parts of a write durable: hard state, truncation, each entry. */
static void disk_apply_write(struct world *world, struct node *node, const struct op *op, uint64_t parts)
{
    const struct raft_write *write = &op->write;

    if (write->hard_state) {
        if (parts-- == 0) return;
        node->disk_term = write->term;
        node->disk_vote = write->vote;
    }
    if (write->truncate_from != 0) {
        if (parts-- == 0) return;
        items_truncate(&node->disk_log, write->truncate_from);
    }
    for (uint32_t i = 0; i < write->entry_count && parts > 0; i++, parts--) {
        const uint64_t index = write->first_index + i;
        if (node->disk_log.count == 0 || items_last(&node->disk_log) < node->disk_picture.index) {
            if (index == node->disk_picture.index + 1) items_reset(&node->disk_log, index);
        }
        if (index != node->disk_log.first + node->disk_log.count) {
            world_violate(world, "node %u appends entry %u behind %u", (unsigned)node->id, (unsigned)index,
                          (unsigned)items_last(&node->disk_log));
            return;
        }
        items_push(&node->disk_log, &op->items[i]);
    }
}

/* Nodes compact at different places, so that one has entries that another has only as a snapshot. */
static uint32_t trailing_of(const struct world *world, const struct node *node)
{
    return world->config.trailing_entries + (uint32_t)(node - world->nodes) % 3 * 30;
}

static void disk_apply_picture(struct world *world, struct node *node, const struct picture *picture)
{
    if (picture->index <= node->disk_picture.index) return;
    node->disk_picture = *picture;
    const uint64_t keep = picture->index > trailing_of(world, node) ? picture->index - trailing_of(world, node) : 1;
    items_drop_before(&node->disk_log, keep); /* what is left may belong to the old log, until the install's mark */
}

/* ------------------------------------------------------------------------------------- what a call wants done */

struct source { /* of the bytes of entries that a call appends */
    const struct raft_message *message;
    const uint8_t *const *proposals;
};

static void take_write(struct world *world, struct node *node, const struct source *source)
{
    const struct raft_write *write = &world->out.write;
    struct op *op;

    if (write->ticket.sequence == 0) return;
    op = disk_push(world, node, OP_WRITE);
    op->write = *write;
    op->items = (struct item *)(void *)arena_take(world, write->entry_count * sizeof(struct item));
    if (write->truncate_from != 0) items_truncate(&node->log, write->truncate_from);
    if (write->entry_count > 0 && node->log.count == 0) items_reset(&node->log, write->first_index);
    uint32_t skipped = 0, at = 0;
    if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
        const struct raft_append_request *request = &source->message->append_request;
        for (; request->prev_index + 1 + skipped < write->first_index; skipped++) at += request->entries[skipped].size;
    }
    for (uint32_t i = 0; i < write->entry_count; i++) {
        const struct raft_entry entry = raft_entry(node->raft, write->first_index + i);
        struct item item = { entry.term, entry.kind, entry.size, NULL };
        if (write->own_payload.size > 0) item.bytes = arena_copy(world, write->own_payload.data, entry.size);
        else if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
            item.bytes = source->message->payload.data + at;
            at += entry.size;
        } else if (source->proposals != NULL) item.bytes = source->proposals[i];
        op->items[i] = item;
        items_push(&node->log, &item);
        judge_entry(world, node, write->first_index + i, &item, item_hash(&item));
    }
}

static void take_chunk(struct world *world, struct node *node, const struct raft_message *message)
{
    const struct raft_chunk *chunk = &world->out.chunk;

    if (chunk->size == 0) return;
    world->stats.chunks++;
    if (chunk->total_size > 1 << 20) return; /* only a corrupt message says so */
    if (chunk->first) {
        free(node->incoming);
        node->incoming = malloc(chunk->total_size);
    }
    if (node->incoming == NULL) return;
    memcpy(node->incoming + chunk->offset, message->payload.data, chunk->size);
    if (!chunk->last) return;
    struct op *op = disk_push(world, node, OP_INSTALL);
    op->picture = (struct picture){ chunk->index, chunk->term, 0, arena_copy(world, node->incoming, chunk->total_size),
                                    chunk->total_size };
}

static void apply_committed(struct world *world, struct node *node)
{
    if (world->out.commit_index == 0) return;
    for (uint64_t index = node->applied + 1; index <= world->out.commit_index; index++) {
        const struct item *item = items_at(&node->log, index);
        if (item == NULL) {
            world_violate(world, "node %u commits %u, which it has not", (unsigned)node->id, (unsigned)index);
            return;
        }
        const uint64_t hash = item_hash(item);
        node->chain = mix(node->chain, hash);
        node->applied = index;
        judge_applied(world, node, index, item->term, hash);
    }
}

static void maybe_take_snapshot(struct world *world, struct node *node)
{
    if (world->config.snapshot_entries == 0 || node->taking) return;
    if (node->applied < node->disk_picture.index + world->config.snapshot_entries) return;
    const struct raft_configuration *list = raft_configuration_at(node->raft, node->applied);
    if (list == NULL || raft_term_at(node->raft, node->applied) == 0) return;
    node->taking = true;
    struct op *op = disk_push(world, node, OP_TAKE);
    op->picture = picture_make(world, node->applied, raft_term_at(node->raft, node->applied), node->chain, list);
}

static const char *const note_names[] = {
    [RAFT_NOTE_FOLLOWING] = "follows %u in term %u",
    [RAFT_NOTE_LEADER_LOST] = "has lost leader %u of term %u",
    [RAFT_NOTE_PRE_CANDIDATE] = "asks who would vote for it (%u) after term %u",
    [RAFT_NOTE_CANDIDATE] = "is a candidate (%u) in term %u",
    [RAFT_NOTE_LEADER] = "leads (%u) in term %u",
    [RAFT_NOTE_STEPPED_DOWN] = "steps down (%u) from term %u",
    [RAFT_NOTE_QUORUM_LOST] = "hears too few (%u) in term %u",
    [RAFT_NOTE_VOTED] = "votes for %u in term %u",
    [RAFT_NOTE_CONFIGURATION] = "uses the list at %u, %u members",
    [RAFT_NOTE_ROLLED_BACK] = "is back at the list at %u, %u members",
    [RAFT_NOTE_CONFIGURATION_COMMITTED] = "list at %u is committed, %u members",
    [RAFT_NOTE_REMOVED] = "is removed (%u) by the list at %u",
    [RAFT_NOTE_TRUNCATED] = "drops entries %u to %u",
    [RAFT_NOTE_PROBING] = "probes %u from %u",
    [RAFT_NOTE_STREAMING] = "streams to %u from %u",
    [RAFT_NOTE_SNAPSHOT_SENDING] = "sends %u the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_INSTALLED] = "installed (from %u) the snapshot at %u",
    [RAFT_NOTE_SNAPSHOT_REFUSED] = "refused (from %u) the snapshot at %u",
    [RAFT_NOTE_TRANSFER_BEGUN] = "hands over to %u in term %u",
    [RAFT_NOTE_TRANSFER_FAILED] = "could not hand over to %u in term %u",
    [RAFT_NOTE_IMPOSSIBLE] = "was told what cannot be by %u: %u",
    [RAFT_NOTE_TRAIL_FULL] = "has no room for entry %u behind %u",
};
_Static_assert(sizeof note_names / sizeof note_names[0] == RAFT_NOTE_KIND_COUNT, "each note has a line");

static void say_notes(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->out.note_count; i++) {
        const struct raft_note *note = &world->out.notes[i];
        if (note->kind == RAFT_NOTE_IMPOSSIBLE) world->stats.impossible++;
        if (note->kind == RAFT_NOTE_TRUNCATED) world->stats.truncations++;
        if (note->kind == RAFT_NOTE_ROLLED_BACK) world->stats.rollbacks++;
        if (world->config.print == NULL) continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        world_say(world, node, note_names[note->kind], (unsigned)note->subject, (unsigned)note->detail);
#pragma GCC diagnostic pop
    }
}

static void take_reads(struct world *world, struct node *node)
{
    for (uint32_t i = 0; i < world->out.read_count; i++) {
        const struct raft_read_answer *answer = &world->out.reads[i];
        for (uint32_t j = 0; j < node->read_count; j++) {
            if (node->reads[j].token != answer->token) continue;
            if (!answer->failed) judge_read(world, node, &node->reads[j], answer->index);
            node->reads[j] = node->reads[--node->read_count];
            break;
        }
    }
}

static void set_timer(struct world *world, struct node *node)
{
    const uint64_t deadline_ns = raft_deadline_ns(node->raft);
    if (deadline_ns == RAFT_NEVER || deadline_ns >= node->timer_ns) return;
    node->timer_ns = deadline_ns;
    queue_push(world, (struct happening){ .at_ns = MAX(deadline_ns, world->now_ns),
                                          .kind = HAPPENS_TIMER,
                                          .slot = (uint32_t)(node - world->nodes),
                                          .life = node->life });
}

/* Does what the call of `node` wants. */
static void world_drain(struct world *world, struct node *node, const struct source *source)
{
    world->stats.steps++;
    raft_check(node->raft);
    say_notes(world, node);
    take_write(world, node, source);
    if (source->message != NULL) take_chunk(world, node, source->message);
    judge_step(world, node);
    apply_committed(world, node);
    for (uint32_t i = 0; i < world->out.message_count; i++) {
        judge_message(world, node, &world->out.messages[i]);
        world_send(world, node, &world->out.messages[i]);
    }
    take_reads(world, node);
    maybe_take_snapshot(world, node);
    set_timer(world, node);
}

static const struct source no_source = { NULL, NULL };

#endif
