#include "sim/owned.h"

#include "codec/errors.h"
#include "codec/record.h"
#include "meta/image.h"
#include "sim/run.h"
#include "status.h"

#include <string.h>

enum { LIMIT_SMALL = 400, LIMIT_LARGE = 60000 };

/* ---- what is known ---- */

void owned_begin(struct ownership *own, struct prng *prng)
{
    const uint32_t first_number = own->first_number + own->count;
    const struct ownership before = *own;

    *own = (struct ownership){ .leader = MACHINE_NONE,
                               .names = before.names + (before.doubts || before.start_doubted),
                               .first_number = first_number,
                               .favourite = before.favourite,
                               .devotion = before.devotion,
                               .pause_ns = before.pause_ns };
    own->settings[OWNED_LIMIT].now = prng_chance(prng, 1, 2) ? LIMIT_SMALL : LIMIT_LARGE;
    own->settings[OWNED_TIME].now = prng_chance(prng, 1, 2);
    for (uint32_t i = 0; i < OWNED_SETTINGS; i++) own->settings[i].before = own->settings[i].now;
}

void owned_is_made(const struct run *run, struct ownership *own)
{
    own->made = (struct asked){ run->judge.now_ns, run->judge.index };
}

static bool had_to_know(const struct asked *asked, const struct asked *since)
{
    return since->ns < asked->ns && since->index <= asked->index;
}

bool owned_was_known(const struct ownership *own, const struct asked *asked)
{
    return had_to_know(asked, &own->made);
}

bool owned_is_certain(const struct ownership *own)
{
    for (uint32_t i = 0; i < OWNED_SETTINGS; i++) {
        if (own->settings[i].before != own->settings[i].now && own->settings[i].since.ns == UINT64_MAX) return false;
    }
    return true;
}

bool owned_is_forgiven(const struct run *run, const struct client *client)
{
    return run->damaged || client->ownership.lost_track || plane_is_exempt(&run->plane, &client->ownership.topic_id, 0);
}

bool owned_leads(const struct run *run, const struct client *client, uint32_t machine, int32_t *epoch)
{
    return plane_leader(&run->plane, &client->ownership.topic_id, 0, epoch) == (int32_t)machine + 1;
}

bool owned_is_led_elsewhere(const struct run *run, const struct client *client, uint32_t number, int32_t *epoch)
{
    const struct machine *machine = run->world.machines[number];

    if (machine->state != PROCESS_UP || !node_image_is_whole(machine->node)) return false;
    const struct image *image = node_image(machine->node);
    const uint32_t topic = image_topic_by_id(image, &client->ownership.topic_id);
    if (topic == SLOT_NONE) return false;
    const struct image_partition *partition = image_partition(image, image_partition_slot(image, topic, 0));
    *epoch = partition->leader_epoch;
    return partition->leader != (int32_t)number + 1;
}

void owned_remember(struct ownership *own)
{
    own->known_end = own->acked_end;
    for (uint32_t i = 0; i < own->count; i++) own->list[i].known = own->list[i].fate == OWNED_ACKED;
}

int32_t owned_set(struct ownership *own, enum owned_setting_kind kind)
{
    struct owned_setting *setting = &own->settings[kind];

    setting->before = setting->now;
    setting->since.ns = UINT64_MAX;
    if (kind == OWNED_LIMIT) setting->now = setting->before == LIMIT_SMALL ? LIMIT_LARGE : LIMIT_SMALL;
    else setting->now = !setting->before;
    return setting->now;
}

bool owned_is_usual(const struct ownership *own, enum owned_setting_kind kind)
{
    return own->settings[kind].now == (kind == OWNED_LIMIT ? LIMIT_LARGE : 0);
}

void owned_is_set(const struct run *run, struct ownership *own, enum owned_setting_kind kind)
{
    own->settings[kind].since = (struct asked){ run->judge.now_ns, run->judge.index };
}

/* The value that a node has, which was asked so; false: it may have one or the other. */
static bool has_value(const struct ownership *own, enum owned_setting_kind kind, const struct asked *asked,
                      int32_t *value)
{
    const struct owned_setting *setting = &own->settings[kind];
    const bool knew = had_to_know(asked, &setting->since);

    *value = setting->now;
    return !own->doubts && (knew || setting->before == setting->now);
}

void owned_is_lost(struct ownership *own, uint32_t machine)
{
    for (uint32_t i = 0; i < own->count; i++) {
        struct owned *record = &own->list[i];
        if (record->fate != OWNED_SENT || record->machine != machine) continue;
        record->fate = OWNED_DOUBTED;
        if (record->batch_count > 0 && own->writing > 0) own->writing--;
    }
}

/* ---- writing ---- */

static struct owned *at_offset(struct ownership *own, int64_t offset)
{
    for (uint32_t i = 0; i < own->count; i++) {
        if (own->list[i].fate == OWNED_ACKED && own->list[i].offset == offset) return &own->list[i];
    }
    return NULL;
}

static void keep(struct run *run, struct client *client, struct owned *record, int64_t offset, int64_t time_ms)
{
    struct ownership *own = &client->ownership;
    const struct owned *other = at_offset(own, offset);

    if (record->fate == OWNED_ACKED && record->offset != offset) {
        judge_violated(&run->judge, RULE_O8, "owner %u: record %u is at %lld, and at %lld", client->number,
                       own->first_number + (uint32_t)(record - own->list), (long long)record->offset,
                       (long long)offset);
    }
    if (other != NULL && other != record) {
        judge_violated(&run->judge, RULE_O2, "owner %u: record %u is at %lld, where record %u was", client->number,
                       own->first_number + (uint32_t)(record - own->list), (long long)offset,
                       own->first_number + (uint32_t)(other - own->list));
    }
    if (record->fate == OWNED_ACKED && record->time_ms != time_ms) {
        judge_violated(&run->judge, RULE_O2, "owner %u: the record at %lld has another time: %lld, not %lld",
                       client->number, (long long)offset, (long long)time_ms, (long long)record->time_ms);
    }
    record->fate = OWNED_ACKED;
    record->offset = offset;
    record->time_ms = time_ms;
    own->acked_end = MAX(own->acked_end, offset + 1);
}

static void check_acceptance(struct run *run, const struct client *client, const struct owned *record,
                             const struct produce_response_partition *said, const struct asked *asked)
{
    const struct ownership *own = &client->ownership;
    const bool refused = said->error_code == ERROR_MESSAGE_TOO_LARGE;
    int32_t limit, append_time;

    if (has_value(own, OWNED_LIMIT, asked, &limit)) {
        const bool too_large = limit == LIMIT_SMALL && record->large;
        if (refused != too_large && (refused || said->error_code == ERROR_NONE)) {
            judge_violated(&run->judge, RULE_O6, "owner %u: a batch is %s, and max.message.bytes is %d", client->number,
                           refused ? "too large" : "taken", limit);
        }
    } else if (refused && !record->large) {
        judge_violated(&run->judge, RULE_O6, "owner %u: a small batch is too large", client->number);
    }
    if (said->error_code != ERROR_NONE || !has_value(own, OWNED_TIME, asked, &append_time)) return;
    if ((said->log_append_time_ms >= 0) == (append_time != 0)) return;
    judge_violated(&run->judge, RULE_O6, "owner %u: a batch is given the time %lld, and message.timestamp.type is %s",
                   client->number, (long long)said->log_append_time_ms,
                   append_time != 0 ? "LogAppendTime" : "CreateTime");
}

static void is_written(struct run *run, struct client *client, struct owned *record, uint32_t place, bool known,
                       const struct produce_response_partition *said)
{
    const bool never = said->error_code == ERROR_MESSAGE_TOO_LARGE || said->error_code == ERROR_NOT_ENOUGH_REPLICAS;

    /* Else it may be in a topic that is being deleted. */
    if (!known || said->error_code != ERROR_NONE) {
        record->fate = never ? OWNED_REFUSED : OWNED_DOUBTED;
    } else if (!owned_is_forgiven(run, client)) {
        const int64_t time_ms = said->log_append_time_ms >= 0 ? said->log_append_time_ms : record->time_ms;
        keep(run, client, record, said->base_offset + place, time_ms);
    }
}

void owned_is_written(struct run *run, struct client *client, uint64_t number,
                      const struct produce_response_partition *said, const struct asked *asked)
{
    struct ownership *own = &client->ownership;
    if (number < own->first_number || number - own->first_number >= own->count) return; /* of a topic before */
    struct owned *first = &own->list[number - own->first_number];

    const bool known = own->state == OWNER_HAS && owned_was_known(own, asked);
    if (known) check_acceptance(run, client, first, said, asked);
    for (uint32_t i = 0; i < first->batch_count; i++) is_written(run, client, &first[i], i, known, said);
}

/* ---- where the log begins and ends, and what was when ---- */

/* It led all the time since it was asked. */
static bool still_leads(const struct run *run, const struct client *client)
{
    int32_t epoch;

    if (!client->ownership.leads || owned_is_forgiven(run, client)) return false;
    return owned_leads(run, client, client->ownership.asked_of, &epoch) && epoch == client->ownership.leads_epoch;
}

void owned_is_trimmed(struct run *run, struct client *client, int64_t low_watermark)
{
    struct ownership *own = &client->ownership;
    const int64_t least = MAX(own->trims, 0); /* a new leader may not know yet where all ends */

    if (low_watermark < least && !owned_is_forgiven(run, client)) {
        judge_violated(&run->judge, RULE_O1, "owner %u: records below %lld were to go, and the log begins at %lld",
                       client->number, (long long)least, (long long)low_watermark);
    }
    if (own->trims < 0) own->start_asked = low_watermark;
    own->start_acked = MAX(own->start_acked, MAX(own->trims, low_watermark));
    own->start_asked = MAX(own->start_asked, own->start_acked);
    own->acked_end = MAX(own->acked_end, own->start_acked);
}

static void check_time(struct run *run, struct client *client, int64_t offset, int64_t time_ms)
{
    struct ownership *own = &client->ownership;
    const struct owned *there = offset < 0 ? NULL : at_offset(own, offset);

    if (offset >= 0 && (time_ms < own->listed_ms || (there != NULL && there->time_ms != time_ms))) {
        judge_violated(&run->judge, RULE_O2, "owner %u: asked for %lld, told of %lld at offset %lld, where %lld is",
                       client->number, (long long)own->listed_ms, (long long)time_ms, (long long)offset,
                       there == NULL ? -1 : (long long)there->time_ms);
    }
    for (uint32_t i = 0; i < own->count; i++) {
        const struct owned *record = &own->list[i];
        const bool sooner = offset < 0 || record->offset < offset;
        if (!record->known || record->offset < own->start_asked || record->time_ms < own->listed_ms || !sooner)
            continue;
        judge_violated(&run->judge, RULE_O2, "owner %u: asked for %lld, told of offset %lld, and %lld has %lld",
                       client->number, (long long)own->listed_ms, (long long)offset, (long long)record->offset,
                       (long long)record->time_ms);
    }
}

void owned_is_listed(struct run *run, struct client *client, int64_t offset, int64_t time_ms)
{
    struct ownership *own = &client->ownership;

    int32_t epoch;

    if (own->elsewhere && owned_is_led_elsewhere(run, client, own->asked_of, &epoch) && epoch == own->elsewhere_epoch) {
        judge_violated(&run->judge, RULE_N, "owner %u: node %u tells of offset %lld, and knows that it does not lead",
                       client->number, own->asked_of + 1, (long long)offset);
    }
    if (!still_leads(run, client)) return;
    if (own->listed_ms == -1) {
        if (offset >= own->known_end) return;
        judge_violated(&run->judge, RULE_O3, "owner %u: the log ends at %lld, and had all below %lld", client->number,
                       (long long)offset, (long long)own->known_end);
        return;
    }
    if (offset >= 0 && offset < own->start_acked) {
        judge_violated(&run->judge, RULE_O1, "owner %u: told of offset %lld, and all below %lld is deleted",
                       client->number, (long long)offset, (long long)own->start_acked);
    }
    if (own->listed_ms != -2) {
        if (!own->start_doubted) check_time(run, client, offset, time_ms);
        return;
    }
    if (offset <= own->start_asked || own->start_doubted) return;
    judge_violated(&run->judge, RULE_O1, "owner %u: the log begins at %lld, and nothing was deleted beyond %lld",
                   client->number, (long long)offset, (long long)own->start_asked);
}

/* ---- reading ---- */

static void read_record(struct run *run, struct client *client, const struct record_batch *batch,
                        const struct record *record)
{
    struct ownership *own = &client->ownership;
    const int64_t offset = record_offset(batch, record);
    struct made made;

    if (!made_of(record->value, &made) || made.producer != client->number) {
        judge_violated(&run->judge, RULE_O2, "owner %u: somebody else's record is at %lld", client->number,
                       (long long)offset);
        return;
    }
    if (made.number < own->first_number) return; /* it was in doubt, and has come late, into another topic */
    if (made.number - own->first_number >= own->count) {
        judge_violated(&run->judge, RULE_O2, "owner %u: record %llu is there, and was never made", client->number,
                       (unsigned long long)made.number);
        return;
    }
    struct owned *owned = &own->list[made.number - own->first_number];
    owned->seen = true;
    if (owned->fate == OWNED_REFUSED) {
        judge_violated(&run->judge, RULE_O2, "owner %u: record %llu is there, and was refused", client->number,
                       (unsigned long long)made.number);
    }
    keep(run, client, owned, offset, record_timestamp(batch, record));
}

void owned_is_read(struct run *run, struct client *client, struct bytes records)
{
    struct ownership *own = &client->ownership;
    struct record_batch batch;

    if (owned_is_forgiven(run, client)) return;
    for (; record_batch_read(records, &batch) == RECORD_BATCH_WHOLE;
         records.data += batch.bytes.size, records.size -= batch.bytes.size) {
        struct record_iterator iterator;
        struct record record;
        if (batch.base_offset > own->position || !record_batch_crc_matches(&batch)) {
            judge_violated(&run->judge, RULE_O11, "owner %u: at %lld it was given what begins at %lld, or is damaged",
                           client->number, (long long)own->position, (long long)batch.base_offset);
            return;
        }
        record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
        while (record_iterator_next(&iterator, &record) == RECORD_NEXT) read_record(run, client, &batch, &record);
        own->position = record_batch_last_offset(&batch) + 1;
    }
}

void owned_is_all(struct run *run, struct client *client)
{
    const struct ownership *own = &client->ownership;

    if (owned_is_forgiven(run, client)) return;
    for (uint32_t i = 0; i < own->count; i++) {
        const struct owned *record = &own->list[i];
        if (record->fate != OWNED_ACKED || record->seen || record->offset < own->start_asked || own->start_doubted)
            continue;
        judge_violated(&run->judge, RULE_O1, "owner %u: record %u was acknowledged at %lld, and is lost",
                       client->number, own->first_number + i, (long long)record->offset);
    }
}

void owned_forget_seen(struct ownership *own)
{
    for (uint32_t i = 0; i < own->count; i++) own->list[i].seen = false;
}
