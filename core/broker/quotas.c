#include "broker/quotas.h"

#include "base/check.h"
#include "base/hash.h"

enum {
    WAYS = 4,               /* places where a client may be */
    BURST_SECONDS = 10,     /* quota.window.num x quota.window.size.seconds, as Kafka has them */
    WAIT_MS_MAX = 3600000,  /* whoever sends so much at once is told to wait for an hour, and asks again then */
    PAID_US_MAX = 60000000, /* who was silent for a minute owes nothing */
};
#define OWED_MAX (UINT64_C(1) << 50)
#define NS_PER_US 1000
#define US_PER_SECOND 1000000

/* Nobody says who he is. */
static const struct bytes anonymous = { (const uint8_t *)"ANONYMOUS", 9 };

/* A quota of a user alone is shared by all that come as him; of a client id, by all that have it. */
static uint64_t id_of(const struct image_quota *quota, struct bytes client_id)
{
    const bool by_client = quota->client_id.part != QUOTA_PART_NONE;
    const uint64_t id = hash_bytes(by_client, by_client ? client_id : anonymous);

    return id == 0 ? 1 : id;
}

static struct quota_client *client_of(struct quotas *quotas, uint64_t id, uint64_t mono_ns)
{
    struct quota_client *ways = &quotas->clients[id % (QUOTA_CLIENTS_MAX / WAYS) * WAYS];
    struct quota_client *oldest = ways;

    for (uint32_t i = 0; i < WAYS; i++) {
        if (ways[i].id == id) return &ways[i];
        if (ways[i].paid_ns < oldest->paid_ns) oldest = &ways[i];
    }
    *oldest = (struct quota_client){ .id = id, .paid_ns = mono_ns };
    return oldest;
}

/* What time has paid back of both. */
static void pay(struct quota_client *client, const uint64_t rates[QUOTA_KEYS], uint64_t mono_ns)
{
    const uint64_t past_us = MIN((mono_ns - client->paid_ns) / NS_PER_US, (uint64_t)PAID_US_MAX);

    for (uint32_t key = 0; key < QUOTA_KEYS; key++) {
        const uint64_t rate = MIN(rates[key], UINT64_MAX / PAID_US_MAX);
        client->owed[key] -= MIN(client->owed[key], rate * past_us / US_PER_SECOND);
    }
    client->paid_ns += past_us == PAID_US_MAX ? mono_ns - client->paid_ns : past_us * NS_PER_US;
}

static uint64_t rate_of(const struct image *image, enum quota_key key, struct bytes client_id)
{
    const struct image_quota *quota = image_quota_of(image, key, anonymous, client_id);

    return quota == NULL ? UINT64_MAX : (uint64_t)quota->rates[key];
}

int32_t quotas_take(struct quotas *quotas, const struct image *image, enum quota_key key, struct bytes client_id,
                    uint64_t size, uint64_t mono_ns)
{
    const struct image_quota *quota;

    if (image_quota_count(image) == 0) return 0;
    quota = image_quota_of(image, key, anonymous, client_id);
    if (quota == NULL) return 0;
    struct quota_client *client = client_of(quotas, id_of(quota, client_id), mono_ns);
    const uint64_t rates[QUOTA_KEYS] = { rate_of(image, QUOTA_PRODUCER_BYTE_RATE, client_id),
                                         rate_of(image, QUOTA_CONSUMER_BYTE_RATE, client_id) };
    pay(client, rates, mono_ns);
    client->owed[key] = MIN(client->owed[key] + size, OWED_MAX);
    const uint64_t free = MIN(rates[key], OWED_MAX / BURST_SECONDS) * BURST_SECONDS;
    if (client->owed[key] <= free) return 0;
    return (int32_t)MIN((client->owed[key] - free) * 1000 / rates[key] + 1, (uint64_t)WAIT_MS_MAX);
}
