/* consumer_flush.c -- what a group of the newer protocol has to say to the log.
 *
 * All that has changed since the last batch goes into the next one, in an order in which each prefix of it makes sense,
 * because what one batch has no room for is left to the next: who is out; what members say; the group's epoch; targets,
 * and when all are there their epoch; then what members have. */
#include "base/check.h"
#include "base/text.h"
#include "group/state.h"
#include "meta/image.h"

/* ---- answers that wait ---- */

bool consumer_has_to_say(const struct groups *groups, uint32_t group)
{
    return groups->groups[group].write_wanted || groups->groups[group].pending_count > 0;
}

static void add_beat(struct groups *groups, uint32_t number, uint64_t waiter, uint64_t ticket)
{
    struct group *group = &groups->groups[number];
    const uint32_t beat = pool_take(&groups->write_pool);

    CHECK(beat != POOL_NONE);
    groups->writes[beat] = (struct write){
        .kind = WRITE_BEAT,
        .group = number,
        .next = NONE,
        .offset_first = NONE,
        .offset_last = NONE,
        .waiter = waiter,
        .ticket = ticket,
        .due_ns = groups->mono_ns + COMMIT_MS_MAX * NS_PER_MS,
    };
    chain_add(&groups->awaited, beat);
    if (group->consumer.beat_last == NONE) group->consumer.beat_first = beat;
    else groups->writes[group->consumer.beat_last].next = beat;
    group->consumer.beat_last = beat;
    group->pending_count++;
    write_want(groups, number);
}

void consumer_wait(struct groups *groups, uint32_t number, uint64_t waiter)
{
    add_beat(groups, number, waiter, wait_ticket(groups));
    wait_begin(groups, waiter, WAIT_COMMIT)->group = number;
}

bool groups_hold(struct groups *groups, uint32_t number, uint64_t waiter, bool first)
{
    if (!consumer_has_to_say(groups, number) || MUTANT(group_shows_uncommitted)) return false;
    if (first) {
        consumer_wait(groups, number, waiter);
        return true;
    }
    struct wait *wait = wait_of(groups, waiter);
    CHECK(wait != NULL && wait->kind == WAIT_COMMIT && !wait->ready);
    add_beat(groups, number, waiter, wait->ticket);
    wait->others++;
    return true;
}

/* They are answered with the last write of their place. */
static void send_beats(struct groups *groups, uint32_t number)
{
    struct consumer_group *group = &groups->groups[number].consumer;
    struct place *place = &groups->places[groups->groups[number].place];

    if (group->beat_first == NONE) return;
    CHECK(place->write_last != NONE);
    const int64_t end_offset = groups->writes[place->write_last].end_offset;
    for (uint32_t at = group->beat_first; at != NONE; at = groups->writes[at].next) {
        groups->writes[at].end_offset = end_offset;
    }
    groups->writes[place->write_last].next = group->beat_first;
    place->write_last = group->beat_last;
    group->beat_first = group->beat_last = NONE;
}

/* Nothing is on its way that they could wait for: they go out now. */
static void end_beats(struct groups *groups, uint32_t number, enum error error)
{
    struct group *group = &groups->groups[number];

    while (group->consumer.beat_first != NONE) {
        const uint32_t beat = group->consumer.beat_first;
        group->consumer.beat_first = groups->writes[beat].next;
        chain_remove(&groups->awaited, beat);
        wait_end_of(groups, groups->writes[beat].waiter, groups->writes[beat].ticket, error);
        pool_give(&groups->write_pool, beat);
        group->pending_count--;
    }
    group->consumer.beat_last = NONE;
}

/* ---- one batch ---- */

struct flush {
    struct groups *groups;
    uint32_t number;
    struct record_batch_builder builder;
    bool full;
    uint32_t count;      /* records */
    uint32_t gone_count; /* of those that are out, so many are in */
    bool epoch, target, classic;
};

enum { KEY_SIZE_MAX = 2 * STRING_SIZE_MAX + 16 };

static bool add(struct flush *flush, enum record_kind kind, struct bytes name, const struct writer *value)
{
    struct groups *groups = flush->groups;
    uint8_t bytes[KEY_SIZE_MAX];
    struct writer writer = writer_of(bytes, sizeof bytes);
    const struct record_key key = { .kind = kind,
                                    .group_id = kept_bytes(groups, &groups->groups[flush->number].id),
                                    .name = name };
    struct record_input record = { .timestamp = groups->wall_ms };

    if (flush->full) return false;
    record_key_write(&writer, &key);
    record.key = writer_written(&writer);
    flush->full = value != NULL && !writer_ok(value);
    if (value != NULL && !flush->full) record.value = writer_written(value);
    flush->full = flush->full || !record_batch_builder_add(&flush->builder, &record);
    flush->count += !flush->full;
    return !flush->full;
}

static struct writer value_writer(const struct flush *flush)
{
    return writer_of(flush->groups->value, flush->groups->batch_size);
}

/* Three graves for each, the one of what it says last: as long as that is there it is a member. */
static bool add_graves(struct flush *flush, struct bytes id)
{
    return add(flush, RECORD_CURRENT_MEMBER, id, NULL) && add(flush, RECORD_TARGET_MEMBER, id, NULL) &&
           add(flush, RECORD_CONSUMER_MEMBER, id, NULL);
}

static void add_gone(struct flush *flush)
{
    struct groups *groups = flush->groups;

    for (uint32_t at = groups->groups[flush->number].consumer.gone_first; at != NONE; at = groups->members[at].next) {
        if (!add_graves(flush, kept_bytes(groups, &groups->members[at].id))) return;
        flush->gone_count++;
    }
}

static bool add_says(struct flush *flush, const struct member *member)
{
    const struct groups *groups = flush->groups;
    struct writer writer = value_writer(flush);
    const char *const assignors[] = { [ASSIGNOR_UNIFORM] = "uniform", [ASSIGNOR_RANGE] = "range" };
    struct consumer_member_value value = {
        .client_id = kept_bytes(groups, &member->client_id),
        .client_host = kept_bytes(groups, &member->client_host),
        .topics.texts = kept_bytes(groups, &member->consumer.names),
        .rebalance_ms = member->rebalance_ms,
    };

    if (member->consumer.classic) {
        value.is_classic = true;
        value.classic = (struct classic_value){ .session_ms = member->session_ms,
                                                .protocols = kept_bytes(groups, &member->protocols) };
    }
    if (member->instance.size > 0) value.instance_id = kept_bytes(groups, &member->instance);
    if (member->consumer.rack.size > 0) value.rack = kept_bytes(groups, &member->consumer.rack);
    if (member->consumer.pattern != NONE) {
        value.regex = kept_bytes(groups, &groups->patterns[member->consumer.pattern].text);
    }
    if (member->consumer.assignor != ASSIGNOR_NONE) value.assignor = text_of(assignors[member->consumer.assignor]);
    consumer_member_value_write(&writer, &value);
    return add(flush, RECORD_CONSUMER_MEMBER, kept_bytes(groups, &member->id), &writer);
}

static bool add_member(struct flush *flush, uint32_t number, uint8_t what)
{
    const struct groups *groups = flush->groups;
    const struct member *member = &groups->members[number];
    const struct member_standing standing = member_standing(groups, number);
    struct writer writer = value_writer(flush);

    if (what == SAYS) return add_says(flush, member);
    if (what == TARGET) {
        target_member_value_write(&writer, member_target(groups, number));
        return add(flush, RECORD_TARGET_MEMBER, kept_bytes(groups, &member->id), &writer);
    }
    current_member_value_write(&writer, &standing);
    return add(flush, RECORD_CURRENT_MEMBER, kept_bytes(groups, &member->id), &writer);
}

static void add_members(struct flush *flush, uint8_t what)
{
    struct groups *groups = flush->groups;

    for (uint32_t at = groups->groups[flush->number].member_first; at != NONE; at = groups->members[at].next) {
        if ((groups->members[at].consumer.dirty & what) == 0) continue;
        if (!add_member(flush, at, what)) return;
        groups->members[at].consumer.writing |= what;
    }
}

static void add_patterns(struct flush *flush)
{
    struct groups *groups = flush->groups;

    for (uint32_t at = groups->groups[flush->number].consumer.pattern_first; at != NONE;
         at = groups->patterns[at].next) {
        struct pattern *pattern = &groups->patterns[at];
        struct writer writer = value_writer(flush);
        const struct regex_value value = { .topics.texts = kept_bytes(groups, &pattern->topics),
                                           .version = (int64_t)pattern->seen,
                                           .time_ms = groups->wall_ms };
        if (!pattern->dirty) continue;
        regex_value_write(&writer, &value);
        if (!add(flush, RECORD_REGEX, kept_bytes(groups, &pattern->text), pattern->users > 0 ? &writer : NULL)) return;
        pattern->writing = true;
    }
}

static void add_epochs(struct flush *flush)
{
    const struct group *group = &flush->groups->groups[flush->number];
    struct writer writer = value_writer(flush);
    const struct consumer_group_value value = { group->generation, group->consumer.topics_hash };

    if (!group->consumer.epoch_dirty) return;
    consumer_group_value_write(&writer, &value);
    flush->epoch = add(flush, RECORD_CONSUMER_GROUP, BYTES_LITERAL(""), &writer);
}

static void add_target(struct flush *flush)
{
    const struct consumer_group *group = &flush->groups->groups[flush->number].consumer;
    struct writer writer = value_writer(flush);

    if (!group->target_dirty) return;
    target_value_write(&writer, group->target_epoch);
    flush->target = add(flush, RECORD_TARGET, BYTES_LITERAL(""), &writer);
}

static struct flush begin(struct groups *groups, uint32_t number)
{
    const uint32_t topic = image_partition(groups->rooms.image, groups->groups[number].place)->topic;
    const int64_t size_max = topic_config_int(groups->rooms.image, topic, CONFIG_MAX_MESSAGE_BYTES);
    struct flush flush = { .groups = groups, .number = number };

    record_batch_builder_init(&flush.builder, groups->batch, (uint32_t)MIN((int64_t)groups->batch_size, size_max));
    return flush;
}

/* What is in the batch is said, or is to be said again. */
static void settle(struct flush *flush, bool said)
{
    struct groups *groups = flush->groups;
    struct group *group = &groups->groups[flush->number];
    uint32_t next;

    for (uint32_t at = group->member_first; at != NONE; at = groups->members[at].next) {
        struct consumer_member *member = &groups->members[at].consumer;
        if (said) member->dirty &= (uint8_t)~member->writing;
        member->writing = 0;
    }
    for (uint32_t at = group->consumer.pattern_first; at != NONE; at = next) {
        struct pattern *pattern = &groups->patterns[at];
        next = pattern->next;
        if (said && pattern->writing) pattern->dirty = false;
        const bool over = said && pattern->writing && pattern->users == 0;
        pattern->writing = false;
        if (over) pattern_free(groups, at);
    }
    if (!said) return;
    group->consumer.epoch_dirty &= !flush->epoch;
    group->consumer.target_dirty &= !flush->target;
    group->consumer.was_classic &= !flush->classic;
    while (flush->gone_count-- > 0) {
        const uint32_t gone = group->consumer.gone_first;
        group->consumer.gone_first = groups->members[gone].next;
        texts_give(&groups->texts, &groups->members[gone].id);
        groups->members[gone].taken = false;
        pool_give(&groups->member_pool, gone);
    }
}

static void build(struct flush *flush)
{
    if (flush->groups->groups[flush->number].consumer.was_classic) {
        flush->classic = add(flush, RECORD_GROUP, BYTES_LITERAL(""), NULL);
    }
    add_gone(flush);
    add_members(flush, SAYS);
    add_patterns(flush);
    add_epochs(flush);
    add_members(flush, TARGET);
    add_target(flush);
    add_members(flush, CURRENT);
}

/* True: it is said that the group is a classic one again, or will be. */
static bool goes_back(struct groups *groups, uint32_t number)
{
    enum error error;

    if (!group_is_to_go_back(groups, number)) return false;
    switch (group_downgrade(groups, number, &error)) {
    case APPENDED: return true;
    case APPEND_LATER: write_want(groups, number); return true;
    case APPEND_REFUSED: break;
    }
    return false; /* it stays what it is */
}

void consumer_flush(struct groups *groups, uint32_t number)
{
    struct group *group = &groups->groups[number];
    const struct write write = { .kind = WRITE_CONSUMER, .offset_first = NONE, .offset_last = NONE };
    struct flush flush = begin(groups, number);
    enum error error = ERROR_UNKNOWN_SERVER_ERROR;
    enum append_outcome outcome = APPEND_REFUSED;

    if (goes_back(groups, number)) return;
    build(&flush);
    if (flush.count == 0 && !flush.full) {
        if (groups->places[group->place].write_last == NONE) end_beats(groups, number, ERROR_NONE);
        else send_beats(groups, number);
        group_reap(groups, number);
        return;
    }
    if (flush.count > 0) {
        outcome = write_append(groups, number, record_batch_builder_end(&flush.builder), &write, &error);
    }
    settle(&flush, outcome == APPENDED);
    switch (outcome) {
    case APPENDED:
        if (flush.full) write_want(groups, number); /* the rest */
        else send_beats(groups, number);
        return;
    case APPEND_LATER: write_want(groups, number); return;
    case APPEND_REFUSED: end_beats(groups, number, error); return; /* said with the next heartbeat */
    }
}

/* That there is none of this protocol. */
static void add_end(struct flush *flush)
{
    const struct groups *groups = flush->groups;

    for (uint32_t at = groups->groups[flush->number].consumer.pattern_first; at != NONE;
         at = groups->patterns[at].next) {
        groups->patterns[at].writing = add(flush, RECORD_REGEX, kept_bytes(groups, &groups->patterns[at].text), NULL);
    }
    add(flush, RECORD_TARGET, BYTES_LITERAL(""), NULL);
    add(flush, RECORD_CONSUMER_GROUP, BYTES_LITERAL(""), NULL);
}

enum append_outcome consumer_write_back(struct groups *groups, uint32_t number, struct bytes value, enum error *error)
{
    const struct write write = { .kind = WRITE_CONSUMER, .offset_first = NONE, .offset_last = NONE };
    struct flush flush = begin(groups, number);
    struct writer writer = { 0 };

    add_gone(&flush);
    for (uint32_t at = groups->groups[number].member_first; at != NONE; at = groups->members[at].next) {
        add_graves(&flush, kept_bytes(groups, &groups->members[at].id));
    }
    add_end(&flush);
    writer = writer_of(groups->value, groups->batch_size);
    writer_take(&writer, value.size);
    add(&flush, RECORD_GROUP, BYTES_LITERAL(""), &writer);
    if (flush.full) {
        settle(&flush, false);
        return APPEND_REFUSED;
    }
    const enum append_outcome outcome =
        write_append(groups, number, record_batch_builder_end(&flush.builder), &write, error);
    settle(&flush, outcome == APPENDED);
    if (outcome == APPENDED) send_beats(groups, number);
    return outcome;
}

enum append_outcome consumer_bury(struct groups *groups, uint32_t number, enum error *error)
{
    const struct write write = { .kind = WRITE_REMOVAL, .offset_first = NONE, .offset_last = NONE };
    struct flush flush = begin(groups, number);
    struct group *group = &groups->groups[number];

    CHECK(group->member_count == 0);
    if (group->consumer.was_classic) flush.classic = add(&flush, RECORD_GROUP, BYTES_LITERAL(""), NULL);
    add_gone(&flush);
    add_end(&flush);
    *error = ERROR_COORDINATOR_NOT_AVAILABLE;
    if (flush.count == 0) return APPEND_REFUSED;
    const enum append_outcome outcome =
        write_append(groups, number, record_batch_builder_end(&flush.builder), &write, error);
    settle(&flush, outcome == APPENDED);
    if (outcome == APPENDED && flush.full) return APPEND_LATER; /* the rest of the graves */
    return outcome;
}
