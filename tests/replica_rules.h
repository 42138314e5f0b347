/* replica_rules.h -- the controller of a lab: rules C1 to C5 of docs/replication.md, in their simplest form. */
#ifndef CHRONIK_TESTS_REPLICA_RULES_H
#define CHRONIK_TESTS_REPLICA_RULES_H

#include "replica_lab.h"

static inline uint32_t lab_bit(int32_t node)
{
    return 1u << node;
}

static inline bool lab_is_replica(const struct lab_config *config, int32_t node)
{
    for (uint8_t i = 0; i < config->replica_count; i++) {
        if (config->replicas[i] == node) return true;
    }
    return false;
}

/* A new state that is like the newest one, to be changed. */
static inline struct lab_state *lab_begin_state(struct lab *lab)
{
    LAB_CHECK(lab->state_count < LAB_STATES);
    lab->states[lab->state_count] = lab->states[lab->state_count - 1];
    return &lab->states[lab->state_count++];
}

static inline uint32_t lab_able(const struct lab_state *state, const struct lab_config *config)
{
    uint32_t set = 0;

    for (uint8_t i = 0; i < config->replica_count; i++) {
        const struct lab_broker *broker = &state->brokers[config->replicas[i]];
        if (broker->epoch >= 0 && !broker->fenced && !broker->shutting_down) set |= lab_bit(config->replicas[i]);
    }
    return set;
}

static inline int32_t lab_first_of(const struct lab_config *config, uint32_t set)
{
    for (uint8_t i = 0; i < config->replica_count; i++) {
        if ((set & lab_bit(config->replicas[i])) != 0) return config->replicas[i];
    }
    return -1;
}

/* An election that may lose records: what is committed is from now on what that one has when it begins to lead. */
static inline void lab_elect_unclean(struct lab *lab, struct lab_config *config, int32_t leader)
{
    config->isr = lab_bit(leader);
    config->elr = 0;
    config->recovering = true;
    config->last_unclean_epoch = config->leader_epoch + 1;
    lab->uncleans++;
}

static inline void lab_elect(struct lab *lab, const struct lab_state *state, struct lab_config *config)
{
    const uint32_t able = lab_able(state, config);
    int32_t leader = lab_first_of(config, config->isr & able);

    if (leader < 0 && config->isr == 0) {
        leader = lab_first_of(config, config->elr & able);
        if (leader >= 0) config->isr = lab_bit(leader);
        if (leader >= 0) config->elr &= ~lab_bit(leader);
    }
    /* Where nobody has it all, somebody who is up and has much. */
    if (leader < 0 && lab->unclean && config->isr == 0 && config->elr == 0) {
        leader = lab_first_of(config, able);
        if (leader >= 0) lab_elect_unclean(lab, config, leader);
    }
    if (leader >= 0) lab->elections++;
    if (leader >= 0) config->last_leader = leader;
    config->leader = leader;
}

/* What follows from a change of brokers. `restarted`: leads no more, even if it is elected again. */
static inline void lab_settle(struct lab *lab, struct lab_state *state, int32_t restarted, bool lost)
{
    for (uint32_t p = 0; p < lab->partition_count; p++) {
        struct lab_config *config = &state->configs[p];
        const struct lab_config before = *config;
        uint32_t fenced = 0;
        for (uint8_t i = 0; i < config->replica_count; i++) {
            const struct lab_broker *broker = &state->brokers[config->replicas[i]];
            if (broker->fenced || broker->epoch < 0) fenced |= lab_bit(config->replicas[i]);
        }
        config->isr &= ~fenced;
        config->elr |= before.isr & fenced;
        if (lost) config->elr &= ~lab_bit(restarted);
        if (__builtin_popcount(config->isr) >= config->isr_min) config->elr = 0;
        const bool stays = before.leader >= 0 && (config->isr & lab_bit(before.leader)) != 0;
        if (!stays) lab_elect(lab, state, config);
        const bool moved = config->leader != before.leader || (restarted > 0 && before.leader == restarted);
        if (moved) config->leader_epoch++;
        if (memcmp(config, &before, sizeof before) != 0) config->partition_epoch++;
    }
}

static inline void lab_fence(struct lab *lab, int32_t node)
{
    if (lab_newest(lab)->brokers[node].fenced) return;
    struct lab_state *state = lab_begin_state(lab);

    state->brokers[node].fenced = true;
    lab->fences++;
    lab_settle(lab, state, 0, false);
}

static inline void lab_unfence(struct lab *lab, int32_t node)
{
    if (!lab_newest(lab)->brokers[node].fenced || lab_newest(lab)->brokers[node].epoch < 0) return;
    struct lab_state *state = lab_begin_state(lab);

    state->brokers[node].fenced = false;
    lab_settle(lab, state, 0, false);
}

/* A new process; `lost`: its disk is not what it promised to hold. */
static inline void lab_register(struct lab *lab, int32_t node, bool lost)
{
    struct lab_state *state = lab_begin_state(lab);

    state->brokers[node] = (struct lab_broker){ .epoch = ++lab->next_broker_epoch, .fenced = true };
    lab_settle(lab, state, node, lost);
    lab->nodes[node].registered = lab->state_count - 1;
}

/* AlterPartition. ERROR_NONE: it is done. */
static inline enum error lab_alter(struct lab *lab, const struct lab_wish *asked)
{
    const struct replica_wish *wish = &asked->wish;
    const uint32_t partition = lab_partition(asked->node, wish->log);
    const struct lab_state *now = lab_newest(lab);
    const struct lab_config *config = &now->configs[partition];
    uint32_t set = 0;

    if (wish->leader_epoch > config->leader_epoch) return ERROR_UNKNOWN_LEADER_EPOCH;
    if (wish->leader_epoch < config->leader_epoch) return ERROR_FENCED_LEADER_EPOCH;
    if (config->leader != asked->node) return ERROR_INVALID_REQUEST;
    if (wish->partition_epoch != config->partition_epoch) return ERROR_INVALID_UPDATE_VERSION;
    for (uint8_t i = 0; i < wish->isr_count; i++) {
        const struct lab_broker *broker = &now->brokers[wish->isr[i]];
        if (!lab_is_replica(config, wish->isr[i])) return ERROR_INVALID_REQUEST;
        if (broker->fenced || broker->shutting_down || broker->epoch != wish->broker_epochs[i]) {
            return ERROR_INELIGIBLE_REPLICA;
        }
        set |= lab_bit(wish->isr[i]);
    }
    if (config->recovering && wish->isr_count > 1) return ERROR_INVALID_REQUEST;
    const bool resigns = (set & lab_bit(asked->node)) == 0;
    LAB_CHECK(!resigns || (set & ~config->isr) == 0);
    if (resigns && (uint32_t)__builtin_popcount(set) < config->isr_min) return ERROR_INVALID_REQUEST;
    if (set == 0 || (resigns && (set & lab_able(now, config)) == 0)) return ERROR_INELIGIBLE_REPLICA;
    struct lab_state *state = lab_begin_state(lab);
    struct lab_config *changed = &state->configs[partition];
    changed->elr |= changed->isr & ~set;
    changed->elr &= ~set;
    changed->isr = set;
    if (__builtin_popcount(set) >= changed->isr_min) changed->elr = 0;
    changed->recovering = false;
    if (resigns) {
        lab_elect(lab, state, changed);
        changed->leader_epoch++;
        lab->resignations++;
    }
    changed->partition_epoch++;
    return ERROR_NONE;
}

/* Another replica comes, or one goes that is not needed. */
static inline void lab_reassign(struct lab *lab)
{
    const uint32_t partition = (uint32_t)lab_below(lab, lab->partition_count);
    const struct lab_config *config = &lab_newest(lab)->configs[partition];
    const int32_t node = lab_any_node(lab);
    const uint32_t others = config->isr & ~lab_bit(node);

    if (!lab_is_replica(config, node)) {
        struct lab_config *changed = &lab_begin_state(lab)->configs[partition];
        changed->replicas[changed->replica_count++] = node;
        changed->partition_epoch++;
        return;
    }
    if (config->leader == node || config->leader < 0 || config->replica_count <= 2) return;
    if (__builtin_popcount(others) < config->isr_min || config->elr != 0) return;
    struct lab_config *changed = &lab_begin_state(lab)->configs[partition];
    uint8_t count = 0;
    for (uint8_t i = 0; i < changed->replica_count; i++) {
        if (changed->replicas[i] != node) changed->replicas[count++] = changed->replicas[i];
    }
    changed->replica_count = count;
    changed->isr &= ~lab_bit(node);
    changed->leader_epoch++;
    changed->partition_epoch++;
}

#endif
