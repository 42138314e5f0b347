/* logs.h -- the logs of all partitions of this node: append, read, and what survives.
 *
 * A log is a run of offsets of one partition. What is appended goes into the message journal (wal/journal.h), is
 * served from the tail memory, and is written behind into segment files in Kafka's layout; when all segments behind a
 * point are synced, a checkpoint says so and the journal reuses its space. So an append costs one copy and a share
 * of one sync, whatever the number of partitions, and recovery is: last checkpoint, then the journal over it.
 *
 *     data/wal/__journal/journal-0 ...                      shared journal
 *     data/wal/__checkpoint                                 per log: start offset, flushed end, epochs, producers
 *     data/wal/<topic>.<topic id>/<partition>/<base offset, 20 digits>.log  .index  .timeindex
 *
 * `log` numbers a log: it is the slot of its partition in the metadata image, so both sides need no table.
 * In one step the roof calls any of these, then logs_commit once. Nothing here calls up; what became true is asked for
 * with logs_next_durable and logs_next_ready. */
#ifndef CHRONIK_LOG_LOGS_H
#define CHRONIK_LOG_LOGS_H

#include "base/effect.h"
#include "base/uuid.h"
#include "codec/record_batch.h"

enum { LOG_NONE = UINT32_MAX };

struct logs_config {
    uint32_t logs_max;
    uint32_t segments_max;
    uint32_t producers_max;
    uint64_t journal_id;
    uint32_t tail_unit_size;
    uint64_t tail_memory_size;
    uint32_t journal_file_size;
    uint32_t journal_files_max;
    uint64_t hash_seed;
    int64_t producer_id_expiration_ms;
    uint64_t compaction_memory_size; /* for the keys of what is compacted at a time: 32 bytes each or less */
    uint64_t compaction_backoff_ms;  /* how often logs are looked at for one to be compacted */
    uint32_t waiters_max;            /* reads that may wait at the same time, at least one per link; 0: 16384 */
};

/* What a topic's config says about its logs; names as in Kafka. */
struct log_rules {
    int64_t retention_ms;   /* -1: no limit */
    int64_t retention_size; /* retention.bytes, -1: no limit */
    uint32_t segment_size;  /* segment.bytes */
    int64_t segment_ms;
    uint32_t index_interval_size; /* index.interval.bytes */
    uint32_t segment_index_size;  /* segment.index.bytes: a full index rolls the segment */
    int64_t file_delete_delay_ms;
    bool deletes;  /* cleanup.policy contains delete */
    bool compacts; /* ... compact */
    int64_t min_compaction_lag_ms;
    int64_t max_compaction_lag_ms; /* INT64_MAX: no limit */
    int64_t delete_retention_ms;
    uint32_t min_cleanable_dirty_ratio; /* in parts of DIRTY_RATIO_ONE */
};
enum { DIRTY_RATIO_ONE = 1000000 };

struct logs;
size_t logs_size(const struct logs_config *config);
void logs_init(struct logs *logs, const struct logs_config *config);

/* ---- from start to open ---- */

/* Names a log that the metadata image assigns to this node. All known ones are named between EVENT_STARTED and
 * logs_recover; later ones are new topics and partitions. False: logs_max. */
bool logs_open(struct logs *logs, uint32_t log, const struct uuid *topic_id, struct bytes topic, int32_t partition,
               const struct log_rules *rules);

/* Whether a log is open under that number. */
bool logs_has(const struct logs *logs, uint32_t log);

void logs_set_rules(struct logs *logs, uint32_t log, const struct log_rules *rules);

/* How many bytes a second compaction may read and write, together; 0: as many as it can. */
void logs_set_compaction_rate(struct logs *logs, uint64_t rate);

/* The topic is gone: forgets the log at once and deletes its files in small steps. */
void logs_delete(struct logs *logs, uint32_t log);

enum logs_state {
    LOGS_CLOSED, /* before logs_recover */
    LOGS_RECOVERING,
    LOGS_OPEN,
    LOGS_STOPPING, /* logs_stop was called */
    LOGS_STOPPED,  /* everything is flushed, synced and checkpointed as clean */
    LOGS_BROKEN,   /* halt; logs_halt() says why */
};
enum logs_state logs_state(const struct logs *logs);
struct effect_halt logs_halt(const struct logs *logs);

/* Reads the checkpoint, cuts what lies beyond it, applies the journal over it, deletes directories of topics that are
 * not open. A crash at any point of it changes nothing: it begins anew with the same result. */
void logs_recover(struct logs *logs, struct effects *effects);

/* Of what was recovered: there was something, and its last life did not end by logs_stop. What was not durable then is
 * not there. */
bool logs_crashed(const struct logs *logs);

/* Flushes, syncs, writes a checkpoint that says "clean". */
void logs_stop(struct logs *logs, struct effects *effects);

/* ---- offsets ---- */

struct log_offsets {
    int64_t log_start_offset;
    int64_t next_start_offset; /* what it becomes when the journal has it */
    int64_t durable_offset;    /* every record below it is durable here */
    int64_t log_end_offset;    /* next to be given */
    int64_t high_watermark;    /* every record below it is committed; without other replicas, the durable offset */
    int32_t leader_epoch;      /* the newest that is known: of the last batch, or begun behind it; -1 if none */
    uint64_t size;             /* bytes in segments and tail */
    bool producers_known;      /* all that its records say of producers; false for a while after some truncations */
};
struct log_offsets log_offsets(const struct logs *logs, uint32_t log);

/* Whether others have to hold a record before it is committed: then the high watermark is what is said below, and only
 * rises; after a restart it is at least what a checkpoint has seen. Otherwise it follows the durable offset. That is so
 * until this is called: before logs_recover, then, or at once for a log that is new. */
void logs_set_replicated(struct logs *logs, uint32_t log, bool replicated);
void logs_set_high_watermark(struct logs *logs, uint32_t log, int64_t high_watermark);

/* Whether a replicated log is led here. Who leads says what is too old to be kept, or too much, by its clock and its
 * settings; all others begin where it begins. Else one wrong clock among several would delete what all of them have. */
void logs_set_led(struct logs *logs, uint32_t log, bool led);

/* The next replicated log whose end moved since it was last named here; LOG_NONE when all were. */
uint32_t logs_next_end(struct logs *logs);

/* ---- appending ---- */

enum append_verdict {
    APPEND_OK,
    APPEND_DUPLICATE,          /* of one of the producer's last five batches: its offset is answered again */
    APPEND_OUT_OF_ORDER,       /* OUT_OF_ORDER_SEQUENCE_NUMBER */
    APPEND_PRODUCER_FENCED,    /* INVALID_PRODUCER_EPOCH */
    APPEND_TOO_LARGE,          /* RECORD_LIST_TOO_LARGE: larger than a segment */
    APPEND_NO_MEMORY,          /* try again when logs_has_room: the tail waits for the disk */
    APPEND_DISK_FULL,          /* KAFKA_STORAGE_ERROR */
    APPEND_TOO_MANY_PRODUCERS, /* the table of producers is full of live ones: THROTTLING_QUOTA_EXCEEDED */
};

struct append_answer {
    int64_t base_offset; /* the batch's first offset */
    int64_t last_offset;
    int64_t log_append_time; /* as stored in a duplicate's first append; else what was given */
};

/* Appends one valid batch (codec/record_batch.h has judged it): copies it, stamping base offset and leader epoch, and
 * for LogAppendTime (log_append_time >= 0) attributes, max timestamp and checksum. The batch's durability shows as
 * durable_offset > last_offset. Producer state changes only with an append that succeeded. */
enum append_verdict logs_append(struct logs *logs, uint32_t log, const struct record_batch *batch, int32_t leader_epoch,
                                int64_t log_append_time, int64_t wall_ms, struct append_answer *answer);

/* Whether an append that was told APPEND_NO_MEMORY may be tried again. */
bool logs_has_room(const struct logs *logs);

/* This node leads the log from now on, in this epoch, which begins where the log ends. The record of that is durable
 * with the sequence that is returned, before any append behind it is; but it may be left to the next round that
 * somebody waits for, for a while. 0: nothing was changed, there is no memory; try
 * again when logs_has_room. The epoch is at least as new as all that the log has. */
uint64_t logs_begin_epoch(struct logs *logs, uint32_t log, int32_t leader_epoch);

/* Batches of a leader's log, byte for byte, from where this one ends. */
struct log_copy {
    int64_t from;
    int64_t to; /* behind the last record; holes before that are what compaction left */
    int32_t leader_epoch;
    struct bytes batches; /* none: nothing but the two offsets is looked at */
};

enum copy_verdict {
    COPY_OK,
    COPY_NOT_NEXT,  /* `from` is not where the log ends */
    COPY_INVALID,   /* checksum, offsets or leader epochs are not what can follow here: nothing was appended */
    COPY_TOO_LARGE, /* a batch is larger than any that this node has room for */
    COPY_NO_MEMORY, /* the first batches may have been appended; the log's end says how far it got */
    COPY_DISK_FULL,
};
enum copy_verdict logs_append_copy(struct logs *logs, uint32_t log, const struct log_copy *copy, int64_t wall_ms);

/* DeleteRecords: moves the log start offset up (never past the high watermark). Durable like an append: wait for the
 * sequence with logs_is_durable. 0: nothing was changed, there is no memory; try again when logs_has_room. */
uint64_t logs_advance_start(struct logs *logs, uint32_t log, int64_t log_start_offset);
bool logs_is_durable(const struct logs *logs, uint64_t sequence);

/* ---- taking back ---- */

/* A follower gives up what its leader does not have. The log is to end at the offset, or with the last batch that does
 * not reach beyond it, and to know no epoch that begins there or later (logs_truncate; the whole log goes if it begins
 * behind that offset); or to be empty and begin anew (logs_reset). Epochs and producers are those of what is left.
 * One of these at a time: nothing is appended until logs_next_truncated names the log, when it is durable. */
void logs_truncate(struct logs *logs, uint32_t log, int64_t offset);
void logs_reset(struct logs *logs, uint32_t log, int64_t log_start_offset);

struct log_truncated {
    uint32_t log; /* LOG_NONE: no (further) one is done */
    bool failed;  /* a segment could not be read, and nothing has changed */
};
struct log_truncated logs_next_truncated(struct logs *logs);

/* ---- reading ---- */

enum read_verdict {
    READ_OK,
    READ_WAITS,        /* for the disk: `waiter` comes out of logs_next_ready, then ask again */
    READ_OUT_OF_RANGE, /* below log_start_offset, or above log_end_offset */
    READ_BUSY,         /* too many reads wait for the disk: as READ_WAITS, `waiter` comes out when there is room */
    READ_CORRUPT,      /* the segment is not what we wrote: KAFKA_STORAGE_ERROR for this partition */
};

enum { READ_PIECES_MAX = 32 };

/* Whole batches from the one that contains the offset on, in memory that is pinned, or one range of a file (whose last
 * batch may be cut short, as Kafka does). Give it back with logs_unpin when it has been sent. */
struct log_read {
    uint32_t piece_count; /* 0: nothing there (yet) */
    uint32_t size;
    struct piece pieces[READ_PIECES_MAX];
    uint32_t chunks[READ_PIECES_MAX]; /* the tail chunk of each piece, CHUNK_NONE for a file */
    uint32_t segment_pin;             /* internal: keeps a segment's file from deletion */
};

/* Reads from `offset` up to below `end_offset` (a high watermark or log end offset), at most size_max bytes, but always
 * the first batch whole (KIP-74) when `first_whole`. */
enum read_verdict logs_read(struct logs *logs, uint32_t log, int64_t offset, int64_t end_offset, uint32_t size_max,
                            bool first_whole, uint64_t waiter, struct log_read *read, struct effects *effects);
void logs_unpin(struct logs *logs, const struct log_read *read);

/* Bytes of tail memory that are not used anew before it is unpinned: more than it has read, for memory is pinned in
 * chunks. */
uint64_t logs_pinned_size(const struct logs *logs, const struct log_read *read);

/* How many bytes lie between two offsets, as far as is known without reading: for a fetch's min_bytes. */
uint64_t logs_bytes_between(const struct logs *logs, uint32_t log, int64_t offset, int64_t end_offset);

struct time_answer {
    int64_t offset; /* -1: none */
    int64_t timestamp;
    int32_t leader_epoch;
};

/* The first record with a timestamp of at least `timestamp`; or, for LOOKUP_MAX_TIMESTAMP, the one with the largest.
 * None, if that one is not below the high watermark. */
enum { LOOKUP_MAX_TIMESTAMP = -3 };
enum read_verdict logs_find_time(struct logs *logs, uint32_t log, int64_t timestamp, uint64_t waiter,
                                 struct time_answer *answer, struct effects *effects);

/* OffsetForLeaderEpoch: the largest epoch <= asked, and its end offset; -1, -1 if none is known. */
struct epoch_end {
    int32_t leader_epoch;
    int64_t end_offset;
};
struct epoch_end log_epoch_end(const struct logs *logs, uint32_t log, int32_t leader_epoch);

/* For the comparison of two replicas' logs (KIP-101, KIP-279): the largest epoch <= the asked one of which this log may
 * hold records, and where they end. It never guesses: without `known`, nothing can be said, and the end is the log's
 * start. An epoch from before the log's first record ended there. */
struct epoch_bound {
    bool known;
    int32_t leader_epoch;
    int64_t end_offset;
};
struct epoch_bound log_epoch_bound(const struct logs *logs, uint32_t log, int32_t leader_epoch);

/* The same for a log of any number of epochs: those that are not remembered are found in its batches; and for a leader,
 * who cannot tell what a log ends with of whose epoch it has no record left: then it is not `known`. READ_OK: the bound
 * says all that there is to know. Else as with logs_read: ask again, with the same search, zeroed at first. */
struct epoch_search {
    bool begun;
    int32_t asked_epoch;
    int32_t epoch;     /* of the batch before `low` */
    int64_t low, high; /* where its records end, and at the most */
};
enum read_verdict logs_find_epoch(struct logs *logs, uint32_t log, int32_t leader_epoch, uint64_t waiter,
                                  struct epoch_search *search, struct epoch_bound *bound, struct effects *effects);

/* What a log remembers of its idempotent producers. `place` begins with LOG_PRODUCERS_BEGIN; false: that was all. */
enum { LOG_PRODUCERS_BEGIN = UINT32_MAX - 1 };
struct log_producer {
    int64_t id;
    int64_t used_ms; /* wall clock of its last append */
    int32_t last_sequence;
    int16_t epoch;
};
uint32_t log_producer_count(const struct logs *logs, uint32_t log);
bool log_next_producer(const struct logs *logs, uint32_t log, uint32_t *place, struct log_producer *producer);

/* ---- the step's end, the disk, time ---- */

/* More may be appended before time passes: the logs_commit of this step leaves the round open for it, unless there is
 * much in it, and the next step is due at once. So what comes in together becomes durable together. */
void logs_gather(struct logs *logs);

/* Closes the commit round, flushes, checkpoints, deletes: whatever is due and fits into `effects`. */
void logs_commit(struct logs *logs, uint64_t mono_ns, int64_t wall_ms, struct effects *effects);

/* An answer to OP_JOURNAL or OP_LOGS. */
void logs_on_disk(struct logs *logs, const struct event *event, struct effects *effects);

uint64_t logs_deadline_ns(const struct logs *logs);

/* The next log whose durable offset, or whose start, rose since it was last named here; LOG_NONE when all were. */
uint32_t logs_next_durable(struct logs *logs);

/* The next waiter whose read may be asked again; 0 when there is none. So waiters are never 0. */
uint64_t logs_next_ready(struct logs *logs);

/* Applies retention to every log in small steps; call every log.retention.check.interval.ms. */
void logs_retain(struct logs *logs, int64_t wall_ms);

/* What compaction has done since the start. */
struct compaction_usage {
    uint64_t runs;     /* that came to their end */
    uint64_t failures; /* that did not */
    uint64_t busy_ns;  /* how long all of them took */
    int64_t last_ms;   /* wall clock of the last one's end, 0: there was none */
    uint64_t bytes_read;
    uint64_t bytes_written;
    uint64_t bytes_before; /* of segments that others took the place of */
    uint64_t bytes_after;  /* of those */
    uint64_t records_removed;
    uint64_t keyless_removed; /* of those */
    uint32_t uncleanable;     /* logs of which a part is not tried again before the next start, or all */
};

enum compaction_failure {
    COMPACTION_OVERTAKEN = 1, /* the log was cut, its oldest segments went, or its rules changed */
    COMPACTION_NO_ROOM,       /* on the disk, or of segments_max */
    COMPACTION_UNREADABLE,    /* a segment is not what was written */
    COMPACTION_TOO_LARGE,     /* a batch has more records, or more bytes, than there is memory for */
};

struct logs_usage {
    uint64_t tail_used_size, tail_memory_size;
    uint64_t journal_used_size;
    uint64_t rounds; /* commit rounds that became durable */
    uint64_t round_bytes;
    uint64_t flushes;
    uint64_t checkpoints;
    uint64_t producers_forgotten; /* before they expired: the table was full of live ones, and a copy came */
    bool disk_full;
};
struct logs_usage logs_usage(const struct logs *logs);
struct compaction_usage logs_compaction_usage(const struct logs *logs);

void logs_check(const struct logs *logs);
void log_check(const struct logs *logs, uint32_t log);

#endif
