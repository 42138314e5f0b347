/* run.h -- one run: what the seed makes of it, its machines, its clients, its faults, its phases, its verdict.
 *
 *   GROW      where there are very many nodes: all of it is made first (scale.h)
 *   CHAOS     clients work while the schedule's faults happen
 *   HEAL      faults end, machines are up, the cluster comes to rest; whoever produced finishes what it began
 *   VERIFY    everything is read from the start
 *   STOP      the nodes are asked to stop, all at once or one after the other, and start again
 *   REVERIFY  and everything is still there */
#ifndef CHRONIK_SIM_RUN_H
#define CHRONIK_SIM_RUN_H

#include "sim/client.h"
#include "sim/cohort.h"
#include "sim/disaster.h"
#include "sim/group.h"
#include "sim/judge.h"
#include "sim/plane.h"
#include "sim/report.h"
#include "sim/world.h"

enum { NODES_MAX = 20000 };

enum phase { PHASE_GROW, PHASE_CHAOS, PHASE_HEAL, PHASE_VERIFY, PHASE_STOP, PHASE_REVERIFY, PHASE_DONE };

enum profile { PROFILE_SWARM, PROFILE_LITE, PROFILE_CALM, PROFILE_SCALE, PROFILE_COUNT };

/* What the command line wants instead of what the seed would draw; 0: nothing. */
struct wishes {
    enum profile profile;
    uint32_t nodes, voters, topics, partitions, clients, replicas, moves, disasters, observers, members;
};

/* All that differs between runs and is not a fault. */
struct knobs {
    enum profile profile;
    uint32_t nodes;   /* machines at the beginning; more may join */
    uint32_t joiners; /* machines that may join later */
    uint32_t voters;
    uint32_t peer_links; /* that a node may have, in each direction */
    uint32_t producers, idempotent_producers, consumers, administrators;
    uint32_t topics, partitions; /* of each topic at first */
    uint32_t bulk_partitions;    /* that nobody writes to, before all else begins */
    uint32_t replicas;           /* of each partition, where there are as many nodes; 0: as topics come by themselves */
    uint32_t moves;              /* of 100 orders of administrators, how many move partitions */
    uint32_t disasters;          /* that leave one node of all */
    uint32_t observers;          /* the last of the machines at the beginning, which follow and do not count */
    uint32_t members;            /* of consumer groups, in up to COHORTS_MAX of them */
    uint32_t owners;             /* clients with a topic of their own */
    uint32_t liars;              /* clients that send what is to be refused */
    uint32_t min_isr;
    uint32_t lag_ms;       /* replica.lag.time.max.ms */
    uint32_t remote_reads; /* of 100 times, how often a consumer asks a follower */
    uint32_t records;      /* that each producer makes */
    uint32_t batch_records_max, value_size_max;
    uint32_t impatience;        /* of 1,000 wake-ups, how often a client breaks off and comes again */
    uint64_t patience_ns;       /* a client breaks off when it has waited so long for an answer */
    uint64_t producer_pause_ns; /* between two batches, at most */
    uint64_t administration_ns; /* between two administrative requests, at most */
    uint64_t chaos_us;
    uint64_t network_latency_ns, write_latency_ns, sync_latency_ns;
    uint32_t zones, zone_factor;
    uint64_t bytes_per_ms;
    uint32_t window_size;
    uint32_t clock_drift; /* 1024ths, at most */
    uint32_t checks;      /* every so many steps the node checks itself */
    uint32_t shadows;     /* of 1,000 acknowledgements, how many are checked against what a power loss would leave */
    uint64_t shadows_from_us; /* earlier ones are counted and not made: nobody wants to know */
    uint32_t images;          /* every so many entries the images of all nodes are compared */
    bool retention;
    bool settings_change; /* from one start of a node to its next */
    uint32_t canary;      /* it fails with the so-manieth crash, on purpose; 0: it does not */
    bool rolling;         /* nodes stop one after the other */
    uint64_t seed;
    struct fault_rates rates;
};

enum { LATE_STEPS = 200 }; /* of a process: an order that waits longer is late */

#define SHADOW_PATIENCE_NS (60ull * 1000 * 1000 * 1000)

struct run {
    struct world world;
    struct wishes wishes;
    struct knobs knobs;
    struct schedule schedule;
    struct judge judge;
    struct group group;
    struct plane plane;
    struct disaster disaster;
    struct cohorts cohorts;
    enum phase phase;
    uint64_t phase_began_ns;
    uint64_t settled_ns; /* how long healing took */
    uint32_t stopping;   /* PHASE_STOP: the machine whose turn it is */
    struct client **clients;
    struct client *operator; /* one of them; NULL: there is nothing to operate */
    uint32_t client_count, client_max;
    struct report report;
    bool disk_failed; /* a fault was injected that entitles a node to halt with HALT_DISK_FAILED */
    bool disk_was_full;
    bool damaged;     /* bits were flipped */
    bool is_shadow;   /* see shadow.c */
    uint32_t crashes; /* faults that were power losses or kills, and met somebody */
    uint64_t shadows;
    uint64_t shadows_made, shadow_events;
    uint64_t seen_before;            /* shadow: when it was looked at last */
    const struct schedule *given;    /* instead of the drawn one */
    const struct settings *settings; /* those instead of the drawn ones; or NULL */
    uint64_t until;                  /* it ends after that event; 0: when it is over */
    uint64_t stop_at;                /* SIGTRAP before that event, for a debugger; 0: never */
    uint64_t reseed_at, reseed;      /* from that event on it is another future, of that number; 0: never */
    uint64_t reseeded_ns;            /* when that was */
    FILE *trace;
    struct tape *tape; /* takes down what happens; or NULL */
};

struct client *run_add_client(struct run *run, enum client_kind kind);

/* With seeds as an operator would give them: some of those that are part of the cluster now. */
void run_start(struct run *run, uint32_t machine);

/* faults.c */
void faults_begin(struct run *run);
void faults_end(struct run *run);

/* shadow.c: what would a power loss leave right now? Other nodes find out. */
void shadow_check(struct run *run);

/* For an acknowledgement: now and then, `weight` times as often as for the usual one. */
void shadow_perhaps(struct run *run, struct client *client, uint32_t weight);

/* knobs.c */
void knobs_draw(struct knobs *knobs, struct config *config, uint64_t seed, const struct wishes *wishes);

/* The faults that the seed makes of them. */
void knobs_draw_faults(const struct knobs *knobs, struct schedule *schedule, uint64_t seed);

/* The config of machine `number`, from what they have in common. */
void knobs_config(const struct knobs *knobs, const struct config *common, uint32_t number, struct config *config);

/* One more to ask. */
void knobs_seed(struct config *config, uint32_t number);
/* For its so-manieth start: settings that may differ from those of the start before. */
void knobs_redraw(const struct knobs *knobs, struct config *config, uint64_t start);

enum outcome {
    OUTCOME_PASSED = 0,
    OUTCOME_CRASH = 127,
    OUTCOME_LIVENESS = 128,
    OUTCOME_CORRECTNESS = 129,
    OUTCOME_NONDETERMINISM = 130
};

/* The whole run. The story of a failure is in run->judge. */
enum outcome run_seed(struct run *run, uint64_t seed);
void run_free(struct run *run);

#endif
