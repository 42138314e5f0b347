/* uuid.h -- sixteen bytes that name a topic, a cluster, an incarnation. All zero names nothing (KIP-516). */
#ifndef CHRONIK_BASE_UUID_H
#define CHRONIK_BASE_UUID_H

#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool uuid_is_zero(const struct uuid *uuid)
{
    const struct uuid zero = { { 0 } };
    return uuid_equal(uuid, &zero);
}

enum { UUID_TEXT_SIZE = 22 }; /* base64url without padding, as Kafka prints ids */

/* Writes UUID_TEXT_SIZE characters, no terminator. */
void uuid_format(const struct uuid *uuid, char *text);

/* True and the id if `text` is what uuid_format writes. */
bool uuid_parse(struct bytes text, struct uuid *uuid);

#endif
