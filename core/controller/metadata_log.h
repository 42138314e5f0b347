/* metadata_log.h -- how is the metadata log kept on this node, and applied?
 *
 * Raft (core/raft) decides what the log is; a journal of its own (core/wal/journal.h) makes it durable; the bytes of
 * its entries stay in memory, where the journal was given them, until a snapshot covers them; what is committed is
 * applied to the image. This file ties the four together and knows none of what the records mean.
 *
 *     data/wal/__meta/journal-0 ...           entries, terms and votes, cut by snapshots
 *     data/wal/__meta/snapshot-<20 digits>    the image after the entry of that index; see below
 *     data/wal/__meta/snapshot.tmp            one being written
 *
 *   Journal entries, by kind, all integers big-endian:
 *     1 hard state   u64 term | u64 vote
 *     2 truncation   u64 index of the first entry dropped
 *     3 entry        u64 index | u64 term | u8 kind | payload
 *
 *   Snapshot files. What meta/snapshot.h makes, which any node may load, and behind it what is this node's own:
 *     0 u32 magic "CHRL" | 4 u32 crc-32c of the rest | 8 u64 journal sequence | 16 u64 term | 24 u64 vote
 *   The sequence is the first of the journal that is still needed. A file is written under a temporary name, synced,
 *   renamed, and its directory synced; only then may the journal overwrite what came before. At a start the newest one
 *   counts; an older one only where the journal still reaches back to it, which the journal itself checks.
 *
 * Invariants, numbered as in metadata_log_check():
 *   (1) applied <= committed <= the log's last index; nothing is applied that is not committed.
 *   (2) Every entry above the last snapshot is in memory, pinned.
 *   (3) No snapshot is begun while one is under way; the image stands still while one is encoded. */
#ifndef CHRONIK_CONTROLLER_METADATA_LOG_H
#define CHRONIK_CONTROLLER_METADATA_LOG_H

#include "base/effect.h"
#include "meta/image.h"

struct metadata_log_config {
    int32_t node_id;
    uint64_t seed;
    uint64_t journal_id;
    struct bytes address; /* of this node, for its peers; "" if it has none. Stays put */
    struct image_config image;
    uint32_t journal_file_size;
    uint32_t snapshot_entries;
    uint32_t members_max;
};

struct metadata_log;

/* 0 if the limits contradict each other. */
size_t metadata_log_size(const struct metadata_log_config *config);

/* In zeroed memory, aligned to 64. The image is changed by this log alone from now on. */
void metadata_log_init(struct metadata_log *log, const struct metadata_log_config *config, struct image *image);

/* The largest proposal. */
uint32_t metadata_log_proposal_size_max(const struct metadata_log_config *config);

/* ---- opening ---- */

enum metadata_log_state {
    METADATA_LOG_CLOSED,
    METADATA_LOG_OPENING,
    METADATA_LOG_OPEN,
    METADATA_LOG_BROKEN, /* metadata_log_halt() says why */
};
enum metadata_log_state metadata_log_state(const struct metadata_log *log);
struct effect_halt metadata_log_halt(const struct metadata_log *log);

void metadata_log_open(struct metadata_log *log, struct effects *effects);

/* ---- facts ---- */

void metadata_log_on_time(struct metadata_log *log, uint64_t mono_ns);
void metadata_log_on_disk(struct metadata_log *log, const struct event *event, struct effects *effects);

/* Last in every step: closes the commit round, goes on with what goes in steps. */
void metadata_log_commit(struct metadata_log *log, struct effects *effects);

uint64_t metadata_log_deadline_ns(const struct metadata_log *log, bool applies);

/* ---- applying ---- */

enum applied {
    APPLIED_NOTHING, /* nothing more in this step */
    APPLIED_CHANGE,  /* one thing has changed, as `change` says */
    APPLIED_ENTRY,   /* an entry is applied to its end */
};

struct applied_entry {
    uint64_t index;
    bool refused; /* a guard stopped it: what it did before that holds, the rest does not */
};

/* Applies the next record of what is committed. */
enum applied metadata_log_apply(struct metadata_log *log, struct image_change *change, struct applied_entry *entry);

/* ---- proposing ---- */

/* The first index of this life: what lies below was there when we started. */
uint64_t metadata_log_first_index(const struct metadata_log *log);

/* We lead, and all that was committed before we did is applied: decisions see the truth. */
bool metadata_log_leads(const struct metadata_log *log);

enum metadata_log_verdict {
    METADATA_LOG_TAKEN, /* it will be at *index, unless leadership is lost first */
    METADATA_LOG_WAITS, /* no room just now: when the next index is applied there may be */
};
enum metadata_log_verdict metadata_log_propose(struct metadata_log *log, struct bytes records, uint64_t *index);

struct metadata_log_view {
    uint64_t term;
    uint64_t last_index;
    uint64_t commit_index;
    uint64_t snapshot_index;
    uint64_t snapshot_size;
    uint64_t snapshots; /* taken since the start */
    uint64_t journal_used;
    uint64_t journal_max;
    bool leads;
    bool disk_full;
};
struct metadata_log_view metadata_log_view(const struct metadata_log *log);

void metadata_log_check(const struct metadata_log *log);

#endif
