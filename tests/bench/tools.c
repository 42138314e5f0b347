#include "tools.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec time;
    clock_gettime(id, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t own_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

struct threads threads_of(pid_t pid)
{
    struct threads threads = { .count = 0 };
    char path[320];

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) return threads;
    for (const struct dirent *task; (task = readdir(tasks)) != NULL && threads.count < THREADS_MAX;) {
        unsigned long long ns = 0;
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, task->d_name);
        FILE *file = task->d_name[0] != '.' ? fopen(path, "r") : NULL;
        if (file == NULL) continue;
        if (fscanf(file, "%llu", &ns) == 1) {
            threads.list[threads.count].id = atoi(task->d_name);
            threads.list[threads.count++].cpu_ns = ns;
        }
        fclose(file);
    }
    closedir(tasks);
    return threads;
}

static uint64_t spent_ns(const struct threads *before, const struct threads *after, uint32_t thread)
{
    for (uint32_t i = 0; i < before->count; i++) {
        if (before->list[i].id == after->list[thread].id) {
            return after->list[thread].cpu_ns - before->list[i].cpu_ns;
        }
    }
    return after->list[thread].cpu_ns;
}

uint64_t threads_cpu_ns(const struct threads *before, const struct threads *after)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < after->count; i++) sum += spent_ns(before, after, i);
    return sum;
}

uint64_t threads_busiest_ns(const struct threads *before, const struct threads *after)
{
    uint64_t busiest_ns = 0;

    for (uint32_t i = 0; i < after->count; i++) {
        const uint64_t ns = spent_ns(before, after, i);
        if (ns > busiest_ns) busiest_ns = ns;
    }
    return busiest_ns;
}

uint64_t process_memory(pid_t pid)
{
    char path[64];
    unsigned long long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t process_peak(pid_t pid)
{
    char path[64], line[256];
    unsigned long long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "VmHWM: %llu", &kib) != 1) continue;
    fclose(file);
    return kib * 1024;
}

void process_peak_forget(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)pid);
    FILE *file = fopen(path, "w");
    if (file == NULL) return; /* another user's process: its peak is that of its life */
    fputs("5", file);
    fclose(file);
}

static int compare(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t percentile(uint64_t *values, size_t count, double fraction)
{
    if (count == 0) return 0;
    qsort(values, count, sizeof *values, compare);
    const size_t at = (size_t)((double)count * fraction);
    return values[at < count ? at : count - 1];
}

void must(bool holds, const char *format, ...)
{
    if (holds) return;
    const int number = errno;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s%s\n", number != 0 ? ": " : "", number != 0 ? strerror(number) : "");
    exit(1);
}

static struct sockaddr_in here(int port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((uint16_t)port) };
}

int try_connect(int port)
{
    const struct sockaddr_in address = here(port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    must(fd >= 0, "socket");
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int listen_on(int *port)
{
    struct sockaddr_in address = here(*port);
    socklen_t size = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    must(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    must(bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 128) == 0, "listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    *port = ntohs(address.sin_port);
    return fd;
}

void set_nonblocking(int fd)
{
    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0, "fcntl");
}
