/* image_brokers.c -- brokers as records register, change and remove them. What that means for partitions is
 * partition_rules.c's, and comes to them by image_drain.c. */
#include "base/check.h"
#include "meta/image_state.h"

enum { EPOCH_OF_ENTRY = -1, AS_IT_WAS = -1 };

static void link_broker(struct image *image, uint32_t broker)
{
    uint32_t *link = &image->first_broker;

    while (*link != SLOT_NONE && image->brokers[*link].id < image->brokers[broker].id) {
        link = &image->brokers[*link].next_broker;
    }
    image->brokers[broker].next_broker = *link;
    *link = broker;
}

/* ---- registration ---- */

static bool read_endpoint(struct image_broker *broker, const struct metadata_broker_record_endpoint *endpoint)
{
    if (endpoint->kind < 0 || endpoint->kind >= ENDPOINT_COUNT || endpoint->host.size > HOST_SIZE_MAX) return false;
    struct image_endpoint *to = &broker->endpoints[endpoint->kind];
    to->port = endpoint->port;
    to->host_size = (uint8_t)endpoint->host.size;
    if (endpoint->host.size > 0) memcpy(to->host, endpoint->host.data, endpoint->host.size);
    return true;
}

bool image_read_broker(const struct metadata_broker_record *record, uint64_t index, struct image_broker *broker)
{
    if (record->broker_id < 0 || record->rack.size > RACK_SIZE_MAX || record->epoch < EPOCH_OF_ENTRY) return false;
    *broker = (struct image_broker){ .id = record->broker_id,
                                     .epoch = record->epoch == EPOCH_OF_ENTRY ? (int64_t)index : record->epoch,
                                     .unfenced_epoch = record->unfenced_epoch,
                                     .incarnation = record->incarnation,
                                     .fenced = record->fenced,
                                     .in_controlled_shutdown = record->in_controlled_shutdown,
                                     .leaving = record->leaving,
                                     .observer = record->observer,
                                     .feature_level_min = record->feature_level_min,
                                     .feature_level_max = record->feature_level_max,
                                     .rack_size = (uint8_t)record->rack.size,
                                     .next_broker = SLOT_NONE };
    wish_window_init(&broker->wishes);
    if (record->rack.size > 0) memcpy(broker->rack, record->rack.data, record->rack.size);
    for (uint32_t i = 0; i < record->endpoints_count; i++) {
        if (!read_endpoint(broker, &record->endpoints[i])) return false;
    }
    if (!broker->fenced) broker->unfenced_epoch = broker->epoch;
    return broker->unfenced_epoch <= broker->epoch;
}

void image_replace_broker(struct image *image, uint32_t slot, const struct image_broker *made)
{
    const struct image_broker before = image->brokers[slot];
    struct image_broker *broker = &image->brokers[slot];

    CHECK(before.id == made->id);
    *broker = *made;
    broker->next_broker = before.next_broker;
    broker->replica_count = before.replica_count;
    broker->removing_count = before.removing_count;
    broker->leader_count = before.leader_count;
    broker->preferred_count = before.preferred_count;
    broker->observed_count = before.observed_count;
    image->view.broker_changes++;
}

static void add_broker(struct image *image, uint32_t slot, const struct image_broker *made)
{
    CHECK(map_put(&image->brokers_by_id, broker_key(made->id), slot) == MAP_ADDED);
    image->brokers[slot] = *made;
    image->settings[slot] = (struct broker_settings){ 0 };
    image_copies_clear(image, slot);
    link_broker(image, slot);
    image->view.broker_count++;
    image->view.broker_changes++;
    if (made->id == image->config.node_id) image->own_broker = slot;
}

enum apply_verdict image_apply_broker(struct image *image, uint64_t index, const struct metadata_broker_record *record,
                                      struct image_change *change)
{
    const struct partition_fact fact = { .broker = record->broker_id, .restarted = true, .unclean = record->unclean };
    uint32_t broker = image_broker_by_id(image, record->broker_id);
    struct image_broker made;

    if (!image_read_broker(record, index, &made)) return APPLY_MALFORMED;
    if (broker == SLOT_NONE) {
        broker = pool_take(&image->broker_slots);
        if (broker == POOL_NONE) return APPLY_FULL;
        add_broker(image, broker, &made);
        image_settle_broker(image, &fact, true); /* partitions may have waited for it */
    } else {
        const struct image_broker *before = &image->brokers[broker];
        if (made.epoch <= before->epoch || uuid_equal(&made.incarnation, &before->incarnation)) return APPLY_REFUSED;
        made.leaving = before->leaving;   /* it is still to be emptied */
        made.observer = before->observer; /* only an administrator changes that */
        if (made.fenced) made.unfenced_epoch = before->unfenced_epoch;
        image_replace_broker(image, broker, &made);
        if (before->replica_count > 0) image_settle_broker(image, &fact, false);
    }
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, broker };
    return APPLY_DONE;
}

/* ---- later ---- */

/* The broker that a record means: of this epoch, not of an earlier or later life. */
static uint32_t broker_of_epoch(const struct image *image, int32_t id, int64_t epoch)
{
    const uint32_t broker = image_broker_by_id(image, id);

    if (broker == SLOT_NONE || image->brokers[broker].epoch != epoch) return SLOT_NONE;
    return broker;
}

static void set(bool *flag, int8_t to, bool *changed)
{
    if (to == AS_IT_WAS || *flag == (to != 0)) return;
    *flag = to != 0;
    *changed = true;
}

enum apply_verdict image_apply_broker_change(struct image *image, const struct metadata_broker_change_record *record,
                                             struct image_change *change)
{
    const uint32_t slot = broker_of_epoch(image, record->broker_id, record->epoch);
    const struct partition_fact fact = { .broker = record->broker_id,
                                         .unclean = record->unclean,
                                         .crashed = record->crashed };
    bool settles = record->unclean || record->crashed, changed = false;
    if (slot == SLOT_NONE) return APPLY_SKIPPED;

    struct image_broker *broker = &image->brokers[slot];
    set(&broker->fenced, record->fenced, &settles);
    set(&broker->in_controlled_shutdown, record->in_controlled_shutdown, &settles);
    set(&broker->observer, record->observer, &settles);
    set(&broker->leaving, record->leaving, &changed);
    if (!settles && !changed) return APPLY_SKIPPED;
    if (!broker->fenced) broker->unfenced_epoch = broker->epoch;
    if (settles && broker->replica_count + broker->observed_count > 0) image_settle_broker(image, &fact, false);
    image->view.broker_changes++;
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, slot };
    return APPLY_DONE;
}

void image_keep_broker(struct image *image, int32_t broker_id, struct image_change *change)
{
    const struct partition_fact fact = { .broker = broker_id };
    const uint32_t slot = image_broker_by_id(image, broker_id);

    if (slot == SLOT_NONE) return;
    struct image_broker *broker = &image->brokers[slot];
    if (!broker->leaving && !broker->observer) return;
    broker->leaving = false;
    broker->observer = false;
    if (broker->replica_count + broker->observed_count > 0) image_settle_broker(image, &fact, false);
    image->view.broker_changes++;
    *change = (struct image_change){ CHANGE_BROKER, SLOT_NONE, SLOT_NONE, slot };
}

void image_remove_broker(struct image *image, uint32_t broker, struct image_change *change)
{
    uint32_t *link = &image->first_broker;
    const int32_t id = image->brokers[broker].id;

    while (*link != broker) link = &image->brokers[*link].next_broker;
    *link = image->brokers[broker].next_broker;
    CHECK(map_remove(&image->brokers_by_id, broker_key(id)));
    pool_give(&image->broker_slots, broker);
    image->view.broker_count--;
    image->view.broker_changes++;
    if (broker == image->own_broker) image->own_broker = SLOT_NONE;
    *change = (struct image_change){ CHANGE_BROKER_REMOVED, SLOT_NONE, SLOT_NONE, SLOT_NONE, .broker_id = id };
}

/* Nobody relies on what it holds any more, should it ever come back. */
enum apply_verdict image_apply_broker_removal(struct image *image, const struct metadata_broker_removal_record *record,
                                              struct image_change *change)
{
    const uint32_t broker = broker_of_epoch(image, record->broker_id, record->epoch);
    const struct partition_fact fact = { .broker = record->broker_id, .unclean = true };

    if (broker == SLOT_NONE) return APPLY_REFUSED;
    image_remove_broker(image, broker, change);
    const uint32_t copies = image->brokers[broker].replica_count + image->brokers[broker].observed_count;
    if (copies > 0) image_settle_broker(image, &fact, false);
    return APPLY_DONE;
}
