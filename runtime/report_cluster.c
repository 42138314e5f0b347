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
