/* text.c -- what can be said about the text alone: lengths, left-over words, paths of one machine.
 *
 *     text ROOT
 *
 * Lines of code hold 120 characters at most, functions 70 lines, files 700. A longer function or file has to be
 * listed, with its length and a reason, in tests/lint/exceptions.txt; it may shrink but not grow, and an entry that
 * is no longer needed fails too, so the list only gets shorter. */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINE_MAX_CHARS = 120,
    FUNCTION_MAX = 70,
    FILE_MAX = 700,
    EXCEPTIONS_MAX = 256,
    PATH_SIZE = 1024,
    LINE_SIZE = 65536
};

struct exception {
    char path[PATH_SIZE];
    char name[128]; /* a function's, or "file" */
    unsigned lines;
    bool used;
};

/* Written in two halves, so that this file passes its own test. */
/* clang-format off */
static const char *const left_over[] = {
    "TO" "DO", "FIX" "ME",                                       /* work is done, or it is an issue */
    "/ho" "me/", "/ro" "ot/", "/wo" "rk/", "/tmp/te" "am", "/tmp/w" "t/",   /* paths of one machine */
    "registry." "npm", "py" "pi.org", "python" "hosted", "deb." "debian",   /* package managers know their hosts */
};
/* clang-format on */
/* Binary, recorded, or not ours. */
static const char *const skipped[] = { "./.git",         "./.zig-cache", "./zig-out",
                                       "./.zig",         "./data",       "./fuzz/corpus",
                                       "./tests/golden", "./LICENSE",    "./compile_commands.json" };
static const char *const code_ends[] = { ".c",   ".h",    ".zig",    ".sh",   ".py", ".js",
                                         ".mjs", ".java", ".schema", "/zigw", "/run" };
static const char *const text_ends[] = { ".md", ".txt", ".toml", ".json", ".yml", ".yaml", "/packages" };

static struct exception exceptions[EXCEPTIONS_MAX];
static unsigned exception_count, violations, files;
static char line[LINE_SIZE];

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool ends_in(const char *text, const char *const *ends, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(ends[i]), have = strlen(text);
        if (have >= size && strcmp(text + have - size, ends[i]) == 0) return true;
    }
    return false;
}

static void violation(const char *path, unsigned number, const char *what)
{
    printf("%s:%u: %s\n", path + strlen("./"), number, what);
    violations++;
}

/* One line each: PATH NAME LINES REASON; a # opens a comment. */
static int exceptions_read(const char *path)
{
    FILE *file = fopen(path, "r");

    if (file == NULL) return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        struct exception *one = &exceptions[exception_count];
        char reason[2];
        if (line[0] == '#' || line[0] == '\n') continue;
        if (exception_count == EXCEPTIONS_MAX) return fprintf(stderr, "%s: too many lines\n", path), 2;
        if (sscanf(line, "%1023s %127s %u %1s", one->path, one->name, &one->lines, reason) != 4)
            return fprintf(stderr, "%s: not PATH NAME LINES REASON: %s", path, line), 2;
        exception_count++;
    }
    fclose(file);
    return 0;
}

/* Something is too long, unless it is listed with at least that length. */
static void too_long(const char *path, unsigned number, const char *name, unsigned lines, unsigned lines_max)
{
    char text[512];

    for (unsigned i = 0; i < exception_count; i++) {
        struct exception *one = &exceptions[i];
        if (strcmp(one->path, path + strlen("./")) != 0 || strcmp(one->name, name) != 0) continue;
        one->used = true;
        if (lines <= one->lines) return;
        lines_max = one->lines;
    }
    snprintf(text, sizeof text, "%s has %u lines, more than %u", name, lines, lines_max);
    violation(path, number, text);
}

static unsigned characters(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0' && *text != '\n'; text++) count += ((unsigned char)*text & 0xc0) != 0x80; /* UTF-8 */
    return count;
}

static bool of_word(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

/* The word before the first parenthesis; what a TEST is called stands behind it. */
static void name_read(const char *from, char name[128])
{
    if (strncmp(from, "TEST(", 5) == 0) from += 5;
    const char *end = strpbrk(from, "()"), *begin = end;

    name[0] = '\0';
    if (end == NULL) return;
    while (begin > from && of_word(begin[-1])) begin--;
    if (end - begin > 127) return;
    memcpy(name, begin, (size_t)(end - begin));
    name[end - begin] = '\0';
}

struct function {
    char name[128];
    unsigned begin; /* the line of its opening brace, 0: outside */
};

/* In our format a function opens and closes with a brace in the first column, below a line that begins there too. */
static void function_line(const char *path, unsigned number, struct function *function)
{
    if (function->begin == 0 && of_word(line[0]) && strchr(line, '(') != NULL) name_read(line, function->name);
    if (function->begin == 0 && line[0] == '{') function->begin = number;
    if (function->begin == 0 || line[0] != '}') return;
    const unsigned lines = number - function->begin + 1;
    if (lines > FUNCTION_MAX) too_long(path, function->begin, function->name, lines, FUNCTION_MAX);
    function->begin = 0;
}

static void check_line(const char *path, unsigned number, bool code)
{
    const size_t size = strlen(line);
    char text[128];

    for (size_t i = 0; i < COUNT_OF(left_over); i++) {
        if (strstr(line, left_over[i]) == NULL) continue;
        snprintf(text, sizeof text, "left over: %s", left_over[i]);
        violation(path, number, text);
    }
    if (size > 0 && line[size - 1] != '\n') violation(path, number, "the last line does not end");
    if (strchr(line, '\r') != NULL) violation(path, number, "a carriage return");
    if (size > 1 && (line[size - 2] == ' ' || line[size - 2] == '\t')) violation(path, number, "blanks at the end");
    if (code && characters(line) > LINE_MAX_CHARS) violation(path, number, "longer than 120 characters");
}

static int check_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)walk;
    const bool code = ends_in(path, code_ends, COUNT_OF(code_ends));
    const bool c = code && path[strlen(path) - 2] == '.' && strchr("ch", path[strlen(path) - 1]) != NULL;
    struct function function = { "", 0 };
    unsigned number = 0;

    for (size_t i = 0; i < COUNT_OF(skipped); i++) {
        if (strcmp(path, skipped[i]) == 0) return type == FTW_D ? FTW_SKIP_SUBTREE : FTW_CONTINUE;
    }
    if (type == FTW_D && strstr(path, "node_modules") != NULL) return FTW_SKIP_SUBTREE;
    if (type != FTW_F || status->st_size == 0) return FTW_CONTINUE;
    if (!code && !ends_in(path, text_ends, COUNT_OF(text_ends))) return FTW_CONTINUE;
    FILE *file = fopen(path, "r");
    if (file == NULL) return perror(path), FTW_STOP;
    files++;
    while (fgets(line, sizeof line, file) != NULL) {
        check_line(path, ++number, code);
        if (c) function_line(path, number, &function);
    }
    fclose(file);
    if (c && number > FILE_MAX) too_long(path, number, "file", number, FILE_MAX);
    return FTW_CONTINUE;
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "usage: text ROOT\n"), 2;
    if (chdir(argv[1]) != 0) return perror(argv[1]), 2;
    if (exceptions_read("tests/lint/exceptions.txt") != 0) return 2;
    if (nftw(".", check_file, 16, FTW_PHYS | FTW_ACTIONRETVAL) != 0) return 2;
    for (unsigned i = 0; i < exception_count; i++) {
        if (exceptions[i].used) continue;
        printf("tests/lint/exceptions.txt: %s %s needs no exception: delete its line\n", exceptions[i].path,
               exceptions[i].name);
        violations++;
    }
    if (files == 0) printf("%s: nothing to read\n", argv[1]);
    return violations == 0 && files > 0 ? 0 : 1;
}
