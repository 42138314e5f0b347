#include "sim/mutants.h"

#include "base/check.h"

#include <stddef.h>
#include <string.h>

/* X(name, bug, lives) */
#define EACH_MUTANT(X)                                                                                                \
    X(journal_durable_when_written, "a round is called durable before its sync", false)                               \
    X(journal_ignores_failed_sync, "a failed sync is taken for a good one", false)                                    \
    X(journal_name_not_synced, "the name of a new journal file is not synced", false)                                 \
    X(journal_overwrites_unreleased, "the journal reuses files that are still needed", false)                         \
    X(journal_trusts_frames, "a frame's checksum is not looked at on opening", false)                                 \
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
