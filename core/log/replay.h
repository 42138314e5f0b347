/* replay.h -- what does one entry of the journal do to a log? Step 3 of recovery.h. */
#ifndef CHRONIK_LOG_REPLAY_H
#define CHRONIK_LOG_REPLAY_H

#include "log/state.h"

enum replay_verdict {
    REPLAY_DONE,    /* applied, or of no interest */
    REPLAY_WAITS,   /* no memory until something is flushed, or the disk is asked */
    REPLAY_CORRUPT, /* it does not continue what is there */
};

enum replay_verdict replay_entry(struct logs *logs, const struct journal_entry *entry, struct effects *effects);

#endif
