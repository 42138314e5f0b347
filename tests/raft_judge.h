/* raft_judge.h -- what must be true of any run of the Raft engine. Part of raft_world.h.
 *
 *   ELECTION       a term has one leader.
 *   ELECTED        a majority of its voters (of both sets while joint) voted for a new leader, in its term.
 *   VOTE           a node votes once per term, whatever it forgets.
 *   PROMISE        what a message promises is durable at its sender when it leaves.
 *   MATCH          an index and a term name one entry and one entry before it, everywhere and always.
 *   QUORUM         what a leader commits is durable on a majority of its voters (of both sets while joint).
 *   COMPLETE       a new leader has all that was committed before its term.
 *   STATE          all nodes apply the same entries in the same order; snapshots equal the state at their index.
 *   OWN TERM       a leader commits by counting only entries of its own term (figure 8).
 *   ALONE          who has heard no majority for long does not believe to lead.
 *   FRESH          a read's index is not below what was committed when it was asked. */
#ifndef CHRONIK_TESTS_RAFT_JUDGE_H
#define CHRONIK_TESTS_RAFT_JUDGE_H

#include "raft_parts.h"

static uint64_t bytes_hash(const uint8_t *bytes, uint64_t size)
{
    uint64_t hash = size;
    for (; size >= 8; size -= 8, bytes += 8) hash = mix(hash, load_u64(bytes));
    for (; size > 0; size--) hash = mix(hash, *bytes++);
    return hash;
}

static uint64_t item_hash(const struct item *item)
{
    return mix(bytes_hash(item->bytes, item->size), item->kind);
}

static void judge_vote(struct world *world, uint64_t term, uint64_t voter, uint64_t candidate)
{
    uint32_t at = (uint32_t)mix(term, voter) & (VOTES_MAX - 1);

    for (; world->votes[at].term != 0; at = (at + 1) & (VOTES_MAX - 1)) {
        const struct vote_record *vote = &world->votes[at];
        if (vote->term != term || vote->voter != voter) continue;
        if (vote->candidate == candidate) return;
        world_violate(world, "VOTE: node %u voted for %u and %u in term %u", (unsigned)voter, (unsigned)vote->candidate,
                      (unsigned)candidate, (unsigned)term);
        return;
    }
    if (++world->vote_count > VOTES_MAX / 2) return;
    world->votes[at] = (struct vote_record){ term, voter, candidate };
}

static bool has_voted(const struct world *world, uint64_t term, uint64_t voter, uint64_t candidate)
{
    uint32_t at = (uint32_t)mix(term, voter) & (VOTES_MAX - 1);

    for (; world->votes[at].term != 0; at = (at + 1) & (VOTES_MAX - 1)) {
        const struct vote_record *vote = &world->votes[at];
        if (vote->term == term && vote->voter == voter) return vote->candidate == candidate;
    }
    return false;
}

static void judge_elected(struct world *world, const struct node *leader, uint8_t flag)
{
    /* The list that was in force when the votes were counted: the no-op is the newest entry. */
    const struct raft_configuration *list = raft_configuration(leader->raft);
    const uint64_t term = raft_term(leader->raft);
    uint32_t voters = 0, votes = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        const uint64_t id = list->members[i].id;
        if ((list->members[i].flags & flag) == 0) continue;
        voters++;
        votes += id == leader->id ? leader->disk_vote == id && leader->disk_term == term
                                  : has_voted(world, term, id, leader->id);
    }
    if (voters == 0 || votes > voters / 2 || world->vote_count > VOTES_MAX / 2) return;
    world_violate(world, "ELECTED: leader %u of term %u has %u votes of %u", (unsigned)leader->id, (unsigned)term,
                  votes, voters);
}

/* `hash` and the term before it are those of the entry at `index`. */
static void judge_match(struct world *world, uint64_t index, uint64_t term, uint64_t hash, uint64_t prev_term)
{
    uint32_t at = (uint32_t)mix(index, term) & (MATCHES_MAX - 1);

    for (; world->matches[at].index != 0; at = (at + 1) & (MATCHES_MAX - 1)) {
        const struct match_record *match = &world->matches[at];
        if (match->index != index || match->term != term) continue;
        if (match->hash != hash || match->prev_term != prev_term) {
            world_violate(world, "MATCH: two entries at index %u of term %u", (unsigned)index, (unsigned)term);
        }
        return;
    }
    if (++world->match_count > MATCHES_MAX / 2) return;
    world->matches[at] = (struct match_record){ index, term, hash, prev_term };
}

static void judge_entry(struct world *world, struct node *node, uint64_t index, const struct item *item, uint64_t hash)
{
    const uint64_t prev_term = raft_term_at(node->raft, index - 1);
    if (item->size > 0 && item->bytes == NULL) world_violate(world, "entry %u has no bytes", (unsigned)index);
    if (judged(world)) judge_match(world, index, item->term, hash, prev_term);
}

static void judge_applied(struct world *world, struct node *node, uint64_t index, uint64_t term, uint64_t hash)
{
    if (!judged(world)) return;
    if (index > world->committed_count) {
        world_violate(world, "STATE: node %u applies %u, which no leader committed", (unsigned)node->id,
                      (unsigned)index);
        return;
    }
    const struct committed *committed = &world->committed[index];
    if (committed->term != term || committed->hash != hash || committed->chain != node->chain) {
        world_violate(world, "STATE: node %u applies %u of term %u, committed was one of term %u", (unsigned)node->id,
                      (unsigned)index, (unsigned)term, (unsigned)committed->term);
    }
}

static void judge_installed(struct world *world, struct node *node, const struct picture *picture)
{
    if (!judged(world)) return;
    if (picture->index > world->committed_count || world->committed[picture->index].chain != picture->chain) {
        world_violate(world, "STATE: node %u installs another state at %u", (unsigned)node->id,
                      (unsigned)picture->index);
    }
}

static bool disk_has(const struct node *node, uint64_t index, uint64_t term)
{
    if (index <= node->disk_picture.index) return true;
    if (index < node->disk_log.first || index >= node->disk_log.first + node->disk_log.count) return false;
    return node->disk_log.list[index - node->disk_log.first].term == term;
}

static void judge_quorum(struct world *world, const struct node *leader, const struct raft_configuration *list,
                         uint64_t index, uint64_t term)
{
    static const uint8_t flags[2] = { RAFT_VOTER, RAFT_OLD_VOTER };

    for (uint32_t set = 0; set < 2; set++) {
        uint32_t voters = 0, have = 0;
        for (uint32_t i = 0; i < list->count; i++) {
            if ((list->members[i].flags & flags[set]) == 0) continue;
            voters++;
            for (uint32_t j = 0; j < world->config.nodes; j++) {
                const struct node *node = &world->nodes[j];
                if (node->id == list->members[i].id) have += disk_has(node, index, term);
            }
        }
        if (voters == 0 || have > voters / 2) continue;
        world_violate(world, "QUORUM: leader %u of term %u commits %u of term %u, durable on %u of %u",
                      (unsigned)leader->id, (unsigned)raft_term(leader->raft), (unsigned)index, (unsigned)term, have,
                      voters);
    }
}

/* A leader's own commit index rose: what it covers is what was ever committed. */
static void judge_commit(struct world *world, struct node *node, uint64_t from, uint64_t to, uint64_t leader_term)
{
    const struct raft *raft = node->raft;
    /* A list appended by this very call was not in force when the leader counted. */
    const bool fresh = world->out.write.entry_count > 0 && raft->in_force.index >= world->out.write.first_index;
    const struct raft_configuration *list = fresh ? &raft->previous : &raft->in_force;

    for (uint64_t index = from + 1; index <= to; index++) {
        const struct item *item = index >= node->log.first && index < node->log.first + node->log.count
                                      ? &node->log.list[index - node->log.first]
                                      : NULL;
        if (item == NULL) {
            world_violate(world, "leader %u commits %u without it", (unsigned)node->id, (unsigned)index);
            return;
        }
        const uint64_t hash = item_hash(item);
        if (index > world->committed_count) {
            if (index >= COMMITTED_MAX) return;
            world->committed[index] =
                (struct committed){ item->term, hash, mix(world->committed[index - 1].chain, hash), leader_term };
            world->committed_count = index;
            world->stats.commits++;
        } else if (world->committed[index].term != item->term || world->committed[index].hash != hash) {
            world_violate(world, "STATE: leader %u commits another entry %u", (unsigned)node->id, (unsigned)index);
        }
        judge_quorum(world, node, list, index, item->term);
    }
}

static bool heard_majority(const struct world *world, const struct node *leader, uint8_t flag, uint64_t since_ns)
{
    const struct raft_configuration *list = raft_configuration(leader->raft);
    uint32_t voters = 0, heard = 0;

    for (uint32_t i = 0; i < list->count; i++) {
        if ((list->members[i].flags & flag) == 0) continue;
        voters++;
        for (uint32_t j = 0; j < world->config.nodes; j++) {
            if (world->nodes[j].id != list->members[i].id) continue;
            heard += leader->id == world->nodes[j].id || leader->heard_ns[j] >= since_ns;
        }
    }
    return voters == 0 || heard > voters / 2;
}

static void judge_alone(struct world *world, const struct node *node)
{
    enum { LONG_MS = 150 + 2 * 30 }; /* the election timeout, and two heartbeats to notice */
    const uint64_t since_ns = world->now_ns - MIN(world->now_ns, LONG_MS * MS);

    if (!node->up || !judged(world)) return;
    if (raft_role(node->raft) != RAFT_LEADER || node->led_ns > since_ns) return;
    if (heard_majority(world, node, RAFT_VOTER, since_ns) && heard_majority(world, node, RAFT_OLD_VOTER, since_ns)) {
        return;
    }
    world_violate(world, "ALONE: node %u leads term %u without a majority", (unsigned)node->id,
                  (unsigned)raft_term(node->raft));
}

static void judge_new_leader(struct world *world, struct node *node)
{
    const uint64_t term = raft_term(node->raft);

    world->stats.elections++;
    if (term >= TERMS_MAX || !judged(world)) return;
    if (world->leader_of[term] != 0 && world->leader_of[term] != node->id) {
        world_violate(world, "ELECTION: term %u has leaders %u and %u", (unsigned)term,
                      (unsigned)world->leader_of[term], (unsigned)node->id);
    }
    world->leader_of[term] = node->id;
    judge_elected(world, node, RAFT_VOTER);
    judge_elected(world, node, RAFT_OLD_VOTER);
    for (uint64_t index = world->committed_count; index >= raft_first_index(node->raft); index--) {
        const struct committed *committed = &world->committed[index];
        if (committed->leader_term >= term || raft_term_at(node->raft, index) == committed->term) continue;
        world_violate(world, "COMPLETE: leader %u of term %u lacks %u of term %u", (unsigned)node->id, (unsigned)term,
                      (unsigned)index, (unsigned)committed->term);
        return;
    }
}

/* After each call, before anything that it wants is done. */
static void judge_step(struct world *world, struct node *node)
{
    const struct raft *raft = node->raft;
    const bool led = node->judged_role == RAFT_LEADER && node->judged_term == raft->term;
    const bool leads = raft->role == RAFT_LEADER;

    if (raft->term < node->judged_term) {
        world_violate(world, "node %u goes back from term %u to %u", (unsigned)node->id, (unsigned)node->judged_term,
                      (unsigned)raft->term);
    }
    if (raft->commit_index < node->judged_commit) {
        world_violate(world, "node %u takes back its commit index %u", (unsigned)node->id,
                      (unsigned)node->judged_commit);
    }
    if (leads && !led) judge_new_leader(world, node);
    if ((leads && !led) || node->list_index != raft->in_force.index) node->led_ns = world->now_ns;
    node->list_index = raft->in_force.index;
    /* A leader that commits its own removal steps down in the same call. */
    if ((leads || led) && raft->commit_index > node->judged_commit && judged(world)) {
        judge_commit(world, node, node->judged_commit, raft->commit_index, raft->term);
        if (raft_term_at(raft, raft->commit_index) != raft->term) {
            world_violate(world, "OWN TERM: leader %u of term %u commits %u of term %u", (unsigned)node->id,
                          (unsigned)raft->term, (unsigned)raft->commit_index,
                          (unsigned)raft_term_at(raft, raft->commit_index));
        }
    }
    node->judged_commit = raft->commit_index;
    node->judged_role = raft->role;
    node->judged_term = raft->term;
}

static void judge_message(struct world *world, struct node *node, const struct raft_message *message)
{
    const uint64_t me = node->id;

    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        if (message->vote_request.pre) return;
        judge_vote(world, message->term, me, me);
        if (node->disk_term != message->term || node->disk_vote != me) {
            world_violate(world, "PROMISE: node %u campaigns without a durable vote", (unsigned)me);
        }
        return;
    case RAFT_VOTE_RESPONSE:
        if (message->vote_response.pre || !message->vote_response.granted) return;
        judge_vote(world, message->term, me, message->to);
        if (node->disk_term != message->term || node->disk_vote != message->to) {
            world_violate(world, "PROMISE: node %u gives a vote that is not durable", (unsigned)me);
        }
        return;
    case RAFT_APPEND_RESPONSE: {
        const uint64_t index = message->append_response.index;
        if (message->append_response.rejected || index == 0) return;
        if (!disk_has(node, index, raft_term_at(node->raft, index))) {
            world_violate(world, "PROMISE: node %u acknowledges %u, which is not durable", (unsigned)me,
                          (unsigned)index);
        }
        return;
    }
    case RAFT_SNAPSHOT_RESPONSE: {
        const uint64_t index = message->snapshot_response.index;
        if (!message->snapshot_response.installed) return;
        if (!disk_has(node, index, raft_term_at(node->raft, index))) {
            world_violate(world, "PROMISE: node %u has no durable snapshot at %u", (unsigned)me, (unsigned)index);
        }
        return;
    }
    case RAFT_APPEND_REQUEST: return;
    case RAFT_SNAPSHOT_REQUEST: return;
    case RAFT_TIMEOUT_NOW: return;
    case RAFT_READ_REQUEST: return;
    case RAFT_READ_RESPONSE: return;
    }
}

static void judge_read(struct world *world, struct node *node, const struct pending_read *read, uint64_t index)
{
    world->stats.reads++;
    if (!judged(world)) return;
    if (index < read->index) {
        world_violate(world, "FRESH: node %u reads at %u, committed was %u", (unsigned)node->id, (unsigned)index,
                      (unsigned)read->index);
    }
}

static void judge_say_message(struct world *world, struct node *node, const struct raft_message *message)
{
    const unsigned from = (unsigned)message->from, term = (unsigned)message->term;

    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        world_say(world, node, "< %u asks for a %s in term %u, its log ends at %u/%u", from,
                  message->vote_request.pre ? "pre-vote" : "vote", term, (unsigned)message->vote_request.last_index,
                  (unsigned)message->vote_request.last_term);
        return;
    case RAFT_VOTE_RESPONSE:
        world_say(world, node, "< %u says %s to the %s in term %u", from, message->vote_response.granted ? "yes" : "no",
                  message->vote_response.pre ? "pre-vote" : "vote", term);
        return;
    case RAFT_APPEND_REQUEST: {
        const struct raft_append_request *request = &message->append_request;
        world_say(world, node, "< %u appends %u behind %u/%u, commit %u, term %u", from, request->entry_count,
                  (unsigned)request->prev_index, (unsigned)request->prev_term, (unsigned)request->commit_index, term);
        return;
    }
    case RAFT_APPEND_RESPONSE: {
        const struct raft_append_response *response = &message->append_response;
        if (response->rejected) {
            world_say(world, node, "< %u rejects behind %u, hint %u/%u, term %u", from, (unsigned)response->index,
                      (unsigned)response->hint_index, (unsigned)response->hint_term, term);
        } else {
            world_say(world, node, "< %u holds %u, term %u", from, (unsigned)response->index, term);
        }
        return;
    }
    case RAFT_SNAPSHOT_REQUEST:
        world_say(world, node, "< %u sends snapshot %u, %u bytes from %u of %u", from,
                  (unsigned)message->snapshot_request.index, message->snapshot_request.size,
                  (unsigned)message->snapshot_request.offset, (unsigned)message->snapshot_request.total_size);
        return;
    case RAFT_SNAPSHOT_RESPONSE:
        world_say(world, node, "< %u %s snapshot %u, wants %u", from,
                  message->snapshot_response.installed ? "has" : "receives", (unsigned)message->snapshot_response.index,
                  (unsigned)message->snapshot_response.offset);
        return;
    case RAFT_TIMEOUT_NOW: world_say(world, node, "< %u hands over, term %u", from, term); return;
    case RAFT_READ_REQUEST: world_say(world, node, "< %u wants to read", from); return;
    case RAFT_READ_RESPONSE:
        world_say(world, node, "< %u may read at %u", from, (unsigned)message->read_response.index);
        return;
    }
}

#endif
