/* report_cluster.c -- what a node knows of its cluster, as JSON. */
#include "report.h"

enum { PAGE_MEMBERS = 16 };

static const char *const state_names[] = {
    [MEMBER_LEADER] = "leader",
    [MEMBER_FOLLOWER] = "follower",
    [MEMBER_LEARNER] = "learner",
};

static const char *broker_word(const struct node_member *member)
{
    if (!member->registered) return "unknown";
    if (member->leaving) return "leaving";
    return member->fenced ? "fenced" : "active";
}

static void add_member(struct page *page, const struct node_member *member)
{
    page_add(page, "{\"node_id\": %d, \"addr\": ", member->node_id);
    page_add_json(page, member->address);
    page_add(page, ", \"state\": \"%s\", \"broker\": \"%s\", \"partitions\": %u, \"leaders\": %u}",
             state_names[member->state], broker_word(member), member->partitions, member->leaders);
}

void report_members(const struct report_sources *sources, struct page *page)
{
    struct node_member members[PAGE_MEMBERS];
    uint32_t first = 0, count;

    page_add(page, "[");
    while ((count = node_members(sources->node, first, members, PAGE_MEMBERS)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (first + i > 0) page_add(page, ",\n ");
            add_member(page, &members[i]);
        }
        first += count;
    }
    page_add(page, "]\n");
}

void report_leader(const struct report_sources *sources, struct page *page)
{
    struct node_member members[PAGE_MEMBERS];
    uint32_t first = 0, count;

    while ((count = node_members(sources->node, first, members, PAGE_MEMBERS)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            if (members[i].state != MEMBER_LEADER) continue;
            add_member(page, &members[i]);
            page_add(page, "\n");
            return;
        }
        first += count;
    }
    page_add(page, "{\"node_id\": null}\n");
}

static void add_ids(struct page *page, const char *name, const int32_t *ids, uint32_t count)
{
    page_add(page, ", \"%s\": [", name);
    for (uint32_t i = 0; i < count; i++) page_add(page, "%s%d", i == 0 ? "" : ", ", ids[i]);
    page_add(page, "]");
}

void report_partitions(const struct report_sources *sources, struct page *page)
{
    struct node_partition partition;
    uint64_t place = 0;
    bool is_first = true;

    page_add(page, "[");
    while (node_next_partition(sources->node, &place, &partition)) {
        page_add(page, "%s{\"topic\": ", is_first ? "" : ",\n ");
        page_add_json(page, partition.topic);
        page_add(page, ", \"partition\": %d, \"leader\": %d, \"leader_epoch\": %d", partition.index, partition.leader,
                 partition.leader_epoch);
        add_ids(page, "replicas", partition.replicas, partition.replica_count);
        add_ids(page, "isr", partition.isr, partition.isr_count);
        page_add(page, "}");
        is_first = false;
    }
    page_add(page, "]\n");
}
