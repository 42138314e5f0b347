/* Segments, offset indexes, time indexes and leader epochs, byte by byte as Apache Kafka 3.9.1 wrote them for the same
 * batches under the same settings: tests/golden/segments.py says how.
 *
 * The batches come out of Kafka's own files, with what a leader stamps taken off. Between the two lives both stop and
 * start again: a new leader epoch. */
#include "log_calm.h"

#include <stdlib.h>

enum { FILE_MAX = 8192, SEGMENTS = 6 };

static const int64_t base_offsets[SEGMENTS] = { 0, 64, 116, 173, 238, 293 };

struct golden {
    uint8_t bytes[FILE_MAX];
    uint32_t size;
};

static void golden_read(const char *name, struct golden *golden)
{
    char path[128];

    snprintf(path, sizeof path, "tests/golden/segments/%s", name);
    FILE *file = fopen(path, "rb");
    golden->size = 0;
    EXPECT("tests run in the repository's top directory", file != NULL);
    if (file == NULL) return;
    golden->size = (uint32_t)fread(golden->bytes, 1, FILE_MAX, file);
    EXPECT("the file fits", golden->size < FILE_MAX);
    fclose(file);
}

static void golden_of_segment(uint32_t number, const char *end, struct golden *golden)
{
    char name[64];

    snprintf(name, sizeof name, "%020lld%s", (long long)base_offsets[number], end);
    golden_read(name, golden);
}

/* As a producer sent it: the offset and the epoch are the leader's to stamp, and no checksum covers them. */
static void append(const struct record_batch *batch)
{
    uint8_t sent[FILE_MAX];
    struct record_batch plain;
    struct append_answer answer;

    memcpy(sent, batch->bytes.data, batch->bytes.size);
    store_u64(sent, 0);
    store_u32(sent + 12, UINT32_MAX);
    EXPECT("a batch", record_batch_read((struct bytes){ sent, batch->bytes.size }, &plain) == RECORD_BATCH_WHOLE);
    EXPECT_EQ("it is taken", APPEND_OK,
              logs_append(world.logs, 0, &plain, batch->leader_epoch, -1, world.wall_ms, &answer));
    EXPECT_EQ("at the same offset", batch->base_offset, answer.base_offset);
    world_keep(&world, 0, &plain, &answer, batch->leader_epoch);
    world_rest(&world);
}

static void append_all(void)
{
    struct golden golden;
    struct record_batch batch;
    int32_t epoch = 0;

    for (uint32_t number = 0; number < SEGMENTS; number++) {
        golden_of_segment(number, ".log", &golden);
        for (uint32_t at = 0; at < golden.size; at += batch.bytes.size) {
            const struct bytes rest = { golden.bytes + at, golden.size - at };
            if (record_batch_read(rest, &batch) != RECORD_BATCH_WHOLE) {
                EXPECT("Kafka's segments are whole batches", false);
                return;
            }
            if (batch.leader_epoch != epoch) {
                world_stop(&world);
                restart();
            }
            epoch = batch.leader_epoch;
            append(&batch);
        }
    }
    world_stop(&world);
}

static void make(void)
{
    world_why = "golden";
    world_init(&world, 1);
    world.rules.segment_size = 6000;
    world.rules.index_interval_size = 700;
    world.rules.segment_index_size = 4096;
    world.rules.segment_ms = INT64_MAX;
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    world_create_log(&world, 0);
    append_all();
}

static void judge_epochs(void)
{
    struct golden golden;
    char text[256], *at = text;
    const struct log *log = &world.logs->logs[0];
    uint32_t count = 0;

    while (epochs_at(&world.logs->epochs, &log->epochs, count) != NULL) count++;
    at += snprintf(at, sizeof text, "0\n%u\n", count);
    for (uint32_t age = count; age > 0; age--) {
        const struct epoch *epoch = epochs_at(&world.logs->epochs, &log->epochs, age - 1);
        at +=
            snprintf(at, (size_t)(text + sizeof text - at), "%d %lld\n", epoch->epoch, (long long)epoch->start_offset);
    }
    golden_read("leader-epoch-checkpoint", &golden);
    golden.bytes[golden.size] = 0;
    EXPECT_TEXT("each epoch begins where it began", (const char *)golden.bytes, text);
}

TEST(segments_are_kafkas_byte_by_byte)
{
    static const char *const ends[SEGMENT_FILES] = { ".log", ".index", ".timeindex" };
    struct golden golden;
    uint32_t number = 0;

    make();
    const struct log *log = &world.logs->logs[0];
    for (uint32_t at = log->first_segment; at != SEGMENT_NONE; at = world.logs->segments[at].next, number++) {
        const struct segment *segment = &world.logs->segments[at];
        if (number >= SEGMENTS) break;
        EXPECT_EQ("it is rolled at the same offset", base_offsets[number], segment->base_offset);
        for (uint32_t file = 0; file < SEGMENT_FILES; file++) {
            const struct disk_inode *inode = world_file(&world, segment, (enum segment_file)file);
            golden_of_segment(number, ends[file], &golden);
            /* A stop closes Kafka's segments: the last one gets an entry for what it has. Ours go on after a start. */
            if (number == SEGMENTS - 1 && file == SEGMENT_TIME_INDEX) golden.size -= TIME_INDEX_ENTRY_SIZE;
            EXPECT_BYTES(ends[file], golden.bytes, golden.size, inode->now, inode->now_size);
        }
    }
    EXPECT_EQ("as many segments", SEGMENTS, number);
    judge_epochs();
    world_free(&world);
}
