/* describe_topic_partitions.c -- the partitions of many topics, page by page (KIP-966).
 *
 * Topics come in the order of their names, so that a cursor (a name and a partition) says where the next page begins
 * even if topics came or went in between. */
#include "broker/apis.h"

#include "broker/operations.h"
#include "broker/partitions.h"
#include "codec/messages.h"
#include "controller/controller.h"

enum { PAGE_PARTITIONS_MAX = 2000 }; /* max.request.partition.size.limit */

struct page {
    const struct call *call;
    struct describe_topic_partitions_response response;
    uint32_t partitions_left;
};

static int compare_names(struct bytes a, struct bytes b)
{
    const uint32_t common = MIN(a.size, b.size);
    const int order = common == 0 ? 0 : memcmp(a.data, b.data, common);

    if (order != 0) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static void sink(struct bytes *names, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= count) return;
        if (child + 1 < count && compare_names(names[child], names[child + 1]) < 0) child++;
        if (compare_names(names[at], names[child]) >= 0) return;
        const struct bytes name = names[at];
        names[at] = names[child];
        names[child] = name;
        at = child;
    }
}

/* Heapsort: bounded in time and memory whatever a client sends. */
static void sort_names(struct bytes *names, uint32_t count)
{
    for (uint32_t at = count / 2; at > 0; at--) sink(names, at - 1, count);
    for (uint32_t left = count; left > 1; left--) {
        const struct bytes name = names[0];
        names[0] = names[left - 1];
        names[left - 1] = name;
        sink(names, 0, left - 1);
    }
}

/* The names asked for, or all there are, sorted; NULL: they do not fit. */
static struct bytes *wanted_names(const struct call *call, const struct describe_topic_partitions_request *request,
                                  uint32_t *count)
{
    const bool all = request->topics_count == 0;
    const uint32_t names_max = all ? image_view(call->image).topic_count : request->topics_count;
    struct bytes *names = arena_take(call->arena, names_max, sizeof *names);

    *count = 0;
    if (names == NULL) return NULL;
    for (uint32_t i = 0; i < request->topics_count; i++) names[(*count)++] = request->topics[i].name;
    if (all) {
        for (uint32_t slot = image_first_topic(call->image); slot != SLOT_NONE;
             slot = image_next_topic(call->image, slot)) {
            names[(*count)++] = image_topic_name(call->image, slot);
        }
    }
    sort_names(names, *count);
    return names;
}

static bool put_sets(const struct call *call, const struct image_partition *partition,
                     struct describe_topic_partitions_response_partition *to)
{
    const replica_set offline = offline_replicas(call->image, partition);

    return partition_ids(call, partition, partition->isr, &to->isr_nodes, &to->isr_nodes_count) &&
           partition_ids(call, partition, partition->elr, &to->eligible_leader_replicas,
                         &to->eligible_leader_replicas_count) &&
           partition_ids(call, partition, offline, &to->offline_replicas, &to->offline_replicas_count);
}

/* As many of the topic's partitions, from `index` on, as the page still takes. */
static bool put_partitions(struct page *page, uint32_t topic_slot, int32_t index,
                           struct describe_topic_partitions_response_topic *answer)
{
    const struct image_topic *topic = image_topic(page->call->image, topic_slot);
    const uint32_t first = index < 0 ? 0 : (uint32_t)index;
    const uint32_t after = first < topic->partition_count ? topic->partition_count - first : 0;
    const uint32_t count = MIN(after, page->partitions_left);

    answer->partitions = arena_take(page->call->arena, count, sizeof *answer->partitions);
    if (answer->partitions == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t slot = image_partition_slot(page->call->image, topic_slot, (int32_t)(first + i));
        const struct image_partition *partition = image_partition(page->call->image, slot);
        struct describe_topic_partitions_response_partition *to = &answer->partitions[answer->partitions_count++];
        *to = describe_topic_partitions_response_partition_default;
        to->error_code = partition->leader < 0 ? ERROR_LEADER_NOT_AVAILABLE : ERROR_NONE;
        to->index = partition->index;
        to->leader_id = partition->leader;
        to->leader_epoch = partition->leader_epoch;
        to->replica_nodes = partition->replicas;
        to->replica_nodes_count = partition->replica_count;
        if (!put_sets(page->call, partition, to)) return false;
    }
    page->partitions_left -= count;
    if (count < after) {
        page->response.has_next_cursor = true;
        page->response.next_cursor.topic_name = answer->name;
        page->response.next_cursor.partition_index = (int32_t)(first + count);
    }
    return true;
}

static bool put_topic(struct page *page, struct bytes name, int32_t index)
{
    const uint32_t slot = image_topic_by_name(page->call->image, name);
    struct describe_topic_partitions_response_topic *answer = &page->response.topics[page->response.topics_count++];

    *answer = describe_topic_partitions_response_topic_default;
    answer->name = name;
    if (slot == SLOT_NONE) {
        answer->error_code =
            topic_name_is_valid(name) ? ERROR_UNKNOWN_TOPIC_OR_PARTITION : ERROR_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    answer->topic_id = image_topic(page->call->image, slot)->id;
    answer->is_internal = image_topic(page->call->image, slot)->internal;
    answer->authorized_operations = TOPIC_OPERATIONS;
    return put_partitions(page, slot, index, answer);
}

enum call_verdict describe_topic_partitions_handle(struct call *call)
{
    struct describe_topic_partitions_request request;
    struct reader reader = reader_of(call->body);
    struct page page = { .call = call, .response = describe_topic_partitions_response_default };
    uint32_t count;

    if (!describe_topic_partitions_request_read(&reader, call->version, call->arena, &request)) return CALL_MALFORMED;
    const struct bytes *names = wanted_names(call, &request, &count);
    page.response.topics = arena_take(call->arena, count, sizeof *page.response.topics);
    if (names == NULL || page.response.topics == NULL) return CALL_MALFORMED;
    page.partitions_left = (uint32_t)MIN(MAX(request.response_partition_limit, 1), (int32_t)PAGE_PARTITIONS_MAX);

    for (uint32_t i = 0; i < count && !page.response.has_next_cursor; i++) {
        const int order = request.has_cursor ? compare_names(names[i], request.cursor.topic_name) : 1;
        if (order < 0 || (i > 0 && bytes_equal(names[i], names[i - 1]))) continue;
        if (page.partitions_left == 0) {
            page.response.has_next_cursor = true;
            page.response.next_cursor.topic_name = names[i];
            page.response.next_cursor.partition_index = 0;
        } else if (!put_topic(&page, names[i], order == 0 ? request.cursor.partition_index : 0)) {
            return CALL_MALFORMED;
        }
    }
    describe_topic_partitions_response_write(call->out, call->version, &page.response);
    return CALL_ANSWERED;
}
