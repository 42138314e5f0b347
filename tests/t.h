/* t.h -- tests as tables. TEST(name) registers itself; tests/t.c has main() and prints "N passed, N failed" last.
 *
 * A table's row carries its `why`, and every EXPECT names it: a failure says which fact broke, not only where. */
#ifndef CHRONIK_TESTS_T_H
#define CHRONIK_TESTS_T_H

#include "base/check.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct test {
    const char *name;
    void (*run)(void);
    struct test *next;
};

void test_register(struct test *test);
void test_expect(bool holds, const char *file, int line, const char *why, const char *what);
void test_expect_int(const char *file, int line, const char *why, const char *what, long long want, long long got);
void test_expect_text(const char *file, int line, const char *why, const char *what, const char *want, const char *got);
void test_expect_bytes(const char *file, int line, const char *why, const char *what, const void *want,
                       size_t want_size, const void *got, size_t got_size);

#define TEST(test_name)                                                                                                \
    static void test_name(void);                                                                                       \
    __attribute__((constructor)) static void register_##test_name(void)                                                \
    {                                                                                                                  \
        static struct test test = { #test_name, test_name, NULL };                                                     \
        test_register(&test);                                                                                          \
    }                                                                                                                  \
    static void test_name(void)

#define EXPECT(why, condition) test_expect((condition), __FILE__, __LINE__, (why), #condition)
#define EXPECT_EQ(why, want, got) test_expect_int(__FILE__, __LINE__, (why), #got, (long long)(want), (long long)(got))
#define EXPECT_TEXT(why, want, got) test_expect_text(__FILE__, __LINE__, (why), #got, (want), (got))
#define EXPECT_BYTES(why, want, want_size, got, got_size)                                                              \
    test_expect_bytes(__FILE__, __LINE__, (why), #got, (want), (want_size), (got), (got_size))

#define FOR_EACH(type, row, rows)                                                                                      \
    for (const struct type *row = (rows); row < (rows) + sizeof(rows) / sizeof((rows)[0]); row++)

#endif
