/* Which commits the loop thread may carry out by itself, and that they are told like others. In memory, where a sync
 * takes no time: a disk that is slow for a moment would change the answers. */
#include "t.h"
#include "runtime/disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { TRIES_MAX = 100000 };

static uint8_t bytes[256 * 1024];
static struct piece pieces[2];

struct room {
    char directory[64];
    int fd;
    uv_loop_t loop;
    struct files *files;
    struct disk *disk;
};

static void open_room(struct room *room)
{
    snprintf(room->directory, sizeof room->directory, "/dev/shm/chronik-test-XXXXXX");
    EXPECT("a directory of our own", mkdtemp(room->directory) != NULL);
    room->fd = open(room->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    EXPECT_EQ("a loop", 0, uv_loop_init(&room->loop));
    room->files = files_new(room->fd, 16);
    room->disk = disk_new(&room->loop, room->files);
    EXPECT("threads", room->disk != NULL);
}

static void close_room(struct room *room)
{
    disk_free(room->disk);
    uv_run(&room->loop, UV_RUN_DEFAULT);
    EXPECT_EQ("nothing is left", 0, uv_loop_close(&room->loop));
    files_free(room->files);
    unlinkat(room->fd, "a", 0);
    unlinkat(room->fd, "b", 0);
    close(room->fd);
    rmdir(room->directory);
}

static void write_to(struct room *room, const char *path, uint32_t size, bool urgent)
{
    pieces[0] = (struct piece){ .data = bytes, .size = size / 2 };
    pieces[1] = (struct piece){ .data = bytes + size / 2, .size = size - size / 2 };
    const struct effect effect = {
        .type = EFFECT_WRITE, .write = { .op = 1, .path = path, .pieces = pieces, .piece_count = 2, .urgent = urgent }
    };
    disk_order(room->disk, &effect);
}

static void sync_of(struct room *room, const char *path, bool urgent)
{
    const struct effect effect = { .type = EFFECT_SYNC, .sync = { .op = 2, .path = path, .urgent = urgent } };

    disk_order(room->disk, &effect);
}

static void commit_to(struct room *room, const char *path, uint32_t size, bool urgent)
{
    write_to(room, path, size, urgent);
    sync_of(room, path, urgent);
}

/* Until nothing is under way. How many answers there were. */
static uint32_t finish(struct room *room)
{
    struct disk_done done;
    uint32_t told = 0;

    disk_flush(room->disk);
    while (disk_counts(room->disk).waiting > 0) {
        if (!disk_is_ready(room->disk)) uv_run(&room->loop, UV_RUN_ONCE);
        while (disk_next(room->disk, &done)) told++;
    }
    return told;
}

/* After some commits by threads it knows that this disk is quick. */
static void learn(struct room *room)
{
    commit_to(room, "a", 100, true);
    EXPECT("what a sync takes is not known yet", !disk_may_commit_here(room->disk));
    finish(room);
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        commit_to(room, "a", 100, true);
        const bool may = disk_may_commit_here(room->disk);
        finish(room);
        if (may) return;
    }
    EXPECT("a sync that does nothing is quick", false);
}

/* One letter per order: w, s: an urgent write, sync of a; W, S: of b; l: a large write of a; B, Y: a write, sync of b
 * that nobody waits for; |: the threads have it. */
static const struct {
    const char *why, *orders;
    bool may;
} rows[] = {
    { "a write and its sync", "ws", true },
    { "a write alone: nobody waits for it yet", "w", false },
    { "a sync alone: what is synced is with a thread", "s", false },
    { "two writes: more may come", "wws", false },
    { "a sync of something else", "wS", false },
    { "two commits: two threads do it in half the time", "wsWS", false },
    { "another one is under way", "WS|ws", false },
    { "what is written behind does not hinder", "BYws", true },
    { "what nobody waits for is not done here", "BY", false },
    { "a large one: the loop reads meanwhile", "ls", false },
};

static void order(struct room *room, char letter)
{
    switch (letter) {
    case 'w': write_to(room, "a", 100, true); break;
    case 's': sync_of(room, "a", true); break;
    case 'W': write_to(room, "b", 100, true); break;
    case 'S': sync_of(room, "b", true); break;
    case 'l': write_to(room, "a", sizeof bytes, true); break;
    case 'B': write_to(room, "b", 100, false); break;
    case 'Y': sync_of(room, "b", false); break;
    case '|': disk_flush(room->disk); break;
    default: EXPECT("a letter", false); break;
    }
}

TEST(only_a_lone_small_commit_may_be_done_here)
{
    struct room room;

    open_room(&room);
    learn(&room);
    commit_to(&room, "b", 100, true);
    finish(&room);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (const char *at = rows[i].orders; *at != 0; at++) order(&room, *at);
        EXPECT_EQ(rows[i].why, rows[i].may, disk_may_commit_here(room.disk));
        finish(&room);
    }
    close_room(&room);
}

TEST(a_commit_here_is_told_at_once_and_in_order)
{
    struct room room;
    struct disk_done done;
    char read_back[100];

    open_room(&room);
    learn(&room);
    const uint64_t syncs = disk_counts(room.disk).syncs;
    memset(bytes, 'x', 100);
    commit_to(&room, "a", 100, true);
    EXPECT("it is under way", disk_is_committing(room.disk));
    disk_commit_here(room.disk);
    EXPECT("still, as it is not told", disk_is_committing(room.disk));
    EXPECT("without a turn of the loop", disk_next(room.disk, &done));
    EXPECT_EQ("the write", EVENT_WRITTEN, done.event.type);
    EXPECT_EQ("and how", DISK_DONE, done.event.disk.result);
    EXPECT("then", disk_next(room.disk, &done));
    EXPECT_EQ("its sync", EVENT_SYNCED, done.event.type);
    EXPECT("and no more", !disk_next(room.disk, &done));
    EXPECT("it is told", !disk_is_committing(room.disk));
    EXPECT_EQ("counted as what it is", 1, disk_counts(room.disk).commits_here);
    EXPECT_EQ("and like others", syncs + 1, disk_counts(room.disk).syncs);
    const int fd = openat(room.fd, "a", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ("it is in the file", sizeof read_back, read(fd, read_back, sizeof read_back));
    EXPECT_BYTES("as it was", bytes, sizeof read_back, read_back, sizeof read_back);
    close(fd);
    close_room(&room);
}
