#include "sim/mutants.h"

#include "base/check.h"

#include <stddef.h>
#include <string.h>

/* X(name, bug, lives) */
#define EACH_MUTANT(X)                                                                                                 \
    X(broker_ack_before_durable, "acks=1 and acks=all are answered when appended", false)                              \
    X(broker_answered_still_waits, "an answer that timed out is answered again", false)                                \
    X(broker_appends_again, "a request that waited for room appends again what it had appended", false)                \
    X(broker_awaits_first_offset, "only the first record of a batch is waited for", false)                             \
    X(broker_duplicate_is_not_awaited, "a retried batch is acknowledged before its original is durable", false)        \
    X(broker_fetch_above_high_watermark, "consumers see what is not committed", false)                                 \
    X(broker_first_batch_cut, "a batch larger than the fetch's limits is never given (KIP-74)", false)                 \
    X(broker_lists_uncommitted, "the end of a log is told from what is not committed", false)                          \
    X(broker_send_before_ready, "an answer leaves before what it waits for", false)                                    \
    X(broker_swaps_answers, "two answers of one link change places", false)                                            \
    X(journal_durable_when_written, "a round is called durable before its sync", false)                                \
    X(journal_ignores_failed_sync, "a failed sync is taken for a good one", false)                                     \
    X(journal_name_not_synced, "the name of a new journal file is not synced", false)                                  \
    X(journal_overwrites_unreleased, "the journal reuses files that are still needed", false)                          \
    X(journal_trusts_frames, "a frame's checksum is not looked at on opening", false)                                  \
    X(journal_trusts_page_cache, "what is read on opening is taken for durable", false)

#ifdef CHRONIK_MUTANTS
const struct mutant mutants[] = {
#define X(name, bug, lives) { #name, bug, lives },
    EACH_MUTANT(X)
#undef X
};
const uint32_t mutant_count = sizeof mutants / sizeof mutants[0];

static const char *chosen;
static uint64_t reached;

bool mutant_choose(const char *name)
{
    chosen = NULL;
    for (uint32_t i = 0; name != NULL && i < mutant_count; i++) {
        if (strcmp(mutants[i].name, name) == 0) chosen = mutants[i].name;
    }
    return name == NULL || chosen != NULL;
}

uint64_t mutant_reached(void)
{
    return reached;
}

bool mutant_active(const char *name)
{
    if (chosen == NULL || strcmp(name, chosen) != 0) return false;
    reached++;
    return true;
}
#else
const struct mutant mutants[1];
const uint32_t mutant_count = 0;

bool mutant_choose(const char *name)
{
    return name == NULL;
}

uint64_t mutant_reached(void)
{
    return 0;
}
#endif
