/* run.h -- one run: what the seed makes of it, its clients, its faults, its phases, its verdict.
 *
 *   CHAOS     clients work while the schedule's faults happen
 *   HEAL      faults end, machines are up; whoever produced finishes what it began
 *   VERIFY    everything is read from the start
 *   STOP      the node is asked to stop, and starts again
 *   REVERIFY  and everything is still there */
#ifndef CHRONIK_SIM_RUN_H
#define CHRONIK_SIM_RUN_H

#include "sim/judge.h"
#include "sim/schedule.h"
#include "sim/session.h"
#include "sim/world.h"

enum { CLIENTS_MAX = 32, TOPICS_MAX = 8, TARGETS_MAX = 64, OUTSTANDING_MAX = 8 };

enum phase { PHASE_CHAOS, PHASE_HEAL, PHASE_VERIFY, PHASE_STOP, PHASE_REVERIFY, PHASE_DONE };

/* All that differs between runs and is not a fault. */
struct knobs {
    uint32_t producers, idempotent_producers, consumers, administrators;
    uint32_t topics, partitions; /* of each topic at first */
    uint32_t records;            /* that each producer makes */
    uint32_t batch_records_max, value_size_max;
    uint32_t impatience;        /* of 1,000 wake-ups, how often a client breaks off and comes again */
    uint64_t producer_pause_ns; /* between two batches, at most */
    uint64_t administration_ns; /* between two administrative requests, at most */
    uint64_t chaos_us;
    uint64_t network_latency_ns, write_latency_ns, sync_latency_ns;
    uint32_t checks;  /* every so many steps the node checks itself */
    uint32_t shadows; /* of 1,000 acknowledgements, how many are checked against what a power loss would leave */
    bool retention;
    struct fault_rates rates;
};

enum client_kind { CLIENT_PRODUCER, CLIENT_CONSUMER, CLIENT_ADMINISTRATOR };

/* A partition as a client knows it. */
struct target {
    uint32_t topic; /* number of the name */
    struct uuid topic_id;
    int32_t index;
    struct judged_partition *judged; /* valid until the judge's table grows: it never moves */
    uint64_t next_number;            /* producer */
    int32_t next_sequence;
    int64_t position;  /* consumer: offset wanted next */
    int64_t end;       /* consumer: high watermark when it read all of it; -1: not there yet */
    bool start_wanted; /* consumer: its position is out of range */
    struct floor floor;
};

/* A batch that a producer has sent and has no final answer for. */
struct outstanding {
    uint64_t request; /* it was sent with last */
    bool sent_again;
    uint32_t target;
    uint64_t first_number;
    uint32_t count;
    uint8_t *bytes;
    uint32_t size;
    uint64_t digests[64];
};

struct administration {
    uint32_t made;  /* topics so far: their names are numbered */
    bool has_topic; /* one of them exists, for all we know */
    struct uuid topic_id;
    uint32_t topic;
    int64_t wanted_start; /* of a DeleteRecords under way */
    uint32_t target;
    uint32_t config; /* max.message.bytes of the topic of this number is its to change */
};

struct client {
    enum client_kind kind;
    uint32_t number;
    struct prng prng;
    struct session session;
    uint64_t wake_ns; /* when it wakes up next; 0: not at all */
    bool ready;       /* connected, and knows its targets */
    bool done;        /* nothing to do in this phase */
    bool idempotent;
    int32_t tiny; /* consumer: limits of all its fetches on this connection; 0: drawn anew each time */
    bool listed;  /* consumer, verifying: it has seen all topics and configs */
    int16_t acks;
    int64_t producer_id;
    int16_t producer_epoch;
    uint32_t to_make;
    uint64_t next_request;
    uint32_t shadow_weight; /* producer: of the response being read */
    struct outstanding outstanding[OUTSTANDING_MAX];
    uint32_t outstanding_count;
    struct target targets[TARGETS_MAX];
    uint32_t target_count;
    struct administration administration;
};

#define SHADOW_PATIENCE_NS (60ull * 1000 * 1000 * 1000)

struct run {
    struct world world;
    struct knobs knobs;
    struct schedule schedule;
    struct judge judge;
    enum phase phase;
    uint64_t phase_began_ns;
    struct client clients[CLIENTS_MAX];
    uint32_t client_count;
    uint64_t faults_met[FAULT_COUNT];
    bool disk_failed; /* a fault was injected that entitles the node to halt with HALT_DISK_FAILED */
    bool disk_was_full;
    bool damaged;   /* bits were flipped */
    bool is_shadow; /* see shadow.c */
    uint64_t shadows;
    uint64_t seen_before;         /* shadow: when it was looked at last */
    const struct schedule *given; /* instead of the drawn one */
    FILE *trace;
};

/* client.c and the files of each kind */
void client_wake(struct run *run, struct client *client, uint64_t delay_ns);
void client_on_wake(struct run *run, struct client *client);
void client_on_bytes(struct run *run, struct client *client, const uint8_t *data, uint32_t size);
void client_on_hang_up(struct run *run, struct client *client);
void client_reconnect(struct run *run, struct client *client);
bool client_is_done(const struct run *run, const struct client *client);
void topic_name(uint32_t topic, char name[32]);
void list_topics(struct run *run, struct client *client);

void producer_work(struct run *run, struct client *client);
void producer_on_response(struct run *run, struct client *client, struct response *response);
void producer_on_connected(struct run *run, struct client *client);
void producer_on_lost(struct client *client);

void consumer_work(struct run *run, struct client *client);
void consumer_on_response(struct run *run, struct client *client, struct response *response);
void consumer_read_all(struct client *client);

void administrator_work(struct run *run, struct client *client);
void administrator_on_response(struct run *run, struct client *client, struct response *response);
void describe_config(struct run *run, struct client *client, uint32_t config);
void on_described(struct run *run, struct response *response);

/* The digest and identity of a record of ours. False: it is none. */
bool made_of(struct bytes value, struct made *made);

/* faults.c */
void faults_begin(struct run *run);
void faults_end(struct run *run);

/* shadow.c: what would a power loss leave right now? A second node finds out. */
void shadow_check(struct run *run);

/* For an acknowledgement: now and then, `weight` times as often as for the usual one. */
void shadow_perhaps(struct run *run, struct client *client, uint32_t weight);

/* knobs.c */
void knobs_draw(struct knobs *knobs, struct config *config, uint64_t seed);

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
