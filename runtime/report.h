/* report.h -- what is counted, as Prometheus text and as JSON. */
#ifndef CHRONIK_RUNTIME_REPORT_H
#define CHRONIK_RUNTIME_REPORT_H

#include "disk.h"
#include "net.h"
#include "page.h"
#include "status.h"

#define CHRONIK_VERSION "0.1.0"

struct report_sources {
    const struct node *node;
    const struct net *net;
    const struct disk *disk;
    uint64_t start_ms; /* of the loop's clock */
    const uv_loop_t *loop;
};

void report_metrics(const struct report_sources *sources, const struct node_status *status, struct page *page);
void report_status(const struct report_sources *sources, const struct node_status *status, const char *state,
                   struct page *page);

/* As metrics: how fast what is decided holds, and, on the leader, how far the others are. */
void report_quorum(const struct report_sources *sources, const struct node_status *status, struct page *page);

/* JSON about the cluster: who belongs to it, who leads it, who has which partition. */
/* Whether there are any that it could list. */
bool report_knows_members(const struct report_sources *sources);
void report_members(const struct report_sources *sources, struct page *page);
void report_leader(const struct report_sources *sources, struct page *page);
void report_partitions(const struct report_sources *sources, struct page *page);

/* Metrics of each partition that has a replica here. */
void report_partition_metrics(const struct report_sources *sources, struct page *page);

#endif
