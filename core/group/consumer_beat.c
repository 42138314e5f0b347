/* consumer_beat.c -- ConsumerGroupHeartbeat: who comes, who is there, who leaves; and what is each to read?
 *
 * A heartbeat with epoch 0 joins, with -1 leaves, with -2 leaves for a while (a static member), with another one it
 * says that the member is there, and what of the last answer it has done. Everything else in it may be left out if it
 * is as before. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

struct beating {
    struct groups *groups;
    const struct group_caller *caller;
    const struct consumer_group_heartbeat_request *request;
    uint32_t group;
    bool made;    /* the group, by this request */
    bool is_new;  /* the member */
    bool changed; /* what it subscribes to */
};

enum { FIRST_VERSION_WITH_OWN_IDS = 1 };

/* ---- what is asked ---- */

static bool is_given_and_empty(struct bytes text)
{
    return text.data != NULL && text.size == 0;
}

static enum error judge_join(const struct consumer_group_heartbeat_request *request)
{
    const bool subscribes = request->subscribed_topic_names != NULL || request->subscribed_topic_regex.data != NULL;

    if (request->rebalance_timeout_ms == -1 || !subscribes) return ERROR_INVALID_REQUEST;
    if (request->topic_partitions == NULL || request->topic_partitions_count > 0) return ERROR_INVALID_REQUEST;
    return ERROR_NONE;
}

static enum assignor assignor_of(struct bytes name)
{
    if (bytes_equal(name, BYTES_LITERAL("uniform"))) return ASSIGNOR_UNIFORM;
    return bytes_equal(name, BYTES_LITERAL("range")) ? ASSIGNOR_RANGE : ASSIGNOR_NONE;
}

static enum error judge(const struct beating *beating)
{
    const struct consumer_group_heartbeat_request *request = beating->request;
    const bool names_itself =
        request->member_epoch != EPOCH_JOINS || beating->caller->version >= FIRST_VERSION_WITH_OWN_IDS;
    enum error error = ERROR_NONE;

    if (request->group_id.size == 0) return ERROR_INVALID_REQUEST;
    if (is_given_and_empty(request->instance_id) || is_given_and_empty(request->rack_id)) return ERROR_INVALID_REQUEST;
    if (request->member_epoch < EPOCH_LEAVES_STATIC) return ERROR_INVALID_REQUEST;
    if (names_itself && request->member_id.size == 0) return ERROR_INVALID_REQUEST;
    if (request->member_epoch == EPOCH_JOINS) error = judge_join(request);
    if (request->member_epoch == EPOCH_LEAVES_STATIC && request->instance_id.data == NULL)
        error = ERROR_INVALID_REQUEST;
    if (error != ERROR_NONE) return error;
    if (request->server_assignor.data != NULL && assignor_of(request->server_assignor) == ASSIGNOR_NONE) {
        return ERROR_UNSUPPORTED_ASSIGNOR;
    }
    if (request->subscribed_topic_regex.size > 0 &&
        !regex_compile(&beating->groups->tried, request->subscribed_topic_regex)) {
        return ERROR_INVALID_REGULAR_EXPRESSION;
    }
    return groups_place(beating->groups, request->group_id);
}

/* ---- the group ---- */

static enum error find_group(struct beating *beating)
{
    struct groups *groups = beating->groups;
    const struct bytes id = beating->request->group_id;
    const bool joins = beating->request->member_epoch == EPOCH_JOINS;

    beating->group = group_find(groups, id);
    if (beating->group == NONE) {
        if (!joins) return ERROR_GROUP_ID_NOT_FOUND;
        if (groups_are_crowded(groups)) return ERROR_COORDINATOR_NOT_AVAILABLE;
        beating->group = group_make(groups, place_of(groups, id), id);
        if (beating->group == NONE) return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    struct group *group = &groups->groups[beating->group];
    if (group->state == GROUP_DEAD) return ERROR_COORDINATOR_NOT_AVAILABLE;
    if (group->consumer.is) return ERROR_NONE;
    if (!joins) return ERROR_GROUP_ID_NOT_FOUND;
    if (group->state != GROUP_EMPTY) return group_upgrade(groups, beating->group);
    if (!texts_replace(&groups->texts, &group->protocol_type, BYTES_LITERAL("consumer"))) {
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    consumer_begin(groups, beating->group);
    return ERROR_NONE;
}

/* ---- the member ---- */

/* What it says that it owns, in order. False: more than anybody may. */
static bool take_owned(struct beating *beating, struct part_list *owned)
{
    const struct consumer_group_heartbeat_request *request = beating->request;
    struct part *list = beating->groups->workshop.owned;
    uint32_t count = 0;

    for (uint32_t i = 0; i < request->topic_partitions_count; i++) {
        for (uint32_t j = 0; j < request->topic_partitions[i].partitions_count; j++) {
            if (count == beating->groups->workshop.parts_max) return false;
            list[count++] =
                (struct part){ request->topic_partitions[i].topic_id, request->topic_partitions[i].partitions[j] };
        }
    }
    *owned = (struct part_list){ list, parts_sort(list, count) };
    return true;
}

/* It may come with its previous epoch if it did not get the answer that raised it; and with 0 if it begins anew, for
 * which it has given up everything. */
static enum error judge_epoch(struct beating *beating, uint32_t number, struct part_list owned)
{
    const struct groups *groups = beating->groups;
    const struct member_standing standing = member_standing(groups, number);
    const int32_t epoch = beating->request->member_epoch;

    if (epoch == EPOCH_JOINS || epoch == standing.epoch || MUTANT(group_takes_any_epoch)) return ERROR_NONE;
    if (epoch > standing.epoch || epoch != standing.previous_epoch) return ERROR_FENCED_MEMBER_EPOCH;
    if (beating->request->topic_partitions == NULL || !parts_within(owned, standing.assigned)) {
        return ERROR_FENCED_MEMBER_EPOCH;
    }
    return ERROR_NONE;
}

static bool is_full(const struct beating *beating)
{
    return beating->groups->groups[beating->group].member_count >=
           setting(beating->groups, CONFIG_GROUP_CONSUMER_MAX_SIZE);
}

static enum error make_member(struct beating *beating, struct bytes id, uint32_t *member)
{
    struct groups *groups = beating->groups;
    const struct member_terms terms = {
        .id = id,
        .instance = beating->request->instance_id,
        .client_id = beating->caller->client_id,
        .client_host = beating->caller->host,
    };

    if (is_full(beating)) return ERROR_GROUP_MAX_SIZE_REACHED;
    if (groups_are_crowded(groups)) return ERROR_COORDINATOR_NOT_AVAILABLE;
    *member = member_make(groups, beating->group, &terms, false);
    if (*member == NONE) return ERROR_COORDINATOR_NOT_AVAILABLE;
    groups->members[*member].consumer =
        (struct consumer_member){ .named = true, .dirty = SAYS | CURRENT, .pattern = NONE };
    beating->is_new = true;
    return ERROR_NONE;
}

static enum error find_static(struct beating *beating, struct bytes id, uint32_t *member)
{
    struct groups *groups = beating->groups;
    const uint32_t named = member_find_instance(groups, beating->group, beating->request->instance_id);
    const bool joins = beating->request->member_epoch == EPOCH_JOINS;

    if (named == NONE) return joins ? make_member(beating, id, member) : ERROR_UNKNOWN_MEMBER_ID;
    *member = named;
    if (texts_equal(&groups->texts, &groups->members[named].id, id)) return ERROR_NONE;
    if (!joins) return ERROR_FENCED_INSTANCE_ID;
    /* Who speaks the classic protocol does not say that he will come back. */
    const struct consumer_member *before = &groups->members[named].consumer;
    if (!before->classic && before->epoch != EPOCH_LEAVES_STATIC) return ERROR_UNRELEASED_INSTANCE_ID;
    *member = consumer_replace(groups, named, id);
    return *member == NONE ? ERROR_COORDINATOR_NOT_AVAILABLE : ERROR_NONE;
}

static enum error find_member(struct beating *beating, uint32_t *member)
{
    struct groups *groups = beating->groups;
    struct bytes id = beating->request->member_id;
    uint8_t buffer[MEMBER_ID_UUID_SIZE];

    if (id.size == 0) {
        id = member_make_id(groups, id, buffer, sizeof buffer);
        id = (struct bytes){ id.data + 1, id.size - 1 }; /* without the dash */
    }
    if (beating->request->instance_id.size > 0) return find_static(beating, id, member);
    *member = member_find(groups, beating->group, id);
    if (*member != NONE) return ERROR_NONE;
    return beating->request->member_epoch == EPOCH_JOINS ? make_member(beating, id, member) : ERROR_UNKNOWN_MEMBER_ID;
}

/* ---- what it says of itself ---- */

static bool set_text(struct beating *beating, struct member *member, struct kept *kept, struct bytes text)
{
    struct groups *groups = beating->groups;

    if (text.data == NULL || texts_equal(&groups->texts, kept, text)) return true;
    member->consumer.dirty |= SAYS;
    return texts_replace(&groups->texts, kept, text);
}

static bool set_topics(struct beating *beating, struct member *member)
{
    const struct consumer_group_heartbeat_request *request = beating->request;
    struct workshop *shop = &beating->groups->workshop;
    bool changed;

    if (request->subscribed_topic_names == NULL) return true;
    if (request->subscribed_topic_names_count > shop->topics_max) return false;
    for (uint32_t i = 0; i < request->subscribed_topic_names_count; i++) {
        shop->names[i] = request->subscribed_topic_names[i];
    }
    if (!names_keep(beating->groups, shop->names, request->subscribed_topic_names_count, &member->consumer.names,
                    &changed)) {
        return false;
    }
    beating->changed |= changed;
    return true;
}

static bool set_regex(struct beating *beating, uint32_t number)
{
    struct groups *groups = beating->groups;
    const struct bytes regex = beating->request->subscribed_topic_regex;
    const uint32_t before = groups->members[number].consumer.pattern;

    if (regex.data == NULL) return true;
    if (before != NONE && texts_equal(&groups->texts, &groups->patterns[before].text, regex)) return true;
    if (before == NONE && regex.size == 0) return true;
    beating->changed = true;
    return pattern_set(groups, number, regex);
}

/* False: there is no room for it. */
static bool set_terms(struct beating *beating, uint32_t number)
{
    const struct consumer_group_heartbeat_request *request = beating->request;
    struct groups *groups = beating->groups;
    struct member *member = &groups->members[number];
    const int32_t rebalance_ms =
        request->rebalance_timeout_ms == -1 ? member->rebalance_ms : MAX(request->rebalance_timeout_ms, 0);
    const uint8_t assignor = request->server_assignor.data == NULL ? member->consumer.assignor
                                                                   : (uint8_t)assignor_of(request->server_assignor);

    if (member->rebalance_ms != rebalance_ms || member->consumer.assignor != assignor) member->consumer.dirty |= SAYS;
    if (member->consumer.classic) member->consumer.dirty |= SAYS;
    consumer_set_classic(groups, number, false);
    member->rebalance_ms = rebalance_ms;
    member->consumer.assignor = assignor;
    if (!set_text(beating, member, &member->consumer.rack, request->rack_id) ||
        !set_text(beating, member, &member->client_id, beating->caller->client_id) ||
        !set_text(beating, member, &member->client_host, beating->caller->host) || !set_topics(beating, member) ||
        !set_regex(beating, number)) {
        return false;
    }
    if (!beating->changed) return true;
    member->consumer.dirty |= SAYS;
    consumer_bump(groups, beating->group);
    return true;
}

/* ---- the way to the target ---- */

/* What comes out of it is the member's. False: there is no room for it, and nothing changed. */
static bool set_standing(struct groups *groups, uint32_t number, const struct member_standing *after)
{
    struct member *member = &groups->members[number];
    struct kept assigned, revoking;

    if (!texts_keep(&groups->texts, parts_bytes(after->assigned), &assigned)) return false;
    if (!texts_keep(&groups->texts, parts_bytes(after->revoking), &revoking)) {
        texts_give(&groups->texts, &assigned);
        return false;
    }
    const struct member_standing before = member_standing(groups, number);
    owners_remove(groups, number, before.assigned);
    owners_remove(groups, number, before.revoking);
    texts_give(&groups->texts, &member->assignment);
    texts_give(&groups->texts, &member->consumer.revoking);
    member->assignment = assigned;
    member->consumer.revoking = revoking;
    member->consumer.phase = (uint8_t)after->phase;
    member->consumer.epoch = after->epoch;
    member->consumer.previous_epoch = after->previous_epoch;
    member->consumer.dirty |= CURRENT;
    owners_add(groups, number, parts_in(kept_bytes(groups, &assigned)));
    owners_add(groups, number, parts_in(kept_bytes(groups, &revoking)));
    member->consumer.revoke_by_ns = 0; /* it has its time anew, if it is to give up something: consumer_arm */
    write_want(groups, member->group);
    return true;
}

bool consumer_step(struct groups *groups, uint32_t number, bool owned_told, struct part_list owned)
{
    const uint32_t group = groups->members[number].group;
    struct workshop *shop = &groups->workshop;
    struct member_standing after;
    struct reconciling reconciling = {
        .before = member_standing(groups, number),
        .target_epoch = groups->groups[group].consumer.target_epoch,
        .target = member_target(groups, number),
        .taken = shop->taken,
        .owned_told = owned_told,
        .owned = owned,
    };

    if (reconciling.target_epoch == 0) return false; /* none could be worked out yet */
    if (standing_is_reconciled(&reconciling.before, reconciling.target_epoch)) return false;
    const bool room = owners_have_room(groups, reconciling.target.count);
    for (uint32_t i = 0; i < reconciling.target.count; i++) {
        const uint32_t owner = owner_of(groups, group, &reconciling.target.list[i]);
        shop->taken[i] = owner != number && (owner != NONE || !room);
    }
    if (!reconcile(&reconciling, shop->assigned, shop->revoking, &after)) return false;
    const bool same = parts_equal(after.assigned, reconciling.before.assigned);
    return set_standing(groups, number, &after) && !same;
}

/* ---- leaving ---- */

static enum error leave(struct beating *beating, struct consumer_answer *answer)
{
    struct groups *groups = beating->groups;
    const struct consumer_group_heartbeat_request *request = beating->request;
    uint32_t number;

    const enum error error = find_member(beating, &number);
    if (error != ERROR_NONE) return error;
    answer->member_id = request->member_id;
    answer->member_epoch = request->member_epoch;
    if (request->member_epoch == EPOCH_LEAVES) {
        consumer_remove(groups, number);
        return ERROR_NONE;
    }
    struct member *member = &groups->members[number];
    owners_remove(groups, number, parts_in(kept_bytes(groups, &member->consumer.revoking)));
    texts_give(&groups->texts, &member->consumer.revoking);
    member->consumer.epoch = EPOCH_LEAVES_STATIC;
    member->consumer.dirty |= CURRENT;
    member->consumer.revoke_by_ns = 0;
    consumer_arm(groups, number);
    write_want(groups, beating->group);
    return ERROR_NONE;
}

/* ---- all of it ---- */

static bool is_full_request(const struct consumer_group_heartbeat_request *request)
{
    const bool subscribes = request->subscribed_topic_names != NULL || request->subscribed_topic_regex.data != NULL;

    return request->member_epoch == EPOCH_JOINS ||
           (request->rebalance_timeout_ms != -1 && subscribes && request->topic_partitions != NULL);
}

static enum error beat(struct beating *beating, struct consumer_answer *answer)
{
    struct groups *groups = beating->groups;
    const struct consumer_group_heartbeat_request *request = beating->request;
    struct part_list owned;
    uint32_t number;

    if (!take_owned(beating, &owned)) return ERROR_INVALID_REQUEST;
    enum error error = find_member(beating, &number);
    if (error == ERROR_NONE && !beating->is_new) error = judge_epoch(beating, number, owned);
    if (error != ERROR_NONE) return error;
    if (!set_terms(beating, number)) {
        if (beating->is_new) member_free(groups, number);
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    /* A new one takes part in what is worked out next, though it may subscribe to nothing. */
    if (beating->is_new && !beating->changed) consumer_bump(groups, beating->group);
    groups->groups[beating->group].state = GROUP_STABLE;
    patterns_refresh(groups, beating->group);
    patterns_work(groups);
    target_refresh(groups, beating->group);
    const bool changed = consumer_step(groups, number, request->topic_partitions != NULL, owned);
    consumer_arm(groups, number);
    if (groups->members[number].consumer.dirty != 0) write_want(groups, beating->group);
    const struct member_standing standing = member_standing(groups, number);
    answer->member_id = kept_bytes(groups, &groups->members[number].id);
    answer->member_epoch = standing.epoch;
    answer->tells_assignment = changed || is_full_request(request);
    answer->assignment = standing.assigned;
    return ERROR_NONE;
}

enum group_verdict groups_consumer_beat(struct groups *groups, const struct group_caller *caller,
                                        const struct consumer_group_heartbeat_request *request,
                                        struct consumer_answer *answer)
{
    struct beating beating = { .groups = groups, .caller = caller, .request = request, .group = NONE };
    const bool leaves = request->member_epoch < EPOCH_JOINS;

    *answer = (struct consumer_answer){ 0 };
    answer->error = judge(&beating);
    if (answer->error != ERROR_NONE) return GROUP_ANSWERED;
    if (!writes_have_room(groups)) return GROUP_NO_ROOM;
    answer->error = find_group(&beating);
    if (answer->error == ERROR_NONE) answer->error = leaves ? leave(&beating, answer) : beat(&beating, answer);
    if (beating.group != NONE && answer->error != ERROR_NONE) group_discard_if_nothing(groups, beating.group);
    if (answer->error == ERROR_NONE) {
        answer->heartbeat_interval_ms = (int32_t)group_setting(groups, beating.group, GROUP_HEARTBEAT_INTERVAL_MS);
    }
    if (answer->error != ERROR_NONE || !consumer_has_to_say(groups, beating.group)) return GROUP_ANSWERED;
    consumer_wait(groups, beating.group, caller->waiter);
    return MUTANT(group_beats_uncommitted) ? GROUP_ANSWERED : GROUP_WAITS;
}

enum error groups_consumer_judge(const struct groups *groups, struct bytes group_id, struct bytes member_id,
                                 int32_t epoch)
{
    const uint32_t group = group_find(groups, group_id);

    if (group == NONE || !groups->groups[group].consumer.is) return ERROR_NONE;
    const uint32_t member = member_find(groups, group, member_id);
    if (member == NONE) return ERROR_UNKNOWN_MEMBER_ID;
    if (groups->members[member].consumer.epoch == epoch) return ERROR_NONE;
    return groups->members[member].consumer.classic ? ERROR_ILLEGAL_GENERATION : ERROR_STALE_MEMBER_EPOCH;
}
