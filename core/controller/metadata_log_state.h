/* metadata_log_state.h -- the metadata log's memory, and which file does what with it; private to those files.
 *
 *   metadata_log.c       proposing, applying, facts, questions
 *   metadata_write.c     what Raft wants: written to the journal, kept in memory; is there room?
 *   metadata_frames.c    what members say to each other, in and out
 *   metadata_chunks.c    pieces of our snapshots for those who were left behind
 *   metadata_open.c      from disk to open
 *   metadata_snapshot.c  our own snapshots, and the removal of old ones
 *   metadata_install.c   a snapshot that comes from the leader */
#ifndef CHRONIK_CONTROLLER_METADATA_LOG_STATE_H
#define CHRONIK_CONTROLLER_METADATA_LOG_STATE_H

#include "controller/metadata_log.h"
#include "meta/converge.h"
#include "meta/snapshot.h"
#include "raft/raft.h"
#include "wal/journal.h"
#include "wal/tail.h"

#define META_DIRECTORY "wal/__meta"
#define META_TEMPORARY META_DIRECTORY "/snapshot.tmp"
#define META_RECEIVED META_DIRECTORY "/received.tmp"

enum {
    JOURNAL_KIND_HARD_STATE = 1,
    JOURNAL_KIND_TRUNCATION = 2,
    JOURNAL_KIND_ENTRY = 3,
    JOURNAL_KIND_IDENTITY = 4,
    JOURNAL_KIND_REPLACEMENT = 5,
    JOURNAL_KIND_RENAMED = 6,
    ENTRY_HEAD_SIZE = 17,
    IDENTITY_SIZE = 9,
    RENAMED_SIZE = 16,
    TRAILER_SIZE = 48,
    TRAILER_MAGIC = 0x4348524c, /* "CHRL" */

    META_PATH_SIZE = sizeof META_DIRECTORY "/snapshot-" + 20,
    OLD_SNAPSHOTS_MAX = 8, /* one is usual, two after a crash between rename and deletion, more while they are sent */
    LIST_SIZE = 16 << 10,
    DISK_STEP_SIZE = 1 << 20, /* of reading and writing snapshots */
    ENCODE_STEP_SIZE = 256 << 10,
    LOAD_STEP_RECORDS = 4096,
    REPLAY_STEP_ENTRIES = 4096,
    APPLY_STEP_ENTRIES = 4096,
    APPLY_STEP_DRAINS = 256, /* pieces of image_drain, of some 10 us at most */
    CONVERGE_STEP_RECORDS = 4096,
    OWN_PIECES = 4, /* units of memory that stay free for what is not an entry */

    OUTBOX_MAX = 256, /* messages of one step: several calls of Raft put out RAFT_MESSAGES_MAX each */
    CHUNK_SLOTS = 4,  /* chunks in memory; many members that were left behind ask for the same */
    CHUNKS_WAITING_MAX = 64,
    READS_MAX = 64,
    NOTES_KEPT_MAX = 32, /* of one step */
    FRAME_HEAD_SIZE = 8, /* u64 whom it is for */
};

#define DISK_RETRY_NS (1000 * (uint64_t)1000000) /* after the disk was full */
/* A leader that says nothing is missed after 350 to 700 ms, in a group of three after 410 on the average: three
 * heartbeats were lost, or it stood still for so long. One whose process ended is missed at once. */
#define ELECTION_TIMEOUT_NS (350 * (uint64_t)1000000)
#define HEARTBEAT_NS (100 * (uint64_t)1000000)

/* Answers are told apart by the low byte of their op, and slots by the next. */
enum meta_op { META_OP_OPEN, META_OP_SNAPSHOT, META_OP_INSTALL, META_OP_SWEEP, META_OP_CHUNK };

enum meta_opening {
    OPENING_NOT,
    OPENING_MAKING_DIRECTORY,
    OPENING_SYNCING_ROOT, /* the name "wal" in it */
    OPENING_SYNCING_WAL,  /* the name "__meta" in it */
    OPENING_LOOKING,      /* whether there are logs of messages */
    OPENING_LISTING,
    OPENING_UNLINKING, /* what a crash left of snapshots that were being written */
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
    SNAPSHOT_DISCARDING, /* the disk is full: what was written of it goes */
};

enum install_state {
    INSTALL_IDLE,     /* chunks may come */
    INSTALL_SETTLING, /* complete and good; rounds with entries of the log that it replaces are not durable yet */
    INSTALL_WRITING,
    INSTALL_WAITING, /* the disk is full */
    INSTALL_SYNCING,
    INSTALL_RENAMING,
    INSTALL_SYNCING_DIRECTORY,
    INSTALL_DURABLE,    /* Raft is told when an entry is not half applied, and its mark has room */
    INSTALL_CONVERGING, /* it is the log's beginning; the image is led to it */
};

/* An entry's bytes, where the journal was given them. */
struct kept_entry {
    const uint8_t *payload;
    uint32_t size;
    uint32_t chunk;       /* pinned */
    uint64_t sequence;    /* of the journal round it is in */
    uint64_t proposed_ns; /* when it was proposed here; 0: it was not */
};

/* What is to be told to Raft when a round is durable. */
struct awaited_write {
    uint64_t sequence; /* of the round; 0: none */
    struct raft_ticket ticket;
};

/* Where the bytes of entries are that a call of Raft appends. */
struct entry_source {
    struct bytes proposal;
    const struct raft_message *message; /* an append request, or NULL */
};

/* The entry being applied. */
struct applying {
    bool active;
    bool refused;
    uint64_t index;
    struct bytes rest;
    uint32_t entries_left; /* of this step's bound */
    uint32_t drains_left;
    uint32_t records_left; /* the same, of leading the image to a snapshot */
};

/* Messages that are to leave in this step; what they carry is looked up when they are drained. */
struct outbox {
    uint32_t first, count;
    struct raft_message ring[OUTBOX_MAX];
};

enum chunk_state { CHUNK_FREE, CHUNK_WANTED, CHUNK_READING, CHUNK_READY };

/* A chunk of one of our snapshot files. */
struct chunk_slot {
    enum chunk_state state; /* READY and used by nobody: kept, in case that somebody else asks for it */
    uint64_t index, offset;
    uint32_t size;
    uint32_t users; /* messages that wait for it */
    uint64_t used;  /* when somebody asked for it last; a count */
    uint8_t *memory;
    char path[META_PATH_SIZE];
};

struct chunk_wait {
    struct raft_message message;
    uint32_t slot;
};

struct chunks {
    uint32_t size_max;
    uint32_t count; /* of those waiting */
    uint64_t uses;
    struct chunk_slot slots[CHUNK_SLOTS];
    struct chunk_wait waiting[CHUNKS_WAITING_MAX];
};

/* A snapshot that comes from the leader. */
struct install {
    enum install_state state;
    uint8_t *memory; /* [buffer_size]; the snapshot, and our trailer behind it */
    uint64_t index, term, size;
    uint64_t file_size;
    uint64_t written_size;
    uint64_t settled_sequence; /* when this round is durable, none below holds an entry of the old log */
    uint64_t journal_sequence; /* the journal is needed from here on */
    uint64_t retry_ns;
    uint64_t refused_index; /* the last one that does not fit this node's limits */
    uint64_t refused_size;  /* to be noted; 0: it was */
    struct piece piece;
    struct snapshot_loader loader;
    struct image_converge converge;
    struct raft_configuration members; /* its list, when it is judged */
    char path[META_PATH_SIZE];
};

struct metadata_log {
    struct metadata_log_config config;
    struct image *image;
    struct tail *tail;
    struct journal *journal;
    struct raft *raft; /* of use as soon as we know who we are */
    struct raft_config raft_config;
    uint64_t tail_memory_size;
    uint32_t tail_unit_size;
    uint64_t journal_shared_size; /* of the journal, for entries */
    uint32_t entries_max;         /* a power of two */
    uint64_t mono_ns;

    /* who we are */
    uint64_t member; /* 0: not known yet */
    enum standing standing;
    bool removed;               /* the leader said so */
    uint64_t forgot_sequence;   /* of the round that says we forgot; 0: none */
    uint64_t owed_from;         /* a recovery is owed since this index; 0: none is */
    uint64_t identity_sequence; /* of the round that has it; 0: it was there before */
    uint64_t standing_index;    /* of the list by which standing was judged last */

    /* the log */
    struct kept_entry *entries; /* by index modulo entries_max */
    uint64_t kept_first;        /* entries [kept_first, kept_end) are kept: Raft's trail */
    uint64_t kept_end;
    uint64_t commit_index;
    uint64_t first_index; /* of this life: metadata_log_first_index() */
    uint64_t term, vote;  /* as given to the journal last */
    struct awaited_write awaited[2];
    struct raft_ticket stored; /* durable, and not told yet for want of room; sequence 0: none */
    struct applying applying;
    bool replaces;          /* the write of the call under way begins a log behind a snapshot */
    bool cramped;           /* there was no room to call Raft: again when there is, or a heartbeat later */
    bool proposer_waits;    /* somebody found no room, and looks again when the next index is applied */
    bool disk_full;         /* when the journal was written last */
    uint64_t retry_ns;      /* when the journal tries a full disk again; UINT64_MAX: it is not full */
    uint64_t cramped_until; /* when Raft is called at the latest, if there is room then */

    /* opening */
    enum meta_opening opening;
    struct effect_halt halt;
    uint64_t read_position;
    uint64_t sequence_min;
    bool journal_waits;  /* for the disk */
    uint32_t copy_chunk; /* where replayed entries are copied to; pinned by us */
    uint32_t copy_used;
    bool found_temporary, found_received;
    bool found_logs;               /* of messages: their checkpoint is there */
    int64_t disk_epoch;            /* see metadata_log_disk_epoch */
    struct ancestry disk_ancestry; /* see metadata_log_disk_ancestry */
    bool replayed_any;             /* of what a group writes */
    uint64_t replay_gap; /* up to here entries came that follow on nothing we have: they must be dropped, or come
                            again; 0: none */
    char last_name[64];
    uint8_t *list; /* [LIST_SIZE] */
    struct snapshot_loader loader;

    /* our own snapshots */
    enum snapshot_state snapshot;
    struct snapshot_writer writer;
    uint8_t *buffer; /* of buffer_size: the snapshot being written or read, and its trailer */
    uint64_t buffer_size;
    uint64_t file_size; /* of what is in the buffer */
    uint64_t written_size;
    uint64_t snapshot_sequence; /* the journal is needed from here on, when this snapshot is durable */
    struct piece piece;
    char path[META_PATH_SIZE];  /* of the order under way */
    uint64_t judged_index;      /* the last one at which it was judged whether a snapshot is wanted */
    uint64_t snapshot_from;     /* one that has this index is wanted at once */
    uint64_t snapshot_retry_ns; /* the disk was full: not before */
    uint64_t renewed_sequence;  /* what was durable when a snapshot became so last */

    /* the durable ones */
    uint64_t snapshot_index; /* of the newest; 0: none */
    uint64_t snapshot_file_size;
    uint64_t snapshots; /* taken */
    bool sweeps;        /* a newer one is durable: the others may go */
    bool sweep_waits;   /* for the disk */
    uint32_t old_count; /* files of others than the newest good one */
    uint64_t old[OLD_SNAPSHOTS_MAX];
    uint64_t old_sizes[OLD_SNAPSHOTS_MAX];
    uint32_t tried; /* at opening: old[tried] and those after it are not good */
    char sweep_path[META_PATH_SIZE];

    struct install install;
    struct chunks chunks;
    struct outbox outbox;

    /* a frame being drained or read */
    struct bytes *frame_parts;        /* [1 + RAFT_APPEND_ENTRIES_MAX] */
    uint8_t *frame_head;              /* [FRAME_HEAD_SIZE + RAFT_MESSAGE_HEAD_SIZE_MAX] */
    struct raft_entry *frame_entries; /* [RAFT_APPEND_ENTRIES_MAX] */

    uint32_t read_first, read_count;
    uint32_t reads_open; /* asked and not handed out yet */
    struct metadata_read reads[READS_MAX];
    uint64_t members_told; /* of the committed list that was told last; 0: none was */
    uint32_t note_count;
    struct raft_note notes[NOTES_KEPT_MAX];
    struct metadata_log_counters counters;
    struct raft_output output;
};

/* ---- metadata_log.c ---- */
void metadata_log_break(struct metadata_log *log, enum halt_reason reason, const char *path);

/* ---- metadata_write.c ---- */

/* What an entry of that size takes of a round. */
uint64_t metadata_entry_weight(uint32_t size);

/* Whether Raft may be called: a round has room, and memory, for entries that take `entries_size` bytes there, and for
 * what Raft writes by itself. */
bool metadata_write_reserve(struct metadata_log *log, uint64_t entries_size);

/* Whether entries may be taken at all: a part of journal and memory stays free for what is needed to go on. */
bool metadata_entries_fit(const struct metadata_log *log);

/* Does what the last call of Raft put out. */
void metadata_log_act(struct metadata_log *log, const struct entry_source *source);

/* Tells Raft what is durable, if there is room. */
void metadata_tell_stored(struct metadata_log *log);
void metadata_on_round_durable(struct metadata_log *log);

/* Writes the kept entries from `index` on into the open round, where room for them was reserved. */
void metadata_write_again(struct metadata_log *log, uint64_t index);

/* Draws a member id, and writes it. */
void metadata_write_identity(struct metadata_log *log, enum standing standing);
void metadata_judge_standing(struct metadata_log *log);
void metadata_begin_raft(struct metadata_log *log);

/* This node is another member from now on, of the same node id. False: the journal has no room for that. */
bool metadata_write_rename(struct metadata_log *log);

struct kept_entry *metadata_log_kept(struct metadata_log *log, uint64_t index);
void metadata_log_keep(struct metadata_log *log, uint64_t index, const struct kept_entry *entry);
void metadata_log_forget(struct metadata_log *log, uint64_t end); /* all below it */
void metadata_log_drop_from(struct metadata_log *log, uint64_t index);

/* ---- metadata_frames.c ---- */
void metadata_outbox_push(struct metadata_log *log, const struct raft_message *message);
void metadata_take_notes(struct metadata_log *log);
void metadata_tell_notes(struct metadata_log *log, struct effects *effects);

/* ---- metadata_chunks.c ---- */
void metadata_chunks_init(struct metadata_log *log, uint8_t *memory);
void metadata_chunks_push(struct metadata_log *log, const struct raft_message *message);
void metadata_chunks_go_on(struct metadata_log *log, struct effects *effects);
void metadata_chunks_on_disk(struct metadata_log *log, const struct event_disk *disk);
bool metadata_chunks_next(struct metadata_log *log, struct raft_message *message, struct bytes *bytes);

/* ---- metadata_open.c ---- */
void metadata_open_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects);
void metadata_open_go_on(struct metadata_log *log, struct effects *effects);
bool metadata_open_is_due(const struct metadata_log *log); /* more to do without an answer of the disk */

/* ---- metadata_snapshot.c ---- */
void metadata_snapshot_path(char path[META_PATH_SIZE], uint64_t index);
uint32_t metadata_snapshot_trailer(const struct metadata_log *log, uint64_t journal_sequence, uint8_t *to);
void metadata_snapshot_remember_old(struct metadata_log *log, uint64_t index);
void metadata_snapshot_compact(struct metadata_log *log);
void metadata_snapshot_go_on(struct metadata_log *log, struct effects *effects);
uint64_t metadata_snapshot_deadline_ns(const struct metadata_log *log);
void metadata_snapshot_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects);
void metadata_sweep_on_disk(struct metadata_log *log, const struct event_disk *disk);

/* ---- metadata_install.c ---- */

/* Whether a snapshot request may be shown to Raft. */
bool metadata_install_hears(struct metadata_log *log, const struct raft_message *message);
void metadata_install_on_chunk(struct metadata_log *log, const struct raft_message *message);
void metadata_install_go_on(struct metadata_log *log, struct effects *effects);
uint64_t metadata_install_deadline_ns(const struct metadata_log *log);
void metadata_install_on_disk(struct metadata_log *log, const struct event_disk *disk, struct effects *effects);
enum applied metadata_install_converge(struct metadata_log *log, struct image_change *change,
                                       struct applied_entry *entry);

#endif
