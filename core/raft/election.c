/* election.c -- who leads, and for how long a silence is borne.
 *
 *                    silence                  a majority would                a majority did
 *      FOLLOWER ------------> PRE_CANDIDATE ------------------> CANDIDATE -------------------> LEADER
 *         ^                        |  term + 1, vote for itself      |                            |
 *         +--- a leader, or a newer term, at any time ---------------+-- too few answer ----------+
 *
 * A sole voter skips the question and, once its vote is durable, has its majority. PRE_CANDIDATE (Raft 9.6) keeps a
 * node that cannot win from raising everybody's term. Whoever hears a leader does not answer those who do not (Raft
 * 4.2.3), unless that leader asked for the campaign. A node votes whatever its own member list says of it or of the
 * candidate: the list may be older than the one that made it a voter. */
#include "raft/state.h"

/* How many voters go first, of those that a leader leaves behind. */
static uint32_t turn_of(const struct raft *raft, uint64_t leader)
{
    uint32_t turn = 0;

    for (uint32_t i = 0; i < raft->electorate.count[0]; i++) {
        const uint64_t id = raft->electorate.ids[0][i];
        turn += id < raft->config.id && id != leader;
    }
    return turn;
}

/* Who stands at the same moment as another one takes its votes away. So voters are given turns, in which chance has its
 * part: whoever stands first has mostly won before the next one does, and a list that not all know yet does no harm. */
void raft_election_rearm(struct raft *raft)
{
    const uint64_t timeout = raft->config.election_timeout_ns;
    const uint64_t turn_ns = timeout / (RAFT_VOTERS_MAX + 1);
    const uint64_t turns_ns = MIN(turn_of(raft, raft->leader), (uint32_t)RAFT_VOTERS_MAX - 1) * turn_ns;

    raft->election.deadline_ns = raft->now_ns + timeout + turns_ns + prng_below(&raft->prng, 2 * turn_ns);
}

/* All that were linked with it see that at the same moment: so they stand for election by turns, or their votes would
 * split. Who stands first has won before it is the next one's turn, unless it is lost as well. */
void raft_election_on_lost(struct raft *raft, uint64_t id)
{
    const uint64_t turn_ns = raft->config.heartbeat_ns / 2;

    if (id == 0 || raft->leader != id || raft->role == RAFT_LEADER) return;
    const uint64_t deadline_ns = raft->now_ns + turn_of(raft, id) * turn_ns + prng_below(&raft->prng, turn_ns / 2 + 1);
    raft->election.deadline_ns = MIN(raft->election.deadline_ns, deadline_ns);
    raft->election.heard_ns = 0; /* not lately: we answer who stands before us */
}

bool raft_election_leased(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) return true; /* it has heard a majority lately, or it would step down */
    return raft->leader != 0 && raft->election.heard_ns != 0 &&
           raft->now_ns < raft->election.heard_ns + raft->config.election_timeout_ns;
}

static void enter_term(struct raft *raft, uint64_t term, uint64_t vote)
{
    raft->term = term;
    raft->vote = vote;
    raft->election.grant_to = 0;
    const uint64_t verified_index = MUTANT(raft_verified_outlives_its_term) ? raft->following.verified_index : 0;
    raft->following = (struct raft_following){ .verified_index = verified_index };
    raft_storage_hard(raft);
}

static void set_leader(struct raft *raft, uint64_t leader, struct raft_output *output)
{
    if (leader == raft->leader) return;
    if (leader != 0) raft_note(output, RAFT_NOTE_FOLLOWING, leader, raft->term);
    else raft_note(output, RAFT_NOTE_LEADER_LOST, raft->leader, raft->term);
    raft->leader = leader;
    raft_read_leader_changed(raft);
}

void raft_election_follow(struct raft *raft, uint64_t term, uint64_t leader, struct raft_output *output)
{
    const enum raft_role role = raft->role;

    if (role == RAFT_LEADER) raft_progress_resign(raft, output);
    if (term != raft->term) {
        set_leader(raft, 0, output);
        enter_term(raft, term, 0);
    }
    raft->role = RAFT_FOLLOWER;
    raft->election.campaign_owed = false;
    set_leader(raft, leader, output);
    /* A newer term alone gives no right to more patience: who cannot win would keep those waiting who can. */
    if (role != RAFT_FOLLOWER || leader != 0) raft_election_rearm(raft);
}

/* A voter. Or one that was: until the list without it is committed it may be the only one whose log is good enough for
 * those that list names (Raft 4.2.2); it asks them, and does not count itself. */
bool raft_election_may_campaign(const struct raft *raft)
{
    if (raft->electorate.self) return true;
    return raft->in_force.index > raft->commit_index && raft_configuration_is_voter(&raft->previous, raft->config.id);
}

/* Whether our log could hold the no-op of a new term. Without it nothing would ever commit. */
static bool can_lead(const struct raft *raft)
{
    return raft_election_may_campaign(raft) && !raft->receiving.complete && raft_trail_room(&raft->trail) > 0;
}

static void ask_voters(struct raft *raft, bool pre, struct raft_output *output)
{
    for (uint32_t set = 0; set < RAFT_SETS; set++) {
        for (uint32_t i = 0; i < raft->electorate.count[set]; i++) {
            const uint64_t id = raft->electorate.ids[set][i];
            const bool again = set == 1 && (raft_configuration_find(&raft->in_force, id)->flags & RAFT_VOTER) != 0;
            if (id == raft->config.id || again) continue;
            raft_message_add(raft, output, RAFT_VOTE_REQUEST, id)->vote_request = (struct raft_vote_request){
                .last_index = raft->trail.last_index,
                .last_term = raft_trail_last_term(&raft->trail),
                .round = raft->election.round,
                .pre = pre,
                .transfer = raft->election.transfer,
            };
        }
    }
}

/* Counts the yes of `id`, which may be in both voter sets, or in none. */
static void count_grant(struct raft *raft, uint64_t id)
{
    for (uint32_t set = 0; set < RAFT_SETS; set++) {
        for (uint32_t i = 0; i < raft->electorate.count[set]; i++) {
            if (raft->electorate.ids[set][i] == id) raft->election.granted[set] |= (uint8_t)(1 << i);
        }
    }
}

static void open_round(struct raft *raft, bool transfer)
{
    raft->election.round++;
    raft->election.transfer = transfer;
    memset(raft->election.granted, 0, sizeof raft->election.granted);
    raft_election_rearm(raft);
}

void raft_election_begin(struct raft *raft, struct raft_output *output)
{
    CHECK(raft->role != RAFT_LEADER);
    if (raft->electorate.sole) {
        raft_election_campaign(raft, false, output);
        return;
    }
    raft->role = RAFT_PRE_CANDIDATE;
    raft->election.campaign_owed = false;
    set_leader(raft, 0, output);
    raft_note(output, RAFT_NOTE_PRE_CANDIDATE, raft->config.id, raft->term);
    open_round(raft, false);
    count_grant(raft, raft->config.id);
    ask_voters(raft, true, output);
}

void raft_election_campaign(struct raft *raft, bool transfer, struct raft_output *output)
{
    set_leader(raft, 0, output);
    enter_term(raft, raft->term + 1, raft->config.id);
    raft->role = RAFT_CANDIDATE;
    raft_note(output, RAFT_NOTE_CANDIDATE, raft->config.id, raft->term);
    open_round(raft, transfer);
    /* We ask when our own vote is durable, and with it all of the log that the request speaks of. */
    raft->election.campaign_owed = true;
    const bool durable = raft_storage_hard_is_durable(raft) || MUTANT(raft_own_vote_counts_at_once);
    if (durable) raft_election_on_hard_stored(raft, output);
}

static void send_grant(struct raft *raft, uint64_t to, uint64_t round, bool pre, bool granted,
                       struct raft_output *output)
{
    raft_message_add(raft, output, RAFT_VOTE_RESPONSE, to)->vote_response =
        (struct raft_vote_response){ .round = round, .pre = pre, .granted = granted };
}

void raft_election_on_hard_stored(struct raft *raft, struct raft_output *output)
{
    struct raft_election *election = &raft->election;

    if (election->grant_to != 0) {
        send_grant(raft, election->grant_to, election->grant_round, false, true, output);
        election->grant_to = 0;
    }
    if (!election->campaign_owed) return;
    CHECK(raft->role == RAFT_CANDIDATE);
    election->campaign_owed = false;
    raft_election_rearm(raft); /* the others' time to answer begins now, however slow our disk was */
    count_grant(raft, raft->config.id);
    if (raft_quorum_granted(raft)) raft_progress_lead(raft, output);
    else ask_voters(raft, false, output);
}

void raft_election_on_time(struct raft *raft, struct raft_output *output)
{
    if (raft->role == RAFT_LEADER || raft->election.campaign_owed) return;
    if (raft->now_ns < raft->election.deadline_ns) return;
    if (can_lead(raft) || (MUTANT(M59) && raft->in_force.count > 0)) {
        raft_election_begin(raft, output);
        return;
    }
    if (raft_trail_room(&raft->trail) == 0) {
        raft_note(output, RAFT_NOTE_TRAIL_FULL, raft->trail.last_index + 1, raft->trail.last_index);
    }
    raft->role = RAFT_FOLLOWER;
    set_leader(raft, 0, output);
    raft_election_rearm(raft);
}

/* Raft 5.4.1: a leader must hold all that may be committed. Ours includes what is not durable yet: stricter. */
static bool is_up_to_date(const struct raft *raft, const struct raft_vote_request *request)
{
    const uint64_t last_term = raft_trail_last_term(&raft->trail);

    const bool by_term = request->last_term != last_term && !MUTANT(raft_longest_log_wins);
    if (by_term) return request->last_term > last_term;
    return request->last_index >= raft->trail.last_index;
}

enum raft_verdict raft_election_on_request(struct raft *raft, const struct raft_message *message,
                                           struct raft_output *output)
{
    const struct raft_vote_request *request = &message->vote_request;
    bool granted = message->term >= raft->term && is_up_to_date(raft, request);

    if (MUTANT(M46) && !raft->electorate.self) granted = false; /* our list may be older than the candidate's */
    if (!request->pre) {
        granted = granted && raft->leader == 0 && (raft->vote == 0 || raft->vote == message->from);
    }
    if (request->pre || !granted) {
        send_grant(raft, message->from, request->round, request->pre, granted, output);
        return message->term < raft->term ? RAFT_STALE : RAFT_ACCEPTED;
    }
    if (raft->vote == 0) {
        raft->vote = message->from;
        raft_storage_hard(raft);
        raft_note(output, RAFT_NOTE_VOTED, message->from, raft->term);
    }
    raft_election_rearm(raft);
    raft->election.grant_to = message->from;
    raft->election.grant_round = request->round;
    if (raft_storage_hard_is_durable(raft)) raft_election_on_hard_stored(raft, output);
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_election_on_response(struct raft *raft, const struct raft_message *message,
                                            struct raft_output *output)
{
    const struct raft_vote_response *response = &message->vote_response;
    const enum raft_role role = response->pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE;
    const bool of_this_round = response->round == raft->election.round && message->term == raft->term;

    if (raft->role != role || raft->election.campaign_owed) return RAFT_STALE;
    if (!of_this_round && !MUTANT(M47)) return RAFT_STALE;
    if (!response->granted) return RAFT_ACCEPTED;
    count_grant(raft, message->from);
    if (!raft_quorum_granted(raft)) return RAFT_ACCEPTED;
    if (response->pre) raft_election_campaign(raft, false, output);
    else raft_progress_lead(raft, output);
    return RAFT_ACCEPTED;
}

enum raft_verdict raft_election_on_timeout_now(struct raft *raft, const struct raft_message *message,
                                               struct raft_output *output)
{
    if (raft->role == RAFT_LEADER || (raft->leader != 0 && raft->leader != message->from)) return RAFT_IMPOSSIBLE;
    if (raft->leader == 0 || !can_lead(raft)) return RAFT_IGNORED;
    raft_election_campaign(raft, true, output);
    return RAFT_ACCEPTED;
}
