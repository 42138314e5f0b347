/* world.h -- the simulated machine room: one clock, machines with a disk and a process each, wires to clients.
 *
 * It is a host like runtime/: host_wait pops the next happening and makes it an event, host_do turns orders into later
 * happenings. It knows nothing of Kafka; clients.c puts bytes on wires, faults.c breaks things, judge.c decides.
 *
 * Randomness comes in streams, one per subsystem and machine, derived from the seed: taking one fault away does not
 * shift what anybody else draws. Time is in nanoseconds and never comes from outside. */
#ifndef CHRONIK_SIM_WORLD_H
#define CHRONIK_SIM_WORLD_H

#include "base/effect.h"
#include "base/prng.h"
#include "node.h"
#include "sim/disk.h"
#include "sim/queue.h"

#include <stdio.h>

enum { IDLE_STEPS_MAX = 20000, MACHINES_MAX = 16, WIRES_MAX = 256, WIRE_NONE = UINT32_MAX };

/* Streams of randomness. */
enum stream {
    STREAM_KNOBS = 1, /* what kind of run this is */
    STREAM_FAULTS,
    STREAM_HOST, /* order of effects, cuts of what is received */
    STREAM_NET,
    STREAM_DISK = 100,    /* plus the machine */
    STREAM_NODE = 200,    /* plus the machine: the node's own seed */
    STREAM_CLIENT = 1000, /* plus the client */
};

/* Bytes on their way in one direction. */
struct flow {
    uint8_t *data;
    uint32_t begin, end, capacity;
    uint64_t last_ns; /* nothing overtakes */
};

struct wire {
    bool used;
    uint32_t generation; /* of this number's use: late happenings of an earlier one mean nothing */
    uint32_t machine;
    uint32_t client;
    bool node_open; /* the node has been told, and not been told of the end */
    bool client_open;
    bool arrival_queued, delivery_queued;
    bool receiving; /* a RECEIVE is outstanding */
    struct effect_receive receive;
    bool sending;
    struct effect_send send;
    uint32_t send_crc;
    uint32_t clogged_until_ms; /* nothing moves before */
    struct flow to_node, to_client;
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
    enum process_state state;
    uint32_t starts; /* a happening of an earlier life is void */
    uint32_t deadline_generation;
    uint64_t deadline_ns;
    uint64_t idle_steps; /* in a row that were only asked for by the node and brought nothing */
    uint64_t paused_until_ns;
    struct effect_halt halt;
    bool stop_asked;
    bool has_answered; /* in this life: it had recovered, and served somebody */
    uint8_t *lent;     /* what the event being stepped lends; poisoned afterwards */
    uint32_t lent_size;
    uint64_t steps, steps_at_start;
    uint64_t checks_every; /* steps between two checks of all its invariants; 0: none */
};

struct world {
    uint64_t seed;
    uint64_t now_ns;
    int64_t wall_true_ms; /* the wall clock at time 0 */
    int64_t wall_base_ms; /* what machines take for it; a fault moves it */
    struct queue queue;
    struct prng host_prng, net_prng;
    struct machine machines[MACHINES_MAX];
    uint32_t machine_count;
    struct wire wires[WIRES_MAX];
    uint64_t latency_ns; /* of the network, about */
    uint64_t digest;
    uint64_t events;
    uint64_t events_max; /* a run that never comes to rest ends here */
    uint64_t note_counts[NOTE_COUNT];
    FILE *digests; /* of every event, to find the first that differs; or NULL */
    bool ended;
    uint32_t current; /* the machine whose node was stepped last */
    void *run;        /* for clients, faults and judge: their own state */
};

void world_init(struct world *world, uint64_t seed);
void world_free(struct world *world);

/* A machine with a disk and no process. */
uint32_t world_add_machine(struct world *world, const struct config *config);

/* Queues something for `delay_ns` from now. */
void world_after(struct world *world, uint64_t delay_ns, enum happening_kind kind, uint32_t machine, uint32_t a,
                 uint32_t b);

/* ---- processes ---- */
void world_start(struct world *world, uint32_t machine);
void world_kill(struct world *world, uint32_t machine);                       /* the process; the machine stays up */
void world_lose_power(struct world *world, uint32_t machine, enum loss loss); /* kills, and loses what was not synced */
void world_ask_stop(struct world *world, uint32_t machine);

/* ---- wires, from the client's side ---- */
uint32_t world_connect(struct world *world, uint32_t client, uint32_t machine); /* WIRE_NONE: nobody listens */
void world_write(struct world *world, uint32_t wire, const void *data, uint32_t size);
void world_hang_up(struct world *world, uint32_t wire);

/* ---- what the world tells; run.c has them ---- */
void run_on_bytes(struct world *world, uint32_t client, uint32_t wire, const uint8_t *data, uint32_t size);
void run_on_hang_up(struct world *world, uint32_t client, uint32_t wire);
void run_on_client(struct world *world, uint32_t client);
void run_on_fault(struct world *world, uint32_t entry);
void run_on_fault_end(struct world *world, uint32_t entry);
void run_on_phase(struct world *world);
void run_on_spin(struct world *world, uint32_t machine); /* it keeps asking for time and does nothing with it */
void run_on_halt(struct world *world, uint32_t machine);
void run_on_orders(struct world *world, uint32_t machine, const struct effects *effects);
void run_on_step(struct world *world, uint32_t machine, const struct event *event);

/* Runs until nothing happens any more or world->ended. */
void world_run(struct world *world);

/* Mixes a number into the run's digest. */
static inline void world_mix(struct world *world, uint64_t value)
{
    world->digest = (world->digest ^ value) * 0x9e3779b97f4a7c15;
    world->digest ^= world->digest >> 29;
}

#endif
