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

/* CPU time of all threads of another one; those that ended do not count. */
uint64_t process_cpu_ns(pid_t pid);

/* Resident bytes. */
uint64_t process_memory(pid_t pid);

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
