/* writes.c -- what is appended, and what happens when it is committed.
 *
 * A write is a batch of the log, and what it means. It is carried out here when the high watermark says that no
 * successor can be without it, not before; in the order of the log, as a successor would. */
#include "base/check.h"
#include "group/state.h"
#include "meta/image.h"
#include "replica/replicas.h"

bool writes_have_room(const struct groups *groups)
{
    return groups->write_pool.taken_count < groups->write_pool.slots_max;
}

bool groups_may_hold(const struct groups *groups, uint32_t count)
{
    return groups->write_pool.slots_max - groups->write_pool.taken_count >= count;
}

/* ---- appending ---- */

static enum append_outcome refuse(enum error *error, enum error why)
{
    *error = why;
    return APPEND_REFUSED;
}

static enum append_outcome append(struct groups *groups, uint32_t place, struct bytes bytes, int64_t *end_offset,
                                  enum error *error)
{
    struct append_answer answer;
    struct record_batch batch;

    switch (replicas_may_append(groups->rooms.replicas, place, true)) {
    case APPEND_PERMITTED: break;
    case APPEND_NOT_LED: return refuse(error, ERROR_NOT_COORDINATOR);
    case APPEND_NOT_ENOUGH: return refuse(error, ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    switch (logs_append(groups->rooms.logs, place, &batch, groups->places[place].leader_epoch, -1, groups->wall_ms,
                        &answer)) {
    case APPEND_OK: break;
    case APPEND_NO_MEMORY: return APPEND_LATER;
    case APPEND_TOO_LARGE: return refuse(error, ERROR_INVALID_COMMIT_OFFSET_SIZE);
    case APPEND_DISK_FULL: return refuse(error, ERROR_COORDINATOR_NOT_AVAILABLE);
    case APPEND_DUPLICATE:
    case APPEND_OUT_OF_ORDER:
    case APPEND_PRODUCER_FENCED:
    case APPEND_TOO_MANY_PRODUCERS: CHECK(false); break; /* we are no producer */
    }
    *end_offset = answer.last_offset + 1;
    return APPENDED;
}

enum append_outcome write_append(struct groups *groups, uint32_t number, struct bytes batch, const struct write *write,
                                 enum error *error)
{
    struct group *group = &groups->groups[number];
    struct place *place = &groups->places[group->place];
    const uint32_t topic = image_partition(groups->rooms.image, group->place)->topic;
    int64_t end_offset;

    if (batch.size > (uint64_t)topic_config_int(groups->rooms.image, topic, CONFIG_MAX_MESSAGE_BYTES)) {
        return refuse(error, ERROR_INVALID_COMMIT_OFFSET_SIZE);
    }
    if (!place_is_open(groups, group->place)) return refuse(error, ERROR_NOT_COORDINATOR); /* it is being dropped */
    if (!writes_have_room(groups)) return APPEND_LATER;
    const enum append_outcome outcome = append(groups, group->place, batch, &end_offset, error);
    if (outcome != APPENDED) return outcome;
    const uint32_t made = pool_take(&groups->write_pool);
    CHECK(made != POOL_NONE);
    groups->writes[made] = *write;
    groups->writes[made].group = number;
    groups->writes[made].ticket = wait_ticket(groups); /* whoever waits for it begins to, right behind this */
    groups->writes[made].end_offset = end_offset;
    groups->writes[made].next = NONE;
    groups->writes[made].due_ns = groups->mono_ns + COMMIT_MS_MAX * NS_PER_MS;
    chain_add(&groups->awaited, made);
    if (place->write_last == NONE) place->write_first = made;
    else groups->writes[place->write_last].next = made;
    place->write_last = made;
    group->pending_count++;
    chain_remove(&groups->expected, number);
    return APPENDED;
}

/* ---- generations ---- */

/* The members as the next coordinator will find them. False: larger than any batch may be. */
static bool put_generation(struct groups *groups, uint32_t number, struct writer *writer)
{
    const struct group *group = &groups->groups[number];
    const struct bytes protocol = kept_bytes(groups, &group->protocol);
    struct group_value value = {
        .protocol_type = kept_bytes(groups, &group->protocol_type),
        .generation = group->generation,
        .state_ms = group->state_ms,
        .member_count = group->member_count,
    };

    if (protocol.size > 0) value.protocol = protocol;
    if (group->leader != NONE) value.leader = kept_bytes(groups, &groups->members[group->leader].id);
    group_value_write(writer, &value);
    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        const struct member *member = &groups->members[at];
        if (member->promised) continue;
        struct member_value said = {
            .member_id = kept_bytes(groups, &member->id),
            .client_id = kept_bytes(groups, &member->client_id),
            .client_host = kept_bytes(groups, &member->client_host),
            .rebalance_ms = member->rebalance_ms,
            .session_ms = member->session_ms,
            .subscription = member_subscription(groups, at, protocol),
            .assignment = kept_bytes(groups, group->consumer.is ? &member->consumer.spare : &member->assignment),
        };
        if (member->instance.size > 0) said.instance_id = kept_bytes(groups, &member->instance);
        member_value_write(writer, &said);
    }
    return writer_ok(writer);
}

bool generation_value(struct groups *groups, uint32_t number, struct bytes *value)
{
    struct writer writer = writer_of(groups->value, groups->batch_size - RECORD_REST_SIZE);

    if (!put_generation(groups, number, &writer)) return false;
    *value = writer_written(&writer);
    return true;
}

static bool build_group_record(struct groups *groups, uint32_t number, struct bytes value, struct bytes *batch)
{
    struct record_batch_builder builder;
    uint8_t key_bytes[STRING_SIZE_MAX + 16];
    struct writer key = writer_of(key_bytes, sizeof key_bytes);
    const struct record_key group = { .kind = RECORD_GROUP,
                                      .group_id = kept_bytes(groups, &groups->groups[number].id) };

    record_key_write(&key, &group);
    record_batch_builder_init(&builder, groups->batch, groups->batch_size);
    const struct record_input record = { .timestamp = groups->wall_ms, .key = writer_written(&key), .value = value };
    if (!record_batch_builder_add(&builder, &record)) return false;
    *batch = record_batch_builder_end(&builder);
    return true;
}

enum append_outcome write_generation(struct groups *groups, uint32_t number, uint64_t waiter, enum error *error)
{
    struct bytes value, batch;
    const struct write write = { .kind = WRITE_GENERATION,
                                 .offset_first = NONE,
                                 .offset_last = NONE,
                                 .generation = groups->groups[number].generation,
                                 .waiter = waiter };

    if (!generation_value(groups, number, &value)) return refuse(error, ERROR_UNKNOWN_SERVER_ERROR);
    if (!build_group_record(groups, number, value, &batch)) {
        return refuse(error, ERROR_UNKNOWN_SERVER_ERROR);
    }
    const enum append_outcome outcome = write_append(groups, number, batch, &write, error);
    if (outcome == APPEND_REFUSED && *error == ERROR_INVALID_COMMIT_OFFSET_SIZE) *error = ERROR_UNKNOWN_SERVER_ERROR;
    return outcome;
}

enum append_outcome write_removal(struct groups *groups, uint32_t number, enum error *error)
{
    const struct write write = { .kind = WRITE_REMOVAL, .offset_first = NONE, .offset_last = NONE };
    struct bytes batch;

    if (groups->groups[number].consumer.is) return consumer_bury(groups, number, error);
    CHECK(build_group_record(groups, number, (struct bytes){ 0 }, &batch)); /* an id alone fits */
    return write_append(groups, number, batch, &write, error);
}

/* ---- not committed ---- */

/* It may be committed later, and is then true; who waits is not to wait for that. Members whose assignment it is join
 * again, and get another generation. */
static void fail(struct groups *groups, const struct write *write, enum error error)
{
    const struct wait *wait = write->waiter == NOBODY ? NULL : wait_of(groups, write->waiter);

    if (wait != NULL && wait->ticket == write->ticket && wait->member != NONE) member_tell(groups, wait->member, error);
    else wait_end_of(groups, write->waiter, write->ticket, error);
    if (write->kind == WRITE_GENERATION) rebalance_settle(groups, write->group, write->generation, error);
    if (groups->groups[write->group].state == GROUP_DEAD) group_give_notice(groups, write->group, error);
}

/* Kafka's answers: a rebalance goes on, and everything else is to be asked again. */
static void give_notice(struct groups *groups)
{
    while (groups->awaited.count > 0 && groups->writes[groups->awaited.first].due_ns <= groups->mono_ns) {
        const struct write *write = &groups->writes[chain_take(&groups->awaited)];
        const bool assigns = write->kind == WRITE_GENERATION && write->waiter == NOBODY;
        fail(groups, write, assigns ? ERROR_REBALANCE_IN_PROGRESS : ERROR_COORDINATOR_NOT_AVAILABLE);
    }
    while (groups->expected.count > 0 && groups->groups[groups->expected.first].append_by_ns <= groups->mono_ns) {
        const uint32_t number = chain_take(&groups->expected);
        struct group *group = &groups->groups[number];
        if (group->state == GROUP_DEAD) group_give_notice(groups, number, ERROR_COORDINATOR_NOT_AVAILABLE);
        else rebalance_settle(groups, number, group->generation, ERROR_REBALANCE_IN_PROGRESS);
    }
}

uint64_t writes_deadline_ns(const struct groups *groups)
{
    const uint32_t write = groups->awaited.first, group = groups->expected.first;
    const uint64_t commit_ns = groups->awaited.count == 0 ? UINT64_MAX : groups->writes[write].due_ns;
    const uint64_t append_ns = groups->expected.count == 0 ? UINT64_MAX : groups->groups[group].append_by_ns;

    return MIN(commit_ns, append_ns);
}

/* ---- wanted ---- */

void write_expect(struct groups *groups, uint32_t number)
{
    if (chain_has(&groups->expected, number)) return;
    groups->groups[number].append_by_ns = groups->mono_ns + COMMIT_MS_MAX * NS_PER_MS;
    chain_add(&groups->expected, number);
}

void write_want(struct groups *groups, uint32_t group)
{
    if (groups->groups[group].state == GROUP_COMPLETING) write_expect(groups, group);
    groups->groups[group].write_wanted = true;
    chain_add(&groups->wanting, group);
    groups->due = true;
}

/* A generation that is to be appended: of a group that waits for it, or that has become empty. */
static void append_wanted(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    enum error error = ERROR_NONE;

    if (!group->write_wanted) return;
    group->write_wanted = false;
    if (group->consumer.is) {
        consumer_flush(groups, number);
        return;
    }
    switch (write_generation(groups, number, NOBODY, &error)) {
    case APPENDED: return;
    case APPEND_LATER:
        group->write_wanted = true;
        chain_add(&groups->wanting, number);
        return;
    case APPEND_REFUSED: rebalance_settle(groups, number, group->generation, error); return;
    }
}

void writes_work(struct groups *groups)
{
    give_notice(groups);
    uint32_t count = groups->wanting.count;
    if (count == 0 || !logs_has_room(groups->rooms.logs)) return; /* a round that ends makes room, and a step */
    while (count-- > 0) append_wanted(groups, chain_take(&groups->wanting));
}

/* ---- committed ---- */

static void drop_offsets(struct groups *groups, uint32_t offset)
{
    while (offset != NONE) {
        const uint32_t next = groups->offsets[offset].next;
        offset_free(groups, offset);
        offset = next;
    }
}

static void commit_offsets(struct groups *groups, const struct write *write)
{
    uint32_t next;

    groups->counters.commits++;
    for (uint32_t offset = write->offset_first; offset != NONE; offset = next) {
        next = groups->offsets[offset].next;
        if (groups->offsets[offset].deletes) groups->counters.offsets_deleted++;
        else groups->counters.offsets_committed++;
        offset_commit(groups, offset);
    }
}

static void commit(struct groups *groups, const struct write *write)
{
    struct group *group = &groups->groups[write->group];

    CHECK(group->pending_count > 0);
    group->pending_count--;
    switch ((enum write_kind)write->kind) {
    case WRITE_OFFSETS: commit_offsets(groups, write); break;
    case WRITE_GENERATION:
        group->recorded = true;
        rebalance_settle(groups, write->group, write->generation, ERROR_NONE);
        break;
    case WRITE_REMOVAL: group->recorded = group->consumer.is && group->consumer.gone_first != NONE; break;
    case WRITE_CONSUMER:
    case WRITE_BEAT: break;
    }
    wait_end_of(groups, write->waiter, write->ticket, ERROR_NONE);
    group_reap(groups, write->group);
}

static uint32_t take_first(struct groups *groups, struct place *place)
{
    const uint32_t first = place->write_first;

    chain_remove(&groups->awaited, first);
    place->write_first = groups->writes[first].next;
    if (place->write_first == NONE) place->write_last = NONE;
    return first;
}

void writes_committed(struct groups *groups, uint32_t number, int64_t high_watermark)
{
    struct place *place = &groups->places[number];

    while (place->write_first != NONE && groups->writes[place->write_first].end_offset <= high_watermark) {
        const uint32_t first = take_first(groups, place);
        const struct write write = groups->writes[first];
        pool_give(&groups->write_pool, first);
        commit(groups, &write);
    }
}

void groups_on_high_watermark(struct groups *groups, uint32_t log)
{
    const struct place *place = &groups->places[log];

    if (place->state != PLACE_OPEN || place->write_last == NONE) return;
    writes_committed(groups, log, log_offsets(groups->rooms.logs, log).high_watermark);
}

void writes_drop(struct groups *groups, uint32_t number)
{
    struct place *place = &groups->places[number];

    while (place->write_last != NONE) {
        const uint32_t first = take_first(groups, place);
        drop_offsets(groups, groups->writes[first].offset_first);
        groups->groups[groups->writes[first].group].pending_count--;
        pool_give(&groups->write_pool, first);
    }
}

void groups_on_min_isr_lost(struct groups *groups, uint32_t log)
{
    const struct place *place = &groups->places[log];

    if (place->state != PLACE_OPEN || place->write_last == NONE) return;
    for (uint32_t write = place->write_first; write != NONE; write = groups->writes[write].next) {
        chain_remove(&groups->awaited, write);
        fail(groups, &groups->writes[write], ERROR_COORDINATOR_NOT_AVAILABLE);
    }
}
