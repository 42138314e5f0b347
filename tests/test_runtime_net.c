/* The links of the production host, over real sockets. */
#include "runtime/server.h"
#include "served.h"

TEST(bytes_come_back)
{
    static const uint32_t sizes[] = { 0, 1, 3, 4096, 100000, 1000000 };
    static uint8_t data[1000000];
    struct server server;

    for (uint32_t i = 0; i < sizeof data; i++) data[i] = counted(i);
    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
        const struct told *told = call(fd, (struct asked){ .command = 'E', .data = data, .size = sizes[i] });
        EXPECT_BYTES("an echo is what was said", data, sizes[i], told->data, told->size);
    }
    close(fd);
    stop(&server);
}

TEST(a_frame_may_come_byte_by_byte)
{
    struct server server;
    uint8_t frame[4 + 1 + 2 + 8 + 4 + 5] = { 0, 0, 0, 20, 'E' };

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    memcpy(frame + sizeof frame - 5, "hello", 5);
    for (uint32_t i = 0; i < sizeof frame; i++) {
        EXPECT("sent", send_all(fd, frame + i, 1));
        usleep(500);
    }
    const struct told *told = hear(fd);
    EXPECT_BYTES("however it was cut", "hello", 5, told->data, told->size);
    close(fd);
    stop(&server);
}

TEST(large_answers_go_out_as_the_client_takes_them)
{
    struct server server;
    const uint32_t size = 12000000;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    const struct asked asked = { .command = 'B', .count = size };
    EXPECT("asked", ask(fd, &asked));
    usleep(100000); /* the socket's buffers are full by now, and the send is partial */
    const struct told *told = hear(fd);
    EXPECT_EQ("all of it came", size, told->size);
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < told->size; i++) wrong += told->data[i] != counted(i);
    EXPECT_EQ("in order", 0, wrong);
    EXPECT_EQ("the link goes on", 0, call(fd, (struct asked){ .command = 'E' })->result);
    close(fd);
    stop(&server);
}

TEST(a_client_that_takes_nothing_is_closed)
{
    struct server server;

    prepare(&server);
    server.settings.send_stall_ms = 300;
    run(&server);
    const int fd = client_of(&server), other = client_of(&server);
    const struct asked asked = { .command = 'B', .count = ANSWER_MAX - 1000 };
    EXPECT("asked", ask(fd, &asked));
    uint64_t open = 2;
    for (const double end = now_s() + 10; open != 1 && now_s() < end; usleep(50000)) {
        open = load_u64(call(other, (struct asked){ .command = 'I' })->data);
    }
    EXPECT_EQ("only the other is left", 1, open);
    EXPECT("one line says so", strstr(said(&server), "took nothing for 300 ms") != NULL);
    close(fd);
    close(other);
    stop(&server);
}

TEST(a_node_that_does_not_receive_slows_its_client)
{
    struct server server;
    static uint8_t data[900000];

    prepare(&server);
    run(&server);
    const int fd = client_of(&server), other = client_of(&server);
    struct asked asked = { .command = 'D', .count = 400 };
    EXPECT("asked", ask(fd, &asked));
    usleep(20000);
    const uint64_t before = load_u64(call(other, (struct asked){ .command = 'I' })->data + 8);
    asked = (struct asked){ .command = 'E', .data = data, .size = sizeof data };
    EXPECT("it goes into the kernel's buffers", ask(fd, &asked));
    const uint64_t after = load_u64(call(other, (struct asked){ .command = 'I' })->data + 8);
    EXPECT("nothing was read from that link", after - before < 1000);
    const double cpu_begin_s = cpu_s(&server);
    usleep(200000);
    EXPECT("what nobody reads does not keep the host awake", cpu_s(&server) - cpu_begin_s < 0.1);
    EXPECT_EQ("the sleeper answers", 0, hear(fd)->result);
    EXPECT_EQ("and what waited is served then", sizeof data, hear(fd)->size);
    close(fd);
    close(other);
    stop(&server);
}

TEST(a_hundred_links)
{
    struct server server;
    int fds[100];
    uint32_t right = 0;

    prepare(&server);
    run(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) fds[i] = client_of(&server);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
            const uint32_t word = round * 1000 + i;
            const struct asked asked = { .command = 'E', .data = &word, .size = sizeof word };
            EXPECT("asked", ask(fds[i], &asked));
        }
        for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
            const uint32_t word = round * 1000 + i;
            const struct told *told = hear(fds[i]);
            right += told->size == sizeof word && memcmp(told->data, &word, sizeof word) == 0;
        }
    }
    EXPECT_EQ("each hears its own", 2000, right);
    /* Half of them leave, in three ways. */
    for (uint32_t i = 0; i < COUNT_OF(fds); i += 2) {
        const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
        if (i % 4 == 0) setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        if (i % 6 == 0) EXPECT_EQ("closed by the node", -1, call(fds[i], (struct asked){ .command = 'C' })->result);
        close(fds[i]);
    }
    uint64_t open = 100;
    for (const double end = now_s() + 10; open != 50 && now_s() < end; usleep(5000)) {
        open = load_u64(call(fds[1], (struct asked){ .command = 'I' })->data);
    }
    EXPECT_EQ("the node knows who is left", 50, open);
    for (uint32_t i = 1; i < COUNT_OF(fds); i += 2) close(fds[i]);
    stop(&server);
}

TEST(connections_beyond_the_limit_are_closed)
{
    struct server server;
    int fds[5];

    prepare(&server);
    server.settings.node.links_max = 3;
    run(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) fds[i] = client_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
        const int result = call(fds[i], (struct asked){ .command = 'E' })->result;
        EXPECT_EQ("three are served", i < 3 ? 0 : -1, result);
    }
    EXPECT("a line says why", strstr(said(&server), "as many connections as") != NULL);
    close(fds[0]);
    usleep(50000);
    const int fd = client_of(&server);
    EXPECT_EQ("a place that is free again is given away", 0, call(fd, (struct asked){ .command = 'E' })->result);
    for (uint32_t i = 1; i < COUNT_OF(fds); i++) close(fds[i]);
    close(fd);
    stop(&server);
}

TEST(a_deadline_is_kept)
{
    static const uint32_t waits_ms[] = { 1, 30, 250 };
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(waits_ms); i++) {
        const double begin = now_s();
        EXPECT_EQ("answered", 0, call(fd, (struct asked){ .command = 'D', .count = waits_ms[i] })->result);
        const double took_ms = (now_s() - begin) * 1e3;
        EXPECT("not early", took_ms >= waits_ms[i]);
        EXPECT("not late, even on a busy machine", took_ms < waits_ms[i] + 200);
    }
    close(fd);
    stop(&server);
}
