/* isr_model.h -- a cluster's promises, without its bytes: real images and real decisions, and beside them the least
 * model of the data plane that can break what they promise. Every node has an image of
 * its own that lags behind the log of proposals, a log of numbered records for each partition with a durable part, and
 * acts by what its image says.
 *
 * The judge. C: records once below a high watermark stay there, at their offsets, as long as no unclean election
 * happened behind them. So: every member of ISR and ELR whose disk is undamaged holds them durably; whoever is elected
 * cleanly holds them; nobody ever commits others in their place; one leader for each epoch; epochs grow; images that
 * have applied the same say the same. */
#ifndef CHRONIK_TESTS_ISR_MODEL_H
#define CHRONIK_TESTS_ISR_MODEL_H

#include "base/prng.h"
#include "cluster_world.h"
#include "controller/decide.h"
#include "meta/snapshot.h"

enum {
    NODES = 5,
    PARTITIONS = 2,
    RECORDS_MAX = 256, /* of one partition */
    ENTRIES_MAX = 2000,
    ENTRY_SIZE_MAX = 512,
    EPOCHS_MAX = 1024,
    WISHES_MAX = 32,
    CONTROLLER = NODES, /* the image that decisions are made on */
    JUDGE = NODES + 1,  /* the one that has applied all there is */
    IMAGES = NODES + 2,
};

/* A replica on the disk of a node, and what the node knows if it leads. */
struct replica {
    uint32_t records[RECORDS_MAX];
    uint32_t log_end, durable, high_watermark;
    int32_t led_epoch; /* the latest that it led, or heard of from who leads it, in this life; -1: none */
    uint32_t epoch_start;
    bool leads;
    bool matched[NODES];
    uint32_t acked[NODES];
    int64_t acked_epoch[NODES]; /* of the follower's registration, when it was matched */
    uint32_t extra;             /* nodes that count beyond the ISR: proposed, and perhaps in it by now */
    int32_t proposed_epoch;     /* the partition's, when that was proposed; -1: nothing is */
    uint32_t asked;             /* how often since then */
};

struct node {
    bool up;
    bool registered; /* its own image has applied its registration in this life */
    bool ready;      /* logs recovered */
    bool damaged;    /* its disk lost what it had promised, and no image in use knows that yet */
    bool was_wiped;  /* in a way that its registration tells */
    struct uuid incarnation;
    struct replica replicas[PARTITIONS];
};

struct view {
    struct image *image;
    uint32_t applied;  /* entries */
    struct bytes rest; /* of the entry being applied */
    bool active;
};

/* An ISR change on its way to the controller. */
struct model_wish {
    int32_t node; /* -1: nobody's */
    uint32_t partition;
    int64_t broker_epoch;
    struct wish_isr_record_partition wish;
    struct wish_isr_record_member members[REPLICAS_MAX];
};

struct committed {
    uint32_t records[RECORDS_MAX];
    uint32_t count;
    int32_t unclean_epoch;                 /* commits of leaders before it count no more */
    int32_t leader_of[EPOCHS_MAX];         /* node + 1 */
    int32_t made_in[RECORDS_MAX];          /* by offset: the latest epoch + 1 in which a record was made there */
    int32_t leader_epoch, partition_epoch; /* as the controller's image last had them */
};

struct model {
    struct prng prng;
    uint64_t seed;
    struct node nodes[NODES];
    struct view views[IMAGES];
    struct {
        uint8_t bytes[ENTRY_SIZE_MAX];
        uint32_t size;
        uint64_t digest; /* of an image that has applied it; 0: none has */
    } entries[ENTRIES_MAX];
    uint32_t entry_count;
    struct model_wish wishes[WISHES_MAX];
    struct committed committed[PARTITIONS];
    uint32_t next_record;
    bool unclean_allowed;
    bool calm; /* less happens to brokers, so that what is under way lives longer */
    bool heals;
    uint32_t commits, elections, unclean, isr_changes, moves;
    char failure[256]; /* "": none */
};

void model_init(struct model *model, uint64_t seed);
void model_free(struct model *model);

/* One deed; false: the judge has spoken. */
bool model_step(struct model *model);

/* Everybody alive, all applied and caught up: then every partition is whole again. */
void model_heal(struct model *model);

#endif
