/* disk.h -- carries out the core's orders for files, off the loop thread, and keeps those for one path in line.
 *
 * There are a few lanes; each is a thread with a queue. A path whose orders are under way stays in its lane, so they
 * are carried out as given; any other goes to the lane of its kind that has least to do. Urgent ones (a journal's
 * write and sync) have lanes of their own, so they never wait behind a segment's sync or the removal of a file. A
 * write followed by a sync of its path is answered with it: one wake-up for both. Where the loop thread has nothing
 * else to do it may carry out such a commit by itself, without any (docs/adr/0025).
 *
 * A read of a path with nothing under way is tried at once, on the loop thread, where it cannot block: its file is
 * open and the bytes are in the page cache. */
#ifndef CHRONIK_RUNTIME_DISK_H
#define CHRONIK_RUNTIME_DISK_H

#include "base/effect.h"
#include "files.h"

#include <uv.h>

struct disk;

enum disk_done_type {
    DISK_ANSWER, /* `event` is for the core, complete but for its time */
    DISK_WARMED, /* answers disk_warm */
};

struct disk_done {
    enum disk_done_type type;
    struct event event;
    uint64_t tag;
    struct file *file; /* open, and the receiver's to put back; NULL: it could not be opened or read */
};

/* What went through since the start. */
struct disk_counts {
    uint64_t orders;
    uint64_t reads_at_once; /* answered from the page cache without a thread */
    uint64_t commits_here;  /* carried out by the loop thread */
    uint64_t written_size;
    uint64_t read_size;
    uint64_t syncs;
    uint64_t sync_ns; /* all of them together */
    uint64_t failures;
    uint32_t waiting; /* orders under way now */
};

/* Threads are started and wake `loop` when something is done. NULL and a logged line if that is not possible. */
struct disk *disk_new(uv_loop_t *loop, struct files *files);

/* Waits for what is under way, ends the threads, and closes the wake-up handle: run the loop once more after it. */
void disk_free(struct disk *disk);

/* A WRITE, SYNC, READ or FILE. Threads see it after disk_flush, which the end of each step calls. */
void disk_order(struct disk *disk, const struct effect *effect);
void disk_flush(struct disk *disk);

/* Whether the orders that are not flushed have one commit among them, a write with its sync that somebody waits for,
 * with no other one under way, where syncs are so quick that to hand one to a thread and back is a large part of it.
 * disk_commit_here carries it out on the calling thread: its answers are the next to be told. */
bool disk_may_commit_here(const struct disk *disk);
void disk_commit_here(struct disk *disk);

/* Whether a write or a sync that somebody waits for is under way. */
bool disk_is_committing(const struct disk *disk);

/* Opens the file and brings a range of it into the page cache, so that it can be sent without blocking. `file` is
 * what an earlier answer gave, or NULL; it goes over to disk. */
void disk_warm(struct disk *disk, const char *path, struct file *file, uint64_t position, uint32_t size, uint64_t tag);

/* Whether such a range can be read now without waiting for the disk. */
bool disk_is_warm(const struct file *file, uint64_t position, uint32_t size);

/* The next thing done, if there is one. disk_is_ready: whether there is. */
bool disk_next(struct disk *disk, struct disk_done *done);
bool disk_is_ready(const struct disk *disk);

struct disk_counts disk_counts(const struct disk *disk);

#endif
