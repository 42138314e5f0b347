/* distill.h -- what is left of a batch when its log is compacted?
 *
 * The rules are those of Kafka's LogCleaner:
 *
 *   - A record stays if no later one has its key; a record without a key has no place in a compacted log, and goes.
 *   - A record without a value (a tombstone) that is the last of its key stays for a while longer, so that whoever has
 *     read a value learns that it was deleted. The first compaction that sees it writes into its batch's head until
 *     when: as the base timestamp, with attribute bit 6 (KIP-534).
 *   - A batch keeps its base offset, last offset, leader epoch, producer and sequences, and its records keep their
 *     offsets. One of which every record stays is not touched; another one is packed again by its own codec.
 *   - A batch of which nothing stays goes, unless its head is needed: as the last word of a producer, or where a
 *     segment ends. Then it stays, without records.
 *   - Control batches, and those of transactions, stay as they are, and so does what lies beyond the stretch of the
 *     log that the key map knows.
 *
 * It knows neither files nor clocks; what it reads comes from a disk, and is believed no further than it can be
 * checked. */
#ifndef CHRONIK_LOG_DISTILL_H
#define CHRONIK_LOG_DISTILL_H

#include "codec/record.h"
#include "log/key_map.h"

/* Memory for one batch at a time. The first two are as large as the largest batch unpacked, and a head. */
struct distill_memory {
    uint8_t *unpacked;
    uint8_t *kept; /* the records that stay */
    uint32_t unpacked_size;
    uint32_t kept_size;
    uint8_t *scratch; /* COMPRESSION_SCRATCH_SIZE */
};

struct distill_rules {
    const struct key_map *keys;
    int64_t mapped_end; /* the map knows the records below it */
    int64_t now_ms;     /* not negative, nor is the other one */
    int64_t delete_retention_ms;
    bool keeps_tombstones; /* for ever: what they delete may lie where nobody can look */
};

enum distill_verdict {
    DISTILL_SAME,       /* stays as it is */
    DISTILL_GONE,       /* nothing stays */
    DISTILL_WRITTEN,    /* the other one stays instead */
    DISTILL_UNREADABLE, /* these are not the records that its head speaks of */
    DISTILL_TOO_LARGE,  /* there is not so much memory */
};

struct distilled {
    struct bytes batch; /* of DISTILL_WRITTEN; in the memory */
    uint32_t removed_count;
    uint32_t keyless_count; /* of those */
    uint32_t unpacked_size; /* what was looked through: a measure for the time it took */
};

/* `head_stays`: it is needed even without records. */
enum distill_verdict distill_batch(const struct record_batch *batch, const struct distill_rules *rules, bool head_stays,
                                   const struct distill_memory *memory, struct distilled *distilled);

/* Adds the keys of a batch to a map. DISTILL_SAME: they are in it, or it has none that count. DISTILL_GONE: they do
 * not fit in, and the map is as it was. */
enum distill_verdict distill_map(const struct record_batch *batch, struct key_map *keys,
                                 const struct distill_memory *memory, struct distilled *distilled);

#endif
