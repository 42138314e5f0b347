/* client.h -- those who speak Kafka's protocol with the cluster: what they have in common, and what each kind knows.
 *
 * A client asks any node for the metadata, and from then on talks to the nodes that the answer names: a producer and a
 * consumer to the leader of each partition, an administrator to whomever he likes. What it believes is as old as that
 * answer. Where a node says that it does not lead, or nothing at all, the client asks again, somebody else perhaps. */
#ifndef CHRONIK_SIM_CLIENT_H
#define CHRONIK_SIM_CLIENT_H

#include "codec/record.h"
#include "sim/cohort.h"
#include "sim/judge.h"
#include "sim/plane.h"
#include "sim/session.h"

struct run;

/* Cookies that mean the same to all kinds. */
enum { COOKIE_TOPIC_MADE = 60, COOKIE_NOTHING };

enum { TOPICS_MAX = 8, TARGETS_MAX = 64, OUTSTANDING_MAX = 8, SESSIONS_MAX = 8 };

enum client_kind {
    CLIENT_PRODUCER,
    CLIENT_CONSUMER,
    CLIENT_ADMINISTRATOR,
    CLIENT_OPERATOR,
    CLIENT_MEMBER,
    CLIENT_OWNER,
    CLIENT_LIAR
};

/* A partition as a client knows it. */
struct target {
    uint32_t topic; /* number of the name */
    struct uuid topic_id;
    int32_t index;
    uint32_t leader; /* machine; MACHINE_NONE: nobody, for all we know */
    uint32_t source; /* consumer: whom it reads from, if that is not the leader; else MACHINE_NONE */
    uint32_t replica_count;
    uint32_t replicas[8]; /* machines */
    int32_t leader_epoch;
    struct judged_partition *judged;
    uint64_t next_number; /* producer */
    int32_t next_sequence;
    bool known_there;  /* producer: something of his was acknowledged */
    int64_t position;  /* consumer: offset wanted next */
    int64_t end;       /* consumer: high watermark when it read all of it; -1: not there yet */
    bool start_wanted; /* consumer: its position is out of range */
    struct floor floor;
    struct plane_floor plane_floor;
    uint32_t asked_of;   /* consumer: the machine that was asked last; what another one answers comes too late */
    int32_t asked_epoch; /* which the question that is under way holds the leader to; -1: to none */
};

/* A batch that a producer has sent and has no final answer for. */
struct outstanding {
    uint64_t request; /* it was sent with last */
    bool in_flight;   /* to `machine`, and not answered */
    uint32_t machine;
    bool sent_again;
    uint32_t sitting; /* in which it was made */
    int32_t epoch;    /* of the leader, as far as was known when it was sent last */
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
    int64_t wanted_start; /* of a DeleteRecords under way */
    uint32_t target;
    uint32_t config;              /* max.message.bytes of the topic of this number is its to change */
    uint32_t favourite, devotion; /* what it does mostly; of 100 times, how often that whatever is drawn */
};

/* Something that an operator is to bring about (enum operation of broker/operate.h). */
struct duty {
    int8_t operation;
    uint32_t machine;
    uint32_t tries_left;
};

/* A member of a consumer group. It asks one thing at a time. */
enum doing { DOING_FIND, DOING_JOIN, DOING_SYNC, DOING_OWN };

struct membership {
    uint32_t cohort;
    uint32_t life; /* of its process */
    enum doing doing;
    bool awaits;      /* an answer of its coordinator */
    uint32_t machine; /* the coordinator; MACHINE_NONE: not known */
    char member_id[128];
    char instance[16];  /* of a static member; "": it is none */
    int32_t generation; /* or epoch */
    bool leads;
    uint64_t shares; /* that it has */
    uint32_t mates;  /* the leader: how many others there are, and who; itself among them */
    char mate_ids[32][128];
    int32_t session_ms, rebalance_ms;
    struct cohort_asked asked;
    uint64_t committing; /* shares */
    int64_t numbers[COHORT_SHARES];
    bool committed; /* something, since nothing goes wrong any more */

    /* Of the newer protocol: newer.c */
    bool newer;
    int32_t previous;    /* the epoch before; 0: none */
    int32_t asked_epoch; /* that the question under way names; of a commit the generation, too */
    uint64_t going;      /* of its shares, those that it is to give up, and has still */
    bool says, full;     /* the next heartbeat says what it has; and everything */
    bool lies;           /* the question under way is to be refused */
    uint64_t asked_ns;   /* when that was sent */
    uint64_t contact_ns; /* when the last one was that was answered by its coordinator, */
    uint64_t unsure_ns;  /* and the first one behind it that was not; 0: none */
    uint64_t going_ns;   /* since when it may be known that it is to give something up */
};

/* An owner has a topic to itself, and knows exactly what is in it (owner.c, owned.h). */
enum { OWNED_MAX = 200, OWNED_SMALL = 80, OWNED_LARGE = 420 }; /* records of a topic; bytes of their values */

enum owner_question {
    OWNER_NOTHING,
    OWNER_MAKES,
    OWNER_FINDS,
    OWNER_REMOVES,
    OWNER_SETS,
    OWNER_READS,
    OWNER_LISTS,
    OWNER_TRIMS
};

enum owned_fate {
    OWNED_SENT,
    OWNED_DOUBTED, /* it may be there, and may come yet */
    OWNED_REFUSED, /* it is not there */
    OWNED_ACKED,   /* or seen: it is there */
};

struct owned {
    enum owned_fate fate;
    bool large;
    bool known; /* it was acknowledged when the question that is under way was asked */
    bool seen;
    uint32_t batch_count; /* records of the batch that begins with it */
    uint32_t machine;     /* it was sent to */
    int64_t offset;
    int64_t time_ms;
};

enum owned_setting_kind { OWNED_LIMIT, OWNED_TIME, OWNED_SETTINGS };

struct owned_setting {
    int32_t before, now;
    struct asked since; /* `now` holds where this is known; ns UINT64_MAX: it is only asked for */
};

struct ownership {
    enum { OWNER_HAS_NONE, OWNER_HAS, OWNER_LEAVES } state;
    enum owner_question question; /* under way, one at a time; records are written beside it */
    uint32_t asked_of;            /* machine */
    uint64_t asked_ns;
    struct asked made; /* since when it is known to be there */
    uint32_t names;    /* that it had: what is in doubt of a name concerns no other one */
    struct uuid topic_id;
    uint32_t leader; /* machine; MACHINE_NONE: not known */
    bool lost_track; /* it is not known which topic that is */
    bool doubts;     /* an order got no answer: settings may change at any time */
    bool start_doubted;
    struct owned_setting settings[OWNED_SETTINGS];
    enum owned_setting_kind setting; /* that is being changed */
    uint32_t writing;
    uint32_t first_number, count; /* of its records */
    struct owned list[OWNED_MAX];
    int64_t start_asked, start_acked, acked_end;
    int64_t known_end;   /* when the question was asked */
    int64_t trims;       /* the offset that records below are to go; -1: all */
    int64_t listed_ms;   /* the time that was asked for */
    bool leads;          /* who was asked did lead, */
    int32_t leads_epoch; /* in this epoch */
    bool elsewhere;      /* it knew that it did not, */
    int32_t elsewhere_epoch;
    uint32_t favourite, devotion; /* what it does mostly, and of 100 times, how often */
    uint64_t pause_ns;
    int64_t position;
};

enum { DUTIES_MAX = 16 };

struct operator
{
    struct duty duties[DUTIES_MAX]; /* the first is under way */
    uint32_t duty_count;
};

struct client {
    enum client_kind kind;
    uint32_t number;
    struct prng prng;
    struct session sessions[SESSIONS_MAX];
    uint32_t session_count; /* ever used */
    uint32_t sittings;      /* connections that it had */
    uint64_t wake_ns;       /* when it wakes up next; 0: not at all */
    bool ready;             /* knows its targets */
    bool stale;             /* and should ask for them again */
    uint32_t asking;        /* wire, on which it does; WIRE_NONE: it does not */
    bool done;              /* nothing to do in this phase */
    bool idempotent;
    int32_t tiny; /* consumer: limits of all its fetches for a while; 0: drawn anew each time */
    bool listed;  /* consumer, verifying: it has seen all topics and configs */
    int16_t acks;
    int64_t producer_id;
    int16_t producer_epoch;
    bool id_asked;
    uint32_t to_make;
    uint64_t next_request;
    uint32_t shadow_weight; /* producer: of the response being read */
    struct outstanding outstanding[OUTSTANDING_MAX];
    uint32_t outstanding_count;
    struct target targets[TARGETS_MAX];
    uint32_t target_count;
    struct administration administration;
    struct operator operator;
    struct membership membership;
    struct ownership ownership;
    uint32_t babbling; /* liar: the wire on which it sends what is no request */
};

void client_init(struct client *client, enum client_kind kind, uint32_t number, uint64_t seed);
void client_free(struct client *client);

void client_wake(struct run *run, struct client *client, uint64_t delay_ns);
bool client_is_done(const struct run *run, const struct client *client);

/* ---- facts ---- */
void client_on_wake(struct run *run, struct client *client);
void client_on_bytes(struct run *run, struct client *client, uint32_t wire, const uint8_t *data, uint32_t size);
void client_on_hang_up(struct run *run, struct client *client, uint32_t wire);

/* ---- for the kinds ---- */

/* The connection to a machine, made if there is none; NULL: it has too many, and waits for answers on all. */
struct session *client_session(struct run *run, struct client *client, uint32_t machine);

/* To any node: one that is connected already, mostly. NULL as above. */
struct session *client_any_session(struct run *run, struct client *client);

uint32_t client_pending(const struct client *client); /* answers that it waits for */

/* Breaks one connection off, or all, and comes again. */
void client_drop(struct run *run, struct client *client, struct session *session);
void client_drop_all(struct run *run, struct client *client);

void topic_name(uint32_t topic, char name[32]);

/* replicated.c: topics whose partitions have several replicas. `brokers` are known to be there. */
void make_topic(struct run *run, struct client *client, uint32_t topic, uint32_t brokers);
void on_topic_made(struct run *run, struct response *response);
void bulk_name(uint32_t topic, char name[32]);

/* One that nobody writes to; there are `first` partitions in those before it. */
void make_bulk(struct run *run, uint32_t topic, uint32_t first, uint32_t partitions);
void elect_leaders(struct run *run, struct client *client, struct session *session);
void move_partition(struct run *run, struct client *client, struct session *session);
void rebalance(struct run *run); /* the operator is to see to it */
/* The setting of this name becomes this number. */
void alter_topic(struct run *run, struct session *session, uint32_t topic, const char *name, int32_t number,
                 uint64_t cookie);
void alter_min_isr(struct run *run, struct client *client, struct session *session);
void list_topics(struct run *run, struct client *client);

void producer_work(struct run *run, struct client *client);
void producer_on_response(struct run *run, struct client *client, struct session *session, struct response *response);
void producer_on_lost(struct client *client, uint32_t machine);

void consumer_work(struct run *run, struct client *client);
void consumer_on_response(struct run *run, struct client *client, struct session *session, struct response *response);
void consumer_read_all(struct client *client);

/* The connection to a machine is gone: what was read from there, though it did not lead, the leader is asked for
 * again. The machine may have left for good. */
void consumer_on_lost(struct client *client, uint32_t machine);

void administrator_init(const struct run *run, struct client *client);
void administrator_work(struct run *run, struct client *client);
void administrator_on_response(struct run *run, struct client *client, struct response *response);
void describe_config(struct run *run, struct client *client, uint32_t config);
void on_described(struct run *run, struct response *response);

/* An operator is to see to it that this is done, as far as it can be. */
void operator_on_duty(struct run *run, struct client *client, int8_t operation, uint32_t machine);
bool operator_has_duty(const struct client *client, uint32_t machine); /* an order about it is under way, or will be */
void operator_work(struct run *run, struct client *client);
void operator_on_response(struct run *run, struct client *client, struct response *response);

/* Whoever is leaving goes at last, or stays. `machine` is one of them. */
void operator_settle(struct run *run, struct client *client, uint32_t machine);

void member_init(const struct run *run, struct client *client, uint32_t number);
void member_work(struct run *run, struct client *client);
void member_on_response(struct run *run, struct client *client, struct response *response);
void member_on_lost(struct run *run, struct client *client, uint32_t machine);
bool member_is_done(const struct run *run, const struct client *client);

/* Nothing goes wrong any more; and all is to be looked at. */
void member_calm(struct run *run, struct client *client);
void member_read_all(struct run *run, struct client *client);

void owner_init(struct client *client);
void owner_work(struct run *run, struct client *client);
void owner_on_response(struct run *run, struct client *client, struct response *response);
void owner_on_lost(struct client *client, uint32_t machine);
bool owner_is_done(const struct run *run, const struct client *client);
void owner_read_all(struct client *client);

void liar_work(struct run *run, struct client *client);
void liar_on_response(struct run *run, struct client *client, struct response *response);

/* What was said to a batch that was bent in this way (a number below LIES): Kafka's error, or that it has to wait. */
enum { LIES = 15 };
void liar_judge(struct judge *judge, uint64_t lie, int16_t error);

/* What a broker may say when it could not do it now. */
bool error_is_retriable(int16_t error);

/* The value of a record of ours, of 20 bytes or more. */
void make_value(const struct client *client, uint32_t sitting, uint64_t number, uint8_t *value, uint32_t size);

/* The digest and identity of a record of ours, which its value or, where it has none, its header says. False: it is
 * none. */
bool made_of(struct bytes value, struct made *made);
bool made_of_record(const struct record *record, struct made *made);

#endif
