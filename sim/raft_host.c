/* raft_host.c -- does what a call of an engine wants done: messages through their bytes onto a network, writes to a
 * disk that takes its time, committed entries into a state. */
#include "base/hash.h"
#include "sim/raft_judge.h"

#include <stdio.h>
#include <stdlib.h>

/* ------------------------------------------------------------------------------------- network */

static const struct raft_item *entries_of(struct raft_world *world, struct raft_node *node,
                                          const struct raft_message *message, struct raft_entry *entries,
                                          uint8_t *payload)
{
    const struct raft_append_request *request = &message->append_request;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const uint64_t index = request->prev_index + 1 + i;
        const struct raft_item *item = raft_items_at(&node->log, index);
        if (item == NULL) {
            raft_world_violate(world, "O5 MATCH: node %u sends entry %u, which it has not", (unsigned)node->id,
                               (unsigned)index);
            return NULL;
        }
        entries[i] = node->engine->entry(node->raft, index);
        if (item->size > 0) memcpy(payload, item->bytes, item->size);
        payload += item->size;
    }
    return node->log.list;
}

static const struct raft_picture *picture_find(const struct raft_node *node, uint64_t index)
{
    if (node->disk_picture.index == index) return &node->disk_picture;
    for (uint32_t i = 0; i < RAFT_KEPT_MAX; i++) {
        if (node->kept[i].index == index) return &node->kept[i];
    }
    return NULL;
}

/* A newer snapshot has replaced `picture`: it stays while the engine says that it may send it. */
void raft_picture_keep(struct raft_node *node, struct raft_picture picture)
{
    for (uint32_t i = 0; i < RAFT_KEPT_MAX; i++) {
        struct raft_picture *kept = &node->kept[i];
        if (kept->index > 0 && !node->engine->snapshot_needed(node->raft, kept->index)) kept->index = 0;
        if (kept->index != 0 || picture.index == 0 || !node->engine->snapshot_needed(node->raft, picture.index))
            continue;
        *kept = picture;
        picture.index = 0;
    }
}

static struct bytes encode(struct raft_world *world, struct raft_node *node, const struct raft_message *message)
{
    static struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    static uint8_t head[RAFT_MESSAGE_HEAD_SIZE_MAX];
    uint8_t *bytes;
    uint32_t payload_size = 0;

    if (message->kind == RAFT_APPEND_REQUEST) {
        for (uint32_t i = 0; i < message->append_request.entry_count; i++) {
            entries[i] = node->engine->entry(node->raft, message->append_request.prev_index + 1 + i);
        }
    }
    payload_size = raft_message_payload_size(message, entries);
    const uint32_t head_size = raft_message_write(message, entries, head);
    bytes = raft_world_take(world, head_size + payload_size);
    memcpy(bytes, head, head_size);
    if (message->kind == RAFT_APPEND_REQUEST) {
        if (entries_of(world, node, message, entries, bytes + head_size) == NULL) payload_size = 0;
    }
    if (message->kind == RAFT_SNAPSHOT_REQUEST) {
        const struct raft_snapshot_request *chunk = &message->snapshot_request;
        const struct raft_picture *picture = picture_find(node, chunk->index);
        if (picture == NULL) {
            raft_world_violate(world, "O6 STATE: node %u sends a snapshot that it said it needs no more",
                               (unsigned)node->id);
            return (struct bytes){ NULL, 0 };
        }
        memcpy(bytes + head_size, picture->bytes + chunk->offset, chunk->size);
    }
    return (struct bytes){ bytes, head_size + payload_size };
}

static bool connected(const struct raft_node *from, const struct raft_node *to, uint32_t to_slot)
{
    return from->group == to->group && !from->mute && !to->deaf && (from->cut >> to_slot & 1) == 0;
}

/* Who loses these too never campaigns, and nothing is seen. */
static bool is_preliminary(const struct raft_message *message)
{
    if (message->kind == RAFT_VOTE_REQUEST) return message->vote_request.pre;
    return message->kind == RAFT_VOTE_RESPONSE && message->vote_response.pre;
}

static bool brings_list(const struct raft_node *node, const struct raft_message *message)
{
    const struct raft_append_request *request = &message->append_request;

    if (message->kind != RAFT_APPEND_REQUEST) return false;
    for (uint32_t i = 0; i < request->entry_count; i++) {
        const struct raft_entry entry = node->engine->entry(node->raft, request->prev_index + 1 + i);
        if (entry.kind == RAFT_ENTRY_CONFIGURATION) return true;
    }
    return false;
}

static void send_message(struct raft_world *world, struct raft_node *node, const struct raft_message *message)
{
    struct raft_node *to = raft_world_node(world, message->to);
    const struct raft_world_config *config = &world->config;

    world->stats.messages++;
    if (to == NULL || !connected(node, to, (uint32_t)(to - world->nodes)) || raft_world_chance(world, config->loss))
        return;
    const bool odd = (config->odd_kinds >> message->kind & 1) != 0 && !is_preliminary(message);
    if (odd && raft_world_chance(world, config->odd_loss)) return;
    if (config->list_loss > 0 && brings_list(node, message) && raft_world_chance(world, config->list_loss)) return;
    struct bytes bytes = encode(world, node, message);
    if (bytes.size == 0) return;
    world->digest = raft_world_mix(world->digest, hash_bytes(to->id, bytes));
    if (raft_world_chance(world, config->corrupt)) {
        uint8_t *bent = raft_world_take(world, bytes.size);
        memcpy(bent, bytes.data, bytes.size);
        for (uint64_t i = raft_world_draw(world, 3) + 1; i > 0; i--) {
            bent[raft_world_draw(world, MIN(bytes.size, 96))] ^= (uint8_t)(1u << raft_world_draw(world, 8));
        }
        bytes.data = bent;
    }
    const uint32_t copies = raft_world_chance(world, config->duplicate) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        const bool late = raft_world_chance(world, odd ? config->odd_late : config->late);
        const uint64_t factor = late ? 1 + raft_world_draw(world, 100) : 1;
        const uint64_t delay_ns = factor * (config->delay_ns + raft_world_draw(world, config->delay_ns + 1));
        uint64_t *arrives_ns = &to->arrives_ns[node - world->nodes], at_ns = world->now_ns + delay_ns;
        if (config->ordered && !late) {
            at_ns = MAX(at_ns, *arrives_ns);
            *arrives_ns = at_ns;
        }
        raft_world_push(world, (struct raft_happening){ .at_ns = at_ns,
                                                        .kind = RAFT_HAPPENS_MESSAGE,
                                                        .slot = (uint32_t)(to - world->nodes),
                                                        .from = node->id,
                                                        .to = to->id,
                                                        .bytes = bytes });
    }
}

/* ------------------------------------------------------------------------------------- what a call wants done */

static void take_write(struct raft_world *world, struct raft_node *node, const struct raft_source *source)
{
    const struct raft_write *write = &world->out.write;
    struct raft_op *op;

    if (write->ticket.sequence == 0) return;
    op = raft_disk_push(world, node, RAFT_OP_WRITE);
    op->write = *write;
    op->items = (struct raft_item *)(void *)raft_world_take(world, write->entry_count * sizeof(struct raft_item));
    if (write->truncate_from != 0) raft_items_truncate(&node->log, write->truncate_from);
    if (write->entry_count > 0 && node->log.count == 0) raft_items_reset(&node->log, write->first_index);
    uint32_t skipped = 0, at = 0, held_at = 0;
    if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
        const struct raft_append_request *request = &source->message->append_request;
        for (; request->prev_index + 1 + skipped < write->first_index; skipped++) at += request->entries[skipped].size;
    }
    for (uint32_t i = 0; i < write->entry_count; i++) {
        const struct raft_entry entry = node->engine->entry(node->raft, write->first_index + i);
        struct raft_item item = { entry.term, entry.kind, entry.size, NULL };
        if (write->held_payload.size > 0) {
            item.bytes = raft_world_copy(world, write->held_payload.data + held_at, entry.size);
            held_at += entry.size;
        } else if (write->own_payload.size > 0)
            item.bytes = raft_world_copy(world, write->own_payload.data, entry.size);
        else if (source->message != NULL && source->message->kind == RAFT_APPEND_REQUEST) {
            item.bytes = source->message->payload.data + at;
            at += entry.size;
        } else if (source->proposals != NULL) item.bytes = source->proposals[i];
        op->items[i] = item;
        raft_items_push(&node->log, &item);
        raft_judge_entry(world, node, write->first_index + i, &item);
    }
}

static void take_chunk(struct raft_world *world, struct raft_node *node, const struct raft_message *message)
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
    struct raft_op *op = raft_disk_push(world, node, RAFT_OP_INSTALL);
    op->picture = (struct raft_picture){ chunk->index, chunk->term, 0,
                                         raft_world_copy(world, node->incoming, chunk->total_size), chunk->total_size };
}

static void apply_committed(struct raft_world *world, struct raft_node *node)
{
    if (world->out.commit_index == 0) return;
    for (uint64_t index = node->applied + 1; index <= world->out.commit_index; index++) {
        const struct raft_item *item = raft_items_at(&node->log, index);
        if (item == NULL) {
            raft_world_violate(world, "O6 STATE: node %u commits %u, which it has not", (unsigned)node->id,
                               (unsigned)index);
            return;
        }
        node->chain = raft_world_mix(node->chain, raft_item_hash(item));
        node->applied = index;
        raft_judge_applied(world, node, index, item);
    }
}

static void maybe_take_snapshot(struct raft_world *world, struct raft_node *node)
{
    if (world->config.snapshot_entries == 0 || node->taking) return;
    if (node->applied < node->disk_picture.index + world->config.snapshot_entries) return;
    const struct raft_configuration *list = node->engine->configuration_at(node->raft, node->applied);
    if (list == NULL || node->engine->term_at(node->raft, node->applied) == 0) return;
    node->taking = true;
    struct raft_op *op = raft_disk_push(world, node, RAFT_OP_TAKE);
    op->picture = raft_picture_make(world, node, list);
}

static void take_reads(struct raft_world *world, struct raft_node *node)
{
    for (uint32_t i = 0; i < world->out.read_count; i++) {
        const struct raft_read_answer *answer = &world->out.reads[i];
        for (uint32_t j = 0; j < node->read_count; j++) {
            if (node->reads[j].token != answer->token) continue;
            if (!answer->failed) raft_judge_read(world, node, &node->reads[j], answer->index);
            node->reads[j] = node->reads[--node->read_count];
            break;
        }
    }
}

void raft_world_set_timer(struct raft_world *world, struct raft_node *node)
{
    const uint64_t deadline_ns = node->engine->deadline_ns(node->raft);
    if (deadline_ns == RAFT_NEVER || deadline_ns >= node->timer_ns) return;
    node->timer_ns = deadline_ns;
    raft_world_push(world, (struct raft_happening){ .at_ns = MAX(deadline_ns, world->now_ns),
                                                    .kind = RAFT_HAPPENS_TIMER,
                                                    .slot = (uint32_t)(node - world->nodes),
                                                    .life = node->life });
}

/* Two runs of one seed are alike if they want the same at each call. */
static void digest_call(struct raft_world *world, const struct raft_node *node)
{
    const struct raft_output *out = &world->out;
    uint64_t digest = raft_world_mix(raft_world_mix(world->digest, world->now_ns), node->id);

    digest = raft_world_mix(raft_world_mix(digest, out->write.ticket.sequence), out->write.term << 8 | out->write.vote);
    digest = raft_world_mix(raft_world_mix(digest, out->write.truncate_from), out->write.first_index);
    digest = raft_world_mix(raft_world_mix(digest, out->write.entry_count), out->commit_index);
    digest = raft_world_mix(digest, (uint64_t)out->message_count << 32 | out->read_count);
    digest = raft_world_mix(digest, node->engine->deadline_ns(node->raft));
    world->digest = digest;
    if (world->config.digests != NULL) fwrite(&world->digest, sizeof world->digest, 1, world->config.digests);
}

void raft_world_drain(struct raft_world *world, struct raft_node *node, const struct raft_source *source)
{
    world->stats.steps++;
    digest_call(world, node);
    node->engine->check(node->raft);
    raft_say_notes(world, node);
    take_write(world, node, source);
    if (source->message != NULL) take_chunk(world, node, source->message);
    raft_judge_step(world, node);
    apply_committed(world, node);
    for (uint32_t i = 0; i < world->out.message_count; i++) {
        raft_judge_message(world, node, &world->out.messages[i]);
        send_message(world, node, &world->out.messages[i]);
    }
    take_reads(world, node);
    maybe_take_snapshot(world, node);
    raft_world_set_timer(world, node);
}

const struct raft_source raft_no_source = { NULL, NULL };
