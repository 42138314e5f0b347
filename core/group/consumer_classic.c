/* consumer_classic.c -- members of a group of the newer protocol that speak the classic one.
 *
 * To them it is a group in which each is answered at once, nobody leads, and a rebalance is over when they have come
 * again: JoinGroup says what they have given up, and gives them their epoch as generation; SyncGroup says what they are
 * to read in it; Heartbeat tells them to come again. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"

#define CONSUMER_TYPE BYTES_LITERAL("consumer")
enum { FIRST_VERSION_WITH_IDS = 4, PROTOCOLS_MAX = 64, ASSIGNMENT_VERSION_MAX = 3 };

/* ---- what lies in texts of clients ---- */

bool consumer_take_names(struct groups *groups, struct embedded_topics names, uint32_t *count)
{
    struct workshop *shop = &groups->workshop;
    struct bytes name;

    for (*count = 0; embedded_name(&names, &name);) {
        if (*count == shop->topics_max) return false;
        shop->names[(*count)++] = name;
    }
    return true;
}

/* Topics that are not there are nobody's. */
bool consumer_take_parts(struct groups *groups, struct embedded_topics topics, struct part *list,
                         struct part_list *parts)
{
    struct bytes name;
    uint32_t count = 0, partitions;

    while (embedded_topic(&topics, &name, &partitions)) {
        const uint32_t slot = image_topic_by_name(groups->rooms.image, name);
        for (uint32_t i = 0; i < partitions; i++) {
            const int32_t index = reader_int32(&topics.reader);
            if (slot == SLOT_NONE) continue;
            if (count == groups->workshop.parts_max) return false;
            list[count++] = (struct part){ image_topic(groups->rooms.image, slot)->id, index };
        }
    }
    *parts = (struct part_list){ list, parts_sort(list, count) };
    return true;
}

static bool put_topics(const struct groups *groups, struct writer *writer, struct part_list parts, bool counts,
                       uint32_t *count)
{
    *count = 0;
    while (parts.count > 0) {
        const uint32_t of_topic = parts_of_topic(parts);
        const uint32_t slot = image_topic_by_id(groups->rooms.image, &parts.list[0].topic);
        if (slot != SLOT_NONE) {
            ++*count;
            if (!counts) writer_string(writer, false, false, image_topic_name(groups->rooms.image, slot));
            if (!counts) writer_int32(writer, (int32_t)of_topic);
            for (uint32_t i = 0; !counts && i < of_topic; i++) writer_int32(writer, parts.list[i].index);
        }
        parts = (struct part_list){ parts.list + of_topic, parts.count - of_topic };
    }
    return writer_ok(writer);
}

void consumer_put_assignment(const struct groups *groups, struct writer *writer, int16_t version,
                             struct part_list parts)
{
    uint32_t count;

    writer_int16(writer, MIN(version, (int16_t)ASSIGNMENT_VERSION_MAX));
    put_topics(groups, writer, parts, true, &count);
    writer_int32(writer, (int32_t)count);
    put_topics(groups, writer, parts, false, &count);
    writer_int32(writer, -1); /* no user data */
}

/* What it likes best is what it is told that the group has. */
static struct supported first_supported(const struct groups *groups, uint32_t number)
{
    struct bytes left = kept_bytes(groups, &groups->members[number].protocols);

    CHECK(left.size > 0); /* who supports nothing is not let in */
    return supported_next(&left);
}

/* ---- JoinGroup ---- */

struct joining {
    struct groups *groups;
    const struct group_caller *caller;
    const struct join_group_request *request;
    struct subscription subscription;
    uint32_t group;
    bool changed; /* the group has another member, or one that subscribes to something else */
};

static enum error judge_join(struct joining *joining)
{
    const struct join_group_request *request = joining->request;
    const struct groups *groups = joining->groups;
    const uint32_t known = member_find(groups, joining->group, request->member_id);
    const int64_t size_max = setting(groups, CONFIG_GROUP_CONSUMER_MAX_SIZE);

    if (known == NONE && groups->groups[joining->group].member_count >= size_max) return ERROR_GROUP_MAX_SIZE_REACHED;
    if (!bytes_equal(request->protocol_type, CONSUMER_TYPE) || request->protocols_count == 0 ||
        request->protocols_count > PROTOCOLS_MAX || !group_supports(groups, joining->group, request)) {
        return ERROR_INCONSISTENT_GROUP_PROTOCOL;
    }
    const bool is_static = request->group_instance_id.size > 0;
    if (request->member_id.size == 0 && !is_static && joining->caller->version >= FIRST_VERSION_WITH_IDS) {
        return ERROR_MEMBER_ID_REQUIRED;
    }
    return subscription_read(request->protocols[0].metadata, &joining->subscription) ? ERROR_NONE
                                                                                     : ERROR_UNKNOWN_SERVER_ERROR;
}

static enum error make_member(struct joining *joining, struct bytes id, uint32_t *member)
{
    struct groups *groups = joining->groups;
    const struct member_terms terms = { .id = id, .instance = joining->request->group_instance_id };

    if (groups_are_crowded(groups)) return ERROR_COORDINATOR_NOT_AVAILABLE;
    *member = member_make(groups, joining->group, &terms, false);
    if (*member == NONE) return ERROR_COORDINATOR_NOT_AVAILABLE;
    groups->members[*member].consumer =
        (struct consumer_member){ .named = true, .dirty = SAYS | CURRENT, .pattern = NONE };
    joining->changed = true;
    return ERROR_NONE;
}

/* Whoever comes with an instance's name and no id takes its place. */
static enum error find_member(struct joining *joining, struct bytes made_id, uint32_t *member)
{
    struct groups *groups = joining->groups;
    const struct join_group_request *request = joining->request;
    const struct bytes id = request->member_id.size == 0 ? made_id : request->member_id;

    if (request->group_instance_id.size == 0) {
        *member = member_find(groups, joining->group, id);
        return *member != NONE ? ERROR_NONE : make_member(joining, id, member);
    }
    const uint32_t named = member_find_instance(groups, joining->group, request->group_instance_id);
    if (request->member_id.size > 0) {
        *member = named;
        if (named == NONE) return ERROR_UNKNOWN_MEMBER_ID;
        return texts_equal(&groups->texts, &groups->members[named].id, id) ? ERROR_NONE : ERROR_FENCED_INSTANCE_ID;
    }
    if (named == NONE) return make_member(joining, id, member);
    *member = consumer_replace(groups, named, id);
    return *member != NONE ? ERROR_NONE : ERROR_COORDINATOR_NOT_AVAILABLE;
}

static bool set_text(struct joining *joining, struct member *member, struct kept *kept, struct bytes text)
{
    struct texts *texts = &joining->groups->texts;

    if (texts_equal(texts, kept, text)) return true;
    member->consumer.dirty |= SAYS;
    return texts_replace(texts, kept, text);
}

/* False: there is no room for it. */
static bool set_terms(struct joining *joining, uint32_t number)
{
    struct groups *groups = joining->groups;
    const struct join_group_request *request = joining->request;
    struct member *member = &groups->members[number];
    const int32_t rebalance_ms =
        joining->caller->version == 0 ? request->session_timeout_ms : MAX(request->rebalance_timeout_ms, 0);
    const bool same = member_has_protocols(groups, number, request);
    uint32_t count;
    bool changed;

    if (!same || member->session_ms != request->session_timeout_ms || member->rebalance_ms != rebalance_ms ||
        !member->consumer.classic) {
        member->consumer.dirty |= SAYS;
    }
    if (!same && !member_set_protocols(groups, number, request)) return false;
    consumer_set_classic(groups, number, true);
    member->session_ms = request->session_timeout_ms;
    member->rebalance_ms = rebalance_ms;
    member->consumer.assignor = ASSIGNOR_NONE;
    if (member->consumer.pattern != NONE) {
        pattern_leave(groups, number);
        joining->changed = true;
    }
    if (joining->subscription.rack.data != NULL &&
        !set_text(joining, member, &member->consumer.rack, joining->subscription.rack)) {
        return false;
    }
    if (!set_text(joining, member, &member->client_id, joining->caller->client_id) ||
        !set_text(joining, member, &member->client_host, joining->caller->host) ||
        !consumer_take_names(groups, joining->subscription.names, &count) ||
        !names_keep(groups, groups->workshop.names, count, &member->consumer.names, &changed)) {
        return false;
    }
    joining->changed |= changed;
    return true;
}

static enum error take_in(struct joining *joining, struct bytes made_id, uint32_t *member)
{
    struct groups *groups = joining->groups;
    struct part_list owned;

    const enum error error = find_member(joining, made_id, member);
    if (error != ERROR_NONE) return error;
    const bool is_new = joining->changed;
    if (!set_terms(joining, *member)) {
        if (is_new) member_free(groups, *member);
        return ERROR_COORDINATOR_NOT_AVAILABLE;
    }
    if (joining->changed) {
        groups->members[*member].consumer.dirty |= SAYS;
        consumer_bump(groups, joining->group);
    }
    if (!consumer_take_parts(groups, joining->subscription.owned, groups->workshop.owned, &owned)) {
        return ERROR_UNKNOWN_SERVER_ERROR;
    }
    groups->groups[joining->group].state = GROUP_STABLE;
    patterns_refresh(groups, joining->group);
    patterns_work(groups);
    target_refresh(groups, joining->group);
    consumer_step(groups, *member, true, owned);
    return ERROR_NONE;
}

/* The id that it is to come back with lies where the next call may put something else. */
static enum group_verdict give_id(struct groups *groups, struct bytes id, struct group_joined *joined)
{
    memcpy(groups->value, id.data, id.size);
    joined->member_id = (struct bytes){ groups->value, id.size };
    joined->error = ERROR_MEMBER_ID_REQUIRED;
    return GROUP_ANSWERED;
}

enum group_verdict consumer_join(struct groups *groups, uint32_t group, const struct group_caller *caller,
                                 const struct join_group_request *request, struct group_joined *joined)
{
    struct joining joining = { .groups = groups, .caller = caller, .request = request, .group = group };
    uint8_t buffer[MEMBER_ID_UUID_SIZE];
    struct bytes id = member_make_id(groups, BYTES_LITERAL(""), buffer, sizeof buffer);
    uint32_t number;

    id = (struct bytes){ id.data + 1, id.size - 1 }; /* without the dash */
    joined->error = judge_join(&joining);
    if (joined->error == ERROR_MEMBER_ID_REQUIRED) return give_id(groups, id, joined);
    if (joined->error == ERROR_NONE && !writes_have_room(groups)) joined->error = ERROR_COORDINATOR_NOT_AVAILABLE;
    if (joined->error == ERROR_NONE) joined->error = take_in(&joining, id, &number);
    if (joined->error != ERROR_NONE) return GROUP_ANSWERED;
    struct member *member = &groups->members[number];
    member->consumer.revoke_by_ns = groups->mono_ns + (uint64_t)member->rebalance_ms * NS_PER_MS; /* SyncGroup */
    consumer_arm(groups, number);
    if (member->consumer.dirty != 0) write_want(groups, group);
    *joined = (struct group_joined){
        .generation = member->consumer.epoch,
        .protocol_type = CONSUMER_TYPE,
        .protocol = first_supported(groups, number).name,
        .leader = BYTES_LITERAL(""),
        .member_id = kept_bytes(groups, &member->id),
        .group = group,
    };
    if (!consumer_has_to_say(groups, group)) return GROUP_ANSWERED;
    consumer_wait(groups, group, caller->waiter);
    return MUTANT(group_beats_uncommitted) ? GROUP_ANSWERED : GROUP_HELD;
}

/* ---- what members do ---- */

/* A member that speaks the classic protocol, and is no other life of it. */
static enum error find(const struct groups *groups, uint32_t group, struct bytes id, struct bytes instance,
                       uint32_t *member)
{
    if (instance.size > 0) {
        const uint32_t named = member_find_instance(groups, group, instance);
        if (named == NONE) return ERROR_UNKNOWN_MEMBER_ID;
        if (!texts_equal(&groups->texts, &groups->members[named].id, id)) return ERROR_FENCED_INSTANCE_ID;
    }
    *member = member_find(groups, group, id);
    return *member != NONE && groups->members[*member].consumer.classic ? ERROR_NONE : ERROR_UNKNOWN_MEMBER_ID;
}

static enum error find_in_epoch(const struct groups *groups, uint32_t group, struct bytes id, struct bytes instance,
                                int32_t epoch, uint32_t *member)
{
    const enum error error = find(groups, group, id, instance, member);

    if (error != ERROR_NONE) return error;
    const bool same = groups->members[*member].consumer.epoch == epoch || MUTANT(group_takes_any_generation);
    return same ? ERROR_NONE : ERROR_ILLEGAL_GENERATION;
}

/* It has its rebalance time to come again. */
static void call(struct groups *groups, uint32_t number)
{
    struct member *member = &groups->members[number];

    if (member->consumer.revoke_by_ns != 0) return;
    member->consumer.revoke_by_ns = groups->mono_ns + (uint64_t)member->rebalance_ms * NS_PER_MS;
    consumer_set_timer(groups, number);
}

/* Something that it is to have is another one's still. */
static bool waits_for_others(const struct groups *groups, uint32_t number)
{
    const struct member_standing standing = member_standing(groups, number);
    const struct part_list target = member_target(groups, number);

    for (uint32_t i = 0; i < target.count; i++) {
        if (parts_have(standing.assigned, &target.list[i])) continue;
        const uint32_t owner = owner_of(groups, groups->members[number].group, &target.list[i]);
        if (owner != NONE && owner != number) return true;
    }
    return false;
}

enum error consumer_heartbeat(struct groups *groups, uint32_t group, const struct heartbeat_request *request)
{
    uint32_t number;
    const enum error error =
        find_in_epoch(groups, group, request->member_id, request->group_instance_id, request->generation_id, &number);

    if (error != ERROR_NONE) return error;
    const struct consumer_member *member = &groups->members[number].consumer;
    consumer_arm(groups, number);
    const bool late = member->epoch < groups->groups[group].generation;
    const bool may_go_on =
        member->phase == MEMBER_UNREVOKED || (member->phase == MEMBER_UNRELEASED && !waits_for_others(groups, number));
    if (!late && !may_go_on) return ERROR_NONE;
    call(groups, number);
    return ERROR_REBALANCE_IN_PROGRESS;
}

enum group_verdict consumer_sync(struct groups *groups, uint32_t group, const struct group_caller *caller,
                                 const struct sync_group_request *request, struct group_synced *synced)
{
    struct writer writer = writer_of(groups->value, groups->batch_size);
    uint32_t number;

    synced->error =
        find_in_epoch(groups, group, request->member_id, request->group_instance_id, request->generation_id, &number);
    if (synced->error != ERROR_NONE) return GROUP_ANSWERED;
    struct member *member = &groups->members[number];
    const struct supported supported = first_supported(groups, number);
    if ((request->protocol_type.data != NULL && !bytes_equal(request->protocol_type, CONSUMER_TYPE)) ||
        (request->protocol_name.data != NULL && !bytes_equal(request->protocol_name, supported.name))) {
        synced->error = ERROR_INCONSISTENT_GROUP_PROTOCOL;
        return GROUP_ANSWERED;
    }
    if (groups->groups[group].generation > member->consumer.epoch && member->consumer.phase != MEMBER_UNREVOKED) {
        call(groups, number);
        synced->error = ERROR_REBALANCE_IN_PROGRESS;
        return GROUP_ANSWERED;
    }
    struct subscription subscription;
    const int16_t version = subscription_read(supported.subscription, &subscription) ? subscription.version : 0;
    consumer_put_assignment(groups, &writer, version, member_standing(groups, number).assigned);
    if (!writer_ok(&writer) || !writes_have_room(groups)) {
        synced->error = ERROR_COORDINATOR_NOT_AVAILABLE;
        return GROUP_ANSWERED;
    }
    member->consumer.revoke_by_ns = 0;
    consumer_arm(groups, number);
    *synced = (struct group_synced){
        .protocol_type = CONSUMER_TYPE,
        .protocol = supported.name,
        .assignment = writer_written(&writer),
    };
    if (!consumer_has_to_say(groups, group)) return GROUP_ANSWERED;
    consumer_wait(groups, group, caller->waiter);
    return MUTANT(group_beats_uncommitted) ? GROUP_ANSWERED : GROUP_HELD;
}

enum error consumer_leave(struct groups *groups, uint32_t group, const struct group_leaver *leaver)
{
    uint32_t number;

    if (leaver->instance_id.size > 0 && leaver->member_id.size == 0) { /* an administrator sends it, whoever it is */
        number = member_find_instance(groups, group, leaver->instance_id);
        if (number == NONE) return ERROR_UNKNOWN_MEMBER_ID;
    } else {
        const enum error error = find(groups, group, leaver->member_id, leaver->instance_id, &number);
        if (error != ERROR_NONE) return error;
    }
    consumer_remove(groups, number);
    return ERROR_NONE;
}
