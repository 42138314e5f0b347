/* cases.h -- how a client program tells tests/clients/run what it found out: one line per case on stdout.
 *
 *     passed NAME          failed NAME: WHY          skipped NAME: WHY */
#ifndef CHRONIK_TESTS_CLIENTS_CASES_H
#define CHRONIK_TESTS_CLIENTS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

static jmp_buf case_end;
static const char *case_name;

static _Noreturn void case_over(const char *word, const char *format, va_list arguments)
{
    printf("%s %s: ", word, case_name);
    vprintf(format, arguments);
    printf("\n");
    fflush(stdout);
    longjmp(case_end, 1);
}

/* The case goes on only where it holds. What a failed case has open stays open: the program ends soon. */
__attribute__((format(printf, 2, 3))) static inline void require(bool holds, const char *format, ...)
{
    if (holds) return;
    va_list arguments;
    va_start(arguments, format);
    case_over("failed", format, arguments);
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    case_over("skipped", format, arguments);
}

/* Runs those whose name holds `only`. True if none failed: a skipped case counts as passed here. */
static inline void cases_run(const struct test_case *cases, size_t count, const char *only)
{
    for (volatile size_t i = 0; i < count; i++) {
        if (strstr(cases[i].name, only) == NULL) continue;
        case_name = cases[i].name;
        if (setjmp(case_end) != 0) continue;
        cases[i].run();
        printf("passed %s\n", case_name);
        fflush(stdout);
    }
}

static inline int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
