/* broker.h -- what clients ask, and when they get their answer.
 *
 * This room owns the links: it cuts what they bring into requests, hands each to its handler (api.h), keeps those that
 * have to wait, and sends the answers of one link in the order of its requests. It has no log, no metadata and no
 * disk of its own: it reads and appends through logs_*, looks at the image, asks replicas_* what it may append, and
 * wishes through controller_*. Nobody is called back: what became true elsewhere is told to it by node.c with
 * broker_on_*.
 *
 *   One link.   Requests are handled one after the other. Produce goes ahead while earlier Produces still wait for
 *               the disk; every other request begins when all before it are answered, as Kafka does it. At most one
 *               request of a link is suspended, and it keeps only its frame: it is handled again when what it waits
 *               for came true.
 *   Memory.     A link that is idle costs nothing but its slot: the host lends the bytes. Frames that do not fit
 *               into the link's nest, and answers, each live in a bounded range; when one is used up, links wait and
 *               are not read from. Nothing is dropped for want of memory.
 *   Hostility.  A link that stalls in the middle of a frame, does not take its answers, or is idle too long is closed.
 *
 * Order within a step: broker_on_time, then the facts, then broker_work, then decisions, then logs_commit. */
#ifndef CHRONIK_BROKER_BROKER_H
#define CHRONIK_BROKER_BROKER_H

#include "base/effect.h"
#include "meta/image.h"

struct logs;
struct controller;
struct image;
struct replicas;
struct groups;
struct wish;

struct broker_config {
    int32_t node_id;
    uint32_t links_max;
    uint32_t logs_max;         /* partitions_max: logs are numbered below it */
    uint32_t request_size_max; /* socket.request.max.bytes */
    uint64_t request_memory_size;
    uint64_t tail_memory_size; /* of which answers may pin a share */
    uint32_t message_size_max;
    int64_t link_idle_ms;
};

struct broker_rooms {
    struct logs *logs;
    struct controller *controller;
    const struct image *image;
    const struct replicas *replicas; /* is only asked */
    struct groups *groups;
};

struct broker;

/* 0 if the limits contradict each other: request_memory_size holds a slot per link and one largest request twice. */
size_t broker_size(const struct broker_config *config);

/* In zeroed memory, aligned to 64. Links may open from now on, and wait. */
void broker_init(struct broker *broker, const struct broker_config *config, const struct broker_rooms *rooms);

/* Logs and image are there: requests are received from now on. */
void broker_open(struct broker *broker);

/* Begins no further request. Those begun are answered; then links are closed, and broker_is_stopped. */
void broker_stop(struct broker *broker);
bool broker_is_stopped(const struct broker *broker);

/* ---- facts ---- */

/* First in every step. */
void broker_on_time(struct broker *broker, uint64_t mono_ns, int64_t wall_ms);

void broker_on_link_opened(struct broker *broker, const struct event_link_opened *opened);
void broker_on_link_closed(struct broker *broker, uint32_t link);
void broker_on_received(struct broker *broker, const struct event_received *received, struct effects *effects);
void broker_on_sent(struct broker *broker, uint32_t link);

/* The durable offset or the high watermark of a log rose, or more replicas have deleted what was to be
 * (logs_next_durable, replicas_next_watermark). */
void broker_on_high_watermark(struct broker *broker, uint32_t log);

/* A log was deleted: whoever waits for it is told. Before the image changes or after, but before the log's number is
 * given to another partition. */
void broker_on_log_lost(struct broker *broker, uint32_t log);

/* It is led here no more, or in another epoch: what was appended may be taken back, so nobody waits for it any longer.
 * Before its high watermark is told again. */
void broker_on_leadership_lost(struct broker *broker, uint32_t log);

/* Too few replicas are in sync: what waits for acks=all may not be committed for long. */
void broker_on_min_isr_lost(struct broker *broker, uint32_t log);

/* A read may be asked again (logs_next_ready). */
void broker_on_ready(struct broker *broker, uint64_t waiter);

/* What a request waits for in its group has come (groups_next_ready). */
void broker_on_group(struct broker *broker, uint64_t waiter);

/* A wish of this node is done (controller_next_done): who waits for it may go on. */
void broker_on_wish(struct broker *broker, uint64_t wish);

/* Decides what a client of some node asked for (controller_next_wish), here on the leader. */
void broker_decide(struct broker *broker, const struct wish *wish, struct effects *effects);

/* ---- the step's end ---- */

/* Handles what can go on, sends what is ready, receives where there is memory: as much as `effects` and a step's
 * bound allow. The rest is due at once. Asks logs_has_room and logs_is_durable by itself. */
void broker_work(struct broker *broker, struct effects *effects);

uint64_t broker_deadline_ns(const struct broker *broker);

/* ---- for status and metrics ---- */

enum { BROKER_API_KEYS = 128 }; /* counters by api key; keys from here on are not served */

struct broker_counters {
    uint64_t links_opened;
    uint64_t links_refused; /* closed by us: malformed, unserved, idle, stalled */
    uint64_t received_size;
    uint64_t sent_size;
    uint64_t requests[BROKER_API_KEYS];
    uint64_t errors[BROKER_API_KEYS];  /* answers that carried an error code */
    uint64_t time_us[BROKER_API_KEYS]; /* from the last byte received to the answer handed to the host */
    uint64_t requests_unserved;        /* of a version or key that is not served */
    uint64_t requests_malformed;
    uint64_t throttles;     /* times that a link was not read from for want of memory */
    uint64_t produced_size; /* record bytes appended */
    uint64_t produced_records;
    uint64_t produce_errors; /* partitions answered with an error */
    uint64_t produce_timeouts;
    uint64_t fetched_size; /* record bytes sent */
    uint64_t fetch_errors;
    uint64_t quota_throttles[QUOTA_KEYS]; /* requests of clients that have sent or taken more than they may */
    uint64_t quota_throttle_ms[QUOTA_KEYS];
};
const struct broker_counters *broker_counters(const struct broker *broker);

struct broker_usage {
    uint32_t links;
    uint32_t links_waiting;   /* with a suspended request */
    uint32_t fetches_waiting; /* of them, long polls */
    uint32_t answers_waiting; /* for the disk, a high watermark or the image */
    uint64_t frames_size;     /* memory of frames larger than a nest */
    uint64_t answers_size;    /* memory of answers not yet sent */
    uint64_t pinned_size;     /* record bytes that answers refer to */
};
struct broker_usage broker_usage(const struct broker *broker);

void broker_check(const struct broker *broker);

#endif
