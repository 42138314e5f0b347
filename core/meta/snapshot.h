/* snapshot.h -- how does a whole image become bytes, and bytes an image again?
 *
 * A snapshot is what stands in place of all entries up to an index. Its body is records: those that would make the
 * same image out of an empty one, topics in creation order, so equal images have equal bodies, and one codec and one
 * set of rules serve log and snapshot. It names nothing that is this node's own: slots, positions, terms voted in.
 * Any node may load it. All integers big-endian:
 *
 *     0 u32 magic "CHRS"          24 u64 term of that entry
 *     4 u16 version 1             32 u32 size of the Raft configuration in force there
 *     6 u16 0                     36 u32 0
 *     8 u64 size of all of it     40 configuration, then records (records.h)
 *    16 u64 index of the last       ..   u32 crc-32c of everything before
 *           entry in it
 *
 * Both ways go in steps: an image of 100,000 partitions has some ten million bytes, and a step of the node does
 * bounded work. */
#ifndef CHRONIK_META_SNAPSHOT_H
#define CHRONIK_META_SNAPSHOT_H

#include "meta/image.h"
#include "meta/records.h"

enum {
    SNAPSHOT_HEAD_SIZE = 40,
    SNAPSHOT_CRC_SIZE = 4,
};

/* What a snapshot of any image of this config can take, with a Raft configuration of that size. */
uint64_t snapshot_size_max(const struct image_config *config, uint32_t configuration_size_max);

/* Where a walk through the image stands; the image does not change while one is under way. */
struct snapshot_cursor {
    uint32_t stage;
    uint32_t topic;
    uint32_t partition;
    uint32_t broker;
    uint32_t setting;
};

void snapshot_cursor_init(struct snapshot_cursor *cursor);

/* Adds up to `count` further records. False when there were no more. */
bool snapshot_records(const struct image *image, struct snapshot_cursor *cursor, uint32_t count,
                      struct proposal *records);

/* ---- writing ---- */

struct snapshot_writer {
    struct snapshot_cursor cursor;
    struct proposal out; /* head, configuration and records so far */
    uint32_t crc;        /* of what lies before crc_position */
    uint64_t crc_position;
    bool complete;
};

/* Begins a snapshot of the image as it is, in memory of snapshot_size_max bytes. */
void snapshot_writer_init(struct snapshot_writer *writer, const struct image *image, struct bytes configuration,
                          uint8_t *memory, uint64_t size);

/* Goes on for about `size` bytes. True when it is whole: then snapshot_written() has it. */
bool snapshot_write(struct snapshot_writer *writer, const struct image *image, uint32_t size);
struct bytes snapshot_written(const struct snapshot_writer *writer);

/* ---- loading ---- */

struct snapshot_head {
    uint64_t size;
    uint64_t index;
    uint64_t term;
    uint32_t configuration_size;
};

/* False: this is not the beginning of a snapshot of a version that we know. `bytes` has at least the head. */
bool snapshot_head_read(struct bytes bytes, struct snapshot_head *head);

struct snapshot_loader {
    struct snapshot_head head;
    struct bytes configuration;
    struct bytes rest; /* records not yet applied */
};

enum snapshot_verdict {
    SNAPSHOT_GOOD,
    SNAPSHOT_CORRUPT, /* the checksum, or what it covers, is wrong */
    SNAPSHOT_FULL,    /* this node's limits are too small for it */
};

/* Judges the whole of it before anything is believed. O(size), but no more than a checksum. */
enum snapshot_verdict snapshot_loader_init(struct snapshot_loader *loader, struct bytes snapshot);

/* Applies up to `count` further records to an image that was empty at first. While `rest` has bytes there are more;
 * then image_view says that the index is applied. */
enum snapshot_verdict snapshot_load(struct snapshot_loader *loader, struct image *image, uint32_t count);

/* ---- for tests and for the simulator's judge ---- */

/* A number that two images have in common if and (but for chance) only if they say the same. O(everything). */
uint64_t image_digest(const struct image *image);

#endif
