/* truncate.h -- how does a log lose its end, or all of it?
 *
 * A follower whose log has records that its leader does not have gives them up. They may lie in memory, in segments, in
 * journal rounds; they have left traces in the epochs, and in what is known of producers. All of it goes in one step:
 *
 *   WANTED   nothing that is under way may know the old end: a flush, a checkpoint. The seam is found, the end of the
 *            last batch that stays: in memory, or in the segment by a lookup.
 *   SAID     an entry is in the open journal round. In that same step the log ends at the seam, a new era begins, and
 *            appends may go on: what they write lies behind the entry, and so becomes durable with it or after it.
 *   TOLD     the round is durable. The caller is told, and files may follow (cut.h).
 *
 * The entry says where in which segment the seam lies. A recovery whose checkpoint is from before has just that
 * segment, since segments only grow; and if the file was cut already, that is where it ends. */
#ifndef CHRONIK_LOG_TRUNCATE_H
#define CHRONIK_LOG_TRUNCATE_H

#include "log/replay.h"

/* Goes on with what is wanted. */
void truncate_work(struct logs *logs, struct effects *effects);

/* A round became durable: so did, perhaps, a truncation. */
void truncations_are_durable(struct logs *logs);

/* What the journal says: ENTRY_TRUNCATE and ENTRY_RESET, behind the head that names the log and the era. */
enum replay_verdict truncate_replay(struct logs *logs, uint32_t log, uint32_t era, struct bytes said,
                                    struct effects *effects);
enum replay_verdict reset_replay(struct logs *logs, uint32_t log, uint32_t era, struct bytes said);

/* Whether a checkpoint may begin: not before what is said is durable; nor, if it can wait, before what is wanted. */
bool truncations_allow_checkpoint(const struct logs *logs, bool urgent);

void truncate_forget_log(struct logs *logs, uint32_t log);

#endif
