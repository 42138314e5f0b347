/* The admin server: right answers, and small ones to what is wrong. */
#include "runtime/server.h"
#include "served.h"

/* Sends a text, and reads until the other side closes or `answers` whole ones have come. */
static const char *talk(int fd, const char *text, size_t size, uint32_t answers)
{
    static char heard[1 << 20];
    size_t filled = 0;

    if (size > 0 && !send_all(fd, text, size)) return "(not sent)";
    while (filled < sizeof heard - 1) {
        uint32_t whole = 0;
        heard[filled] = 0;
        for (const char *at = heard; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++) {
            const char *length = strstr(at, "Content-Length: "), *body = strstr(at, "\r\n\r\n");
            if (length == NULL || body == NULL) continue;
            whole += (size_t)(heard + filled - (body + 4)) >= strtoull(length + 16, NULL, 10);
        }
        if (answers > 0 && whole >= answers) break;
        const ssize_t got = recv(fd, heard + filled, sizeof heard - 1 - filled, 0);
        if (got <= 0) break;
        filled += (size_t)got;
    }
    heard[filled] = 0;
    return heard;
}

static int admin_of(const struct server *server)
{
    return connect_to(server, server->settings.admin.port);
}

/* One request on a connection of its own. */
static const char *request(const struct server *server, const char *text)
{
    const int fd = admin_of(server);
    const char *heard = talk(fd, text, strlen(text), 1);

    close(fd);
    return heard;
}

static const struct row {
    const char *why;
    const char *text;
    const char *status;
    const char *holds;
} rows[] = {
    { "health", "GET /health HTTP/1.1\r\n\r\n", "200", "{\"status\":\"serving\",\"node_id\":1,\"disk_full\":false}" },
    { "with a query", "GET /health?x=1 HTTP/1.1\r\n\r\n", "200", "serving" },
    { "HTTP/1.0 closes", "GET /health HTTP/1.0\r\n\r\n", "200", "Connection: close" },
    { "metrics", "GET /metrics HTTP/1.1\r\n\r\n", "200", "\nchronik_connections_accepted_total 0\n" },
    { "under Kafka's names", "GET /metrics HTTP/1.1\r\n\r\n", "200",
      "\nkafka_server_replicamanager_underreplicatedpartitions 0\n" },
    { "of the group", "GET /metrics HTTP/1.1\r\n\r\n", "200", "\nraft_current_term{node_id=\"1\"} 0\n" },
    { "of the process", "GET /metrics HTTP/1.1\r\n\r\n", "200", "\nprocess_resident_memory_bytes " },
    { "notes are counted", "GET /metrics HTTP/1.1\r\n\r\n", "200", "\nchronik_notes_total{event=\"started\"} 1\n" },
    { "status", "GET /admin/status HTTP/1.1\r\n\r\n", "200", "\"state\": \"serving\"" },
    { "members", "GET /admin/cluster/members HTTP/1.1\r\n\r\n", "200",
      "[{\"node_id\": 1, \"addr\": \"a:1\", \"state\": \"leader\", \"broker\": \"active\", \"partitions\": 2, "
      "\"leaders\": 0}]" },
    { "the leader", "GET /admin/cluster/leader HTTP/1.1\r\n\r\n", "200", "{\"node_id\": 1, \"addr\": \"a:1\"" },
    { "partitions", "GET /admin/cluster/partitions HTTP/1.1\r\n\r\n", "200",
      "\"partition_epoch\": 0, \"replicas\": [1, 2], \"observers\": [], \"isr\": [1], \"elr\": [], \"min_isr\": 1, "
      "\"log_start_offset\": 0, \"high_watermark\": 7, \"log_end_offset\": 9, \"bytes\": 100, "
      "\"followers\": [{\"node_id\": 2, \"in_sync\": false, \"observes\": false, \"streaming\": true, \"lag_records\": "
      "2, "
      "\"lag_bytes\": 40, \"lag_seconds\": 1.500}]}]" },
    { "what a follower lacks", "GET /metrics HTTP/1.1\r\n\r\n", "200",
      "\nchronik_follower_lag_seconds{topic=\"t\",partition=\"0\",follower=\"2\"} 1.500\n" },
    { "what a partition lacks, by the name that dashboards know", "GET /metrics HTTP/1.1\r\n\r\n", "200",
      "\nkafka_cluster_partition_underreplicated{topic=\"t\",partition=\"0\"} 1\n" },
    { "no such path", "GET /healthy HTTP/1.1\r\n\r\n", "404", "/admin/status" },
    { "no such method here", "POST /health HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", "405", "Allow: GET, HEAD" },
    { "an order is posted", "GET /admin/remove-node HTTP/1.1\r\n\r\n", "405", "Allow: POST" },
    { "an order names its node", "POST /admin/remove-node HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "400",
      "{\"error\": \"which node?" },
    { "without a body too", "POST /admin/remove-node HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "400", "which node?" },
    { "a body that is no JSON", "POST /admin/remove-node HTTP/1.1\r\nContent-Length: 1\r\n\r\n{", "400",
      "the body is not JSON: line 1" },
    { "or not an object", "POST /admin/remove-node HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]", "400", "not an object" },
    { "or says more than the order has", "POST /admin/add-node HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"force\":true}",
      "400", "force is nothing that this order has" },
    { "a node that cannot be", "POST /admin/add-node HTTP/1.1\r\nContent-Length: 14\r\n\r\n{\"node_id\":-1}", "400",
      "of 1 or more" },
    { "a flag that is none",
      "POST /admin/remove-node HTTP/1.1\r\nContent-Length: 23\r\n\r\n{\"node_id\":2,\"force\":1}", "400",
      "true or false" },
    { "not even elsewhere", "BREW /health HTTP/1.1\r\n\r\n", "400", "Connection: close" },
    { "not HTTP", "\x16\x03\x01\x02", "400", "Connection: close" },
    { "Kafka on the wrong port", "\0", "400", "Connection: close" },
    { "a tunnel", "CONNECT a:1 HTTP/1.1\r\n\r\n", "405", "Connection: close" },
    { "an upgrade is not taken", "GET /health HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", "200",
      "close" },
};

TEST(answers)
{
    struct server server;

    prepare(&server);
    run(&server);
    FOR_EACH(row, row, rows) {
        const int fd = admin_of(&server);
        const size_t size = row->text[0] == 0 ? 8 : strlen(row->text);
        const char *heard = talk(fd, size == 8 && row->text[0] == 0 ? "\0\0\0\x12\0\x12\0\0" : row->text, size, 1);
        EXPECT(row->why, strncmp(heard, "HTTP/1.1 ", 9) == 0 && strncmp(heard + 9, row->status, 3) == 0);
        EXPECT(row->why, strstr(heard, row->holds) != NULL);
        close(fd);
    }
    const char *heard = request(&server, "HEAD /health HTTP/1.1\r\nConnection: close\r\n\r\n");
    EXPECT("HEAD says how long it would be", strstr(heard, "Content-Length: 5") != NULL);
    EXPECT("and nothing else", strstr(heard, "serving") == NULL);
    stop(&server);
}

TEST(connections_go_on)
{
    static const char two[] = "GET /health HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n";
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = admin_of(&server);
    for (uint32_t i = 0; i < 50; i++) {
        const char *heard = talk(fd, two, sizeof two - 1, 2);
        EXPECT("the first", strncmp(heard, "HTTP/1.1 200 ", 13) == 0);
        EXPECT("and the second, in order", strstr(heard, "HTTP/1.1 404 ") != NULL);
    }
    for (uint32_t i = 0; i < sizeof two - 1; i++) {
        EXPECT("byte by byte", send_all(fd, two + i, 1));
    }
    EXPECT("it is the same", strstr(talk(fd, "", 0, 2), "HTTP/1.1 404 ") != NULL);
    close(fd);
    stop(&server);
}

TEST(requests_have_limits)
{
    static char text[200000];
    struct server server;

    prepare(&server);
    run(&server);
    int size = snprintf(text, sizeof text, "GET /%01100d HTTP/1.1\r\n\r\n", 0);
    EXPECT("a long target", strncmp(request(&server, text), "HTTP/1.1 414 ", 13) == 0);
    size = snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nX: %09000d\r\n\r\n", 0);
    EXPECT("a long field", strncmp(request(&server, text), "HTTP/1.1 431 ", 13) == 0);
    size = snprintf(text, sizeof text, "GET /health HTTP/1.1\r\n");
    while (size < 12000) size += snprintf(text + size, sizeof text - (size_t)size, "Header-%d: x\r\n", size);
    EXPECT("many fields", strncmp(request(&server, text), "HTTP/1.1 431 ", 13) == 0);
    size = snprintf(text, sizeof text, "GET /health HTTP/1.1\r\nContent-Length: 100000\r\n\r\n%0100000d", 0);
    EXPECT("a long body", strncmp(request(&server, text), "HTTP/1.1 413 ", 13) == 0);
    const int fd = client_of(&server);
    EXPECT_EQ("the node goes on", 0, call(fd, (struct asked){ .command = 'E' })->result);
    close(fd);
    stop(&server);
}

TEST(connections_have_limits)
{
    struct server server;
    int fds[100];
    uint32_t served = 0;

    prepare(&server);
    run(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) fds[i] = admin_of(&server);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) {
        served += strstr(talk(fds[i], "GET /health HTTP/1.1\r\n\r\n", 24, 1), " 200 ") != NULL;
    }
    EXPECT_EQ("as many as there may be", 64, served);
    for (uint32_t i = 0; i < COUNT_OF(fds); i++) close(fds[i]);
    usleep(20000);
    EXPECT("they are free again", strstr(request(&server, "GET /health HTTP/1.1\r\n\r\n"), " 200 ") != NULL);
    stop(&server);
}

TEST(metrics_tell_what_happened)
{
    struct server server;

    prepare(&server);
    run(&server);
    const int fd = client_of(&server);
    call(fd, (struct asked){ .command = 'P', .path = "f", .data = "abc", .size = 3 });
    call(fd, (struct asked){ .command = 'R', .path = "f", .count = 3 });
    call(fd, (struct asked){ .command = 'G', .path = "f", .count = 3 });
    const char *heard = request(&server, "GET /metrics HTTP/1.1\r\n\r\n");
    EXPECT("bytes written", strstr(heard, "\nchronik_disk_written_bytes_total 3\n") != NULL);
    EXPECT("a sync", strstr(heard, "\nchronik_disk_sync_seconds_count 1\n") != NULL);
    EXPECT("a read from the page cache", strstr(heard, "\nchronik_disk_cached_reads_total 1\n") != NULL);
    EXPECT("nothing under way", strstr(heard, "\nchronik_disk_waiting 0\n") != NULL);
    EXPECT("a connection", strstr(heard, "\nchronik_connections_accepted_total 1\n") != NULL);
    char path[128];
    snprintf(path, sizeof path, "%s/f", server.settings.data_dir);
    const int file = open(path, O_RDONLY);
    fsync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    call(fd, (struct asked){ .command = 'G', .path = "f", .count = 3 });
    EXPECT("what was not in the page cache was fetched first",
           strstr(request(&server, "GET /metrics HTTP/1.1\r\n\r\n"), "\nchronik_cold_sends_total 1\n") != NULL);
    close(fd);
    stop(&server);
}

TEST(without_an_admin_address_there_is_none)
{
    struct server server;

    prepare(&server);
    const uint16_t port = server.settings.admin.port;
    server.settings.admin.host[0] = 0;
    run(&server);
    const int fd = client_of(&server);
    EXPECT_EQ("it serves", 0, call(fd, (struct asked){ .command = 'E' })->result);
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int admin = socket(AF_INET, SOCK_STREAM, 0);
    EXPECT("nobody listens", connect(admin, (const struct sockaddr *)&address, sizeof address) != 0);
    close(admin);
    close(fd);
    stop(&server);
}
