/* controller.c -- from start to open; what is applied, and what that means here. The other files of this room decide
 * what is proposed: controller_state.h says which. */
#include "controller/controller.h"

#include "base/check.h"
#include "base/hash.h"
#include "controller/controller_state.h"

/* ---- memory ---- */

static size_t rounded(size_t size)
{
    return (size + 63) / 64 * 64;
}

static struct metadata_log_config log_config(const struct controller_config *config)
{
    return (struct metadata_log_config){
        .node_id = config->node_id,
        .seed = config->seed[0] ^ config->seed[1],
        .journal_id = hash_mix(config->seed[0], config->seed[1]),
        .address = config->address,
        .founds = config->founds,
        .recovers = config->recovers,
        .image = config->image,
        .journal_file_size = config->journal_file_size,
        .snapshot_entries = config->snapshot_entries,
        .members_max = config->members_max,
    };
}

size_t controller_size(const struct controller_config *config)
{
    const struct metadata_log_config log = log_config(config);
    const size_t log_size = metadata_log_size(&log);

    if (log_size == 0 || config->node_id < 0) return 0;
    const uint32_t wish_size_max = metadata_log_proposal_size_max(&log);
    return rounded(sizeof(struct controller)) + rounded(image_size(&config->image)) + rounded(log_size) +
           2 * rounded(wish_size_max) + rounded(wishes_memory_size(wish_size_max)) +
           rounded(wish_queue_memory_size(wish_size_max)) + rounded(DRAFT_NAMES_MAX * sizeof(struct draft_name)) +
           rounded(placement_size(config->image.brokers_max)) + rounded(balance_size(config->image.brokers_max)) +
           rounded(config->image.brokers_max * sizeof(struct session)) +
           2 * rounded((config->members_max + 1) * sizeof(struct link_known)) + rounded(sizeof(struct isr_wishes));
}

static void *take(uint8_t **memory, size_t size)
{
    void *taken = *memory;

    *memory += rounded(size);
    return taken;
}

struct uuid controller_random_id(struct prng *prng)
{
    struct uuid id;

    do {
        store_u64(id.bytes, prng_next(prng));
        store_u64(id.bytes + 8, prng_next(prng));
    } while (id.bytes[0] >> 2 == 62); /* its text would begin with '-', which tools take for an option */
    return id;
}

void controller_init(struct controller *controller, const struct controller_config *config)
{
    const struct metadata_log_config log = log_config(config);
    uint8_t *memory = (uint8_t *)controller;

    take(&memory, sizeof *controller);
    *controller = (struct controller){
        .config = *config,
        .created_topic = SLOT_NONE,
        .wish_size_max = metadata_log_proposal_size_max(&log),
        .deciding = WISH_QUEUE_NONE,
    };
    controller->image = take(&memory, image_size(&config->image));
    controller->log = take(&memory, metadata_log_size(&log));
    controller->draft_memory = take(&memory, controller->wish_size_max);
    controller->outbox.memory = take(&memory, controller->wish_size_max);
    void *wishes = take(&memory, wishes_memory_size(controller->wish_size_max));
    void *queue = take(&memory, wish_queue_memory_size(controller->wish_size_max));
    controller->draft_names = take(&memory, DRAFT_NAMES_MAX * sizeof(struct draft_name));
    placement_init(&controller->placement, take(&memory, placement_size(config->image.brokers_max)),
                   config->image.brokers_max);
    balance_init(&controller->balance, take(&memory, balance_size(config->image.brokers_max)),
                 config->image.brokers_max);
    struct session *sessions = take(&memory, config->image.brokers_max * sizeof(struct session));
    sessions_init(&controller->sessions, config->node_id, sessions, config->image.brokers_max);
    controller->pulse.leader_id = -1;
    controller->joining.leader_id = -1;
    controller->links.known = take(&memory, (config->members_max + 1) * sizeof(struct link_known));
    controller->links.wanted = take(&memory, (config->members_max + 1) * sizeof(struct link_known));
    controller->isr_wishes = take(&memory, sizeof(struct isr_wishes));
    isr_wishes_init(controller->isr_wishes, controller->wish_size_max);
    membership_init(&controller->membership, controller->image, config->voters_target);
    prng_init(&controller->topics, config->seed[0] ^ config->seed[1] << 1, PRNG_TOPICS);
    prng_init(&controller->cluster, config->seed[0] ^ config->seed[1] << 1, PRNG_CLUSTER);
    controller->incarnation = controller_random_id(&controller->cluster);
    image_init(controller->image, &config->image);
    metadata_log_init(controller->log, &log, controller->image);
    wishes_init(&controller->wishes, wishes, controller->wish_size_max, config->node_id, &controller->incarnation);
    wish_queue_init(&controller->queue, queue, controller->wish_size_max);
    arena_init(&controller->arena, controller->arena_memory, sizeof controller->arena_memory);
    controller_begin(controller);
}

/* ---- from start to open ---- */

enum controller_state controller_state(const struct controller *controller)
{
    switch (metadata_log_state(controller->log)) {
    case METADATA_LOG_CLOSED:
    case METADATA_LOG_OPENING: return CONTROLLER_STARTING;
    case METADATA_LOG_BROKEN: return CONTROLLER_BROKEN;
    case METADATA_LOG_OPEN: break;
    }
    if (!controller->loaded) return CONTROLLER_STARTING;
    if (!controller->registered) return CONTROLLER_LOADED;
    return controller->opened ? CONTROLLER_OPEN : CONTROLLER_REGISTERED;
}

struct effect_halt controller_halt(const struct controller *controller)
{
    return metadata_log_halt(controller->log);
}

void controller_on_time(struct controller *controller, uint64_t mono_ns)
{
    controller->mono_ns = mono_ns;
    controller->decided_size = 0;
    wishes_on_time(&controller->wishes, mono_ns);
    sessions_on_time(&controller->sessions, mono_ns);
    metadata_log_on_time(controller->log, mono_ns);
}

void controller_start(struct controller *controller, struct effects *effects)
{
    metadata_log_open(controller->log, effects);
}

void controller_on_disk(struct controller *controller, const struct event *event, struct effects *effects)
{
    metadata_log_on_disk(controller->log, event, effects);
}

bool controller_founded_by_mistake(const struct controller *controller)
{
    const struct image_view view = image_view(controller->image);

    return controller->founded && view.broker_count <= 1 && view.topic_count == 0;
}

struct ancestry controller_ancestry(const struct controller *controller)
{
    const struct ancestry found = metadata_log_disk_ancestry(controller->log);

    if (controller->loaded || uuid_is_zero(&found.cluster_id) || MUTANT(controller_forgets_its_cluster)) {
        return image_ancestry(controller->image);
    }
    return found;
}

uint64_t controller_member(const struct controller *controller)
{
    return metadata_log_identity_is_durable(controller->log) ? metadata_log_member(controller->log) : 0;
}

struct uuid controller_incarnation(const struct controller *controller)
{
    return controller->incarnation;
}

uint64_t controller_deadline_ns(const struct controller *controller, bool applies)
{
    if (controller->config.recovers) return metadata_log_deadline_ns(controller->log, applies);
    const uint64_t deadlines_ns[] = { joining_deadline_ns(controller), controller->membership.look_ns,
                                      wishing_deadline_ns(controller), heartbeats_deadline_ns(controller),
                                      upkeep_deadline_ns(controller) };
    const uint64_t log_ns = metadata_log_deadline_ns(controller->log, applies);
    uint64_t working_ns = UINT64_MAX;

    for (uint32_t i = 0; i < COUNT_OF(deadlines_ns); i++) working_ns = MIN(working_ns, deadlines_ns[i]);
    return MIN(log_ns, MAX(working_ns, controller->mono_ns));
}

/* ---- what holds ---- */

const struct image *controller_image(const struct controller *controller)
{
    return controller->image;
}

uint64_t controller_applied_index(const struct controller *controller)
{
    return image_view(controller->image).applied_index;
}

static void note_created(struct controller *controller, uint64_t index, struct effects *effects)
{
    const uint32_t topic = controller->created_topic;

    controller->created_topic = SLOT_NONE;
    if (topic == SLOT_NONE || index < metadata_log_first_index(controller->log)) return; /* none, or old news */
    NOTE_TEXT(effects, TOPIC_CREATED, image_topic_name(controller->image, topic),
              image_topic(controller->image, topic)->partition_count);
}

static bool is_registered(const struct controller *controller)
{
    const uint32_t broker = image_broker_by_id(controller->image, controller->config.node_id);

    if (broker != SLOT_NONE && MUTANT(former_registration_counts)) return true;
    return broker != SLOT_NONE &&
           uuid_equal(&image_broker(controller->image, broker)->incarnation, &controller->incarnation);
}

/* In this life: another life's registration was fenced by ours. */
static bool is_unfenced(const struct controller *controller)
{
    const uint32_t broker = image_broker_by_id(controller->image, controller->config.node_id);

    return controller->registered && broker != SLOT_NONE && !image_broker(controller->image, broker)->fenced;
}

/* Told once, by whoever was elected: it is alive. */
static void on_unclean_election(struct controller *controller, uint32_t slot, struct effects *effects)
{
    const struct image_partition *partition = image_partition(controller->image, slot);

    /* Old news: from before this start, or while this node learns what was before it came. */
    if (!controller->registered) return;
    if (controller_applied_index(controller) + 1 < metadata_log_first_index(controller->log)) return;
    controller->unclean_elections++;
    if (partition->leader != controller->config.node_id) return;
    NOTE_TEXT(effects, LEADER_UNCLEAN, image_topic_name(controller->image, partition->topic), partition->index,
              partition->leader, partition->leader_epoch);
}

static void on_change(struct controller *controller, const struct image_change *change, struct effects *effects)
{
    if (change->unclean) on_unclean_election(controller, change->partition, effects);
    if (change->kind == CHANGE_TOPIC_CREATED) {
        note_created(controller, controller_applied_index(controller) + 1, effects);
        controller->created_topic = change->topic;
    }
    if (change->kind == CHANGE_TOPIC_REMOVED) {
        NOTE_TEXT(effects, TOPIC_DELETED, image_topic_name(controller->image, change->topic), 0);
    }
    if (change->kind == CHANGE_BROKER) {
        sessions_on_broker(&controller->sessions, controller->image, change->broker,
                           controller_applied_index(controller) + 1);
    }
    if (change->kind == CHANGE_OWN_WISH && is_registered(controller)) { /* else it is from a life before */
        controller->own_wish = (struct own_wish){ change->wish, change->answer };
    }
}

static void on_entry(struct controller *controller, const struct applied_entry *entry)
{
    controller->commits++;
    controller->refused += entry->refused;
    drafts_on_applied(controller, entry->index);
    if (!controller->registered) controller->registered = is_registered(controller);
    if (!controller->opened) controller->opened = is_unfenced(controller);
    wishing_on_entry(controller, !entry->refused);
}

/* True if a change is to be carried on. */
static bool apply(struct controller *controller, struct image_change *change, struct effects *effects)
{
    struct applied_entry entry;

    for (;;) {
        switch (metadata_log_apply(controller->log, change, &entry)) {
        case APPLIED_NOTHING: return false;
        case APPLIED_CHANGE:
            on_change(controller, change, effects);
            if (change->kind == CHANGE_OWN_WISH) break;
            return true;
        case APPLIED_ENTRY:
            note_created(controller, entry.index, effects);
            on_entry(controller, &entry);
            break;
        case APPLIED_SNAPSHOT:
            controller->own_wish.sequence = 0; /* what it was for is in there, or comes behind it */
            on_entry(controller, &entry);
            break;
        }
        if (!controller->loaded) return true; /* perhaps that was the last of what was there before */
    }
}

bool controller_next_change(struct controller *controller, struct image_change *change, struct effects *effects)
{
    while (!controller->loaded && metadata_log_state(controller->log) == METADATA_LOG_OPEN) {
        const uint64_t first = metadata_log_first_index(controller->log);
        if (controller_applied_index(controller) + 1 >= first && !image_is_draining(controller->image)) {
            controller->loaded = true;
            return false; /* the roof looks at the image as a whole before it hears of changes */
        }
        if (!apply(controller, change, effects)) return false;
    }
    if (!controller->loaded) return false;
    return apply(controller, change, effects);
}

void controller_commit(struct controller *controller, struct effects *effects)
{
    CHECK(controller->deciding == WISH_QUEUE_NONE);
    if (controller->config.recovers) {
        disaster_work(controller);
    } else if (metadata_log_state(controller->log) == METADATA_LOG_OPEN) {
        if (metadata_log_owes_recovery(controller->log)) disaster_work(controller);
        wishing_follow_leader(controller);
        heartbeats_follow_leader(controller);
        heartbeats_work(controller, effects);
        const bool alone = image_view(controller->image).broker_count <= 1;
        const bool looked = membership_work(&controller->membership, controller->log, alone, controller->mono_ns);
        if (looked) operations_work(controller);
        upkeep_work(controller);
        joining_work(controller);
        wishing_look_at_window(controller);
    }
    metadata_log_commit(controller->log, effects);
}

/* ---- for status and metrics ---- */

const struct raft *controller_raft(const struct controller *controller)
{
    return metadata_log_raft(controller->log);
}

bool controller_is_applying(const struct controller *controller)
{
    return metadata_log_is_applying(controller->log);
}

struct bytes controller_entry(const struct controller *controller, uint64_t index)
{
    return metadata_log_payload(controller->log, index);
}

struct controller_view controller_view(const struct controller *controller)
{
    const struct metadata_log_view log = metadata_log_view(controller->log);

    return (struct controller_view){
        .leads = log.leads,
        .term = log.term,
        .commit_index = log.commit_index,
        .entries = log.last_index - log.snapshot_index,
        .commits = controller->commits,
        .refused = controller->refused,
        .unclean_elections = controller->unclean_elections,
        .wishes = wishes_open_count(&controller->wishes),
        .wishes_waiting = controller->queue.count,
        .answers_dropped = controller->outbox.dropped,
        .snapshot_index = log.snapshot_index,
        .snapshot_size = log.snapshot_size,
        .snapshots = log.snapshots,
        .journal_used = log.journal_used,
        .journal_max = log.journal_max,
        .voters = log.voters,
        .members = log.members,
        .log = log.counters,
        .disk_full = log.disk_full,
    };
}

uint32_t controller_frame_size_max(const struct controller_config *config)
{
    const struct metadata_log_config log = log_config(config);

    return MAX(WISH_FRAME_HEAD_MAX + metadata_log_proposal_size_max(&log), metadata_log_frame_size_max(&log));
}

void controller_check(const struct controller *controller)
{
    drafts_check(controller);
    wishing_check(controller);
    isr_wishes_check(controller->isr_wishes);
    CHECK(controller->ids.next <= controller->ids.end);
    metadata_log_check(controller->log);
    if (metadata_log_state(controller->log) != METADATA_LOG_OPEN) return;
    image_check(controller->image);
    sessions_check(&controller->sessions, controller->image);
}
