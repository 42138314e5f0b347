/* served.h -- a server in a process of its own, with the fake node in it, and a client that talks to it. */
#ifndef CHRONIK_TESTS_SERVED_H
#define CHRONIK_TESTS_SERVED_H

#include "fake_node.h"
#include "runtime/server.h"
#include "runtime/socket.h"
#include "t.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16 << 20 };

struct server {
    pid_t pid;
    char directory[64];
    struct settings settings;
};

/* ---- a server in a process of its own ---- */

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
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

static inline void prepare(struct server *server)
{
    *server = (struct server){ .pid = 0 };
    snprintf(server->directory, sizeof server->directory, "/tmp/chronik-test-XXXXXX");
    EXPECT("a directory of our own", mkdtemp(server->directory) != NULL);
    config_init(&server->settings.node);
    snprintf(server->settings.data_dir, sizeof server->settings.data_dir, "%s/data", server->directory);
    server->settings.kafka = (struct address){ "127.0.0.1", free_port() };
    server->settings.admin = (struct address){ "127.0.0.1", free_port() };
    server->settings.send_stall_ms = 30000;
    server->settings.log_level = NOTE_WARNING;
}

/* What the server says goes to said.txt in its directory. */
static inline void run(struct server *server)
{
    char path[128];

    snprintf(path, sizeof path, "%s/said.txt", server->directory);
    fflush(NULL);
    server->pid = fork();
    if (server->pid != 0) return;
    const int said = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(said, STDERR_FILENO);
    close(said);
    log_set(server->settings.log_level, server->settings.log_format);
    exit(server_run(&server->settings));
}

static inline const char *said(const struct server *server)
{
    static char text[65536];
    char path[128];

    snprintf(path, sizeof path, "%s/said.txt", server->directory);
    const int fd = open(path, O_RDONLY);
    const ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    if (fd >= 0) close(fd);
    return text;
}

static inline int exit_code(struct server *server)
{
    int status = 0;

    for (const double end = now_s() + 20; waitpid(server->pid, &status, WNOHANG) == 0;) {
        if (now_s() > end) {
            kill(server->pid, SIGKILL);
            waitpid(server->pid, &status, 0);
            break;
        }
        usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline void clean(const struct server *server)
{
    char command[128];

    snprintf(command, sizeof command, "rm -rf %s", server->directory);
    EXPECT_EQ("nothing is left behind", 0, system(command));
}

static inline void stop(struct server *server)
{
    kill(server->pid, SIGTERM);
    const int code = exit_code(server);
    EXPECT_EQ("SIGTERM is a clean stop", EXIT_STOPPED, code);
    if (code != EXIT_STOPPED) fprintf(stderr, "%s", said(server));
    clean(server);
}

/* CPU time that the server has used. */
static inline double cpu_s(const struct server *server)
{
    char path[64];
    unsigned long user = 0, system_time = 0;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)server->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    const int read = fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_time);
    fclose(file);
    return read == 2 ? (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK) : 0;
}

/* ---- a client ---- */

static bool is_running(const struct server *server)
{
    siginfo_t info = { .si_pid = 0 };

    return waitid(P_PID, (id_t)server->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

static inline int connect_to(const struct server *server, uint16_t port)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval patience = { .tv_sec = 20 };

    for (const double end = now_s() + 10; is_running(server) && now_s() < end; usleep(2000)) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
        close(fd);
    }
    return -1;
}

static inline int client_of(const struct server *server)
{
    return connect_to(server, server->settings.kafka.port);
}

static bool send_all(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t sent = send(fd, (const char *)data + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        done += (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = recv(fd, (char *)data + done, size - done, 0);
        if (got <= 0) return false;
        done += (size_t)got;
    }
    return true;
}

struct asked {
    char command;
    const char *path;
    uint64_t position;
    uint32_t count;
    const void *data;
    uint32_t size;
};

static inline bool ask(int fd, const struct asked *asked)
{
    static uint8_t frame[2 << 20];
    const uint16_t path_size = asked->path == NULL ? 0 : (uint16_t)strlen(asked->path);
    const uint32_t size = 1 + 2 + path_size + 8 + 4 + asked->size;

    store_u32(frame, size);
    frame[4] = (uint8_t)asked->command;
    store_u16(frame + 5, path_size);
    if (path_size > 0) memcpy(frame + 7, asked->path, path_size);
    store_u64(frame + 7 + path_size, asked->position);
    store_u32(frame + 15 + path_size, asked->count);
    if (asked->size > 0) memcpy(frame + 19 + path_size, asked->data, asked->size);
    return send_all(fd, frame, 4 + size);
}

struct told {
    int result; /* -1: the connection is gone */
    uint32_t size;
    uint8_t data[ANSWER_MAX];
};

static struct told *hear(int fd)
{
    static struct told told;
    uint8_t head[5];

    told.result = -1;
    told.size = 0;
    if (!receive_all(fd, head, sizeof head)) return &told;
    const uint32_t size = load_u32(head) - 1;
    if (size > sizeof told.data || !receive_all(fd, told.data, size)) return &told;
    told.result = head[4];
    told.size = size;
    return &told;
}

static inline struct told *call(int fd, struct asked asked)
{
    if (ask(fd, &asked)) return hear(fd);
    return hear(-1);
}

static inline uint8_t counted(uint32_t i)
{
    return (uint8_t)(i ^ i >> 8 ^ i >> 16);
}

#endif
