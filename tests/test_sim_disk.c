/* The simulated disk keeps what was promised and nothing more: each row is one thing that real disks do to people. */
#include "sim/disk.h"
#include "t.h"

#include <stdlib.h>

static struct disk disk;

static enum disk_result order(struct effect effect)
{
    uint64_t delay_ns;
    struct event answer;
    disk_carry_out(&disk, disk_take(&disk, &effect, &delay_ns), &answer);
    return answer.disk.result;
}

static enum disk_result put(const char *path, uint64_t position, const char *text)
{
    const struct piece piece = { .data = (const uint8_t *)text, .size = (uint32_t)strlen(text) };
    return order((struct effect){
        .type = EFFECT_WRITE, .write = { .path = path, .position = position, .pieces = &piece, .piece_count = 1 } });
}

static enum disk_result sync_file(const char *path)
{
    return order((struct effect){ .type = EFFECT_SYNC, .sync = { .path = path } });
}

static enum disk_result file(enum file_action action, const char *path, const char *to)
{
    return order((struct effect){ .type = EFFECT_FILE, .file = { .action = action, .path = path, .to = to } });
}

static const char *content(const char *path)
{
    static char text[64];
    const uint32_t size = disk_peek(&disk, path, 0, (uint8_t *)text, sizeof text - 1);
    text[size] = 0;
    return text;
}

static void prepare(void)
{
    disk_init(&disk, 1, 1);
    file(FILE_MAKE_DIRECTORY, "d", NULL);
    file(FILE_SYNC_DIRECTORY, "", NULL);
}

enum step { END, WRITE, SYNC, SYNC_NAME, FAIL_SYNC, RENAME, UNLINK, OVERWRITE };

static const struct loss_row {
    const char *why;
    enum step steps[6];
    const char *left, *left_renamed; /* of d/f and d/g after the worst power loss */
} loss_rows[] = {
    { "what was not synced is lost, name and all", { WRITE }, "", "" },
    { "synced bytes without a synced name are lost too", { WRITE, SYNC }, "", "" },
    { "a synced name without synced bytes is an empty file", { WRITE, SYNC_NAME }, "", "" },
    { "both synced, it stays", { WRITE, SYNC, SYNC_NAME }, "old", "" },
    { "an overwrite that was not synced leaves the old bytes", { WRITE, SYNC, SYNC_NAME, OVERWRITE }, "old", "" },
    { "a synced overwrite stays", { WRITE, SYNC, SYNC_NAME, OVERWRITE, SYNC }, "new", "" },
    { "a failed sync does not sync, and the next one does not either", { WRITE, SYNC_NAME, FAIL_SYNC, SYNC }, "", "" },
    { "a rename that was not synced did not happen", { WRITE, SYNC, SYNC_NAME, RENAME }, "old", "" },
    { "a synced rename did", { WRITE, SYNC, SYNC_NAME, RENAME, SYNC_NAME }, "", "old" },
    { "an unlink that was not synced did not happen", { WRITE, SYNC, SYNC_NAME, UNLINK }, "old", "" },
    { "a synced unlink did", { WRITE, SYNC, SYNC_NAME, UNLINK, SYNC_NAME }, "", "" },
};

static void take(enum step step)
{
    switch (step) {
    case END: break;
    case WRITE: put("d/f", 0, "old"); break;
    case OVERWRITE: put("d/f", 0, "new"); break;
    case SYNC: sync_file("d/f"); break;
    case SYNC_NAME: file(FILE_SYNC_DIRECTORY, "d", NULL); break;
    case FAIL_SYNC:
        disk.sync_fails_in = 1;
        EXPECT_EQ("the process is told once", DISK_FAILED, sync_file("d/f"));
        break;
    case RENAME: file(FILE_RENAME, "d/f", "d/g"); break;
    case UNLINK: file(FILE_UNLINK, "d/f", NULL); break;
    }
}

TEST(what_a_power_loss_leaves)
{
    FOR_EACH(loss_row, row, loss_rows) {
        prepare();
        for (int i = 0; i < 6; i++) take(row->steps[i]);
        disk_lose_power(&disk, LOSS_ALL);
        EXPECT_TEXT(row->why, row->left, content("d/f"));
        EXPECT_TEXT(row->why, row->left_renamed, content("d/g"));
        disk_free(&disk);
    }
}

TEST(a_killed_process_loses_nothing_that_was_written)
{
    prepare();
    put("d/f", 0, "old");
    disk_kill(&disk);
    EXPECT_TEXT("the page cache lives on", "old", content("d/f"));
    disk_free(&disk);
}

TEST(a_file_without_its_directory_is_gone)
{
    disk_init(&disk, 1, 1);
    file(FILE_MAKE_DIRECTORY, "a/b", NULL);
    put("a/b/f", 0, "x");
    sync_file("a/b/f");
    file(FILE_SYNC_DIRECTORY, "a/b", NULL);
    disk_lose_power(&disk, LOSS_ALL);
    EXPECT_TEXT("its directory's name was never synced", "", content("a/b/f"));
    disk_free(&disk);
}

TEST(sectors_are_lost_one_by_one)
{
    char large[4096 + 1];
    unsigned lost = 0, kept = 0;

    prepare();
    memset(large, 'x', 4096);
    large[4096] = 0;
    put("d/f", 0, large);
    sync_file("d/f");
    file(FILE_SYNC_DIRECTORY, "d", NULL);
    memset(large, 'y', 4096);
    put("d/f", 0, large);
    disk_lose_power(&disk, LOSS_MIXED);
    for (unsigned at = 0; at < 4096; at += SECTOR_SIZE) {
        uint8_t sector[SECTOR_SIZE];
        disk_peek(&disk, "d/f", at, sector, sizeof sector);
        for (unsigned i = 1; i < SECTOR_SIZE; i++) EXPECT("a sector is never torn", sector[i] == sector[0]);
        if (sector[0] == 'y') kept++;
        else lost++;
    }
    EXPECT("some are kept", kept > 0);
    EXPECT("some are lost", lost > 0);
    disk_free(&disk);
}

TEST(a_full_disk_takes_nothing_new_and_lets_old_space_be_written)
{
    prepare();
    put("d/f", 0, "old");
    disk.full = true;
    EXPECT_EQ("growing", DISK_FULL, put("d/f", 3, "more"));
    EXPECT_EQ("a new file", DISK_FULL, put("d/n", 0, "x"));
    EXPECT_EQ("overwriting", DISK_DONE, put("d/f", 0, "new"));
    disk_free(&disk);
}

TEST(a_shadow_is_what_a_power_loss_would_leave)
{
    struct disk copy, original;

    prepare();
    put("d/f", 0, "old");
    disk_copy_after_loss(&disk, &copy, 1, LOSS_ALL);
    original = disk;
    EXPECT_TEXT("the original goes on", "old", content("d/f"));
    disk = copy;
    EXPECT_TEXT("the copy has lost it", "", content("d/f"));
    disk_free(&copy);
    disk_free(&original);
}

/* ---- what is kept of a file ---- */

static const struct held_row {
    const char *why;
    enum step steps[6];
    bool forgotten; /* what was first d/f */
} held_rows[] = {
    { "a name may come back as long as its going is not durable", { WRITE, SYNC, SYNC_NAME, UNLINK }, false },
    { "then nobody can read it any more", { WRITE, SYNC, SYNC_NAME, UNLINK, SYNC_NAME }, true },
    { "nor one that never had a durable name", { WRITE, UNLINK, SYNC_NAME }, true },
    { "a rename that is not durable leaves both", { WRITE, SYNC, SYNC_NAME, RENAME }, false },
    { "one that is leaves the new name", { WRITE, SYNC, SYNC_NAME, RENAME, SYNC_NAME }, false },
};

TEST(bytes_are_given_back_when_no_name_leads_to_them)
{
    FOR_EACH(held_row, row, held_rows) {
        prepare();
        for (int i = 0; i < 6; i++) take(row->steps[i]);
        EXPECT(row->why, disk.inodes[1].forgotten == row->forgotten);
        EXPECT(row->why, (disk.inodes[1].page_max == 0) == row->forgotten || disk.inodes[1].dirty_count > 0);
        disk_lose_power(&disk, LOSS_NONE);
        disk_free(&disk);
    }
}

TEST(a_file_that_another_one_replaces_is_given_back)
{
    prepare();
    put("d/g", 0, "older");
    take(SYNC_NAME);
    take(WRITE);
    take(RENAME);
    EXPECT("not as long as a power loss brings it back", !disk.inodes[1].forgotten);
    take(SYNC_NAME);
    EXPECT("then it is", disk.inodes[1].forgotten && !disk.inodes[2].forgotten);
    EXPECT_TEXT("and the other one is there", "old", content("d/g"));
    disk_lose_power(&disk, LOSS_ALL);
    EXPECT("what a power loss draws for it hurts nobody", !disk.inodes[2].forgotten);
    disk_free(&disk);
}

/* Plain bytes beside pages that are shared, packed and forgotten. */
enum { MODEL_SIZE = 3 * CONTENT_PAGE_SIZE };

static struct model {
    uint8_t now[MODEL_SIZE], durable[MODEL_SIZE];
    uint32_t size, durable_size;
} model;

static void model_write(struct content *content, struct prng *prng)
{
    static uint8_t bytes[MODEL_SIZE];
    const uint32_t at = (uint32_t)prng_below(prng, MODEL_SIZE);
    const uint32_t size = 1 + (uint32_t)prng_below(prng, MODEL_SIZE - at);

    memset(bytes, prng_chance(prng, 1, 3) ? 0 : 1 + (int)prng_below(prng, 255), size);
    if (prng_chance(prng, 1, 2)) memset(bytes + size / 3, 0, size - size / 3);
    content_write(content, at, bytes, size);
    memcpy(model.now + at, bytes, size);
    model.size = MAX(model.size, at + size);
}

static void model_truncate(struct content *content, struct prng *prng)
{
    const uint32_t size = (uint32_t)prng_below(prng, MODEL_SIZE);

    content_truncate(content, size);
    if (size < model.size) memset(model.now + size, 0, model.size - size);
    model.size = size;
}

static void expect_model(const struct content *content)
{
    static uint8_t bytes[MODEL_SIZE];

    EXPECT_EQ("as many bytes", model.size, content_read(content, 0, bytes, MODEL_SIZE));
    EXPECT("and the same", memcmp(bytes, model.now, model.size) == 0);
}

TEST(pages_say_what_plain_bytes_say)
{
    struct prng prng;
    struct content content = { 0 }, copy;
    struct loss_count count = { 0 };

    prng_init(&prng, 3, 1);
    model = (struct model){ 0 };
    for (int i = 0; i < 5000; i++) {
        switch (prng_below(&prng, 6)) {
        case 0: model_truncate(&content, &prng); break;
        case 1:
            content_sync(&content);
            memcpy(model.durable, model.now, sizeof model.durable);
            model.durable_size = model.size;
            break;
        case 2:
            content_lose(&content, LOSS_ALL, &prng, &count);
            memcpy(model.now, model.durable, sizeof model.now);
            model.size = model.durable_size;
            break;
        case 3: /* whoever has a copy writes to pages of his own */
            content_copy(&content, &copy);
            content_write(&copy, 0, (const uint8_t *)"copy", 4);
            content_sync(&copy);
            content_free(&copy);
            break;
        default: model_write(&content, &prng); break;
        }
        expect_model(&content);
    }
    content_free(&content);
}
