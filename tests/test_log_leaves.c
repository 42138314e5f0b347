/* What log/ knows without a disk: paths, index entries, epochs, producers, entries in memory, checkpoint records. */
#include "log/checkpoint.h"
#include "t.h"

#include <stdlib.h>

/* ---- paths ---- */

static const struct log_place place = { { { 0xfb, 0xff } }, { (const uint8_t *)"a.b_c", 5 }, 12 };

TEST(paths_are_kafkas_names_below_a_topic_with_its_id)
{
    char path[PATH_SIZE_MAX];

    path_of_topic(path, &place);
    EXPECT_TEXT("the id follows the name", "wal/a.b_c.-_8AAAAAAAAAAAAAAAAAAA", path);
    path_of_partition(path, &place);
    EXPECT_TEXT("the partition is a plain number", "wal/a.b_c.-_8AAAAAAAAAAAAAAAAAAA/12", path);
    path_of_segment(path, &place, 0, 0, SEGMENT_LOG);
    EXPECT_TEXT("twenty digits", "wal/a.b_c.-_8AAAAAAAAAAAAAAAAAAA/12/00000000000000000000.log", path);
    path_of_segment(path, &place, 42, 3, SEGMENT_INDEX);
    EXPECT_TEXT("the edition", "wal/a.b_c.-_8AAAAAAAAAAAAAAAAAAA/12/00000000000000000042.3.index", path);
    path_of_segment(path, &place, INT64_MAX, 0, SEGMENT_TIME_INDEX);
    EXPECT_TEXT("the largest offset fits", "wal/a.b_c.-_8AAAAAAAAAAAAAAAAAAA/12/09223372036854775807.timeindex", path);
}

static const struct name_row {
    const char *why, *name;
    int64_t base_offset; /* -1: no name of ours */
    enum segment_file file;
    uint32_t edition;
} name_rows[] = {
    { "a segment", "00000000000000000042.log", 42, SEGMENT_LOG },
    { "its index", "00000000000000000042.index", 42, SEGMENT_INDEX },
    { "its time index", "00000000000000000042.timeindex", 42, SEGMENT_TIME_INDEX },
    { "the largest offset", "09223372036854775807.log", INT64_MAX, SEGMENT_LOG },
    { "what compaction made of it", "00000000000000000042.1.log", 42, SEGMENT_LOG, 1 },
    { "again and again", "00000000000000000042.4294967295.timeindex", 42, SEGMENT_TIME_INDEX, UINT32_MAX },
    { "more often than can be", "00000000000000000042.4294967296.log", -1, 0 },
    { "never", "00000000000000000042.0.log", -1, 0 },
    { "a number is written in one way", "00000000000000000042.01.log", -1, 0 },
    { "an edition of nothing", "00000000000000000042.1", -1, 0 },
    { "two editions", "00000000000000000042.1.2.log", -1, 0 },
    { "one more is no offset", "09223372036854775808.log", -1, 0 },
    { "20 nines would wrap", "99999999999999999999.log", -1, 0 },
    { "19 digits", "0000000000000000042.log", -1, 0 },
    { "21 digits", "000000000000000000042.log", -1, 0 },
    { "a letter", "0000000000000000004a.log", -1, 0 },
    { "another suffix", "00000000000000000042.snapshot", -1, 0 },
    { "a cut suffix", "00000000000000000042.lo", -1, 0 },
    { "no suffix", "00000000000000000042", -1, 0 },
    { "nothing", "", -1, 0 },
};

TEST(segment_names)
{
    FOR_EACH(name_row, row, name_rows) {
        int64_t base_offset = -1;
        uint32_t edition = 0;
        enum segment_file file = SEGMENT_LOG;
        const struct bytes name = { (const uint8_t *)row->name, (uint32_t)strlen(row->name) };
        const bool read = segment_name_read(name, &base_offset, &edition, &file);
        EXPECT_EQ(row->why, row->base_offset >= 0, read);
        EXPECT_EQ(row->why, row->base_offset, base_offset);
        if (read) EXPECT_EQ(row->why, row->file, file);
        if (read) EXPECT_EQ(row->why, row->edition, edition);
    }
}

static const struct topic_row {
    const char *why, *name;
    bool ours;
} topic_rows[] = {
    { "a name, a dot, an id", "t.AAAAAAAAAAAAAAAAAAAAAQ", true },
    { "dots in the name", "a.b.c.AAAAAAAAAAAAAAAAAAAAAQ", true },
    { "our own names have no id", "__journal", false },
    { "no name", ".AAAAAAAAAAAAAAAAAAAAAQ", false },
    { "a shorter id", "topic.AAAAAAAAAAAAAAAAAAAAA", false },
    { "no dot before it", "topic-AAAAAAAAAAAAAAAAAAAAAQ", false },
    { "bits that no id has", "t.AAAAAAAAAAAAAAAAAAAAA_", false },
};

TEST(topic_directories)
{
    FOR_EACH(topic_row, row, topic_rows) {
        struct uuid id;
        const struct bytes name = { (const uint8_t *)row->name, (uint32_t)strlen(row->name) };
        EXPECT_EQ(row->why, row->ours, topic_directory_read(name, &id));
    }
}

/* ---- index entries: an entry for the batch that finds more than the interval behind it ---- */

static const struct batch_row {
    const char *why;
    struct indexed_batch batch; /* last offset, max timestamp, size */
    int64_t index_offset;       /* relative, -1: no entry */
    uint32_t index_position;
    int64_t time; /* -1: no entry */
    int64_t time_offset;
} batch_rows[] = {
    { "the first batch has none: the file's begin is known", { 109, 50, 100 }, -1, 0, -1, 0 },
    { "100 bytes are not more than 100", { 119, 40, 60 }, -1, 0, -1, 0 },
    { "160 are: its last offset, its position; the largest time was the first batch's",
      { 129, 45, 50 },
      29,
      160,
      50,
      9 },
    { "counting begins anew with the indexed batch", { 139, 70, 60 }, -1, 0, -1, 0 },
    { "50 + 60 bytes; the time rose", { 149, 70, 500 }, 49, 270, 70, 39 },
    { "an entry, but the time did not rise: no time entry", { 150, 70, 10 }, 50, 770, -1, 0 },
};

TEST(index_entries_are_those_of_kafka)
{
    struct segment_mark mark = segment_mark_empty(100);
    uint32_t position = 0;

    FOR_EACH(batch_row, row, batch_rows) {
        uint8_t index[INDEX_ENTRY_SIZE], time_index[TIME_INDEX_ENTRY_SIZE];
        struct index_entries entries = { .index = index, .time_index = time_index };
        segment_mark_add(&mark, 100, &row->batch, 100, &entries);
        position += row->batch.size;
        EXPECT_EQ(row->why, position, mark.size);
        EXPECT_EQ(row->why, row->batch.last_offset + 1, mark.end_offset);
        EXPECT_EQ(row->why, row->index_offset < 0 ? 0 : INDEX_ENTRY_SIZE, entries.index_size);
        EXPECT_EQ(row->why, row->time < 0 ? 0 : TIME_INDEX_ENTRY_SIZE, entries.time_index_size);
        if (entries.index_size > 0) {
            const struct index_entry entry = index_entry_read(index, 100);
            EXPECT_EQ(row->why, row->index_offset + 100, entry.last_offset);
            EXPECT_EQ(row->why, row->index_position, entry.position);
        }
        if (entries.time_index_size > 0) {
            const struct time_index_entry entry = time_index_entry_read(time_index, 100);
            EXPECT_EQ(row->why, row->time, entry.timestamp);
            EXPECT_EQ(row->why, row->time_offset + 100, entry.last_offset);
        }
    }
    struct index_entries none = { 0 };
    segment_mark_close(&mark, 100, &none);
    EXPECT_EQ("closing adds no time that is there already", 0, none.time_index_size);
}

TEST(index_bytes)
{
    struct segment_mark mark = { .end_offset = 300, .size = 0x01020304, .unindexed_size = 2, .indexed_timestamp = -1 };
    uint8_t index[INDEX_ENTRY_SIZE], time_index[TIME_INDEX_ENTRY_SIZE];
    struct index_entries entries = { .index = index, .time_index = time_index };
    const uint8_t wanted[] = { 0, 0, 1, 0x2c, 1, 2, 3, 4 };
    const uint8_t wanted_time[] = { 0, 0, 0, 0, 0, 0, 4, 0xd2, 0, 0, 1, 0x2c };

    segment_mark_add(&mark, 0, &(struct indexed_batch){ 300, 1234, 1 }, 1, &entries);
    EXPECT_BYTES("relative offset, position, big-endian", wanted, sizeof wanted, index, entries.index_size);
    EXPECT_BYTES("timestamp, relative offset", wanted_time, sizeof wanted_time, time_index, entries.time_index_size);
}

/* ---- leader epochs ---- */

static const struct epoch_row {
    const char *why;
    int32_t asked, epoch;
    int64_t end_offset;
} epoch_rows[] = {
    /* epochs 2 from 10, 5 from 20, 6 from 20 (2 wrote to 19, 5 nothing), log end 30 */
    { "the newest ends with the log", 6, 6, 30 },
    { "one that was followed ends where the next began", 2, 2, 20 },
    { "one between two is the older", 3, 2, 20 },
    { "one in which nothing was appended is no epoch of this log", 5, 2, 20 },
    { "older than all: what it has ends before the first that is known", 1, 1, 10 },
    { "newer than all is unknown", 7, -1, -1 },
    { "none is unknown", -1, -1, -1 },
};

TEST(epochs_end_as_in_kip_101)
{
    static _Alignas(64) uint8_t memory[8192];
    struct epochs epochs;
    struct epoch_list list;

    CHECK(epochs_size(16) <= sizeof memory);
    epochs_init(&epochs, memory, 16);
    epoch_list_init(&list);
    EXPECT_EQ("a log that never had one", -1, epochs_end(&epochs, &list, 0, 30).epoch);
    epochs_add(&epochs, &list, 2, 10);
    epochs_add(&epochs, &list, 2, 15);
    epochs_add(&epochs, &list, 5, 20);
    epochs_add(&epochs, &list, 6, 20);
    epochs_add(&epochs, &list, 4, 25);
    FOR_EACH(epoch_row, row, epoch_rows) {
        const struct epoch_answer answer = epochs_end(&epochs, &list, row->asked, 30);
        EXPECT_EQ(row->why, row->epoch, answer.epoch);
        EXPECT_EQ(row->why, row->end_offset, answer.end_offset);
    }
    epochs_trim(&epochs, &list, 20);
    EXPECT_EQ("what ended at the log start is gone, the one that begins there stays", 1, list.count);
    EXPECT_EQ("so the answer for it is that of an unknown one", 20, epochs_end(&epochs, &list, 2, 30).end_offset);
    for (int32_t epoch = 10; epoch < 200; epoch++) epochs_add(&epochs, &list, epoch, 30 + epoch);
    EXPECT_EQ("with no room the oldest go", 17, list.count);
    EXPECT_EQ("and the newest stay", 199, list.newest.epoch);
    epochs_clear(&epochs, &list);
    EXPECT_EQ("all come back to the pool", 0, epochs.pool.taken_count);
}

static const struct floor_row {
    const char *why;
    int32_t asked;
    int64_t log_start_offset;
    bool known;
    int32_t epoch;
    int64_t end_offset;
} floor_rows[] = {
    /* epochs 3 from 10, 5 from 20, 8 from 25; log end 30 */
    { "the newest ends with the log", 8, 10, true, 8, 30 },
    { "a newer one can have nothing that this log has not got in its newest", 9, 10, true, 8, 30 },
    { "one between two is the older", 7, 10, true, 5, 25 },
    { "the first", 3, 10, true, 3, 20 },
    { "an older one ended before the log began", 2, 10, true, 2, 10 },
    { "also where the log begins in the middle of an epoch", 2, 15, true, 2, 10 },
    { "what lies before the first that is known, nobody knows", 2, 9, false, -1, 9 },
    { "no epoch", -1, 10, false, -1, 10 },
};

TEST(epoch_floors_never_guess)
{
    static _Alignas(64) uint8_t memory[8192];
    struct epochs epochs;
    struct epoch_list list;

    epochs_init(&epochs, memory, 16);
    epoch_list_init(&list);
    EXPECT("a log that never had one", !epochs_floor(&epochs, &list, 3, 0, 0).known);
    epochs_add(&epochs, &list, 3, 10);
    epochs_add(&epochs, &list, 5, 20);
    epochs_add(&epochs, &list, 8, 25);
    FOR_EACH(floor_row, row, floor_rows) {
        const struct epoch_floor floor = epochs_floor(&epochs, &list, row->asked, row->log_start_offset, 30);
        EXPECT_EQ(row->why, row->known, floor.known);
        EXPECT_EQ(row->why, row->epoch, floor.epoch);
        EXPECT_EQ(row->why, row->end_offset, floor.end_offset);
    }
}

static const struct cut_row {
    const char *why;
    int64_t end_offset;
    uint32_t count;
    int32_t newest;
} cut_rows[] = {
    /* epochs 3 from 10, 5 from 20, 8 from 25 */
    { "nothing begins there", 30, 3, 8 },
    { "the last begins where the log ends now: it has no record any more", 25, 2, 5 },
    { "in the middle of one", 24, 2, 5 },
    { "two of them", 20, 1, 3 },
    { "all", 10, 0, -1 },
    { "before all", 0, 0, -1 },
};

TEST(epochs_are_cut_off_with_their_records)
{
    static _Alignas(64) uint8_t memory[8192];
    struct epochs epochs;
    struct epoch_list list;

    FOR_EACH(cut_row, row, cut_rows) {
        epochs_init(&epochs, memory, 16);
        epoch_list_init(&list);
        epochs_add(&epochs, &list, 3, 10);
        epochs_add(&epochs, &list, 5, 20);
        epochs_add(&epochs, &list, 8, 25);
        epochs_truncate(&epochs, &list, row->end_offset);
        epochs_check(&epochs, &list);
        EXPECT_EQ(row->why, row->count, list.count);
        EXPECT_EQ(row->why, row->newest, list.newest.epoch);
        EXPECT_EQ("what went is free", row->count == 0 ? 0 : row->count - 1, epochs.pool.taken_count);
        epochs_add(&epochs, &list, 9, row->end_offset);
        EXPECT_EQ("and it goes on", 9, list.newest.epoch);
    }
}

/* ---- producers ---- */

static struct producers producers;

static void producers_begin(uint32_t producers_max)
{
    static _Alignas(64) uint8_t memory[1 << 20];

    CHECK(producers_size(producers_max, 4) <= sizeof memory);
    memset(memory, 0, sizeof memory);
    producers_init(&producers, memory, producers_max, 4, 1000, 7);
}

static enum producer_verdict judge(int64_t id, int16_t epoch, int32_t first, int32_t count, int64_t wall_ms,
                                   struct producer_batch *batch)
{
    const struct producer_stamp stamp = { id, epoch, first, count };
    const enum producer_verdict verdict = producers_judge(&producers, 1, &stamp, wall_ms, batch);
    producers_check(&producers);
    return verdict;
}

static void record(int64_t id, int16_t epoch, int32_t first, int32_t count, int64_t offset, int64_t wall_ms)
{
    const struct producer_stamp stamp = { id, epoch, first, count };
    EXPECT("there is room", producers_record(&producers, 1, &stamp, offset, -1, wall_ms));
    producers_check(&producers);
}

static const struct judge_row {
    const char *why;
    int16_t epoch;
    int32_t first, count;
    enum producer_verdict verdict;
    int64_t offset; /* of a duplicate */
} judge_rows[] = {
    /* appended: epoch 3, batches of 10 from sequence 0 at offsets 0, 10 ... 60 */
    { "the next one", 3, 70, 5, PRODUCER_NEXT, 0 },
    { "the last one again", 3, 60, 10, PRODUCER_DUPLICATE, 60 },
    { "the fifth last again", 3, 20, 10, PRODUCER_DUPLICATE, 20 },
    { "the sixth last is forgotten", 3, 10, 10, PRODUCER_OUT_OF_ORDER, 0 },
    { "the same first, another last", 3, 60, 9, PRODUCER_OUT_OF_ORDER, 0 },
    { "a gap", 3, 71, 5, PRODUCER_OUT_OF_ORDER, 0 },
    { "an older epoch is fenced", 2, 70, 5, PRODUCER_FENCED, 0 },
    { "even with a batch that is known in the newer one", 2, 60, 10, PRODUCER_FENCED, 0 },
    { "a new epoch begins with zero", 4, 0, 1, PRODUCER_NEXT, 0 },
    { "and with nothing else", 4, 70, 1, PRODUCER_OUT_OF_ORDER, 0 },
};

TEST(producers_are_judged_as_by_kafka)
{
    producers_begin(8);
    for (int32_t i = 0; i < 7; i++) record(9, 3, i * 10, 10, i * 10, 0);
    FOR_EACH(judge_row, row, judge_rows) {
        struct producer_batch batch = { .base_offset = 0 };
        EXPECT_EQ(row->why, row->verdict, judge(9, row->epoch, row->first, row->count, 5, &batch));
        EXPECT_EQ(row->why, row->offset, batch.base_offset);
    }
}

TEST(producers_sequences_wrap)
{
    struct producer_batch batch;

    producers_begin(8);
    EXPECT_EQ("one that is not known may begin anywhere", PRODUCER_NEXT, judge(9, 0, INT32_MAX - 2, 5, 0, &batch));
    record(9, 0, INT32_MAX - 2, 5, 100, 0);
    EXPECT_EQ("2^31 - 1 is followed by 0", PRODUCER_NEXT, judge(9, 0, 2, 1, 0, &batch));
    EXPECT_EQ("not by 3", PRODUCER_OUT_OF_ORDER, judge(9, 0, 3, 1, 0, &batch));
    EXPECT_EQ("and is known again", PRODUCER_DUPLICATE, judge(9, 0, INT32_MAX - 2, 5, 0, &batch));
    EXPECT_EQ("by its offset", 100, batch.base_offset);
}

TEST(producers_expire_and_are_bounded)
{
    struct producer_batch batch;

    producers_begin(2);
    record(1, 0, 0, 1, 0, 100);
    record(2, 0, 0, 1, 1, 200);
    EXPECT_EQ("the table is full of live ones", PRODUCER_TABLE_FULL, judge(3, 0, 0, 1, 1099, &batch));
    EXPECT_EQ("those that are in it go on", PRODUCER_NEXT, judge(1, 0, 1, 1, 1099, &batch));
    record(1, 0, 1, 1, 2, 1099);
    EXPECT_EQ("the one silent for longest makes room when it expired", PRODUCER_NEXT, judge(3, 0, 0, 1, 1200, &batch));
    record(3, 0, 0, 1, 3, 1200);
    EXPECT_EQ("an expired one is not known any more: any sequence will do", PRODUCER_NEXT,
              judge(1, 0, 77, 1, 2200, &batch));
    EXPECT_EQ("a clock that was set back expires nobody", PRODUCER_OUT_OF_ORDER, judge(3, 0, 9, 1, -50000, &batch));
    EXPECT("nobody is left to expire", !producers_expire(&producers, 1200, 10));
    EXPECT("one at a time", !producers_expire(&producers, 5000, 1) && producers.pool.taken_count == 0);
    producers_check(&producers);
}

/* What a leader has accepted, its followers cannot refuse. */
TEST(producers_that_were_silent_for_longest_give_way_to_copies)
{
    const struct producer_stamp stamp = { 3, 0, 0, 1 };
    struct producer_batch batch;

    producers_begin(2);
    record(1, 0, 0, 1, 0, 100);
    record(2, 0, 0, 1, 1, 200);
    record(1, 0, 1, 1, 2, 300);
    EXPECT("somebody had to go", !producers_record(&producers, 1, &stamp, 3, -1, 400));
    producers_check(&producers);
    EXPECT_EQ("not who wrote last", PRODUCER_DUPLICATE, judge(3, 0, 0, 1, 400, &batch));
    EXPECT_EQ("nor who wrote before", PRODUCER_DUPLICATE, judge(1, 0, 1, 1, 400, &batch));
    EXPECT_EQ("he is not known any more", PRODUCER_TABLE_FULL, judge(2, 0, 0, 1, 400, &batch));
}

TEST(producers_restored_twice_are_the_same)
{
    const struct producer_batch batch = { 50, -1, 5, 9, 2 };
    struct producer_batch found;

    producers_begin(4);
    EXPECT("from a checkpoint", producers_restore(&producers, 1, 9, 0, false, &batch));
    record(9, 2, 5, 5, 50, 0); /* the same batch, met again in the journal */
    EXPECT_EQ("one batch", 1, producers.producers[producers_first_of_log(&producers, 1)].batch_count);
    EXPECT_EQ("which is known", PRODUCER_DUPLICATE, judge(9, 2, 5, 5, 0, &found));
    producers_forget_log(&producers, 1);
    EXPECT_EQ("until its log is deleted", PRODUCER_NONE, producers_first_of_log(&producers, 1));
    producers_check(&producers);
}

/* ---- entries ---- */

TEST(entries_are_found_whatever_was_evicted)
{
    static struct entry memory[64];
    struct entries entries;
    struct entry_list lists[3];
    int64_t ends[3] = { 0 };
    uint64_t positions[3] = { 0 };
    uint32_t random = 1;

    entries_init(&entries, memory, 64);
    /* Near the number that means "none", so that it is passed. */
    entries.first = entries.unwritten = entries.unordered = entries.durable_end = entries.end = UINT32_MAX - 500;
    for (int i = 0; i < 3; i++) entry_list_init(&lists[i]);
    for (int step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        const uint32_t log = random >> 16 & 1 ? random >> 20 & 1 : 2;
        const bool adds = entries_have_room(&entries, 1) && (random >> 24 & 3) != 0;
        if (adds) {
            const uint32_t last_delta = random >> 26 & 7;
            entries_add(&entries, &lists[log],
                        &(struct entry){ .base_offset = ends[log],
                                         .last_delta = last_delta,
                                         .log = log,
                                         .size = 10,
                                         .position = positions[log] });
            ends[log] += last_delta + 1;
            positions[log] += 10;
        } else {
            struct entry evicted;
            entries.durable_end = entries.end;
            for (uint32_t at = entries.first; at != entries.end; at++) entry_at(&entries, at)->flags = 3;
            entries_advance(&entries);
            for (uint32_t n = random >> 28; n > 0 && entries_evict(&entries, &evicted); n--) {
                if (evicted.log != ENTRY_NONE) entry_list_evict(&lists[evicted.log], &evicted);
            }
            for (int i = 0; i < 3; i++) lists[i].unordered = ENTRY_NONE;
        }
        if (step % 7 != 0 || lists[log].first == ENTRY_NONE) continue;
        const int64_t first = entry_at(&entries, lists[log].first)->base_offset;
        for (int64_t offset = first - 1; offset <= ends[log]; offset++) {
            const uint32_t at = entries_find(&entries, &lists[log], offset);
            if (offset < first || offset == ends[log]) {
                EXPECT_EQ("outside of what is in memory", ENTRY_NONE, at);
                continue;
            }
            const struct entry *entry = entry_at(&entries, at);
            EXPECT("the entry that contains it",
                   entry->log == log && entry->base_offset <= offset && entry_last_offset(entry) >= offset);
        }
        entries_check(&entries);
    }
}

/* ---- checkpoint records ---- */

TEST(checkpoint_records_are_read_as_written)
{
    const struct checkpoint_record records[] = {
        { .kind = CHECKPOINT_HEAD, .head = { true, 77, 1700000000000 } },
        { .kind = CHECKPOINT_LOG, .log = { { { 1, 2, 3 } }, 7, 100, 90, 200, 150, 3, true } },
        { .kind = CHECKPOINT_SEGMENT, .segment = { 90, 5, 6, { 200, 9, 150, 8, 1000, 16, 24, 33 }, 4 } },
        { .kind = CHECKPOINT_EPOCH, .epoch = { 4, 90 } },
        { .kind = CHECKPOINT_PRODUCER, .producer = { { { 1, 2, 3 } }, 7, 55, 66, true } },
        { .kind = CHECKPOINT_BATCH, .batch = { 120, -1, 5, 9, -3 } },
        { .kind = CHECKPOINT_END, .end = { 6, 0xdeadbeef } },
    };

    for (uint32_t i = 0; i < COUNT_OF(records); i++) {
        uint8_t bytes[CHECKPOINT_RECORD_MAX], again[CHECKPOINT_RECORD_MAX];
        struct checkpoint_record read;
        const uint32_t size = checkpoint_record_write(bytes, &records[i]);
        EXPECT_EQ("all of it is read", size, checkpoint_record_read((struct bytes){ bytes, size }, i == 0, &read));
        EXPECT_EQ("and it says the same", size, checkpoint_record_write(again, &read));
        EXPECT_BYTES("byte for byte", bytes, size, again, size);
        for (uint32_t cut = 0; cut < size; cut++) {
            EXPECT_EQ("cut short it waits for more", 0,
                      checkpoint_record_read((struct bytes){ bytes, cut }, i == 0, &read));
        }
        if (i > 0) continue;
        bytes[5] = 9;
        EXPECT_EQ("another version is none of ours", UINT32_MAX,
                  checkpoint_record_read((struct bytes){ bytes, size }, true, &read));
    }
}
