#include "sim/report.h"

#include "raft/raft.h"

static const char *const names[CONDITION_COUNT] = {
#define X(state, text) text,
    EACH_STATE(X)
#undef X
};

static uint32_t voters(const struct raft_configuration *configuration)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < configuration->count; i++) count += (configuration->members[i].flags & RAFT_VOTER) != 0;
    return count;
}

void report_on_hit(struct report *report, enum fault_kind kind, enum node_condition process, const struct raft *raft)
{
    uint32_t *pairs = report->pairs[kind];

    pairs[process]++;
    if (process == CONDITION_DOWN || !raft_is_started(raft)) return;
    switch (raft_role(raft)) {
    case RAFT_FOLLOWER: pairs[CONDITION_FOLLOWING]++; break;
    case RAFT_PRE_CANDIDATE:
    case RAFT_CANDIDATE: pairs[CONDITION_CANDIDATE]++; break;
    case RAFT_LEADER: pairs[CONDITION_LEADING]++; break;
    }
    pairs[CONDITION_ALONE] += voters(raft_configuration(raft)) == 1;
    pairs[CONDITION_CHANGING] += !raft_configuration_is_committed(raft);
    pairs[CONDITION_SNAPSHOT] += raft_snapshot_is_arriving(raft);
}

void report_add(struct report *report, const struct report *other)
{
    for (uint32_t kind = 0; kind < FAULT_COUNT; kind++) {
        report->met[kind] += other->met[kind];
        for (uint32_t i = 0; i < CONDITION_COUNT; i++) report->pairs[kind][i] += other->pairs[kind][i];
    }
}

void report_print(const struct report *report, FILE *file)
{
    fprintf(file, "%-12s %8s", "fault", "met");
    for (uint32_t i = 0; i < CONDITION_COUNT; i++) fprintf(file, " %14s", names[i]);
    fprintf(file, "\n");
    for (enum fault_kind kind = 0; kind < FAULT_COUNT; kind++) {
        fprintf(file, "%-12s %8u", fault_name(kind), report->met[kind]);
        for (uint32_t i = 0; i < CONDITION_COUNT; i++) {
            if (report->pairs[kind][i] == 0) fprintf(file, " %14s", "-");
            else fprintf(file, " %14u", report->pairs[kind][i]);
        }
        fprintf(file, "\n");
    }
}
