/* controller_state.h -- the controller's memory, and who in this room does what with it; for files of this room alone.
 *
 *   controller.c  from start to open; what is applied, and what that means here
 *   wishing.c     a wish's way: opened here, decided by whoever leads, applied everywhere; frames to and fro
 *   inner.c       what the node itself wishes for: its registration, producer ids, topics that are asked for, ISRs
 *   joining.c     how this node gets into a cluster, and finds out that it is out of one
 *   links.c       to which nodes there shall be a control link
 *   operations.c  what an operator orders of members
 *   disaster.c    a survivor goes on alone
 *   upkeep.c      what keeps partitions as they are meant to be
 *   heartbeats.c  who is alive: said by this node, heard by the leader, acted upon
 *   drafts.c      from a wish to records: what it touches, what it takes, how it is proposed
 *
 * wishes.c, isr_wishes.c, wish_queue.c and decide_*.c know nothing of this struct. */
#ifndef CHRONIK_CONTROLLER_CONTROLLER_STATE_H
#define CHRONIK_CONTROLLER_CONTROLLER_STATE_H

#include "base/arena.h"
#include "base/prng.h"
#include "controller/balance.h"
#include "controller/controller.h"
#include "controller/decide.h"
#include "controller/isr_wishes.h"
#include "controller/join.h"
#include "controller/membership.h"
#include "controller/metadata_log.h"
#include "controller/sessions.h"
#include "controller/wish_queue.h"
#include "controller/wishes.h"

enum {
    MARKS_COUNT = 1024, /* two wishes that share one wait for each other needlessly, and briefly */
    DRAFT_NAMES_MAX = 16 << 10,
    DRAFT_NAMES_USED_MAX = DRAFT_NAMES_MAX * 3 / 4,
    UNDERWAY_MAX = 1024,
    OUTBOX_MAX = 64,            /* answers to other nodes that are to leave in this step */
    DECIDE_STEP_SIZE = 1 << 20, /* bodies of wishes that are decided in one step, */
    DECIDE_SIZE_MIN = 1 << 10,  /* each at least so large */
    MAIL_MAX = 64,              /* heartbeats and answers to them, likewise */
    ASKED_NODES_MAX = 16,       /* nodes that are linked, of which one is asked */
    FRAME_PARTS_MAX = 2,        /* of a frame that is not the metadata log's */
    /* Decodes the largest inner wish: of ISRs, where a member takes 13 bytes there and 16 here. */
    INNER_ARENA_SIZE = 2 * ISR_WISH_SIZE,
};

enum prng_stream { PRNG_TOPICS, PRNG_CLUSTER, PRNG_STREAM_COUNT };

/* What wishes can touch. */
enum subject {
    SUBJECT_TOPIC = 1,
    SUBJECT_BROKER,
    SUBJECT_REGISTRATION,
    SUBJECT_PRODUCER_IDS,
    SUBJECT_NODE,
    SUBJECT_BALANCE,
    SUBJECT_QUOTAS,
    SUBJECT_GROUPS,
};

/* A proposal under way: whose wish it is, and what it will take of the cluster's limits. */
struct underway {
    uint64_t index;
    uint32_t topics;
    uint32_t partitions;
    uint32_t settings;
    int32_t broker_id;
    struct uuid incarnation;
    uint64_t sequence;
};

struct draft_name {
    uint64_t key;
    uint64_t draft; /* it was named in */
};

struct draft {
    uint64_t number; /* grows, so that nothing of an earlier one needs clearing */
    struct proposal records;
    uint32_t names_used;
    bool made; /* records hold something */
    struct underway takes;
    uint32_t partitions_left;
};

/* Ids of this node alone. */
struct producer_ids {
    int64_t next;
    int64_t end;
    uint64_t wish; /* for a block of them; 0: none is open */
};

/* An own wish whose entry is being applied. */
struct own_wish {
    uint64_t sequence; /* 0: none */
    struct bytes answer;
};

struct outbox {
    uint32_t count;
    uint32_t sent; /* of them, handed out */
    struct wish_answer answers[OUTBOX_MAX];
    int32_t to[OUTBOX_MAX];
    uint32_t used_size; /* of the memory */
    uint8_t *memory;    /* [wish_size_max] */
    uint64_t dropped;   /* answers that found no room: their wishes are asked again */
};

/* A heartbeat, or the answer to one, on its way out. */
struct mail {
    int32_t to;
    uint8_t kind;
    uint32_t size;
    uint8_t bytes[HEARTBEAT_SIZE];
};

/* What this node says of itself all the time. */
struct pulse {
    bool ready; /* its logs are recovered */
    bool crashed;
    bool wants_shutdown;
    bool may_go; /* the leader says so */
    uint64_t due_ns;
    int32_t leader_id; /* whom it tells, and in which term that one leads; -1: nobody */
    uint64_t term;
    uint64_t led_term; /* in which our own sessions began */
    uint32_t mail_count, mail_sent;
    struct mail mail[MAIL_MAX];
};
_Static_assert(HEARTBEAT_ANSWER_SIZE <= HEARTBEAT_SIZE, "mail holds either");

/* A node that wants to belong to a cluster; and its answer to another one that does. */
struct joining {
    uint64_t due_ns;   /* when it asks next */
    uint64_t led_ns;   /* when a leader was known last */
    int32_t leader_id; /* who leads, as somebody said; -1: nobody said so */
    uint32_t address_size;
    uint8_t address[JOIN_ADDRESS_SIZE_MAX];
    uint32_t up_count, turn;
    int32_t up[ASKED_NODES_MAX]; /* nodes that can be asked */
    bool asks;                   /* in this step */
    int32_t asked_id;
    bool refusal_noted;
    bool began;         /* led_ns counts, from when the log was open */
    bool founded_twice; /* see controller_founded_twice */
    uint8_t question[JOIN_SIZE_MAX];
    int32_t answer_to; /* 0: nobody */
    uint32_t answer_size;
    uint8_t answer[JOIN_ANSWER_SIZE_MAX];
};

/* What the leader of the metadata does by itself. */
struct upkeep {
    uint64_t led_term;       /* that it belongs to; 0: none */
    uint64_t proposed_index; /* nothing is decided before that is applied */
    uint64_t began_ns;       /* the last search for partitions that others lead than are preferred */
    uint32_t partition;      /* where it is, */
    bool walks;              /* ... while there is one, */
    bool ends;               /* ... and whether it decides that evenness is reached: */
    uint32_t elected;        /* if it elects nobody */
    uint64_t settle_ns;      /* when it is looked at next whether all is as even as was wanted */
    uint64_t balance_ns;     /* when partitions are searched next for some that should have other replicas */
    bool waits;              /* ... but not before a move has ended */
};

/* A broker that leaves and was found empty. What was decided before it was to leave may still be under way to it; what
 * is decided since then is not. */
struct emptied {
    uint64_t led_term; /* in which it was found so; 0: never */
    int32_t broker_id;
    uint64_t index; /* if it is empty with all applied up to here, it stays empty */
};

struct link_known {
    int32_t node_id;
    uint32_t address_digest;
};

struct links {
    uint64_t list_index; /* of the member list that was compared last */
    int32_t hint;
    bool going; /* differences may be left, from place `at` on */
    uint32_t at;
    uint32_t known_count, wanted_count;
    struct link_known *known;  /* [members_max + 1], by rising node id, as is the next */
    struct link_known *wanted; /* [members_max + 1] */
};

struct controller {
    struct controller_config config;
    struct image *image;
    struct metadata_log *log;
    uint32_t wish_size_max;
    uint64_t mono_ns;
    struct prng topics; /* ids, and where placement begins */
    struct prng cluster;
    struct uuid incarnation;
    uint64_t registration_wish; /* 0: none is open */
    int64_t registration_epoch; /* that it is to replace */
    uint64_t registration_ns;   /* not before: it was refused */
    bool founded;               /* the cluster, in this life */
    bool registered;
    bool opened; /* and was unfenced since */
    bool loaded;
    bool promoted;     /* ordered to go on alone */
    uint64_t recovery; /* the index of the entry by which it does; 0: not proposed */
    uint64_t led_term; /* in which we lead, when we looked last; 0: we do not */
    uint64_t noted_term;
    uint64_t window_index;  /* applied, when our own window was looked at last */
    uint32_t created_topic; /* of the entry being applied, for a note when it is whole; or SLOT_NONE */
    uint64_t commits;
    uint64_t refused;
    uint64_t unclean_elections;

    uint64_t sent_wish;       /* of the frame that was handed out last; 0: it was none */
    struct wishes wishes;     /* our own */
    struct own_wish own_wish; /* of the entry being applied */
    struct wish_queue queue;  /* everybody's, while we lead */
    uint32_t deciding;        /* the entry of the queue that is being decided, or WISH_QUEUE_NONE */
    uint32_t decided_size;    /* in this step */
    struct outbox outbox;
    uint8_t frame_head[WISH_FRAME_HEAD_MAX]; /* of the frame that was handed out last */
    struct bytes frame_parts[FRAME_PARTS_MAX];
    struct producer_ids ids;
    struct isr_wishes *isr_wishes;
    struct sessions sessions; /* of all brokers, while we lead */
    struct pulse pulse;
    struct membership membership;
    struct upkeep upkeep;
    struct emptied emptied;
    struct balance balance;
    struct joining joining;
    struct links links;

    struct draft draft;
    uint8_t *draft_memory;
    struct draft_name *draft_names;         /* [DRAFT_NAMES_MAX] */
    uint64_t mark_index[MARKS_COUNT];       /* of the last proposal that touched what falls on this mark */
    uint64_t mark_draft[MARKS_COUNT];       /* the draft that touches it */
    struct underway underway[UNDERWAY_MAX]; /* by rising index, a ring */
    uint32_t underway_first;
    uint32_t underway_count;
    struct underway taken; /* the sum of those */
    struct placement placement;
    struct arena arena; /* for decoding one inner wish */
    uint64_t arena_memory[INNER_ARENA_SIZE / sizeof(uint64_t)];
};

struct uuid controller_random_id(struct prng *prng);

/* ---- drafts.c ---- */

/* Another term, or none that is ours: nothing of the old one is under way any more, as far as we know. */
void drafts_reset(struct controller *controller);

void drafts_on_applied(struct controller *controller, uint64_t index);
bool drafts_have_underway(const struct controller *controller, const struct wish *wish);

/* May a wish that touches `key` be decided now? If not, the answer says why. */
bool draft_begin_wish(struct controller *controller, uint64_t key, struct controller_answer *answer);
uint64_t draft_key(const struct controller *controller, enum subject subject, struct bytes name);

/* Records were added to the draft directly, for what `key` says. */
void draft_made(struct controller *controller, uint64_t key);

/* The same for records that nothing waits for: each has a guard of its own, and may come to nothing alone. */
bool draft_begin_guarded(struct controller *controller, struct controller_answer *answer);
void draft_made_guarded(struct controller *controller);

enum draft_verdict {
    DRAFT_PROPOSED,
    DRAFT_EMPTY,     /* nothing is to be changed */
    DRAFT_WAITS,     /* no room just now */
    DRAFT_TOO_LARGE, /* records and answer do not fit into one proposal */
};
/* Proposes the draft as what this wish becomes. */
enum draft_verdict draft_propose(struct controller *controller, const struct wish *wish, struct bytes answer);

void drafts_check(const struct controller *controller);

/* ---- wishing.c ---- */

/* Who leads now, and what follows from a change of that. */
void wishing_follow_leader(struct controller *controller);

void wishing_on_entry(struct controller *controller, bool whole);

/* Where a snapshot took the place of entries, our own wishes among them were not seen one by one. */
void wishing_look_at_window(struct controller *controller);

void wishing_on_link_up(struct controller *controller, int32_t node_id);
uint64_t wishing_deadline_ns(const struct controller *controller);

/* The wish that is being decided leaves the queue: with this answer, or as granted by an entry, which answers it. */
void wishing_answer(struct controller *controller, enum wish_verdict verdict, struct bytes answer);
void wishing_check(const struct controller *controller);

/* ---- joining.c ---- */

void joining_work(struct controller *controller);
void joining_on_link_lost(struct controller *controller, int32_t node_id);
bool joining_on_frame(struct controller *controller, int32_t from, uint64_t member, uint8_t kind, struct bytes bytes,
                      struct effects *effects);
bool joining_next_frame(struct controller *controller, struct controller_frame *frame);
bool joining_is_leaderless(const struct controller *controller); /* for longer than an election takes */
bool joining_reaches_most(const struct controller *controller);  /* of the voters that the list in force names */
uint64_t joining_deadline_ns(const struct controller *controller);

/* ---- disaster.c ---- */

void disaster_work(struct controller *controller);

/* ---- operations.c ---- */

/* Goes on with what was ordered; as the leader, now and then. */
void operations_work(struct controller *controller);

/* ---- upkeep.c ---- */

void upkeep_work(struct controller *controller);
uint64_t upkeep_deadline_ns(const struct controller *controller);

/* ---- heartbeats.c ---- */

void heartbeats_follow_leader(struct controller *controller);
void heartbeats_work(struct controller *controller, struct effects *effects);
bool heartbeats_on_frame(struct controller *controller, int32_t from, uint8_t kind, struct bytes frame);
bool heartbeats_next_frame(struct controller *controller, struct controller_frame *frame);
uint64_t heartbeats_deadline_ns(const struct controller *controller);

/* ---- inner.c ---- */

/* Wishes what has to be wished for: registers. */
void inner_wish(struct controller *controller);

/* Decides the wish that is being decided, which is an inner one. */
void inner_decide(struct controller *controller, const struct wish *wish, struct effects *effects);

/* One of our own inner wishes is done. */
void inner_on_done(struct controller *controller, uint64_t sequence);

#endif
