/* member.c -- a member of a consumer group, in the classic protocol: it finds its coordinator, joins, takes its share
 * of the partitions, commits numbers for them that only grow, and asks what is committed. It crashes and comes back as
 * another process, leaves, and hangs up in the middle of everything. Some are static: whoever comes back has the same
 * name (KIP-345). Members of groups of the newer protocol find, commit and ask as these do; the rest is in newer.c. */
#include "sim/member.h"
#include "base/check.h"
#include "codec/errors.h"
#include "sim/run.h"

#include <stdlib.h>
#include <string.h>

enum {
    COOKIE_SETTINGS = 70,
    COOKIE_ASKED,
    PAUSE_NS = 20 * 1000 * 1000,
    CALM_PAUSE_NS = 300 * 1000 * 1000,
    SHARE_SIZE = 8
};

static bool in_chaos(const struct run *run)
{
    return run->phase == PHASE_CHAOS;
}

static bool reads_all(const struct run *run)
{
    return run->phase == PHASE_VERIFY || run->phase == PHASE_REVERIFY;
}

static struct cohort *cohort_of(struct run *run, const struct client *client)
{
    return &run->cohorts.list[client->membership.cohort];
}

/* Where nothing goes wrong any more, all is to come to rest: a slow net is left to those who have to catch up. */
static void pause(struct run *run, struct client *client)
{
    client_wake(run, client, 1 + prng_below(&client->prng, in_chaos(run) ? PAUSE_NS : CALM_PAUSE_NS));
}

void member_begin_anew(struct run *run, struct client *client)
{
    struct membership *membership = &client->membership;

    if (run != NULL && membership->newer) newer_on_fenced(run, client);
    membership->life++;
    membership->doing = DOING_FIND;
    membership->awaits = false;
    membership->machine = MACHINE_NONE;
    membership->member_id[0] = 0;
    membership->generation = -1;
    membership->shares = 0;
    membership->session_ms = 300 + (int32_t)prng_below(&client->prng, 2000);
    membership->rebalance_ms = 200 + (int32_t)prng_below(&client->prng, 1500);
    if (membership->newer) newer_begin(client);
}

void member_init(const struct run *run, struct client *client, uint32_t number)
{
    struct membership *membership = &client->membership;

    membership->cohort = number % run->cohorts.count;
    membership->newer = run->cohorts.list[membership->cohort].newer;
    if (prng_chance(&client->prng, 1, 4)) {
        snprintf(membership->instance, sizeof membership->instance, "i-%u", client->number);
    }
    member_begin_anew(NULL, client);
}

/* Unique in the run, and not 0. All lives of a static member are one. */
static uint32_t who(const struct client *client)
{
    const uint32_t life = client->membership.instance[0] != 0 ? 0xffff : client->membership.life % 0xffff;

    return (client->number + 1) << 16 | life;
}

static struct bytes instance_of(const struct client *client)
{
    return client->membership.instance[0] == 0 ? (struct bytes){ 0 } : sim_text(client->membership.instance);
}

/* ---- asking ---- */

struct writer *member_ask(struct run *run, struct client *client, struct session *session, int16_t api, int16_t version)
{
    struct membership *membership = &client->membership;

    membership->awaits = true;
    cohort_on_asked(run, membership->cohort, session->machine, &membership->asked);
    return session_begin(session, api, version);
}

void member_asked(struct run *run, struct session *session)
{
    session_end(session, &run->world, COOKIE_ASKED, true);
}

static int16_t one_of(struct client *client, int16_t low, int16_t high)
{
    return (int16_t)(low + (int16_t)prng_below(&client->prng, (uint64_t)(high - low + 1)));
}

/* What the cluster is to be like for its groups: small topics, short sessions, and nothing that goes by itself. */
static void ask_settings(struct run *run, struct session *session)
{
    static const char *const names[] = { "offsets.topic.num.partitions",     "group.min.session.timeout.ms",
                                         "group.initial.rebalance.delay.ms", "offsets.retention.minutes",
                                         "default.replication.factor",       "group.consumer.session.timeout.ms" };
    const uint32_t replicas = MAX(MIN(run->knobs.replicas, run->knobs.nodes - run->knobs.observers), 1U);
    const uint64_t numbers[] = { 1 + run->knobs.seed % 3,          100, run->knobs.seed % 4 * 50, INT32_MAX, replicas,
                                 cohorts_session_ms(&run->cohorts) };
    struct incremental_alter_configs_request_config configs[COUNT_OF(names)];
    struct incremental_alter_configs_request_resource resource = { .resource_type = 4, .configs = configs };
    struct incremental_alter_configs_request request = { .resources = &resource, .resources_count = 1 };
    char values[COUNT_OF(names)][16];

    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(values[i], sizeof values[i], "%u", (unsigned)numbers[i]);
        configs[i] = (struct incremental_alter_configs_request_config){ .name = sim_text(names[i]),
                                                                        .value = sim_text(values[i]) };
    }
    resource.configs_count = COUNT_OF(names);
    incremental_alter_configs_request_write(session_begin(session, API_INCREMENTAL_ALTER_CONFIGS, 1), 1, &request);
    session_end(session, &run->world, COOKIE_SETTINGS, true);
}

static void ask_coordinator(struct run *run, struct client *client, struct session *session)
{
    struct find_coordinator_request request = find_coordinator_request_default;
    const int16_t version = one_of(client, 0, 3);

    request.key = sim_text(cohort_of(run, client)->id);
    find_coordinator_request_write(session_begin(session, API_FIND_COORDINATOR, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

static void ask_join(struct run *run, struct client *client, struct session *session)
{
    const struct membership *membership = &client->membership;
    struct join_group_request_protocol protocol = { BYTES_LITERAL("range"), BYTES_LITERAL("m") };
    struct join_group_request request = join_group_request_default;
    const int16_t version = one_of(client, membership->instance[0] == 0 ? 2 : 5, 9);

    request.group_instance_id = instance_of(client);
    request.group_id = sim_text(cohort_of(run, client)->id);
    request.session_timeout_ms = membership->session_ms;
    request.rebalance_timeout_ms = membership->rebalance_ms;
    request.member_id = sim_text(membership->member_id);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocols = &protocol;
    request.protocols_count = 1;
    join_group_request_write(member_ask(run, client, session, API_JOIN_GROUP, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

static uint64_t share_of(const struct target *target)
{
    return target->index < SHARES_PER_TOPIC ? 1ull << (target->topic * SHARES_PER_TOPIC + (uint32_t)target->index) : 0;
}

/* The partitions that the leader knows, one after the other, beginning with somebody: another time it is another one.
 * */
static void ask_sync(struct run *run, struct client *client, struct session *session)
{
    const struct membership *membership = &client->membership;
    struct sync_group_request_assignment assignments[COUNT_OF(membership->mate_ids)];
    uint8_t shares[COUNT_OF(membership->mate_ids)][SHARE_SIZE] = { 0 };
    struct sync_group_request request = sync_group_request_default;
    const int16_t version = one_of(client, membership->instance[0] == 0 ? 0 : 3, 5);
    uint32_t next = (uint32_t)prng_below(&client->prng, MAX(membership->mates, 1U));
    uint64_t all = 0;

    request.group_id = sim_text(cohort_of(run, client)->id);
    request.generation_id = membership->generation;
    request.member_id = sim_text(membership->member_id);
    request.protocol_type = BYTES_LITERAL("consumer");
    request.protocol_name = BYTES_LITERAL("range");
    request.group_instance_id = instance_of(client);
    request.assignments = assignments;
    if (membership->leads) {
        for (uint32_t i = 0; i < client->target_count; i++) {
            const uint64_t share = share_of(&client->targets[i]);
            uint8_t *of = shares[next++ % membership->mates];
            const uint64_t had = (uint64_t)load_u32(of) << 32 | load_u32(of + 4);
            all |= share;
            store_u32(of, (uint32_t)((had | share) >> 32));
            store_u32(of + 4, (uint32_t)(had | share));
        }
        for (uint32_t i = 0; i < membership->mates; i++) {
            assignments[i] =
                (struct sync_group_request_assignment){ sim_text(membership->mate_ids[i]), { shares[i], SHARE_SIZE } };
        }
        request.assignments_count = membership->mates;
        cohort_on_assigned(run, membership->cohort, membership->generation, all);
    }
    sync_group_request_write(member_ask(run, client, session, API_SYNC_GROUP, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

static void ask_heartbeat(struct run *run, struct client *client, struct session *session)
{
    const struct membership *membership = &client->membership;
    struct heartbeat_request request = heartbeat_request_default;
    const int16_t version = one_of(client, membership->instance[0] == 0 ? 0 : 3, 4);

    request.group_instance_id = instance_of(client);
    request.group_id = sim_text(cohort_of(run, client)->id);
    request.generation_id = membership->generation;
    request.member_id = sim_text(membership->member_id);
    heartbeat_request_write(member_ask(run, client, session, API_HEARTBEAT, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

static void ask_leave(struct run *run, struct client *client, struct session *session)
{
    struct leave_group_request_member mate = { .member_id = sim_text(client->membership.member_id),
                                               .group_instance_id = instance_of(client) };
    struct leave_group_request request = leave_group_request_default;
    const int16_t version = one_of(client, mate.group_instance_id.size == 0 ? 0 : 3, 5);

    request.group_id = sim_text(cohort_of(run, client)->id);
    request.member_id = mate.member_id;
    request.members = &mate;
    request.members_count = 1;
    leave_group_request_write(member_ask(run, client, session, API_LEAVE_GROUP, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

void member_commit(struct run *run, struct client *client, struct session *session, int32_t generation)
{
    struct membership *membership = &client->membership;
    struct offset_commit_request_partition partitions[COHORT_SHARES];
    struct offset_commit_request_topic topics[COHORT_SHARES];
    char names[COHORT_SHARES][32];
    struct offset_commit_request request = offset_commit_request_default;
    const int16_t version = membership->newer ? 9 : one_of(client, membership->instance[0] == 0 ? 2 : 7, 9);

    membership->committing = 0;
    membership->asked_epoch = generation;
    request.topics = topics;
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        if ((membership->shares & 1ull << share) == 0 || (in_chaos(run) && prng_chance(&client->prng, 1, 3))) continue;
        const uint32_t at = request.topics_count++;
        topic_name(share / SHARES_PER_TOPIC, names[at]);
        membership->committing |= 1ull << share;
        membership->numbers[share] = cohort_on_sent(run, membership->cohort, share);
        partitions[at] = offset_commit_request_partition_default;
        partitions[at].index = (int32_t)(share % SHARES_PER_TOPIC);
        partitions[at].committed_offset = membership->numbers[share];
        partitions[at].committed_metadata = BYTES_LITERAL("");
        topics[at] = (struct offset_commit_request_topic){ sim_text(names[at]), &partitions[at], 1 };
    }
    request.group_id = sim_text(cohort_of(run, client)->id);
    request.generation_id_or_member_epoch = generation;
    request.group_instance_id = instance_of(client);
    request.member_id = sim_text(membership->member_id);
    offset_commit_request_write(member_ask(run, client, session, API_OFFSET_COMMIT, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

/* All that is committed. */
void member_fetch(struct run *run, struct client *client, struct session *session)
{
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    struct offset_fetch_request request = offset_fetch_request_default;
    const int16_t version = one_of(client, 2, 9);

    group.group_id = request.group_id = sim_text(cohort_of(run, client)->id);
    request.groups = &group;
    request.groups_count = 1;
    offset_fetch_request_write(member_ask(run, client, session, API_OFFSET_FETCH, version), version, &request);
    session_end(session, &run->world, COOKIE_ASKED, true);
}

/* ---- working ---- */

static void crash(struct run *run, struct client *client)
{
    client_drop_all(run, client);
    member_begin_anew(run, client);
}

static void own(struct run *run, struct client *client, struct session *session)
{
    const uint64_t drawn = prng_below(&client->prng, 100);

    if (in_chaos(run) && drawn < 2) ask_leave(run, client, session);
    else if (drawn < 40 && client->membership.shares != 0)
        member_commit(run, client, session, client->membership.generation);
    else if (drawn < 55) member_fetch(run, client, session);
    else ask_heartbeat(run, client, session);
}

void member_work(struct run *run, struct client *client)
{
    struct membership *membership = &client->membership;
    const bool reading = reads_all(run);

    if (client->done || run->phase == PHASE_STOP) return;
    if (in_chaos(run) && prng_chance(&client->prng, 1, 150)) crash(run, client); /* whatever it waits for */
    if (membership->awaits) return;
    struct session *session = membership->machine == MACHINE_NONE || !run->cohorts.ready
                                  ? client_any_session(run, client)
                                  : client_session(run, client, membership->machine);
    pause(run, client);
    if (session == NULL || session->pending_count > 0) return;
    if (!run->cohorts.ready) {
        if (membership->cohort == 0) ask_settings(run, session);
        return;
    }
    if (membership->machine == MACHINE_NONE) {
        ask_coordinator(run, client, session);
    } else if (reading) {
        member_fetch(run, client, session);
    } else {
        switch (membership->doing) {
        case DOING_FIND:
        case DOING_JOIN:
            if (membership->newer) newer_join(run, client, session);
            else ask_join(run, client, session);
            break;
        case DOING_SYNC: ask_sync(run, client, session); break;
        case DOING_OWN:
            if (membership->newer) newer_own(run, client, session);
            else own(run, client, session);
            break;
        }
    }
}

/* ---- answers ---- */

/* Commits whose answer is not a plain no. */
static void doubt(struct run *run, struct client *client)
{
    struct membership *membership = &client->membership;

    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        if ((membership->committing & 1ull << share) == 0) continue;
        cohort_on_doubt(run, membership->cohort, membership->asked_epoch, share, membership->numbers[share]);
    }
    membership->committing = 0;
}

void member_on_lost(struct run *run, struct client *client, uint32_t machine)
{
    struct membership *membership = &client->membership;

    if (!membership->awaits || machine != membership->asked.machine) return;
    membership->awaits = false;
    membership->machine = MACHINE_NONE;
    membership->lies = false;
    doubt(run, client);
    if (membership->newer) newer_on_silence(client);
}

void member_heed(struct run *run, struct client *client, int16_t error)
{
    struct membership *membership = &client->membership;

    switch (error) {
    case ERROR_NONE:
    case ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case ERROR_GROUP_MAX_SIZE_REACHED: break;
    case ERROR_COORDINATOR_NOT_AVAILABLE:
    case ERROR_NOT_COORDINATOR: membership->machine = MACHINE_NONE; break;
    case ERROR_FENCED_INSTANCE_ID:
    case ERROR_UNKNOWN_MEMBER_ID:
        if (!membership->newer) membership->member_id[0] = 0; /* fall through */
    case ERROR_ILLEGAL_GENERATION:
    case ERROR_REBALANCE_IN_PROGRESS:
        if (membership->newer) newer_on_fenced(run, client);
        membership->doing = DOING_JOIN;
        membership->shares = 0;
        break;
    case ERROR_STALE_MEMBER_EPOCH:
    case ERROR_UNRELEASED_INSTANCE_ID:
        if (membership->newer) break; /* fall through */
    case ERROR_FENCED_MEMBER_EPOCH:
    case ERROR_GROUP_ID_NOT_FOUND:
        if (membership->newer) {
            newer_on_fenced(run, client);
            break;
        } /* fall through */
    default:
        judge_violated(&run->judge, RULE_N, "member %u: an error that it gives no reason for: %d", client->number,
                       error);
        break;
    }
}

static void keep_id(char to[128], struct bytes id)
{
    CHECK(id.size < 128);
    if (id.size > 0) memcpy(to, id.data, id.size);
    to[id.size] = 0;
}

static void on_coordinator(struct client *client, const struct find_coordinator_response *found)
{
    struct membership *membership = &client->membership;

    if (found->error_code != ERROR_NONE) return;
    membership->machine = (uint32_t)found->node_id - 1;
    if (membership->doing == DOING_FIND) membership->doing = DOING_JOIN;
}

static void on_joined(struct run *run, struct client *client, const struct join_group_response *joined)
{
    struct membership *membership = &client->membership;

    if (joined->error_code == ERROR_MEMBER_ID_REQUIRED) {
        keep_id(membership->member_id, joined->member_id);
        return;
    }
    member_heed(run, client, joined->error_code);
    if (joined->error_code != ERROR_NONE) return;
    cohort_on_joined(run, membership->cohort, &membership->asked, joined->generation_id);
    keep_id(membership->member_id, joined->member_id);
    membership->generation = joined->generation_id;
    membership->leads = bytes_equal(joined->leader, joined->member_id) && !joined->skip_assignment;
    membership->mates = 0;
    for (uint32_t i = 0; i < joined->members_count && i < COUNT_OF(membership->mate_ids); i++) {
        keep_id(membership->mate_ids[membership->mates++], joined->members[i].member_id);
    }
    membership->doing = DOING_SYNC;
}

static void on_synced(struct run *run, struct client *client, const struct sync_group_response *synced)
{
    struct membership *membership = &client->membership;
    const uint8_t *share = synced->assignment.data;

    member_heed(run, client, synced->error_code);
    if (synced->error_code != ERROR_NONE) return;
    membership->shares =
        synced->assignment.size == SHARE_SIZE ? (uint64_t)load_u32(share) << 32 | load_u32(share + 4) : 0;
    membership->doing = DOING_OWN;
    membership->committed = membership->shares == 0;
    cohort_on_share(run, membership->cohort, membership->generation, who(client), membership->shares);
}

static void on_committed(struct run *run, struct client *client, const struct offset_commit_response *committed)
{
    struct membership *membership = &client->membership;
    int16_t worst = ERROR_NONE;

    for (uint32_t i = 0; i < committed->topics_count; i++) {
        unsigned topic = 0;
        char name[32] = { 0 };
        memcpy(name, committed->topics[i].name.data, MIN(committed->topics[i].name.size, 31U));
        sscanf(name, "topic-%u", &topic);
        for (uint32_t j = 0; j < committed->topics[i].partitions_count; j++) {
            const struct offset_commit_response_partition *partition = &committed->topics[i].partitions[j];
            const uint32_t share = topic * SHARES_PER_TOPIC + (uint32_t)partition->index;
            if (partition->error_code == ERROR_UNKNOWN_TOPIC_OR_PARTITION) continue; /* that node does not know yet */
            if (partition->error_code != ERROR_NONE) {
                worst = partition->error_code;
                continue;
            }
            membership->committing &= ~(1ull << share);
            if (membership->lies) {
                judge_violated(&run->judge, RULE_O10, "%s: member %u commits in epoch %d, and is in %d",
                               cohort_of(run, client)->id, client->number, membership->asked_epoch,
                               membership->generation);
            }
            cohort_on_committed(run, membership->cohort, &membership->asked, membership->asked_epoch, share,
                                membership->numbers[share]);
            membership->committed = true;
        }
    }
    if (worst == ERROR_COORDINATOR_NOT_AVAILABLE || worst == ERROR_NOT_COORDINATOR) doubt(run, client);
    membership->committing = 0;
    membership->lies = false;
    member_heed(run, client, worst);
}

struct shown {
    int64_t numbers[COHORT_SHARES];
};

static void show(struct shown *shown, struct bytes topic_name_bytes, int32_t index, int64_t offset)
{
    unsigned topic = TOPICS_MAX;
    char name[32] = { 0 };

    memcpy(name, topic_name_bytes.data, MIN(topic_name_bytes.size, 31U));
    if (sscanf(name, "topic-%u", &topic) != 1 || topic >= TOPICS_MAX || index >= SHARES_PER_TOPIC) return;
    shown->numbers[topic * SHARES_PER_TOPIC + (uint32_t)index] = offset;
}

static void on_offsets(struct run *run, struct client *client, int16_t version,
                       const struct offset_fetch_response *fetched)
{
    struct membership *membership = &client->membership;
    int16_t error = fetched->error_code;
    struct shown shown;

    for (uint32_t share = 0; share < COHORT_SHARES; share++) shown.numbers[share] = -1;
    for (uint32_t i = 0; i < fetched->topics_count; i++) {
        const struct offset_fetch_response_topic *topic = &fetched->topics[i];
        for (uint32_t j = 0; j < topic->partitions_count; j++) {
            show(&shown, topic->name, topic->partitions[j].index, topic->partitions[j].committed_offset);
        }
    }
    for (uint32_t i = 0; version >= 8 && i < fetched->groups_count; i++) {
        const struct offset_fetch_response_group *group = &fetched->groups[i];
        error = group->error_code;
        for (uint32_t j = 0; j < group->topics_count; j++) {
            const struct offset_fetch_response_group_topic *topic = &group->topics[j];
            for (uint32_t k = 0; k < topic->partitions_count; k++) {
                show(&shown, topic->name, topic->partitions[k].index, topic->partitions[k].committed_offset);
            }
        }
    }
    member_heed(run, client, error);
    if (error != ERROR_NONE) return;
    for (uint32_t share = 0; share < COHORT_SHARES; share++) {
        cohort_on_shown(run, membership->cohort, &membership->asked, reads_all(run), share, shown.numbers[share]);
    }
    if (reads_all(run)) client->done = true;
}

static bool take(struct run *run, struct client *client, struct response *response)
{
    union {
        struct find_coordinator_response found;
        struct join_group_response joined;
        struct sync_group_response synced;
        struct heartbeat_response heard;
        struct offset_commit_response committed;
        struct offset_fetch_response fetched;
        struct consumer_group_heartbeat_response beaten;
    } of;
    struct reader *body = &response->body;
    const int16_t version = response->version;

    switch (response->api_key) {
    case API_FIND_COORDINATOR:
        if (!find_coordinator_response_read(body, version, response->arena, &of.found)) return false;
        on_coordinator(client, &of.found);
        return true;
    case API_JOIN_GROUP:
        if (!join_group_response_read(body, version, response->arena, &of.joined)) return false;
        on_joined(run, client, &of.joined);
        return true;
    case API_SYNC_GROUP:
        if (!sync_group_response_read(body, version, response->arena, &of.synced)) return false;
        on_synced(run, client, &of.synced);
        return true;
    case API_HEARTBEAT:
        if (!heartbeat_response_read(body, version, response->arena, &of.heard)) return false;
        member_heed(run, client, of.heard.error_code);
        return true;
    case API_OFFSET_COMMIT:
        if (!offset_commit_response_read(body, version, response->arena, &of.committed)) return false;
        on_committed(run, client, &of.committed);
        return true;
    case API_OFFSET_FETCH:
        if (!offset_fetch_response_read(body, version, response->arena, &of.fetched)) return false;
        on_offsets(run, client, version, &of.fetched);
        return true;
    case API_CONSUMER_GROUP_HEARTBEAT:
        if (!consumer_group_heartbeat_response_read(body, version, response->arena, &of.beaten)) return false;
        newer_on_beat(run, client, &of.beaten);
        return true;
    case API_LEAVE_GROUP: member_begin_anew(run, client); return true; /* whatever came of it, this process is over */
    default: return false;
    }
}

static void on_settings(struct run *run, struct response *response)
{
    struct incremental_alter_configs_response altered;

    if (!incremental_alter_configs_response_read(&response->body, response->version, response->arena, &altered)) return;
    run->cohorts.ready |= altered.resources_count == 1 && altered.resources[0].error_code == ERROR_NONE;
}

void member_on_response(struct run *run, struct client *client, struct response *response)
{
    if (response->cookie == COOKIE_SETTINGS) {
        on_settings(run, response);
        pause(run, client);
        return;
    }
    if (response->api_key != API_FIND_COORDINATOR) client->membership.awaits = false;
    if (!take(run, client, response)) {
        judge_violated(&run->judge, RULE_N, "member %u: a response cannot be read, of API %d", client->number,
                       response->api_key);
    }
    if (client->membership.doing == DOING_SYNC || client->membership.doing == DOING_JOIN) client_wake(run, client, 1);
    else pause(run, client);
}

/* ---- at rest ---- */

void member_calm(struct run *run, struct client *client)
{
    client->membership.committed = client->membership.shares == 0;
    client_wake(run, client, 1);
}

void member_read_all(struct run *run, struct client *client)
{
    bool first = true;

    for (uint32_t i = 0; i < client->number; i++) {
        const struct client *other = run->clients[i];
        if (other->kind == CLIENT_MEMBER && other->membership.cohort == client->membership.cohort) first = false;
    }
    client_drop_all(run, client);
    member_begin_anew(run, client);
    client->done = !first; /* one looks for all */
    client_wake(run, client, 1 + prng_below(&client->prng, PAUSE_NS));
}

/* All members are in one generation, each has what is its, and nothing is nobody's. */
static bool cohort_rests(const struct run *run, const struct client *client)
{
    const struct membership *membership = &client->membership;
    uint64_t shares = 0;

    for (uint32_t i = 0; i < run->client_count; i++) {
        const struct membership *other = &run->clients[i]->membership;
        if (run->clients[i]->kind != CLIENT_MEMBER || other->cohort != client->membership.cohort) continue;
        if (other->doing != DOING_OWN || !other->committed) return false;
        if (other->generation != client->membership.generation || (shares & other->shares) != 0) return false;
        shares |= other->shares;
    }
    return shares != 0 && cohort_is_assigned(run, membership->cohort, membership->generation, shares);
}

bool member_is_done(const struct run *run, const struct client *client)
{
    if (cohort_is_given_up(run, client->membership.cohort)) return true;
    if (run->phase == PHASE_HEAL)
        return client->membership.newer ? newer_rests(run, client) : cohort_rests(run, client);
    return client->done || !reads_all(run);
}
