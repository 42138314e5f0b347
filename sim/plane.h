/* plane.h -- the partitions' data as its judge sees it: what must be true of all replicas at any time.
 *
 *   O3   within a leader's term of office its high watermark never steps back
 *   O7   whoever is in an ISR or ELR (of the newest configuration that anybody has applied) holds, durably, everything
 *        below the highest high watermark that any leader ever showed; no follower shows more than that; nobody is
 *        elected uncleanly where no disk was lost
 *        ... and nothing that somebody was told is deleted
 *   O12  what is acknowledged with acks=all lies below a leader's high watermark
 *   O2   at a clean stop: what a node calls committed is the same on its disk as on all others, byte by byte
 *   ... and what configurations, leaders and lines of epochs may be like (offices.h)
 *
 * It looks at a node after each of its steps, by questions that log/logs.h and meta/image.h answer: O(replicas on
 * that node), and O(all partitions) once for each metadata entry and when partitions come, go or move. It keeps a few
 * numbers per replica, never a record. */
#ifndef CHRONIK_SIM_PLANE_H
#define CHRONIK_SIM_PLANE_H

#include "meta/image.h"
#include "sim/judge.h"
#include "sim/schedule.h"

#include <stdio.h>

struct logs;
struct replicas;

/* A machine's replica of a partition, as it was seen last. What it said to be durable stays so when the process
 * dies. */
struct plane_replica {
    uint32_t machine;
    bool there;    /* its node has a log */
    bool lost;     /* the disk is gone that it was on, and the cluster still counts on it */
    bool leads;    /* as far as its own node knows */
    uint32_t life; /* which start of its node said so */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int64_t log_start_offset, durable_offset, log_end_offset, high_watermark;
    int64_t compared_offset; /* below it its epochs were held against the partition's */
    int32_t emptied_epoch;   /* the leader epoch in which its disk was lost last; -1: none */
    bool joins;              /* its leader waits for it, and means to ask that it is added ... */
    bool wished;             /* ... or has asked for that, or it is in sync */
    int32_t asked_in;        /* the leader epoch in which it was asked for last; -1: none */
    int64_t asked_epoch;     /* and the process that was judged to be fit: the epoch of its registration; 0: none */
    bool able;               /* as far as that leader knows it may be in sync */
};

/* Where committed records of a leader's epoch begin; -1: nobody knows whose they were. */
struct plane_epoch {
    int64_t start_offset;
    int32_t leader_epoch;
};

enum {
    PLANE_NOBODY = UINT32_MAX,             /* no machine */
    PLANE_REPLICAS_MAX = REPLICAS_MAX + 4, /* some have left and are still told apart */
    PLANE_MACHINES_MAX = 20032,
};

struct plane_partition {
    struct uuid topic_id;
    int32_t index;
    bool exempt; /* what can be lost was lost, or it is as its topic wants it */
    bool gone;   /* with its topic */
    bool struck; /* by a disaster: whoever was left leads, and nothing is owed if that was no clean election */
    uint64_t scan;
    int64_t high_watermark; /* the highest that any leader showed, and in which epoch */
    int32_t high_watermark_epoch;
    int64_t deleted;               /* somebody was told that all below it is */
    struct image_partition newest; /* of all configurations that were applied by anybody */
    uint32_t replica_count;
    struct plane_replica replicas[PLANE_REPLICAS_MAX];
    struct plane_epoch *line; /* the epochs of all that is committed, up to line_end */
    uint32_t line_count, line_max;
    int64_t line_end;
    uint64_t *stored; /* by offset: digest of the batch that begins there, on whatever disk; 0: not known */
    int64_t stored_max;
};

/* What a machine's node is doing that a crash could make worse. */
struct plane_machine {
    uint32_t *slots; /* of its image: those partitions that it has a replica of; and which one of ours each is */
    uint32_t *partitions;
    uint32_t count, max;
    uint64_t seen_index;   /* when it was looked at last */
    uint64_t listed_index; /* when these were listed; UINT64_MAX: they were not */
    uint64_t expands;      /* so often it has asked to add somebody */
    bool lacks;            /* one was not there yet */
    uint32_t life;
    bool waits;          /* it leads something of which not all is committed */
    uint64_t elected_ns; /* when it began to lead something that somebody else had led */
    uint64_t cut_ns;     /* when a log of it lost its end last */
};

struct plane {
    struct plane_partition **partitions;
    uint32_t partition_count, partition_max;
    uint32_t *places; /* a hash table: which partition is where, PLACE_FREE: none */
    uint32_t place_max;
    struct plane_machine *machines;
    uint32_t machine_max;
    uint64_t emptied[PLANE_MACHINES_MAX / 64]; /* bits of machines: the disk was lost, and no node was up on the new
                                                  one yet */
    uint64_t behind[PLANE_MACHINES_MAX / 64];  /* likewise: left behind by a disaster, and not back with a new disk */
    uint64_t scanned_index;
    uint64_t moved_index; /* when a partition was made, removed or placed elsewhere last */
    uint64_t scans;
    uint64_t isr_changed_ns; /* when a configuration came up last in which an ISR was another than before */
    uint64_t isr_changes, elections, compared;
    int64_t *broker_epochs; /* by machine, as the entry that was scanned last has them; 0: not registered */
    uint32_t broker_max;
    FILE *trace; /* NULL: nobody wants to know */
};

struct plane_look {
    uint32_t number;
    uint32_t life;
    uint64_t now_ns;
    bool quiet;    /* nothing has happened that a log could have changed by, unless new metadata is applied */
    bool thorough; /* leaders are asked what they believe: that takes time where there are very many */
    const struct image *image;
    const struct logs *logs;
    const struct replicas *replicas; /* NULL: nobody is asked */
};

void plane_init(struct plane *plane);
void plane_free(struct plane *plane);

/* NULL: there is none. */
const struct plane_partition *plane_find(const struct plane *plane, const struct uuid *topic_id, int32_t index);
const struct plane_replica *plane_replica_on(const struct plane_partition *partition, uint32_t machine);

/* What is known of the disks, for other processes on copies of them. */
void plane_copy(const struct plane *plane, struct plane *copy);
void plane_on_step(struct plane *plane, struct judge *judge, const struct plane_look *look);

/* The machine's disk is empty. Partitions of which nobody else has to have everything are not judged any more, and the
 * judge is told so. */
void plane_on_wiped(struct plane *plane, struct judge *judge, uint32_t machine);

/* All other disks are gone for ever. What the survivor has not got, or need not have, is not judged any more; it may be
 * elected where it was not in sync. */
void plane_on_disaster(struct plane *plane, struct judge *judge, uint32_t survivor);

/* Where the machine's log of it began when it was seen last; what lies before that goes file by file. INT64_MAX: the
 * replica was taken away from it. */
int64_t plane_log_start(const struct plane *plane, uint32_t machine, const struct judged_partition *judged);

/* Acknowledged by all that are in sync. */
void plane_on_acked(const struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                    int64_t offset);

/* How far a partition is committed when a question is asked: a leader of that epoch or a later one knows as much. */
struct plane_floor {
    int64_t high_watermark;
    int32_t leader_epoch; /* -1: nothing is known */
    bool follows;         /* whom is asked knows that another one leads */
};
struct plane_floor plane_floor(const struct plane *plane, const struct uuid *topic_id, int32_t index, uint32_t machine);

/* A leader that was held to the epoch names the end of what is committed (KIP-207). */
void plane_on_latest(const struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                     const struct plane_floor *floor, int32_t leader_epoch, int64_t offset);

/* A machine that was asked for records from an offset on says that nobody has any there (KIP-392). */
void plane_on_denied(const struct plane *plane, struct judge *judge, const struct judged_partition *judged,
                     const struct plane_floor *floor, uint32_t machine, int64_t offset);

/* Somebody was told that all below the offset is deleted. */
void plane_on_deleted(struct plane *plane, struct judge *judge, const struct uuid *topic_id, int32_t index,
                      int64_t log_start_offset);

/* A file of a machine's node that stopped cleanly has this batch. Below what that node called committed, it is the same
 * everywhere. */
void plane_on_stored(struct plane *plane, struct judge *judge, uint32_t machine, const struct judged_partition *judged,
                     int64_t base_offset, uint64_t digest);

/* Whether this high watermark is all that the partition's leader has: a new one may show less than there is for a
 * while. */
bool plane_shows_all(const struct plane *plane, const struct uuid *topic_id, int32_t index, int64_t high_watermark);

/* Whether nobody is left who could lead it, and that is the fault of its disks: it rests as it is, without a leader. */
bool plane_is_given_up(const struct plane *plane, const struct uuid *topic_id, int32_t index);

/* Whether it may have lost what was committed, or nothing is known of it. */
bool plane_is_exempt(const struct plane *plane, const struct uuid *topic_id, int32_t index);

/* Who leads by the newest configuration that anybody has applied, and in which epoch; -1: nobody. */
int32_t plane_leader(const struct plane *plane, const struct uuid *topic_id, int32_t index, int32_t *epoch);

/* What is not at rest in a partition, in words; NULL: everything is. */
const char *plane_unrest(const struct plane *plane, const struct image *image, char *text, uint32_t size);

/* Whether the moment that a fault is aimed at has come for a machine; of the aims that concern its replicas. */
bool plane_moment(const struct plane *plane, enum aim aim, uint32_t machine, uint64_t now_ns);

/* Who has that role in a partition of several replicas, which `number` chooses; PLANE_NOBODY: nobody has. */
uint32_t plane_in_role(const struct plane *plane, enum machine_role role, uint64_t number);

/* Whether a machine has all data back that it is to have. */
bool plane_is_whole(const struct plane *plane, uint32_t machine);

#endif
