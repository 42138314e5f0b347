/* disk.h -- a disk that keeps exactly what it promised, and of the rest whatever hurts most.
 *
 * Every file has two contents: what its process sees, and what a power loss would leave. A sync makes them equal for
 * one file, a directory sync does so for the names in one directory. When power is lost, each sector that was written
 * and not synced keeps its old bytes or its new ones, and of the changes to each directory a prefix remains; a file is
 * there only if every directory above it is. Orders for one path are carried out in order; the rest in any.
 *
 * It also watches the core's side of the contract: bytes lent to it must not change before the answer. */
#ifndef CHRONIK_SIM_DISK_H
#define CHRONIK_SIM_DISK_H

#include "sim/content.h"
#include "sim/names.h"

enum { DISK_ORDERS_MAX = 8192 };

enum change_kind { CHANGE_CREATE, CHANGE_UNLINK, CHANGE_RENAME };

/* A change to one directory that is not durable. */
struct change {
    enum change_kind kind;
    uint32_t inode;
    uint32_t path;
    uint32_t to;
};

struct disk_order {
    bool used;
    struct effect effect;
    uint32_t path;
    uint64_t given;          /* the host's count of steps when it was given: how long it is under way */
    uint32_t next, previous; /* of the same path, in the order in which they were given; or of the free slots */
    uint32_t loan_crc;
};

/* Which orders a fault is for: a disk that serves one sort first starves the others. From SORT_FIRST_KIND on: those for
 * one kind of file, by the extension or the first letters of its name (all directories are one), in the order in which
 * kinds appeared. */
enum { SORT_ALL, SORT_URGENT, SORT_OTHERS, SORT_FIRST_KIND, SORT_COUNT = 16, KINDS_MAX = SORT_COUNT - SORT_FIRST_KIND };

struct disk_figures {
    uint64_t writes, syncs, reads, file_orders, bytes_written, names_lost, failed_syncs, refused_full, flips;
    struct loss_count loss;
};

struct disk {
    struct prng prng;
    struct content *inodes; /* INODE_NONE is nobody's */
    uint32_t *holders;      /* of each: names, and changes of names that are not durable */
    uint32_t inode_count, inode_max;
    struct paths paths;
    struct names now, durable;
    struct change *changes;
    uint32_t change_count, change_max;
    struct disk_order *orders;
    uint32_t order_high; /* slots ever used */
    uint32_t order_free;
    uint64_t steps; /* the host's */
    char kinds[KINDS_MAX][12];
    uint32_t kind_count;
    uint32_t kinds_synced; /* as bits: those that syncs were ordered for */

    /* faults that are on */
    uint32_t latency_factor; /* 1: none */
    uint32_t stalled;        /* the sort that it is for */
    bool full;
    uint32_t sync_fails_in; /* the so-manieth sync from now fails, of a file or a directory; 0: none does */
    uint32_t failing;       /* the sort that is counted for it */
    bool reads_fail;
    uint64_t sync_latency_ns, write_latency_ns, read_latency_ns;

    struct disk_figures figures;
};

void disk_init(struct disk *disk, uint64_t seed, uint64_t stream);
void disk_free(struct disk *disk);

/* Takes an order; says in which slot and how long it will take. */
uint32_t disk_take(struct disk *disk, const struct effect *effect, uint64_t *delay_ns);

/* Is there an order that has been under way for so many of the host's steps? All else went on meanwhile. */
bool disk_is_late(const struct disk *disk, uint64_t steps);

/* Of all orders for the path of `slot`, the one that was given first: it is carried out in the slot's stead, so that
 * a path keeps its order whatever the delays were. The answer is for the core. */
void disk_carry_out(struct disk *disk, uint32_t slot, struct event *answer);

/* The process dies: of the orders under way, each path's first few are carried out, perhaps, and the rest never. */
void disk_kill(struct disk *disk);

/* The power goes: after disk_kill. */
void disk_lose_power(struct disk *disk, enum loss loss);

/* A copy of what a power loss with that outcome would leave now; the original goes on, and outlives it. */
void disk_copy_after_loss(const struct disk *disk, struct disk *copy, uint64_t seed, enum loss loss);

/* Damages one bit of durable bytes somewhere in a file whose path contains `part`. False: there is none. */
bool disk_flip(struct disk *disk, const char *part);

/* What a process would read there; for files that are sent. Returns the bytes there are. */
uint32_t disk_peek(const struct disk *disk, const char *path, uint64_t position, uint8_t *into, uint32_t size);

/* A digest of all names and contents as a process sees them. */
uint64_t disk_digest(const struct disk *disk, const char *part);

#endif
