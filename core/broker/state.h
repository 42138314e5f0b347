/* state.h -- the broker's memory and who in this room does what with it; for files of this room alone.
 *
 *   links.c     what a link brings: bytes, frames, receiving, deadlines, closing
 *   requests.c  a frame's way to its handler, and what becomes of the verdict
 *   answers.c   what a link gets: answers in order, their memory, sending
 *   wish.c      requests that change metadata
 *   waits.c     who waits for which log
 *   broker.c    the room as a whole: memory, facts, the step's end
 *
 * A link's input, oldest byte first, lies in its nest, or in a block of frame memory if its oldest frame is larger
 * than the nest, or if it brings so much that to ask for a nest's content each time would cost more than all the rest.
 * Bytes lent by the host are looked at first of all, and what is left of them at the end of the event moves to the
 * nest (which is empty while the host lends, so it always fits) or a block:
 *
 *     lent [frame][frame][fra   ->  nest [fra
 *     lent [large fra           ->  block [large fra
 *                                   block [frame][frame][frame][frame][fr
 *
 * A link's answers, in the order of its requests:
 *
 *     answer_first -> ready -> ready -> waits -> ready -> held
 *     `-- being sent -'  `send_next     `unready_first
 *
 * Only what lies before the first unready one may be sent. Invariants, numbered as in links_check():
 *   (1) The input holds [input_begin, input_end) of its memory; with bytes lent it is empty, and the nest.
 *   (2) A suspended link has its request's frame as the oldest in its input, and is in the list of its wait.
 *   (3) answer_count answers hang between answer_first and answer_last; unready_count of them are not ready.
 *   (4) unsent_size is the sum of their sizes. */
#ifndef CHRONIK_BROKER_STATE_H
#define CHRONIK_BROKER_STATE_H

#include "base/buddy.h"
#include "base/pool.h"
#include "base/timers.h"
#include "broker/api.h"
#include "broker/broker.h"
#include "broker/produce.h"
#include "broker/quotas.h"
#include "broker/waits.h"
#include "codec/compression.h"
#include "log/logs.h"

enum {
    NEST_SIZE_MIN = 1 << 10,
    NEST_SIZE_MAX = 64 << 10,    /* what one receive brings at most when the host lends */
    BUSY_SIZE_MAX = 256 << 10,   /* ... and what it brings of a link that always fills a nest */
    BUSY_SHARE = 4,              /* of frame memory, all such links together */
    ANSWER_BLOCK_MIN = 4 << 10,  /* small answers share one */
    LINK_ANSWERS_MAX = 4096,     /* requests of one link that are begun and not answered, */
    LINK_ANSWERS_SHARE = 512,    /* and where half of all that may be are others' */
    LINK_UNSENT_MAX = 256 << 10, /* a link that has more to take begins nothing new */
    SEND_PIECES_MAX = 32,
    SEND_SIZE_MAX = 512 << 10, /* of one send, so that progress shows */
    COPY_SIZE_MAX = 2 << 10,   /* records up to this size are copied rather than referred to */
    ORDERS_KEPT = 128,         /* orders of a step that are left for the rooms behind us */
    ORDERS_OF_LINK = 8,        /* what running a link may order, besides reads */
    TURN_REQUESTS_MAX = 64,    /* requests of one link before the others have their turn */
    STEP_SIZE_MAX = 4 << 20,   /* frame bytes handled in one step */
    PEER_SIZE_MAX = 64,
    ANSWERS_PER_LINK = 4, /* answers_max: this many for each link, */
    ANSWERS_MIN = 4096,   /* and these */
    FRAME_HEAD_SIZE = 4,
    FRAME_SIZE_MIN = 8, /* api key, version, correlation id */
};

#define LINK_NONE UINT32_MAX
#define ANSWER_NONE UINT32_MAX
#define STALL_NS (30 * UINT64_C(1000000000)) /* a peer that neither takes nor gives for so long is closed */
#define FRAME_RATE_MIN (32 << 10)            /* bytes a second at which a frame must come, on top of STALL_NS */
#define STOP_NS (5 * UINT64_C(1000000000))   /* a stop waits so long for what others have to do */
#define NS_PER_MS UINT64_C(1000000)

enum link_state {
    LINK_FREE,
    LINK_OPEN,
    LINK_DOOMED,  /* begins no request; closes when its answers are sent */
    LINK_CLOSING, /* CLOSE_LINK is ordered or about to be */
};

enum receive_into { RECEIVE_NOTHING, RECEIVE_LENT, RECEIVE_INPUT };

/* Which list of waiting links a link is in. */
enum link_list {
    LIST_NONE,
    LIST_DURABLE, /* in rising order of wait.value */
    LIST_WISH,    /* in order of arrival, as are those that follow */
    LIST_START,
    LIST_WISH_ROOM,
    LIST_APPEND,
    LIST_ANSWER,
    LIST_FRAME,
    LIST_COUNT,
};

struct link {
    uint8_t state;     /* enum link_state */
    uint8_t receiving; /* enum receive_into */
    uint8_t list;      /* enum link_list */
    bool sending;
    bool queued;    /* for broker_work */
    bool suspended; /* its oldest frame is a request that waits */
    bool held;      /* ... and has an answer already, the last one */
    bool awake;     /* ... and may be handled again */
    bool timed_out; /* ... because its deadline has passed */
    bool in_group;  /* ... and groups know of it */
    bool close_ordered;
    bool brimful; /* the last receive brought all that it was to: more waits */
    bool is_operator;
    uint8_t peer_size;
    uint8_t peer[PEER_SIZE_MAX];
    uint32_t generation; /* counts the lives of this slot */
    uint32_t queue_next;
    uint32_t list_previous, list_next;

    struct bytes lent;
    uint32_t input_begin, input_end;
    uint64_t block;        /* of the input, in frame memory; BUDDY_NONE: it is the nest */
    uint32_t receive_size; /* what the outstanding receive may bring */

    struct wait wait;
    uint64_t kept[KEPT_WORDS];
    uint64_t wish;       /* that the suspended request was made, 0: none */
    uint64_t kept_block; /* answer memory that the suspended request keeps, or BUDDY_NONE */
    uint64_t kept_at;
    uint64_t request_ns;  /* when the suspended request was first handled */
    uint32_t fetch_first; /* its entries in waits */
    uint64_t fetch_size;  /* bytes that its logs have for it */

    uint32_t answer_first, answer_last, unready_first;
    uint32_t answer_count, unready_count;
    uint64_t unsent_size;
    uint64_t answer_block; /* where the next small answer goes, or BUDDY_NONE */
    uint32_t answer_block_used;
    uint32_t answer_block_size;
    uint32_t send_next;  /* the first answer that is not wholly handed to the host */
    uint32_t send_piece; /* and what of it is next */
    uint32_t send_offset;
    struct piece pieces[SEND_PIECES_MAX];

    uint64_t muted_until_ns; /* it has sent or taken more than it may: it is not listened to; 0: it is */
    uint64_t active_ns;      /* something came or went */
    uint64_t frame_ns;       /* the oldest frame, incomplete, began to come */
    uint64_t send_ns;        /* the present send was ordered */
};

enum answer_state {
    ANSWER_READY,
    ANSWER_WAITS, /* Produce: for its entries in waits */
    ANSWER_HELD,  /* for its link's suspended request */
};

/* Of records that an answer refers to: what logs_unpin wants back, and what is sent. */
struct answer_piece {
    struct piece piece;
    uint32_t chunk;
    uint32_t segment_pin;
    uint32_t read_count; /* at the first piece of a read: how many it has; else 0 */
    uint32_t read_size;
};

struct answer {
    uint8_t state; /* enum answer_state */
    bool failed;   /* an entry of waits_first has an error, which is to be put into the bytes */
    int16_t api_key;
    int16_t version;
    uint32_t link;
    uint32_t next;
    uint64_t block;    /* in answer memory, of its bytes */
    uint64_t bytes_at; /* in answer memory: frame head, header, body; copied records in between */
    uint32_t bytes_size;
    uint32_t piece_count; /* 0: the bytes are all of it */
    uint64_t pieces_at;   /* in answer memory: struct answer_piece[] */
    uint64_t size;        /* bytes and what they refer to */
    uint64_t pinned_size; /* of it, in tail memory */
    uint64_t begun_ns;
    uint64_t deadline_ns;   /* of ANSWER_WAITS; a held one has its request's */
    uint32_t waits_first;   /* its entries in waits */
    uint32_t waiting_count; /* of them, not reached */
};

struct link_ends {
    uint32_t first, last; /* LINK_NONE: empty */
};

struct broker {
    struct broker_config config;
    struct broker_rooms rooms;
    struct broker_counters counters;
    bool open;
    bool stopping;
    bool answers_freed; /* answer memory was given back since its list was last tried */
    bool frames_freed;
    bool wishes_freed;
    uint64_t mono_ns;
    int64_t wall_ms;
    uint32_t step_size; /* frame bytes handled in this step */

    uint32_t links_open;
    uint32_t links_suspended;
    uint32_t fetches_waiting;
    uint32_t wishes_waiting; /* links that have one */
    uint32_t answers_unready;
    struct link *links;
    uint32_t nest_size;
    uint32_t busy_size; /* of a fast link's input, a power of two; not above nest_size: there are none */
    uint8_t *nests;     /* [links_max][nest_size] */
    struct link_ends queue;
    struct link_ends lists[LIST_COUNT];
    struct timers timers; /* a slot per link */

    struct buddy frames;
    uint8_t *frame_memory;

    struct buddy answer_blocks;
    uint8_t *answer_memory;
    uint32_t *answer_users; /* by block number: answers and keepers that live in it */
    struct pool answer_pool;
    struct answer *answers;
    uint64_t pinned_size;

    struct quotas quotas;
    struct waits waits;
    struct topic_terms terms; /* of the topic that was produced to last, in what the room was told last */

    struct arena arena; /* of the present call */
    struct compression_memory unpack;
    uint8_t *scratch; /* where the present answer is written */
    uint32_t scratch_size;
};

/* ---- links.c ---- */

struct link *link_at(struct broker *broker, uint32_t number);
static inline uint32_t link_number(const struct broker *broker, const struct link *link)
{
    return (uint32_t)(link - broker->links);
}

void link_open(struct broker *broker, const struct event_link_opened *opened);
void link_forget(struct broker *broker, uint32_t number);
void link_received(struct broker *broker, struct link *link, const struct event_received *received);

/* Handles, sends, receives: all that can be done now. */
void link_run(struct broker *broker, struct link *link, struct effects *effects);

/* Puts it before broker_work. */
void link_queue(struct broker *broker, struct link *link);

/* Handles no more; closes when its answers are sent. */
void link_doom(struct broker *broker, struct link *link);

/* The deadline of link_run's timer has passed. */
void link_expire(struct broker *broker, struct link *link, struct effects *effects);

void link_list_add(struct broker *broker, struct link *link, enum link_list list);
void link_list_add_first(struct broker *broker, struct link *link, enum link_list list);
void link_list_remove(struct broker *broker, struct link *link);

/* The suspended request may be handled again. */
void link_wake(struct broker *broker, struct link *link);

void link_check(const struct broker *broker, uint32_t number);

/* ---- requests.c ---- */

/* Begins the request in a frame (without its head), or goes on with it. True: the link is done with the frame. */
bool request_handle(struct broker *broker, struct link *link, struct bytes frame, struct effects *effects);

/* Whether the request in this frame may begin, with what is still before it. */
bool request_may_begin(const struct broker *broker, const struct link *link, struct bytes frame);

/* Lets go of all that a suspended request holds. */
void request_drop(struct broker *broker, struct link *link);

uint64_t request_waiter(const struct broker *broker, const struct link *link);

/* ---- wish.c ---- */

/* Goes on with a request that was made a wish: it is done, or its time is over. */
enum call_verdict wish_handle(struct call *call);

/* The link has its answer, or wants none. */
void wish_forget(struct broker *broker, struct link *link);

/* ---- answers.c ---- */

/* Makes sure that an answer of up to `size` bytes finds memory. */
bool answers_reserve(struct broker *broker, struct link *link, uint32_t size);

/* Whether no answer of that size will ever find memory. */
bool answers_never_fit(const struct broker *broker, uint64_t size);

/* Memory for a request that is going to be suspended, of what it has reserved; until answers_forget. */
void *answers_keep(struct broker *broker, struct link *link, uint32_t size);
void *answers_kept(struct broker *broker, const struct link *link); /* NULL: nothing */
void answers_forget(struct broker *broker, struct link *link);

/* Gives back a reservation that was not used. */
void answers_settle(struct broker *broker, struct link *link);

enum answers_verdict {
    ANSWER_STORED,
    ANSWER_NO_MEMORY, /* now */
    ANSWER_TOO_LARGE, /* ever */
};

/* Puts what call->out holds behind the link's other answers, in `state`. Records by reference must be a struct
 * log_read each; their pins pass to the answer with ANSWER_STORED, and are given back otherwise. */
enum answers_verdict answers_add(struct broker *broker, struct link *link, const struct call *call,
                                 enum answer_state state, uint32_t *number);

/* Puts it in the place of a held answer. */
enum answers_verdict answers_replace(struct broker *broker, struct link *link, const struct call *call);

void answer_ready(struct broker *broker, uint32_t number);
struct answer *answer_at(struct broker *broker, uint32_t number);

/* Answers with a deadline that has passed leave with an error. */
void answers_expire(struct broker *broker, struct link *link);

/* None of them waits longer than until then. */
void answers_hurry(struct broker *broker, const struct link *link, uint64_t deadline_ns);

void answers_send(struct broker *broker, struct link *link, struct effects *effects);
void answers_sent(struct broker *broker, struct link *link);
void answers_drop(struct broker *broker, struct link *link);
void answers_check(const struct broker *broker, const struct link *link);

/* ---- produce.c, fetch.c ---- */

/* An answer of Produce has been stored: waits for what it appended, or makes it ready at once. */
void produce_answered(struct broker *broker, uint32_t answer, const struct call *call);

/* The time of a waiting Produce is over: what is not reached yet is to get REQUEST_TIMED_OUT. */
void produce_expire(struct broker *broker, uint32_t answer);

/* Puts the errors of its entries into an answer. */
void produce_patch(struct broker *broker, uint32_t answer);

/* A log's marks have moved. */
void produce_progress(struct broker *broker, uint32_t log, int64_t durable_offset, int64_t high_watermark);

/* Whoever waits in this queue of the log waits in vain, and is told why. */
void produce_lost(struct broker *broker, enum waits_queue queue, uint32_t log, enum error error);

void fetch_progress(struct broker *broker, uint32_t log, int64_t high_watermark);
void fetch_lost(struct broker *broker, uint32_t log);

#endif
