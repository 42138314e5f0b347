/* schedule.h -- what goes wrong, when: faults as data.
 *
 * A run is a function of its seed and its schedule. The seed draws one; a file may replace it, so that a failure stays
 * reproducible when the draws change, and can be cut down. One fault a line, times in microseconds:
 *
 *     <time> <kind> <machine> <argument> <duration>
 *
 * An aimed fault (argument bits above AIM_SHIFT) waits, from its time on, for a moment when it hurts. */
#ifndef CHRONIK_SIM_SCHEDULE_H
#define CHRONIK_SIM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* X(kind, text, what it does; argument; duration) */
#define EACH_FAULT(X)                                                                                                  \
    X(POWER_LOSS, "power-loss", "the machine loses power; how sectors are lost (enum loss); until it starts again")    \
    X(KILL, "kill", "the process is killed; -; until it starts again")                                                 \
    X(STOP, "stop", "the node is asked to stop; 1: and connections break; -")                                          \
    X(STALL, "stall", "the disk is slower; by this factor + 4096 * which part (enum stalled); so long")                \
    X(FULL, "full", "the disk is full; -; so long")                                                                    \
    X(SYNC_FAILS, "sync-fails",                                                                                        \
      "a sync fails, and marks clean what it did not write; which from now + 4096 * sort (enum stalled); -")           \
    X(READ_FAILS, "read-fails", "one read in four fails; -; so long")                                                  \
    X(FLIP, "flip", "one durable bit flips; -; -")                                                                     \
    X(RESET, "reset", "connections break; one of how many; -")                                                         \
    X(CLOG, "clog", "connections stand still; one of how many; so long")                                               \
    X(CLOCK_STEP, "clock-step", "the wall clock is wrong; by this many seconds, signed, less than an hour; -")         \
    X(PAUSE, "pause", "the process stands still while time goes on; -; so long")

enum fault_kind {
#define X(kind, text, what) FAULT_##kind,
    EACH_FAULT(X)
#undef X
        FAULT_COUNT
};

/* Moments to wait for. */
enum aim {
    AIM_NONE,
    AIM_WRITE,     /* a write is under way */
    AIM_SYNC,      /* a sync is under way */
    AIM_RENAME,    /* a file is being renamed */
    AIM_UNLINK,    /* or removed, or truncated */
    AIM_DIRECTORY, /* names are being made durable */
    AIM_RECOVERY,  /* the process has not served anybody yet */
    AIM_COUNT
};
enum { AIM_SHIFT = 16, SCHEDULE_MAX = 256 };

struct fault {
    uint64_t time_us;
    enum fault_kind kind;
    uint32_t machine;
    uint32_t argument; /* low 16 bits: the kind's own; above: enum aim */
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
};

void schedule_draw(struct schedule *schedule, uint64_t seed, const struct fault_rates *rates, uint32_t machines,
                   uint64_t begin_us, uint64_t end_us);

/* False: cannot be read, or line *line is wrong. */
bool schedule_read(struct schedule *schedule, const char *path, uint32_t *line);
bool schedule_write(const struct schedule *schedule, const char *path);

const char *fault_name(enum fault_kind kind);

#endif
