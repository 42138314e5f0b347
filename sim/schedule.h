/* schedule.h -- what goes wrong, when: faults as data.
 *
 * A run is a function of its seed and its schedule. The seed draws one; a file (plan.h) may replace it, so that a
 * failure stays reproducible when the draws change, and can be cut down. As text: one fault a line, times in
 * microseconds, whatever is left out being 0:
 *
 *     1250000 partition 1,4..5 ways=out channels=node+wal for=400000
 *     1300000 power-loss leader loss=mixed aim=rename for=50000
 *
 * Machines are numbered from 1, as their nodes are. "leader" is whoever leads the metadata group when the time comes,
 * "others" is somebody who does not, "voter" is one of them who votes. Of some partition that has several replicas,
 * "head" is who leads it, "follower" is in sync with him, "laggard" is not. An aimed fault waits, from its time on, for
 * a moment when it hurts. */
#ifndef CHRONIK_SIM_SCHEDULE_H
#define CHRONIK_SIM_SCHEDULE_H

#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

/* X(kind, text, first argument, second argument, what it does); arguments are of EACH_ARGUMENT */
/* clang-format off */
#define EACH_FAULT(X) \
    X(POWER_LOSS, "power-loss", LOSS,    DARK,     "machines lose power, and start again after a while") \
    X(KILL,       "kill",       NONE,    NONE,     "processes are killed, and start again after a while") \
    X(STOP,       "stop",       BREAKS,  NONE,     "nodes are asked to stop, and start again") \
    X(STALL,      "stall",      FACTOR,  SORT,     "disks are slower") \
    X(FULL,       "full",       NONE,    NONE,     "disks are full") \
    X(SYNC_FAILS, "sync-fails", NTH,     SORT,     "a sync fails, and marks clean what it did not write") \
    X(READ_FAILS, "read-fails", NONE,    NONE,     "one read in four fails") \
    X(FLIP,       "flip",       NONE,    NONE,     "one durable bit flips") \
    X(WIPE,       "wipe",       NONE,    NONE,     "machines lose their disk, and come back under the same name") \
    X(RESET,      "reset",      ONE_OF,  CHANNELS, "connections break") \
    X(CLOG,       "clog",       ONE_OF,  CHANNELS, "connections stand still for a while") \
    X(MUTE,       "mute",       ONE_OF,  CHANNELS, "connections go silent for good, and neither end is told") \
    X(PARTITION,  "partition",  WAYS,    CHANNELS, "machines are cut off, or are not heard, or hear nobody") \
    X(SWIZZLE,    "swizzle",    STEP,    CHANNELS, "machines are cut off one by one, and come back in another order") \
    X(SLOW,       "slow",       FACTOR,  NONE,     "everything takes longer to and from machines") \
    X(REFUSE,     "refuse",     NONE,    NONE,     "machines take no new connections") \
    X(CLOCK_STEP, "clock-step", SECONDS, NONE,     "wall clocks are wrong") \
    X(PAUSE,      "pause",      NONE,    NONE,     "processes stand still while time goes on") \
    X(JOIN,       "join",       NONE,    NONE,     "machines that were never part of the cluster join it") \
    X(REMOVE,     "remove",     NONE,    NONE,     "the cluster is asked to go on without nodes") \
    X(TRANSFER,   "transfer",   NONE,    NONE,     "the metadata group is asked to take a node as its leader") \
    X(RECOVER,    "recover",    NONE,    NONE,     "all others are lost for ever; one loses power, and goes on alone") \
    X(PROMOTE,    "promote",    NONE,    NONE,     "all others are lost for ever; one is ordered to go on alone")

/* X(argument, its name in a file, its words by value; bits are joined by '+'; none: a number) */
#define EACH_ARGUMENT(X) \
    X(NONE,     "",         "") \
    X(LOSS,     "loss",     "all none mixed") \
    X(DARK,     "dark",     "") \
    X(BREAKS,   "breaks",   "") \
    X(FACTOR,   "factor",   "") \
    X(SORT,     "sort",     "all urgent others kind-1 kind-2 kind-3 kind-4 kind-5 kind-6 kind-7 kind-8 kind-9 " \
                            "kind-10 kind-11 kind-12 kind-13") \
    X(NTH,      "nth",      "") \
    X(ONE_OF,   "one-of",   "") \
    X(CHANNELS, "channels", "+kafka+operator+node+wal") \
    X(WAYS,     "ways",     "+out+in") \
    X(STEP,     "step",     "") \
    X(SECONDS,  "seconds",  "")

/* X(aim, text, the moment) */
#define EACH_AIM(X) \
    X(NONE,      "none",      "at once") \
    X(WRITE,     "write",     "a write is under way") \
    X(SYNC,      "sync",      "a sync is under way") \
    X(RENAME,    "rename",    "a file is being renamed") \
    X(UNLINK,    "unlink",    "or removed, or truncated") \
    X(DIRECTORY, "directory", "names are being made durable") \
    X(RECOVERY,  "recovery",  "the process has not served anybody yet") \
    X(LATE,      "late",      "an order waits long, while all else went on") \
    X(ELECTION,  "election",  "the metadata group has no leader, or a new one") \
    X(SNAPSHOT,  "snapshot",  "a snapshot is on its way to the node") \
    X(APPEND,    "append",    "it leads records that are not committed yet") \
    X(OFFICE,    "office",    "it has just begun to lead a partition") \
    X(CUT,       "cut",       "one of its logs has just lost its end") \
    X(ISR,       "isr",       "an ISR has just changed, or is about to") \
    X(BEHIND,    "behind",    "it has a replica that is not in sync") \
    X(JOINING,   "joining",   "a leader is about to have it in sync, or has asked for that")
/* clang-format on */

enum fault_kind {
#define X(kind, text, first, second, what) FAULT_##kind,
    EACH_FAULT(X)
#undef X
        FAULT_COUNT
};

enum argument {
#define X(argument, text, words) ARGUMENT_##argument,
    EACH_ARGUMENT(X)
#undef X
};

enum aim {
#define X(aim, text, what) AIM_##aim,
    EACH_AIM(X)
#undef X
        AIM_COUNT
};

enum { SCHEDULE_MAX = 1024, SET_RANGES_MAX = 8 };

enum machine_role {
    ROLE_ANY,
    ROLE_LEADER,
    ROLE_OTHER,
    ROLE_VOTER,
    ROLE_HEAD, /* from here on, of a partition */
    ROLE_FOLLOWER,
    ROLE_LAGGARD,
    ROLE_COUNT
};

/* Machines, from 0 on: those in one of the ranges [first, last], or one of that role. */
struct machine_set {
    enum machine_role role;
    uint32_t range_count;
    struct {
        uint32_t first, last;
    } ranges[SET_RANGES_MAX];
};

bool machine_set_has(const struct machine_set *set, uint32_t machine);

struct fault {
    uint64_t time_us;
    enum fault_kind kind;
    enum aim aim;
    struct machine_set machines;
    int32_t values[2]; /* of the kind's arguments */
    uint64_t duration_us;
};

struct schedule {
    struct fault list[SCHEDULE_MAX];
    uint32_t count;
};

/* Rates by kind: faults per 100 simulated seconds, 0 switches a kind off. */
struct fault_rates {
    uint32_t per_100_s[FAULT_COUNT];
    bool aimed;
    uint32_t at_replicas; /* of 100 faults, how many are for those who lead or follow; then more of them are aimed */
    uint32_t aftershocks; /* of 100 faults, how many are followed by another one at once */
    uint64_t quiet_us;    /* before, there is nothing to break yet */
};

/* Of these machines, the first `nodes` are there from the beginning. */
void schedule_draw(struct schedule *schedule, uint64_t seed, const struct fault_rates *rates, uint32_t machines,
                   uint32_t nodes, uint64_t begin_us, uint64_t end_us);

/* One fault as a line, without its end. */
void fault_format(const struct fault *fault, char *text, uint32_t size);
bool fault_parse(const char *text, struct fault *fault);

const char *fault_name(enum fault_kind kind);

/* By time, and kinds of one time in their order. */
void schedule_sort(struct schedule *schedule);

#endif
