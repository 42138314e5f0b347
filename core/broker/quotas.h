/* quotas.h -- has a client sent or taken more than it may in a second?
 *
 * What it sends or takes is owed, and paid back at its rate; so much as ten seconds bring may be owed (Kafka looks at
 * the mean of as many). Who owes more is told for how long it does (throttle_time_ms), and is not listened to for that
 * time (KIP-219). Of very many clients those that were not seen for longest are forgotten. */
#ifndef CHRONIK_BROKER_QUOTAS_H
#define CHRONIK_BROKER_QUOTAS_H

#include "meta/image.h"

enum { QUOTA_CLIENTS_MAX = 1024 };

struct quota_client {
    uint64_t id; /* a hash of who it is; 0: free */
    uint64_t paid_ns;
    uint64_t owed[QUOTA_KEYS]; /* bytes, as of then */
};

struct quotas {
    struct quota_client clients[QUOTA_CLIENTS_MAX];
};

/* Counts what a client has sent or taken. For so many ms it is to wait; 0: it may go on. */
int32_t quotas_take(struct quotas *quotas, const struct image *image, enum quota_key key, struct bytes client_id,
                    uint64_t size, uint64_t mono_ns);

#endif
