/* metadata_log_state.h -- the metadata log's memory, shared by its three files: metadata_log.c (proposing, storing,
 * applying), metadata_open.c (from disk to open) and metadata_snapshot.c (snapshots on disk). */
#ifndef CHRONIK_CONTROLLER_METADATA_LOG_STATE_H
#define CHRONIK_CONTROLLER_METADATA_LOG_STATE_H

#include "controller/metadata_log.h"
#include "meta/snapshot.h"
#include "raft/raft.h"
#include "wal/journal.h"
#include "wal/tail.h"

#define META_DIRECTORY "wal/__meta"
#define META_TEMPORARY META_DIRECTORY "/snapshot.tmp"

enum {
    JOURNAL_KIND_HARD_STATE = 1,
    JOURNAL_KIND_TRUNCATION = 2,
    JOURNAL_KIND_ENTRY = 3,
    ENTRY_HEAD_SIZE = 17,
    TRAILER_SIZE = 32,
    TRAILER_MAGIC = 0x4348524c, /* "CHRL" */

    META_PATH_SIZE = sizeof META_DIRECTORY "/snapshot-" + 20,
    OLD_SNAPSHOTS_MAX = 8, /* one is usual, two after a crash between rename and deletion */
    LIST_SIZE = 16 << 10,
    DISK_STEP_SIZE = 1 << 20, /* of reading and writing snapshots */
    ENCODE_STEP_SIZE = 256 << 10,
    LOAD_STEP_RECORDS = 4096,
    REPLAY_STEP_ENTRIES = 4096,
    APPLY_STEP_ENTRIES = 4096,
    APPLY_STEP_DRAINS = 256, /* pieces of image_drain, of some 10 us at most */
};

#define DISK_RETRY_NS (1000 * (uint64_t)1000000) /* after the disk was full */

/* Answers are told apart by the low byte of their op. */
enum meta_op { META_OP_OPEN, META_OP_SNAPSHOT };

enum meta_opening {
    OPENING_NOT,
    OPENING_MAKING_DIRECTORY,
    OPENING_SYNCING_ROOT, /* the name "wal" in it */
    OPENING_SYNCING_WAL,  /* the name "__meta" in it */
    OPENING_LISTING,
    OPENING_UNLINKING, /* what a crash left of a snapshot that was being written */
    OPENING_READING,
    OPENING_LOADING,
    OPENING_REPLAYING,
    OPENING_SEARCHING, /* nothing is there: is this data directory really new? */
    OPENING_DONE,
    OPENING_BROKEN,
};

enum snapshot_state {
    SNAPSHOT_IDLE,
    SNAPSHOT_ENCODING,
    SNAPSHOT_WRITING,
    SNAPSHOT_SYNCING,
    SNAPSHOT_RENAMING,
    SNAPSHOT_SYNCING_DIRECTORY,
    SNAPSHOT_UNLINKING,  /* older ones */
    SNAPSHOT_DISCARDING, /* the disk is full: what was written of it goes */
};

/* An entry's bytes, where the journal was given them. */
struct kept_entry {
    const uint8_t *payload;
    uint32_t size;
    uint32_t chunk;    /* pinned */
    uint64_t sequence; /* of the journal round it is in */
};

/* What is to be told to Raft when a round is durable. */
struct awaited_write {
    uint64_t sequence; /* of the round; 0: none */
    struct raft_ticket ticket;
};

/* What the open round of the journal holds already. */
struct round_fill {
    uint64_t sequence;
    uint32_t size;
    uint32_t pieces;
    uint32_t chunk;
};

/* The entry being applied. */
struct applying {
    bool active;
    bool refused;
    uint64_t index;
    struct bytes rest;
    uint32_t entries_left; /* of this step's bound */
    uint32_t drains_left;
};

struct metadata_log {
    struct metadata_log_config config;
    struct image *image;
    struct tail *tail;
    struct journal *journal;
    struct raft *raft;
    uint64_t tail_memory_size;
    uint32_t tail_unit_size;
    uint32_t round_size_max;
    uint32_t reserve_size;        /* of a round, for what Raft writes by itself */
    uint64_t journal_shared_size; /* of the journal, for proposals */
    uint32_t entries_max;         /* a power of two */
    uint64_t mono_ns;

    /* the log */
    struct kept_entry *entries; /* by index modulo entries_max */
    uint64_t kept_first;        /* entries [kept_first, kept_end) are kept */
    uint64_t kept_end;
    uint64_t commit_index;
    uint64_t first_index; /* of this life */
    uint64_t term, vote;  /* as given to the journal last */
    struct awaited_write awaited[2];
    struct round_fill fill;
    struct applying applying;
    bool proposer_waits; /* somebody found no room, and looks again when the next index is applied */
    bool disk_full;      /* when the journal was written last */
    uint64_t retry_ns;   /* when the journal tries a full disk again; UINT64_MAX: it is not full */

    /* opening */
    enum meta_opening opening;
    struct effect_halt halt;
    uint64_t read_position;
    uint64_t sequence_min;
    bool journal_waits;  /* for the disk */
    uint32_t copy_chunk; /* where replayed entries are copied to; pinned by us */
    uint32_t copy_used;
    bool found_temporary;
    bool replayed_any;
    char last_name[64];
    uint8_t *list; /* [LIST_SIZE] */
    struct snapshot_loader loader;

    /* snapshots */
    enum snapshot_state snapshot;
    struct snapshot_writer writer;
    uint8_t *buffer; /* of buffer_size: the snapshot being written or read, and its trailer */
    uint64_t buffer_size;
    uint64_t file_size; /* of what is in the buffer */
    uint64_t written_size;
    uint64_t snapshot_sequence; /* the journal is needed from here on, when this snapshot is durable */
    struct piece piece;
    uint64_t snapshot_index; /* of the newest durable one; 0: none */
    uint64_t snapshot_file_size;
    uint64_t snapshots;
    uint64_t judged_index;      /* the last one at which it was judged whether a snapshot is wanted */
    uint64_t snapshot_retry_ns; /* the disk was full: not before */
    uint32_t old_count;         /* files of others than the newest good one, which may go after the next */
    uint64_t old[OLD_SNAPSHOTS_MAX];
    uint64_t old_sizes[OLD_SNAPSHOTS_MAX];
    uint32_t tried;            /* at opening: old[tried] and those after it are not good */
    char path[META_PATH_SIZE]; /* of the order under way */

    struct raft_output output;
};

/* metadata_log.c */
void metadata_log_break(struct metadata_log *log, enum halt_reason reason, const char *path);
/* Does what the last call of Raft put out. `payload` is the proposal's. */
void metadata_log_act(struct metadata_log *log, struct bytes payload);
struct kept_entry *metadata_log_kept(struct metadata_log *log, uint64_t index);
void metadata_log_keep(struct metadata_log *log, uint64_t index, const struct kept_entry *entry);
void metadata_log_forget(struct metadata_log *log, uint64_t end); /* all below it */

/* metadata_open.c */
void metadata_open_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects);
void metadata_open_go_on(struct metadata_log *log, struct effects *effects);
bool metadata_open_is_due(const struct metadata_log *log); /* more to do without an answer of the disk */

/* metadata_snapshot.c */
void metadata_snapshot_path(char path[META_PATH_SIZE], uint64_t index);
uint32_t metadata_snapshot_trailer(struct metadata_log *log, uint8_t *to);
void metadata_snapshot_go_on(struct metadata_log *log, struct effects *effects);
uint64_t metadata_snapshot_deadline_ns(const struct metadata_log *log);
void metadata_snapshot_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects);

#endif
