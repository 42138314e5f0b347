/* embedded.h -- what members of the classic protocol say to each other, where the coordinator has to understand it.
 *
 * They support protocols (assignors, for the client), and say something in each: with the type "consumer" that is a
 * subscription, and what their leader answers is an assignment. Nobody but clients looks into these, unless such a
 * member is in a group of the newer protocol. Both begin with a version, and a later one has more at its end; so a
 * version that is not known is read as the last one that is.
 *
 * What a member supports is kept as one text, in its order of preference, protocol by protocol:
 *
 *     name size | name | subscription size | subscription        (sizes are 32 bits) */
#ifndef CHRONIK_GROUP_EMBEDDED_H
#define CHRONIK_GROUP_EMBEDDED_H

#include "codec/reader.h"
#include "codec/writer.h"

struct supported {
    struct bytes name, subscription;
};

/* Takes the first protocol off the front of what is kept; it must not be empty. */
struct supported supported_next(struct bytes *protocols);
uint64_t supported_size(const struct supported *supported);
uint8_t *supported_put(uint8_t *to, const struct supported *supported);

/* Topics as they lie in there, one behind the other. */
struct embedded_topics {
    struct reader reader;
    uint32_t left;
};

struct subscription {
    int16_t version;
    struct embedded_topics names; /* embedded_name gives each */
    struct embedded_topics owned; /* embedded_topic gives each */
    struct bytes rack;            /* null: none */
};

struct assignment {
    struct embedded_topics topics;
    bool has_user_data; /* something that an assignor of the clients' own has to say */
};

/* False: not what a client of the consumer protocol writes. What was read is whole. */
bool subscription_read(struct bytes bytes, struct subscription *subscription);

/* Nothing is an assignment, too: of nothing. */
bool assignment_read(struct bytes bytes, struct assignment *assignment);

/* The next name; false: there is none. */
bool embedded_name(struct embedded_topics *topics, struct bytes *name);

/* The next topic: so many int32 follow, which the caller reads from topics->reader before he goes on. */
bool embedded_topic(struct embedded_topics *topics, struct bytes *name, uint32_t *partitions);

#endif
