/* A log is compacted: what is left, which files it lies in, and what a crash at any moment makes of it. */
#include "log/learn.h"
#include "log_files.h"

static struct world world;

static void set_rules(void)
{
    struct log_rules rules = world.rules;

    rules.compacts = true;
    logs_set_rules(world.logs, 0, &rules);
}

#define MINUTES_NS (600 * (uint64_t)NS_PER_SECOND)

/* A world with one log that is compacted; nothing of it lies in a segment yet. */
static void begin(const char *why)
{
    world_why = why;
    world_init(&world, 1);
    world.rules.segment_size = 3000;
    world.keys_max = 10;
    world.rules.min_cleanable_dirty_ratio = 0;
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    world_create_log(&world, 0);
    logs_delete(world.logs, 0);
    world.kept[0].compacts = true;
    world.kept[0].topic_id.bytes[15] = 9;
    world_open_log(&world, 0);
    set_rules();
}

/* A batch of one record. */
static void put_as(int64_t producer_id, int32_t sequence, const char *key, const char *value, uint32_t value_size)
{
    static uint8_t memory[BATCH_MAX];
    struct record_batch_builder builder;
    struct record_batch batch;
    struct append_answer answer;
    const struct record_input record = {
        .timestamp = world.wall_ms,
        .key = { (const uint8_t *)key, (uint32_t)strlen(key) },
        .value = { (const uint8_t *)value, value_size },
    };

    record_batch_builder_init(&builder, memory, sizeof memory);
    builder.batch.producer_id = producer_id;
    builder.batch.producer_epoch = producer_id >= 0 ? 0 : -1;
    builder.batch.base_sequence = sequence;
    WORLD_CHECK(record_batch_builder_add(&builder, &record));
    WORLD_CHECK(record_batch_read(record_batch_builder_end(&builder), &batch) == RECORD_BATCH_WHOLE);
    for (uint32_t tries = 0; logs_append(world.logs, 0, &batch, 0, -1, world.wall_ms, &answer) != APPEND_OK; tries++) {
        WORLD_CHECK(tries < 1000);
        if (!world_answer(&world)) world_commit(&world);
        world_settle(&world);
    }
    world_keep(&world, 0, &batch, &answer, 0);
    world_commit(&world);
    world_settle(&world);
}

static void put(const char *key, const char *value)
{
    static char large[1000];

    put_as(-1, -1, key, value == NULL ? NULL : large, value == NULL ? 0 : (uint32_t)sizeof large);
}

/* So many records that the segments before them are closed. */
static void put_fillers(uint32_t count)
{
    while (count-- > 0) put("filler", "");
}

static struct log *the_log(void)
{
    return &world.logs->logs[0];
}

/* How often a key is there below the log's high watermark: what a consumer reads who begins anew. */
static uint32_t count_of(const char *key, bool tombstones)
{
    const int64_t end = log_offsets(world.logs, 0).high_watermark;
    uint32_t count = 0;

    world_judge_bytes(&world, 0); /* all of it may be so */
    for (uint32_t at = the_log()->first_segment; at != SEGMENT_NONE; at = world.logs->segments[at].next) {
        const struct disk_inode *file = world_file(&world, &world.logs->segments[at], SEGMENT_LOG);
        struct record_batch batch;
        for (uint64_t position = 0; position < file->now_size; position += batch.bytes.size) {
            const struct bytes bytes = { file->now + position, (uint32_t)(file->now_size - position) };
            struct record_iterator iterator;
            struct record record;
            WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
            if (record_batch_last_offset(&batch) >= end) return count;
            record_iterator_init(&iterator, &batch, record_batch_payload(&batch));
            while (record_iterator_next(&iterator, &record) == RECORD_NEXT) {
                const bool same =
                    bytes_equal(record.key, (struct bytes){ (const uint8_t *)key, (uint32_t)strlen(key) });
                count += same && (record.value.data == NULL) == tombstones;
            }
        }
    }
    return count;
}

static uint32_t files_of_the_log(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world.disk.name_count; i++) count += strstr(world.disk.names[i].path, ".log") != NULL;
    return count;
}

/* ---- one thing at a time ---- */

TEST(compaction_leaves_the_last_of_each_key)
{
    begin("keys that are written again");
    for (uint32_t i = 0; i < 10; i++) {
        put("a", "");
        put("b", "");
    }
    put_fillers(3);
    world_rest(&world);
    const struct compaction_usage usage = logs_compaction_usage(world.logs);
    EXPECT("it ran", usage.runs > 0 && usage.failures == 0);
    EXPECT_EQ("one a", 1, count_of("a", false));
    EXPECT_EQ("one b", 1, count_of("b", false));
    EXPECT("less is left than there was", usage.bytes_after < usage.bytes_before);
    put_fillers(9);
    world_rest(&world);
    EXPECT("segments that became small become one", the_log()->segment_count <= 4);
    world_judge_files(&world);
    logs_check(world.logs);
    const int64_t end = log_offsets(world.logs, 0).log_end_offset;
    world_stop(&world);
    disk_crash(&world.disk, false);
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    EXPECT_EQ("the same after a restart", 1, count_of("a", false));
    EXPECT_EQ("offsets go on", end, log_offsets(world.logs, 0).log_end_offset);
    world_rest(&world);
    EXPECT_EQ("files of no segment are gone", the_log()->segment_count, files_of_the_log());
    EXPECT_EQ("what was compacted is not looked at again", 0, logs_compaction_usage(world.logs).runs);
    world_free(&world);
}

TEST(compaction_keeps_a_tombstone_for_as_long_as_it_was_told)
{
    begin("a key that is deleted");
    world.rules.delete_retention_ms = 3600 * 1000;
    set_rules();
    put("a", "");
    put("a", NULL);
    put_fillers(6);
    world_rest(&world);
    EXPECT_EQ("its value is gone", 0, count_of("a", false));
    EXPECT_EQ("that it was deleted is still said", 1, count_of("a", true));
    world_pass(&world, 1800 * NS_PER_SECOND);
    put_fillers(6);
    world_rest(&world);
    EXPECT_EQ("as long as anybody may have read the value", 1, count_of("a", true));
    world_pass(&world, 3600 * NS_PER_SECOND);
    put_fillers(6);
    world_rest(&world);
    EXPECT_EQ("and then not any more", 0, count_of("a", true));
    world_free(&world);
}

static const struct lag_row {
    const char *why;
    int64_t min_ms, max_ms;
    uint32_t ratio;
    uint32_t dirty; /* segments that are new, behind about one that is compacted */
    bool runs;
} lag_rows[] = {
    { "all that can be is", 0, INT64_MAX, 0, 3, true },
    { "what is younger than the least lag waits", 5000, INT64_MAX, 0, 3, false },
    { "so little is not worth while", 0, INT64_MAX, DIRTY_RATIO_ONE, 3, false },
    { "but a record must not wait for ever", 0, 1, DIRTY_RATIO_ONE, 3, true },
    { "half of it is enough", 0, INT64_MAX, DIRTY_RATIO_ONE / 2, 3, true },
};

TEST(compaction_runs_when_it_is_worth_while)
{
    FOR_EACH(lag_row, row, lag_rows) {
        begin(row->why);
        put("a", "");
        put_fillers(6);
        world_rest(&world);
        const uint64_t runs = logs_compaction_usage(world.logs).runs;
        EXPECT("what is there is compacted", runs > 0);
        world.rules.min_compaction_lag_ms = row->min_ms;
        world.rules.max_compaction_lag_ms = row->max_ms;
        world.rules.min_cleanable_dirty_ratio = row->ratio;
        set_rules();
        put_fillers(3 * row->dirty);
        for (uint32_t i = 0; i < 200; i++) {
            world_pass(&world, 5 * NS_PER_MS);
            if (!world_answer(&world)) world_commit(&world);
            world_settle(&world);
        }
        EXPECT_EQ(row->why, row->runs, logs_compaction_usage(world.logs).runs > runs);
        world_free(&world);
    }
}

static const struct pace_row {
    const char *why;
    uint64_t rate;
} pace_rows[] = {
    { "an old disk", 1000000 },
    { "hardly any at all", 20000 },
};

/* Bytes that were read and written, at each moment, beside those that time has brought. */
TEST(compaction_reads_and_writes_no_more_than_it_may)
{
    FOR_EACH(pace_row, row, pace_rows) {
        begin(row->why);
        world.rules.segment_size = 1 << 20;
        set_rules();
        put_fillers(900);
        world.rules.segment_size = 3000; /* what is there is closed, and so large that it takes several reads */
        set_rules();
        put_fillers(6);
        logs_set_compaction_rate(world.logs, row->rate);
        const struct compaction_usage before = logs_compaction_usage(world.logs);
        const uint64_t piece_max = COMPACTION_READ_SIZE + COMPACTION_WRITE_SIZE + 64 * 1024;
        const uint64_t begun_ns = world.mono_ns;
        uint64_t most = 0, allowed = 0, moved = 0;
        while (logs_compaction_usage(world.logs).runs == before.runs && world.mono_ns - begun_ns < MINUTES_NS) {
            world_pass(&world, 5 * NS_PER_MS);
            if (!world_answer(&world)) world_commit(&world);
            world_settle(&world);
            const struct compaction_usage usage = logs_compaction_usage(world.logs);
            moved = usage.bytes_read + usage.bytes_written - before.bytes_read - before.bytes_written;
            allowed = (world.mono_ns - begun_ns) / NS_PER_MS * row->rate / 1000 + piece_max;
            most = MAX(most, moved > allowed ? moved - allowed : 0);
        }
        EXPECT_EQ("never more than that", 0, most);
        EXPECT_EQ("and yet it comes to its end", before.runs + 1, logs_compaction_usage(world.logs).runs);
        EXPECT("which takes several pieces", moved > 2 * piece_max);
        world_free(&world);
    }
}

TEST(compaction_that_waits_takes_a_new_pace_at_once)
{
    begin("somebody set it to next to nothing");
    logs_set_compaction_rate(world.logs, 1);
    put("a", "");
    put_fillers(6);
    const uint64_t begun_ns = world.mono_ns;
    while (logs_deadline_ns(world.logs) < begun_ns + MINUTES_NS) {
        world_pass(&world, 5 * NS_PER_MS);
        if (!world_answer(&world)) world_commit(&world);
        world_settle(&world);
        if (world.mono_ns - begun_ns > NS_PER_SECOND) break;
    }
    EXPECT_EQ("it waits", 0, logs_compaction_usage(world.logs).runs);
    logs_set_compaction_rate(world.logs, 0);
    world_rest(&world);
    EXPECT("it does not any more", logs_compaction_usage(world.logs).runs > 0);
    world_free(&world);
}

TEST(compaction_never_looks_at_what_is_not_committed)
{
    begin("a follower is slow");
    world.kept[0].replicated = true;
    logs_set_replicated(world.logs, 0, true);
    put("a", "");
    put("a", "");
    put_fillers(9);
    for (uint32_t i = 0; i < 300; i++) {
        world_pass(&world, 10 * NS_PER_MS);
        if (!world_answer(&world)) world_commit(&world);
        world_settle(&world);
    }
    EXPECT_EQ("nothing is", 0, logs_compaction_usage(world.logs).runs);
    world.kept[0].high_watermark = log_offsets(world.logs, 0).log_end_offset;
    logs_set_high_watermark(world.logs, 0, world.kept[0].high_watermark);
    world_rest(&world);
    EXPECT("now all is", logs_compaction_usage(world.logs).runs > 0);
    EXPECT_EQ("one a", 1, count_of("a", false));
    world_free(&world);
}

/* Whoever wrote last may ask again for what it wrote, whatever became of its records. */
TEST(compaction_remembers_producers)
{
    struct producer_batch known;

    begin("a producer whose records are all written over");
    world.kept[0].replicated = true;
    logs_set_replicated(world.logs, 0, true);
    for (int32_t i = 0; i < 30; i++) put_as(7, i, "a", "x", 1);
    put_fillers(8);
    world.kept[0].high_watermark = log_offsets(world.logs, 0).log_end_offset;
    logs_set_high_watermark(world.logs, 0, world.kept[0].high_watermark);
    put_as(7, 30, "a", "y", 1); /* is never committed, and lost again */
    world_rest(&world);
    EXPECT_EQ("its records are gone, but the last one", 1, count_of("a", false));
    learn_begin(world.logs, 0); /* what it did is known from the log alone */
    world_commit(&world);
    world_rest(&world);
    for (int32_t i = 26; i <= 30; i++) {
        const struct producer_stamp stamp = { 7, 0, i, 1 };
        EXPECT_EQ("its last five batches are known", PRODUCER_DUPLICATE,
                  producers_judge(&world.logs->producers, 0, &stamp, world.wall_ms, &known));
        EXPECT_EQ("by their offsets", i < 30 ? i : 38, known.base_offset);
    }
    const struct producer_stamp next = { 7, 0, 31, 1 }, gap = { 7, 0, 32, 1 };
    EXPECT_EQ("it goes on", PRODUCER_NEXT, producers_judge(&world.logs->producers, 0, &next, world.wall_ms, &known));
    EXPECT_EQ("without a gap", PRODUCER_OUT_OF_ORDER,
              producers_judge(&world.logs->producers, 0, &gap, world.wall_ms, &known));
    world_free(&world);
}

TEST(compaction_does_in_parts_what_no_map_holds)
{
    char key[16];

    begin("more keys than the map has room for");
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            snprintf(key, sizeof key, "k%u", i);
            put(key, "");
        }
    }
    put_fillers(3);
    world_rest(&world);
    const struct compaction_usage usage = logs_compaction_usage(world.logs);
    EXPECT("several runs", usage.runs > 3 && usage.failures == 0);
    for (uint32_t i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%u", i);
        EXPECT_EQ("each key is there once", 1, count_of(key, false));
    }
    world_free(&world);
}

static const struct trouble_row {
    const char *why;
    enum trouble { FLIPPED_BATCH, NO_FILE, DISK_IS_FULL } trouble;
    bool is_for_good; /* of its segment */
} trouble_rows[] = {
    { "a batch that is not what was written", FLIPPED_BATCH, true },
    { "a file that cannot be read", NO_FILE, true },
    { "a disk without room", DISK_IS_FULL, false },
};

/* Nothing is lost, and nothing else stands still. */
TEST(compaction_gives_up)
{
    FOR_EACH(trouble_row, row, trouble_rows) {
        begin(row->why);
        struct log_rules rules = world.rules; /* not compacted yet */
        logs_set_rules(world.logs, 0, &rules);
        put("a", "");
        put("a", "");
        put_fillers(9);
        world_rest(&world);
        char path[PATH_SIZE_MAX];
        segment_path(world.logs, &world.logs->segments[the_log()->first_segment], SEGMENT_LOG, path);
        const uint32_t inode = disk_inode_of(&world.disk, path);
        const uint32_t names = world.disk.name_count;
        if (row->trouble == FLIPPED_BATCH) world.disk.inodes[inode].now[100] ^= 1;
        if (row->trouble == NO_FILE) disk_set(world.disk.names, &world.disk.name_count, path, 0);
        world.disk.full = row->trouble == DISK_IS_FULL;
        set_rules();
        for (uint32_t i = 0; i < 100; i++) {
            world_pass(&world, 5 * NS_PER_MS);
            if (!world_answer(&world)) world_commit(&world);
        }
        const struct compaction_usage usage = logs_compaction_usage(world.logs);
        EXPECT(row->why, usage.failures > 0 && !world.halted);
        EXPECT_EQ("the rest is compacted", row->is_for_good, usage.runs > 0);
        EXPECT_EQ("it is known", row->is_for_good, usage.uncleanable == 1);
        if (row->is_for_good) EXPECT_EQ("once is enough", 1, usage.failures);
        if (row->trouble == FLIPPED_BATCH) world.disk.inodes[inode].now[100] ^= 1;
        if (row->trouble == NO_FILE) disk_set(world.disk.names, &world.disk.name_count, path, inode);
        world.disk.full = false;
        world_pass(&world, 2 * NS_PER_SECOND);
        world_commit(&world);
        world_rest(&world);
        EXPECT("nothing of it is left", world.disk.name_count < names);
        EXPECT_EQ("what can be done is done", row->is_for_good ? 2 : 1, count_of("a", false));
        world_free(&world);
    }
}

/* What a tombstone deletes may lie where nobody can look. */
TEST(compaction_keeps_tombstones_behind_what_it_passes_over)
{
    begin("a segment that cannot be read");
    struct log_rules rules = world.rules;
    logs_set_rules(world.logs, 0, &rules); /* not compacted yet */
    put("a", "");
    put_fillers(6);
    put("a", NULL);
    put("b", NULL);
    put_fillers(6);
    world_rest(&world);
    char path[PATH_SIZE_MAX];
    segment_path(world.logs, &world.logs->segments[the_log()->first_segment], SEGMENT_LOG, path);
    const uint32_t inode = disk_inode_of(&world.disk, path);
    world.disk.inodes[inode].now[100] ^= 1;
    set_rules();
    for (uint32_t i = 0; i < 3; i++) {
        world_rest(&world);
        world_pass(&world, 50 * 3600 * NS_PER_SECOND);
        put_fillers(6);
    }
    world_rest(&world);
    world.disk.inodes[inode].now[100] ^= 1;
    EXPECT("it was passed over, and the rest was not", logs_compaction_usage(world.logs).runs > 1);
    EXPECT_EQ("the value is there", 1, count_of("a", false));
    EXPECT_EQ("and so is what says that it was deleted", 1, count_of("a", true));
    EXPECT_EQ("of that one nobody can tell", 1, count_of("b", true));

    /* The next life can read it again. */
    world_stop(&world);
    disk_crash(&world.disk, false);
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    set_rules();
    for (uint32_t i = 0; i < 4; i++) {
        world_rest(&world);
        put_fillers(6);
        world_rest(&world);
        world_pass(&world, 50 * 3600 * NS_PER_SECOND);
    }
    world_rest(&world);
    EXPECT_EQ("what was deleted stays deleted", 0, count_of("a", false));
    EXPECT_EQ("and nothing is left of that", 0, count_of("a", true));
    world_free(&world);
}

TEST(compaction_leaves_what_is_too_large)
{
    begin("there is no memory for what would be written");
    world.logs->compaction.memory.kept_size = RECORD_BATCH_HEAD_SIZE;
    put("a", "");
    put("a", NULL);
    put_fillers(9);
    for (uint32_t i = 0; i < 3; i++) {
        world_rest(&world);
        world_pass(&world, 50 * 3600 * NS_PER_SECOND);
        put_fillers(6);
    }
    world_rest(&world);
    const struct compaction_usage usage = logs_compaction_usage(world.logs);
    EXPECT("the log is compacted", usage.runs > 1 && usage.failures == 0 && usage.uncleanable == 0);
    EXPECT_EQ("a value is gone", 0, count_of("a", false));
    EXPECT_EQ("a batch that would have been written anew is not", 1, count_of("a", true));
    world_free(&world);
}

/* A log is deleted, or cut, while it is compacted. */
TEST(compaction_ends_with_its_log)
{
    for (uint32_t steps = 0; steps < 60; steps += 3) {
        begin("a log is deleted in the middle");
        put("a", "");
        put_fillers(12);
        for (uint32_t i = 0; i < 4000 && world.logs->compaction.state < COMPACTION_MAPPING; i++) {
            world_pass(&world, 5 * NS_PER_MS);
            if (!world_answer(&world)) world_commit(&world);
            world_settle(&world);
        }
        for (uint32_t i = 0; i < steps; i++) world_answer(&world);
        world_unpin_all(&world);
        logs_delete(world.logs, 0);
        world.kept[0].open = false;
        world.life[0]++;
        world_commit(&world);
        world_rest(&world);
        EXPECT_EQ("nothing of it is left", 0, files_of_the_log());
        EXPECT_EQ("no segment is", 0, world.logs->segments_pool.taken_count);
        logs_check(world.logs);
        world_free(&world);
    }
}

/* Whoever looks at the files of a node that has stopped finds segments, and no pieces of any. */
TEST(compaction_leaves_no_piece_of_a_segment)
{
    for (uint32_t steps = 0; steps < 120; steps += 8) {
        begin("a stop in the middle");
        put("a", "");
        put_fillers(12);
        for (uint32_t i = 0; i < 4000 && world.logs->compaction.state < COMPACTION_MAPPING; i++) {
            world_pass(&world, 5 * NS_PER_MS);
            if (!world_answer(&world)) world_commit(&world);
            world_settle(&world);
        }
        for (uint32_t i = 0; i < steps; i++) world_answer(&world);
        world_stop(&world);
        for (uint32_t i = 0; i < world.disk.name_count; i++) {
            const struct disk_inode *file = &world.disk.inodes[world.disk.names[i].inode];
            struct record_batch batch;
            if (strstr(world.disk.names[i].path, ".log") == NULL) continue;
            EXPECT("it has something in it", file->now_size > 0);
            for (uint64_t at = 0; at < file->now_size; at += batch.bytes.size) {
                WORLD_CHECK(record_batch_read((struct bytes){ file->now + at, (uint32_t)(file->now_size - at) },
                                              &batch) == RECORD_BATCH_WHOLE);
            }
        }
        uint32_t known = 0;
        for (uint32_t at = world.logs->replaced_first; at != SEGMENT_NONE; at = world.logs->segments[at].dying_next) {
            known++;
        }
        for (uint32_t at = world.logs->dying_first; at != SEGMENT_NONE; at = world.logs->segments[at].dying_next) {
            known++;
        }
        EXPECT("segments, and what they were made of", files_of_the_log() <= the_log()->segment_count + known + 1);
        world_free(&world);
    }
}

/* At any moment of a compaction the power goes: the log is what it was, or what it became. */
TEST(compaction_survives_a_crash_at_any_moment)
{
    for (uint32_t steps = 0; steps < 400; steps += 9) {
        begin("a crash in the middle");
        prng_init(&world.disk.prng, steps, 2);
        for (uint32_t i = 0; i < 12; i++) put(i % 2 == 0 ? "a" : "b", i == 9 ? NULL : "");
        put_fillers(6);
        for (uint32_t i = 0; i < steps && world.logs->compaction.usage.runs < 2; i++) {
            world_pass(&world, 30 * NS_PER_MS);
            world.logs->checkpoint.wanted |= i % 40 == 7;
            if (!world_answer(&world)) world_commit(&world);
            world_settle(&world);
        }
        const bool all_durable = world.kept[0].durable_offset >= 18;
        disk_crash(&world.disk, true);
        world_boot(&world);
        EXPECT("it comes back", world_recover(&world, UINT64_MAX));
        world_judge(&world);
        world_rest(&world);
        if (all_durable) EXPECT_EQ("one a in the end", 1, count_of("a", false));
        world_judge_files(&world);
        world_free(&world);
    }
}
