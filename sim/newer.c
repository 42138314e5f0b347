/* newer.c -- a member of a consumer group in the newer protocol (KIP-848): it joins and is told what is its in
 * heartbeats, gives up what it is to after a while, and says so. It leaves, for good or (a static one) for a while.
 *
 * Now and then it says what is not so: that it is in an epoch that never was, or commits in one that is over. Then it
 * is to be refused. */
#include "base/check.h"
#include "codec/errors.h"
#include "sim/member.h"
#include "sim/run.h"

#include <string.h>

enum { EPOCH_JOINS = 0, EPOCH_LEAVES = -1, EPOCH_LEAVES_FOR_A_WHILE = -2, EPOCH_OF_NOBODY = 1000000 };

static bool in_chaos(const struct run *run)
{
    return run->phase == PHASE_CHAOS;
}

/* ---- what it has ---- */

static void give_up(struct run *run, struct client *client, uint64_t shares)
{
    struct membership *membership = &client->membership;

    cohort_on_released(run, membership->cohort, client->number, shares);
    membership->shares &= ~shares;
    membership->going &= ~shares;
}

void newer_begin(struct client *client)
{
    struct membership *membership = &client->membership;

    membership->generation = membership->previous = 0;
    membership->says = membership->full = membership->lies = false;
    membership->unsure_ns = 0;
    snprintf(membership->member_id, sizeof membership->member_id, "m-%u-%u", client->number, membership->life);
}

static const struct target *target_of(const struct client *client, const struct uuid *topic_id, int32_t index)
{
    for (uint32_t i = 0; i < client->target_count; i++) {
        const struct target *target = &client->targets[i];
        if (target->index == index && uuid_equal(&target->topic_id, topic_id)) return target;
    }
    return NULL;
}

static uint64_t share_of(const struct target *target)
{
    return 1ull << (target->topic * SHARES_PER_TOPIC + (uint32_t)target->index);
}

/* False: there is something in it that it has not heard of. */
static bool read_assignment(const struct client *client,
                            const struct consumer_group_heartbeat_response_assignment *assignment, uint64_t *shares)
{
    *shares = 0;
    for (uint32_t i = 0; i < assignment->topic_partitions_count; i++) {
        const struct consumer_group_heartbeat_response_topic *topic = &assignment->topic_partitions[i];
        for (uint32_t j = 0; j < topic->partitions_count; j++) {
            const struct target *target = target_of(client, &topic->topic_id, topic->partitions[j]);
            if (target == NULL) return false;
            *shares |= share_of(target);
        }
    }
    return true;
}

/* ---- asking ---- */

static uint32_t put_owned(const struct client *client, struct consumer_group_heartbeat_request_topic *topics,
                          int32_t *indexes)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < client->target_count; i++) {
        const struct target *target = &client->targets[i];
        if ((client->membership.shares & share_of(target)) == 0) continue;
        indexes[count] = target->index;
        topics[count] = (struct consumer_group_heartbeat_request_topic){ target->topic_id, &indexes[count], 1 };
        count++;
    }
    return count;
}

static void ask_beat(struct run *run, struct client *client, struct session *session, int32_t epoch)
{
    struct membership *membership = &client->membership;
    struct consumer_group_heartbeat_request request = consumer_group_heartbeat_request_default;
    struct consumer_group_heartbeat_request_topic owned[TARGETS_MAX];
    int32_t indexes[TARGETS_MAX];
    struct bytes names[TOPICS_MAX];
    char texts[TOPICS_MAX][32];
    const bool full = epoch == EPOCH_JOINS || (epoch > EPOCH_JOINS && membership->full && !membership->lies);

    request.group_id = sim_text(run->cohorts.list[membership->cohort].id);
    request.member_id = sim_text(membership->member_id);
    request.member_epoch = epoch;
    if (membership->instance[0] != 0) request.instance_id = sim_text(membership->instance);
    if (full || (membership->says && !membership->lies)) {
        request.topic_partitions = owned;
        request.topic_partitions_count = put_owned(client, owned, indexes);
    }
    if (full) {
        request.rebalance_timeout_ms = membership->rebalance_ms;
        request.subscribed_topic_names = names;
        for (uint32_t i = 0; i < run->knobs.topics; i++) {
            topic_name(i, texts[i]);
            names[i] = sim_text(texts[i]);
        }
        request.subscribed_topic_names_count = run->knobs.topics;
    }
    membership->asked_epoch = epoch;
    membership->asked_ns = run->world.now_ns;
    consumer_group_heartbeat_request_write(member_ask(run, client, session, API_CONSUMER_GROUP_HEARTBEAT, 1), 1,
                                           &request);
    member_asked(run, session);
}

static void leave(struct run *run, struct client *client, struct session *session)
{
    const bool returns = client->membership.instance[0] != 0 && prng_chance(&client->prng, 2, 3);

    give_up(run, client, client->membership.shares);
    client->membership.says = false;
    ask_beat(run, client, session, returns ? EPOCH_LEAVES_FOR_A_WHILE : EPOCH_LEAVES);
}

void newer_join(struct run *run, struct client *client, struct session *session)
{
    give_up(run, client, client->membership.shares);
    ask_beat(run, client, session, EPOCH_JOINS);
}

void newer_own(struct run *run, struct client *client, struct session *session)
{
    struct membership *membership = &client->membership;
    const uint64_t drawn = prng_below(&client->prng, 100);

    if (in_chaos(run) && drawn < 2) {
        leave(run, client, session);
    } else if (in_chaos(run) && drawn < 5) {
        membership->lies = true;
        ask_beat(run, client, session, membership->generation + EPOCH_OF_NOBODY);
    } else if (drawn < 30 && membership->shares != 0) {
        membership->lies = in_chaos(run) && membership->previous > 0 &&
                           membership->previous != membership->generation && prng_chance(&client->prng, 1, 3);
        member_commit(run, client, session, membership->lies ? membership->previous : membership->generation);
    } else if (drawn < 40) {
        member_fetch(run, client, session);
    } else {
        if (membership->going != 0 && (!in_chaos(run) || prng_chance(&client->prng, 1, 2))) {
            give_up(run, client, membership->going);
            membership->says = true;
        }
        ask_beat(run, client, session, membership->generation);
    }
}

/* ---- answers ---- */

static void take_assignment(struct run *run, struct client *client, uint64_t shares)
{
    struct membership *membership = &client->membership;
    const uint64_t going = membership->shares & ~shares, before = membership->shares;

    if (going != 0 && membership->going == 0) {
        membership->going_ns = membership->unsure_ns != 0 ? membership->unsure_ns : membership->asked_ns;
    }
    membership->going = going;
    membership->shares |= shares;
    cohort_on_held(run, membership->cohort, client->number, shares & ~before);
    if (membership->shares != before || going != 0) membership->committed = membership->shares == 0;
}

static void on_heard(struct run *run, struct client *client, const struct consumer_group_heartbeat_response *heard)
{
    struct membership *membership = &client->membership;
    uint64_t shares;

    if (membership->asked_epoch == EPOCH_JOINS) {
        cohort_on_joined(run, membership->cohort, &membership->asked, heard->member_epoch);
    } else if (heard->member_epoch < membership->generation) {
        judge_violated(&run->judge, RULE_O10, "%s: member %u was in epoch %d, and is in %d",
                       run->cohorts.list[membership->cohort].id, client->number, membership->generation,
                       heard->member_epoch);
    }
    if (heard->has_assignment && !read_assignment(client, &heard->assignment, &shares)) {
        client->stale = true;
        membership->full = true;
        if (membership->asked_epoch == EPOCH_JOINS) return; /* and so it joins again */
    } else if (heard->has_assignment) {
        take_assignment(run, client, shares);
        membership->full = false;
    }
    if (heard->member_epoch != membership->generation) {
        membership->previous = membership->generation;
        membership->committed = membership->shares == 0;
    }
    membership->generation = heard->member_epoch;
    membership->says = false;
    membership->contact_ns = membership->asked_ns;
    membership->unsure_ns = 0;
    membership->doing = DOING_OWN;
    cohort_on_epoch(run, membership->cohort, heard->member_epoch);
}

void newer_on_beat(struct run *run, struct client *client, const struct consumer_group_heartbeat_response *heard)
{
    struct membership *membership = &client->membership;
    const bool lied = membership->lies;
    const bool sure = cohort_is_sure(run, membership->cohort, &membership->asked);

    membership->lies = false;
    if (membership->asked_epoch < EPOCH_JOINS) { /* whatever came of it, this process is over */
        member_begin_anew(run, client);
        return;
    }
    if (lied && heard->error_code == ERROR_NONE) {
        judge_violated(&run->judge, RULE_O10, "%s: member %u is heard in epoch %d, and is in %d",
                       run->cohorts.list[membership->cohort].id, client->number, membership->asked_epoch,
                       membership->generation);
    }
    if (lied && heard->error_code == ERROR_FENCED_MEMBER_EPOCH) return;
    member_heed(run, client, heard->error_code);
    if (heard->error_code != ERROR_NONE || lied) return;
    if (sure) {
        on_heard(run, client, heard);
        return;
    }
    membership->machine = MACHINE_NONE; /* it may be of yesterday: as if nothing had been heard */
    newer_on_silence(client);
}

/* An answer was lost: all is said again, and told. */
void newer_on_silence(struct client *client)
{
    struct membership *membership = &client->membership;

    membership->full = true;
    if (membership->unsure_ns == 0) membership->unsure_ns = membership->asked_ns;
}

void newer_on_fenced(struct run *run, struct client *client)
{
    struct membership *membership = &client->membership;

    give_up(run, client, membership->shares);
    membership->generation = membership->previous = 0;
    membership->doing = DOING_JOIN;
    membership->unsure_ns = 0;
}

/* ---- at rest ---- */

static uint32_t count_of(uint64_t shares)
{
    uint32_t count = 0;

    for (; shares != 0; shares &= shares - 1) count++;
    return count;
}

bool newer_rests(const struct run *run, const struct client *client)
{
    uint64_t shares = 0, all = 0;
    uint32_t least = UINT32_MAX, most = 0;

    for (uint32_t i = 0; i < run->client_count; i++) {
        const struct membership *other = &run->clients[i]->membership;
        if (run->clients[i]->kind != CLIENT_MEMBER || other->cohort != client->membership.cohort) continue;
        if (other->doing != DOING_OWN || !other->committed || other->going != 0) return false;
        if (other->generation != client->membership.generation || (shares & other->shares) != 0) return false;
        shares |= other->shares;
        for (uint32_t j = 0; j < run->clients[i]->target_count; j++) all |= share_of(&run->clients[i]->targets[j]);
        least = MIN(least, count_of(other->shares));
        most = MAX(most, count_of(other->shares));
    }
    return shares == all && most - least <= 1;
}
