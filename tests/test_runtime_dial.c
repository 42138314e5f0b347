/* The links of the production host to other nodes, over real sockets: one server dials another. */
#include "runtime/server.h"
#include "served.h"

enum { PEERS = 8 };

static void prepare_node(struct server *server)
{
    prepare(server);
    server->settings.node.cluster_enabled = true;
    server->settings.node.peer_links_max = PEERS;
    server->settings.cluster_node = (struct address){ "127.0.0.1", free_port() };
    server->settings.cluster_wal = (struct address){ "127.0.0.1", free_port() };
}

/* An echo, as the fake node understands it. */
static uint32_t echo_frame(uint8_t *frame, const void *data, uint32_t size)
{
    memset(frame, 0, 19);
    store_u32(frame, 15 + size);
    frame[4] = 'E';
    memcpy(frame + 19, data, size);
    return 19 + size;
}

static struct told *dial_node(int fd, const char *host, uint16_t port, const void *data, uint32_t size,
                              uint32_t give_up_ms)
{
    static uint8_t frame[1 << 20];
    const uint32_t frame_size = echo_frame(frame, data, size);

    return call(fd, (struct asked){ 'Z', host, give_up_ms, port, frame, frame_size });
}

TEST(a_node_is_dialed_by_any_name_it_has)
{
    static const char *const names[] = { "127.0.0.1", "localhost" };
    static uint8_t data[300000];
    struct server a, b;

    for (uint32_t i = 0; i < sizeof data; i++) data[i] = counted(i);
    prepare_node(&a);
    prepare_node(&b);
    run(&a);
    run(&b);
    const int fd = client_of(&a), other = client_of(&b);
    for (uint32_t i = 0; i < COUNT_OF(names); i++) {
        for (uint32_t round = 0; round < 3; round++) {
            const struct told *told = dial_node(fd, names[i], b.settings.cluster_node.port, data, sizeof data, 0);
            EXPECT_EQ(names[i], 0, told->result);
            EXPECT_BYTES("what it said came back", data, sizeof data, told->data, told->size);
            told = dial_node(fd, names[i], b.settings.cluster_wal.port, "data", 4, 0);
            EXPECT_BYTES("at the other door too", "data", 4, told->data, told->size);
        }
    }
    close(fd);
    close(other);
    stop(&a);
    stop(&b);
}

static uint32_t count_of(const char *text, const char *word)
{
    uint32_t count = 0;

    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) count++;
    return count;
}

static const struct miss_row {
    const char *why;
    const char *host;
    int result;
    const char *line;
} miss_rows[] = {
    { "nobody listens", "127.0.0.1", 2, "Connection refused" },
    { "nobody listens, by name", "localhost", 2, "Connection refused" },
    { "no such name", "no-such-host.invalid", 1, "no-such-host.invalid" },
    { "no way there", "255.255.255.255", 1, "255.255.255.255" },
};

TEST(who_is_not_there_is_told)
{
    FOR_EACH(miss_row, row, miss_rows) {
        struct server server;
        prepare_node(&server);
        run(&server);
        const int fd = client_of(&server);
        const uint16_t port = free_port();
        for (uint32_t i = 0; i < 3; i++) {
            EXPECT_EQ(row->why, row->result, dial_node(fd, row->host, port, "x", 1, 5000)->result);
        }
        EXPECT_EQ(row->why, 0, call(fd, (struct asked){ .command = 'E' })->result);
        EXPECT_EQ("one line of three attempts", 1, count_of(said(&server), "cannot reach"));
        EXPECT(row->why, strstr(said(&server), row->line) != NULL);
        close(fd);
        stop(&server);
    }
}

TEST(an_attempt_is_given_up)
{
    struct server server;
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_in bound;
    socklen_t size = sizeof bound;
    int fillers[8];

    /* A listener whose queue is full answers nobody. */
    const int deaf = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT("a deaf listener", bind(deaf, (const struct sockaddr *)&any, sizeof any) == 0 && listen(deaf, 0) == 0);
    getsockname(deaf, (struct sockaddr *)&bound, &size);
    for (uint32_t i = 0; i < COUNT_OF(fillers); i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (const struct sockaddr *)&bound, sizeof bound);
    }
    prepare_node(&server);
    run(&server);
    const int fd = client_of(&server);
    for (uint32_t i = 0; i < 3; i++) {
        const struct told *told = dial_node(fd, "127.0.0.1", ntohs(bound.sin_port), "x", 1, 30);
        EXPECT_EQ("given up", 1, told->result);
        EXPECT_EQ("the number is free again", 0, call(fd, (struct asked){ .command = 'E' })->result);
    }
    /* And one is under way when the server stops. */
    uint8_t frame[32];
    const uint32_t frame_size = echo_frame(frame, "x", 1);
    const struct asked asked = { 'Z', "127.0.0.1", 60000, ntohs(bound.sin_port), frame, frame_size };
    EXPECT("asked", ask(fd, &asked));
    const int other = client_of(&server);
    EXPECT_EQ("it does not wait for it", 0, call(other, (struct asked){ .command = 'E' })->result);
    stop(&server);
    close(fd);
    close(other);
    close(deaf);
    for (uint32_t i = 0; i < COUNT_OF(fillers); i++) close(fillers[i]);
}

TEST(nodes_and_clients_have_numbers_of_their_own)
{
    struct server server;
    int clients[3], nodes[PEERS + 2];
    uint32_t served = 0;

    prepare_node(&server);
    server.settings.node.links_max = 3;
    run(&server);
    for (uint32_t i = 0; i < COUNT_OF(clients); i++) clients[i] = client_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++) nodes[i] = connect_to(&server, server.settings.cluster_node.port);
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++) {
        served += call(nodes[i], (struct asked){ .command = 'E' })->result == 0;
    }
    EXPECT_EQ("as many nodes as may be", PEERS, served);
    EXPECT("one line says which limit", strstr(said(&server), "limits.peer_connections_max") != NULL);
    for (uint32_t i = 0; i < COUNT_OF(clients); i++) {
        EXPECT_EQ("clients do not mind", 0, call(clients[i], (struct asked){ .command = 'E' })->result);
    }
    for (uint32_t i = 0; i < COUNT_OF(nodes); i++) close(nodes[i]);
    for (uint32_t i = 0; i < COUNT_OF(clients); i++) close(clients[i]);
    stop(&server);
}

TEST(a_node_that_stays_alone_opens_no_door)
{
    struct server server;

    prepare_node(&server);
    server.settings.node.cluster_enabled = false;
    server.settings.node.peer_links_max = 0;
    run(&server);
    const int fd = client_of(&server);
    EXPECT_EQ("it serves", 0, call(fd, (struct asked){ .command = 'E' })->result);
    const int node = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(server.settings.cluster_node.port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    EXPECT("clients only", connect(node, (const struct sockaddr *)&address, sizeof address) != 0);
    close(node);
    close(fd);
    stop(&server);
}
