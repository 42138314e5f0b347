/* describe_quorum.c -- how far is each member of the group that keeps the metadata log (KIP-595, KIP-836, KIP-853)?
 *
 * Only its leader knows, so this is asked as a wish, although it changes nothing. Kafka shows that log as the partition
 * 0 of a topic; its offsets begin at 0, our indexes at 1, and both say of an end what comes next. */
#include "broker/admin.h"
#include "broker/apis.h"
#include "broker/state.h"
#include "controller/join.h"

static const struct bytes topic_name = { (const uint8_t *)"__cluster_metadata", sizeof "__cluster_metadata" - 1 };
static const struct bytes listener_name = { (const uint8_t *)"CONTROLLER", sizeof "CONTROLLER" - 1 };

static bool is_about_it(const struct describe_quorum_request *request)
{
    return request->topics_count == 1 && bytes_equal(request->topics[0].name, topic_name) &&
           request->topics[0].partitions_count == 1 && request->topics[0].partitions[0].index == 0;
}

/* -1: never, as far as is known. */
static int64_t wall_ms_of(const struct call *call, uint64_t mono_ns)
{
    return mono_ns == 0 ? -1 : call->wall_ms - (int64_t)((call->mono_ns - mono_ns) / NS_PER_MS);
}

static struct describe_quorum_response_voter describe(const struct call *call, const struct quorum_member *member)
{
    struct describe_quorum_response_voter voter = describe_quorum_response_voter_default;

    voter.replica_id = member_node(member->member);
    voter.replica_directory_id = member_directory(member->member);
    voter.log_end_offset = member->known ? (int64_t)member->held_index + 1 : -1;
    voter.last_fetch_timestamp = wall_ms_of(call, member->heard_ns);
    voter.last_caught_up_timestamp = wall_ms_of(call, member->caught_up_ns);
    return voter;
}

static bool put_node(const struct call *call, const struct quorum_member *member,
                     struct describe_quorum_response *response)
{
    struct describe_quorum_response_listener *listener = arena_take(call->arena, 1, sizeof *listener);

    if (listener == NULL) return false;
    *listener = (struct describe_quorum_response_listener){ .name = listener_name };
    if (!join_address_split(member->address, &listener->host, &listener->port)) listener->host = BYTES_LITERAL("");
    response->nodes[response->nodes_count++] = (struct describe_quorum_response_node){
        .node_id = member_node(member->member),
        .listeners = listener,
        .listeners_count = 1,
    };
    return true;
}

static bool put_members(const struct call *call, struct describe_quorum_response *response,
                        struct describe_quorum_response_partition *partition)
{
    struct quorum_member member;
    uint32_t count = 0;

    while (controller_quorum_member(call->controller, count, &member)) count++;
    partition->current_voters = arena_take(call->arena, count, sizeof *partition->current_voters);
    partition->observers = arena_take(call->arena, count, sizeof *partition->observers);
    response->nodes = arena_take(call->arena, count, sizeof *response->nodes);
    if (partition->current_voters == NULL || partition->observers == NULL || response->nodes == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        controller_quorum_member(call->controller, i, &member);
        const struct describe_quorum_response_voter seen = describe(call, &member);
        if (member.voter) {
            partition->current_voters[partition->current_voters_count++] = seen;
            if (!put_node(call, &member, response)) return false;
            continue;
        }
        partition->observers[partition->observers_count++] = (struct describe_quorum_response_observer){
            .replica_id = seen.replica_id,
            .replica_directory_id = seen.replica_directory_id,
            .log_end_offset = seen.log_end_offset,
            .last_fetch_timestamp = seen.last_fetch_timestamp,
            .last_caught_up_timestamp = seen.last_caught_up_timestamp,
        };
    }
    return true;
}

static bool describe_all(const struct call *call, struct describe_quorum_response *response)
{
    const struct controller_view view = controller_view(call->controller);
    struct describe_quorum_response_topic *topic = arena_take(call->arena, 1, sizeof *topic);
    struct describe_quorum_response_partition *partition = arena_take(call->arena, 1, sizeof *partition);

    if (topic == NULL || partition == NULL) return false;
    *partition = describe_quorum_response_partition_default;
    partition->leader_id = call->broker->config.node_id;
    partition->leader_epoch = (int32_t)MIN(view.term, (uint64_t)INT32_MAX);
    partition->high_watermark = (int64_t)view.commit_index + 1;
    *topic = (struct describe_quorum_response_topic){ topic_name, partition, 1 };
    response->topics = topic;
    response->topics_count = 1;
    return put_members(call, response, partition);
}

/* Each of what was asked for with this error. */
static bool refuse_all(const struct call *call, const struct describe_quorum_request *request, enum error error,
                       struct describe_quorum_response *response)
{
    response->topics = arena_take(call->arena, request->topics_count, sizeof *response->topics);
    if (response->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct describe_quorum_request_topic *asked = &request->topics[i];
        struct describe_quorum_response_topic *topic = &response->topics[response->topics_count++];
        *topic = (struct describe_quorum_response_topic){ .name = asked->name };
        topic->partitions = arena_take(call->arena, asked->partitions_count, sizeof *topic->partitions);
        if (topic->partitions == NULL) return false;
        for (uint32_t k = 0; k < asked->partitions_count; k++) {
            topic->partitions[k] = describe_quorum_response_partition_default;
            topic->partitions[k].index = asked->partitions[k].index;
            topic->partitions[k].error_code = (int16_t)error;
        }
        topic->partitions_count = asked->partitions_count;
    }
    return true;
}

enum call_verdict describe_quorum_handle(struct call *call)
{
    struct describe_quorum_request request;
    struct describe_quorum_response response = describe_quorum_response_default;
    struct reader reader = reader_of(call->body);
    enum call_verdict verdict;

    if (!describe_quorum_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    if (call_wish(call, ADMIN_TIMEOUT_MS, &verdict)) return verdict;
    const bool known = is_about_it(&request);
    const enum error error = known ? call->refusal : ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    const bool put = error == ERROR_NONE ? describe_all(call, &response) : refuse_all(call, &request, error, &response);
    if (!put) return CALL_MALFORMED;
    call->failed = error != ERROR_NONE;
    if (known) response.error_code = (int16_t)call->refusal;
    describe_quorum_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
