/* bench_commit.c -- what does one commit round cost, if each of P partitions got one batch?
 *
 *   direct    append to every partition's segment, then sync every one of them
 *   journal   one write and one sync of recycled space, then the segments written behind it without a sync
 *
 * Rounds of the three ways are interleaved, so that the machine's moods meet all alike. Prints medians.
 *   bench_commit DIRECTORY [batch size] [rounds] */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PARTITIONS_MAX = 2000, ROUNDS_MAX = 400, JOURNAL_SIZE = 64 << 20 };

static double now_us(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void must(int holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "bench_commit: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int open_file(const char *directory, const char *name, int number)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s-%d", directory, name, number);
    const int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(file >= 0, path);
    unlink(path);
    return file;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static int direct[PARTITIONS_MAX], behind[PARTITIONS_MAX], journal;
static uint64_t segment_position, behind_position, journal_position;
static uint8_t *batch;
static size_t batch_size;

static void round_direct(int partitions)
{
    for (int i = 0; i < partitions; i++) {
        must(pwrite(direct[i], batch, batch_size, (off_t)segment_position) == (ssize_t)batch_size, "write");
    }
    for (int i = 0; i < partitions; i++) must(fdatasync(direct[i]) == 0, "sync");
    segment_position += batch_size;
}

static void round_journal(int partitions)
{
    const size_t size = (batch_size * (size_t)partitions + 4095) / 4096 * 4096;
    if (journal_position + size > JOURNAL_SIZE) journal_position = 0;
    must(pwrite(journal, batch, size, (off_t)journal_position) == (ssize_t)size, "write");
    must(fdatasync(journal) == 0, "sync");
    journal_position += size;
}

static void write_behind(int partitions)
{
    for (int i = 0; i < partitions; i++) {
        must(pwrite(behind[i], batch, batch_size, (off_t)behind_position) == (ssize_t)batch_size, "write");
    }
    behind_position += batch_size;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_commit DIRECTORY [batch size] [rounds]\n");
        return 2;
    }
    batch_size = argc > 2 ? (size_t)atoi(argv[2]) : 1024;
    const int rounds_asked = argc > 3 ? atoi(argv[3]) : 100;
    const struct rlimit limit = { 8192, 8192 };
    setrlimit(RLIMIT_NOFILE, &limit);
    batch = malloc(batch_size * PARTITIONS_MAX + 4096);
    memset(batch, 7, batch_size * PARTITIONS_MAX + 4096);
    journal = open_file(argv[1], "journal", 0);
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        direct[i] = open_file(argv[1], "direct", i);
        behind[i] = open_file(argv[1], "behind", i);
    }
    for (int at = 0; at < JOURNAL_SIZE; at += 1 << 20) must(pwrite(journal, batch, 1 << 20, at) > 0, "fill");
    must(fsync(journal) == 0, "sync");

    printf("one round, %zu B to each partition; microseconds, medians\n", batch_size);
    printf("%10s %12s %12s %14s %22s\n", "partitions", "direct", "journal", "direct/journal",
           "written behind, no sync");
    for (int partitions = 1; partitions <= PARTITIONS_MAX; partitions = partitions == 1 ? 100 : partitions * 20) {
        double direct_us[ROUNDS_MAX], journal_us[ROUNDS_MAX], behind_us[ROUNDS_MAX];
        const int wanted = partitions > 1000 ? rounds_asked / 10 + 1 : rounds_asked;
        const int rounds = wanted < ROUNDS_MAX ? wanted : ROUNDS_MAX;
        for (int i = 0; i < rounds; i++) {
            const double a = now_us();
            round_direct(partitions);
            const double b = now_us();
            round_journal(partitions);
            const double c = now_us();
            write_behind(partitions);
            direct_us[i] = b - a;
            journal_us[i] = c - b;
            behind_us[i] = now_us() - c;
        }
        const double x = median(direct_us, rounds), y = median(journal_us, rounds);
        printf("%10d %12.0f %12.0f %14.1f %22.0f\n", partitions, x, y, x / y, median(behind_us, rounds));
    }
    return 0;
}
