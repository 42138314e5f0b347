/* The links of the production host to other nodes, over real sockets: one server dials another. */
#include "runtime/server.h"
#include "served.h"

#include <netdb.h>

enum { PEERS = 8 };

/* ---- names of our own ---- */

static struct addrinfo *literal(const char *host, const char *service)
{
    struct addrinfo *infos = NULL;
    struct sockaddr_in *address = calloc(1, sizeof *infos + sizeof *address);

    infos = (struct addrinfo *)(void *)address;
    address = (struct sockaddr_in *)(void *)(infos + 1);
    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(service)) };
    inet_pton(AF_INET, host, &address->sin_addr);
    infos->ai_family = AF_INET;
    infos->ai_socktype = SOCK_STREAM;
    infos->ai_addr = (struct sockaddr *)address;
    infos->ai_addrlen = sizeof *address;
    return infos;
}

/* In place of the C library's: literals of IPv4; "localhost"; "two.test", which has two addresses; and "slow.test", of
 * which it is known only after half a second. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **infos)
{
    struct in_addr address;
    const bool literals_only = (hints->ai_flags & AI_NUMERICHOST) != 0;

    if (inet_pton(AF_INET, host, &address) == 1) {
        *infos = literal(host, service);
        return 0;
    }
    if (literals_only) return EAI_NONAME;
    if (strcmp(host, "slow.test") == 0) usleep(500000);
    else if (strcmp(host, "two.test") != 0 && strcmp(host, "localhost") != 0) return EAI_NONAME;
    *infos = literal("127.0.0.1", service);
    if (strcmp(host, "two.test") == 0) (*infos)->ai_next = literal("127.0.0.2", service);
    return 0;
}

void freeaddrinfo(struct addrinfo *infos)
{
    while (infos != NULL) {
        struct addrinfo *next = infos->ai_next;
        free(infos);
        infos = next;
    }
}

/* ---- servers ---- */

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

/* A listener whose queue is full: it answers nobody. */
struct deaf {
    uint16_t port;
    int fds[9];
};

static struct deaf deaf_at(uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct deaf deaf = { .port = port };

    deaf.fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT("a deaf listener", bind(deaf.fds[0], (const struct sockaddr *)&address, sizeof address) == 0);
    EXPECT("listens", listen(deaf.fds[0], 0) == 0);
    for (uint32_t i = 1; i < COUNT_OF(deaf.fds); i++) {
        deaf.fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(deaf.fds[i], (const struct sockaddr *)&address, sizeof address);
    }
    return deaf;
}

static void end_deaf(const struct deaf *deaf)
{
    for (uint32_t i = 0; i < COUNT_OF(deaf->fds); i++) close(deaf->fds[i]);
}

TEST(an_address_that_does_not_answer_is_not_the_last_one)
{
    struct server a, b;

    prepare_node(&a);
    prepare_node(&b);
    memcpy(b.settings.cluster_node.host, "127.0.0.2", sizeof "127.0.0.2");
    const struct deaf deaf = deaf_at(b.settings.cluster_node.port);
    run(&a);
    run(&b);
    const int fd = client_of(&a), other = client_of(&b);
    const struct told *told = dial_node(fd, "two.test", deaf.port, "hello", 5, 10000);
    EXPECT_BYTES("the other address", "hello", 5, told->data, told->size);
    end_deaf(&deaf);
    told = dial_node(fd, "two.test", deaf.port, "hello", 5, 10000);
    EXPECT_BYTES("behind one that refuses", "hello", 5, told->data, told->size);
    close(fd);
    close(other);
    stop(&a);
    stop(&b);
}

TEST(a_name_that_takes_long_serves_the_next_attempt)
{
    struct server a, b;

    prepare_node(&a);
    prepare_node(&b);
    run(&a);
    run(&b);
    const int fd = client_of(&a), other = client_of(&b);
    for (uint32_t round = 0; round < 2; round++) {
        EXPECT_EQ("too late", 1, dial_node(fd, "slow.test", b.settings.cluster_node.port, "x", 1, 50)->result);
        usleep(700000);
        const struct told *told = dial_node(fd, "slow.test", b.settings.cluster_node.port, "hello", 5, 300);
        EXPECT_BYTES("in time", "hello", 5, told->data, told->size);
    }
    EXPECT_EQ("one is being looked up", 1, dial_node(fd, "slow.test", 1, "x", 1, 50)->result);
    close(fd);
    close(other);
    stop(&a);
    stop(&b);
}

TEST(an_attempt_is_given_up)
{
    struct server server;

    const struct deaf deaf = deaf_at(free_port());
    prepare_node(&server);
    run(&server);
    const int fd = client_of(&server);
    for (uint32_t i = 0; i < 3; i++) {
        const struct told *told = dial_node(fd, "127.0.0.1", deaf.port, "x", 1, 30);
        EXPECT_EQ("given up", 1, told->result);
        EXPECT_EQ("the number is free again", 0, call(fd, (struct asked){ .command = 'E' })->result);
    }
    /* And one is under way when the server stops. */
    uint8_t frame[32];
    const uint32_t frame_size = echo_frame(frame, "x", 1);
    const struct asked asked = { 'Z', "127.0.0.1", 60000, deaf.port, frame, frame_size };
    EXPECT("asked", ask(fd, &asked));
    const int other = client_of(&server);
    EXPECT_EQ("it does not wait for it", 0, call(other, (struct asked){ .command = 'E' })->result);
    stop(&server);
    close(fd);
    close(other);
    end_deaf(&deaf);
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
