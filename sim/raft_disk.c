/* raft_disk.c -- the disk of a simulated member: it does its writes in order and keeps a prefix of them in a crash. */
#include "sim/raft_world.h"

#include "base/check.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------- snapshots */

static uint64_t picture_hash(const uint8_t *bytes, uint64_t size)
{
    const struct raft_item rest = { .size = (uint32_t)size - 24, .bytes = bytes + 24 };
    return raft_item_hash(&rest);
}

/* index, chain, checksum, size of the list, the list, filling */
struct raft_picture raft_picture_make(struct raft_world *world, const struct raft_node *node,
                                      const struct raft_configuration *list)
{
    const uint64_t index = node->applied, term = node->engine->term_at(node->raft, index), chain = node->chain;
    const uint64_t filling = raft_world_draw(world, 400);
    uint8_t *bytes = raft_world_take(world, 32 + list->size + filling);
    store_u64(bytes, index);
    store_u64(bytes + 8, chain);
    store_u32(bytes + 24, list->size);
    store_u32(bytes + 28, 0);
    memcpy(bytes + 32, list->bytes, list->size);
    memset(bytes + 32 + list->size, (int)index, filling);
    store_u64(bytes + 16, picture_hash(bytes, 32 + list->size + filling));
    return (struct raft_picture){ index, term, chain, bytes, 32 + list->size + filling };
}

bool raft_picture_read(struct raft_picture *picture)
{
    if (picture->size < 32) return false;
    if (load_u64(picture->bytes + 16) != picture_hash(picture->bytes, picture->size)) return false;
    if (load_u64(picture->bytes) != picture->index) return false;
    picture->chain = load_u64(picture->bytes + 8);
    return true;
}

struct bytes raft_picture_list(const struct raft_picture *picture)
{
    return (struct bytes){ picture->bytes + 32, load_u32(picture->bytes + 24) };
}

/* ------------------------------------------------------------------------------------- disk */

struct raft_op *raft_disk_push(struct raft_world *world, struct raft_node *node, enum raft_op_kind kind)
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
    const uint64_t takes_ns = world->config.disk_ns + raft_world_draw(world, world->config.disk_ns + 1);
    const uint64_t install_ns =
        kind == RAFT_OP_INSTALL ? raft_world_draw(world, 200 * MS) : 0;     /* long enough for a new leader */
    if (world->now_ns >= node->round_begin_ns || kind == RAFT_OP_INSTALL) { /* else it joins the round that waits */
        node->round_begin_ns = MAX(node->disk_free_ns, world->now_ns);
        node->disk_free_ns = node->round_begin_ns + takes_ns + install_ns;
    }
    struct raft_op *op = &node->ops[node->op_first + node->op_count++];
    *op = (struct raft_op){ .kind = kind, .done_ns = node->disk_free_ns };
    raft_world_push(world, (struct raft_happening){ .at_ns = op->done_ns,
                                                    .kind = RAFT_HAPPENS_DISK,
                                                    .slot = (uint32_t)(node - world->nodes),
                                                    .life = node->life });
    return op;
}

/* A replay comes by the truncations as well as by what is left: entries that a snapshot replaced are told from those
 * that follow it by the truncation between them. */
static void truncate(struct raft_node *node, uint64_t from)
{
    raft_items_truncate(&node->disk_log, from);
    while (node->disk_cut_count > 0 && node->disk_cuts[node->disk_cut_count - 1] >= from) node->disk_cut_count--;
    if (node->disk_cut_count == RAFT_CUTS_MAX) {
        memmove(node->disk_cuts, node->disk_cuts + 1, --node->disk_cut_count * sizeof *node->disk_cuts);
    }
    node->disk_cuts[node->disk_cut_count++] = from;
}

/* Makes the first `parts` parts of a write durable: hard state, truncation, each entry. */
void raft_disk_apply_write(struct raft_world *world, struct raft_node *node, const struct raft_op *op, uint64_t parts)
{
    const struct raft_write *write = &op->write;

    if (write->hard_state) {
        if (parts-- == 0) return;
        node->disk_term = write->term;
        node->disk_vote = write->vote;
    }
    if (write->truncate_from != 0) {
        if (parts-- == 0) return;
        truncate(node, write->truncate_from);
    }
    for (uint32_t i = 0; i < write->entry_count && parts > 0; i++, parts--) {
        const uint64_t index = write->first_index + i;
        if (node->disk_log.count == 0 || raft_items_last(&node->disk_log) < node->disk_picture.index) {
            if (index == node->disk_picture.index + 1) raft_items_reset(&node->disk_log, index);
        }
        if (index != node->disk_log.first + node->disk_log.count) {
            raft_world_violate(world, "O5 MATCH: node %u appends entry %u behind %u", (unsigned)node->id,
                               (unsigned)index, (unsigned)raft_items_last(&node->disk_log));
            return;
        }
        raft_items_push(&node->disk_log, &op->items[i]);
    }
}

/* Nodes compact at different places, so that one has entries that another has only as a snapshot. */
uint32_t raft_disk_trailing(const struct raft_world *world, const struct raft_node *node)
{
    return world->config.trailing_entries + (uint32_t)(node - world->nodes) % 3 * 30;
}

void raft_disk_apply_picture(struct raft_world *world, struct raft_node *node, const struct raft_picture *picture)
{
    if (picture->index <= node->disk_picture.index) return;
    node->disk_picture = *picture;
    const uint64_t keep =
        picture->index > raft_disk_trailing(world, node) ? picture->index - raft_disk_trailing(world, node) : 1;
    raft_items_drop_before(&node->disk_log,
                           keep); /* what is left may belong to the old log, until the install's mark */
}

static void copy_items(const struct raft_items *from, struct raft_items *to)
{
    raft_items_reset(to, from->first);
    for (uint32_t i = 0; i < from->count; i++) raft_items_push(to, &from->list[i]);
}

void raft_disk_back_up(struct raft_world *world, const struct raft_node *node)
{
    struct raft_backup *backup = &world->backup;

    backup->id = node->id;
    backup->term = node->disk_term;
    backup->vote = node->disk_vote;
    copy_items(&node->disk_log, &backup->log);
    memcpy(backup->cuts, node->disk_cuts, sizeof backup->cuts);
    backup->cut_count = node->disk_cut_count;
    backup->picture = node->disk_picture;
}

void raft_disk_rewind(struct raft_world *world, struct raft_node *node)
{
    const struct raft_backup *backup = &world->backup;

    CHECK(!node->up && node->id == backup->id);
    world->stats.rewinds++;
    node->rewound = true;
    node->disk_term = backup->term;
    node->disk_vote = backup->vote;
    copy_items(&backup->log, &node->disk_log);
    memcpy(node->disk_cuts, backup->cuts, sizeof backup->cuts);
    node->disk_cut_count = backup->cut_count;
    node->disk_picture = backup->picture;
}

bool raft_disk_has(const struct raft_node *node, uint64_t index, uint64_t term)
{
    if (index <= node->disk_picture.index) return true;
    const struct raft_item *item = raft_items_at(&node->disk_log, index);
    return item != NULL && item->term == term;
}
