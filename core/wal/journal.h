/* journal.h -- how many writes become durable with one sync.
 *
 * A journal is a sequence of entries in a few files of fixed size that are overwritten in turn: a sync of space that
 * was written before is several times cheaper than one that grows a file (docs/adr/0002). What is appended during
 * one round leaves as one frame, with one write and one sync; while that is under way the next round fills. The rest
 * of the node knows only the answer: "round N is durable".
 *
 * It has never heard of partitions or Raft: entries are bytes with a kind. The message journal and the metadata
 * journal are two of these. Whoever appended keeps using the entry's bytes where they lie (tail.h) while he pins them.
 *
 * On disk, all integers big-endian. A file is frames one after the other from position 0, each a multiple of
 * JOURNAL_BLOCK_SIZE, so that no block is ever written twice in one life of a file:
 *
 *   frame   0 u32 magic "CHRJ"        entry  0 u32 payload size
 *           4 u32 size, with padding         4 u16 kind
 *           8 u64 sequence                   6 u16 0
 *          16 u64 journal id                 8 payload, then zeros up to a multiple of 8
 *          24 u32 entry count
 *          28 u32 crc of the frame before
 *          32 u32 crc-32c of the whole frame, these four bytes as zeros
 *          36 u32 bytes of entries
 *          40 entries
 *
 * Recycled space holds old frames that were valid once. One is believed only if its sequence follows, its journal id
 * is ours, and it names the checksum of the very frame before it: so an old frame can never be resurrected behind a
 * newer one. A frame that is torn ends the journal; nothing behind it was acknowledged, since rounds are synced in
 * order and one at a time.
 *
 * Invariants, numbered as in journal_check():
 *   (1) durable_sequence < sending sequence <= open sequence; at most one round is under way.
 *   (2) No file is overwritten while it holds a frame at or above the released sequence. */
#ifndef CHRONIK_WAL_JOURNAL_H
#define CHRONIK_WAL_JOURNAL_H

#include "base/effect.h"
#include "base/uuid.h"
#include "wal/tail.h"

enum {
    JOURNAL_BLOCK_SIZE = 4096,
    JOURNAL_FRAME_HEAD_SIZE = 40,
    JOURNAL_ENTRY_HEAD_SIZE = 8,
    JOURNAL_FILES_MAX = 64,
    JOURNAL_ROUND_PIECES_MAX = 64,
};

struct journal_config {
    const char *directory; /* exists before journal_open; stays put */
    enum op_owner owner;
    uint64_t journal_id; /* random; of a new journal. One that exists keeps its own */
    uint32_t file_size;  /* a multiple of JOURNAL_BLOCK_SIZE */
    uint32_t files_max;
    uint32_t round_size_max; /* at most file_size; a fuller round waits for the one under way. No entry may be larger
                                than this less both heads; it may grow from start to start, never shrink */
};

struct journal;
size_t journal_size(const struct journal_config *config);
void journal_init(struct journal *journal, const struct journal_config *config, struct tail *tail);

/* ---- opening: reads what is there, frame by frame, oldest first ---- */

enum journal_opening {
    JOURNAL_OPENING_WAITS,  /* for a disk answer */
    JOURNAL_OPENING_ENTRY,  /* journal_entry() has the next one; ask again when it is dealt with */
    JOURNAL_OPENING_DONE,   /* all that was durable has been seen; appends may begin */
    JOURNAL_OPENING_FAILED, /* journal_opening_halt() says why */
};

struct journal_entry {
    uint64_t sequence; /* of its round */
    uint16_t kind;
    struct bytes payload; /* until journal_opening_next is called again */
};

/* Orders the first reads. Frames with a sequence below `sequence_min` are passed over without being shown: the caller
 * knows from a checkpoint that they are not needed. */
void journal_open(struct journal *journal, uint64_t sequence_min, struct effects *effects);

/* Goes on with what is in memory. Bounded: may say WAITS only when a disk order is outstanding. */
enum journal_opening journal_opening_next(struct journal *journal, struct journal_entry *entry,
                                          struct effects *effects);

struct effect_halt journal_opening_halt(const struct journal *journal);

/* ---- appending ---- */

/* Memory for an entry of `size` bytes in the open round, to be filled by the caller within this step; it stays where
 * it is while `chunk` is pinned, and the round itself pins it until it is durable. NULL: no memory, or the round is
 * full and waits (journal_has_room again after a round is durable or pins were dropped). */
uint8_t *journal_append(struct journal *journal, uint16_t kind, uint32_t size, uint32_t *chunk);

/* Makes room in the open round, and memory, for entries that take `size` bytes in all, each with its head and padded to
 * a multiple of 8: the appends that follow, up to that much and until the round is closed, do not fail. False: as
 * above, and nothing was set aside. */
bool journal_reserve(struct journal *journal, uint32_t size);

/* The sequence that entries appended now will become durable with. */
uint64_t journal_open_sequence(const struct journal *journal);

/* The round that the newest entry is in; 0: there was none yet. */
uint64_t journal_last_sequence(const struct journal *journal);

/* Every round up to this one is durable. */
uint64_t journal_durable_sequence(const struct journal *journal);

/* Whether anything is appended that is not durable yet. */
bool journal_is_busy(const struct journal *journal);

/* Whether the open round will find a place in the files, however full it gets. */
bool journal_has_space(const struct journal *journal);

/* Closes the open round and orders its write and sync, unless it is empty or one is under way. Called at the end of
 * every step, or of the last of some that follow each other at once; needs space for two orders. */
void journal_commit(struct journal *journal, struct effects *effects);

/* Bytes that a commit would send now; 0: nothing is there, or a round is under way. */
uint32_t journal_ready_size(const struct journal *journal);

enum journal_verdict {
    JOURNAL_KEPT,    /* nothing new yet */
    JOURNAL_DURABLE, /* journal_durable_sequence rose */
    JOURNAL_STALLED, /* the disk is full: the same round is written again by journal_retry */
    JOURNAL_BROKEN,  /* halt */
};

/* An answer whose op carries our owner. While opening it only keeps the bytes: call journal_opening_next after it. */
enum journal_verdict journal_on_disk(struct journal *journal, const struct event *event, struct effects *effects);

/* Whether the disk was full the last time; appends are possible but nothing becomes durable. */
bool journal_is_stalled(const struct journal *journal);
void journal_retry(struct journal *journal, struct effects *effects);

/* Frames below `sequence` are not needed any more: their files are reused, never deleted. */
void journal_release(struct journal *journal, uint64_t sequence);

/* Bytes on disk that are not released, and what they may grow to before the journal must stall. */
struct journal_usage {
    uint64_t used_size;
    uint64_t size_max;
};
struct journal_usage journal_usage(const struct journal *journal);

void journal_check(const struct journal *journal);

#endif
