/* raft_world.h -- members of a Raft group, with disks that forget, a network that loses, and a judge.
 *
 * Everything is drawn from one seed. A disk does its writes in order, each taking a while; a crash keeps a random
 * prefix of what was under way, down to single entries. Messages pass through their bytes. The judge (raft_judge.h)
 * looks at every call. The engine is reached through its doors alone, so that either of them can be in a member. */
#ifndef CHRONIK_SIM_RAFT_WORLD_H
#define CHRONIK_SIM_RAFT_WORLD_H

#include "base/prng.h"
#include "sim/raft_engine.h"

enum {
    RAFT_NODES_MAX = 9,
    RAFT_WORLD_READS_MAX = 64,
    RAFT_KEPT_MAX = 8,
    RAFT_VIOLATION_SIZE = 300,
    RAFT_PROPOSE_MAX = 4096,
    RAFT_CUTS_MAX = 64
};
#define MS ((uint64_t)1000000)

struct raft_item { /* an entry with its bytes, which are shared and never change */
    uint64_t term;
    uint8_t kind;
    uint32_t size;
    const uint8_t *bytes;
};

struct raft_items { /* entries first, first + 1, ... */
    uint64_t first;
    uint32_t count, count_max;
    struct raft_item *list;
};

struct raft_picture { /* a snapshot; index 0: none */
    uint64_t index, term, chain;
    const uint8_t *bytes;
    uint64_t size;
};

struct raft_backup { /* of a disk, as it was once */
    uint64_t id;     /* whose; 0: there is none */
    uint64_t term, vote;
    struct raft_items log;
    uint64_t cuts[RAFT_CUTS_MAX];
    uint32_t cut_count;
    struct raft_picture picture;
};

enum raft_op_kind { RAFT_OP_WRITE, RAFT_OP_TAKE, RAFT_OP_INSTALL };

struct raft_op { /* what a disk is doing */
    enum raft_op_kind kind;
    uint64_t done_ns;
    struct raft_write write;
    struct raft_item *items;
    struct raft_picture picture;
};

struct raft_pending_read {
    uint64_t token, index; /* what was committed when it was asked */
};

struct raft_voters { /* of both sets of a member list; the second is empty unless it is joint */
    uint64_t index;  /* of the list */
    uint32_t count[2];
    uint64_t ids[2][RAFT_VOTERS_MAX];
};

struct raft_node {
    uint64_t id; /* grows by RAFT_NODES_MAX whenever the disk is emptied */
    const struct raft_engine *engine;
    struct raft *raft;
    bool up;
    uint32_t life;
    bool rewound;      /* its disk is an older copy of what it was */
    uint64_t timer_ns; /* the wake-up that is in the queue; RAFT_NEVER: none */
    /* volatile */
    struct raft_items log;
    uint64_t applied, chain;
    uint8_t *incoming;
    bool taking;                             /* a snapshot is being written */
    struct raft_picture kept[RAFT_KEPT_MAX]; /* older snapshots that the engine may still send */
    struct raft_pending_read reads[RAFT_WORLD_READS_MAX];
    uint32_t read_count;
    /* its disk */
    uint64_t disk_term, disk_vote;
    struct raft_items disk_log;
    uint64_t disk_cuts[RAFT_CUTS_MAX]; /* where it was truncated, ascending: what lies behind was written later */
    uint32_t disk_cut_count;
    struct raft_picture disk_picture;
    struct raft_op *ops;
    uint32_t op_first, op_count, op_max;
    uint64_t disk_free_ns, round_begin_ns; /* when the disk has done all; when the round that still waits begins */
    /* its place in the network */
    uint32_t group;
    bool deaf, mute;
    uint32_t cut;                        /* bit i: what it sends to node i is lost */
    uint64_t arrives_ns[RAFT_NODES_MAX]; /* of the last message of each, where messages keep their order */
    /* as the judge saw it last */
    uint64_t judged_commit, judged_term;
    uint64_t led_term, led_index; /* when it led last in this life, and what it had then */
    struct raft_voters judged_voters;
    uint64_t led_ns;                   /* since when it leads these voters */
    uint64_t heard_ns[RAFT_NODES_MAX]; /* when a message of each node came in last */
    enum raft_role judged_role;
};

struct raft_world_config {
    const struct raft_engine *engine;
    uint32_t guards; /* of an engine that has some */
    uint64_t seed;
    uint32_t voters, nodes;
    uint32_t loss, duplicate;               /* per mille */
    uint64_t delay_ns, disk_ns;             /* usual; drawn from once to twice this */
    uint32_t late;                          /* per mille of messages that take up to 100 times as long */
    uint32_t odd_kinds, odd_loss, odd_late; /* what befalls messages of these kinds (bits) beside that; per mille */
    uint32_t list_loss;                     /* per mille of messages with a member list in them */
    uint32_t corrupt; /* per mille of messages with bytes changed; then nodes keep their own promises, no more */
    uint32_t snapshot_entries, trailing_entries; /* 0: no snapshots */
    uint64_t patience_ns;            /* election timeout of all but the first node; 0: as the first's, 150 ms */
    bool ordered;                    /* messages between two nodes keep their order, but for the late ones */
    bool roomy;                      /* production's limits, for measuring; nobody judges */
    void (*print)(const char *line); /* a line per note and message; NULL: none */
    void *digests;                   /* FILE: the digest after each call, 8 bytes each; NULL: none */
};

enum raft_happening_kind { RAFT_HAPPENS_MESSAGE, RAFT_HAPPENS_DISK, RAFT_HAPPENS_TIMER };

struct raft_happening {
    uint64_t at_ns, sequence;
    enum raft_happening_kind kind;
    uint32_t slot, life; /* node; life 0: whichever */
    uint64_t from;       /* an id */
    uint64_t to;         /* an id: a message to an earlier one of a node gets lost */
    struct bytes bytes;
};

struct raft_committed {
    uint64_t term, hash, chain;
    uint64_t leader_term; /* in which it was committed */
    uint8_t kind;
    struct bytes bytes;
};

struct raft_vote_record {
    uint64_t term, voter, candidate; /* term 0: free */
};

struct raft_match_record {
    uint64_t index, term, hash, prev_term; /* index 0: free */
};

struct raft_world_stats {
    uint64_t steps, messages, elections, crashes, installs, commits, reads, changes, truncations, rollbacks, joint;
    uint64_t impossible, taken, chunks, asked, busy, wipes, handovers, cuts, stalls;
    uint64_t rewinds, forgot;
};

enum { RAFT_VOTES_MAX = 1 << 15, RAFT_MATCHES_MAX = 1 << 17, RAFT_COMMITTED_MAX = 1 << 16, RAFT_TERMS_MAX = 1 << 16 };

struct raft_world {
    struct raft_world_config config;
    struct prng prng;
    uint64_t now_ns, sequence, digest;
    struct raft_node nodes[RAFT_NODES_MAX];
    struct raft_happening *queue; /* a heap */
    uint32_t queue_count, queue_max;
    struct raft_committed *committed; /* [0] is index 0 */
    uint64_t committed_count;         /* the last index */
    uint64_t *leader_of;              /* by term */
    struct raft_vote_record *votes;
    struct raft_match_record *matches;
    uint32_t vote_count, match_count;
    struct raft_backup backup;
    struct raft_block *memory;
    uint64_t next_value, next_token;
    char violation[RAFT_VIOLATION_SIZE]; /* empty: none. It begins with the judge's rule */
    struct raft_output out;
    struct raft_world_stats stats;
};

struct raft_source { /* of the bytes of entries that a call appends */
    const struct raft_message *message;
    const uint8_t *const *proposals;
};

/* ---- raft_parts.c: memory, chance, logs, the queue ---- */
uint64_t raft_world_mix(uint64_t a, uint64_t b);
uint8_t *raft_world_take(struct raft_world *world, size_t size); /* until the world's end */
const uint8_t *raft_world_copy(struct raft_world *world, const void *bytes, size_t size);
void raft_world_give_back(struct raft_world *world);
uint64_t raft_world_draw(struct raft_world *world, uint64_t below);
bool raft_world_chance(struct raft_world *world, uint32_t per_mille);
void raft_world_violate(struct raft_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct raft_node *raft_world_node(struct raft_world *world, uint64_t id); /* NULL: nobody, or not any more */
void raft_world_push(struct raft_world *world, struct raft_happening happening);
struct raft_happening raft_world_pop(struct raft_world *world);

uint64_t raft_items_last(const struct raft_items *items);
const struct raft_item *raft_items_at(const struct raft_items *items, uint64_t index); /* NULL: not there */
void raft_items_reset(struct raft_items *items, uint64_t first);
void raft_items_push(struct raft_items *items, const struct raft_item *item);
void raft_items_truncate(struct raft_items *items, uint64_t from);
void raft_items_drop_before(struct raft_items *items, uint64_t index);
uint64_t raft_item_hash(const struct raft_item *item);

/* ---- raft_story.c ---- */
void raft_say_notes(struct raft_world *world, struct raft_node *node);
void raft_say_message(struct raft_world *world, struct raft_node *node, const struct raft_message *message);

/* ---- raft_disk.c ---- */
struct raft_op *raft_disk_push(struct raft_world *world, struct raft_node *node, enum raft_op_kind kind);
/* Makes the first `parts` parts of a write durable: hard state, truncation, each entry. */
void raft_disk_apply_write(struct raft_world *world, struct raft_node *node, const struct raft_op *op, uint64_t parts);
void raft_disk_apply_picture(struct raft_world *world, struct raft_node *node, const struct raft_picture *picture);
uint32_t raft_disk_trailing(const struct raft_world *world, const struct raft_node *node);
/* Copies a disk, instead of the copy that there was; and puts that copy in place of a disk, of a node that is down. */
void raft_disk_back_up(struct raft_world *world, const struct raft_node *node);
void raft_disk_rewind(struct raft_world *world, struct raft_node *node);
bool raft_disk_has(const struct raft_node *node, uint64_t index, uint64_t term);
struct raft_picture raft_picture_make(struct raft_world *world, const struct raft_node *node,
                                      const struct raft_configuration *list);
bool raft_picture_read(struct raft_picture *picture);
struct bytes raft_picture_list(const struct raft_picture *picture);

/* ---- raft_host.c ---- */
/* Does what the call of `node` wants. */
void raft_world_drain(struct raft_world *world, struct raft_node *node, const struct raft_source *source);
extern const struct raft_source raft_no_source;
void raft_world_set_timer(struct raft_world *world, struct raft_node *node);
void raft_picture_keep(struct raft_node *node, struct raft_picture picture);

/* ---- raft_world.c ---- */
struct raft_world *raft_world_new(const struct raft_world_config *config);
void raft_world_free(struct raft_world *world);
void raft_world_run(struct raft_world *world, uint64_t until_ns); /* or until a violation */
void raft_world_restart(struct raft_world *world, struct raft_node *node);
void raft_world_crash(struct raft_world *world, struct raft_node *node);
/* It is down; its disk is empty now, and it comes back as somebody else, who waits to be added. */
void raft_world_wipe(struct raft_world *world, struct raft_node *node);
enum raft_verdict raft_world_propose(struct raft_world *world, struct raft_node *node, uint32_t count);
enum raft_verdict raft_world_change(struct raft_world *world, struct raft_node *node, const struct raft_change *changes,
                                    uint32_t count);
enum raft_verdict raft_world_transfer(struct raft_world *world, struct raft_node *node, uint64_t to);
enum raft_verdict raft_world_read(struct raft_world *world, struct raft_node *node);
struct raft_node *raft_world_leader(struct raft_world *world); /* of the newest term; NULL: none */
/* A leader's committed, settled member list is up and has applied all that is committed. */
bool raft_world_is_at_rest(struct raft_world *world);

#endif
