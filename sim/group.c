#include "sim/group.h"

#include "base/crc32c.h"
#include "meta/snapshot.h"
#include "raft/raft.h"
#include "status.h"

#include <stdlib.h>
#include <string.h>

enum { TERMS_MAX = 1 << 20, INDEXES_MAX = 1 << 24 };

void group_init(struct group *group)
{
    *group = (struct group){ .leader = UINT32_MAX };
}

void group_free(struct group *group)
{
    free(group->members);
    free(group->terms);
    free(group->committed);
    free(group->images);
    free(group->entries);
    free(group->votes);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * 0x9e3779b97f4a7c15;
    return a ^ a >> 29;
}

static unsigned long long llu(uint64_t number)
{
    return (unsigned long long)number;
}

/* ---- tables that grow ---- */

static void *grown(void *list, uint64_t *max, uint64_t wanted, size_t size)
{
    uint64_t count = *max == 0 ? 64 : *max;

    if (wanted < *max) return list;
    while (count <= wanted) count *= 2;
    list = realloc(list, count * size);
    memset((char *)list + *max * size, 0, (count - *max) * size);
    *max = count;
    return list;
}

static struct member_seen *member_of(struct group *group, uint32_t number)
{
    uint64_t max = group->member_max;
    group->members = grown(group->members, &max, number, sizeof *group->members);
    group->member_max = (uint32_t)max;
    return &group->members[number];
}

static void index_known(struct group *group, uint64_t index)
{
    uint64_t max = group->index_max;
    group->committed = grown(group->committed, &max, index, sizeof *group->committed);
    max = group->index_max;
    group->images = grown(group->images, &max, index, sizeof *group->images);
    group->index_max = max;
}

static struct known_entry *entry_slot(struct known_entry *entries, uint64_t max, uint64_t index, uint64_t term)
{
    uint64_t at = mix(index, term) & (max - 1);
    while (entries[at].index != 0 && (entries[at].index != index || entries[at].term != term))
        at = (at + 1) & (max - 1);
    return &entries[at];
}

static struct known_entry *entry_of(struct group *group, uint64_t index, uint64_t term)
{
    if (group->entry_count * 2 >= group->entry_max) {
        const uint64_t max = group->entry_max == 0 ? 256 : group->entry_max * 2;
        struct known_entry *entries = calloc(max, sizeof *entries);
        for (uint64_t i = 0; i < group->entry_max; i++) {
            const struct known_entry *entry = &group->entries[i];
            if (entry->index != 0) *entry_slot(entries, max, entry->index, entry->term) = *entry;
        }
        free(group->entries);
        group->entries = entries;
        group->entry_max = max;
    }
    return entry_slot(group->entries, group->entry_max, index, term);
}

/* ---- O5: the log ---- */

static uint64_t entry_digest(const struct group_look *look, uint64_t index)
{
    const struct raft_entry entry = raft_entry(look->raft, index);
    const struct bytes payload = node_entry(look->node, index);
    return mix(entry.kind, crc32c(entry.size, payload.data, payload.size)) | 1;
}

static void see_entry(struct group *group, struct judge *judge, const struct group_look *look, uint64_t index)
{
    const uint64_t term = raft_term_at(look->raft, index), previous_term = raft_term_at(look->raft, index - 1);
    const uint64_t digest = entry_digest(look, index);
    struct known_entry *known = entry_of(group, index, term);

    if (known->index == 0) {
        *known = (struct known_entry){ index, term, previous_term, digest };
        group->entry_count++;
        return;
    }
    group->entries_compared++;
    if (known->digest != digest) {
        judge_violated(judge, RULE_O5, "node %u has another entry at index %llu of term %llu than somebody else had",
                       look->number + 1, llu(index), llu(term));
    }
    if (known->previous_term == 0) known->previous_term = previous_term;
    if (previous_term != 0 && known->previous_term != previous_term) {
        judge_violated(judge, RULE_O5, "node %u has the entry %llu of term %llu behind one of term %llu, not %llu",
                       look->number + 1, llu(index), llu(term), llu(previous_term), llu(known->previous_term));
    }
}

static void see_log(struct group *group, struct judge *judge, struct member_seen *seen, const struct group_look *look)
{
    const uint64_t first = raft_first_index(look->raft);
    /* What its disk has not got may be gone with the next crash, and a founder then founds anew. Whoever was sent it,
     * has it on his own disk, and is looked at too. */
    const uint64_t last = MIN(raft_last_index(look->raft), raft_stored_index(look->raft));

    if (seen->scanned_index > last ||
        (seen->scanned_index >= first && raft_term_at(look->raft, seen->scanned_index) != seen->scanned_term)) {
        seen->scanned_index = MIN(seen->commit_index, last); /* it was cut, and perhaps written anew */
    }
    for (uint64_t index = MAX(seen->scanned_index + 1, first); index <= last; index++) {
        see_entry(group, judge, look, index);
    }
    seen->scanned_index = last;
    seen->scanned_term = last >= first ? raft_term_at(look->raft, last) : 0;
}

/* ---- O4: leaders ---- */

static void see_term(struct group *group, struct judge *judge, struct member_seen *seen, const struct group_look *look)
{
    const uint64_t term = raft_term(look->raft);
    const bool leads = raft_role(look->raft) == RAFT_LEADER;

    if (term < seen->term) {
        judge_violated(judge, RULE_O4, "node %u goes from term %llu back to term %llu", look->number + 1,
                       llu(seen->term), llu(term));
    }
    if (leads && (!seen->leads || term != seen->term) && term < TERMS_MAX) {
        group->terms = grown(group->terms, &group->term_max, term, sizeof *group->terms);
        struct led_term *led = &group->terms[term];
        if (led->life != 0 && (led->machine != look->number || led->life != look->life)) {
            judge_violated(judge, RULE_O4, "term %llu is led by node %u, and was by node %u%s", llu(term),
                           look->number + 1, led->machine + 1,
                           led->machine == look->number ? " in an earlier life" : "");
        }
        *led = (struct led_term){ .machine = look->number, .life = look->life };
        group->leader = look->number;
        group->leader_since_ns = look->now_ns;
        group->elections++;
    }
    if (term != seen->term) seen->vote = 0;
    seen->term = term;
    seen->leads = leads;
}

static struct known_vote *vote_slot(struct known_vote *votes, uint64_t max, uint64_t term, uint64_t voter)
{
    uint64_t at = mix(term, voter) & (max - 1);
    while (votes[at].term != 0 && (votes[at].term != term || votes[at].voter != voter)) at = (at + 1) & (max - 1);
    return &votes[at];
}

static struct known_vote *vote_of(struct group *group, uint64_t term, uint64_t voter)
{
    if (group->vote_count * 2 >= group->vote_max) {
        const uint64_t max = group->vote_max == 0 ? 64 : group->vote_max * 2;
        struct known_vote *votes = calloc(max, sizeof *votes);
        for (uint64_t i = 0; i < group->vote_max; i++) {
            const struct known_vote *vote = &group->votes[i];
            if (vote->term != 0) *vote_slot(votes, max, vote->term, vote->voter) = *vote;
        }
        free(group->votes);
        group->votes = votes;
        group->vote_max = max;
    }
    return vote_slot(group->votes, group->vote_max, term, voter);
}

static void see_vote(struct group *group, struct judge *judge, struct member_seen *seen, const struct group_look *look)
{
    const uint64_t vote = raft_vote_is_durable(look->raft) ? raft_vote(look->raft) : 0;

    if (vote == seen->vote) return; /* of another term, it is 0 first */
    seen->vote = vote;
    if (vote == 0) return;
    struct known_vote *known = vote_of(group, seen->term, seen->id);
    if (known->term == 0) {
        *known = (struct known_vote){ seen->term, seen->id, vote };
        group->vote_count++;
    }
    if (known->candidate == vote) return;
    judge_violated(judge, RULE_O4, "node %u votes for node %llu in term %llu, and did for node %llu", look->number + 1,
                   llu(vote >> 24), llu(seen->term), llu(known->candidate >> 24));
}

/* ---- O14: durable on a majority ---- */

static const struct member_seen *member_with_id(const struct group *group, uint64_t id)
{
    const uint64_t guess = (id >> 24) - 1; /* members are named after their nodes */

    if (guess < group->member_max && group->members[guess].id == id) return &group->members[guess];
    for (uint32_t i = 0; i < group->member_max; i++) {
        if (group->members[i].id == id) return &group->members[i];
    }
    return NULL;
}

static bool holds(const struct group *group, uint64_t id, uint64_t index, uint64_t term)
{
    const struct member_seen *member = member_with_id(group, id);

    for (uint32_t i = 0; i < MIN(group->ghost_count, (uint32_t)GHOSTS_MAX) && member == NULL; i++) {
        if (group->ghosts[i].id == id && group->ghosts[i].durable_index >= index) return true;
    }
    if (member == NULL || member->durable_index < index) return false;
    const uint64_t held = raft_is_started(member->raft) ? raft_term_at(member->raft, index) : 0;
    return held == 0 || held == term; /* compacted: it was committed; or a new process has yet to read it */
}

struct majority {
    uint32_t voters, holding;
};

static struct majority majority_of(const struct group *group, const struct group_look *look,
                                   const struct raft_configuration *list, uint64_t index, uint8_t flag)
{
    const uint64_t term = raft_term_at(look->raft, index);
    struct majority majority = { 0 };

    for (uint32_t i = 0; list != NULL && i < list->count; i++) {
        if ((list->members[i].flags & flag) == 0) continue;
        majority.voters++;
        majority.holding += holds(group, list->members[i].id, index, term);
    }
    return majority;
}

static bool is_enough(struct majority majority)
{
    return majority.voters == 0 || majority.holding > majority.voters / 2;
}

/* By the list in force, or by the one before it: it may have come into force in the very step that committed. */
static void see_majority(const struct group *group, struct judge *judge, const struct group_look *look, uint64_t index)
{
    const struct raft_configuration *lists[] = { raft_configuration(look->raft),
                                                 raft_configuration_at(look->raft, index) };
    struct majority new = { 0 }, old = { 0 };

    for (uint32_t i = 0; i < 2; i++) {
        if (lists[i] == NULL) continue;
        new = majority_of(group, look, lists[i], index, RAFT_VOTER);
        old = majority_of(group, look, lists[i], index, RAFT_OLD_VOTER);
        if (is_enough(new) && is_enough(old)) return;
    }
    judge_violated(judge, RULE_O14, "node %u commits %llu of term %llu, which %u of %u voters have on disk%s",
                   look->number + 1, llu(index), llu(raft_term_at(look->raft, index)), new.holding, new.voters,
                   is_enough(old) ? "" : ", and too few of the old ones");
}

/* ---- O6: what is committed, and what it adds up to ---- */

static void see_commits(struct group *group, struct judge *judge, struct member_seen *seen,
                        const struct group_look *look)
{
    const uint64_t commit = raft_commit_index(look->raft);

    if (commit < seen->commit_index) {
        judge_violated(judge, RULE_O6, "node %u takes back what it called committed: %llu, now %llu", look->number + 1,
                       llu(seen->commit_index), llu(commit));
    }
    if (commit <= seen->commit_index || commit >= INDEXES_MAX) return;
    index_known(group, commit);
    for (uint64_t index = MAX(seen->commit_index + 1, raft_first_index(look->raft)); index <= commit; index++) {
        const uint64_t value = raft_term_at(look->raft, index) << 32 | (entry_digest(look, index) & 0xffffffff);
        if (group->committed[index] == 0) group->committed[index] = value;
        if (group->committed[index] == value) continue;
        judge_violated(judge, RULE_O6, "node %u commits %llu of term %llu, but one of term %llu was committed there",
                       look->number + 1, llu(index), llu(value >> 32), llu(group->committed[index] >> 32));
    }
    if (raft_role(look->raft) == RAFT_LEADER && commit > group->commit_index) {
        see_majority(group, judge, look, commit);
    }
    seen->commit_index = commit;
    if (group->commit_index < commit) group->commit_index = commit;
}

static void see_image(struct group *group, struct judge *judge, struct member_seen *seen, const struct group_look *look)
{
    const uint64_t index = image_view(look->image).applied_index;

    if (index == seen->applied_index || index >= INDEXES_MAX) return;
    seen->applied_index = index;
    if (group->applied_index < index) group->applied_index = index;
    if (look->images == 0 || mix(index, 7) % look->images != 0 || !node_image_is_whole(look->node)) return;
    index_known(group, index);
    const uint64_t digest = image_digest(look->image);
    group->images_compared += group->images[index] != 0;
    if (group->images[index] == 0) group->images[index] = digest;
    if (group->images[index] == digest) return;
    judge_violated(judge, RULE_O6, "node %u has another image than somebody else had, both after entry %llu",
                   look->number + 1, llu(index));
}

/* What its disk was said to hold must be there when the next process has read it. */
static void see_restart(struct judge *judge, const struct member_seen *seen, const struct group_look *look)
{
    const uint64_t stored_index = raft_stored_index(look->raft);

    if (stored_index >= seen->durable_index) return;
    /* A snapshot of what others have committed takes the place of a log that does not agree with it. */
    if (stored_index + 1 == raft_first_index(look->raft) && stored_index > seen->commit_index) return;
    judge_violated(judge, RULE_O12, "node %u had the metadata log up to %llu on disk, and comes back with %llu",
                   look->number + 1, llu(seen->durable_index), llu(stored_index));
}

void group_on_step(struct group *group, struct judge *judge, const struct group_look *look)
{
    struct member_seen *seen = member_of(group, look->number);

    if (!raft_is_started(look->raft)) return; /* what it knew before is on its disk, as before */
    if (seen->life != look->life) {
        see_restart(judge, seen, look);
        *seen = (struct member_seen){ .life = look->life, .raft = look->raft, .id = raft_id(look->raft) };
    }
    seen->durable_index = raft_stored_index(look->raft);
    see_term(group, judge, seen, look);
    see_vote(group, judge, seen, look);
    see_log(group, judge, seen, look);
    see_commits(group, judge, seen, look);
    see_image(group, judge, seen, look);
}

void group_on_wiped(struct group *group, uint32_t number)
{
    struct member_seen *member = member_of(group, number);

    group->ghosts[group->ghost_count++ % GHOSTS_MAX] = (struct ghost){ member->id, member->durable_index };
    *member = (struct member_seen){ 0 };
}

uint64_t group_on_disaster(struct group *group, uint32_t survivor)
{
    const struct member_seen alone = *member_of(group, survivor);

    memset(group->members, 0, group->member_max * sizeof *group->members);
    group->members[survivor] = alone;
    for (uint64_t index = alone.commit_index + 1; index < group->index_max; index++) {
        group->committed[index] = group->images[index] = 0;
    }
    memset(group->terms, 0, group->term_max * sizeof *group->terms);
    memset(group->entries, 0, group->entry_max * sizeof *group->entries);
    memset(group->votes, 0, group->vote_max * sizeof *group->votes);
    group->entry_count = group->vote_count = group->ghost_count = 0;
    group->leader = survivor;
    group->commit_index = alone.commit_index;
    group->applied_index = MIN(group->applied_index, alone.commit_index);
    return alone.commit_index;
}
