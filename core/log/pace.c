#include "log/pace.h"

#include "base/check.h"
#include "log/state.h"

void pace_set(struct pace *pace, uint64_t rate, uint64_t now_ns)
{
    if (rate == pace->rate) return; /* other settings have changed */
    pace->rate = rate;
    pace->free_ns = now_ns;
}

void pace_take(struct pace *pace, uint32_t size, uint64_t now_ns)
{
    if (pace->rate == 0 || MUTANT(compaction_forgets_its_pace)) return;
    pace->free_ns = MAX(pace->free_ns, now_ns) + ((uint64_t)size * NS_PER_SECOND + pace->rate - 1) / pace->rate;
}
