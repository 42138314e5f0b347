#include "codec/api.h"
#include "codec/messages.h"
#include "t.h"

/* A produce request as kcat's bytes would have it, version 3 and 9, one partition. */
TEST(produce_round_trip)
{
    _Alignas(8) uint8_t memory[4096];
    uint8_t wire[512];
    struct arena arena;
    struct produce_request_partition partition = { .index = 7, .records = BYTES_LITERAL("not looked into") };
    struct produce_request_topic topic = { BYTES_LITERAL("t"), &partition, 1 };
    struct produce_request request = { .acks = -1, .timeout_ms = 30000, .topics = &topic, .topics_count = 1 };

    arena_init(&arena, memory, sizeof memory);
    for (int16_t version = 3; version <= 11; version++) {
        struct produce_request back;
        struct writer writer = writer_of(wire, sizeof wire);
        produce_request_write(&writer, version, &request);
        EXPECT("it fits", writer_ok(&writer));
        struct reader reader = reader_of(writer_written(&writer));
        arena_reset(&arena);
        EXPECT("what was written is read", produce_request_read(&reader, version, &arena, &back));
        EXPECT_EQ("all of it", 0, reader_left(&reader));
        EXPECT("null stays null", back.transactional_id.data == NULL);
        EXPECT_EQ("one topic", 1, back.topics_count);
        EXPECT_EQ("one partition", 7, back.topics[0].partitions[0].index);
        EXPECT_BYTES("records by reference", "not looked into", 15, back.topics[0].partitions[0].records.data,
                     back.topics[0].partitions[0].records.size);
    }
}
