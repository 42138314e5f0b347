/* cohort.h -- consumer groups as their judge sees them (a cohort is a consumer group here: the group is that of the
 * metadata).
 *
 *   O10  no partition is two members' in one generation; generations only grow; an offset whose commit was answered, or
 *        that was shown, is never forgotten; and who is of yesterday's generation commits nothing. In a group of the
 *        newer protocol no partition is two members' at any time, epochs grow, and who names another epoch than his
 *        own is not heard. A member has what it was told until it has said that it gave it up, or until it was silent
 *        for so long that it may have been taken for gone
 *
 * A node that was deposed and has not heard of it may answer what it still knows: nothing it says is durable, and Kafka
 * promises no more. So what was only read counts where the node coordinated the cohort when it was asked, still did in
 * the same epoch when the answer came, and no node knows of another one. What was written counts always. */
#ifndef CHRONIK_SIM_COHORT_H
#define CHRONIK_SIM_COHORT_H

#include <stdbool.h>
#include <stdint.h>

struct judged_partition;
struct run;

enum {
    COHORTS_MAX = 4,
    COHORT_SHARES = 64,
    COHORT_GENERATIONS_MAX = 8192,
    COHORT_DOUBTS = 64,
    COHORT_ASSIGNMENTS = 4,
    SHARES_PER_TOPIC = 8
};

/* A commit that was sent and never answered. It may come true at any time, until one of a newer generation has: whoever
 * coordinates then knows that generation, and takes none of an older one. */
struct cohort_doubt {
    int64_t number;
    int32_t generation;
};

/* What was committed for a partition. All are numbers that nobody commits twice; -1: none. */
struct cohort_commits {
    int64_t sent;     /* the largest that anybody sent */
    int64_t answered; /* the largest whose commit was answered */
    int64_t shown;    /* the largest that was shown */
    int32_t settled;  /* the highest generation of a commit that was answered: older ones came before it or never */
    int32_t lost;     /* the highest generation of doubts that there was no room for: all may be so; -1: none */
    struct cohort_doubt doubts[COHORT_DOUBTS];
    uint32_t doubt_count;
};

struct cohort {
    char id[16];
    bool newer;                               /* its members speak the newer protocol (KIP-848) */
    uint32_t holders[COHORT_SHARES];          /* then: number of the client that has it + 1; 0: nobody */
    uint32_t (*owners)[COHORT_SHARES];        /* by generation: who was told that it is his; 0: nobody was */
    int32_t told;                             /* the highest generation, or epoch, that anybody was told his share in */
    uint64_t (*assigned)[COHORT_ASSIGNMENTS]; /* by generation: all that its leader sent; one of them counts; 0: none */
    struct cohort_commits commits[COHORT_SHARES];
    uint32_t machine; /* that coordinates it, as far as any node knows */
    int32_t epoch;
    const struct judged_partition *judged; /* its partition of __consumer_offsets; NULL: there is none yet */
};

struct cohorts {
    struct cohort list[COHORTS_MAX];
    uint32_t count;
    bool ready;                        /* the cluster has settings that suit them */
    uint32_t session_ms;               /* of members of the newer protocol */
    uint64_t shares, commits, fetches; /* that were judged */
};

/* A question, and what was known when it was asked. */
struct cohort_asked {
    uint32_t machine;
    int32_t epoch; /* in which it coordinates; -1: it does not */
    int32_t told;
    int64_t answered[COHORT_SHARES], shown[COHORT_SHARES];
    int32_t settled[COHORT_SHARES];
};

/* The seed says who speaks which protocol. */
void cohorts_init(struct cohorts *cohorts, uint32_t count, uint64_t seed, bool all_classic);
void cohorts_free(struct cohorts *cohorts);

void cohort_on_asked(struct run *run, uint32_t cohort, uint32_t machine, struct cohort_asked *asked);

static inline uint32_t cohorts_session_ms(const struct cohorts *cohorts)
{
    return cohorts->session_ms;
}

/* Whoever answered coordinated it all the time, as far as anybody knows. */
bool cohort_is_sure(struct run *run, uint32_t cohort, const struct cohort_asked *asked);

/* Nobody can coordinate it any more: the last disk that had its partition is lost. */
bool cohort_is_given_up(const struct run *run, uint32_t cohort);

/* JoinGroup was answered with a generation, and SyncGroup with shares of it. `who`: not 0, and one process's. */
void cohort_on_joined(struct run *run, uint32_t cohort, const struct cohort_asked *asked, int32_t generation);
void cohort_on_share(struct run *run, uint32_t cohort, int32_t generation, uint32_t who, uint64_t shares);

/* In a group of the newer protocol: a client was told that these shares are its, has given them up (or is gone), and is
 * in an epoch. */
void cohort_on_held(struct run *run, uint32_t cohort, uint32_t client, uint64_t shares);
void cohort_on_released(struct run *run, uint32_t cohort, uint32_t client, uint64_t shares);
void cohort_on_epoch(struct run *run, uint32_t cohort, int32_t epoch);

/* A leader sends what all of its generation are to have; and whether that is so. */
void cohort_on_assigned(struct run *run, uint32_t cohort, int32_t generation, uint64_t shares);
bool cohort_is_assigned(const struct run *run, uint32_t cohort, int32_t generation, uint64_t shares);

/* A new number for a partition is sent to be committed. */
int64_t cohort_on_sent(struct run *run, uint32_t cohort, uint32_t share);
void cohort_on_committed(struct run *run, uint32_t cohort, const struct cohort_asked *asked, int32_t generation,
                         uint32_t share, int64_t number);
void cohort_on_doubt(struct run *run, uint32_t cohort, int32_t generation, uint32_t share, int64_t number);

/* `at_rest`: nothing has gone wrong for long, so whoever was asked knew. */
void cohort_on_shown(struct run *run, uint32_t cohort, const struct cohort_asked *asked, bool at_rest, uint32_t share,
                     int64_t number);

#endif
