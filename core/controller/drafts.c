/* drafts.c -- from a wish to records: what does it touch, what does it take, and how is it proposed?
 *
 * Proposals are under way side by side. What they touch is marked until they are applied, and what they take of the
 * cluster's limits counts, so that every decision is made on the truth. All of that is the leader's own knowledge of
 * its own term: with another term it begins anew, because then all that is still to come is applied before the first
 * decision (metadata_log_leads). */
#include "base/check.h"
#include "base/hash.h"
#include "controller/controller_state.h"

/* ---- under way ---- */

void drafts_reset(struct controller *controller)
{
    if (MUTANT(wish_marks_outlive_their_term)) return;
    memset(controller->mark_index, 0, sizeof controller->mark_index);
    controller->underway_first = 0;
    controller->underway_count = 0;
    controller->taken = (struct underway){ 0 };
    controller_begin(controller);
}

static struct underway *underway_at(const struct controller *controller, uint32_t age)
{
    return (struct underway *)(uintptr_t)&controller->underway[(controller->underway_first + age) % UNDERWAY_MAX];
}

void drafts_on_applied(struct controller *controller, uint64_t index)
{
    while (controller->underway_count > 0) {
        const struct underway *first = underway_at(controller, 0);
        if (first->index > index) break;
        controller->taken.topics -= first->topics;
        controller->taken.partitions -= first->partitions;
        controller->taken.settings -= first->settings;
        controller->underway_first = (controller->underway_first + 1) % UNDERWAY_MAX;
        controller->underway_count--;
    }
}

bool drafts_have_underway(const struct controller *controller, const struct wish *wish)
{
    for (uint32_t age = 0; age < controller->underway_count; age++) {
        const struct underway *underway = underway_at(controller, age);
        if (underway->broker_id != wish->broker_id || underway->sequence != wish->sequence) continue;
        if (uuid_equal(&underway->incarnation, &wish->incarnation)) return true;
    }
    return false;
}

/* ---- what wishes touch ---- */

/* Of a topic: names that may not both be there touch the same, as in image_topic_like. */
uint64_t draft_key(const struct controller *controller, enum subject subject, struct bytes name)
{
    uint8_t folded[TOPIC_NAME_SIZE_MAX];
    const uint32_t size = MIN(name.size, (uint32_t)TOPIC_NAME_SIZE_MAX);

    for (uint32_t i = 0; i < size; i++) folded[i] = name.data[i] == '.' ? '_' : name.data[i];
    return hash_mix(hash_bytes(controller->config.image.hash_seed, (struct bytes){ folded, size }), subject);
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
    controller->draft = (struct draft){
        .number = controller->draft.number + 1,
        .records = proposal_in(controller->draft_memory, controller->wish_size_max),
        .partitions_left = REQUEST_PARTITIONS_MAX,
    };
}

bool draft_begin_guarded(struct controller *controller, struct controller_answer *answer)
{
    answer->error = ERROR_NONE;
    answer->wait_index = 0;
    answer->message = text_in(answer->message_data, CONTROLLER_MESSAGE_SIZE_MAX);
    if (controller->underway_count < UNDERWAY_MAX) return true;
    answer->wait_index = controller_applied_index(controller) + 1;
    return false;
}

bool draft_begin_wish(struct controller *controller, uint64_t key, struct controller_answer *answer)
{
    if (!draft_begin_guarded(controller, answer)) return false;
    if (touches_what_is_underway(controller, key, answer)) return false;
    if (controller->draft.names_used < DRAFT_NAMES_USED_MAX && !draft_names_again(controller, key)) return true;
    answer->error = ERROR_INVALID_REQUEST;
    text_add(&answer->message, "The request names this or something too much alike more than once.");
    return false;
}

void draft_made(struct controller *controller, uint64_t key)
{
    controller->mark_draft[key % MARKS_COUNT] = controller->draft.number;
    controller->draft.made = true;
}

void draft_made_guarded(struct controller *controller)
{
    controller->draft.made |= controller->draft.records.record_count > 0;
}

/* ---- decisions ---- */

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

/* Puts what was decided into the draft, or takes its records out again. */
static void end_decision(struct controller *controller, uint64_t key, const struct decision *before,
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
    const uint64_t key = draft_key(controller, SUBJECT_TOPIC, topic->name);
    if (!draft_begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;
    const struct uuid id = controller_random_id(&controller->topics);

    after.start = prng_next(&controller->topics);
    answer->error = decide_topic(&after, topic, &id, made);
    if (answer->error == ERROR_NONE) end_decision(controller, key, &before, &after, &records, judge_only);
}

void controller_delete_topic(struct controller *controller, uint32_t topic, struct controller_answer *answer)
{
    const uint64_t key = draft_key(controller, SUBJECT_TOPIC, image_topic_name(controller->image, topic));
    if (!draft_begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    answer->error = decide_topic_removal(&after, topic);
    if (answer->error == ERROR_NONE) end_decision(controller, key, &before, &after, &records, false);
}

void controller_create_partitions(struct controller *controller, const struct create_partitions_request_topic *topic,
                                  bool judge_only, struct controller_answer *answer)
{
    const uint64_t key = draft_key(controller, SUBJECT_TOPIC, topic->name);
    if (!draft_begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    after.start = prng_next(&controller->topics);
    answer->error = decide_partitions(&after, topic);
    if (answer->error == ERROR_NONE) end_decision(controller, key, &before, &after, &records, judge_only);
}

void controller_change_settings(struct controller *controller, int8_t resource_type, struct bytes resource_name,
                                const struct setting_wish *wishes, uint32_t count, bool replace, bool judge_only,
                                struct controller_answer *answer)
{
    const bool group = resource_type == RESOURCE_GROUP; /* they share what room there is, as quotas do */
    const enum subject subject = resource_type == RESOURCE_TOPIC ? SUBJECT_TOPIC : SUBJECT_BROKER;
    const uint64_t key = group ? draft_key(controller, SUBJECT_GROUPS, (struct bytes){ 0 })
                               : draft_key(controller, subject, resource_name);
    if (!draft_begin_wish(controller, key, answer)) return;
    const struct proposal records = controller->draft.records;
    const struct decision before = decision_of(controller, answer);
    struct decision after = before;

    answer->error = decide_settings(&after, resource_type, resource_name, wishes, count, replace);
    if (answer->error == ERROR_NONE) end_decision(controller, key, &before, &after, &records, judge_only);
}

void controller_elect_leader(struct controller *controller, uint32_t partition, bool unclean,
                             struct controller_answer *answer)
{
    struct proposal *records = &controller->draft.records;
    const struct proposal before = *records;
    if (!draft_begin_guarded(controller, answer)) return;

    answer->error = decide_election(controller->image, partition, unclean ? ELECT_ANYBODY : ELECT_PREFERRED, records);
    if (!proposal_ok(records)) { /* of all partitions of a large cluster: the others when it is asked again */
        *records = before;
        answer->error = ERROR_REQUEST_TIMED_OUT;
    }
    draft_made_guarded(controller);
}

void controller_reassign(struct controller *controller, uint32_t partition, const int32_t *replicas, uint32_t count,
                         struct controller_answer *answer)
{
    struct proposal *records = &controller->draft.records;
    const struct proposal before = *records;
    if (!draft_begin_guarded(controller, answer)) return;
    struct decision decision = decision_of(controller, answer);

    answer->error = decide_reassignment(&decision, partition, replicas, count);
    if (!proposal_ok(records)) { /* too many in one request */
        *records = before;
        answer->error = ERROR_POLICY_VIOLATION;
        text_add(&answer->message, "The request is too large: ask for fewer partitions at a time.");
    }
    draft_made_guarded(controller);
}

/* Who registers while it is under way might not understand it: so both touch the same. */
void controller_set_feature_level(struct controller *controller, int16_t level, bool judge_only,
                                  struct controller_answer *answer)
{
    const uint64_t key = draft_key(controller, SUBJECT_REGISTRATION, (struct bytes){ 0 });
    struct proposal *records = &controller->draft.records;
    if (!draft_begin_wish(controller, key, answer)) return;
    const struct proposal before = *records;

    answer->error = decide_feature_level(controller->image, level, records, &answer->message);
    if (judge_only) *records = before;
    else if (records->record_count > before.record_count) draft_made(controller, key);
}

/* They share what room there is, so one request is decided after the other. */
void controller_set_quotas(struct controller *controller, const struct metadata_client_quota_record *quotas,
                           uint32_t count, bool judge_only, struct controller_answer *answer)
{
    const uint64_t key = draft_key(controller, SUBJECT_QUOTAS, (struct bytes){ 0 });
    struct proposal *records = &controller->draft.records;
    const struct proposal before = *records;
    if (!draft_begin_wish(controller, key, answer)) return;

    for (uint32_t i = 0; i < count; i++) proposal_add_client_quota(records, &quotas[i]);
    if (image_quota_count(controller->image) + count > QUOTAS_MAX || !proposal_ok(records)) {
        *records = before;
        answer->error = ERROR_POLICY_VIOLATION;
        text_add(&answer->message, "There may be 128 entities with quotas, those of this request among them.");
        return;
    }
    if (judge_only) *records = before;
    else draft_made(controller, key);
}

/* ---- proposing ---- */

/* The draft is on its way: what it touches waits for it, and what it takes counts. */
static void on_proposed(struct controller *controller, const struct wish *wish, uint64_t index)
{
    const struct draft *draft = &controller->draft;

    CHECK(controller->underway_count < UNDERWAY_MAX);
    struct underway *underway = underway_at(controller, controller->underway_count++);
    *underway = draft->takes;
    underway->index = index;
    underway->broker_id = wish->broker_id;
    underway->incarnation = wish->incarnation;
    underway->sequence = wish->sequence;
    controller->taken.topics += underway->topics;
    controller->taken.partitions += underway->partitions;
    controller->taken.settings += underway->settings;
    for (uint32_t i = 0; i < MARKS_COUNT; i++) {
        if (controller->mark_draft[i] == draft->number) controller->mark_index[i] = index;
    }
}

/* The record of the wish stands in front, so that its guard decides over all. A registration stands before it: only
 * then is the life known in which it was wished for. */
static bool put_wish(struct proposal *records, const struct wish *wish, struct bytes answer)
{
    const struct metadata_wish_record record = { .broker_id = wish->broker_id,
                                                 .incarnation = wish->incarnation,
                                                 .sequence = (int64_t)wish->sequence,
                                                 .first_open = (int64_t)wish->first_open,
                                                 .answer = answer };
    struct writer *out = &records->writer;

    if (wish->kind == WISH_REGISTER) {
        proposal_add_wish(records, &record);
        return proposal_ok(records);
    }
    struct proposal measured = { .writer = writer_measuring() };
    proposal_add_wish(&measured, &record);
    if (out->size + measured.writer.size > out->capacity) return false;
    const uint32_t size = (uint32_t)measured.writer.size;
    struct proposal front = proposal_in(out->data, size);
    if (out->size > 0) memmove(out->data + size, out->data, (size_t)out->size);
    proposal_add_wish(&front, &record);
    CHECK(proposal_ok(&front) && front.writer.size == size);
    out->size += size;
    records->record_count++;
    return true;
}

enum draft_verdict draft_propose(struct controller *controller, const struct wish *wish, struct bytes answer)
{
    struct draft *draft = &controller->draft;
    enum draft_verdict verdict = DRAFT_EMPTY;
    uint64_t index;

    CHECK(proposal_ok(&draft->records)); /* decisions take back what does not fit */
    if (draft->made) {
        verdict = DRAFT_TOO_LARGE;
        if (put_wish(&draft->records, wish, answer)) {
            verdict = DRAFT_WAITS;
            if (metadata_log_propose(controller->log, proposal_bytes(&draft->records), &index) == METADATA_LOG_TAKEN) {
                verdict = DRAFT_PROPOSED;
                on_proposed(controller, wish, index);
            }
        }
    }
    controller_begin(controller);
    return verdict;
}

void drafts_check(const struct controller *controller)
{
    struct underway sum = { 0 };
    uint64_t last = 0;

    for (uint32_t age = 0; age < controller->underway_count; age++) {
        const struct underway *each = underway_at(controller, age);
        CHECK(each->index > last);
        last = each->index;
        sum.topics += each->topics;
        sum.partitions += each->partitions;
        sum.settings += each->settings;
    }
    CHECK(sum.topics == controller->taken.topics && sum.partitions == controller->taken.partitions);
    CHECK(sum.settings == controller->taken.settings);
}
