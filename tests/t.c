/* t.c -- runs what registered, in the order of registration; argv[1] filters by substring. */
#include "t.h"

#include <stdlib.h>

static struct test *first_test;
static struct test **last_test = &first_test;
static unsigned failures;
static const char *running = "(none)";

void test_register(struct test *test)
{
    *last_test = test;
    last_test = &test->next;
}

_Noreturn void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: in %s: CHECK(%s)\n", file, line, running, what);
    abort();
}

void test_expect(bool holds, const char *file, int line, const char *why, const char *what)
{
    if (holds) return;
    failures++;
    fprintf(stderr, "%s:%d: %s: %s: expected %s\n", file, line, running, why, what);
}

void test_expect_int(const char *file, int line, const char *why, const char *what, long long want, long long got)
{
    if (want == got) return;
    failures++;
    fprintf(stderr, "%s:%d: %s: %s: %s is %lld, expected %lld\n", file, line, running, why, what, got, want);
}

void test_expect_text(const char *file, int line, const char *why, const char *what, const char *want, const char *got)
{
    if (strcmp(want, got) == 0) return;
    failures++;
    fprintf(stderr, "%s:%d: %s: %s: %s is\n%s\nexpected\n%s\n", file, line, running, why, what, got, want);
}

static void print_bytes(const char *label, const uint8_t *bytes, size_t size)
{
    fprintf(stderr, "  %s (%zu):", label, size);
    for (size_t i = 0; i < size && i < 256; i++) fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, "%s\n", size > 256 ? " ..." : "");
}

void test_expect_bytes(const char *file, int line, const char *why, const char *what, const void *want,
                       size_t want_size, const void *got, size_t got_size)
{
    if (want_size == got_size && (want_size == 0 || memcmp(want, got, want_size) == 0)) return;
    failures++;
    fprintf(stderr, "%s:%d: %s: %s: %s differs\n", file, line, running, why, what);
    print_bytes("got", got, got_size);
    print_bytes("expected", want, want_size);
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;

    for (struct test *test = first_test; test != NULL; test = test->next) {
        if (argc > 1 && strstr(test->name, argv[1]) == NULL) continue;
        running = test->name;
        const unsigned before = failures;
        test->run();
        if (failures == before) passed++;
        else failed++;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
