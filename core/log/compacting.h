/* compacting.h -- the memory of a compaction: a part of state.h, for compaction.h to work with. */
#ifndef CHRONIK_LOG_COMPACTING_H
#define CHRONIK_LOG_COMPACTING_H

#include "log/distill.h"
#include "log/index.h"
#include "log/logs.h"
#include "log/pace.h"
#include "log/paths.h"

enum {
    COMPACTION_READ_SIZE = 256 * 1024,
    COMPACTION_WRITE_SIZE = 256 * 1024,
};

/* What may be compacted of a log; see cleanable.h. */
struct cleanable {
    int64_t begin_offset; /* what lies before it was compacted */
    int64_t end_offset;   /* what begins there or later is not looked at */
    uint64_t ratio;       /* of that, the part that was never compacted, in parts of DIRTY_RATIO_ONE */
    bool must;            /* a record has waited for max.compaction.lag.ms */
    bool later;           /* in time there will be more */
};

/* Segments of a log that follow each other, and the one that is made of them. */
struct replacement {
    uint32_t log;
    uint32_t edition; /* of the new one; 0: there is none */
    uint32_t count;
    uint64_t size; /* of all together */
    int64_t base_offset;
    int64_t end_offset;
    uint64_t end_position; /* of the log's bytes */
    int64_t first_timestamp;
    struct segment_mark mark; /* of the new one */
};

enum compaction_state {
    COMPACTION_IDLE,
    COMPACTION_CHOOSING,
    COMPACTION_CLEARING,
    COMPACTION_MAPPING,
    COMPACTION_COPYING,
    COMPACTION_SYNCING,
    COMPACTION_NAMING,
    COMPACTION_SWAPPING,
    COMPACTION_UNLINKING, /* it has failed */
};

struct compaction {
    enum compaction_state state;
    bool woken;     /* something happened since logs were looked at */
    bool polls;     /* or there is one that only time holds back */
    bool clears;    /* the key map is half empty */
    bool failed;    /* the source cannot be read */
    bool disk_full; /* there was no room for what is made of it */
    bool closed;    /* all of the group's sources were read */
    uint64_t backoff_ns;
    struct pace pace;
    uint64_t next_ns;
    uint32_t next_log; /* choosing */
    uint32_t log;      /* the best so far, or being compacted; LOG_NONE: none */
    uint32_t generation;
    uint32_t era;
    uint32_t doomed;
    struct cleanable chosen;
    uint64_t begun_ns;
    int64_t now_ms;
    int64_t offset; /* the next source is the one that holds it, or the first behind it */
    struct key_map keys;
    int64_t mapped_end; /* of what was never compacted, the map has what lies below it */

    uint32_t source; /* being read: pinned; or SEGMENT_NONE */
    int64_t source_offset;
    uint32_t input_position; /* in the source's file, of the buffer */
    uint32_t input_size;
    uint32_t input_used;
    uint32_t batch_size_max;
    uint8_t *input; /* batch_size_max */
    struct distill_memory memory;

    struct replacement group; /* being copied */
    struct segment_mark mark; /* of what is made of it */
    int64_t first_timestamp;
    uint32_t output_size;
    uint32_t output_room;
    uint8_t *output;
    uint8_t *index;
    uint8_t *time_index;
    struct index_entries entries;
    struct piece pieces[SEGMENT_FILES];
    uint32_t parts_waited; /* bits */
    char paths[SEGMENT_FILES][PATH_SIZE_MAX];
    char read_path[PATH_SIZE_MAX];
    char directory[PATH_SIZE_MAX];
    char topic_directory[PATH_SIZE_MAX];

    struct compaction_usage usage;
};

#endif
