/* describe_log_dirs.c -- how large are the logs on this node? There is one log directory; user interfaces take a
 * cluster that does not answer this for a broken one. */
#include "broker/apis.h"

#include "broker/partitions.h"
#include "broker/state.h"
#include "codec/messages.h"
#include "log/logs.h"

/* Adds a partition if a replica of it is here. */
static void put_partition(const struct call *call, uint32_t slot, struct describe_log_dirs_response_topic *answer)
{
    const struct image_partition *partition = image_partition(call->image, slot);
    if (!image_partition_has_copy(partition, call->broker->config.node_id)) return;
    const struct log_offsets offsets = log_offsets(call->logs, slot);

    answer->partitions[answer->partitions_count++] = (struct describe_log_dirs_response_partition){
        .index = partition->index,
        .size = (int64_t)offsets.size,
        .offset_lag = MAX(offsets.high_watermark - offsets.log_end_offset, (int64_t)0),
    };
}

static bool put_whole_topic(const struct call *call, uint32_t topic, struct describe_log_dirs_response_topic *answer)
{
    const struct image_topic *found = image_topic(call->image, topic);
    uint32_t slot = found->first_partition;

    *answer = (struct describe_log_dirs_response_topic){ .name = image_topic_name(call->image, topic) };
    answer->partitions = arena_take(call->arena, found->partition_count, sizeof *answer->partitions);
    if (answer->partitions == NULL) return false;
    for (; slot != SLOT_NONE; slot = image_partition(call->image, slot)->next_partition) {
        put_partition(call, slot, answer);
    }
    return true;
}

static bool put_everything(const struct call *call, struct describe_log_dirs_response_log_dir *answer)
{
    answer->topics = arena_take(call->arena, image_view(call->image).topic_count, sizeof *answer->topics);
    if (answer->topics == NULL) return false;
    for (uint32_t topic = image_first_topic(call->image); topic != SLOT_NONE;
         topic = image_next_topic(call->image, topic)) {
        if (!put_whole_topic(call, topic, &answer->topics[answer->topics_count])) return false;
        if (answer->topics[answer->topics_count].partitions_count > 0) answer->topics_count++;
    }
    return true;
}

/* What is asked for and not here is left out. */
static bool put_asked(const struct call *call, const struct describe_log_dirs_request *request,
                      struct describe_log_dirs_response_log_dir *answer)
{
    answer->topics = arena_take(call->arena, request->topics_count, sizeof *answer->topics);
    if (answer->topics == NULL) return false;
    for (uint32_t i = 0; i < request->topics_count; i++) {
        const struct describe_log_dirs_request_topic *asked = &request->topics[i];
        struct describe_log_dirs_response_topic *to = &answer->topics[answer->topics_count];
        const uint32_t topic = image_topic_by_name(call->image, asked->name);
        if (topic == SLOT_NONE) continue;
        *to = (struct describe_log_dirs_response_topic){ .name = asked->name };
        to->partitions = arena_take(call->arena, asked->partitions_count, sizeof *to->partitions);
        if (to->partitions == NULL) return false;
        for (uint32_t j = 0; j < asked->partitions_count; j++) {
            const uint32_t slot = image_partition_slot(call->image, topic, asked->partitions[j]);
            if (slot != SLOT_NONE) put_partition(call, slot, to);
        }
        if (to->partitions_count > 0) answer->topics_count++;
    }
    return true;
}

enum call_verdict describe_log_dirs_handle(struct call *call)
{
    struct describe_log_dirs_request request;
    struct describe_log_dirs_response response = describe_log_dirs_response_default;
    struct describe_log_dirs_response_log_dir log_dir = describe_log_dirs_response_log_dir_default;
    struct reader reader = reader_of(call->body);

    if (!describe_log_dirs_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    log_dir.path = BYTES_LITERAL("wal"); /* in the data directory, whose name only the host knows */
    const bool put = request.topics == NULL ? put_everything(call, &log_dir) : put_asked(call, &request, &log_dir);
    if (!put) return CALL_MALFORMED;
    response.log_dirs = &log_dir;
    response.log_dirs_count = 1;
    describe_log_dirs_response_write(call->out, call->version, &response);
    return CALL_ANSWERED;
}
