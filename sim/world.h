/* world.h -- the simulated machine room: one clock, machines with a disk and a process each, a net between them.
 *
 * It is a host like runtime/: host_wait pops the next happening and makes it an event, host_do turns orders into later
 * happenings. It knows nothing of Kafka; clients put bytes on connections, faults.c breaks things, judge.c decides.
 *
 * Randomness comes in streams, one per subsystem and machine, derived from the seed: taking one fault away does not
 * shift what anybody else draws. Time is in nanoseconds and never comes from outside; each machine has a clock of its
 * own, which began at some other time and may go at another pace. What it holds is proportional to what there is: a
 * machine is a node's block, of which only what the node touched takes memory, and a disk of what was written. */
#ifndef CHRONIK_SIM_WORLD_H
#define CHRONIK_SIM_WORLD_H

#include "node.h"
#include "sim/disk.h"
#include "sim/links.h"

#include <stdio.h>

enum { IDLE_STEPS_MAX = 20000, MACHINE_NONE = UINT32_MAX, WIRE_NONE = CONNECTION_NONE };

/* Streams of randomness. */
enum stream {
    STREAM_KNOBS = 1, /* what kind of run this is */
    STREAM_FAULTS,
    STREAM_HOST,             /* order of effects, cuts of what is received */
    STREAM_NET,              /* plus the pair of places */
    STREAM_CLOCK,            /* of all machines */
    STREAM_DISK = 1 << 20,   /* plus the machine */
    STREAM_NODE = 2 << 20,   /* plus the machine: the node's own seed */
    STREAM_CLIENT = 3 << 20, /* plus the client */
};

enum process_state {
    PROCESS_DOWN,
    PROCESS_UP,
    PROCESS_HALTED, /* it ordered its own end; see halt */
};

struct machine {
    struct node *node;
    size_t node_size;
    struct config config;
    struct disk disk;
    struct bank banks[BANK_COUNT];
    enum process_state state;
    uint32_t starts; /* a happening of an earlier life is void */
    uint32_t deadline_generation;
    uint64_t deadline_ns; /* by its own clock */
    uint64_t due_ns;      /* of the world's, when the one that is queued comes; it may be too early */
    uint64_t idle_steps;  /* in a row that were only asked for by the node and brought nothing */
    uint64_t paused_until_ns;
    struct effect_halt halt;
    bool wanted;    /* it is part of the cluster: down is a fault */
    bool may_leave; /* an operator has asked that it goes: it may, from then on */
    bool outlived;  /* its disk is of the cluster as it was before a disaster */
    bool wiped;     /* its disk was lost, and the cluster has not made up for it yet */
    bool stop_asked;
    bool sync_failed;          /* the present event says so */
    bool has_answered;         /* in this life: it had recovered, and served somebody */
    uint64_t refused_at_start; /* how much a full disk had refused before this life */
    bool quiet;                /* the present event: a send is done, or a control link has brought something */
    uint8_t *lent;             /* what the event being stepped lends; poisoned afterwards */
    uint32_t lent_size;
    uint64_t steps, steps_at_start;
    uint64_t checks_every; /* steps between two checks of all its invariants; 0: none */
    uint64_t clock_origin_ns;
    int32_t clock_drift;    /* so many 1024ths too fast */
    int64_t wall_offset_ms; /* its wall clock is wrong by this much */
};

struct world {
    uint64_t seed;
    uint64_t now_ns;
    int64_t wall_true_ms; /* the wall clock at time 0 */
    struct queue queue;
    struct prng host_prng, clock_prng;
    struct machine **machines;
    uint32_t machine_count, machine_max;
    struct net net;
    uint64_t digest;
    uint64_t events;
    uint64_t events_max; /* a run that never comes to rest ends here */
    uint64_t note_counts[NOTE_COUNT];
    FILE *digests; /* of every event, to find the first that differs; or NULL */
    bool ended;
    uint64_t settled_index; /* whoever is asked has applied all metadata up to here */
    uint32_t current;       /* the machine whose node was stepped last */
    void *run;              /* for clients, faults and judge: their own state */
};

void world_init(struct world *world, uint64_t seed, uint64_t latency_ns);
void world_free(struct world *world);

/* A machine with a disk and no process. `drift`: its clock is too fast by so many 1024ths at most. */
uint32_t world_add_machine(struct world *world, const struct config *config, uint32_t drift);

/* Queues something for `delay_ns` from now. */
void world_after(struct world *world, uint64_t delay_ns, enum happening_kind kind, uint32_t machine, uint32_t a,
                 uint32_t b);

/* How much metadata the machine's node has applied at least, when it answers what it is asked now. */
uint64_t world_known_index(const struct world *world, uint32_t machine);

int64_t world_wall_ms(const struct world *world); /* what a right clock shows */

/* All streams of randomness begin anew, in a future of that number; what nodes drew already they have. */
void world_reseed(struct world *world, uint64_t future);

/* ---- processes ---- */
void world_start(struct world *world, uint32_t machine);
void world_kill(struct world *world, uint32_t machine); /* the process; the machine stays up, and resets connections */

/* Kills, and loses what was not synced. `dark`: nobody is told, as long as the machine has no power. */
void world_lose_power(struct world *world, uint32_t machine, enum loss loss, bool dark);
void world_ask_stop(struct world *world, uint32_t machine);

/* The process dies, and the machine gets a new disk with nothing on it. */
void world_wipe(struct world *world, uint32_t machine);

/* ---- wires: connections from the client's side ---- */
uint32_t world_connect(struct world *world, uint32_t client, uint32_t machine, enum listener listener);
void world_write(struct world *world, uint32_t wire, const void *data, uint32_t size);
void world_hang_up(struct world *world, uint32_t wire);

/* Bytes that the host lends lie in memory of their own until the step is over. */
const uint8_t *world_lend(struct machine *machine, const uint8_t *data, uint32_t size);

/* ---- what the world tells; run.c has them. Bytes are lent until something is done with the wire ---- */
void run_on_bytes(struct world *world, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size);
void run_on_written(struct world *world, uint32_t wire, const void *data, uint32_t size); /* by a client */
void run_on_hang_up(struct world *world, uint32_t client, uint32_t wire);                 /* or it was refused */
void run_on_client(struct world *world, uint32_t client);
void run_on_fault(struct world *world, uint32_t entry);
void run_on_fault_end(struct world *world, uint32_t entry, uint32_t machine, uint32_t detail);
void run_on_phase(struct world *world);
void run_on_spin(struct world *world, uint32_t machine); /* it keeps asking for time and does nothing with it */
void run_on_halt(struct world *world, uint32_t machine);
void run_on_start(struct world *world, uint32_t machine);        /* its config may still be changed */
void run_on_sync_ignored(struct world *world, uint32_t machine); /* it was told that a sync failed, and goes on */
void run_on_orders(struct world *world, uint32_t machine, const struct effects *effects);
void run_on_step(struct world *world, uint32_t machine, const struct event *event);
void run_on_stepped(struct world *world, uint32_t machine); /* its orders are taken, and it is up */

/* Runs until nothing happens any more or world->ended. */
void world_run(struct world *world);

/* Mixes a number into the run's digest. */
static inline void world_mix(struct world *world, uint64_t value)
{
    world->digest = (world->digest ^ value) * 0x9e3779b97f4a7c15;
    world->digest ^= world->digest >> 29;
}

#endif
