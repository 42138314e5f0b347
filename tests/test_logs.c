/* The whole of log/ over a disk that loses what was not synced: nothing acknowledged is ever lost, nothing is invented,
 * and a crash during recovery changes nothing. */
#include "log_calm.h"

/* Memory and journal so small that appends have to wait. */
static void world_config_tight(void)
{
    world.config.tail_memory_size = 128 * 1024;
    world.config.journal_file_size = 32 * 1024;
    world.config.journal_files_max = 3;
}

/* A bit of an index turns over: on a disk that is not ours to trust. Nobody may be told anything wrong for it. */
static void flip_index_bit(void)
{
    const uint32_t at = (uint32_t)world_below(&world, world.disk.name_count);
    const struct disk_name *name = &world.disk.names[at];
    struct disk_inode *node = &world.disk.inodes[name->inode];

    if (strstr(name->path, "index") == NULL || node->now_size == 0) return;
    node->now[world_below(&world, node->now_size)] ^= (uint8_t)(1U << world_below(&world, 8));
    world.flips++;
}

/* The disk has no room, and has it again. */
static void fill_disk(void)
{
    world.disk.full = !world.disk.full;
    world.fills++;
}

static void live(uint64_t steps)
{
    for (uint64_t i = 0; i < steps && !world.halted; i++) {
        const uint64_t what = world_below(&world, 100);
        world_pass(&world, world_below(&world, 3 * NS_PER_MS));
        if (what < 35) world_append(&world);
        else if (what < 55) world_read(&world);
        else if (what == 55 && world_chance(&world, 1, 4)) world_trim(&world);
        else if (what >= 61 && what < 66) world_raise(&world);
        else if (what == 66 && world_chance(&world, 1, 6)) world_truncate(&world);
        else if (what == 56 && world_chance(&world, 1, 20)) logs_retain(world.logs, world.wall_ms);
        else if (what == 57 && world_chance(&world, 1, 30)) world_pass(&world, 2 * NS_PER_SECOND);
        else if (what == 59 && world.faults && world_chance(&world, 1, 20)) flip_index_bit();
        else if (what == 60 && world.faults && world_chance(&world, 1, world.disk.full ? 5 : 60)) fill_disk();
        else if (what == 58 && world_chance(&world, 1, 60)) {
            const uint32_t log = (uint32_t)world_below(&world, WORLD_LOGS);
            if (world.kept[log].open) world_delete_log(log);
            else world_create_log(&world, log);
        } else if (i % 700 < 550 || what % 8 == 0) { /* at times the disk is slow */
            world_answer(&world);
        }
        world_settle(&world);
        world_commit(&world);
        world_settle(&world);
        if (i % 512 == 0) logs_check(world.logs);
    }
}

static void chaos(uint64_t seed, uint32_t lives)
{
    static char why[64];

    snprintf(why, sizeof why, "seed %llu", (unsigned long long)seed);
    world_why = why;
    world_init(&world, seed);
    world.replicates = true;
    world.compacts = world_chance(&world, 2, 3);
    world.keys_max = world_chance(&world, 1, 3) ? 100 : 12;
    world.rules.min_compaction_lag_ms = world_chance(&world, 1, 3) ? 300 : 0;
    if (world_chance(&world, 1, 3)) world_config_tight();
    world.rules.retention_size = world_chance(&world, 1, 2) ? 150000 : -1;
    world.rules.retention_ms = world_chance(&world, 1, 2) ? 20000 : -1;
    world_boot(&world);
    WORLD_CHECK(world_recover(&world, UINT64_MAX));
    for (uint32_t log = 0; log < WORLD_LOGS; log++) world_create_log(&world, log);
    for (uint32_t l = 0; l < lives; l++) {
        /* Recovery is interrupted at any step of it, again and again. */
        while (!world_recover(&world, world_chance(&world, 1, 2) ? world_below(&world, 200) : UINT64_MAX)) {
            WORLD_CHECK(!world.halted);
            disk_crash(&world.disk, world_chance(&world, 1, 2));
            world_boot(&world);
        }
        world_judge(&world);
        world.faults = world_chance(&world, 1, 3);
        live(world_below(&world, 4000));
        WORLD_CHECK(!world.halted);
        world.disk.full = false;
        if (world_chance(&world, 1, 6)) {
            world_rest(&world);
            if (world.flips == 0) world_judge_files(&world);
        } else if (world_chance(&world, 1, 4)) {
            world_stop(&world);
        } else if (world_chance(&world, 1, 2)) { /* crashes that meet truncations */
            for (uint32_t i = 0; i < 10; i++) world_truncate(&world);
            for (uint64_t i = world_below(&world, 20); i > 0; i--) world_answer(&world);
            world_commit(&world);
            world_settle(&world);
        }
        world.compacted += logs_compaction_usage(world.logs).bytes_before;
        WORLD_CHECK(world.flips > 0 || logs_compaction_usage(world.logs).uncleanable == 0);
        disk_crash(&world.disk, world_chance(&world, 2, 3));
        world_boot(&world);
    }
}

TEST(logs_survive_anything)
{
    uint64_t appends = 0, duplicates = 0, refusals = 0, files = 0, reads = 0, file_reads = 0, recoveries = 0, times = 0;
    uint64_t compacted = 0, records_gone = 0, batches_gone = 0, batches_emptied = 0;
    uint64_t copies = 0, bad_copies = 0, cuts = 0, cuts_lost = 0, resets = 0, learnt = 0;
    const char *from = getenv("LOG_SEED"), *count = getenv("LOG_SEEDS");
    const uint64_t first = from == NULL ? 1 : strtoull(from, NULL, 10);
    const uint64_t seeds = count == NULL ? 8 : strtoull(count, NULL, 10);

    /* Beyond the usual ones: those that met bugs which all of them passed by. */
    static const uint64_t others[] = { 18, 280, 694 };
    const uint64_t last = first + seeds + (from == NULL ? COUNT_OF(others) : 0);

    for (uint64_t i = first; i < last; i++) {
        chaos(i < first + seeds ? i : others[i - first - seeds], 12);
        appends += world.appends;
        refusals += world.refusals;
        files += world.files_judged;
        duplicates += world.duplicates;
        reads += world.reads_done;
        file_reads += world.file_reads;
        recoveries += world.recoveries;
        times += world.times_found;
        copies += world.copies;
        bad_copies += world.bad_copies;
        cuts += world.cuts;
        cuts_lost += world.cuts_lost;
        resets += world.resets;
        learnt += world.learnt;
        compacted += world.compacted;
        records_gone += world.records_gone;
        batches_gone += world.batches_gone;
        batches_emptied += world.batches_emptied;
        world_free(&world);
    }
    EXPECT("batches were appended", appends > 1000 * seeds);
    EXPECT("some were repeated", duplicates > 100 * seeds);
    EXPECT("reads were answered", reads > 500 * seeds);
    EXPECT("some from files", file_reads > 100 * seeds);
    EXPECT("some by time", times > 10 * seeds);
    EXPECT("some had to wait", refusals > 5 * seeds);
    EXPECT("files were looked at", files > seeds);
    EXPECT("some were copied", copies > 500 * seeds);
    EXPECT("and bad ones refused", bad_copies > 5 * seeds);
    EXPECT("logs were cut off", cuts > 10 * seeds);
    EXPECT("some in a crash that took it back", cuts_lost > seeds / 4);
    EXPECT("some began anew", resets > seeds);
    EXPECT("some had to look up what producers did", learnt > seeds);
    EXPECT("logs were compacted", compacted > 200000 * seeds);
    EXPECT("records went", records_gone > 1000 * seeds);
    EXPECT("batches of which nothing was left", batches_gone > 100 * seeds);
    EXPECT("heads stayed", batches_emptied > 10 * seeds);
    EXPECT("nodes started again", recoveries > seeds);
}

/* ---- one thing at a time ---- */

static void lose(const char *path)
{
    disk_set(world.disk.names, &world.disk.name_count, path, 0);
    disk_set(world.disk.durable_names, &world.disk.durable_count, path, 0);
}

enum damage {
    DAMAGE_NONE,
    DAMAGE_NO_SEGMENT,
    DAMAGE_SHORT_SEGMENT,
    DAMAGE_LONG_SEGMENT,
    DAMAGE_NO_INDEX,
    DAMAGE_SHORT_INDEX,
    DAMAGE_NO_CHECKPOINT,
    DAMAGE_FLIPPED_CHECKPOINT,
    DAMAGE_SHORT_CHECKPOINT,
    DAMAGE_STRANGE_FILES,
};

static void damage(enum damage kind)
{
    struct disk_inode *checkpoint = &world.disk.inodes[disk_inode_of(&world.disk, CHECKPOINT_PATH)];
    struct disk_inode *segment = &world.disk.inodes[disk_inode_of(&world.disk, path_of_first(SEGMENT_LOG))];
    struct disk_inode *index = &world.disk.inodes[disk_inode_of(&world.disk, path_of_first(SEGMENT_INDEX))];
    char path[PATH_SIZE_MAX];

    switch (kind) {
    case DAMAGE_NONE: break;
    case DAMAGE_NO_SEGMENT: lose(path_of_first(SEGMENT_LOG)); break;
    case DAMAGE_SHORT_SEGMENT: segment->now_size--; break;
    case DAMAGE_LONG_SEGMENT: disk_put(segment, segment->now_size, (const uint8_t *)"more", 4); break;
    case DAMAGE_NO_INDEX:
        lose(path_of_first(SEGMENT_INDEX));
        lose(path_of_first(SEGMENT_TIME_INDEX));
        break;
    case DAMAGE_SHORT_INDEX: index->now_size--; break;
    case DAMAGE_NO_CHECKPOINT: lose(CHECKPOINT_PATH); break;
    case DAMAGE_FLIPPED_CHECKPOINT: checkpoint->now[checkpoint->now_size / 2] ^= 1; break;
    case DAMAGE_SHORT_CHECKPOINT: checkpoint->now_size--; break;
    case DAMAGE_STRANGE_FILES:
        disk_parent(path_of_first(SEGMENT_LOG), path);
        disk_make(&world.disk, strcat(path, "/99999999999999999999.log"), false);
        disk_parent(path_of_first(SEGMENT_LOG), path);
        disk_make(&world.disk, strcat(path, "/00000000000000777777.log"), false);
        disk_make_directories(&world.disk, "wal/gone.AAAAAAAAAAAAAAAAAAAAAQ/3/deeper");
        disk_make(&world.disk, "wal/gone.AAAAAAAAAAAAAAAAAAAAAQ/3/00000000000000000000.log", false);
        break;
    }
}

static const struct damage_row {
    const char *why;
    enum damage damage;
    bool opens;
} damage_rows[] = {
    { "nothing happened", DAMAGE_NONE, true },
    { "a segment that the checkpoint speaks of is not there", DAMAGE_NO_SEGMENT, false },
    { "a segment is shorter than what was durable", DAMAGE_SHORT_SEGMENT, false },
    { "a segment is longer: what is behind was not durable, or is in the journal", DAMAGE_LONG_SEGMENT, true },
    { "an index can be made again", DAMAGE_NO_INDEX, true },
    { "also one that was cut", DAMAGE_SHORT_INDEX, true },
    { "without a checkpoint nobody knows what was durable", DAMAGE_NO_CHECKPOINT, false },
    { "nor with one that is not what was written", DAMAGE_FLIPPED_CHECKPOINT, false },
    { "nor with a part of one", DAMAGE_SHORT_CHECKPOINT, false },
    { "files that belong to nobody are no harm", DAMAGE_STRANGE_FILES, true },
};

TEST(logs_halt_when_something_durable_is_missing)
{
    FOR_EACH(damage_row, row, damage_rows) {
        begin(row->why);
        append_some(900);
        world_stop(&world);
        damage(row->damage);
        restart();
        EXPECT_EQ(row->why, row->opens ? LOGS_OPEN : LOGS_BROKEN, logs_state(world.logs));
        if (!row->opens) EXPECT_EQ(row->why, HALT_CORRUPT, world.halt.reason);
        if (row->opens) {
            world_rest(&world);
            world_judge_files(&world);
            world_judge(&world);
            world_rest(&world);
            world_judge_files(&world);
            EXPECT_EQ(row->why, 0, disk_inode_of(&world.disk, "wal/gone.AAAAAAAAAAAAAAAAAAAAAQ"));
            const uint64_t waited = world.recoveries;
            append_some(world.appends + 100);
            restart();
            world_judge(&world);
            EXPECT_EQ("and goes on", waited + 1, world.recoveries);
        }
        world_free(&world);
    }
}

TEST(logs_make_durable_together_what_comes_in_together)
{
    begin("rounds");
    world_rest(&world);
    for (uint32_t i = 0; i < 3; i++) {
        world_append_as(&world, 0, -1);
        logs_gather(world.logs);
        world_commit(&world);
        EXPECT_EQ("nothing leaves while more may come", 0, world.disk.order_count);
        EXPECT_EQ("which is not for long", 0, logs_deadline_ns(world.logs));
    }
    world_commit(&world);
    EXPECT_EQ("all of it leaves with one write and one sync", 2, world.disk.order_count);
    const uint64_t rounds = logs_usage(world.logs).rounds;
    logs_gather(world.logs);
    world_append_as(&world, 0, -1);
    world_commit(&world);
    EXPECT_EQ("behind a round under way there is nothing to hurry for", 2, world.disk.order_count);
    world_rest(&world);
    EXPECT_EQ("two rounds", rounds + 2, logs_usage(world.logs).rounds);
    for (uint32_t i = 0; i < 200; i++) {
        world_append_as(&world, 0, -1);
        logs_gather(world.logs);
        world_commit(&world);
    }
    EXPECT("much does not wait", world.disk.order_count > 0);
    world_rest(&world);
    world_free(&world);
}

TEST(logs_believe_no_failed_sync)
{
    begin("a sync of a segment fails");
    append_some(100);
    world_append_as(&world, 0, -1);
    world.logs->checkpoint.wanted = true;
    for (int i = 0; i < 2000 && !world.halted; i++) {
        world_pass(&world, 100 * NS_PER_MS);
        if (world.logs->checkpoint.state == CHECKPOINT_SYNCING) world.disk.sync_fails = true;
        if (!world_answer(&world)) world_commit(&world);
    }
    EXPECT("the node stops its promises", world.halted);
    EXPECT_EQ("because the disk failed", HALT_DISK_FAILED, world.halt.reason);
    EXPECT_EQ("and asks for no step any more", UINT64_MAX, logs_deadline_ns(world.logs));
    world_free(&world);
}

/* Of a producer that is known, and whose batch before it was refused. */
static enum append_verdict append_behind_a_gap(void)
{
    uint8_t memory[BATCH_MAX];
    struct record_batch batch;
    struct append_answer answer;
    const int32_t sequence = world_next_sequence(&world, &world.kept[0], 1) + 5;
    const struct bytes bytes = world_build(&world, memory, 1, 0, sequence, 1);

    EXPECT_EQ("a batch", RECORD_BATCH_WHOLE, record_batch_read(bytes, &batch));
    return logs_append(world.logs, 0, &batch, world.kept[0].epoch, -1, world.wall_ms, &answer);
}

TEST(logs_go_on_when_a_full_disk_has_room_again)
{
    begin("a full disk");
    append_some(300);
    world_append_as(&world, 0, 1);
    world.disk.full = true;
    for (int i = 0; i < 3000 && !logs_usage(world.logs).disk_full; i++) {
        world_append_as(&world, 0, -1);
        world_pass(&world, 20 * NS_PER_MS);
        world_commit(&world);
        world_answer(&world);
        world_settle(&world);
    }
    EXPECT("it shows", logs_usage(world.logs).disk_full);
    const uint64_t refused = world.refusals;
    world_append_as(&world, 0, -1);
    EXPECT_EQ("appends are refused", refused + 1, world.refusals);
    EXPECT_EQ("so is what a producer sent behind one of them, for the same reason and not for its gap",
              APPEND_DISK_FULL, append_behind_a_gap());
    world_judge_bytes(&world, 0);
    EXPECT("reads go on", !world.halted);
    world.disk.full = false;
    world_pass(&world, 2 * NS_PER_SECOND);
    world_commit(&world);
    world_rest(&world);
    EXPECT("a second later it is over", !logs_usage(world.logs).disk_full);
    append_some((uint32_t)world.appends + 10);
    restart();
    world_judge(&world);
    world_free(&world);
}

TEST(logs_start_never_passes_the_high_watermark)
{
    begin("records that are not durable yet");
    append_some(20);
    const int64_t durable = log_offsets(world.logs, 0).high_watermark;
    world_append_as(&world, 0, -1);
    EXPECT("there is room", logs_advance_start(world.logs, 0, durable + 1) != 0);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("all that was committed is gone, and no more", durable, log_offsets(world.logs, 0).log_start_offset);
    EXPECT_EQ("asked again, there is nothing to wait for", true,
              logs_is_durable(world.logs, logs_advance_start(world.logs, 0, 1)));
    world_free(&world);
}

TEST(logs_retention_takes_whole_segments_from_the_oldest)
{
    begin("retention by size");
    append_some(1500);
    const uint64_t size = log_offsets(world.logs, 0).size;
    const uint32_t segments = world.logs->logs[0].segment_count;
    EXPECT("several segments", segments > 4);
    world.rules.retention_size = (int64_t)size - 25000;
    logs_set_rules(world.logs, 0, &world.rules);
    logs_retain(world.logs, world.wall_ms);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("one is less than 25000 bytes, two are more", segments - 1, world.logs->logs[0].segment_count);
    world.rules.retention_size = -1;
    world.rules.retention_ms = 1000;
    logs_set_rules(world.logs, 0, &world.rules);
    world_pass(&world, 3600 * NS_PER_SECOND);
    logs_retain(world.logs, world.wall_ms);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("what is too old goes, the active one too", 0, world.logs->logs[0].segment_count);
    EXPECT_EQ("offsets go on", log_offsets(world.logs, 0).log_end_offset, log_offsets(world.logs, 0).log_start_offset);
    append_some((uint32_t)world.appends + 10);
    restart();
    world_judge(&world);
    world_free(&world);
}

/* Whoever leads goes by its own clock, and all others by it. */
TEST(logs_are_kept_as_long_as_their_leader_wants)
{
    begin("retention of a copy");
    world.kept[0].replicated = true;
    logs_set_replicated(world.logs, 0, true);
    append_some(1500);
    world_rest(&world);
    const int64_t end_offset = log_offsets(world.logs, 0).log_end_offset;
    logs_set_high_watermark(world.logs, 0, end_offset);
    world.kept[0].high_watermark = end_offset;
    world.rules.retention_ms = 1000;
    logs_set_rules(world.logs, 0, &world.rules);
    world_pass(&world, 3600 * NS_PER_SECOND);
    logs_retain(world.logs, world.wall_ms);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("a follower's clock may be wrong: nothing goes", 0, log_offsets(world.logs, 0).log_start_offset);
    logs_set_led(world.logs, 0, true);
    logs_retain(world.logs, world.wall_ms);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("it leads: what is too old goes", end_offset, log_offsets(world.logs, 0).log_start_offset);
    logs_set_led(world.logs, 0, false);
    append_some((uint32_t)world.appends + 200);
    world_rest(&world);
    const int64_t more_offset = log_offsets(world.logs, 0).log_end_offset;
    logs_set_high_watermark(world.logs, 0, more_offset);
    world.kept[0].high_watermark = more_offset;
    world_pass(&world, 3600 * NS_PER_SECOND);
    logs_retain(world.logs, world.wall_ms);
    world_commit(&world);
    world_rest(&world);
    EXPECT_EQ("and leads no more", end_offset, log_offsets(world.logs, 0).log_start_offset);
    world_free(&world);
}

/* Ten batches of ten records: epoch 1 from 0, epoch 3 from 40, epoch 4 begins behind all at 100. */
static void append_epochs(void)
{
    for (int32_t i = 0; i < 10; i++) {
        uint8_t memory[BATCH_MAX];
        struct record_batch batch;
        struct append_answer answer;
        const struct bytes bytes = world_build(&world, memory, 7, 0, i * 10, 10);
        WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
        WORLD_CHECK(logs_append(world.logs, 0, &batch, i < 4 ? 1 : 3, -1, world.wall_ms, &answer) == APPEND_OK);
        world_keep(&world, 0, &batch, &answer, i < 4 ? 1 : 3);
        world_commit(&world);
    }
    WORLD_CHECK(logs_begin_epoch(world.logs, 0, 4) != 0);
    world_commit(&world);
}

static const struct truncation_row {
    const char *why;
    bool reset;
    int64_t offset, log_start_offset, log_end_offset;
    int32_t leader_epoch;
    int32_t next_sequence; /* of producer 7, who wrote all of it; -1: any */
} truncation_rows[] = {
    { "what lies behind the log is not there", false, 120, 20, 100, 4, 100 },
    { "an epoch without a record goes where it begins", false, 100, 20, 100, 3, 100 },
    { "a batch that reaches beyond the offset goes as a whole", false, 95, 20, 90, 3, 90 },
    { "its last record is enough", false, 89, 20, 80, 3, 80 },
    { "an epoch goes with its first record", false, 40, 20, 40, 1, 40 },
    { "the batch that the log begins in may go, too", false, 25, 20, 20, 1, 20 },
    { "all of it", false, 20, 20, 20, 1, 20 },
    { "behind the log's start there is nothing to be kept", false, 15, 15, 15, -1, -1 },
    { "a log begins anew further on", true, 500, 500, 500, -1, -1 },
    { "or where it was", true, 100, 100, 100, -1, -1 },
};

static void judge_truncation(const struct truncation_row *row, const char *when)
{
    const struct log_offsets offsets = log_offsets(world.logs, 0);
    const struct producer_stamp stamp = { 7, 0, MAX(row->next_sequence, 0), 1 };
    struct producer_batch batch;
    char why[200];

    snprintf(why, sizeof why, "%s, %s", row->why, when);
    EXPECT_EQ(why, row->log_start_offset, offsets.log_start_offset);
    EXPECT_EQ(why, row->log_end_offset, offsets.log_end_offset);
    EXPECT_EQ(why, row->leader_epoch, offsets.leader_epoch);
    EXPECT("the high watermark lies in it", offsets.high_watermark <= offsets.log_end_offset);
    EXPECT_EQ(why, PRODUCER_NEXT, producers_judge(&world.logs->producers, 0, &stamp, world.wall_ms, &batch));
    if (row->next_sequence > 20) {
        const struct producer_stamp before = { 7, 0, row->next_sequence - 10, 10 };
        EXPECT_EQ(why, PRODUCER_DUPLICATE, producers_judge(&world.logs->producers, 0, &before, world.wall_ms, &batch));
    }
    logs_check(world.logs);
}

/* Cut while it lies in memory, and again when it is in segments only; each time the next start finds the same. */
TEST(logs_end_with_whole_batches_after_a_truncation)
{
    for (uint32_t written = 0; written < 2; written++) {
        FOR_EACH(truncation_row, row, truncation_rows) {
            begin(row->why);
            world.rules.segment_size = 1500;
            logs_set_rules(world.logs, 0, &world.rules);
            world.kept[0].replicated = true;
            logs_set_replicated(world.logs, 0, true);
            append_epochs();
            world_rest(&world);
            logs_set_high_watermark(world.logs, 0, 20);
            logs_advance_start(world.logs, 0, 20);
            if (written > 0) {
                world_stop(&world);
                restart();
                WORLD_CHECK(world.logs->entries.first == world.logs->entries.end);
            }
            world_rest(&world);
            if (row->reset) logs_reset(world.logs, 0, row->offset);
            else logs_truncate(world.logs, 0, row->offset);
            world.kept[0].cutting = true;
            world.kept[0].cut_all = row->reset || row->offset < 20;
            world.kept[0].cut_offset = row->offset;
            world_commit(&world);
            world_rest(&world);
            EXPECT("it is told when it is durable", !world.kept[0].cutting);
            judge_truncation(row, "at once");
            restart();
            judge_truncation(row, "after a restart");
            world_rest(&world);
            world_stop(&world);
            restart();
            judge_truncation(row, "after a checkpoint");
            world_free(&world);
        }
    }
}

static bool was_told_of_forgetting(void)
{
    bool told = false;

    logs_commit(world.logs, world.mono_ns, world.wall_ms, &world.effects);
    for (uint32_t i = 0; i < world.effects.count; i++) {
        const struct effect *effect = &world.effects.list[i];
        told |= effect->type == EFFECT_NOTE && effect->note.id == NOTE_PRODUCERS_FORGOTTEN;
    }
    disk_take_orders(&world.disk, &world.effects);
    world.effects.count = 0;
    return told;
}

TEST(logs_tell_when_they_forget_producers)
{
    begin("one producer more than there is room for");
    world.kept[0].replicated = true;
    logs_set_replicated(world.logs, 0, true);
    for (uint32_t i = 0; i <= world.config.producers_max; i++) {
        uint8_t memory[BATCH_MAX];
        struct record_batch batch;
        struct append_answer answer = { world_end(&world.kept[0]), world_end(&world.kept[0]), -1 };
        const struct bytes bytes = world_build(&world, memory, 100 + i, 0, 0, 1);
        WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
        record_batch_stamp(memory, &batch, answer.base_offset, 0, -1);
        const struct log_copy copy = { answer.base_offset, answer.base_offset + 1, 0, bytes };
        EXPECT("nobody has to go yet", !was_told_of_forgetting());
        EXPECT_EQ("a copy is taken", COPY_OK, logs_append_copy(world.logs, 0, &copy, world.wall_ms));
        world_keep(&world, 0, &batch, &answer, 0);
    }
    EXPECT_EQ("one had to go", 1, logs_usage(world.logs).producers_forgotten);
    EXPECT("and it is said", was_told_of_forgetting());
    EXPECT("once", !was_told_of_forgetting());
    world_rest(&world);
    world_free(&world);
}

TEST(logs_refuse_what_is_larger_than_a_segment)
{
    uint8_t memory[BATCH_MAX];
    struct record_batch batch;
    struct append_answer answer;

    begin("a large batch");
    world.rules.segment_size = 500;
    logs_set_rules(world.logs, 0, &world.rules);
    struct bytes bytes = world_build(&world, memory, -1, 0, -1, 4);
    while (bytes.size <= 500) bytes = world_build(&world, memory, -1, 0, -1, 4);
    WORLD_CHECK(record_batch_read(bytes, &batch) == RECORD_BATCH_WHOLE);
    EXPECT_EQ("RECORD_LIST_TOO_LARGE", APPEND_TOO_LARGE,
              logs_append(world.logs, 0, &batch, 0, -1, world.wall_ms, &answer));
    EXPECT_EQ("nothing changed", 0, log_offsets(world.logs, 0).log_end_offset);
    world_free(&world);
}
