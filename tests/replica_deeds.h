/* replica_deeds.h -- what happens in a lab of replicas: steps of nodes, lives, links, clients, a controller. */
#ifndef CHRONIK_TESTS_REPLICA_DEEDS_H
#define CHRONIK_TESTS_REPLICA_DEEDS_H

#include "replica_judge.h"
#include "small_logs.h"

/* ---- what the metadata log says ---- */

static inline void lab_say_partition(struct lab *lab, int32_t id, uint32_t partition, const struct lab_config *config)
{
    struct lab_node *node = &lab->nodes[id];
    const struct uuid topic_id = { .bytes = { 7, (uint8_t)partition } };
    const uint32_t log = lab_log(id, partition);
    const struct log_rules rules = small_log_rules();
    struct replica_partition said = {
        .topic_id = topic_id,
        .leader = config->leader,
        .leader_epoch = config->leader_epoch,
        .partition_epoch = config->partition_epoch,
        .last_unclean_epoch = config->last_unclean_epoch,
        .recovering = config->recovering,
        .relaxed = config->relaxed,
        .isr_min = MIN(config->isr_min, config->replica_count),
        .replica_count = config->replica_count,
    };

    if (!lab_is_replica(config, id)) {
        if (!node->has[partition]) return;
        node->has[partition] = false;
        replicas_on_partition_removed(node->replicas, log);
        lab_drop_pending(lab, id, partition);
        return;
    }
    for (uint8_t i = 0; i < config->replica_count; i++) {
        said.replicas[i] = config->replicas[i];
        if ((config->isr & lab_bit(config->replicas[i])) != 0) said.isr |= 1u << i;
        if ((config->elr & lab_bit(config->replicas[i])) != 0) said.elr |= 1u << i;
        if ((config->observers & lab_bit(config->replicas[i])) != 0) said.observers |= 1u << i;
    }
    if (!node->has[partition]) {
        LAB_CHECK(logs_has(node->logs, log) ||
                  logs_open(node->logs, log, &topic_id, BYTES_LITERAL("t"), (int32_t)partition, &rules));
        memset(&node->shadows[partition], 0, sizeof node->shadows[partition]);
        node->shadows[partition].led_epoch = -1;
    }
    node->has[partition] = true;
    replicas_on_partition(node->replicas, log, &said);
}

static inline void lab_say_broker(struct lab *lab, int32_t id, int32_t other, const struct lab_broker *broker)
{
    if (broker->epoch < 0) return;
    replicas_on_broker(lab->nodes[id].replicas, &(struct replica_broker){
                                                    .node_id = other,
                                                    .epoch = broker->epoch,
                                                    .fenced = broker->fenced,
                                                    .shutting_down = broker->shutting_down,
                                                    .wal_address = { BYTES_LITERAL("node"), 9094 },
                                                });
}

static inline void lab_apply(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    const struct lab_state *before = &lab->states[node->applied], *after = &lab->states[node->applied + 1];

    node->applied++;
    for (int32_t other = 1; other <= (int32_t)lab->node_count; other++) {
        if (memcmp(&before->brokers[other], &after->brokers[other], sizeof before->brokers[other]) == 0) continue;
        if (other != id) lab_say_broker(lab, id, other, &after->brokers[other]);
    }
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        if (memcmp(&before->configs[p], &after->configs[p], sizeof before->configs[p]) == 0) continue;
        lab_say_partition(lab, id, p, &after->configs[p]);
    }
}

/* ---- steps ---- */

static inline void lab_take_wishes(struct lab *lab, int32_t id)
{
    struct replica_wish wish;

    if (lab->keeps_wishes || (!lab->calm && lab_chance(lab, 1, 2))) return; /* another step will do */
    while (replicas_next_wish(lab->nodes[id].replicas, &wish)) {
        if (lab->wish_count == LAB_WISHES || lab_chance(lab, 1, 50)) {
            replicas_on_wish_refused(lab->nodes[id].replicas, wish.log, wish.leader_epoch, wish.partition_epoch,
                                     ERROR_THROTTLING_QUOTA_EXCEEDED); /* never asked */
            continue;
        }
        lab->wishes[lab->wish_count++] =
            (struct lab_wish){ .node = id,
                               .life = lab->nodes[id].peers.life,
                               .wish = wish,
                               .due_ns = lab->mono_ns + lab_below(lab, lab_chance(lab, 1, 5) ? 900 : 20) * LAB_MS };
    }
}

static inline void lab_end_step(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    struct replica_loss loss;
    uint32_t log;

    for (struct log_truncated cut; (cut = logs_next_truncated(node->logs)).log != LOG_NONE;) {
        replicas_on_truncated(node->replicas, cut.log, cut.failed, &node->effects);
    }
    while ((log = logs_next_end(node->logs)) != LOG_NONE) replicas_on_end(node->replicas, log);
    while ((log = logs_next_durable(node->logs)) != LOG_NONE) replicas_on_durable(node->replicas, log);
    for (uint64_t waiter; (waiter = logs_next_ready(node->logs)) != 0;) {
        if ((waiter & REPLICAS_WAITER) != 0) replicas_on_ready(node->replicas, waiter);
    }
    replicas_work(node->replicas, &node->effects);
    lab_take_wishes(lab, id);
    logs_commit(node->logs, lab->mono_ns, lab_wall(lab), &node->effects);
    LAB_CHECK(logs_state(node->logs) != LOGS_BROKEN && (node->stops || logs_state(node->logs) <= LOGS_OPEN));
    LAB_CHECK(node->effects.count <= EFFECTS_MAX);
    if (node->ready && !node->stops && !lab->unjudged) lab_judge_node(lab, id);
    while (replicas_next_loss(node->replicas, &loss)) lab_drop_pending(lab, id, lab_partition(id, loss.log));
    while ((log = replicas_next_watermark(node->replicas)) != LOG_NONE) {
        lab_settle_pending(lab, id, lab_partition(id, log));
    }
    if (node->ready && !node->stops) lab_settle_deletions(lab, id);
    disk_take_orders(node->disk, &node->effects);
    node->effects.count = 0;
    replicas_check(node->replicas);
    lab->steps++;
}

static inline void lab_begin_step(struct lab *lab, int32_t id)
{
    replicas_on_time(lab->nodes[id].replicas, lab->mono_ns, lab_wall(lab));
}

static inline void lab_poke(struct lab *lab, int32_t id)
{
    lab_begin_step(lab, id);
    lab_end_step(lab, id);
}

/* One answer of the disk. False: nothing is under way. */
static inline bool lab_disk(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    struct event event = { .mono_ns = lab->mono_ns, .wall_ms = lab_wall(lab) };

    if (node->disk_stands || !disk_step(node->disk, &event)) return false;
    lab_begin_step(lab, id);
    if (op_owner(event.disk.op) == OP_REPLICAS) replicas_on_disk(node->replicas, &event);
    else logs_on_disk(node->logs, &event, &node->effects);
    lab_end_step(lab, id);
    return true;
}

/* While a node's logs are read from outside. */
static inline void lab_answer_disk(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    struct event event = { .mono_ns = lab->mono_ns, .wall_ms = lab_wall(lab) };

    logs_commit(node->logs, lab->mono_ns, lab_wall(lab), &node->effects);
    disk_take_orders(node->disk, &node->effects);
    node->effects.count = 0;
    if (!disk_step(node->disk, &event)) {
        lab->mono_ns += LAB_MS; /* it waits for that, then */
        return;
    }
    if (op_owner(event.disk.op) == OP_REPLICAS) replicas_on_disk(node->replicas, &event);
    else logs_on_disk(node->logs, &event, &node->effects);
}

/* ---- lives ---- */

static inline void *lab_memory(void **memory, size_t size)
{
    free(*memory);
    *memory = aligned_alloc(64, (size + 63) / 64 * 64);
    memset(*memory, 0, size);
    return *memory;
}

static inline void lab_start(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    struct logs_config logs_config = small_logs_config();
    const struct replicas_config config = {
        .node_id = id,
        .partitions_max = LAB_LOGS,
        .nodes_max = MAX(lab->node_count, 2u) - 1,
        .streams_max = lab->streams_max > 0 ? lab->streams_max : LAB_LOGS * LAB_NODES,
        .batch_size_max = 8000,
        .lag_ns = 1000 * LAB_MS,
        .hash_seed = 3,
    };

    logs_config.logs_max = LAB_LOGS;
    logs_config.waiters_max += REPLICA_WAITERS_MAX;
    node->logs = lab_memory(&node->logs_memory, logs_size(&logs_config));
    logs_init(node->logs, &logs_config);
    node->replicas = lab_memory(&node->replicas_memory, replicas_size(&config));
    node->peers.net = &lab->net;
    node->peers.id = id;
    node->peers.life++;
    node->peers.lent_count = 0;
    replicas_init(node->replicas, &config, &(struct replicas_rooms){ node->logs, &node->peers });
    replicas_set_throttle(node->replicas, lab->throttle);
    memset(node->has, 0, sizeof node->has);
    node->effects.count = 0;
    node->up = true;
    node->ready = false;
    node->stops = false;
    /* Its image is as new as its registration, before it touches anything. */
    node->applied = node->registered;
    lab_begin_step(lab, id);
    for (int32_t other = 1; other <= (int32_t)lab->node_count; other++) {
        if (other != id) lab_say_broker(lab, id, other, &lab->states[node->applied].brokers[other]);
    }
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        lab_say_partition(lab, id, p, &lab->states[node->applied].configs[p]);
    }
    logs_recover(node->logs, &node->effects);
    while (logs_state(node->logs) != LOGS_OPEN) {
        LAB_CHECK(logs_state(node->logs) == LOGS_RECOVERING);
        lab_answer_disk(lab, id);
    }
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        if (node->has[p]) lab_look(lab, id, p);
    }
    node->ready = true;
    replicas_open(node->replicas, lab->states[node->registered].brokers[id].epoch);
    lab_end_step(lab, id);
}

/* It stops cleanly: its logs end first. */
static inline void lab_stop(struct lab *lab, int32_t id)
{
    lab->nodes[id].stops = true;
    lab_begin_step(lab, id);
    logs_stop(lab->nodes[id].logs, &lab->nodes[id].effects);
    lab_end_step(lab, id);
}

static inline void lab_add_counters(struct lab *lab, const struct lab_node *node)
{
    const uint64_t *from = (const uint64_t *)replicas_counters(node->replicas);
    uint64_t *to = (uint64_t *)&lab->counters;

    for (size_t i = 0; i < sizeof lab->counters / sizeof *to; i++) to[i] += from[i];
}

/* `power`: what was not synced is gone, too. */
static inline void lab_crash(struct lab *lab, int32_t id, bool power)
{
    struct lab_node *node = &lab->nodes[id];

    if (!node->up) return;
    lab_add_counters(lab, node);
    lab_drop_pending(lab, id, LAB_PARTITIONS);
    node->up = false;
    node->ready = false;
    net_forget(&lab->net, id);
    disk_crash(node->disk, power);
    lab->crashes++;
}

/* `wiped`: with an empty disk, of which the controller is told. */
static inline void lab_restart(struct lab *lab, int32_t id, bool wiped)
{
    struct lab_node *node = &lab->nodes[id];

    if (node->up) return;
    if (wiped) {
        disk_free(node->disk);
        prng_init(&node->disk->prng, lab->seed, (uint64_t)id + lab->steps);
        node->disk->inode_count = 1;
    }
    node->disk->full = false;
    lab_register(lab, id, wiped);
    lab_start(lab, id);
}

/* ---- links ---- */

static inline void lab_link(struct lab *lab, int32_t dialer, int32_t called)
{
    struct net_link *link = &lab->net.links[dialer][called];

    if (!link->wanted || link->up || link->cut || !lab->nodes[dialer].up || !lab->nodes[called].up) return;
    net_up(&lab->net, dialer, called);
}

/* The next thing that comes to one end. False: nothing. */
static inline bool lab_deliver(struct lab *lab, int32_t dialer, int32_t called, bool to_called)
{
    struct net_link *link = &lab->net.links[dialer][called];
    struct net_queue *queue = to_called ? &link->to_called : &link->to_dialer;
    const int32_t id = to_called ? called : dialer, other = to_called ? dialer : called;
    struct net_item *item = net_first(queue);
    struct lab_node *node = &lab->nodes[id];

    if (item == NULL || !node->up || ((link->cut || link->stands) && item->kind == NET_FRAME)) return false;
    if (queue->held && item->kind == NET_FRAME) return false;
    lab_begin_step(lab, id);
    const enum peer_channel channel = to_called ? PEER_DATA_IN : PEER_DATA_OUT;
    bool taken = true;
    if (item->kind == NET_FRAME) {
        const struct peer_frame frame = {
            .node_id = other, .channel = channel, .kind = item->frame_kind, .payload = { item->bytes, item->size }
        };
        taken = replicas_on_frame(node->replicas, &frame, &node->effects);
        queue->held = !taken;
    } else {
        queue->up_life = item->kind == NET_UP ? item->life : 0;
        queue->held = false;
        replicas_on_link(node->replicas, other, channel, item->kind == NET_UP);
    }
    if (taken) net_drop_first(queue);
    lab_end_step(lab, id);
    return true;
}

static inline void lab_return(struct lab *lab, int32_t id)
{
    struct lab_node *node = &lab->nodes[id];
    struct peer_returned returned;

    lab_begin_step(lab, id);
    while (peers_next_returned(&node->peers, &returned)) {
        replicas_on_returned(node->replicas, &returned);
        if (!lab->calm && lab_chance(lab, 1, 3)) break;
    }
    lab_end_step(lab, id);
}

/* ---- clients ---- */

static inline struct bytes lab_batch(struct lab *lab, uint8_t *memory)
{
    struct record_batch_builder builder;
    uint8_t value[3000] = { 0 };
    const uint32_t records = 1 + (uint32_t)lab_below(lab, 3);

    record_batch_builder_init(&builder, memory, LAB_BATCH_MAX);
    for (uint32_t i = 0; i < records; i++) {
        const uint32_t size = 8 + (uint32_t)lab_below(lab, lab_chance(lab, 1, 8) ? 1800 : 60);
        store_u64(value, ++lab->next_id);
        const struct record_input record = { .timestamp = lab_wall(lab), .value = { value, size } };
        LAB_CHECK(record_batch_builder_add(&builder, &record));
    }
    return record_batch_builder_end(&builder);
}

/* I1: only who was elected appends in an epoch. */
static inline void lab_made_batch(struct lab *lab, int32_t id, uint32_t partition, int32_t epoch,
                                  const struct record_batch *batch, int64_t base_offset)
{
    struct lab_judge *judge = &lab->judges[partition];
    const struct lab_shadow *shadow = &lab->nodes[id].shadows[partition];
    const bool begins = base_offset <= shadow->start;

    LAB_CHECK(epoch < LAB_EPOCHS && (judge->led_by[epoch] == 0 || judge->led_by[epoch] == id));
    judge->led_by[epoch] = id;
    LAB_CHECK(judge->made_count < LAB_OFFSETS);
    judge->made[judge->made_count++] = (struct lab_made){
        .base_offset = base_offset,
        .epoch = epoch,
        .previous_epoch = begins ? LAB_UNKNOWN : shadow->epochs[base_offset - 1],
        .id = batch->crc,
    };
}

static inline void lab_produce(struct lab *lab)
{
    const int32_t id = lab_any_node(lab);
    const uint32_t partition = (uint32_t)lab_below(lab, lab->partition_count);
    struct lab_node *node = &lab->nodes[id];
    const uint32_t log = lab_log(id, partition);
    const bool acks_all = lab_chance(lab, 3, 4);
    uint8_t memory[LAB_BATCH_MAX];
    struct record_batch batch;
    struct append_answer answer;

    if (!node->up || !node->has[partition]) return;
    if (replicas_may_append(node->replicas, log, acks_all) != APPEND_PERMITTED) return;
    if (log_offsets(node->logs, log).log_end_offset > LAB_OFFSETS - 16 || !logs_has_room(node->logs)) return;
    if (lab->judges[partition].made_count == LAB_OFFSETS || lab->pending_count == LAB_PENDING) return;
    const int32_t epoch = replicas_leader_epoch(node->replicas, log);
    const struct bytes bytes = lab_batch(lab, memory);
    LAB_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    lab_begin_step(lab, id);
    if (logs_append(node->logs, log, &batch, epoch, -1, lab_wall(lab), &answer) == APPEND_OK) {
        lab->appends++;
        lab_made_batch(lab, id, partition, epoch, &batch, answer.base_offset);
        lab->pending[lab->pending_count++] = (struct lab_pending){ id, epoch, partition, answer.last_offset, acks_all };
    }
    lab_end_step(lab, id);
}

static inline void lab_delete_records(struct lab *lab)
{
    const int32_t id = lab_any_node(lab);
    const uint32_t partition = (uint32_t)lab_below(lab, lab->partition_count);
    struct lab_node *node = &lab->nodes[id];
    const uint32_t log = lab_log(id, partition);

    if (!node->up || !node->has[partition] || replicas_leader_epoch(node->replicas, log) < 0) return;
    const struct log_offsets offsets = log_offsets(node->logs, log);
    const int64_t span = offsets.high_watermark - offsets.log_start_offset;
    const int64_t start = offsets.log_start_offset + (int64_t)lab_below(lab, (uint64_t)span + 1);
    lab_begin_step(lab, id);
    const bool taken = logs_advance_start(node->logs, log, start) != 0;
    if (taken && lab->deletion_count < LAB_DELETIONS) {
        lab->deletions[lab->deletion_count++] =
            (struct lab_deletion){ id, replicas_leader_epoch(node->replicas, log), partition, start };
    }
    lab_end_step(lab, id);
}

/* ---- the controller ---- */

/* A leader that is up, and may go on for a while. */
static inline void lab_depose(struct lab *lab)
{
    const struct lab_config *config = &lab_newest(lab)->configs[lab_below(lab, lab->partition_count)];

    if (config->leader < 0) return;
    if (lab_chance(lab, 1, 2)) lab->nodes[config->leader].cut_off = true;
    lab_fence(lab, config->leader);
    for (uint32_t p = 0; p < lab->partition_count; p++) lab_judge_members(lab, p);
}

static inline void lab_decide(struct lab *lab)
{
    if (lab->wish_count == 0) return;
    struct lab_wish *asked = &lab->wishes[lab_below(lab, lab->wish_count)];
    struct lab_node *node = &lab->nodes[asked->node];

    if (asked->due_ns > lab->mono_ns || (node->cut_off && node->up)) return;
    if (asked->refused) {
        if (node->up && node->peers.life == asked->life) {
            lab_begin_step(lab, asked->node);
            replicas_on_wish_refused(node->replicas, asked->wish.log, asked->wish.leader_epoch,
                                     asked->wish.partition_epoch, asked->error);
            lab_end_step(lab, asked->node);
        }
    } else {
        const uint32_t partition = lab_partition(asked->node, asked->wish.log);
        asked->error = lab_alter(lab, asked);
        lab_judge_members(lab, partition);
        asked->refused = asked->error != ERROR_NONE;
        lab->grants += !asked->refused;
        lab->refusals += asked->refused;
        if (asked->refused) return; /* told later */
    }
    *asked = lab->wishes[--lab->wish_count];
}

/* ---- without chance ---- */

/* All that there is to do, then a little time. */
static inline void lab_settle_down(struct lab *lab)
{
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) {
        if (!lab->nodes[id].up) continue;
        if (lab->unfences && !lab->nodes[id].cut_off) lab_unfence(lab, id);
        while (!lab->nodes[id].cut_off && lab->nodes[id].applied + 1 < lab->state_count) {
            lab_begin_step(lab, id);
            lab_apply(lab, id);
            lab_end_step(lab, id);
        }
        while (lab_disk(lab, id)) {
        }
        lab_poke(lab, id);
        lab_return(lab, id);
        for (int32_t other = 1; other <= (int32_t)lab->node_count; other++) {
            lab_link(lab, id, other);
            for (uint32_t i = 0; i < 20 && lab_deliver(lab, id, other, true); i++) {
            }
            for (uint32_t i = 0; i < 20 && lab_deliver(lab, id, other, false); i++) {
            }
        }
    }
    for (uint32_t i = 0; i < 4; i++) lab_decide(lab);
    lab->mono_ns += 2 * LAB_MS;
}

static inline void lab_run(struct lab *lab, uint64_t ms)
{
    for (const uint64_t end_ns = lab->mono_ns + ms * LAB_MS; lab->mono_ns < end_ns;) lab_settle_down(lab);
}

static inline void lab_end(struct lab *lab)
{
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) {
        struct lab_node *node = &lab->nodes[id];
        if (node->up) lab_add_counters(lab, node);
        disk_free(node->disk);
        free(node->disk);
        free(node->logs_memory);
        free(node->replicas_memory);
        free(node->peers.lent);
    }
    net_free(&lab->net);
    free(lab->states);
}

#endif
