/* node.h -- the whole program as one function: state', effects = step(state, event).
 *
 * All that a node may learn is an event; all that it wants done is an effect (base/effect.h lists both). It has no
 * clock, socket, file, thread or heap of its own. So a run is its list of events, and every host that feeds the same
 * list gets the same node: runtime/ from libuv, sim/ from a seed, fuzz/ from bytes.
 *
 *   Promise law.  A message leaves only in the step whose event made it true. So no effect waits for another: orders
 *                 for one path keep their order, the rest may be done in any order.
 *   Loan law.     Bytes in an event are lent to the core until node_step returns; bytes in an effect stay put until
 *                 the event that answers it. Nobody frees what another made, and the data path copies once.
 *   Bound law.    A step does bounded work and orders a bounded number of effects. What is left over shows as a
 *                 deadline that is already due.
 *
 * State holds indexes, and pointers only into its own block, set by node_init: a block that is copied may be put back
 * at the same address and goes on from there. */
#ifndef CHRONIK_NODE_H
#define CHRONIK_NODE_H

#include "base/effect.h"
#include "base/uuid.h"

struct address {
    char host[256]; /* a name or a literal, without a port */
    uint16_t port;
};

enum { SEEDS_MAX = 16 }; /* addresses to ask for a cluster; a few that are up most of the time are enough */

struct seed_node {
    int32_t node_id; /* who is expected there; 0: whoever it is */
    struct address address;
};

/* All that differs between nodes. Limits reserve address space, not memory; beyond one there is a policy error. */
struct config {
    int32_t node_id;  /* 1 or more */
    uint64_t seed[2]; /* all randomness of this start: ids, timeouts */
    struct address advertised_kafka;
    char rack[64]; /* "" is none */
    bool observer; /* new in a cluster, it comes as an observer: it follows, and does not count */

    /* The cluster. A node with cluster_enabled false stays alone: it opens no door to others, and dials nobody. */
    bool cluster_enabled;
    uint32_t peer_links_max;     /* links that other nodes dialed, and as many again that this one dials; 0: alone */
    struct address node_address; /* where others reach LISTENER_NODE */
    struct address wal_address;  /* where others reach LISTENER_WAL */
    uint32_t seed_count;
    struct seed_node seeds[SEEDS_MAX]; /* none but itself: a node without data founds a cluster */
    bool recovers;                     /* it goes on alone after a disaster: makes that durable, and halts as stopped */
    uint32_t voters_target;            /* odd: of the nodes, so many vote on metadata where there are as many */

    uint32_t links_max;
    uint32_t topics_max;
    uint32_t partitions_max; /* on this node */
    uint32_t segments_max;
    uint32_t producers_max;       /* idempotent producers remembered, over all partitions */
    uint32_t groups_max;          /* consumer groups that this node coordinates */
    uint32_t group_members_max;   /* of all of them, as are the next two */
    uint32_t group_offsets_max;   /* partitions that they have committed offsets for, and commits under way */
    uint64_t group_memory_size;   /* names, subscriptions, assignments: a power of two */
    uint32_t request_size_max;    /* socket.request.max.bytes */
    uint64_t request_memory_size; /* frames being received and responses being sent, over all links */
    uint32_t tail_unit_size;      /* unit of the memory that holds what was appended lately */
    uint64_t tail_memory_size;    /* all of it */
    uint32_t journal_file_size;   /* the message journal grows in files of this size, and reuses them */
    uint32_t journal_files_max;
    uint64_t compaction_memory_size; /* for the keys of what is compacted at a time, 32 bytes each */
    uint32_t meta_journal_file_size;
    uint32_t meta_snapshot_entries; /* entries in the metadata log before it is cut by a snapshot */
    uint32_t message_size_max;      /* the largest max.message.bytes that a topic may have */

    /* Defaults of broker configs that people set under these names. */
    int32_t num_partitions;              /* num.partitions */
    int32_t replication_factor;          /* default.replication.factor: with fewer nodes there are fewer replicas */
    bool auto_create_topics;             /* auto.create.topics.enable */
    int64_t link_idle_ms;                /* connections.max.idle.ms */
    int64_t retention_check_interval_ms; /* log.retention.check.interval.ms */
    bool log_compacts;                   /* log.cleanup.policy is compact,delete, not delete */
    int64_t compaction_backoff_ms;       /* log.cleaner.backoff.ms */
    int64_t producer_id_expiration_ms;   /* producer.id.expiration.ms */
    int32_t message_size_default;        /* message.max.bytes */
    int32_t log_segment_size;            /* log.segment.bytes */
    int64_t log_roll_ms;                 /* log.roll.ms */
    int64_t log_retention_ms;            /* log.retention.ms; -1: no limit */
    int64_t log_retention_size;          /* log.retention.bytes; -1: no limit */
    int32_t log_index_interval_size;     /* log.index.interval.bytes */
};

/* What a single node on a laptop wants, apart from ids, seed and addresses. */
void config_init(struct config *config);

/* Which limits contradict each other, in words that name them; NULL if none do. */
const char *config_contradiction(const struct config *config);

struct node;

/* All the memory a node gets. 0 if the limits contradict each other, or leave a room without what it needs. */
size_t node_size(const struct config *config);

/* In the caller's block of node_size bytes, aligned to 64, zeroed or fresh from mmap. */
void node_init(struct node *node, const struct config *config);

/* `effects` is empty when called and holds the step's orders after. Bad input becomes a response, a full queue a
 * verdict, a broken disk an EFFECT_HALT, a broken mind a failed CHECK: nothing is left to fail. */
void node_step(struct node *node, const struct event *event, struct effects *effects);

/* When EVENT_TIME_PASSED is wanted next; UINT64_MAX: never. Due at once when it is not later than the last event. */
uint64_t node_deadline_ns(const struct node *node);

/* Every room's invariants, whatever their number. node_step checks what it touched by itself. */
void node_check(const struct node *node);

#endif
