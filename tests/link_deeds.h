/* link_deeds.h -- what a client does with a link, for the tests of links: requests put on it, answers taken from it. */
#ifndef CHRONIK_TESTS_LINK_DEEDS_H
#define CHRONIK_TESTS_LINK_DEEDS_H

#include "broker_world.h"

static inline struct bytes versions_frame(int32_t correlation_id)
{
    struct frame_out frame = frame_begin(API_API_VERSIONS, 3, correlation_id);
    const struct api_versions_request request = { text_of("tests"), text_of("1.0") };

    api_versions_request_write(&frame.writer, 3, &request);
    return frame_end(&frame);
}

static inline void expect_versions(const char *why, struct world *world, uint32_t link, int32_t correlation_id)
{
    struct api_versions_response response;

    WORLD_GET(why, world, link, API_API_VERSIONS, api_versions, 3, correlation_id, &response);
    EXPECT_EQ(why, ERROR_NONE, response.error_code);
}

static inline void put_produce(struct world *world, uint32_t link, int32_t correlation_id, int16_t acks,
                               int32_t partition, uint32_t value_size)
{
    static uint8_t memory[2 << 20];
    struct produce_request_partition partitions = {
        .index = partition,
        .records = batch_of(memory, sizeof memory, &(struct batch_spec){ .value_size = value_size }),
    };
    struct produce_request_topic topics = { text_of("t"), &partitions, 1 };
    const struct produce_request request = { .acks = acks, .timeout_ms = 5000, .topics = &topics, .topics_count = 1 };

    WORLD_PUT(world, link, API_PRODUCE, produce, 7, correlation_id, &request);
}

static inline int64_t get_produce(const char *why, struct world *world, uint32_t link, int32_t correlation_id,
                                  int16_t error)
{
    struct produce_response response;

    WORLD_GET(why, world, link, API_PRODUCE, produce, 7, correlation_id, &response);
    EXPECT_EQ(why, 1, response.topics_count);
    if (response.topics_count != 1) return -1;
    EXPECT_EQ(why, error, response.topics[0].partitions[0].error_code);
    return response.topics[0].partitions[0].base_offset;
}

static inline void put_fetch(struct world *world, uint32_t link, int32_t correlation_id, int64_t offset,
                             int32_t max_wait_ms)
{
    struct fetch_request_partition partition = fetch_request_partition_default;
    struct fetch_request_topic topic = { .name = text_of("t"), .partitions = &partition, .partitions_count = 1 };
    struct fetch_request request = fetch_request_default;

    partition.fetch_offset = offset;
    partition.partition_max_bytes = 1 << 20;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 1 << 20;
    request.topics = &topic;
    request.topics_count = 1;
    WORLD_PUT(world, link, API_FETCH, fetch, 11, correlation_id, &request);
}

static inline uint32_t get_fetch(const char *why, struct world *world, uint32_t link, int32_t correlation_id)
{
    struct fetch_response response;

    WORLD_GET(why, world, link, API_FETCH, fetch, 11, correlation_id, &response);
    return response.topics_count == 1 ? response.topics[0].partitions[0].records.size : 0;
}

#endif
