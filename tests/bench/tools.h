/* tools.h -- what the benchmarks share: clocks, percentiles, sockets, and a look at other processes. */
#ifndef CHRONIK_TESTS_BENCH_TOOLS_H
#define CHRONIK_TESTS_BENCH_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

uint64_t now_ns(void);

/* CPU time of this process. */
uint64_t own_cpu_ns(void);

/* Resident bytes: now, and the most of them since the last process_peak_forget, which begins with what is there now. */
uint64_t process_memory(pid_t pid);
uint64_t process_peak(pid_t pid);
void process_peak_forget(pid_t pid);

/* What each thread of a process had of a CPU up to some moment. */
enum { THREADS_MAX = 128 };
struct threads {
    uint32_t count;
    struct {
        int id;
        uint64_t cpu_ns;
    } list[THREADS_MAX];
};
struct threads threads_of(pid_t pid);

/* CPU time since `before`: of all threads that are still there, and of the one that had most of it. With a second of it
 * in a second that one is what all wait for. */
uint64_t threads_cpu_ns(const struct threads *before, const struct threads *after);
uint64_t threads_busiest_ns(const struct threads *before, const struct threads *after);

/* Sorts them; 0 of none. */
uint64_t percentile(uint64_t *values, size_t count, double fraction);

/* Ends the program where it does not hold. */
__attribute__((format(printf, 2, 3))) void must(bool holds, const char *format, ...);

/* A connected socket, without Nagle's delay, without waiting. -1: refused. */
int try_connect(int port);

/* A listening socket on 127.0.0.1; port 0: the system's choice. */
int listen_on(int *port);

void set_nonblocking(int fd);

#endif
