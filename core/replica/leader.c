#include "replica/leader.h"

#include "base/check.h"

/* ---- opening ---- */

struct match leader_judge_answer(const struct leader_log *log, const struct open_answer_frame *answer)
{
    const bool empty = answer->log_start_offset == answer->log_end_offset;

    /* What we have deleted, nobody can be sent any more. */
    if (answer->log_end_offset < log->log_start_offset) {
        return (struct match){ MATCH_RESET, -1, log->log_start_offset };
    }
    if (empty && answer->last_epoch < 0) {
        /* All that it had was deleted, and what has no record contradicts none. It must not go back, even if we still
         * have what was deleted there: as long as it had not caught up, it would have less than it answers for, and
         * as leader it would give offsets anew that were committed. So what it has deleted is deleted here, too. */
        if (log->distrusts_deletions && answer->log_start_offset > log->log_start_offset) {
            return (struct match){ MATCH_RESET, -1, log->log_start_offset };
        }
        const bool here = MUTANT(leader_resets_whoever_is_empty) ? answer->log_end_offset == log->log_start_offset
                                                                 : answer->log_end_offset <= log->log_end_offset;
        return (struct match){ here ? MATCH_FOUND : MATCH_RESET, -1, log->log_start_offset };
    }
    if (!log->bound_known) return (struct match){ MATCH_RESET, -1, log->log_start_offset };
    if (MUTANT(leader_answers_end_for_unknown_epoch) && log->bound_epoch != answer->last_epoch) {
        return (struct match){ MATCH_FOUND, answer->last_epoch, answer->log_end_offset };
    }
    /* Not only its end must lie in ours: its last record must be of an epoch that we have (KIP-279). */
    if (answer->last_epoch == log->bound_epoch && answer->log_end_offset <= log->bound_offset) {
        return (struct match){ MATCH_FOUND, log->bound_epoch, answer->log_end_offset };
    }
    return (struct match){ MATCH_COMPARE, log->bound_epoch, log->bound_offset };
}

void leader_stream_close(struct stream *stream, uint64_t mono_ns, bool lost)
{
    uint64_t back_off_ns = STREAM_BACK_OFF_NS;

    if (lost) stream->failures = 0;
    for (uint8_t i = 0; i < stream->failures && back_off_ns < STREAM_BACK_OFF_MAX_NS; i++) back_off_ns *= 2;
    if (stream->failures < UINT8_MAX && !lost) stream->failures++;
    stream->retry_ns = lost ? mono_ns : mono_ns + MIN(back_off_ns, STREAM_BACK_OFF_MAX_NS);
    stream->state = STREAM_CLOSED;
    stream->session = 0;
    stream->sample_ns = 0;
}

void leader_stream_on_asked(struct stream *stream, uint64_t session, uint64_t mono_ns)
{
    CHECK(stream->state == STREAM_CLOSED && session != 0);
    stream->state = STREAM_ASKED;
    stream->session = session;
    stream->retry_ns = mono_ns + STREAM_ANSWER_NS;
    stream->sample_ns = 0;
}

void leader_stream_on_compared(struct stream *stream, uint64_t mono_ns)
{
    CHECK(stream->state == STREAM_ASKED || stream->state == STREAM_COMPARED);
    stream->state = STREAM_COMPARED;
    stream->retry_ns = mono_ns + STREAM_ANSWER_NS;
}

void leader_stream_on_matched(struct stream *stream, const struct open_answer_frame *answer)
{
    CHECK(stream->state == STREAM_ASKED || stream->state == STREAM_COMPARED);
    stream->state = STREAM_MATCHED;
    stream->follower_number = answer->follower_number;
    stream->matched_offset = answer->log_end_offset;
    stream->next_offset = answer->log_end_offset;
    stream->held_offset = -1;
    stream->sent_epoch = answer->last_epoch;
    stream->retry_ns = UINT64_MAX;
    leader_stream_check(stream);
}

/* ---- sending, and what comes of it ---- */

void leader_stream_on_sent(struct stream *stream, int64_t to, int32_t last_epoch, int64_t log_end_offset,
                           uint64_t mono_ns)
{
    CHECK(stream->state == STREAM_MATCHED && to >= stream->next_offset);
    if (to > stream->next_offset) stream->sent_epoch = last_epoch;
    stream->next_offset = to;
    if (stream->sample_ns == 0 && to > stream->matched_offset) {
        stream->sample_ns = mono_ns;
        stream->sample_end = log_end_offset;
    }
    leader_stream_check(stream);
}

void leader_stream_on_ack(struct stream *stream, int64_t held_offset)
{
    CHECK(stream->state == STREAM_MATCHED);
    stream->matched_offset = MAX(stream->matched_offset, MIN(held_offset, stream->next_offset));
    stream->held_offset = MAX(stream->held_offset, MIN(held_offset, stream->next_offset));
    stream->failures = 0;
    if (stream->sample_ns == 0 || stream->matched_offset < stream->sample_end) return;
    stream->caught_up_ns = MAX(stream->caught_up_ns, stream->sample_ns);
    stream->sample_ns = 0;
}

/* It has acknowledged all there is, and nothing is under way: what a beat says of its node, it says of the stream. What
 * it only has in memory does not count: a disk that hangs would keep the high watermark where it is. */
static bool is_at_rest(const struct stream *stream, int64_t log_end_offset)
{
    return stream->state == STREAM_MATCHED && stream->held_offset >= log_end_offset;
}

uint64_t leader_stream_caught_up_ns(const struct stream *stream, int64_t log_end_offset, uint64_t answered_ns)
{
    if (!is_at_rest(stream, log_end_offset)) return stream->caught_up_ns;
    return MAX(stream->caught_up_ns, answered_ns);
}

void leader_stream_on_append(struct stream *stream, int64_t log_end_before, uint64_t answered_ns)
{
    stream->caught_up_ns = leader_stream_caught_up_ns(stream, log_end_before, answered_ns);
}

void leader_stream_check(const struct stream *stream)
{
    if (stream->state == STREAM_CLOSED) return;
    CHECK(stream->session != 0); /* (1) */
    if (stream->state != STREAM_MATCHED) return;
    CHECK(stream->matched_offset <= stream->next_offset); /* (2) */
}
