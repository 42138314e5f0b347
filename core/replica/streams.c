/* streams.c -- one follower of one partition, as its leader sees it: where are both logs the same, and who says so? */
#include "replica/state.h"

static struct partition *partition_of(struct replicas *replicas, const struct flow *flow)
{
    return partition_at(replicas, flow->log);
}

/* ---- begin and end ---- */

static void stop_waiting(struct replicas *replicas, struct flow *flow)
{
    replicas->waiting -= flow->waits;
    flow->waits = false;
}

static void stop_searching(struct replicas *replicas, uint32_t number)
{
    struct flow *flow = flow_at(replicas, number);

    stop_waiting(replicas, flow);
    flow->searches = false;
    chain_remove(&replicas->judging, number);
}

uint32_t flow_begin(struct replicas *replicas, uint32_t log, uint8_t slot, uint32_t node)
{
    const uint32_t number = pool_take(&replicas->flows_pool);

    if (number == POOL_NONE) return NONE;
    replicas->flows[number] = (struct flow){ .stream = { .caught_up_ns = replicas->mono_ns },
                                             .log = log,
                                             .node = node,
                                             .slot = slot,
                                             .read = NONE,
                                             .broker_epoch = -1 };
    partition_at(replicas, log)->flows[slot] = number + 1;
    chain_add(&replicas->nodes[node].flows, number);
    node_want(replicas, node);
    timers_set(&replicas->flow_timers, number, replicas->mono_ns);
    return number;
}

void flow_end(struct replicas *replicas, uint32_t number)
{
    const struct flow *flow = flow_at(replicas, number);
    const uint32_t node = flow->node;

    reading_forget(replicas, number);
    stop_searching(replicas, number);
    flow_unqueue(replicas, number);
    timers_clear(&replicas->flow_timers, number);
    partition_of(replicas, flow)->flows[flow->slot] = 0;
    chain_remove(&replicas->nodes[node].flows, number);
    pool_give(&replicas->flows_pool, number);
    replica_node_release(replicas, node);
}

void flow_close(struct replicas *replicas, uint32_t number, bool lost)
{
    struct flow *flow = flow_at(replicas, number);
    struct partition *partition = partition_of(replicas, flow);

    if (flow->stream.state == STREAM_CLOSED) return;
    flow->stream.caught_up_ns = leader_stream_caught_up_ns(&flow->stream, partition->watermark.log_end_offset,
                                                           replicas->nodes[flow->node].answered_ns);
    leader_stream_close(&flow->stream, replicas->mono_ns, lost);
    reading_forget(replicas, number);
    flow_unqueue(replicas, number);
    flow->behind = false;
    flow->tells = false;
    stop_searching(replicas, number);
    timers_set(&replicas->flow_timers, number, flow->stream.retry_ns);
    leading_on_lost(replicas, flow->log, flow->slot);
}

/* ---- opening ---- */

static bool send_open(struct replicas *replicas, uint32_t number, enum open_step step, uint64_t session,
                      const struct match *match)
{
    const struct flow *flow = flow_at(replicas, number);
    const struct partition *partition = partition_of(replicas, flow);
    uint8_t bytes[OPEN_SIZE];

    open_write(bytes, &(struct open_frame){
                          .topic_id = partition->topic_id,
                          .partition = partition->index,
                          .leader_epoch = partition->leader_epoch,
                          .leader_broker_epoch = replicas->broker_epoch,
                          .follower_broker_epoch = replicas->nodes[flow->node].broker_epoch,
                          .session = session,
                          .leader_number = flow->log,
                          .step = step,
                          .relaxed = partition->relaxed,
                          .bound_epoch = match->epoch,
                          .bound_offset = match->offset,
                      });
    return node_send(replicas, flow->node, PEER_DATA_OUT, REPLICA_OPEN, bytes, sizeof bytes);
}

void flow_open(struct replicas *replicas, uint32_t number)
{
    const struct match nothing = { .epoch = -1, .offset = -1 };
    struct flow *flow = flow_at(replicas, number);
    const struct node *node = &replicas->nodes[flow->node];

    if (flow->stream.state == STREAM_MATCHED || !node->out_up || node->broker_epoch < 0) return;
    if (flow->searches) { /* whatever it waited for, it is asked again */
        chain_add(&replicas->judging, number);
        return;
    }
    if (flow->stream.state != STREAM_CLOSED) { /* it was not answered */
        flow_close(replicas, number, false);
        return;
    }
    const uint64_t session = replicas->next_session;
    if (!send_open(replicas, number, OPEN_ASK, session, &nothing)) {
        timers_set(&replicas->flow_timers, number, replicas->mono_ns + AGAIN_NS);
        return;
    }
    replicas->next_session++;
    flow->broker_epoch = node->broker_epoch;
    flow->reset = false;
    flow->search.begun = false;
    flow->answered_epoch = INT32_MAX;
    flow->answered_offset = INT64_MAX;
    leader_stream_on_asked(&flow->stream, session, replicas->mono_ns);
    watermark_on_session(&partition_of(replicas, flow)->watermark, flow->slot, session);
    timers_set(&replicas->flow_timers, number, flow->stream.retry_ns);
}

uint32_t flow_find(struct replicas *replicas, uint32_t node, uint32_t log, int32_t leader_epoch, uint64_t session)
{
    if (log >= replicas->config.partitions_max) return NONE;
    const struct partition *partition = partition_at(replicas, log);
    if (partition->role != ROLE_LEADER || partition->leader_epoch != leader_epoch) return NONE;

    for (uint8_t slot = 0; slot < partition->watermark.replica_count; slot++) {
        if (partition->flows[slot] == 0) continue;
        const struct flow *flow = flow_at(replicas, partition->flows[slot] - 1);
        if (flow->node == node && flow->stream.session == session && session != 0) return partition->flows[slot] - 1;
    }
    return NONE;
}

/* What it says of what was deleted may be of records that an unclean election gave up: unless all are counted on to
 * hold what it holds. */
static bool is_of_another_story(const struct replicas *replicas, const struct flow *flow)
{
    const struct partition *partition = &replicas->partitions[flow->log];
    bool counts = false;

    for (uint8_t i = 0; i < partition->replica_count; i++) {
        const bool is_it = partition->replicas[i] == partition->nodes[flow->slot];
        counts |= is_it && ((partition->replica_isr | partition->replica_elr) >> i & 1) != 0;
    }
    return partition->last_unclean_epoch > 0 && !counts;
}

static struct leader_log leader_log_of(const struct replicas *replicas, const struct flow *flow,
                                       const struct epoch_bound *bound)
{
    const struct log_offsets offsets = log_offsets(replicas->rooms.logs, flow->log);

    return (struct leader_log){
        .log_start_offset = offsets.log_start_offset,
        .log_end_offset = offsets.log_end_offset,
        .distrusts_deletions = is_of_another_story(replicas, flow),
        .bound_known = bound->known,
        .bound_epoch = bound->leader_epoch,
        .bound_offset = bound->end_offset,
    };
}

static void match_found(struct replicas *replicas, uint32_t number, const struct open_answer_frame *answer)
{
    struct flow *flow = flow_at(replicas, number);

    replicas->counters.opened++;
    leader_stream_on_matched(&flow->stream, answer);
    timers_clear(&replicas->flow_timers, number);
    flow->sent_high_watermark = -1;
    flow->sent_start_offset = -1;
    flow->held_start_offset = answer->log_start_offset;
    leading_learn_start(replicas, flow->log);
    flow->tells = true; /* even without records: he learns that he is matched, and says what is durable */
    flow_queue(replicas, number);
}

/* Every answer is to be behind the one before: so an opening ends, whatever the other one says. */
static bool is_progress(const struct flow *flow, const struct open_answer_frame *answer)
{
    if (answer->last_epoch != flow->answered_epoch) return answer->last_epoch < flow->answered_epoch;
    return answer->log_end_offset < flow->answered_offset;
}

void streams_on_answer(struct replicas *replicas, uint32_t node, const struct open_answer_frame *answer)
{
    const uint32_t number = flow_find(replicas, node, answer->leader_number, answer->leader_epoch, answer->session);

    if (number == NONE || answer->broker_epoch != replicas->flows[number].broker_epoch) {
        replicas->counters.stale++;
        return;
    }
    struct flow *flow = flow_at(replicas, number);
    if (flow->stream.state == STREAM_MATCHED || flow->searches || !is_progress(flow, answer)) {
        replicas->counters.impossible_answers++;
        flow_close(replicas, number, false);
        return;
    }
    flow->answer = *answer;
    flow->searches = true;
    chain_add(&replicas->judging, number);
}

static void judge(struct replicas *replicas, uint32_t number, const struct epoch_bound *bound)
{
    struct flow *flow = flow_at(replicas, number);
    const struct open_answer_frame *answer = &flow->answer;
    const struct leader_log log = leader_log_of(replicas, flow, bound);
    const struct match match = leader_judge_answer(&log, answer);
    if (match.kind == MATCH_FOUND) {
        match_found(replicas, number, answer);
        return;
    }
    const bool resets = match.kind == MATCH_RESET;
    flow->answered_epoch = resets ? -1 : answer->last_epoch;
    flow->answered_offset = resets ? match.offset + 1 : answer->log_end_offset;
    const bool fits = !resets || !flow->reset;
    flow->reset |= resets;
    if (!fits || !send_open(replicas, number, resets ? OPEN_RESET : OPEN_COMPARE, flow->stream.session, &match)) {
        flow_close(replicas, number, false);
        return;
    }
    leader_stream_on_compared(&flow->stream, replicas->mono_ns);
    timers_set(&replicas->flow_timers, number, flow->stream.retry_ns);
}

/* Where records of the follower's last epoch end here. Of an epoch from long ago only the log itself can tell. */
static void search(struct replicas *replicas, uint32_t number, struct effects *effects)
{
    struct flow *flow = flow_at(replicas, number);
    struct epoch_bound bound;

    stop_waiting(replicas, flow);
    if (replicas->waiting == SEARCHES_MAX) {
        timers_set(&replicas->flow_timers, number, replicas->mono_ns + AGAIN_NS);
        return;
    }
    flow->searches = false;
    const enum read_verdict verdict =
        logs_find_epoch(replicas->rooms.logs, flow->log, flow->answer.last_epoch,
                        REPLICAS_WAITER | SEARCH_WAITER | number, &flow->search, &bound, effects);
    if (MUTANT(leader_resets_who_was_long_gone)) {
        bound = log_epoch_bound(replicas->rooms.logs, flow->log, flow->answer.last_epoch);
        judge(replicas, number, &bound);
        return;
    }
    switch (verdict) {
    case READ_OK: judge(replicas, number, &bound); return;
    case READ_WAITS:
    case READ_BUSY:
        flow->searches = flow->waits = true;
        replicas->waiting++;
        timers_set(&replicas->flow_timers, number, replicas->mono_ns + STREAM_ANSWER_NS);
        return;
    case READ_OUT_OF_RANGE:
    case READ_CORRUPT: break;
    }
    replicas->counters.unreadable++;
    flow_close(replicas, number, false);
}

void streams_on_ready(struct replicas *replicas, uint64_t number)
{
    if (number >= replicas->config.streams_max || !pool_is_taken(&replicas->flows_pool, (uint32_t)number)) return;
    if (replicas->flows[number].searches) chain_add(&replicas->judging, (uint32_t)number);
}

void streams_work(struct replicas *replicas, struct effects *effects)
{
    uint32_t count = replicas->judging.count;

    while (count-- > 0) {
        if (effects_space(effects) <= EFFECTS_KEPT) {
            replicas->due = true;
            return;
        }
        search(replicas, chain_take(&replicas->judging), effects);
    }
}

void streams_on_nack(struct replicas *replicas, uint32_t node, const struct nack_frame *nack)
{
    const uint32_t number = flow_find(replicas, node, nack->leader_number, nack->leader_epoch, nack->session);

    if (number == NONE) {
        replicas->counters.stale++;
        return;
    }
    replicas->counters.refusals[nack->reason]++;
    flow_close(replicas, number, false);
    if (nack->reason == NACK_FULL) node_set_full(replicas, node, true);
}
