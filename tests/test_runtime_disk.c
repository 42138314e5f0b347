/* The orders for files of the production host, on a real disk. */
#include "runtime/server.h"
#include "served.h"

TEST(files_hold_what_was_written)
{
    struct server server;
    static uint8_t data[200000];

    for (uint32_t i = 0; i < sizeof data; i++) data[i] = counted(i * 7);
    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    EXPECT_EQ("a directory with its parents", 0, call(fd, (struct asked){ .command = 'M', .path = "a/b/c" })->result);
    EXPECT_EQ("fine if it is there", 0, call(fd, (struct asked){ .command = 'M', .path = "a/b" })->result);
    EXPECT_EQ("no file, no read", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'R', .path = "a/b/c/f", .count = 10 })->result);
    EXPECT_EQ("no directory, no write", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'W', .path = "x/f", .data = data, .size = 1 })->result);
    EXPECT_EQ("in many pieces", 0,
              call(fd, (struct asked){ .command = 'W', .path = "a/b/c/f", .data = data, .size = sizeof data })->result);
    EXPECT_EQ("synced", 0, call(fd, (struct asked){ .command = 'S', .path = "a/b/c/f" })->result);
    EXPECT_EQ("its name too", 0, call(fd, (struct asked){ .command = 'Y', .path = "a/b/c" })->result);
    EXPECT_EQ("written over, and synced with one answer", 0,
              call(fd, (struct asked){ .command = 'P', .path = "a/b/c/f", .position = 100, .data = "abc", .size = 3 })
                  ->result);
    memcpy(data + 100, "abc", 3);
    for (int32_t turn = 0; turn < 2; turn++) {
        const struct told *told = call(fd, (struct asked){ .command = 'R', .path = "a/b/c/f", .count = sizeof data });
        EXPECT_BYTES("read back", data, sizeof data, told->data, told->size);
    }
    EXPECT_EQ(
        "less only at the end", 10,
        call(fd, (struct asked){ .command = 'R', .path = "a/b/c/f", .position = sizeof data - 10, .count = 99 })->size);
    EXPECT_EQ("cut", 0, call(fd, (struct asked){ .command = 'T', .path = "a/b/c/f", .position = 50 })->result);
    EXPECT_EQ("is shorter", 50, call(fd, (struct asked){ .command = 'R', .path = "a/b/c/f", .count = 99 })->size);
    EXPECT_EQ("grown", 0, call(fd, (struct asked){ .command = 'T', .path = "a/b/c/f", .position = 60 })->result);
    const struct told *told = call(fd, (struct asked){ .command = 'R', .path = "a/b/c/f", .count = 99 });
    EXPECT_BYTES("with zeros", "\0\0\0\0\0\0\0\0\0\0", 10, told->data + 50, told->size - 50);
    close(fd);
    stop(&server);
}

TEST(names_change_and_open_files_do_not_deceive)
{
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    call(fd, (struct asked){ .command = 'M', .path = "d" });
    call(fd, (struct asked){ .command = 'W', .path = "d/one", .data = "1", .size = 1 });
    call(fd, (struct asked){ .command = 'W', .path = "d/two", .data = "22", .size = 2 });
    EXPECT_EQ("renamed over another", 0,
              call(fd, (struct asked){ .command = 'N', .path = "d/two", .data = "d/one", .size = 5 })->result);
    EXPECT_EQ("the old file is not read any more", 2,
              call(fd, (struct asked){ .command = 'R', .path = "d/one", .count = 9 })->size);
    EXPECT_EQ("the old name is gone", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'R', .path = "d/two", .count = 9 })->result);
    EXPECT_EQ("a directory", 0,
              call(fd, (struct asked){ .command = 'N', .path = "d", .data = "e", .size = 1 })->result);
    EXPECT_EQ("its files went with it", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'W', .path = "d/one", .data = "x", .size = 1 })->result);
    EXPECT_EQ("to the new name", 2, call(fd, (struct asked){ .command = 'R', .path = "e/one", .count = 9 })->size);
    EXPECT_EQ("not empty", DISK_FAILED, call(fd, (struct asked){ .command = 'U', .path = "e" })->result);
    EXPECT_EQ("a file", 0, call(fd, (struct asked){ .command = 'U', .path = "e/one" })->result);
    EXPECT_EQ("is gone", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'R', .path = "e/one", .count = 9 })->result);
    EXPECT_EQ("an empty directory", 0, call(fd, (struct asked){ .command = 'U', .path = "e" })->result);
    EXPECT_EQ("twice", DISK_NOT_FOUND, call(fd, (struct asked){ .command = 'U', .path = "e" })->result);
    close(fd);
    stop(&server);
}

TEST(directories_are_listed_in_pages)
{
    static const char *const names[] = { "l/Z", "l/a", "l/a-b", "l/ab", "l/b" };
    struct server server;
    char seen[256] = "", last[256] = "";

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    call(fd, (struct asked){ .command = 'M', .path = "l/ab" });
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        call(fd, (struct asked){ .command = 'W', .path = names[i], .data = "12345", .size = i });
    }
    for (int32_t pages = 0; pages < 9; pages++) {
        const struct told *told = call(
            fd,
            (struct asked){ .command = 'L', .path = "l", .count = 30, .data = last, .size = (uint32_t)strlen(last) });
        for (uint32_t at = 0; at < told->size;) {
            const uint16_t size = load_u16(told->data + at + 9);
            snprintf(last, sizeof last, "%.*s", size, (const char *)told->data + at + FILE_ENTRY_HEAD_SIZE);
            const size_t length = strlen(seen);
            snprintf(seen + length, sizeof seen - length, "%s%s=%d ", last, told->data[at + 8] ? "/" : "",
                     told->data[at + 8] ? 0 : (int)load_u64(told->data + at));
            at += FILE_ENTRY_HEAD_SIZE + size;
        }
        if ((told->result & 0x80) == 0) break;
    }
    EXPECT_TEXT("in the order of bytes, each once", "Z=0 a=1 a-b=2 ab/=0 b=4 ", seen);
    EXPECT_EQ("no directory", DISK_NOT_FOUND,
              call(fd, (struct asked){ .command = 'L', .path = "m", .count = 99 })->result);
    close(fd);
    stop(&server);
}

TEST(orders_for_one_path_keep_their_order)
{
    struct server server;
    uint32_t wrong = 0;

    prepare(&server);
    run(&server);
    int fds[4];
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) fds[i] = client_of(&server);
    for (uint32_t round = 0; round < 30; round++) {
        /* Four paths at a time, urgent and not: the read that was ordered last sees the write that was last. */
        const uint32_t count = 10 + round * 3;
        for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
            const char *const paths[] = { "p0", "p1", "p2", "p3" };
            const struct asked asked = {
                .command = 'O', .path = paths[i], .count = count, .data = "abcdefghij", .size = 10
            };
            EXPECT("asked", ask(fds[i], &asked));
        }
        for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
            const struct told *told = hear(fds[i]);
            wrong += told->size != 1 || told->data[0] != "abcdefghij"[(count - 1) % 10];
        }
    }
    EXPECT_EQ("each read its last write", 0, wrong);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) close(fds[i]);
    stop(&server);
}

TEST(file_ranges_are_sent)
{
    struct server server;
    static uint8_t data[1 << 20];

    for (uint32_t i = 0; i < sizeof data; i++) data[i] = counted(i * 3);
    prepare(&server);
    run(&server);
    int fd = client_of(&server);
    for (uint32_t at = 0; at < sizeof data; at += sizeof data / 4) {
        call(fd,
             (struct asked){ .command = 'W', .path = "f", .position = at, .data = data + at, .size = sizeof data / 4 });
    }
    call(fd, (struct asked){ .command = 'S', .path = "f" });
    char path[128];
    snprintf(path, sizeof path, "%s/f", server.settings.data_dir);
    const int file = open(path, O_RDONLY);
    for (uint32_t round = 0; round < 6; round++) {
        /* Hot, then out of the page cache, in turn. */
        if (round % 2 == 1) posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
        const uint32_t from = round * 1000 + 1, size = (uint32_t)sizeof data - from - round;
        const struct told *told =
            call(fd, (struct asked){ .command = 'G', .path = "f", .position = from, .count = size });
        EXPECT_BYTES("what lies there", data + from, size, told->data, told->size);
    }
    close(file);
    EXPECT_EQ(
        "beyond the end there is nothing to send: the link is closed", -1,
        call(fd, (struct asked){ .command = 'G', .path = "f", .position = sizeof data - 5, .count = 50 })->result);
    close(fd);
    fd = client_of(&server);
    EXPECT_EQ("nor is there without a file", -1,
              call(fd, (struct asked){ .command = 'G', .path = "nothing", .count = 50 })->result);
    close(fd);
    stop(&server);
}

TEST(a_full_disk_is_not_a_failed_one)
{
    struct server server;
    static uint8_t data[300000];

    prepare(&server);
    char command[300];
    snprintf(command, sizeof command, "mkdir -p %s && mount -t tmpfs -o size=1m none %s 2>/dev/null",
             server.settings.data_dir, server.settings.data_dir);
    if (system(command) != 0) {
        printf("skipped: a full disk: only root can mount a small one\n");
        clean(&server);
        return;
    }
    run(&server);
    const int fd = client_of(&server);
    int result = 0;
    for (uint32_t i = 0; i < 6 && result == 0; i++) {
        result = call(fd,
                      (struct asked){
                          .command = 'W', .path = "f", .position = i * sizeof data, .data = data, .size = sizeof data })
                     ->result;
    }
    EXPECT_EQ("full", DISK_FULL, result);
    EXPECT_EQ("reads go on", 100, call(fd, (struct asked){ .command = 'R', .path = "f", .count = 100 })->size);
    EXPECT_EQ("room is made", 0, call(fd, (struct asked){ .command = 'T', .path = "f" })->result);
    EXPECT_EQ("and used", 0,
              call(fd, (struct asked){ .command = 'W', .path = "f", .data = data, .size = 1000 })->result);
    close(fd);
    kill(server.pid, SIGTERM);
    EXPECT_EQ("clean", EXIT_STOPPED, exit_code(&server));
    snprintf(command, sizeof command, "umount %s", server.settings.data_dir);
    EXPECT_EQ("unmounted", 0, system(command));
    clean(&server);
}

TEST(other_errors_are_failures)
{
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    call(fd, (struct asked){ .command = 'M', .path = "d" });
    EXPECT_EQ("a directory is no file", DISK_FAILED,
              call(fd, (struct asked){ .command = 'W', .path = "d", .data = "x", .size = 1 })->result);
    EXPECT("errno is in the log", strstr(said(&server), "cannot create d: Is a directory") != NULL);
    close(fd);
    stop(&server);
}
