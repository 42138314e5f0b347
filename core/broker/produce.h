/* produce.h -- what passes between a Produce that was handled and its waiting; for files of this room. */
#ifndef CHRONIK_BROKER_PRODUCE_H
#define CHRONIK_BROKER_PRODUCE_H

#include "broker/waits.h"
#include "codec/record_validation.h"
#include "meta/image.h"

/* One partition's records that were appended and must be durable (acks=1) or committed (acks=all) before the answer
 * leaves. */
struct produced {
    uint32_t log;
    uint32_t number; /* which partition of the answer, counted over all topics */
    enum waits_queue queue;
    int64_t end_offset; /* behind its last record */
};

/* What a topic wants of its records, as far as the image says it. */
struct topic_terms {
    uint32_t topic; /* SLOT_NONE: nothing is known */
    struct record_rules rules;
    bool write_caching;
};

#endif
