/* operations.c -- what an operator orders of the members of a cluster, and what goes on by itself until it is done.
 *
 * A node leaves in three steps, each of which any leader can take from what the log says: it is marked as leaving, and
 * its replicas go elsewhere; when it has none left, and none is under way to it, it leaves the member list; when no
 * list has it any more, its broker is forgotten. */
#include "base/check.h"
#include "controller/controller_state.h"
#include "raft/raft.h"

enum { RECORDS_SIZE = 256 };

static const char is_last[] = " is the last one.";
static const char is_needed[] =
    " cannot go now: of the nodes that would then decide, too few can be reached. Start those, "
    "or remove them, first.";

static void say(struct controller_answer *answer, int32_t node_id, const char *words)
{
    text_add(&answer->message, "Node ");
    text_add_int(&answer->message, node_id);
    text_add(&answer->message, words);
}

static void refuse(struct controller_answer *answer, enum error error, int32_t node_id, const char *words)
{
    answer->error = error;
    say(answer, node_id, words);
}

static bool begin(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    uint8_t name[4];

    store_u32(name, (uint32_t)node_id);
    return draft_begin_wish(controller, draft_key(controller, SUBJECT_NODE, (struct bytes){ name, sizeof name }),
                            answer);
}

static void made(struct controller *controller, int32_t node_id)
{
    uint8_t name[4];

    store_u32(name, (uint32_t)node_id);
    draft_made(controller, draft_key(controller, SUBJECT_NODE, (struct bytes){ name, sizeof name }));
}

/* ---- the member list ---- */

/* The wish that is decided may be the one that began what is under way, or has come to pass: it waited for that, or was
 * asked of another leader. Whoever asks for the same a second time is such a wish as well, and is told the truth. */
static bool is_again(const struct controller *controller)
{
    return wish_queue_is_again(&controller->queue, controller->deciding);
}

/* What was begun holds when the list that says so is committed: the wish waits for that, and is decided again. It never
 * waits here for another leader: that one is asked by its origin. */
static void wait_for_list(const struct controller *controller, struct controller_answer *answer)
{
    const uint64_t index = raft_configuration(metadata_log_raft(controller->log))->index;

    answer->wait_index = MAX(index, controller_applied_index(controller) + 1);
}

/* ---- leaving ---- */

static void say_progress(const struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    const uint32_t slot = image_broker_by_id(controller->image, node_id);
    const uint32_t left = slot == SLOT_NONE ? 0 : image_broker(controller->image, slot)->replica_count;

    say(answer, node_id, " leaves the cluster: ");
    text_add_int(&answer->message, left);
    text_add(&answer->message, left == 1 ? " partition has still to be moved." : " partitions have still to be moved.");
}

static void remove_at_once(struct controller *controller, int32_t node_id, bool has_broker,
                           struct controller_answer *answer)
{
    enum removal removal = membership_remove(&controller->membership, controller->log, node_id, controller->mono_ns);

    if (removal == REMOVAL_UNDERWAY) removal = is_again(controller) ? REMOVAL_BEGUN : REMOVAL_LATER;
    switch (removal) {
    case REMOVAL_BEGUN: wait_for_list(controller, answer); return;
    case REMOVAL_UNDERWAY:
    case REMOVAL_LATER:
        refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id, " cannot be removed just now: ask again in a moment.");
        return;
    case REMOVAL_LAST: refuse(answer, ERROR_INVALID_REQUEST, node_id, is_last); return;
    case REMOVAL_UNSAFE: refuse(answer, ERROR_INVALID_REQUEST, node_id, is_needed); return;
    case REMOVAL_DONE: break;
    }
    if (has_broker) {
        answer->error =
            decide_unregistration(controller->image, node_id, true, &controller->draft.records, &answer->message);
        if (answer->error != ERROR_NONE) return;
        made(controller, node_id);
    }
    say(answer, node_id, " is removed; what only it had is lost.");
}

/* Marked as leaving; the rest goes on by itself. What could not be done now would not be done later without a word. */
static void begin_to_leave(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    switch (membership_may_remove(&controller->membership, controller->log, node_id, controller->mono_ns)) {
    case REMOVAL_LAST: refuse(answer, ERROR_INVALID_REQUEST, node_id, is_last); return;
    case REMOVAL_UNSAFE: refuse(answer, ERROR_INVALID_REQUEST, node_id, is_needed); return;
    case REMOVAL_DONE:
    case REMOVAL_BEGUN:
    case REMOVAL_UNDERWAY:
    case REMOVAL_LATER: break;
    }
    answer->error = decide_leaving(controller->image, node_id, true, &controller->draft.records, &answer->message);
    if (answer->error != ERROR_NONE) return;
    made(controller, node_id);
    say_progress(controller, node_id, answer);
}

void controller_remove_node(struct controller *controller, int32_t node_id, bool force,
                            struct controller_answer *answer)
{
    if (!begin(controller, node_id, answer)) return;
    const uint32_t slot = image_broker_by_id(controller->image, node_id);
    const bool is_member = membership_of_node(controller->log, node_id) != 0;

    if (slot == SLOT_NONE && !is_member && is_again(controller)) { /* what was begun has come to pass */
        say(answer, node_id, " is removed.");
    } else if (slot == SLOT_NONE && !is_member) { /* which of the two, nobody remembers */
        refuse(answer, ERROR_BROKER_ID_NOT_REGISTERED, node_id,
               " is no member of this cluster: it is removed already, or never was one.");
    } else if (force || slot == SLOT_NONE) {
        remove_at_once(controller, node_id, slot != SLOT_NONE, answer);
    } else if (image_broker(controller->image, slot)->leaving) {
        say_progress(controller, node_id, answer);
    } else {
        begin_to_leave(controller, node_id, answer);
    }
}

void controller_add_node(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    if (!begin(controller, node_id, answer)) return;
    const uint32_t slot = image_broker_by_id(controller->image, node_id);
    const bool is_member = membership_of_node(controller->log, node_id) != 0;
    const bool leaves = slot != SLOT_NONE && image_broker(controller->image, slot)->leaving;

    if (leaves && !is_member && !MUTANT(who_has_left_stays)) {
        refuse(answer, ERROR_INVALID_REQUEST, node_id,
               " has left already: it joins again when it is started with an empty data directory.");
    } else if (leaves) {
        answer->error = decide_leaving(controller->image, node_id, false, &controller->draft.records, &answer->message);
        controller->emptied.led_term = 0; /* it may not go before this is applied */
        made(controller, node_id);
        say(answer, node_id, " stays after all.");
    } else if (is_member) {
        say(answer, node_id, " is a member.");
    } else {
        say(answer, node_id, " joins by itself when it is started with seed_nodes = [\"");
        text_add_int(&answer->message, controller->config.node_id);
        text_add(&answer->message, "@");
        text_add_bytes(&answer->message, controller->config.address);
        text_add(&answer->message, "\"].");
    }
}

/* Nobody may give it anything from now on, and nothing that was given to it before is under way: else what it alone has
 * would go with it. */
static bool stays_empty(struct controller *controller, const struct image_broker *broker)
{
    struct emptied *emptied = &controller->emptied;

    if (emptied->led_term != controller->led_term || emptied->broker_id != broker->id) {
        *emptied = (struct emptied){ controller->led_term, broker->id, metadata_log_view(controller->log).last_index };
    }
    return controller_applied_index(controller) >= emptied->index || MUTANT(who_leaves_takes_what_is_under_way);
}

/* A broker that has nothing left to lose goes. Whether something came of it: else it waits, and holds nobody back. */
static bool go_on_leaving(struct controller *controller, const struct image_broker *broker)
{
    char words[CONTROLLER_MESSAGE_SIZE_MAX];
    uint8_t memory[RECORDS_SIZE];
    struct proposal records = proposal_in(memory, sizeof memory);
    struct text message = text_in(words, sizeof words);
    uint64_t index;

    if (broker->replica_count > 0) {
        if (controller->emptied.broker_id == broker->id) controller->emptied.led_term = 0;
        return false;
    }
    if (!stays_empty(controller, broker)) return true; /* in a moment */
    switch (membership_remove(&controller->membership, controller->log, broker->id, controller->mono_ns)) {
    case REMOVAL_BEGUN: return true;
    case REMOVAL_UNDERWAY:
    case REMOVAL_LATER:
    case REMOVAL_LAST:
    case REMOVAL_UNSAFE: return false;
    case REMOVAL_DONE: break;
    }
    if (decide_unregistration(controller->image, broker->id, false, &records, &message) != ERROR_NONE) return false;
    metadata_log_propose(controller->log, proposal_bytes(&records), &index); /* or when we look again */
    return true;
}

void operations_work(struct controller *controller)
{
    const struct image *image = controller->image;

    for (uint32_t slot = image_first_broker(image); slot != SLOT_NONE; slot = image_next_broker(image, slot)) {
        const struct image_broker *broker = image_broker(image, slot);
        if (broker->leaving && go_on_leaving(controller, broker)) return; /* one at a time */
    }
}

/* ---- Kafka's own orders ---- */

void controller_unregister(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    if (!begin(controller, node_id, answer)) return;
    const uint32_t slot = image_broker_by_id(controller->image, node_id);

    if (slot == SLOT_NONE) {
        refuse(answer, ERROR_BROKER_ID_NOT_REGISTERED, node_id, " is not registered.");
    } else if (!image_broker(controller->image, slot)->fenced) {
        refuse(answer, ERROR_INVALID_REQUEST, node_id,
               " is alive. Stop it first; or let it leave with its data moved elsewhere: "
               "chronik-server cluster remove-node.");
    } else if (decide_is_only_survivor(controller->image, node_id)) {
        refuse(answer, ERROR_INVALID_REQUEST, node_id,
               " alone has what was committed to some partitions: that would be lost. Start it; or, if it is lost "
               "for ever: chronik-server cluster remove-node --force.");
    } else {
        remove_at_once(controller, node_id, true, answer);
    }
}

/* Who asked for it is told when it is so, and the log remembers that. */
static void say_voting(struct controller *controller, enum voting voting, int32_t node_id, bool votes,
                       struct controller_answer *answer)
{
    if (voting == VOTING_UNDERWAY) voting = is_again(controller) ? VOTING_BEGUN : VOTING_LATER;
    if (MUTANT(voters_are_told_at_once) && voting == VOTING_BEGUN) return;
    switch (voting) {
    case VOTING_SAME:
        if (is_again(controller)) made(controller, node_id);
        else if (votes) refuse(answer, ERROR_DUPLICATE_VOTER, node_id, " has a vote already.");
        else refuse(answer, ERROR_VOTER_NOT_FOUND, node_id, " has no vote.");
        return;
    case VOTING_BEGUN:
    case VOTING_HANDING: wait_for_list(controller, answer); return;
    case VOTING_UNDERWAY:
    case VOTING_LATER:
        refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id, ": the voters cannot be changed just now: ask again.");
        return;
    case VOTING_BEHIND:
        refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id, " is not there, or lacks too much of the log to vote yet.");
        return;
    case VOTING_FIXED:
        refuse(answer, ERROR_POLICY_VIOLATION, node_id,
               ": there is an odd number of voters, as many as the nodes allow, and nobody to change places with. "
               "It leaves the cluster with: chronik-server cluster remove-node.");
        return;
    case VOTING_UNSAFE: refuse(answer, ERROR_INVALID_REQUEST, node_id, is_needed); return;
    }
}

/* The member that is meant; 0: that node has not joined, or with another directory. */
static uint64_t member_meant(const struct controller *controller, int32_t node_id, const struct uuid *directory)
{
    const uint64_t member = node_id < 0 ? 0 : membership_of_node(controller->log, node_id);
    const struct uuid known = member_directory(member);

    return member != 0 && uuid_equal(&known, directory) ? member : 0;
}

static bool is_observer(const struct controller *controller, int32_t node_id)
{
    const uint32_t slot = image_broker_by_id(controller->image, node_id);

    return slot != SLOT_NONE && image_broker(controller->image, slot)->observer;
}

void controller_promote_observer(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    if (!begin(controller, node_id, answer)) return;
    const uint32_t slot = image_broker_by_id(controller->image, node_id);
    const bool was = slot != SLOT_NONE && image_broker(controller->image, slot)->observer;

    answer->error = decide_promotion(controller->image, node_id, &controller->draft.records, &answer->message);
    if (answer->error != ERROR_NONE) return;
    if (!was) {
        say(answer, node_id, " is an ordinary node.");
        return;
    }
    made(controller, node_id);
    say(answer, node_id,
        " is an ordinary node from now on: what it observes it joins as a replica when it has caught "
        "up, and it may get a vote.");
}

void controller_add_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                          struct controller_answer *answer)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    const uint64_t present = node_id < 0 ? 0 : membership_of_node(controller->log, node_id);
    const uint64_t member = member_meant(controller, node_id, directory);

    if (!begin(controller, node_id, answer)) return;
    if (node_id < 1) {
        refuse(answer, ERROR_INVALID_REQUEST, node_id, " is no node that there could be.");
    } else if (member == 0 && raft_configuration_is_voter(list, present)) { /* with any directory: as in Kafka */
        refuse(answer, ERROR_DUPLICATE_VOTER, node_id, " has a vote already.");
    } else if (is_observer(controller, node_id)) {
        refuse(answer, ERROR_POLICY_VIOLATION, node_id,
               " is an observer, which has no vote. It becomes an ordinary node with: "
               "chronik-server cluster promote-observer.");
    } else if (member == 0) {
        refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id,
               " has not joined with that directory. It does when it is started with seed_nodes.");
    } else {
        say_voting(controller,
                   membership_give_vote(&controller->membership, controller->log, member, controller->mono_ns), node_id,
                   true, answer);
    }
}

void controller_remove_voter(struct controller *controller, int32_t node_id, const struct uuid *directory,
                             struct controller_answer *answer)
{
    const struct raft_configuration *list = raft_configuration(metadata_log_raft(controller->log));
    const uint64_t member = member_meant(controller, node_id, directory);

    if (!begin(controller, node_id, answer)) return;
    if (member == 0) {
        refuse(answer, ERROR_VOTER_NOT_FOUND, node_id, " has no vote with that directory.");
    } else if (list->count == 1) {
        refuse(answer, ERROR_INVALID_REQUEST, node_id, is_last);
    } else {
        say_voting(controller,
                   membership_take_vote(&controller->membership, controller->log, member, controller->mono_ns), node_id,
                   false, answer);
    }
}

bool controller_quorum_member(const struct controller *controller, uint32_t place, struct quorum_member *member)
{
    const struct raft *raft = metadata_log_raft(controller->log);
    const struct raft_configuration *list = raft_configuration_decided(raft);
    struct raft_peer_view peer;

    if (place >= list->count) return false;
    const struct raft_member *found = &list->members[place];
    *member = (struct quorum_member){ .member = found->id,
                                      .voter = (found->flags & raft_configuration_voting(list)) != 0,
                                      .address = raft_configuration_address(list, found) };
    if (found->id == metadata_log_member(controller->log)) {
        member->known = true;
        member->held_index = raft_last_index(raft);
        member->heard_ns = member->caught_up_ns = controller->mono_ns;
    } else if (raft_peer(raft, found->id, &peer) && peer.heard_ns != 0) {
        member->known = true;
        member->held_index = peer.match_index;
        member->heard_ns = peer.heard_ns;
        member->caught_up_ns = peer.caught_up_ns;
    }
    return true;
}

/* ---- leading ---- */

void controller_transfer(struct controller *controller, int32_t node_id, struct controller_answer *answer)
{
    const uint64_t member = node_id < 0 ? 0 : membership_of_node(controller->log, node_id);

    if (!begin(controller, node_id, answer)) return;
    if (node_id >= 0 && member == 0) {
        refuse(answer, ERROR_BROKER_ID_NOT_REGISTERED, node_id, " is no member of this cluster.");
        return;
    }
    if (node_id == controller->config.node_id) {
        say(answer, node_id, " leads already.");
        return;
    }
    switch (metadata_log_transfer(controller->log, member)) {
    case RAFT_ACCEPTED: text_add(&answer->message, "Leadership of the metadata is handed over."); return;
    case RAFT_UNKNOWN:
        refuse(answer, ERROR_INVALID_REQUEST, node_id, " has no vote, or there is nobody else who has.");
        return;
    case RAFT_BEHIND: refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id, " is too far behind: ask again."); return;
    default: refuse(answer, ERROR_REQUEST_TIMED_OUT, node_id, " cannot lead just now: ask again in a moment."); return;
    }
}
