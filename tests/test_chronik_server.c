/* The program as it is typed: $CHRONIK_SERVER with its arguments, what it says, and its exit code. */
#include "base/bytes.h"
#include "t.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char directory[] = "/tmp/chronik-main-XXXXXX";
static char said[65536]; /* both outputs */

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* False, and a line, where the program was not built. */
static bool is_here(void)
{
    const char *server = getenv("CHRONIK_SERVER");
    static bool told;

    if (server != NULL && access(server, X_OK) == 0) return true;
    if (!told) printf("skipped: chronik-server is not here\n");
    told = true;
    return false;
}

static void read_said(void)
{
    char path[64];

    snprintf(path, sizeof path, "%s/said.txt", directory);
    const int fd = open(path, O_RDONLY);
    const ssize_t size = fd < 0 ? 0 : read(fd, said, sizeof said - 1);
    said[size > 0 ? size : 0] = 0;
    if (fd >= 0) close(fd);
}

/* In a directory of its own, so that no chronik.toml of somebody else is found. */
static pid_t launch(const char *arguments)
{
    char command[1024];

    if (directory[sizeof directory - 2] == 'X') EXPECT("a directory", mkdtemp(directory) != NULL);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid != 0) return pid;
    snprintf(command, sizeof command, "cd %s && exec $CHRONIK_SERVER %s >said.txt 2>&1", directory, arguments);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static int finish(pid_t pid)
{
    int status = 0;

    for (const double end = now_s() + 20; waitpid(pid, &status, WNOHANG) == 0; usleep(1000)) {
        if (now_s() < end) continue;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        break;
    }
    read_said();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void clean(void)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", directory);
    EXPECT_EQ("nothing is left behind", 0, system(command));
    memset(directory + strlen(directory) - 6, 'X', 6);
}

static int run(const char *arguments)
{
    return finish(launch(arguments));
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    EXPECT("a port can be had", bind(fd, (struct sockaddr *)&address, size) == 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    close(fd);
    return ntohs(address.sin_port);
}

/* The answer of the admin server; "" if there is none. */
static const char *get(uint16_t port, const char *path)
{
    static char heard[1 << 18];
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    char request[128];
    size_t filled = 0;

    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        const int size = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", path);
        if (send(fd, request, (size_t)size, MSG_NOSIGNAL) == size) {
            for (ssize_t got = 1; got > 0 && filled < sizeof heard - 1;) {
                got = recv(fd, heard + filled, sizeof heard - 1 - filled, 0);
                if (got > 0) filled += (size_t)got;
            }
        }
    }
    close(fd);
    heard[filled] = 0;
    return heard;
}

static bool serves(uint16_t admin_port)
{
    for (const double end = now_s() + 15; now_s() < end; usleep(1000)) {
        if (strstr(get(admin_port, "/health"), " 200 OK") != NULL) return true;
    }
    return false;
}

/* A client that asks for topic "t", which creates it. */
static bool create_topic(uint16_t port)
{
    static const uint8_t request[] = { 0, 0, 0, 18, 0, 3, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 't', 1 };
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = 10 };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    uint8_t answer[512];

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const bool answered = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
                          send(fd, request, sizeof request, MSG_NOSIGNAL) == sizeof request &&
                          recv(fd, answer, sizeof answer, 0) > 8;
    close(fd);
    return answered;
}

static const struct row {
    const char *why;
    const char *arguments;
    int code;
    const char *holds;
} rows[] = {
    { "nothing said is answered with help", "", 2, "chronik-server start [FLAG VALUE]" },
    { "help that was asked for is no error", "--help", 0, "chronik-server start [FLAG VALUE]" },
    { "the same as a word", "help", 0, "Try it:" },
    { "all flags", "start --help", 0, "--connections-max" },
    { "a version", "version", 0, "chronik-server 0." },
    { "as a flag", "--version", 0, "chronik-server 0." },
    { "no such command", "begin", 2, "there is no command 'begin'" },
    { "no such flag", "start --prot 1", 2, "chronik-server: --prot: there is no such flag" },
    { "no such value", "standalone --log-level loud", 2, "--log-level: 'loud' is none of debug, info, warning, error" },
    { "no such file", "start --config nothing.toml", 2, "nothing.toml: cannot read it: No such file or directory" },
    { "no such directory possible", "start --data-dir /proc/x/y --kafka-addr 127.0.0.1:0 --admin-addr off", 1,
      "cannot use data directory /proc/x/y: cannot create it" },
    { "no such host", "start --kafka-addr no.such.host.invalid:9092 --admin-addr off", 1, "cannot listen on" },
    { "no such cluster flag", "cluster --nod-id 1", 2, "--nod-id: there is no such flag" },
    { "a seed without an id", "cluster --seed-nodes node1:9093", 2,
      "--seed-nodes: 'node1:9093' is no seed (id@host:port): 'id@' is missing" },
    { "an even number of voters", "cluster --voters 2", 2, "--voters: 2 is none of 1, 3, 5, 7" },
    { "no such host for nodes", "cluster --node-addr no.such.host.invalid:9093 --admin-addr off", 1,
      "cannot listen on no.such.host.invalid:9093 (--node-addr)" },
    { "no such host for data", "cluster --node-addr 127.0.0.1:0 --wal-addr no.such.host.invalid:9291 --admin-addr off",
      1, "cannot listen on no.such.host.invalid:9291 (--wal-addr)" },
    { "limits that contradict each other are no crash",
      "start --kafka-addr 127.0.0.1:0 --admin-addr off --tail-unit 1MiB --tail-memory 8MiB", 1,
      "cannot start: tail_memory must be 16 times tail_unit or more" },
};

TEST(what_is_typed_is_answered)
{
    if (!is_here()) return;
    FOR_EACH(row, row, rows) {
        EXPECT_EQ(row->why, row->code, run(row->arguments));
        EXPECT(row->why, strstr(said, row->holds) != NULL);
        if (strstr(said, row->holds) == NULL) fprintf(stderr, "said: %s\n", said);
    }
}

TEST(a_config_file_counts)
{
    char path[64];

    if (!is_here()) return;
    EXPECT_EQ("a directory", 0, run("version"));
    snprintf(path, sizeof path, "%s/chronik.toml", directory);
    FILE *file = fopen(path, "w");
    fputs("[server]\nkafka_adr = '127.0.0.1:9092'\n", file);
    fclose(file);
    EXPECT_EQ("an unknown key", 2, run("start"));
    EXPECT("its name and place",
           strstr(said, "./chronik.toml:2:1: server.kafka_adr: there is no such setting") != NULL);
    unlink(path);
}

TEST(it_starts_serves_and_stops)
{
    char arguments[256];
    const uint16_t admin_port = free_port(), kafka_port = free_port();

    if (!is_here()) return;
    snprintf(arguments, sizeof arguments, "start --kafka-addr 127.0.0.1:%u --admin-addr 127.0.0.1:%u --node-id 3",
             kafka_port, admin_port);
    for (uint32_t round = 0; round < 3; round++) {
        const pid_t pid = launch(arguments);
        EXPECT("it serves", serves(admin_port));
        EXPECT("it knows who it is", strstr(get(admin_port, "/admin/status"), "\"node_id\": 3") != NULL);
        EXPECT("it counts", strstr(get(admin_port, "/metrics"), "\nchronik_node_state 1\n") != NULL);
        EXPECT_EQ("a second one does not start", 1, run(arguments));
        if (round > 0) EXPECT("a topic, whose logs are flushed at the end", create_topic(kafka_port));
        /* A killed node starts again like a stopped one. */
        kill(pid, round == 1 ? SIGKILL : round == 0 ? SIGTERM : SIGINT);
        EXPECT_EQ("its end", round == 1 ? 1000 + SIGKILL : 0, finish(pid));
    }
    clean();
}

/* The quick start, with ports of our own. */
static void write_config(uint32_t node, const uint16_t node_ports[3], uint16_t wal_port, uint16_t kafka_port,
                         uint16_t admin_port)
{
    char path[64];

    snprintf(path, sizeof path, "%s/node%u.toml", directory, node);
    FILE *file = fopen(path, "w");
    fprintf(file,
            "[server]\nkafka_addr = '127.0.0.1:%u'\nadmin_addr = '127.0.0.1:%u'\ndata_dir = 'data%u'\n"
            "[cluster]\nenabled = true\nnode_id = %u\nnode_addr = \"0.0.0.0:%u\"\nwal_addr = \"0.0.0.0:%u\"\n"
            "advertised_node_addr = \"localhost:%u\"\n",
            kafka_port, admin_port, node, node, node_ports[node - 1], wal_port, node_ports[node - 1]);
    if (node == 1) fprintf(file, "seed_nodes = []\n");
    else fprintf(file, "seed_nodes = [\"1@localhost:%u\", \"2@localhost:%u\"]\n", node_ports[0], node_ports[1]);
    fclose(file);
}

static uint32_t members(uint16_t admin_port)
{
    uint32_t count = 0;

    for (const char *at = get(admin_port, "/admin/cluster/members"); (at = strstr(at, "\"node_id\"")) != NULL; at++) {
        count++;
    }
    return count;
}

TEST(three_nodes_become_a_cluster)
{
    uint16_t node_ports[3], admin_ports[3];
    pid_t pids[3];
    uint32_t seen[3] = { 0 };

    if (!is_here()) return;
    EXPECT_EQ("a directory", 0, run("version"));
    for (uint32_t i = 0; i < 3; i++) node_ports[i] = free_port();
    for (uint32_t i = 0; i < 3; i++) {
        char arguments[64];
        admin_ports[i] = free_port();
        write_config(i + 1, node_ports, free_port(), free_port(), admin_ports[i]);
        snprintf(arguments, sizeof arguments, i == 0 ? "cluster --config node%u.toml" : "start --config node%u.toml",
                 i + 1);
        pids[i] = launch(arguments);
    }
    for (uint32_t i = 0; i < 3; i++) EXPECT("it serves", serves(admin_ports[i]));
    for (uint32_t i = 0; i < 3; i++) {
        for (const double end = now_s() + 15; seen[i] < 3 && now_s() < end; usleep(10000)) {
            seen[i] = members(admin_ports[i]);
        }
        EXPECT_EQ("each knows all", 3, seen[i]);
    }
    for (uint32_t i = 0; i < 3; i++) {
        kill(pids[2 - i], SIGTERM);
        EXPECT_EQ("each stops", 0, finish(pids[2 - i]));
    }
    clean();
}
