#include "sim/mutants.h"

#include <stddef.h>

/* X(name, bug, seeds it may take at most, fate). Where two numbers of the list in raft_main's bench could meet one
 * line of code, the line is named by the first. */
/* clang-format off */
#define EACH_RAFT_MUTANT(X) \
    X(M28, "a follower acknowledges before its disk has it (RaftFsync F1)", 10, DIES) \
    X(M38, "term and vote are not written (KAFKA-10527)", 10, DIES) \
    X(M40, "a term may go backwards", 20, DIES) \
    X(M41, "entries of older terms are committed by counting (Raft, figure 8)", 500, DIES) \
    X(M43, "a voter is added without a joint phase", 500, DIES) \
    X(M44, "a voter is removed without a joint phase", 200, DIES) \
    X(M46, "who believes to be a learner gives no vote", 100, DIES) \
    X(M47, "an answer to an older campaign is counted", 50, DIES) \
    X(M49, "an answer to an append that a truncation overtook counts in full", 500, DIES) \
    X(M50, "a follower commits up to its log's end, not to what was verified", 50, DIES) \
    X(M52, "a term that is not known matches after a compaction", 100, DIES) \
    X(M53, "the commit index may go back", 50, DIES) \
    X(M55, "reads are answered before the term has committed anything", 50, DIES) \
    X(M58, "a leader that is cut off leads on", 50, DIES) \
    X(M59, "a learner becomes a candidate", 20, DIES) \
    X(M61, "a snapshot is installed with its index off by one (KAFKA-14618)", 20, DIES) \
    X(M62, "a log that begins late is accepted without its snapshot (KAFKA-14240)", 20, DIES) \
    X(M64, "what is stored is told as committed: a snapshot covers what may be truncated", 200, DIES) \
    X(M65, "appends are taken while a snapshot is installed", 200, DIES) \
    X(raft_joint_counts_one_set, "while two lists are in force, the majority of one of them commits", 100, DIES) \
    X(raft_longest_log_wins, "votes go to the longest log, whatever its last term", 300, DIES) \
    X(raft_needless_snapshot_is_acked_at_once, "a needless snapshot is acknowledged too early", 200, DIES) \
    X(raft_own_vote_counts_at_once, "a candidate asks before its own vote is durable", 100, DIES) \
    X(raft_truncated_list_stays, "a member list that is truncated stays in force", 100, DIES) \
    X(raft_verified_outlives_its_term, "what one leader has verified is acknowledged to the next one", 100, DIES) \
    X(raft_broken_promises_are_not_noticed, "a member whose disk is an older copy is taken for what it was", 20, DIES) \
    X(raft_promises_of_older_terms_bind, "what was acknowledged before the term was durable is taken for a promise", \
      500, DIES)
/* clang-format on */

#ifdef CHRONIK_MUTANTS
const struct raft_mutant raft_mutants[] = {
#define X(name, bug, seeds_max, fate) { #name, bug, fate, seeds_max },
    EACH_RAFT_MUTANT(X)
#undef X
};
const uint32_t raft_mutant_count = sizeof raft_mutants / sizeof raft_mutants[0];
#else
const struct raft_mutant raft_mutants[1];
const uint32_t raft_mutant_count = 0;
#endif
