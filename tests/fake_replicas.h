/* fake_replicas.h -- replicas as the image has them: who leads there leads at once, and all that is asked is known. A
 * test changes that partition by partition. Stands in for core/replica/replicas.c where the broker alone is tested. */
#ifndef CHRONIK_TESTS_FAKE_REPLICAS_H
#define CHRONIK_TESTS_FAKE_REPLICAS_H

#include "fake_logs.h"
#include "meta/image.h"
#include "replica/replicas.h"

enum { FAKE_NODES_MAX = 8 };

struct fake_replica {
    bool unready; /* the image says that we lead, and we do not, or not yet */
    bool few;     /* fewer are in sync than have to be, whatever the image says */
    bool unknown; /* the high watermark lags behind what the last leader has shown */
    int64_t held[FAKE_NODES_MAX];
    bool deletes_late; /* other replicas still have what is to be deleted */
};

struct replicas {
    int32_t node_id;
    const struct image *image;
    struct fake_replica partitions[FAKE_LOGS_MAX];
};

int32_t replicas_leader_epoch(const struct replicas *replicas, uint32_t log)
{
    const struct image_partition *partition = image_partition(replicas->image, log);
    const bool led = partition->leader == replicas->node_id && !replicas->partitions[log].unready;

    return led ? partition->leader_epoch : -1;
}

enum append_permission replicas_may_append(const struct replicas *replicas, uint32_t log, bool acks_all)
{
    const struct image_partition *partition = image_partition(replicas->image, log);

    if (replicas_leader_epoch(replicas, log) < 0) return APPEND_NOT_LED;
    const bool few = replica_set_count(partition->isr) < partition->min_isr || replicas->partitions[log].few;
    if (acks_all && few) return APPEND_NOT_ENOUGH;
    return APPEND_PERMITTED;
}

bool replicas_watermark_is_known(const struct replicas *replicas, uint32_t log)
{
    return !replicas->partitions[log].unknown;
}

bool replicas_start_is_held(const struct replicas *replicas, uint32_t log, int64_t log_start_offset)
{
    (void)log_start_offset;
    return replicas_leader_epoch(replicas, log) >= 0 && !replicas->partitions[log].deletes_late;
}

int64_t replicas_held_offset(const struct replicas *replicas, uint32_t log, int32_t node_id)
{
    CHECK(node_id >= 0 && node_id < FAKE_NODES_MAX);
    return replicas->partitions[log].held[node_id];
}

struct replicas_lack replicas_lack(const struct replicas *replicas)
{
    (void)replicas;
    return (struct replicas_lack){ .partitions = 0 };
}

#endif
