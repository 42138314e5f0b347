/* status.h -- what a node answers when its operator asks how it is: a question, so asking changes nothing.
 *
 * Counters count from the start of this process and never fall; gauges say what is true now. The host turns them into
 * /metrics and /admin/status, and begins to take connections when the node serves. */
#ifndef CHRONIK_STATUS_H
#define CHRONIK_STATUS_H

#include "base/bytes.h"
#include "base/latency.h"
#include "base/uuid.h"
#include "group/groups.h"
#include "log/logs.h"

enum {
    STATUS_API_KEYS_MAX = 100, /* Kafka's keys end below 100; others are counted under none */
};

enum node_state {
    NODE_STARTING, /* recovers what is on disk; takes no connections yet */
    NODE_SERVING,
    NODE_STOPPING, /* was asked to stop, or has ordered its halt */
};

/* One API's requests. */
struct status_api {
    uint64_t requests; /* answered, or taken with acks=0 */
    uint64_t errors;   /* those among them whose answer carried an error code */
    uint64_t time_us;  /* from the last byte received to the answer handed to the host, summed up */
};

struct node_status {
    enum node_state state;
    int32_t node_id;
    struct uuid cluster_id;
    bool is_controller; /* leads the metadata group */

    /* gauges */
    uint32_t topics;
    uint32_t partitions;
    uint32_t replicas;           /* partitions with a replica here */
    uint32_t leaders;            /* partitions that this node leads */
    uint32_t offline;            /* partitions without a leader */
    uint32_t offline_replicas;   /* replicas here of partitions without a leader */
    uint32_t under_replicated;   /* led here, with an ISR smaller than the replica set */
    uint32_t under_min_isr;      /* led here, with an ISR smaller than min.insync.replicas */
    uint32_t reassigning;        /* led here, and on the way to other replicas */
    uint32_t at_min_isr;         /* led here, with an ISR that may not lose one more */
    bool evens;                  /* replicas and leaders are being spread evenly, as was wanted: */
    uint32_t moving;             /* partitions of the cluster that are on the way to other replicas */
    uint32_t unmoved;            /* replicas that have to move besides */
    uint32_t not_preferred;      /* partitions of the cluster that another replica than the first one leads */
    uint64_t lag_records;        /* of the follower of a partition led here that lacks most */
    uint64_t lag_size;           /* bytes that all of them lack */
    uint32_t catch_up_seconds;   /* until they have them, as fast as bytes leave now; 0: they do */
    bool observes;               /* this node is an observer */
    uint32_t followed;           /* partitions that others lead, and that this node has: */
    uint32_t followed_behind;    /* of these, lacked committed records when their leaders were heard last, */
    uint64_t followed_lack;      /* ... so many in all */
    uint32_t followed_unheard;   /* of these, nothing was heard since this process began */
    uint64_t followed_silent_ms; /* of the leader that was heard longest ago */
    uint32_t links;              /* open connections */
    uint32_t waiting_fetches;    /* in the waiting room: long polls */
    uint32_t waiting_produces;   /* for durability or replicas */
    uint64_t request_memory_used;
    uint64_t request_memory_max;
    uint64_t tail_memory_used;
    uint64_t tail_memory_max;
    uint64_t journal_used;
    uint64_t journal_max;
    uint64_t logs_size;           /* bytes of all logs of this node, segments and tail */
    uint64_t producers_forgotten; /* idempotent ones, before their time: there was no room */
    bool disk_full;               /* produces are refused until there is space */
    int64_t meta_index;           /* applied */
    int64_t meta_term;
    uint64_t meta_commit_index;
    uint64_t meta_entries;        /* in the log above the newest snapshot */
    uint64_t meta_snapshot_index; /* of that snapshot; 0: none was taken */
    uint64_t meta_snapshot_size;
    uint32_t voters; /* by the member list that is decided */
    uint32_t learners;
    uint32_t fenced_brokers; /* that are registered, and not counted on just now */
    uint32_t peer_links;     /* to and from other nodes */
    uint32_t wishes;         /* changes of metadata that this node waits for */

    /* counters */
    struct status_api apis[STATUS_API_KEYS_MAX];
    uint64_t received_size; /* bytes from clients */
    uint64_t sent_size;
    uint64_t messages_in; /* records appended */
    uint64_t produced_size;
    uint64_t fetched_size;
    uint64_t produces_failed; /* partitions of produce requests that were answered with an error */
    uint64_t fetches_failed;
    uint64_t throttles; /* times that reading from a link was held back for want of memory */
    struct compaction_usage compaction;
    struct groups_usage groups;
    uint64_t produce_throttles, produce_throttle_ms; /* of clients that have sent more than their quota, */
    uint64_t fetch_throttles, fetch_throttle_ms;     /* or taken more */
    uint64_t compaction_idle_ms;                     /* since one came to its end; 0: none did */
    uint64_t commit_rounds;                          /* journal rounds that became durable */
    uint64_t meta_commits;                           /* metadata records committed */
    uint64_t meta_snapshots;                         /* taken */
    struct latency meta_commit_latency; /* of what this node proposed as leader, until it was applied here */
    uint64_t elections_won;
    uint64_t leaders_seen; /* changes of who leads the metadata, as far as this node heard */
    uint64_t vote_requests;
    uint64_t appends;    /* sent with entries */
    uint64_t heartbeats; /* sent without */
    uint64_t snapshots_sent;
    uint64_t snapshots_installed;
    uint64_t members_forgot; /* that lack what they acknowledged */
    uint64_t frames_lost;    /* frames for other nodes that found no room or no link */
    uint64_t frames_refused; /* frames of other nodes that say what cannot be, or nothing that we know */
    uint64_t peer_dials, peer_misses, peers_turned_away;
    uint64_t peer_received_size, peer_sent_size;
    uint64_t replicated_in_size, replicated_out_size; /* of messages between leaders and followers */
    uint64_t isr_shrinks, isr_expands;                /* that leaders here asked for */
    uint64_t truncations;                             /* of followers here: records given up for a new leader's */
    uint64_t replica_refusals;                        /* streams that a follower here or elsewhere could not take */
    uint64_t replicas_offline;                        /* replicas here that somebody has to look at */
    uint64_t segments_rolled;
    uint64_t segments_deleted;
    uint64_t links_opened;
};

struct node;

/* Leaves nothing unset. May be asked between any two steps. Looks at every partition: milliseconds where there are
 * 100,000. */
void node_status(const struct node *node, struct node_status *status);

/* What is asked all the time, by whoever waits for a start or balances load, so it costs nothing. */
struct node_health {
    enum node_state state;
    int32_t node_id;
    bool disk_full; /* produces are refused until there is space */
};
struct node_health node_health(const struct node *node);

/* A node of the cluster, as this one knows it. */
enum member_state {
    MEMBER_LEADER,   /* leads the metadata */
    MEMBER_FOLLOWER, /* votes on it, and that is decided: a vote that is being given or taken is not shown yet */
    MEMBER_LEARNER,  /* follows it, and does not vote */
    MEMBER_OBSERVER, /* neither does, nor will */
};

struct node_member {
    int32_t node_id;
    char address[264]; /* "host:port" under which other nodes reach it; "" if it is alone */
    enum member_state state;
    bool registered; /* its broker has been here */
    bool fenced;     /* its broker is not counted on just now */
    bool leaving;
    uint32_t partitions; /* that it has a replica of */
    uint32_t leaders;    /* ... and leads */

    /* As the leader sees it; false on any other node, for the leader itself, and before it has answered. */
    bool is_followed;
    uint64_t lag;        /* entries of the metadata log that it lacks */
    uint64_t silence_ms; /* since it answered */
};

/* The members by rising id, beginning at place `first`; how many there were room for. */
uint32_t node_members(const struct node *node, uint32_t first, struct node_member *list, uint32_t max);

/* A replica of a partition that is led here, as its leader sees it. */
struct node_follower {
    int32_t node_id;
    bool in_sync;
    bool observes;
    bool streaming;       /* it gets what is appended, or what it lacks */
    bool held_is_known;   /* in this epoch: else it lacks all, as far as is known */
    uint64_t lag_records; /* that it lacks ... */
    uint64_t lag_size;    /* ... in bytes, and how long it has lacked some */
    uint64_t lag_ms;
};

/* A partition, by topic and number, and who has it. */
enum { NODE_PARTITION_REPLICAS_MAX = 18 };
struct node_partition {
    char topic[250];
    int32_t index;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    uint32_t min_isr;
    uint32_t replica_count, observer_count, isr_count, elr_count;
    int32_t replicas[NODE_PARTITION_REPLICAS_MAX];
    int32_t observers[NODE_PARTITION_REPLICAS_MAX];
    int32_t isr[NODE_PARTITION_REPLICAS_MAX];
    int32_t elr[NODE_PARTITION_REPLICAS_MAX];

    bool is_here; /* this node has a replica, or observes: then these are of its log */
    int64_t log_start_offset;
    int64_t high_watermark;
    int64_t log_end_offset;
    uint64_t size;

    bool lack_is_known;      /* another node leads it, and was heard by this process: then these are there */
    uint64_t lack_records;   /* committed, which this node lacked when the leader was heard last */
    uint64_t lack_silent_ms; /* ... so long ago */

    bool is_led; /* by this node: then these are there */
    uint32_t follower_count;
    struct node_follower followers[NODE_PARTITION_REPLICAS_MAX];
};

/* The next partition behind the one that `place` names, 0 at first. False: there is none. */
bool node_next_partition(const struct node *node, uint64_t *place, struct node_partition *partition);

/* For a judge, who may know everything and change nothing: what raft/raft.h, meta/image.h, log/logs.h and
 * replica/replicas.h can be asked (logs have the numbers of the image's partitions), and what an entry of Raft's trail
 * holds. */
struct raft;
struct image;
struct logs;
struct replicas;
const struct raft *node_raft(const struct node *node);
struct bytes node_entry(const struct node *node, uint64_t index);
const struct image *node_image(const struct node *node);
const struct logs *node_logs(const struct node *node);
const struct replicas *node_replicas(const struct node *node);
bool node_image_is_whole(const struct node *node); /* not between two of its states */
enum node_state node_state(const struct node *node);

#endif
