/* raft_judge.c -- the rules of raft_judge.h, each where it can be broken. */
#include "sim/raft_judge.h"

bool raft_judged(const struct raft_world *world)
{
    return world->config.corrupt == 0 && !world->config.roomy;
}

static void judge_vote(struct raft_world *world, uint64_t term, uint64_t voter, uint64_t candidate)
{
    uint32_t at = (uint32_t)raft_world_mix(term, voter) & (RAFT_VOTES_MAX - 1);

    for (; world->votes[at].term != 0; at = (at + 1) & (RAFT_VOTES_MAX - 1)) {
        const struct raft_vote_record *vote = &world->votes[at];
        if (vote->term != term || vote->voter != voter) continue;
        if (vote->candidate == candidate) return;
        raft_world_violate(world, "O4 VOTE: node %u voted for %u and %u in term %u", (unsigned)voter,
                           (unsigned)vote->candidate, (unsigned)candidate, (unsigned)term);
        return;
    }
    if (++world->vote_count > RAFT_VOTES_MAX / 2) return;
    world->votes[at] = (struct raft_vote_record){ term, voter, candidate };
}

static bool has_voted(const struct raft_world *world, uint64_t term, uint64_t voter, uint64_t candidate)
{
    uint32_t at = (uint32_t)raft_world_mix(term, voter) & (RAFT_VOTES_MAX - 1);

    for (; world->votes[at].term != 0; at = (at + 1) & (RAFT_VOTES_MAX - 1)) {
        const struct raft_vote_record *vote = &world->votes[at];
        if (vote->term == term && vote->voter == voter) return vote->candidate == candidate;
    }
    return false;
}

static void judge_elected(struct raft_world *world, const struct raft_node *leader, uint64_t term,
                          const struct raft_voters *voters)
{
    for (uint32_t set = 0; set < 2; set++) {
        uint32_t votes = 0;
        for (uint32_t i = 0; i < voters->count[set]; i++) {
            const uint64_t id = voters->ids[set][i];
            votes += id == leader->id ? leader->disk_vote == id && leader->disk_term == term
                                      : has_voted(world, term, id, leader->id);
        }
        if (voters->count[set] == 0 || votes > voters->count[set] / 2) continue;
        if (world->vote_count > RAFT_VOTES_MAX / 2) continue;
        raft_world_violate(world, "O4 ELECTED: leader %u of term %u has %u votes of %u", (unsigned)leader->id,
                           (unsigned)term, votes, voters->count[set]);
    }
}

/* `hash` and the term before it are those of the entry at `index`. */
static void judge_match(struct raft_world *world, uint64_t index, uint64_t term, uint64_t hash, uint64_t prev_term)
{
    uint32_t at = (uint32_t)raft_world_mix(index, term) & (RAFT_MATCHES_MAX - 1);

    for (; world->matches[at].index != 0; at = (at + 1) & (RAFT_MATCHES_MAX - 1)) {
        const struct raft_match_record *match = &world->matches[at];
        if (match->index != index || match->term != term) continue;
        if (match->hash != hash || match->prev_term != prev_term) {
            raft_world_violate(world, "O5 MATCH: two entries at index %u of term %u", (unsigned)index, (unsigned)term);
        }
        return;
    }
    if (++world->match_count > RAFT_MATCHES_MAX / 2) return;
    world->matches[at] = (struct raft_match_record){ index, term, hash, prev_term };
}

void raft_judge_entry(struct raft_world *world, struct raft_node *node, uint64_t index, const struct raft_item *item)
{
    if (item->size > 0 && item->bytes == NULL) {
        raft_world_violate(world, "O5 MATCH: entry %u has no bytes", (unsigned)index);
        return;
    }
    if (!raft_judged(world)) return;
    judge_match(world, index, item->term, raft_item_hash(item), node->engine->term_at(node->raft, index - 1));
}

void raft_judge_applied(struct raft_world *world, struct raft_node *node, uint64_t index, const struct raft_item *item)
{
    if (!raft_judged(world)) return;
    if (index > world->committed_count) {
        raft_world_violate(world, "O6 STATE: node %u applies %u, which no leader committed", (unsigned)node->id,
                           (unsigned)index);
        return;
    }
    const struct raft_committed *committed = &world->committed[index];
    if (committed->term == item->term && committed->chain == node->chain) return;
    raft_world_violate(world, "O6 STATE: node %u applies %u of term %u, committed was one of term %u",
                       (unsigned)node->id, (unsigned)index, (unsigned)item->term, (unsigned)committed->term);
}

void raft_judge_installed(struct raft_world *world, struct raft_node *node, const struct raft_picture *picture)
{
    if (!raft_judged(world)) return;
    if (picture->index > world->committed_count || world->committed[picture->index].chain != picture->chain) {
        raft_world_violate(world, "O6 STATE: node %u installs another state at %u", (unsigned)node->id,
                           (unsigned)picture->index);
    }
}

/* ------------------------------------------------------------------------------------- commits */

static struct raft_voters voters_of(const struct raft_configuration *list)
{
    static const uint8_t flags[2] = { RAFT_VOTER, RAFT_OLD_VOTER };
    struct raft_voters voters = { .index = list->index };

    for (uint32_t set = 0; set < 2; set++) {
        for (uint32_t i = 0; i < list->count; i++) {
            if ((list->members[i].flags & flags[set]) == 0 || voters.count[set] == RAFT_VOTERS_MAX) continue;
            voters.ids[set][voters.count[set]++] = list->members[i].id;
        }
    }
    return voters;
}

/* Of both sets. */
static bool is_held(struct raft_world *world, const struct raft_voters *voters, uint64_t index, uint64_t term)
{
    for (uint32_t set = 0; set < 2; set++) {
        uint32_t have = 0;
        for (uint32_t i = 0; i < voters->count[set]; i++) {
            const struct raft_node *node = raft_world_node(world, voters->ids[set][i]);
            /* Who lost his disk since had perhaps acknowledged it. */
            have += node == NULL || raft_disk_has(node, index, term);
        }
        if (voters->count[set] > 0 && have <= voters->count[set] / 2) return false;
    }
    return true;
}

/* Ours counts before it appends a list. Where members change one at a time, majorities of a list and of the next have a
 * member in common, and either will do. */
static void judge_quorum(struct raft_world *world, const struct raft_node *leader, const struct raft_voters *now,
                         uint64_t index, uint64_t term)
{
    const bool fresh = world->out.write.entry_count > 0 && now->index >= world->out.write.first_index;

    if (fresh && is_held(world, &leader->judged_voters, index, term)) return;
    if ((!fresh || !leader->engine->joint) && is_held(world, now, index, term)) return;
    raft_world_violate(world, "O14 QUORUM: leader %u of term %u commits %u of term %u, not durable on a majority of %u",
                       (unsigned)leader->id, (unsigned)leader->engine->term(leader->raft), (unsigned)index,
                       (unsigned)term, now->count[0]);
}

/* A leader's own commit index rose: what it covers is what was ever committed. */
static void judge_commit(struct raft_world *world, struct raft_node *node, uint64_t to, uint64_t leader_term,
                         const struct raft_voters *voters)
{
    for (uint64_t index = node->judged_commit + 1; index <= to; index++) {
        const struct raft_item *item = raft_items_at(&node->log, index);
        if (item == NULL) {
            raft_world_violate(world, "O14 QUORUM: leader %u commits %u without it", (unsigned)node->id,
                               (unsigned)index);
            return;
        }
        const uint64_t hash = raft_item_hash(item);
        if (index > world->committed_count) {
            if (index >= RAFT_COMMITTED_MAX) return;
            world->committed[index] =
                (struct raft_committed){ .term = item->term,
                                         .hash = hash,
                                         .chain = raft_world_mix(world->committed[index - 1].chain, hash),
                                         .leader_term = leader_term,
                                         .kind = item->kind,
                                         .bytes = { item->bytes, item->size } };
            world->committed_count = index;
            world->stats.commits++;
        } else if (world->committed[index].term != item->term || world->committed[index].hash != hash) {
            raft_world_violate(world, "O6 STATE: leader %u commits another entry %u", (unsigned)node->id,
                               (unsigned)index);
        }
        judge_quorum(world, node, voters, index, item->term);
    }
}

/* What a leader says is committed: to its caller, and to others. */
static uint64_t announced(const struct raft_world *world, const struct raft_node *node)
{
    uint64_t index = node->engine->commit_index(node->raft);

    for (uint32_t i = 0; i < world->out.message_count; i++) {
        const struct raft_message *message = &world->out.messages[i];
        if (message->kind == RAFT_APPEND_REQUEST) index = MAX(index, message->append_request.commit_index);
    }
    return index;
}

/* ------------------------------------------------------------------------------------- leaders */

static bool heard_majority(struct raft_world *world, const struct raft_node *leader, uint32_t set, uint64_t since_ns)
{
    const struct raft_voters *voters = &leader->judged_voters;
    uint32_t heard = 0;

    for (uint32_t i = 0; i < voters->count[set]; i++) {
        const struct raft_node *node = raft_world_node(world, voters->ids[set][i]);
        heard += node == NULL || leader == node || leader->heard_ns[node - world->nodes] >= since_ns;
    }
    return voters->count[set] == 0 || heard > voters->count[set] / 2;
}

void raft_judge_alone(struct raft_world *world, const struct raft_node *node)
{
    enum { LONG_MS = 150 + 2 * 30 }; /* the election timeout, and two heartbeats to notice */
    const uint64_t since_ns = world->now_ns - MIN(world->now_ns, LONG_MS * MS);

    if (!node->up || !raft_judged(world) || !node->engine->leased) return;
    if (node->judged_role != RAFT_LEADER || node->led_ns > since_ns) return;
    if (heard_majority(world, node, 0, since_ns) && heard_majority(world, node, 1, since_ns)) return;
    raft_world_violate(world, "O4 ALONE: node %u leads term %u without a majority", (unsigned)node->id,
                       (unsigned)node->judged_term);
}

static void judge_new_leader(struct raft_world *world, struct raft_node *node, const struct raft_voters *voters)
{
    const uint64_t term = node->engine->term(node->raft);

    world->stats.elections++;
    if (term >= RAFT_TERMS_MAX || !raft_judged(world)) return;
    if (world->leader_of[term] != 0 && world->leader_of[term] != node->id) {
        raft_world_violate(world, "O4 ELECTION: term %u has leaders %u and %u", (unsigned)term,
                           (unsigned)world->leader_of[term], (unsigned)node->id);
    }
    world->leader_of[term] = node->id;
    judge_elected(world, node, term, voters);
    for (uint64_t index = world->committed_count; index >= node->engine->first_index(node->raft); index--) {
        const struct raft_committed *committed = &world->committed[index];
        if (committed->leader_term >= term || node->engine->term_at(node->raft, index) == committed->term) continue;
        raft_world_violate(world, "O6 COMPLETE: leader %u of term %u lacks %u of term %u", (unsigned)node->id,
                           (unsigned)term, (unsigned)index, (unsigned)committed->term);
        return;
    }
}

/* Whose disk is idle goes by the newest list in its log, or by its snapshot's. */
static void judge_list(struct raft_world *world, const struct raft_node *node)
{
    const struct raft_configuration *list = node->engine->configuration(node->raft);
    struct bytes newest = { NULL, 0 };

    if (node->op_count > 0 || !raft_judged(world) || node->engine->term(node->raft) == 0) return;
    for (uint32_t i = node->log.count; i > 0 && newest.size == 0; i--) {
        const struct raft_item *item = &node->log.list[i - 1];
        if (item->kind == RAFT_ENTRY_CONFIGURATION) newest = (struct bytes){ item->bytes, item->size };
    }
    if (newest.size == 0 && node->disk_picture.index > 0) newest = raft_picture_list(&node->disk_picture);
    if (newest.size == 0 || bytes_equal(newest, (struct bytes){ list->bytes, list->size })) return;
    raft_world_violate(world, "O6 LIST: node %u goes by the list at %u, which is not the newest in its log",
                       (unsigned)node->id, (unsigned)list->index);
}

void raft_judge_step(struct raft_world *world, struct raft_node *node)
{
    const struct raft_engine *engine = node->engine;
    const uint64_t term = engine->term(node->raft), told_index = engine->commit_index(node->raft);
    const enum raft_role role = engine->role(node->raft);
    const bool led = node->judged_role == RAFT_LEADER && node->judged_term == term;
    const bool leads = role == RAFT_LEADER;
    const struct raft_voters voters = voters_of(engine->configuration(node->raft));

    if (term < node->judged_term) {
        raft_world_violate(world, "O4 VOTE: node %u goes back from term %u to %u", (unsigned)node->id,
                           (unsigned)node->judged_term, (unsigned)term);
    }
    if (leads && !led) judge_new_leader(world, node, &voters);
    if ((leads && !led) || node->judged_voters.index != voters.index) node->led_ns = world->now_ns;
    /* A leader that commits its own removal steps down in the same call, and may tell its caller only later. */
    if (leads) node->led_term = term;
    if (leads || led) node->led_index = engine->last_index(node->raft);
    const bool unheard = told_index > world->committed_count && told_index <= node->led_index;
    const bool counts = leads || led || unheard;
    const uint64_t commit_index = counts ? announced(world, node) : told_index;
    if (counts && commit_index > node->judged_commit && raft_judged(world)) {
        judge_commit(world, node, commit_index, node->led_term, &voters);
        /* (Who steps down says no more than what its own disk has, and knew perhaps of more.) */
        if (leads && engine->term_at(node->raft, commit_index) != term) {
            raft_world_violate(world, "O14 OWN TERM: leader %u of term %u commits %u of term %u", (unsigned)node->id,
                               (unsigned)term, (unsigned)commit_index,
                               (unsigned)engine->term_at(node->raft, commit_index));
        }
    }
    if (told_index < node->applied) {
        raft_world_violate(world, "O6 STATE: node %u takes back its commit index %u", (unsigned)node->id,
                           (unsigned)node->applied);
    }
    if (engine->has_forgotten(node->raft) && !node->rewound && raft_judged(world)) {
        raft_world_violate(world, "O12 PROMISE: node %u is said to lack what it acknowledged, and lacks nothing",
                           (unsigned)node->id);
    }
    if (world->stats.steps % 4 == 0) judge_list(world, node);
    node->judged_commit = MAX(node->judged_commit, commit_index);
    node->judged_voters = voters;
    node->judged_role = role;
    node->judged_term = term;
}

void raft_judge_message(struct raft_world *world, struct raft_node *node, const struct raft_message *message)
{
    const uint64_t me = node->id;

    if (node->rewound) return; /* it knows neither its votes nor its acknowledgements: those it made, we remember */
    switch (message->kind) {
    case RAFT_VOTE_REQUEST:
        if (message->vote_request.pre) return;
        judge_vote(world, message->term, me, me);
        if (node->disk_term != message->term || node->disk_vote != me) {
            raft_world_violate(world, "O12 PROMISE: node %u campaigns without a durable vote", (unsigned)me);
        }
        return;
    case RAFT_VOTE_RESPONSE:
        if (message->vote_response.pre || !message->vote_response.granted) return;
        judge_vote(world, message->term, me, message->to);
        if (node->disk_term != message->term || node->disk_vote != message->to) {
            raft_world_violate(world, "O12 PROMISE: node %u gives a vote that is not durable", (unsigned)me);
        }
        return;
    case RAFT_APPEND_RESPONSE: {
        const uint64_t index = message->append_response.index;
        if (message->append_response.rejected || index == 0) return;
        if (!raft_disk_has(node, index, node->engine->term_at(node->raft, index))) {
            raft_world_violate(world, "O12 PROMISE: node %u acknowledges %u, which is not durable", (unsigned)me,
                               (unsigned)index);
        }
        return;
    }
    case RAFT_SNAPSHOT_RESPONSE: {
        const uint64_t index = message->snapshot_response.index;
        if (!message->snapshot_response.installed) return;
        if (!raft_disk_has(node, index, node->engine->term_at(node->raft, index))) {
            raft_world_violate(world, "O12 PROMISE: node %u has no durable snapshot at %u", (unsigned)me,
                               (unsigned)index);
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

void raft_judge_read(struct raft_world *world, struct raft_node *node, const struct raft_pending_read *read,
                     uint64_t index)
{
    world->stats.reads++;
    if (!raft_judged(world)) return;
    if (index < read->index) {
        raft_world_violate(world, "O6 FRESH: node %u reads at %u, committed was %u", (unsigned)node->id,
                           (unsigned)index, (unsigned)read->index);
    }
}
