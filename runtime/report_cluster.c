/* report_cluster.c -- what a node knows of its cluster, as JSON. */
#include "report.h"

#include <inttypes.h>

enum { PAGE_MEMBERS = 16 };

static const char *const state_names[] = {
    [MEMBER_LEADER] = "leader",
    [MEMBER_FOLLOWER] = "follower",
    [MEMBER_LEARNER] = "learner",
    [MEMBER_OBSERVER] = "observer",
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

bool report_knows_members(const struct report_sources *sources)
{
    struct node_member member;

    return node_members(sources->node, 0, &member, 1) > 0;
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

static void add_commit_latency(struct page *page, const struct node_status *status)
{
    static const char name[] = "raft_commit_latency_seconds";
    const struct latency *latency = &status->meta_commit_latency;
    uint64_t below = 0;

    page_add(page, "# HELP %s From a proposal of this node to its being applied here.\n# TYPE %s histogram\n", name,
             name);
    for (uint32_t i = 0; i < LATENCY_BOUNDS; i++) {
        below += latency->counts[i];
        page_add(page, "%s_bucket{node_id=\"%d\",le=\"%g\"} %" PRIu64 "\n", name, status->node_id,
                 latency_bounds_us[i] / 1e6, below);
    }
    page_add(page, "%s_bucket{node_id=\"%d\",le=\"+Inf\"} %" PRIu64 "\n", name, status->node_id, latency->count);
    page_add(page, "%s_sum{node_id=\"%d\"} %.6f\n%s_count{node_id=\"%d\"} %" PRIu64 "\n", name, status->node_id,
             (double)latency->sum_us / 1e6, name, status->node_id, latency->count);
}

/* One number for each member that the leader sees. */
static void add_of_peers(const struct report_sources *sources, const struct node_status *status, const char *name,
                         const char *help, bool is_lag, struct page *page)
{
    struct node_member members[PAGE_MEMBERS];
    uint32_t first = 0, count;

    page_add(page, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
    while ((count = node_members(sources->node, first, members, PAGE_MEMBERS)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            const struct node_member *member = &members[i];
            if (!member->is_followed) continue;
            page_add(page, "%s{node_id=\"%d\",peer_id=\"%d\"} ", name, status->node_id, member->node_id);
            if (is_lag) page_add(page, "%" PRIu64 "\n", member->lag);
            else page_add(page, "%.3f\n", (double)member->silence_ms / 1e3);
        }
        first += count;
    }
}

void report_quorum(const struct report_sources *sources, const struct node_status *status, struct page *page)
{
    add_commit_latency(page, status);
    add_of_peers(sources, status, "raft_peer_lag_entries", "Entries that a member lacks; on the leader.", true, page);
    add_of_peers(sources, status, "raft_peer_silence_seconds", "Since a member answered; on the leader.", false, page);
}
