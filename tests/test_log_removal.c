/* What leaves the disk, and what must not: files that were to go, and files that have their names. */
#include "log_calm.h"

TEST(logs_delete_is_final)
{
    begin("a deleted log");
    append_some(500);
    char directory[PATH_SIZE_MAX], topic[PATH_SIZE_MAX];
    disk_parent(path_of_first(SEGMENT_LOG), directory);
    EXPECT("it has a directory", disk_inode_of(&world.disk, directory) != 0);
    world_delete_log(0);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("which goes with all that is in it", 0, disk_inode_of(&world.disk, directory));
    disk_parent(directory, topic);
    EXPECT_EQ("and its topic's, since that was the last partition", 0, disk_inode_of(&world.disk, topic));
    world_create_log(&world, 0);
    EXPECT_EQ("a new one begins at zero", 0, log_offsets(world.logs, 0).log_end_offset);
    world.appends = 0;
    append_some(50);
    restart();
    world_judge(&world);
    world_free(&world);
}

/* A file that goes later has the name of one that comes sooner. */
static const struct rebirth_row {
    const char *why;
    uint64_t delay_ms, due_ms; /* of files below the log's start; and when it begins anew */
} rebirth_rows[] = {
    { "they wait for their time", 60000, 0 },
    { "their time has come", 60000, 60000 },
    { "they are being unlinked", 0, 0 },
};

TEST(logs_begin_anew_beside_files_that_were_to_go)
{
    FOR_EACH(rebirth_row, row, rebirth_rows) {
        begin(row->why);
        world.kept[0].replicated = true;
        world.rules.segment_size = 4000;
        world.rules.file_delete_delay_ms = (int64_t)row->delay_ms;
        logs_set_rules(world.logs, 0, &world.rules);
        logs_set_replicated(world.logs, 0, true);
        append_some(300);
        world_rest(&world);
        const int64_t end_offset = log_offsets(world.logs, 0).log_end_offset;
        logs_set_high_watermark(world.logs, 0, end_offset);
        world.kept[0].high_watermark = world.kept[0].start_asked = end_offset;
        WORLD_CHECK(logs_advance_start(world.logs, 0, end_offset) != 0);
        while (world.logs->logs[0].first_segment != SEGMENT_NONE) {
            world_commit(&world);
            world_settle(&world);
            if (world.logs->logs[0].first_segment != SEGMENT_NONE) WORLD_CHECK(world_answer(&world));
        }
        world_pass(&world, row->due_ms * NS_PER_MS);
        logs_reset(world.logs, 0, 0);
        world.kept[0].cutting = world.kept[0].cut_all = true;
        world.kept[0].cut_offset = 0;
        while (world.kept[0].cutting) {
            world_commit(&world);
            world_settle(&world);
            if (world.kept[0].cutting) WORLD_CHECK(world_answer(&world));
        }
        append_some((uint32_t)world.appends + 50);
        world_rest(&world);
        append_some((uint32_t)world.appends + 50);
        world_pass(&world, 61 * NS_PER_SECOND);
        world_commit(&world);
        world_rest(&world);
        world_judge_files(&world);
        world_judge_bytes(&world, 0);
        append_some((uint32_t)world.appends + 50);
        world_rest(&world);
        world_judge_files(&world);
        restart();
        world_judge(&world);
        world_free(&world);
    }
}

/* Nobody waits for the record of an epoch's begin: so it goes with the first batch of that epoch, or soon by itself. */
TEST(an_epoch_begins_with_the_round_of_its_first_batch)
{
    uint8_t memory[BATCH_MAX];
    struct record_batch batch;
    struct append_answer answer;

    begin("epochs");
    world_rest(&world);
    const uint64_t with_batch = logs_begin_epoch(world.logs, 0, 4);
    world_commit(&world);
    EXPECT_EQ("it waits", 0, world.disk.order_count);
    EXPECT("not for ever", logs_deadline_ns(world.logs) <= world.mono_ns + 20 * NS_PER_MS);
    const struct bytes bytes = world_build(&world, memory, -1, 0, -1, 4);
    WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    WORLD_CHECK(logs_append(world.logs, 0, &batch, 4, -1, world.wall_ms, &answer) == APPEND_OK);
    world_keep(&world, 0, &batch, &answer, 4);
    world_commit(&world);
    EXPECT_EQ("one write and one sync for both", 2, world.disk.order_count);
    world_rest(&world);
    EXPECT("both are durable", logs_is_durable(world.logs, with_batch));
    EXPECT_EQ("with one round", with_batch, journal_last_sequence(world.logs->journal));

    const uint64_t alone = logs_begin_epoch(world.logs, 0, 5);
    world_commit(&world);
    EXPECT_EQ("it waits again", 0, world.disk.order_count);
    world_pass(&world, 20 * NS_PER_MS);
    world_commit(&world);
    EXPECT_EQ("and goes alone", 2, world.disk.order_count);
    world_rest(&world);
    EXPECT("it is durable", logs_is_durable(world.logs, alone));
    world_free(&world);
}

/* The replica begins its second life, at once. */
static void give_back(void)
{
    struct kept_log *kept = &world.kept[0];

    kept->open = kept->replicated = true;
    world_open_log(&world, 0);
    logs_reset(world.logs, 0, 0);
    for (uint32_t i = 0; i < kept->count; i++) free(kept->batches[i].bytes);
    kept->count = 0;
    kept->durable_offset = kept->start_seen = kept->start_asked = kept->high_watermark = 0;
    kept->cutting = kept->cut_all = true;
    kept->cut_offset = 0;
    while (kept->cutting) {
        world_commit(&world);
        world_settle(&world);
        if (kept->cutting) WORLD_CHECK(world_answer(&world));
    }
    for (uint32_t i = 0; i < 20; i++) world_append_as(&world, 0, -1);
    world_commit(&world);
    world_rest(&world);
}

/* A replica that was taken away while its node was down: its topic is here, it is not. Or it is given back, while its
 * files are looked at, or unlinked, or gone. */
TEST(logs_leave_nothing_of_replicas_that_were_taken_away)
{
    for (uint32_t answers = 0; answers < 60; answers++) {
        const bool given_back = answers > 0;
        char path[PATH_SIZE_MAX], directory[PATH_SIZE_MAX];
        begin("a replica that was taken away");
        world_create_log(&world, 1);
        append_some(600);
        world_append_as(&world, 1, -1);
        world_stop(&world);
        strcpy(path, path_of_first(SEGMENT_LOG));
        disk_parent(path, directory);
        const uint64_t size = world.disk.inodes[disk_inode_of(&world.disk, path)].now_size;
        world.kept[0].open = false;
        restart();
        for (uint32_t i = 1; i < answers; i++) {
            world_answer(&world);
            world_commit(&world);
        }
        if (given_back) {
            give_back();
            const struct log *log = &world.logs->logs[0];
            EXPECT("it has less", world.logs->segments[log->first_segment].written.size < size);
        }
        world_rest(&world);
        EXPECT_EQ("its files are gone if it is", given_back, disk_inode_of(&world.disk, directory) != 0);
        world_judge_files(&world);
        restart();
        world_judge(&world);
        world_free(&world);
    }
}
