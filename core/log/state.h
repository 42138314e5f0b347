/* state.h -- the memory of this room, shared by its files. Everything is an array sized by the config and named by
 * index; zeroed memory is a closed log, a free slot.
 *
 * How a batch travels:
 *
 *     append.c   append -> journal round, entry in the ring                            (entries.h)
 *     copy.c     the same for batches of a leader
 *     truncate.c what a log loses at its end; cut.c takes it off the disk               (truncate.h, cut.h)
 *     logs.c     round durable -> durable offset rises
 *     flush.c    entries of one log -> one write to its active segment, and its index   (index.h, segments.h)
 *     sync.c     dirty segments are synced, and the directories that hold new names
 *     checkpoint.c  says so in wal/__checkpoint; the journal may reuse its space
 *     compaction.c  makes one segment of several, with the last record of each key
 *     reads.c    serves from entries, else from files at positions that lookup.c finds
 *
 * An era of a log ends when something is taken back that the journal has: its end is cut off, or it begins anew. Each
 * journal entry says which era it belongs to, so that a recovery which begins with what a later era left does not
 * meet the records of an earlier one again. Eras only rise, over all logs of a node.
 *
 * Invariants, numbered as in logs_check() and log_check():
 *   (1) log_start_offset <= high_watermark <= log_end_offset, durable_offset <= log_end_offset; the high watermark of
 *       a log that is not replicated is not above its durable offset.
 *   (2) Every offset from log_start_offset on lies in a written part of a segment or in an entry in memory.
 *   (3) Segments of a log follow each other, with holes only where compaction left them; only the last is written.
 *   (4) A log has at most one flush under way. */
#ifndef CHRONIK_LOG_STATE_H
#define CHRONIK_LOG_STATE_H

#include "base/check.h"
#include "base/map.h"
#include "base/pool.h"
#include "base/ring.h"
#include "log/compacting.h"
#include "log/entries.h"
#include "log/epochs.h"
#include "log/index.h"
#include "log/logs.h"
#include "log/paths.h"
#include "log/producers.h"
#include "wal/journal.h"

enum {
    SEGMENT_NONE = UINT32_MAX,
    SLOT_FREE = UINT32_MAX,
    DOOMED_NONE = UINT32_MAX,
    TOPIC_NAME_MAX = 249,

    FLUSHES_MAX = 16,            /* writes behind under way: enough to keep a pool of disk threads busy */
    FLUSH_PIECES_MAX = 1000,     /* of one write; IOV_MAX is 1024 */
    FLUSH_SIZE_MAX = 1 << 20,    /* of one write, unless one batch is larger */
    FLUSH_SIZE_WANTED = 1 << 20, /* a log with so much pending is flushed at once, */
    FLUSH_SHARE_WANTED = 8,      /* or with such a part of the memory */
    SYNCS_MAX = 8,
    LOOKUPS_MAX = 32,
    LOOKUP_BUFFER_SIZE = 64 * 1024,
    CUTS_MAX = 4,
    CURSORS_MAX = 1024,   /* a power of two */
    FILE_PINS_MAX = 1024, /* segments that responses are being sent from */
    CHECKPOINT_BUFFER_SIZE = 64 * 1024,
    RECOVERIES_MAX = 16, /* directories being compared at the same time */
    RECOVERY_BUFFER_SIZE = 16 * 1024,
    REMOVES_MAX = 4,
    WAITERS_DEFAULT = 16 * 1024,
    EFFECTS_RESERVE = 128,  /* of a step's orders are left for other rooms */
    PAYLOAD_HEAD_SIZE = 24, /* of a journal entry: topic id, partition, 0 */
    ROUND_MARKS_MAX = 4,    /* at most two rounds are not durable: one under way, one open */
};

#define NS_PER_MS 1000000ULL
#define NS_PER_SECOND 1000000000ULL
#define FLUSH_AGE_NS (NS_PER_SECOND / 2) /* a batch is flushed within twice this time */
#define UNAWAITED_ROUND_NS (20 * NS_PER_MS)
#define DISK_RETRY_NS NS_PER_SECOND /* a full disk is tried again so often */
#define FOUND_TIME_AGE_NS NS_PER_SECOND
#define PRODUCERS_TOLD_NS (60 * NS_PER_SECOND) /* between two notes */
#define CHECKPOINT_AGE_NS (60 * NS_PER_SECOND) /* bounds what a start has to replay */

/* Kinds of journal entries. Payloads begin with topic id (16), partition (i32), the log's era (u32). */
enum entry_kind {
    ENTRY_APPEND = 1,       /* a batch of our own making: it follows the log's end without a gap */
    ENTRY_START_OFFSET = 2, /* i64 log start offset */
    ENTRY_COPY = 3,         /* i64 from | i64 to | batches as their leader has them */
    ENTRY_EPOCH = 4,        /* i32 leader epoch | i64 where it begins */
    ENTRY_TRUNCATE = 5,     /* i64 the log's new end | i64 base of the segment that is cut, -1: none
                               | u32 its new size | u32 its edition; begins an era */
    ENTRY_RESET = 6,        /* i64 offset at which the log begins anew, empty; begins an era */
};
enum { COPY_HEAD_SIZE = 16, EPOCH_ENTRY_SIZE = 12, TRUNCATE_ENTRY_SIZE = 24, RESET_ENTRY_SIZE = 8 };

struct log_topic {
    struct uuid id;
    uint32_t references;  /* logs that are open or being deleted; 0: free */
    bool directory_dirty; /* names in its directory are not durable yet */
    uint8_t name_size;
    uint8_t name[TOPIC_NAME_MAX];
};

enum truncation {
    TRUNCATION_NONE,
    TRUNCATION_WANTED, /* waits for what is under way, then is said to the journal; nothing is appended meanwhile */
    TRUNCATION_SAID,   /* done in memory: awaits its round */
    TRUNCATION_TOLD,   /* durable, or failed: logs_next_truncated has not named it yet */
};
enum { TRUNCATION_LINES = TRUNCATION_TOLD + 1 };

/* Logs that wait for the same, in the order in which it comes to them. */
struct log_line {
    uint32_t first;
    uint32_t last;
};

struct log {
    bool open;
    bool directory_made;
    bool directory_dirty; /* names in its directory are not durable yet */
    bool recovered;       /* the checkpoint had a record of it */
    bool flush_queued, durable_queued;
    bool trim_queued;
    bool end_queued;
    bool moves;                    /* in the line of those whose start does */
    bool fresh;                    /* it was not there at the start, and nothing of it was flushed */
    bool unclear;                  /* in the line of those whose directories have to be cleared first */
    bool frozen;                   /* the checkpoint is in the middle of its segments: no roll, no removal */
    bool replicated;               /* its high watermark is told, not known from its own disk */
    bool led;                      /* ... and this node is the one that says what is too old to be kept */
    bool sole_when_durable;        /* not any more, as soon as all below it is durable here */
    bool learning, learn_queued;   /* what its producers did is known only below learnt_offset; see learn.h */
    bool truncates_all;            /* it is to begin anew */
    bool truncation_fails;         /* the segment to be cut cannot be read */
    bool uncleanable, passed_over; /* not compacted before the next start: the log; some unreadable segments of it */
    bool keeps_tombstones;         /* from passed_offset on: something is passed over, and older values may be in it */
    uint8_t truncation;            /* enum truncation */
    uint32_t generation;           /* tells this log from an earlier one in its slot */
    uint32_t era;                  /* tells journal entries about what it is from those about what was cut off */
    uint32_t topic;
    int32_t partition;
    struct log_rules rules;

    int64_t log_start_offset;  /* durable */
    int64_t next_start_offset; /* what it becomes with the round start_sequence */
    int64_t sent_start_offset; /* the same of the round before: there are two that are not durable */
    int64_t written_offset;    /* end of what is in segments */
    int64_t durable_offset;
    int64_t log_end_offset;
    int64_t high_watermark;
    int64_t tail_timestamp; /* upper bound of the timestamps in memory, -1: none */
    uint64_t end_position;  /* bytes appended since it was opened */
    uint64_t written_position;
    uint64_t durable_position;
    uint64_t start_sequence; /* journal rounds that make the log start offset durable */
    uint64_t sent_sequence;
    uint64_t epoch_sequence; /* the round that says where begun_epoch began; 0: it did before this start */
    int32_t begun_epoch;     /* a leader epoch that is known without a record of it; -1: none */
    uint64_t segments_size;
    struct entry_list entries;
    struct epoch_list epochs;
    uint32_t first_segment;
    uint32_t last_segment;
    uint32_t segment_count;
    uint32_t flush; /* the slot of the one under way, or SLOT_FREE */
    uint32_t next_flush;
    uint32_t next_durable;
    uint32_t next_trim;
    uint32_t next_end;
    uint32_t next_moving, next_unclear;
    int64_t cleaned_offset, passed_offset; /* compacted up to there; where the first thing begins that is passed over */
    uint32_t edition;                      /* of segments that begin from now on */
    uint32_t edition_top;                  /* no segment of it has a higher one, nor has a file that is to be deleted */
    int64_t hidden_offset; /* of the segment that this offset lies in, the youngest record was deleted */

    int64_t truncate_offset;
    uint64_t truncate_sequence;
    uint32_t next_truncate;
    uint32_t cuts;           /* files that what was cut off still lies in: no flush before they are gone */
    int64_t recorded_offset; /* recovery: end of the segments as the checkpoint has them, as far as they still stand */
    int64_t learnt_offset;
    uint32_t next_learn;
    uint32_t learns; /* how often it began to learn */
};

_Static_assert(sizeof(struct log) <= 512, "a partition should stay small");

enum segment_flags {
    SEGMENT_SEALED = 1,     /* no batch is added any more */
    SEGMENT_LISTED = 2,     /* is in the list of dirty segments */
    SEGMENT_DYING = 4,      /* left its log; its files await deletion */
    SEGMENT_ORPHAN = 8,     /* its log was deleted while somebody had it pinned */
    SEGMENT_INDEX_BAD = 16, /* its index files are not to be believed until they are rebuilt */
    SEGMENT_CUTTING = 32,   /* is in the list of cuts, or being cut; with SEGMENT_DYING: unlinked */
    SEGMENT_FREED = 64,     /* its slot is given back when it comes out of the list of dirty ones */
    SEGMENT_REBUILDING = 128,
    SEGMENT_DAMAGED = 256, /* recovery: its .log has only found_size bytes, unless the journal says why it is lost */
    SEGMENT_OPAQUE = 512,  /* compaction could not read it, and passes it over */
};

struct segment {
    int64_t base_offset;
    uint32_t edition;            /* of those offsets: part of its files' names. 0: as they were appended */
    uint64_t begin_position;     /* of the log's bytes; see struct entry */
    int64_t first_timestamp;     /* largest of its first batch: segment.ms counts from it; -1: none */
    int64_t created_ms;          /* wall clock */
    struct segment_mark written; /* what the files hold */
    struct segment_mark synced;  /* what of it is durable */
    uint32_t log;
    uint32_t generation; /* of the log */
    uint32_t next;
    uint32_t previous;
    int64_t jump_base; /* a segment further back, for searches; it lives if its base is in the log */
    uint32_t jump;
    uint32_t depth;
    uint32_t pins;      /* reads under way, responses being sent */
    uint32_t file_pin;  /* the slot with its path, or SLOT_FREE */
    uint32_t doomed;    /* SEGMENT_ORPHAN: where its last pin is waited for */
    uint32_t list_next; /* of dirty segments */
    uint32_t dying_next;
    uint64_t due_ns;          /* SEGMENT_DYING: when its files may go */
    uint64_t forgotten_count; /* replaced: the checkpoint that does not know it any more */
    uint32_t cut_next;
    uint64_t cut_sequence; /* SEGMENT_CUTTING: the journal round that says so */
    uint32_t found_size;   /* SEGMENT_DAMAGED */
    uint16_t flags;
    uint8_t dirty; /* bit per enum segment_file: written since the last sync was ordered */
};

/* A write of consecutive batches of one log. */
enum flush_state { FLUSH_FREE, FLUSH_MAKING_DIRECTORY, FLUSH_WRITING, FLUSH_DISK_FULL };
enum flush_part { FLUSH_LOG, FLUSH_INDEX, FLUSH_TIME_INDEX, FLUSH_CLOSE, FLUSH_DIRECTORY };
enum { FLUSH_PARTS = 5 };

struct flush {
    enum flush_state state;
    uint32_t log;
    uint32_t generation;
    uint32_t doomed; /* the log was deleted: the answers are only waited for */
    uint32_t segment;
    uint32_t closed; /* a segment that ends with this flush, or SEGMENT_NONE */
    uint32_t first_entry;
    uint32_t entry_count;
    uint32_t size;
    uint32_t parts_waited; /* bits */
    bool disk_full;
    struct segment_mark mark; /* when it is written */
    struct segment_mark closed_mark;
    uint32_t piece_count;
    struct piece pieces[FLUSH_PIECES_MAX];
    struct piece index_piece;
    struct piece time_index_piece;
    struct piece closed_piece;
    char paths[FLUSH_PARTS][PATH_SIZE_MAX];
    uint8_t index[FLUSH_PIECES_MAX * INDEX_ENTRY_SIZE];
    uint8_t time_index[FLUSH_PIECES_MAX * TIME_INDEX_ENTRY_SIZE];
    uint8_t closed_entry[TIME_INDEX_ENTRY_SIZE];
};

/* Syncs of one segment's files and, if new, of the directories that name them. */
enum { SYNC_PARTITION_DIRECTORY = SEGMENT_FILES, SYNC_TOPIC_DIRECTORY, SYNC_WAL_DIRECTORY, SYNC_PARTS };

struct sync {
    bool used;
    uint32_t segment;
    uint32_t log;
    uint32_t generation;
    uint32_t doomed;
    uint32_t parts_waited;    /* bits */
    struct segment_mark mark; /* what it will have made durable */
    char paths[SYNC_PARTS][PATH_SIZE_MAX];
};

/* Where an offset was found lately. */
struct cursor {
    int64_t offset; /* asked for */
    uint32_t log;
    uint32_t generation; /* 0: empty */
    uint32_t era;
    uint32_t segment;
    uint32_t edition;
    int64_t segment_base; /* the slot may hold another by now */
    uint32_t position;    /* of the batch that contains it */
    uint32_t size;        /* of that batch; 0: the segment is corrupt there */
    int64_t last_offset;  /* of that batch */
    int32_t leader_epoch; /* of that batch */
    int64_t previous_end; /* where the batch before it ends; the segment's base if there is none */
};

enum lookup_state {
    LOOKUP_FREE,
    LOOKUP_TIME,           /* searching the time index */
    LOOKUP_INDEX,          /* searching the offset index */
    LOOKUP_SCAN,           /* reading heads of batches */
    LOOKUP_BATCH,          /* reading one batch whole, for its records */
    LOOKUP_REBUILD_CLEAR,  /* the indexes are made anew: what an earlier try left of them goes */
    LOOKUP_REBUILD_SCAN,   /* reading heads ... */
    LOOKUP_REBUILD_WRITE,  /* ... and writing the entries that they give */
    LOOKUP_REBUILD_SYNC,   /* all are written */
    LOOKUP_REBUILD_RENAME, /* and take the place of the old ones */
    LOOKUP_LEARN,          /* reading heads for what they say of producers */
};
enum lookup_wants { LOOKUP_OFFSET, LOOKUP_TIMESTAMP, LOOKUP_INDEXES, LOOKUP_PRODUCERS };

struct lookup {
    enum lookup_state state;
    enum lookup_wants wants;
    uint64_t waiter;
    uint32_t log;
    uint32_t generation;
    uint32_t doomed;
    bool stale;               /* the log was cut meanwhile: whoever asked asks again */
    uint32_t segment;         /* pinned */
    int64_t asked;            /* offset or timestamp, as the caller gave it */
    int64_t timestamp;        /* that the scan looks for */
    int64_t offset;           /* the scan begins with the batch that contains it */
    struct segment_mark mark; /* how far the files were written when it began */
    uint32_t low;             /* search of an index: entries [low, high) are not decided yet */
    uint32_t high;
    uint32_t page;                  /* first entry in the buffer */
    bool guessed;                   /* the first page was by interpolation, the others halve */
    struct index_entry index_found; /* the largest entry <= what is searched; last_offset -1: none */
    struct time_index_entry time_found;
    uint32_t position;                /* scan: of the first byte in the buffer */
    bool claim_checked;               /* the batch at the scan's begin is the one that the index named */
    int64_t next_offset;              /* the scan's next batch begins here or later */
    int64_t largest_timestamp;        /* of the heads that the scan has seen */
    int64_t largest_timestamp_offset; /* last offset of the first that has it */
    uint32_t chunk;                   /* of the tail, that a whole batch is read into, or CHUNK_NONE */
    uint32_t batch_size;
    struct segment_mark rebuilt;
    struct piece pieces[2];
    uint32_t parts_waited; /* bits */
    bool failed;
    char paths[2][PATH_SIZE_MAX];
    char targets[2][PATH_SIZE_MAX]; /* of renaming */
    uint8_t *buffer;                /* LOOKUP_BUFFER_SIZE */
};

/* The answer of a search by time, kept until it is asked for again. */
struct found_time {
    uint32_t log;
    uint32_t generation; /* 0: empty */
    int64_t asked;
    int64_t searched;          /* the timestamp, where the largest was asked for */
    uint64_t found_ns;         /* it is not kept for long: later records may change it */
    struct time_answer answer; /* offset -1: none */
    bool corrupt;
};
enum { FOUND_TIMES_MAX = 64 };

struct file_pin {
    uint32_t segment;
    uint32_t pins;
    char path[PATH_SIZE_MAX];
};

enum checkpoint_state {
    CHECKPOINT_IDLE,
    CHECKPOINT_FLUSHING, /* until all that was durable at its begin is in segments */
    CHECKPOINT_SYNCING,  /* until those segments are durable */
    CHECKPOINT_CUTTING,  /* the new file begins empty */
    CHECKPOINT_WRITING,
    CHECKPOINT_FILE_SYNCING,
    CHECKPOINT_RENAMING,
    CHECKPOINT_NAME_SYNCING,
    CHECKPOINT_DISK_FULL, /* goes on from CUTTING a second later */
};

enum checkpoint_step {
    CHECKPOINT_STEP_HEAD,
    CHECKPOINT_STEP_LOG,
    CHECKPOINT_STEP_SEGMENT,
    CHECKPOINT_STEP_EPOCHS,
    CHECKPOINT_STEP_PRODUCER,
    CHECKPOINT_STEP_END,
    CHECKPOINT_STEP_NONE,
};

struct checkpoint {
    enum checkpoint_state state;
    bool yields;         /* it gives up when its order is answered: a truncation waits */
    bool clean;          /* what it says of itself: nothing is open any more */
    bool wanted;         /* one more is to be made at once */
    bool activity;       /* something happened since the last one */
    uint64_t sequence;   /* journal rounds below it will not be needed */
    uint32_t target;     /* entries before this one go first */
    uint32_t syncs_left; /* dirty segments that belong to it */
    uint64_t due_ns;
    uint64_t retry_ns;
    enum checkpoint_step step; /* writing: what comes next */
    uint32_t log;              /* of which log */
    uint32_t segment;
    uint32_t producer;
    uint64_t position; /* in the file */
    uint32_t crc;
    uint64_t records;
    uint32_t size; /* in the buffer */
    struct piece piece;
    uint8_t *buffer;
    uint64_t count; /* made so far */
};

enum recovery_state {
    RECOVERY_NOT,
    RECOVERY_MAKING_DIRECTORY,
    RECOVERY_SYNCING_WAL,  /* the name of the journal's directory in wal/ */
    RECOVERY_SYNCING_DATA, /* the name of wal/ */
    RECOVERY_READING_CHECKPOINT,
    RECOVERY_LISTING,   /* wal/, where there is no checkpoint: it must be empty then */
    RECOVERY_COMPARING, /* the directories of partitions with what the checkpoint says */
    RECOVERY_OPENING,   /* the journal */
    RECOVERY_FIRST_CHECKPOINT,
    RECOVERY_DONE,
};

/* One partition's directory under comparison. */
enum compare_state { COMPARE_FREE, COMPARE_LISTING, COMPARE_FIXING };
struct compare {
    enum compare_state state;
    uint32_t log;
    bool more;
    struct bytes list; /* what is left of the page */
    char directory[PATH_SIZE_MAX];
    char path[PATH_SIZE_MAX];
    char last_name[PATH_SIZE_MAX];
    uint8_t *buffer; /* RECOVERY_BUFFER_SIZE */
};

struct recovery {
    enum recovery_state state;
    uint64_t sequence; /* of the checkpoint */
    bool clean;
    bool found;        /* there was a checkpoint */
    uint64_t position; /* in the checkpoint file */
    uint32_t crc;
    uint64_t records;
    uint32_t log; /* records that follow are of this one, LOG_NONE: of one that is not open */
    int64_t producer_id;
    int64_t producer_used_ms;
    bool producer_older_lost;
    uint32_t next_compare; /* logs below it were compared, or are */
    bool entry_waits;      /* `entry` could not be applied yet */
    struct journal_entry entry;
    bool journal_answered; /* the journal may have something new */
    uint32_t chunk;        /* that replayed batches are copied to */
    uint32_t chunk_used;
    uint64_t batches;
    uint64_t rounds;
    uint64_t last_round;
    struct compare compares[RECOVERIES_MAX];
    char last_name[PATH_SIZE_MAX];
};

/* A deleted log whose files are still there. */
struct doomed {
    uint32_t topic;
    int32_t partition;
    uint32_t holds; /* orders under way and pinned segments that still need the files */
    uint32_t next;
};

enum remove_state {
    REMOVE_FREE,
    REMOVE_SEGMENT,        /* its three files */
    REMOVE_LISTING,        /* a tree: the directory at hand */
    REMOVE_UNLINKING,      /* ... a file in it */
    REMOVE_LEAVING,        /* ... itself, when it is empty */
    REMOVE_SWEEPING,       /* listing wal/ */
    REMOVE_SWEEPING_TOPIC, /* listing the directory of a topic that is known */
};
enum remove_job {
    REMOVE_DYING,
    REMOVE_DOOMED_PARTITION,
    REMOVE_DOOMED_TOPIC,
    REMOVE_UNKNOWN_TOPIC,
    REMOVE_UNKNOWN_PARTITION, /* of a topic that is known */
    REMOVE_FORMER_LIFE,       /* what a log that begins anew finds in its directory */
};

struct remove {
    enum remove_state state;
    enum remove_job job;
    uint32_t segment;
    uint32_t part;
    bool awaited; /* REMOVE_SEGMENT: its log begins anew, and is not flushed before */
    uint32_t doomed;
    bool more;
    struct bytes list;             /* what is left of the page */
    char root[PATH_SIZE_MAX];      /* of the tree */
    char directory[PATH_SIZE_MAX]; /* at hand: the root or below it */
    char path[PATH_SIZE_MAX];
    char last_name[PATH_SIZE_MAX];
    char swept_name[PATH_SIZE_MAX];      /* the last one in wal/ that was looked at */
    char swept_partition[PATH_SIZE_MAX]; /* the last one in its directory */
    uint32_t log;                        /* REMOVE_FORMER_LIFE */
    uint32_t generation;
    uint8_t *buffer; /* RECOVERY_BUFFER_SIZE */
};

/* The files of a segment that was cut off, or cut short. */
struct cut {
    bool used;
    uint32_t segment; /* pinned */
    uint32_t log;
    uint32_t generation;
    uint32_t part;
    bool unlinks;
    uint32_t size; /* that it is cut to */
    char path[PATH_SIZE_MAX];
};

/* A round that is not durable yet, and the entries that end with it. */
struct round_mark {
    uint64_t sequence;
    uint32_t end;
};

struct logs {
    struct logs_config config;
    enum logs_state state;
    struct effect_halt halt;
    uint64_t mono_ns;
    int64_t wall_ms;
    bool due;                  /* something was left over: the next step is wanted at once */
    bool gathers;              /* the open round waits for the end of this turn */
    uint64_t awaited_sequence; /* the last round with an entry that somebody waits for; see logs_begin_epoch */
    uint64_t round_due_ns;     /* an open round that nobody waits for leaves by then; 0: there is none */

    uint32_t batch_size_max; /* more does not fit into a journal round, or into memory */

    struct journal *journal;
    struct tail *tail;
    bool journal_full; /* the disk had no room for a round */
    uint64_t journal_retry_ns;
    bool starved; /* an append found no memory; see logs_has_room */
    uint32_t round_first;
    uint32_t round_count;
    struct round_mark rounds[ROUND_MARKS_MAX];

    struct log *logs;
    uint32_t logs_end; /* slots from here on were never open */
    uint32_t open_count;
    uint32_t generation;
    struct log_topic *topics;
    struct pool topics_pool;
    struct map names; /* (topic id, partition) -> log, (topic id, UINT32_MAX) -> topic */
    bool wal_directory_dirty;

    struct entries entries;
    struct epochs epochs;
    struct producers producers;
    uint64_t producers_forgotten; /* before their time, for want of room */
    uint64_t producers_told;      /* of them, when a note was made last */
    uint64_t producers_told_ns;

    struct segment *segments;
    struct pool segments_pool;
    uint32_t dirty_first;
    uint32_t dirty_last;
    uint32_t dirty_count;

    struct flush *flushes;
    uint32_t flushes_used;
    uint32_t flush_queue_first; /* logs with much pending */
    uint32_t flush_queue_last;
    uint32_t flush_until; /* entries before this one are flushed now */
    bool flush_all;       /* ... and those behind it too: stop */
    uint32_t age_mark;    /* entries before this one are older than age_mark_ns */
    uint64_t age_mark_ns;
    bool segments_full; /* the disk had no room for a segment */
    uint64_t segments_retry_ns;
    uint64_t pending_size; /* bytes in entries that no segment has yet */
    uint64_t flushes_done;

    struct sync syncs[SYNCS_MAX];
    uint32_t syncs_used;

    uint32_t durable_first; /* logs whose durable offset rose, or start */
    uint32_t durable_last;
    uint32_t trim_first; /* logs whose start offset moved */
    uint32_t trim_last;
    uint32_t end_first; /* logs whose end moved, of those that are replicated */
    uint32_t end_last;
    struct log_line truncations[TRUNCATION_LINES]; /* logs that are being cut, by how far that has come */
    struct log_line moving;                        /* logs whose start moves with a round that is not durable */
    struct log_line unclear;
    struct cut cuts[CUTS_MAX];
    uint32_t cut_first; /* segments */
    uint32_t cut_last;
    uint32_t learn_first; /* logs whose producers are to be learnt; the first is being read */
    uint32_t learn_last;
    uint32_t era; /* the highest that was ever given to a log, as far as the disk remembers */

    struct cursor *cursors;
    struct found_time found_times[FOUND_TIMES_MAX];
    struct lookup *lookups;
    uint32_t lookups_used;
    uint8_t *unpacked; /* a batch's records, while they are looked at */
    uint32_t unpacked_size;
    uint8_t *unpack_scratch;
    struct file_pin *file_pins;
    struct pool file_pins_pool;
    bool reads_refused; /* for want of orders in a step */
    struct ring busy;
    uint64_t *busy_waiters;
    struct ring ready;
    uint64_t *ready_waiters;

    struct checkpoint checkpoint;
    struct recovery recovery;
    struct compaction compaction;

    struct doomed *doomed;
    struct pool doomed_pool;
    uint32_t doomed_first;
    uint32_t doomed_last;
    uint32_t dying_first; /* segments */
    uint32_t dying_last;
    uint32_t replaced_first; /* segments that a checkpoint may still speak of */
    uint32_t replaced_last;
    struct remove removes[REMOVES_MAX];
    bool sweep_wanted;   /* directories of topics that nobody knows are looked for once */
    uint32_t retain_log; /* retention goes on with this log; LOG_NONE: not under way */

    uint64_t rounds_durable;
    uint64_t round_bytes;
};

/* ---- orders and their answers ---- */

enum logs_op {
    LOGS_OP_FLUSH = 1,
    LOGS_OP_SYNC,
    LOGS_OP_LOOKUP,
    LOGS_OP_CHECKPOINT,
    LOGS_OP_RECOVERY,
    LOGS_OP_COMPARE,
    LOGS_OP_REMOVE,
    LOGS_OP_CUT,
    LOGS_OP_COMPACTION,
};

static inline uint64_t logs_op(enum logs_op op, uint32_t slot, uint32_t part)
{
    return op_make(OP_LOGS, (uint64_t)op << 40 | (uint64_t)slot << 8 | part);
}

/* Whether this room may order so many more in this step. */
static inline bool logs_may_order(const struct effects *effects, uint32_t count)
{
    return effects_space(effects) >= EFFECTS_RESERVE + count;
}

/* ---- what several files need ---- */

static inline bool log_is(const struct logs *logs, uint32_t log, uint32_t generation)
{
    return logs->logs[log].open && logs->logs[log].generation == generation;
}

static inline struct log *log_at(const struct logs *logs, uint32_t log)
{
    CHECK(log < logs->config.logs_max && logs->logs[log].open);
    return &logs->logs[log];
}

/* The log's entry in memory that contains the offset or is the first behind it; ENTRY_NONE: there is none, or only a
 * segment knows. */
static inline uint32_t log_entry_find(const struct logs *logs, const struct log *log, int64_t offset)
{
    const uint32_t at = entries_find(&logs->entries, &log->entries, offset);

    /* Between what is written and what is not, there may be a hole. */
    return at == ENTRY_NONE && offset >= log->written_offset && offset < log->log_end_offset ? log->entries.first : at;
}

static inline struct log_place log_place(const struct logs *logs, const struct log *log)
{
    const struct log_topic *topic = &logs->topics[log->topic];
    return (struct log_place){ topic->id, { topic->name, topic->name_size }, log->partition };
}

static inline void segment_path(const struct logs *logs, const struct segment *segment, enum segment_file file,
                                char *path)
{
    const struct log_place place = log_place(logs, &logs->logs[segment->log]);
    path_of_segment(path, &place, segment->base_offset, segment->edition, file);
}

static inline struct log_place doomed_place(const struct logs *logs, const struct doomed *doomed)
{
    const struct log_topic *topic = &logs->topics[doomed->topic];
    return (struct log_place){ topic->id, { topic->name, topic->name_size }, doomed->partition };
}

/* The disk said something that no promise survives. The path stays put: it lies in a slot or is a literal. */
static inline void logs_break(struct logs *logs, enum halt_reason reason, const char *path)
{
    if (logs->state == LOGS_BROKEN) return;
    logs->state = LOGS_BROKEN;
    logs->halt = (struct effect_halt){ reason, path };
}

#endif
