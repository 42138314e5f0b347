/* tape.h -- a run as it is told afterwards: what happened to whom, what led to it, and how every node stood.
 *
 * It is filled while the run goes on, by looking at it; it changes nothing. Of a long run it keeps the end and says how
 * much it dropped. What is made of it: trace_text.h, trace_files.h, story.h, why.h. */
#ifndef CHRONIK_SIM_TAPE_H
#define CHRONIK_SIM_TAPE_H

#include "sim/run.h"

enum tape_kind {
    TAPE_EVENT,  /* a node was told something; `cause` is the event that led to it */
    TAPE_ORDER,  /* it orders something */
    TAPE_NOTE,   /* it says something */
    TAPE_CLIENT, /* of clients, the operator, and configurations of partitions */
    TAPE_FAULT,
    TAPE_PHASE,
    TAPE_SHADOW,    /* what a power loss of that moment would have left, and what became of it */
    TAPE_MESSAGE,   /* a frame has come in whole: values below */
    TAPE_NODE,      /* a node stands differently: values below */
    TAPE_REPLICA,   /* a replica does */
    TAPE_PARTITION, /* a partition has another configuration */
    TAPE_VERDICT,   /* what the judge says, last of all */
};

/* TAPE_MESSAGE, TAPE_NODE, TAPE_REPLICA, TAPE_PARTITION: what each of the values is. */
enum { MESSAGE_TO, MESSAGE_SENT_NS, MESSAGE_SENT_EVENT, MESSAGE_SIZE, MESSAGE_CLIENT };
enum { NODE_STATE, NODE_ROLE, NODE_TERM, NODE_COMMIT, NODE_APPLIED };
enum { REPLICA_PARTITION, REPLICA_LEADS, REPLICA_EPOCH, REPLICA_HIGH_WATERMARK, REPLICA_END, REPLICA_DURABLE };
enum { PARTITION_NUMBER, PARTITION_LEADER, PARTITION_EPOCH, PARTITION_ISR, PARTITION_REPLICAS, PARTITION_ELR };
enum { TAPE_VALUES = 6 };

enum tape_state { STATE_DOWN, STATE_STARTING, STATE_SERVING, STATE_STOPPING, STATE_HALTED };
enum tape_role { ROLE_NONE, ROLE_FOLLOWS, ROLE_STANDS, ROLE_LEADS };

struct tape_item {
    enum tape_kind kind;
    uint32_t machine; /* MACHINE_NONE: it is nobody's */
    uint64_t time_ns;
    uint64_t event; /* the one that was under way, or before it */
    uint64_t cause; /* 0: none that is known */
    int64_t values[TAPE_VALUES];
    char *text; /* of kinds that are words, of a partition its name, of a message its kind; NULL: none */
};

enum { TAPE_ITEMS = 400 * 1000, TAPE_NODES_SHOWN = 64 };

struct tape_links; /* tape_links.c */

struct tape {
    struct run *run;
    FILE *lines; /* what others write there becomes items */
    char line[1024];
    uint32_t line_size;
    struct tape_item *items; /* a ring */
    uint64_t first, next;    /* numbers of the oldest that is kept, and of the one to come */
    uint64_t event;          /* under way, or the last one */
    bool in_shadow;
    struct tape_item *current; /* the event's own item; NULL: there is none, or it was dropped */
    uint64_t current_number;
    struct tape_links *links;
    struct node_seen {
        bool seen;
        int64_t values[TAPE_VALUES];
    } * nodes;                    /* by machine */
    struct node_seen *replicas;   /* by machine * partition_max + partition */
    struct node_seen *partitions; /* by partition */
    uint32_t node_max, partition_max;
    uint32_t focus;   /* the partition that changed last; UINT32_MAX: none did */
    FILE *file;       /* for what is made of it in the end; its owner's */
    FILE *text;       /* a line per event, while it goes on; or NULL */
    bool text_orders; /* and per order */
    uint32_t text_lines;
    char orders[160];                    /* of the event that is under way, in short */
    const struct likelihood *likelihood; /* of its failure; or NULL */
};

struct tape *tape_new(struct run *run);
void tape_free(struct tape *tape);

static inline const struct tape_item *tape_at(const struct tape *tape, uint64_t number)
{
    return &tape->items[number % TAPE_ITEMS];
}

/* The next item, its time and event set and the rest zero; `text` is copied. */
struct tape_item *tape_add(struct tape *tape, enum tape_kind kind, uint32_t machine, const char *text);

/* ---- what run.c tells ---- */
void tape_on_event(struct tape *tape, uint32_t machine, const struct event *event);
void tape_on_orders(struct tape *tape, uint32_t machine, const struct effects *effects);
void tape_on_stepped(struct tape *tape, uint32_t machine);
void tape_on_client_bytes(struct tape *tape, uint32_t wire, uint32_t size);
void tape_on_client_wrote(struct tape *tape, uint32_t wire, const void *data, uint32_t size);

/* The run is over, and this is what it was found to be ("": fine). */
void tape_on_end(struct tape *tape, const char *rule, const char *story);

/* ---- tape_links.c: who sent what, and which event led to which ---- */
struct tape_links *tape_links_new(void);
void tape_links_free(struct tape_links *links);

/* Which event led to this one, as far as is known; 0: none. Adds the messages that it completes. */
uint64_t tape_links_on_event(struct tape *tape, uint32_t machine, const struct event *event);
void tape_links_on_orders(struct tape *tape, uint32_t machine, const struct effects *effects);
void tape_links_on_deadline(struct tape *tape, uint32_t machine, uint64_t deadline_ns);
void tape_links_on_client_bytes(struct tape *tape, uint32_t wire, uint32_t size);
void tape_links_on_client_wrote(struct tape *tape, uint32_t wire, const void *data, uint32_t size);

/* The name of a partition of the plane, as clients know it. */
void tape_partition_name(const struct run *run, uint32_t partition, char name[64]);

#endif
