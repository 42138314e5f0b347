/* judge.h -- was a promise broken? The one place that decides it.
 *
 * Clients tell what they were promised and what they saw; the judge holds each new fact against all it knows, in O(1).
 * It keeps a digest per (partition, offset), never a copy of a log. Rules are those of docs/simulation.md:
 *
 *   O1   an acknowledged record is never lost or changed
 *   O2   one value per (topic id, partition, offset), over all time
 *   O3   the high watermark and the log start offset never step back, as seen by any client
 *   O4   one leader per (partition, leader epoch), and per term of the metadata group (group.h)
 *   O5   the metadata logs of all nodes match (group.h)
 *   O6   committed metadata is never lost or changed, and the same on all nodes
 *   O7   who may be elected has all that was committed, on disk (plane.h)
 *   O8   idempotent producers: no record twice, none missing, none out of order; no spurious fatal error
 *   O10  consumer groups (cohort.h)
 *   O11  consumers skip nothing
 *   O15  of a compacted log, only what a later record of its key has replaced is gone
 *   O12  nothing is acknowledged that the disk could still lose
 *   O13  a crash during recovery changes nothing
 *   O14  what the metadata group commits is durable on a majority of its voters (group.h)
 *   F    files of a node that stopped cleanly are what Kafka's own tools would take them for
 *   L    after the faults end, everything comes to rest
 *   N    the node stops by itself only for a reason that was given to it
 *   canary   nothing is wrong: the run was told to fail after so many crashes, to see that it is found, told and cut */
#ifndef CHRONIK_SIM_JUDGE_H
#define CHRONIK_SIM_JUDGE_H

#include "base/bytes.h"
#include "base/uuid.h"

enum rule {
    RULE_NONE,
    RULE_O1,
    RULE_O2,
    RULE_O3,
    RULE_O4,
    RULE_O5,
    RULE_O6,
    RULE_O7,
    RULE_O8,
    RULE_O10,
    RULE_O11,
    RULE_O12,
    RULE_O13,
    RULE_O14,
    RULE_O15,
    RULE_F,
    RULE_L,
    RULE_N,
    RULE_CANARY,
    RULE_COUNT
};

/* A record as its producer made it: who, on which of his connections, and the how-manieth of his. Its digest covers
 * key, value and headers. */
struct made {
    uint32_t producer;
    uint32_t sitting;
    uint64_t number;
    uint64_t digest;
};

struct judged_record {
    uint64_t digest; /* 0: nothing known of this offset */
    uint32_t producer;
    uint32_t number;
    int32_t weak_epoch; /* acknowledged by the leader of this epoch alone (acks=1): owed until another one leads */
    uint16_t sitting;
    bool acked : 1;     /* owed for ever */
    bool weak : 1;      /* owed as above */
    bool committed : 1; /* a consumer was given it: it never changes any more */
    bool seen : 1;      /* in this reading */
};

struct judged_partition {
    struct uuid topic_id;
    int32_t index;
    bool gone;           /* the topic was deleted: nothing is owed any more */
    bool may_retain;     /* retention may move the log start offset by itself */
    int64_t start_asked; /* the largest offset that a DeleteRecords may have moved the start to */
    int64_t start_acked; /* and the largest that was acknowledged */
    int64_t log_start_seen;
    int64_t high_watermark_seen;
    int32_t offsets_epoch;  /* the leader epoch in which these two were seen; -1: not known */
    uint32_t replica_count; /* at most so many were there at one time */
    int64_t acked_end;      /* one past the last acknowledged offset */
    struct judged_record *records;
    int64_t count, max;
    int32_t *leaders; /* by leader epoch: broker + 1; 0: nobody was seen to lead it */
    int32_t leader_max;
    int32_t epoch_seen; /* the latest */
};

/* What a question was asked with: when, and how much metadata the node had applied that it went to. A node that has not
 * applied something yet cannot tell of it. `index` UINT64_MAX: whom we asked knew everything. */
struct asked {
    uint64_t ns;
    uint64_t index;
};

struct judged_topic {
    struct uuid id;
    char name[64];
    int32_t partitions; /* at least so many were acknowledged */
    struct asked partitions_since;
    struct asked acked;   /* when it was first known to be there */
    struct asked deleted; /* when its deletion was acknowledged; 0: it was not */
    bool may_be_deleted;
    uint64_t listing; /* the last whole list that named it */
};

/* A number in a topic's config that one client changes. */
struct judged_config {
    int32_t value; /* acknowledged; 0: none was */
    int32_t asked; /* and perhaps there, while it is in doubt */
    bool in_doubt;
    struct asked acked; /* since when */
};

enum {
    JUDGED_PARTITIONS_MAX = 512,
    JUDGED_TOPICS_MAX = 256,
    JUDGED_PRODUCERS_MAX = 64,
    JUDGED_CONFIGS_MAX = 8,
    JUDGED_SITTINGS_MAX = 8, /* of one producer, that may still be read from at a time */
    STORY_SIZE = 512
};

/* In runs in which logs are compacted, a record's key is a number, and follows from its own. */
enum { JUDGED_KEYS = 16 };
static inline uint32_t judged_key(uint64_t number)
{
    return (uint32_t)(number % JUDGED_KEYS);
}

/* In such runs, some records say that there is nothing of their key any more; what they are is said by a header. They
 * are owed as others are: it takes a day until one may go. */
static inline bool judged_is_tombstone(uint64_t number)
{
    return (number + number / JUDGED_KEYS) % 4 == 0;
}

struct judge {
    enum rule broken; /* the first one */
    char story[STORY_SIZE];
    char place[160]; /* the story before its words were filled in: which question it was */
    uint64_t now_ns;
    uint64_t index;     /* the highest that any node has applied: what is acknowledged now lies at or below it */
    bool all_strict;    /* whoever writes wants acks=all */
    bool compacts;      /* all logs are: of each key, the last record is owed */
    bool forgives_loss; /* the fault budget was exceeded on purpose: durable bytes were damaged */
    struct judged_partition partitions[JUDGED_PARTITIONS_MAX];
    uint32_t partition_count;
    struct judged_topic topics[JUDGED_TOPICS_MAX];
    uint32_t topic_count;
    uint64_t listings;
    struct judged_config configs[JUDGED_CONFIGS_MAX];
    bool consecutive[JUDGED_PRODUCERS_MAX]; /* idempotent: in a partition its numbers have no gap */
    uint64_t acked, seen, skipped_excused;
};

void judge_init(struct judge *judge);
void judge_free(struct judge *judge);

/* Only the first violation counts; what follows from it is noise. */
__attribute__((format(printf, 3, 4))) void judge_violated(struct judge *judge, enum rule rule, const char *story, ...);
const char *rule_name(enum rule rule);

struct judged_partition *judge_partition(struct judge *judge, const struct uuid *topic_id, int32_t index);

/* `weak_epoch`: acks=1, from a leader of this epoch or a later one; -1: all that are in sync have it. */
void judge_on_acked(struct judge *judge, struct judged_partition *partition, int64_t offset, int32_t weak_epoch,
                    const struct made *made);

/* A consumer read this record. */
void judge_on_read(struct judge *judge, struct judged_partition *partition, int64_t offset, const struct made *made);

/* What was known of a partition when a question was asked: an answer may be older than what others learned since. */
struct floor {
    int64_t log_start_offset;
    int64_t high_watermark;
    int32_t epoch;
};
struct floor judge_floor(const struct judged_partition *partition);

/* A response named these. -1: it did not say. `epoch`: the leader's, if it was held to one; else -1. A new leader may
 * know less of the high watermark than the one before; where there is one replica, it is the same log. */
void judge_on_offsets(struct judge *judge, struct judged_partition *partition, const struct floor *floor, int32_t epoch,
                      int64_t log_start_offset, int64_t high_watermark);

/* A consumer that wanted `wanted` was given records from `given` on. */
void judge_on_step(struct judge *judge, struct judged_partition *partition, int64_t wanted, int64_t given);

void judge_on_topic(struct judge *judge, const struct uuid *id, const char *name, int32_t partitions);
void judge_on_topic_deleting(struct judge *judge, const struct uuid *id);
void judge_on_topic_deleted(struct judge *judge, const struct uuid *id);

/* A metadata answer says that this topic exists so, or that there is none of this name. */
void judge_on_topic_seen(struct judge *judge, const struct uuid *id, const char *name, int32_t partitions,
                         const struct asked *asked);
void judge_on_topic_absent(struct judge *judge, const char *name, const struct asked *asked);

/* A metadata answer says that the broker leads the partition in that epoch (-1: nobody does), and who has it. */
void judge_on_leader(struct judge *judge, struct judged_partition *partition, int32_t leader_epoch, int32_t broker,
                     uint32_t replica_count);

/* A list of all topics begins; each is told with judge_on_topic_seen. At its end: which is missing? */
void judge_on_listing(struct judge *judge);
void judge_on_listed(struct judge *judge, const struct asked *asked);

void judge_on_config_asked(struct judge *judge, uint32_t config, int32_t value);
void judge_on_config_acked(struct judge *judge, uint32_t config);
void judge_on_config_seen(struct judge *judge, uint32_t config, int32_t value, const struct asked *asked);

/* The last disk that had this partition, or the only one that had to have all of it, was lost: nothing is owed. */
void judge_on_lost(struct judge *judge, const struct uuid *topic_id, int32_t index);

/* One node goes on alone, with the metadata up to this index: what was acknowledged beyond it is in doubt. Leaders are
 * others from now on, and what was owed as long as one led is owed no more. */
void judge_on_disaster(struct judge *judge, uint64_t known_index);

/* Everything was read from the start to the high watermark after all came to rest: what is still missing is lost. */
void judge_on_end(struct judge *judge);

/* What a new reading of all partitions must find again: forgets what was seen, not what is owed. */
void judge_read_again(struct judge *judge);

#endif
