#include "replica/follower.h"

#include "base/check.h"

enum open_verdict follower_judge_open(const struct follower *follower, const struct follower_view *view, int32_t from,
                                      const struct open_frame *open)
{
    if (!view->present) return OPEN_UNKNOWN;
    if (open->leader_epoch < view->leader_epoch && !MUTANT(follower_obeys_old_leaders)) return OPEN_OLD_EPOCH;
    /* A broker epoch is of one process: what was said to an earlier one of ours, on a disk that may be another one
     * by now, is not for us; nor is what an earlier process of the leader has to say. */
    if (open->follower_broker_epoch != view->broker_epoch) return OPEN_STRANGER;
    if (view->leader_broker_epoch > open->leader_broker_epoch) return OPEN_STRANGER;
    if (view->offline) return OPEN_OFFLINE;
    if (open->step == OPEN_ASK) return OPEN_ACCEPTED;
    const bool same =
        follower->session == open->session && follower->leader == from && follower->leader_epoch == open->leader_epoch;
    return same && follower->state == FOLLOWER_ANSWERED ? OPEN_ACCEPTED : OPEN_STALE;
}

struct cut_verdict follower_judge_cut(const struct follower_log *log, const struct open_frame *open, int64_t own_bound,
                                      int32_t last_unclean_epoch)
{
    struct cut_verdict verdict = { CUT_TRUNCATE, 0 };
    /* Only an election that gave up on it may take back what was committed; and only from logs of before. */
    const bool unclean = last_unclean_epoch > MAX(log->last_epoch, 0);

    switch (open->step) {
    case OPEN_ASK: return (struct cut_verdict){ CUT_NOTHING, 0 };
    case OPEN_RESET:
        verdict = (struct cut_verdict){ CUT_RESET, open->bound_offset };
        /* What lies before the begin of the leader's log was committed, and deleted. That goes for an empty log as
         * well: the offsets before its begin were given away. */
        if (log->high_watermark <= open->bound_offset) return verdict;
        break;
    case OPEN_COMPARE:
        verdict.offset = MIN(log->log_end_offset, MIN(open->bound_offset, own_bound));
        if (MUTANT(follower_truncates_to_own_high_watermark)) verdict.offset = log->high_watermark;
        if (verdict.offset >= log->high_watermark) return verdict;
        break;
    }
    if (!unclean) verdict.kind = CUT_REFUSED;
    return verdict;
}

enum data_verdict follower_judge_data(const struct follower *follower, const struct follower_log *log, int32_t from,
                                      const struct data_frame *data)
{
    const bool open = follower->state == FOLLOWER_ANSWERED || follower->state == FOLLOWER_MATCHED;

    if (!open || follower->leader != from || follower->session != data->session) return DATA_CLOSED;
    if (follower->leader_epoch != data->leader_epoch) return DATA_CLOSED;
    if (data->from != log->log_end_offset) return DATA_NOT_NEXT;
    const bool empty = log->log_start_offset == log->log_end_offset;
    if (data->previous_epoch != log->last_epoch && !empty && !MUTANT(follower_forgets_last_epoch)) return DATA_NOT_NEXT;
    return DATA_ACCEPTED;
}

int64_t follower_high_watermark(const struct follower_log *log, const struct data_frame *data)
{
    return MAX(log->high_watermark, MIN(data->high_watermark, log->log_end_offset));
}
