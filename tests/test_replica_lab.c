/* Replicas of several nodes in any schedule that chance finds: nothing that was committed is lost or changed, and when
 * all is well again, all have the same. LAB_SEEDS=A..B runs other seeds than the usual ones, LAB_DEEDS=N longer; with
 * -DCHRONIK_MUTANTS, MUTANT=name switches a known bug on. */
#include "replica/frames.h"
#include "replica_deeds.h"

static struct lab lab_memory_of_all;

static void lab_init(struct lab *lab, uint64_t seed)
{
    memset(lab, 0, sizeof *lab);
    lab->seed = seed;
    prng_init(&lab->prng, seed, 1);
    prng_init(&lab->net.prng, seed, 2);
    lab->mono_ns = 1000 * LAB_MS;
    lab->node_count = 2 + (uint32_t)lab_below(lab, LAB_NODES - 1);
    lab->partition_count = 1 + (uint32_t)lab_below(lab, LAB_PARTITIONS);
    lab->unclean = lab_chance(lab, 1, 4);
    lab->slow = lab_chance(lab, 1, 3);
    lab->net.flip_chance = lab_chance(lab, 1, 3) ? 20 : 0;
    lab->throttle = lab_chance(lab, 1, 4) ? 100000 : 0;
    lab->net.full_chance = lab_chance(lab, 1, 2) ? 20 : 0;
    lab->states = calloc(LAB_STATES, sizeof *lab->states);
    lab->state_count = 1;
    struct lab_state *state = &lab->states[0];
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) {
        state->brokers[id] = (struct lab_broker){ .epoch = ++lab->next_broker_epoch };
        lab->nodes[id].disk = calloc(1, sizeof *lab->nodes[id].disk);
        lab->nodes[id].disk->inode_count = 1;
        prng_init(&lab->nodes[id].disk->prng, seed, 10 + (uint64_t)id);
    }
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        struct lab_config *config = &state->configs[p];
        const uint32_t replicas = 1 + (uint32_t)lab_below(lab, lab->node_count);
        const int32_t first = lab_any_node(lab);
        for (uint32_t i = 0; i < replicas; i++) {
            const int32_t id = 1 + (first + (int32_t)i) % (int32_t)lab->node_count;
            config->replicas[config->replica_count++] = id;
            config->isr |= lab_bit(id);
        }
        config->leader = config->last_leader = config->replicas[0];
        config->isr_min = 1 + (uint8_t)lab_below(lab, replicas);
    }
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) lab_start(lab, id);
}

/* ---- chaos ---- */

static void lab_fault(struct lab *lab)
{
    const int32_t id = lab_any_node(lab), other = lab_any_node(lab);
    struct lab_node *node = &lab->nodes[id];

    switch (lab_below(lab, 10)) {
    case 0: lab_crash(lab, id, lab_chance(lab, 2, 3)); return;
    case 1:
    case 2: lab_restart(lab, id, lab_chance(lab, 1, lab->unclean ? 2 : 20)); return;
    case 3:
        lab->breaks += lab->net.links[id][other].up;
        net_break(&lab->net, id, other);
        return;
    case 4: lab->net.links[id][other].cut = lab_chance(lab, 1, 2); return;
    case 5: node->cut_off = lab_chance(lab, 1, 2); return;
    case 6:
        if (!node->up || node->cut_off || lab_chance(lab, 1, 5)) lab_fence(lab, id);
        return;
    case 7: lab_reassign(lab); return;
    case 8: node->disk->full = lab_chance(lab, 1, 3); return;
    case 9: lab_depose(lab); return;
    default: return;
    }
}

static void lab_control(struct lab *lab)
{
    const int32_t id = lab_any_node(lab);
    struct lab_node *node = &lab->nodes[id];

    if (node->up && !node->cut_off && node->applied + 1 < lab->state_count) {
        lab_begin_step(lab, id);
        lab_apply(lab, id);
        lab_end_step(lab, id);
    }
    if (node->up && !node->cut_off && lab_chance(lab, 1, 10)) lab_unfence(lab, id);
    lab_decide(lab);
}

static void lab_network(struct lab *lab)
{
    const int32_t dialer = lab_any_node(lab), called = lab_any_node(lab);

    if (dialer == called || (lab->slow && lab_chance(lab, 9, 10))) return;
    if (lab_chance(lab, 1, 4)) lab_link(lab, dialer, called);
    uint32_t count = 1 + (uint32_t)lab_below(lab, 4);
    const bool to_called = lab_chance(lab, 1, 2);
    while (count-- > 0 && lab_deliver(lab, dialer, called, to_called)) {
    }
    if (lab->nodes[dialer].up && lab_chance(lab, 1, 3)) lab_return(lab, dialer);
}

static void lab_deed(struct lab *lab, uint32_t fault_chance)
{
    const int32_t id = lab_any_node(lab);

    lab->mono_ns += lab_chance(lab, 1, 100) ? lab_below(lab, 200) * LAB_MS : lab_below(lab, LAB_MS / 2);
    if (lab_chance(lab, fault_chance, 10000)) lab_fault(lab);
    switch (lab_below(lab, 10)) {
    case 0: lab_produce(lab); return;
    case 1:
        if (lab->nodes[id].up) lab_poke(lab, id);
        return;
    case 2: lab_control(lab); return;
    case 3:
    case 4:
    case 5:
        if (lab->nodes[id].up) (void)lab_disk(lab, id);
        return;
    case 6:
        if (lab_chance(lab, 1, 60)) lab_delete_records(lab);
        return;
    default: lab_network(lab); return;
    }
}

/* ---- rest ---- */

static bool lab_is_at_rest(struct lab *lab)
{
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        const struct lab_config *config = &lab_newest(lab)->configs[p];
        uint32_t all = 0;
        if (config->leader < 0 && config->isr == 0 && config->elr == 0) continue; /* nobody has it any more */
        if (config->leader < 0) return false;
        const struct log_offsets led = log_offsets(lab->nodes[config->leader].logs, lab_log(config->leader, p));
        for (uint8_t i = 0; i < config->replica_count; i++) {
            const int32_t id = config->replicas[i];
            if (!lab->nodes[id].has[p] || lab->nodes[id].applied + 1 < lab->state_count) return false;
            const struct log_offsets offsets = log_offsets(lab->nodes[id].logs, lab_log(id, p));
            if (offsets.log_end_offset != led.log_end_offset) return false;
            if (offsets.high_watermark != led.log_end_offset) return false;
            all |= lab_bit(id);
        }
        if (config->isr != all || config->elr != 0) return false;
    }
    return true;
}

static void lab_heal(struct lab *lab)
{
    lab->calm = true;
    lab->unfences = true;
    lab->net.full_chance = 0;
    lab->net.flip_chance = 0;
    for (int32_t id = 1; id <= (int32_t)lab->node_count; id++) {
        struct lab_node *node = &lab->nodes[id];
        node->cut_off = false;
        node->disk->full = false;
        lab_restart(lab, id, false);
        for (int32_t other = 1; other <= (int32_t)lab->node_count; other++) lab->net.links[id][other].cut = false;
    }
}

static bool lab_comes_to_rest(struct lab *lab)
{
    lab_heal(lab);
    for (uint32_t i = 0; i < 20000; i++) {
        lab_settle_down(lab);
        if (i % 16 == 0 && lab_is_at_rest(lab)) return true;
    }
    return false;
}

static void lab_print_stuck(struct lab *lab)
{
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        const struct lab_config *config = &lab_newest(lab)->configs[p];
        fprintf(stderr, "partition %u: leader %d epoch %d/%d isr %x elr %x min %d recovering %d\n", p, config->leader,
                config->leader_epoch, config->partition_epoch, config->isr, config->elr, config->isr_min,
                config->recovering);
        for (uint8_t i = 0; i < config->replica_count; i++) {
            const int32_t id = config->replicas[i];
            const struct log_offsets offsets = log_offsets(lab->nodes[id].logs, lab_log(id, p));
            struct replica_view view = { 0 };
            if (config->leader > 0) {
                (void)replicas_view(lab->nodes[config->leader].replicas, lab_log(config->leader, p), i, &view);
            }
            fprintf(stderr,
                    "  node %d: start %lld durable %lld end %lld hw %lld epoch %d leads %d; seen: %d %s held %lld\n",
                    id, (long long)offsets.log_start_offset, (long long)offsets.durable_offset,
                    (long long)offsets.log_end_offset, (long long)offsets.high_watermark, offsets.leader_epoch,
                    replicas_leader_epoch(lab->nodes[id].replicas, lab_log(id, p)), view.node_id,
                    view.streaming ? "streaming" : "closed", (long long)view.held_offset);
        }
    }
}

static void run_seed(struct lab *lab, uint64_t seed, uint32_t deeds)
{
    lab_init(lab, seed);
    const uint32_t fault_chance = 20 + (uint32_t)lab_below(lab, 80);
    for (uint32_t i = 0; i < deeds; i++) lab_deed(lab, fault_chance);
    const bool rests = lab_comes_to_rest(lab);
    if (!rests) lab_print_stuck(lab);
    LAB_CHECK(rests);
    lab_end(lab);
}

TEST(replicas_keep_what_is_committed)
{
    struct lab *lab = &lab_memory_of_all;
    const char *seeds = getenv("LAB_SEEDS");
    struct lab sum = { 0 };
    uint32_t first = 1, last = 40, deeds = 20000;

    if (seeds != NULL) (void)sscanf(seeds, "%u..%u", &first, &last);
    if (getenv("LAB_DEEDS") != NULL) deeds = (uint32_t)atoi(getenv("LAB_DEEDS"));
    for (uint32_t seed = first; seed <= last; seed++) {
        run_seed(lab, seed, deeds);
        sum.appends += lab->appends;
        sum.acked += lab->acked;
        sum.crashes += lab->crashes;
        sum.elections += lab->elections;
        sum.uncleans += lab->uncleans;
        sum.grants += lab->grants;
        sum.refusals += lab->refusals;
        sum.resignations += lab->resignations;
        sum.breaks += lab->breaks;
        sum.deleted += lab->deleted;
        for (size_t i = 0; i < sizeof sum.counters / sizeof(uint64_t); i++) {
            ((uint64_t *)&sum.counters)[i] += ((const uint64_t *)&lab->counters)[i];
        }
    }
    if (seeds != NULL) {
        printf(
            "appends %llu acked %llu crashes %llu elections %llu unclean %llu grants %llu refusals %llu breaks %llu\n",
            (unsigned long long)sum.appends, (unsigned long long)sum.acked, (unsigned long long)sum.crashes,
            (unsigned long long)sum.elections, (unsigned long long)sum.uncleans, (unsigned long long)sum.grants,
            (unsigned long long)sum.refusals, (unsigned long long)sum.breaks);
        printf(
            "opened %llu truncations %llu resets %llu reads %llu offline %llu impossible %llu/%llu unreadable %llu\n",
            (unsigned long long)sum.counters.opened, (unsigned long long)sum.counters.truncations,
            (unsigned long long)sum.counters.resets, (unsigned long long)sum.counters.reads,
            (unsigned long long)sum.counters.offline, (unsigned long long)sum.counters.impossible_acks,
            (unsigned long long)sum.counters.impossible_answers, (unsigned long long)sum.counters.unreadable);
        printf("stale %llu malformed %llu refused", (unsigned long long)sum.counters.stale,
               (unsigned long long)sum.counters.malformed);
        for (uint32_t i = 0; i < 9; i++) printf(" %llu", (unsigned long long)sum.counters.refused[i]);
        printf("\n");
    }
    if (seeds != NULL) return; /* a few seeds need not meet everything */
    EXPECT("records were appended", sum.appends > 2000);
    EXPECT("and acknowledged", sum.acked > 1000);
    EXPECT("nodes died", sum.crashes > 60);
    EXPECT("others were elected", sum.elections > 100);
    EXPECT("some of them uncleanly", sum.uncleans > 0);
    EXPECT("the ISR changed", sum.grants > 50);
    EXPECT("leaders whose disk was full resigned", sum.resignations > 5);
    EXPECT("not every time that it was asked for", sum.refusals > 5);
    EXPECT("followers gave up what their leader had not", sum.counters.truncations > 20);
    EXPECT("or all that they had", sum.counters.resets > 10);
    EXPECT("records were deleted", sum.deleted > 100);
    EXPECT("segments were read for some", sum.counters.reads > 50);
    EXPECT("disks were full", sum.counters.refused[NACK_FULL] > 10);
    EXPECT("bytes were damaged", sum.counters.refused[NACK_INVALID] > 0);
    EXPECT("old leaders were refused", sum.counters.refused[NACK_OLD_EPOCH] > 20);
    EXPECT("nothing impossible was said", sum.counters.impossible_acks + sum.counters.malformed == 0);
}
