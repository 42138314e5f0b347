/* How the production host begins and ends. */
#include "runtime/server.h"
#include "served.h"

TEST(halts_have_exit_codes)
{
    static const struct row {
        const char *why;
        enum halt_reason reason;
        int code;
        const char *line;
    } rows[] = {
        { "a clean stop is 0", HALT_STOPPED, EXIT_STOPPED, "" },
        { "the disk failed", HALT_DISK_FAILED, EXIT_DISK_FAILED,
          "the disk failed: nothing can be promised any more: here" },
        { "the disk is full", HALT_DISK_FULL, EXIT_DISK_FULL, "no room to recover in: here" },
        { "corrupt", HALT_CORRUPT, EXIT_CORRUPT, "to go on would lose more: here" },
        { "removed", HALT_REMOVED, EXIT_REMOVED,
          "removed from its cluster; it may join again with an empty data directory: here" },
        { "its disk is an older copy", HALT_FORGOT, EXIT_REMOVED,
          "lacks what this node acknowledged: it is an older copy; the node may join again with an empty data "
          "directory: here" },
        { "left behind", HALT_OUTLIVED, EXIT_REMOVED,
          "recovered without this node; it may join again with an empty data directory: here" },
        { "somebody else's", HALT_FOREIGN, EXIT_FOREIGN, "belongs to another node, cluster or format: here" },
    };
    FOR_EACH(row, row, rows) {
        struct server server;
        prepare(&server);
        run(&server);
        const int fd = client_of(&server);
        const struct asked asked = { .command = 'X', .count = row->reason };
        EXPECT(row->why, ask(fd, &asked));
        EXPECT_EQ(row->why, row->code, exit_code(&server));
        EXPECT(row->why, strstr(said(&server), row->line) != NULL);
        close(fd);
        clean(&server);
    }
}

TEST(a_data_directory_has_one_server)
{
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    EXPECT_EQ("it runs", 0, call(fd, (struct asked){ .command = 'E' })->result);
    struct server second = server;
    second.settings.kafka.port = free_port();
    second.settings.admin.port = free_port();
    run(&second);
    EXPECT_EQ("the second does not start", EXIT_CANNOT_START, exit_code(&second));
    char line[64];
    snprintf(line, sizeof line, "another chronik-server (process %d) has it", server.pid);
    EXPECT("and says who is there", strstr(said(&server), line) != NULL);
    kill(server.pid, SIGKILL);
    exit_code(&server);
    run(&server);
    const int again = client_of(&server);
    EXPECT_EQ("a lock does not outlive its process", 0, call(again, (struct asked){ .command = 'E' })->result);
    close(fd);
    close(again);
    stop(&server);
}

TEST(what_cannot_start_says_why)
{
    struct server server, second;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    prepare(&second);
    second.settings.kafka.port = server.settings.kafka.port;
    run(&second);
    EXPECT_EQ("the port is in use", EXIT_CANNOT_START, exit_code(&second));
    EXPECT("and named", strstr(said(&second), "(--kafka-addr): Address already in use") != NULL);
    second.settings.kafka.port = free_port();
    second.settings.admin.port = server.settings.admin.port;
    run(&second);
    EXPECT_EQ("so is the other", EXIT_CANNOT_START, exit_code(&second));
    EXPECT("and named", strstr(said(&second), "(--admin-addr): Address already in use") != NULL);
    snprintf(second.settings.data_dir, sizeof second.settings.data_dir, "/proc/nothing/here");
    run(&second);
    EXPECT_EQ("no directory can be there", EXIT_CANNOT_START, exit_code(&second));
    EXPECT("it says where", strstr(said(&second), "cannot use data directory /proc/nothing/here") != NULL);
    close(fd);
    clean(&second);
    stop(&server);
}

TEST(a_host_without_descriptors_refuses_and_lives)
{
    struct server server;
    int fds[64];
    uint32_t served = 0;

    prepare(&server);
    fflush(NULL);
    /* The limit is inherited; 40 descriptors leave room for some twenty links. */
    server.pid = fork();
    if (server.pid == 0) {
        char path[128];
        snprintf(path, sizeof path, "%s/said.txt", server.directory);
        dup2(open(path, O_WRONLY | O_CREAT | O_APPEND, 0644), STDERR_FILENO);
        const struct rlimit limit = { 40, 40 };
        setrlimit(RLIMIT_NOFILE, &limit);
        exit(server_run(&server.settings));
    }
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) fds[i] = client_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
        served += call(fds[i], (struct asked){ .command = 'E' })->result == 0;
    }
    EXPECT("some are served", served >= 10 && served < 40);
    EXPECT("the others are told apart", strstr(said(&server), "no file descriptors are left") != NULL);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) close(fds[i]);
    const int fd = client_of(&server);
    EXPECT_EQ("and it goes on", 0, call(fd, (struct asked){ .command = 'E' })->result);
    close(fd);
    stop(&server);
}

TEST(two_signals_end_it_at_once)
{
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    EXPECT_EQ("it runs", 0, call(fd, (struct asked){ .command = 'E' })->result);
    kill(server.pid, SIGHUP);
    EXPECT_EQ("SIGHUP does no harm", 0, call(fd, (struct asked){ .command = 'E' })->result);
    kill(server.pid, SIGSTOP);
    kill(server.pid, SIGTERM);
    kill(server.pid, SIGINT);
    kill(server.pid, SIGCONT);
    const int code = exit_code(&server);
    EXPECT("at once, unless the first was enough", code == EXIT_KILLED || code == EXIT_STOPPED);
    close(fd);
    clean(&server);
}
