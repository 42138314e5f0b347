#include "controller/controller.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/prng.h"
#include "controller/decide.h"
#include "controller/metadata_log.h"

enum {
    MEMBERS_MAX = 8,    /* of a group that so far has one */
    MARKS_COUNT = 1024, /* two wishes that share one wait for each other needlessly, and briefly */
    DRAFT_NAMES_MAX = 16 << 10,
    DRAFT_NAMES_USED_MAX = DRAFT_NAMES_MAX * 3 / 4,
    UNDERWAY_MAX = 1024,
};

enum prng_stream { PRNG_TOPICS, PRNG_CLUSTER, PRNG_STREAM_COUNT };

/* What wishes can touch. */
enum subject { SUBJECT_TOPIC = 1, SUBJECT_BROKER };

/* What a proposal under way will take of the cluster's limits. */
struct underway {
    uint64_t index;
    uint32_t topics;
    uint32_t partitions;
    uint32_t settings;
};

struct draft_name {
    uint64_t key;
    uint64_t draft; /* it was named in */
};

struct draft {
    uint64_t number; /* grows, so that nothing of an earlier one needs clearing */
    struct proposal records;
    uint32_t names_used;
    bool made; /* records hold something */
    struct underway takes;
    uint32_t partitions_left;
};

struct producer_ids {
    int64_t next;
    int64_t end;
    int64_t asked_first;  /* of the block under way */
    uint64_t asked_index; /* 0: none is */
};

struct controller {
    struct controller_config config;
    struct image *image;
    struct metadata_log *log;
    uint64_t mono_ns;
    struct prng topics; /* ids, and where placement begins */
    struct prng cluster;
    struct uuid incarnation;
    uint64_t registration_index; /* 0: not proposed */
    bool registered;
    bool loaded;
    bool led;
    uint32_t created_topic; /* of the entry being applied, for a note when it is whole; or SLOT_NONE */
    uint64_t commits;
    uint64_t refused;

    struct draft draft;
    uint8_t *draft_memory;
    struct draft_name *draft_names;         /* [DRAFT_NAMES_MAX] */
    uint64_t mark_index[MARKS_COUNT];       /* of the last proposal that touched what falls on this mark */
    uint64_t mark_draft[MARKS_COUNT];       /* the draft that touches it */
    struct underway underway[UNDERWAY_MAX]; /* by rising index, a ring */
    uint32_t underway_first;
    uint32_t underway_count;
    struct underway taken; /* the sum of those */
    struct producer_ids ids;
    struct placement placement;
};

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
        .founds = true,
        .image = config->image,
        .journal_file_size = config->journal_file_size,
        .snapshot_entries = config->snapshot_entries,
        .members_max = MEMBERS_MAX,
    };
}

size_t controller_size(const struct controller_config *config)
{
    const struct metadata_log_config log = log_config(config);
    const size_t log_size = metadata_log_size(&log);

    if (log_size == 0 || config->node_id < 0) return 0;
    return rounded(sizeof(struct controller)) + rounded(image_size(&config->image)) + rounded(log_size) +
           rounded(metadata_log_proposal_size_max(&log)) + rounded(DRAFT_NAMES_MAX * sizeof(struct draft_name)) +
           rounded(config->image.brokers_max * sizeof(uint32_t));
}

static void *take(uint8_t **memory, size_t size)
{
    void *taken = *memory;

    *memory += rounded(size);
    return taken;
}

static struct uuid random_id(struct prng *prng)
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
    *controller = (struct controller){ .config = *config, .created_topic = SLOT_NONE };
    controller->image = take(&memory, image_size(&config->image));
    controller->log = take(&memory, metadata_log_size(&log));
    controller->draft_memory = take(&memory, metadata_log_proposal_size_max(&log));
    controller->draft_names = take(&memory, DRAFT_NAMES_MAX * sizeof(struct draft_name));
    placement_init(&controller->placement, take(&memory, config->image.brokers_max * sizeof(uint32_t)));
    prng_init(&controller->topics, config->seed[0] ^ config->seed[1] << 1, PRNG_TOPICS);
    prng_init(&controller->cluster, config->seed[0] ^ config->seed[1] << 1, PRNG_CLUSTER);
    controller->incarnation = random_id(&controller->cluster);
    image_init(controller->image, &config->image);
    metadata_log_init(controller->log, &log, controller->image);
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
    return controller->registered && metadata_log_leads(controller->log) ? CONTROLLER_OPEN : CONTROLLER_LOADED;
}

struct effect_halt controller_halt(const struct controller *controller)
{
    return metadata_log_halt(controller->log);
}

void controller_on_time(struct controller *controller, uint64_t mono_ns)
{
    controller->mono_ns = mono_ns;
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

uint64_t controller_deadline_ns(const struct controller *controller, bool applies)
{
    return metadata_log_deadline_ns(controller->log, applies);
}

/* A leader whose own broker is not registered in this life does that first; the first leader of all founds the
 * cluster. */
static void register_broker(struct controller *controller, struct effects *effects)
{
    uint8_t memory[2048]; /* a registration has three hosts and a rack */
    struct proposal records = proposal_in(memory, sizeof memory);

    if (controller->registration_index != 0 || !metadata_log_leads(controller->log)) return;
    const struct image_view view = image_view(controller->image);
    const bool founds = uuid_is_zero(&view.cluster_id);
    if (founds) {
        const struct uuid cluster_id = random_id(&controller->cluster);
        decide_cluster(&cluster_id, &records);
    }
    decide_registration(&controller->config, &controller->incarnation, &records);
    CHECK(proposal_ok(&records));
    uint64_t index;
    if (metadata_log_propose(controller->log, proposal_bytes(&records), &index) != METADATA_LOG_TAKEN) return;
    controller->registration_index = index;
    if (founds) NOTE(effects, CLUSTER_CREATED, controller->config.node_id);
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

static void on_change(struct controller *controller, const struct image_change *change, struct effects *effects)
{
    if (change->kind == CHANGE_TOPIC_CREATED) {
        note_created(controller, controller_applied_index(controller) + 1, effects);
        controller->created_topic = change->topic;
    }
    if (change->kind == CHANGE_TOPIC_REMOVED) {
        NOTE_TEXT(effects, TOPIC_DELETED, image_topic_name(controller->image, change->topic), 0);
    }
}

static bool is_registered(const struct controller *controller)
{
    const uint32_t broker = image_broker_by_id(controller->image, controller->config.node_id);

    return broker != SLOT_NONE &&
           uuid_equal(&image_broker(controller->image, broker)->incarnation, &controller->incarnation);
}

static void on_entry(struct controller *controller, const struct applied_entry *entry)
{
    struct producer_ids *ids = &controller->ids;

    controller->commits++;
    controller->refused += entry->refused;
    while (controller->underway_count > 0) {
        const struct underway *first = &controller->underway[controller->underway_first % UNDERWAY_MAX];
        if (first->index > entry->index) break;
        controller->taken.topics -= first->topics;
        controller->taken.partitions -= first->partitions;
        controller->taken.settings -= first->settings;
        controller->underway_first++;
        controller->underway_count--;
    }
    if (ids->asked_index == entry->index) {
        ids->asked_index = 0;
        ids->next = entry->refused ? 0 : ids->asked_first;
        ids->end = entry->refused ? 0 : ids->asked_first + PRODUCER_ID_BLOCK;
    }
    if (!controller->registered) controller->registered = is_registered(controller);
}

/* True if a change is to be carried on. */
static bool apply(struct controller *controller, struct image_change *change, struct effects *effects)
{
    struct applied_entry entry;

    for (;;) {
        switch (metadata_log_apply(controller->log, change, &entry)) {
        case APPLIED_NOTHING: return false;
        case APPLIED_CHANGE: on_change(controller, change, effects); return true;
        case APPLIED_ENTRY:
            note_created(controller, entry.index, effects);
            on_entry(controller, &entry);
            break;
        case APPLIED_SNAPSHOT: on_entry(controller, &entry); break; /* whose entries nobody here waits for */
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

static void note_leadership(struct controller *controller, struct effects *effects)
{
    const bool leads = metadata_log_leads(controller->log);

    if (leads && !controller->led) {
        const uint64_t term = metadata_log_view(controller->log).term;
        NOTE(effects, BECAME_LEADER, (int64_t)term, (int64_t)controller_applied_index(controller), 1);
    }
    controller->led = leads;
}

void controller_commit(struct controller *controller, struct effects *effects)
{
    if (controller->loaded) {
        note_leadership(controller, effects);
        register_broker(controller, effects);
    }
    metadata_log_commit(controller->log, effects);
}

/* ---- what wishes touch ---- */

static uint64_t topic_key(const struct controller *controller, struct bytes name)
{
    uint8_t folded[TOPIC_NAME_SIZE_MAX];
    const uint32_t size = MIN(name.size, (uint32_t)TOPIC_NAME_SIZE_MAX);

    for (uint32_t i = 0; i < size; i++) folded[i] = name.data[i] == '.' ? '_' : name.data[i]; /* as image_topic_like */
    return hash_mix(hash_bytes(controller->config.image.hash_seed, (struct bytes){ folded, size }), SUBJECT_TOPIC);
}

static uint64_t broker_key_of(const struct controller *controller, struct bytes name)
{
    return hash_mix(hash_bytes(controller->config.image.hash_seed, name), SUBJECT_BROKER);
}

/* Whether this draft has named it already; it has now. */
static bool draft_names_again(struct controller *controller, uint64_t key)
{
    struct draft *draft = &controller->draft;
    uint32_t place = (uint32_t)(key % DRAFT_NAMES_MAX);

    for (;; place = (place + 1) % DRAFT_NAMES_MAX) {
        struct draft_name *name = &controller->draft_names[place];
        if (name->draft == draft->number && name->key == key) return true;
        if (name->draft == draft->number) continue;
        *name = (struct draft_name){ key, draft->number };
        draft->names_used++;
        return false;
    }
}

static bool touches_what_is_underway(const struct controller *controller, uint64_t key,
                                     struct controller_answer *answer)
{
    const uint64_t index = controller->mark_index[key % MARKS_COUNT];

    if (index <= controller_applied_index(controller)) return false;
    answer->wait_index = index;
    return true;
}

void controller_begin(struct controller *controller)
{
    const struct metadata_log_config log = log_config(&controller->config);

    controller->draft = (struct draft){
        .number = controller->draft.number + 1,
        .records = proposal_in(controller->draft_memory, metadata_log_proposal_size_max(&log)),
        .partitions_left = REQUEST_PARTITIONS_MAX,
    };
}

/* ---- wishes ---- */

static uint32_t left_of(uint32_t max, uint32_t used, uint32_t underway, uint32_t drafted)
{
    const uint64_t gone = (uint64_t)used + underway + drafted;

    return gone < max ? (uint32_t)(max - gone) : 0;
}

static struct decision decision_of(struct controller *controller, struct controller_answer *answer)
{
    const struct image_config *limits = &controller->config.image;
    const struct image_view view = image_view(controller->image);
    const struct underway *taken = &controller->taken, *drafted = &controller->draft.takes;

    placement_refresh(&controller->placement, controller->image);
    return (struct decision){
        .image = controller->image,
        .placement = &controller->placement,
        .message_size_max = controller->config.message_size_max,
        .topics_left = left_of(limits->topics_max, view.topic_count, taken->topics, drafted->topics),
        .partitions_left =
            left_of(limits->partitions_max, view.partition_count, taken->partitions, drafted->partitions),
        .settings_left = left_of(limits->settings_max, view.setting_count, taken->settings, drafted->settings),
        .request_partitions_left = controller->draft.partitions_left,
        .records = &controller->draft.records,
        .message = &answer->message,
    };
}

/* May this wish be decided now? If not, the answer says why. */
static bool begin_wish(struct controller *controller, uint64_t key, struct controller_answer *answer)
{
    answer->error = ERROR_NONE;
    answer->wait_index = 0;
    answer->message = text_in(answer->message_data, CONTROLLER_MESSAGE_SIZE_MAX);
    if (!metadata_log_leads(controller->log) || controller->underway_count == UNDERWAY_MAX) {
        answer->wait_index = controller_applied_index(controller) + 1;
        return false;
    }
    if (touches_what_is_underway(controller, key, answer)) return false;
    if (controller->draft.names_used < DRAFT_NAMES_USED_MAX && !draft_names_again(controller, key)) return true;
    answer->error = ERROR_INVALID_REQUEST;
    text_add(&answer->message, "The request names this or something too much alike more than once.");
    return false;
}

/* Puts a decided wish into the draft, or takes its records out again. */
static void end_wish(struct controller *controller, uint64_t key, const struct decision *before,
                     const struct decision *after, const struct proposal *records, bool judge_only)
{
    struct draft *draft = &controller->draft;

    draft->takes.topics += before->topics_left - after->topics_left;
    draft->takes.partitions += before->partitions_left - after->partitions_left;
    draft->takes.settings += before->settings_left - after->settings_left;
    draft->partitions_left = after->request_partitions_left;
    if (judge_only) {
        draft->records = *records;
        return;
    }
    controller->mark_draft[key % MARKS_COUNT] = draft->number;
    draft->made |= draft->records.record_count > records->record_count;
}

void controller_create_topic(struct controller *controller, const struct create_topics_request_topic *topic,
                             bool judge_only, struct topic_made *made, struct controller_answer *answer)
{
    const uint64_t key = topic_key(controller, topic->name);
    if (!begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;
    const struct uuid id = random_id(&controller->topics);

    after.start = prng_next(&controller->topics);
    answer->error = decide_topic(&after, topic, &id, made);
    if (answer->error == ERROR_NONE) end_wish(controller, key, &before, &after, &records, judge_only);
}

void controller_delete_topic(struct controller *controller, uint32_t topic, struct controller_answer *answer)
{
    const uint64_t key = topic_key(controller, image_topic_name(controller->image, topic));
    if (!begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    answer->error = decide_topic_removal(&after, topic);
    if (answer->error == ERROR_NONE) end_wish(controller, key, &before, &after, &records, false);
}

void controller_create_partitions(struct controller *controller, const struct create_partitions_request_topic *topic,
                                  bool judge_only, struct controller_answer *answer)
{
    const uint64_t key = topic_key(controller, topic->name);
    if (!begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    after.start = prng_next(&controller->topics);
    answer->error = decide_partitions(&after, topic);
    if (answer->error == ERROR_NONE) end_wish(controller, key, &before, &after, &records, judge_only);
}

void controller_change_settings(struct controller *controller, int8_t resource_type, struct bytes resource_name,
                                const struct setting_wish *wishes, uint32_t count, bool replace, bool judge_only,
                                struct controller_answer *answer)
{
    const uint64_t key = resource_type == RESOURCE_TOPIC ? topic_key(controller, resource_name)
                                                         : broker_key_of(controller, resource_name);
    if (!begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    answer->error = decide_settings(&after, resource_type, resource_name, wishes, count, replace);
    if (answer->error == ERROR_NONE) end_wish(controller, key, &before, &after, &records, judge_only);
}

/* ---- proposing ---- */

/* The draft is on its way: what it touches waits for it, and what it takes counts. */
static void sent(struct controller *controller, uint64_t index)
{
    const struct draft *draft = &controller->draft;
    struct underway *underway =
        &controller->underway[(controller->underway_first + controller->underway_count) % UNDERWAY_MAX];

    CHECK(controller->underway_count < UNDERWAY_MAX);
    *underway = draft->takes;
    underway->index = index;
    controller->underway_count++;
    controller->taken.topics += underway->topics;
    controller->taken.partitions += underway->partitions;
    controller->taken.settings += underway->settings;
    for (uint32_t i = 0; i < MARKS_COUNT; i++) {
        if (controller->mark_draft[i] == draft->number) controller->mark_index[i] = index;
    }
}

enum propose_verdict controller_propose(struct controller *controller, uint64_t *index)
{
    struct draft *draft = &controller->draft;
    enum propose_verdict verdict = PROPOSE_EMPTY;

    CHECK(proposal_ok(&draft->records)); /* decisions take back what does not fit */
    *index = controller_applied_index(controller);
    if (draft->made) {
        verdict = PROPOSED;
        if (metadata_log_propose(controller->log, proposal_bytes(&draft->records), index) == METADATA_LOG_TAKEN) {
            sent(controller, *index);
        } else {
            *index = controller_applied_index(controller) + 1;
            verdict = PROPOSE_WAITS;
        }
    }
    controller_begin(controller);
    return verdict;
}

bool controller_auto_create_topic(struct controller *controller, struct bytes name, uint64_t *index)
{
    const struct create_topics_request_topic topic = { .name = name, .num_partitions = -1, .replication_factor = -1 };
    struct controller_answer answer;
    struct topic_made made;

    controller_begin(controller);
    controller_create_topic(controller, &topic, false, &made, &answer);
    if (answer.wait_index != 0) {
        *index = answer.wait_index;
        return true;
    }
    return answer.error == ERROR_NONE && controller_propose(controller, index) == PROPOSED;
}

bool controller_producer_id(struct controller *controller, int64_t *producer_id, uint64_t *index)
{
    struct producer_ids *ids = &controller->ids;
    uint8_t memory[64];
    struct proposal records = proposal_in(memory, sizeof memory);

    if (ids->next < ids->end) {
        *producer_id = ids->next++;
        return true;
    }
    *index = controller_applied_index(controller) + 1;
    if (ids->asked_index == 0 && metadata_log_leads(controller->log)) {
        decide_producer_ids(controller->image, controller->config.node_id, &records);
        CHECK(proposal_ok(&records));
        uint64_t asked;
        if (metadata_log_propose(controller->log, proposal_bytes(&records), &asked) == METADATA_LOG_TAKEN) {
            ids->asked_index = asked;
            ids->asked_first = image_view(controller->image).next_producer_id;
        }
    }
    if (ids->asked_index != 0) *index = ids->asked_index;
    return false;
}

/* ---- for status and metrics ---- */

const struct raft *controller_raft(const struct controller *controller)
{
    return metadata_log_raft(controller->log);
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
        .snapshot_index = log.snapshot_index,
        .snapshot_size = log.snapshot_size,
        .snapshots = log.snapshots,
        .journal_used = log.journal_used,
        .journal_max = log.journal_max,
        .disk_full = log.disk_full,
    };
}

void controller_check(const struct controller *controller)
{
    struct underway sum = { 0 };

    for (uint32_t i = 0; i < controller->underway_count; i++) {
        const struct underway *each = &controller->underway[(controller->underway_first + i) % UNDERWAY_MAX];
        sum.topics += each->topics;
        sum.partitions += each->partitions;
        sum.settings += each->settings;
    }
    CHECK(sum.topics == controller->taken.topics && sum.partitions == controller->taken.partitions);
    CHECK(sum.settings == controller->taken.settings);
    CHECK(controller->ids.next <= controller->ids.end);
    metadata_log_check(controller->log);
    if (metadata_log_state(controller->log) == METADATA_LOG_OPEN) image_check(controller->image);
}
