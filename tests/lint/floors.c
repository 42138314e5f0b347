/* floors.c -- reads every #include and fails on an arrow that points up or sideways.
 *
 *     floors ROOT
 *
 * core/ has floors: a file includes its own room and lower ones, written relative to core/ ("base/check.h"), and
 * rooms of one floor do not know each other. The houses beside it (runtime, sim, fuzz, tests) include core and
 * themselves; sim and runtime do not know each other; fuzz and tests may include both. Of the C library, core sees
 * the four headers that need none. The rules are the tables below; a room that is in none is an error. */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct room {
    const char *name;
    int floor;
} rooms[] = {
    { "base", 0 }, { "codec", 1 },   { "wal", 2 },        { "peer", 2 },  { "log", 3 },    { "raft", 4 },
    { "meta", 4 }, { "replica", 4 }, { "controller", 5 }, { "group", 6 }, { "broker", 7 },
};
enum { ROOF = 8, PATH_SIZE = 1024, LINE_SIZE = 4096 };

static const struct house {
    const char *name;
    const char *knows; /* beside core and itself */
} houses[] = {
    { "runtime", "" },
    { "sim", "" },
    { "fuzz", "runtime sim" },
    { "tests", "runtime sim" },
};

static const char *const pure_headers[] = { "stddef.h", "stdint.h", "stdbool.h", "stdarg.h" };
/* Beside a room's own files: wrappers of libraries, and a program of the build. They see a C library. */
static const char *const impure_places[] = { "core/codec/external/", "core/codec/schema/", "core/raft/canonical/" };

/* A program of its own, with headers of its own beside it. */
static const char generator[] = "core/codec/schema/";

static const char *root;
static unsigned violations, files;

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* The first part of a path, "base" of "base/check.h"; empty when there is no slash. */
static void head_of(const char *path, char head[PATH_SIZE])
{
    const char *slash = strchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(head, path, size);
    head[size] = '\0';
}

/* The floor of a path relative to core/; -1: in no room that the table knows. */
static int floor_of(const char *path, char room[PATH_SIZE])
{
    head_of(path, room);
    if (room[0] == '\0') return ROOF;
    for (size_t i = 0; i < COUNT_OF(rooms); i++) {
        if (strcmp(rooms[i].name, room) == 0) return rooms[i].floor;
    }
    return -1;
}

static const struct house *house_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(houses); i++) {
        if (strcmp(houses[i].name, name) == 0) return &houses[i];
    }
    return NULL;
}

/* Why a file of core may not include this; NULL when it may. */
static const char *core_objection(const char *from, const char *to)
{
    char from_room[PATH_SIZE], to_room[PATH_SIZE];
    const int from_floor = floor_of(from, from_room), to_floor = floor_of(to, to_room);

    if (from_floor < 0) return "is in a room that tests/lint/floors.c does not know";
    if (house_named(to_room) != NULL) return "leaves core";
    if (to_floor < 0) return "names a room that tests/lint/floors.c does not know";
    if (strcmp(from_room, to_room) == 0) return NULL;
    if (to_floor > from_floor) return "points up (includes are written relative to core/)";
    if (to_floor == from_floor) return "points sideways";
    return NULL;
}

static const char *house_objection(const char *from_house, const char *to)
{
    char to_house[PATH_SIZE];
    head_of(to, to_house);
    const struct house *from = house_named(from_house), *other = house_named(to_house);

    if (other == NULL || other == from || strstr(from->knows, other->name) != NULL) return NULL;
    return "goes to a house that this one does not know";
}

static const char *system_objection(const char *path, const char *header)
{
    if (!begins(path, "core/")) return NULL;
    for (size_t i = 0; i < COUNT_OF(impure_places); i++) {
        if (begins(path, impure_places[i])) return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(pure_headers); i++) {
        if (strcmp(header, pure_headers[i]) == 0) return NULL;
    }
    return "is a header that core does without";
}

/* Reads the name out of an #include line; what closed it is '"' or '>', 0 when it is no such line. */
static char include_read(const char *line, char name[PATH_SIZE])
{
    char open;
    int at = 0;
    if (sscanf(line, " # include %c%n", &open, &at) != 1 || (open != '"' && open != '<')) return 0;
    const char close = open == '"' ? '"' : '>';
    const char *end = strchr(line + at, close);
    if (end == NULL || end - (line + at) >= PATH_SIZE) return 0;
    memcpy(name, line + at, (size_t)(end - (line + at)));
    name[end - (line + at)] = '\0';
    return close;
}

static void check_line(const char *path, unsigned number, const char *line)
{
    char name[PATH_SIZE], house[PATH_SIZE];
    const char *objection = NULL;
    const char kind = include_read(line, name);

    if (kind == 0) return;
    head_of(path, house);
    if (kind == '>') objection = system_objection(path, name);
    else if (begins(path, generator) && strchr(name, '/') == NULL) objection = NULL;
    else if (strstr(name, "..") != NULL) objection = "climbs with ..";
    else if (strcmp(house, "core") == 0) objection = core_objection(path + strlen("core/"), name);
    else objection = house_objection(house, name);
    if (objection == NULL) return;
    printf("%s:%u: #include of %s %s\n", path, number, name, objection);
    violations++;
}

static int check_file(const char *full, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    const char *name = full + walk->base, *dot = strrchr(name, '.');
    char line[LINE_SIZE];

    if (type != FTW_F || dot == NULL || (strcmp(dot, ".c") != 0 && strcmp(dot, ".h") != 0)) return 0;
    FILE *file = fopen(full, "r");
    if (file == NULL) return perror(full), 1;
    files++;
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        check_line(full + strlen(root) + 1, number, line);
    }
    fclose(file);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const walked[] = { "core", "runtime", "sim", "fuzz", "tests" };
    char path[PATH_SIZE];

    if (argc != 2) return fprintf(stderr, "usage: floors ROOT\n"), 2;
    root = argv[1];
    for (size_t i = 0; i < COUNT_OF(walked); i++) {
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", root, walked[i]);
        if (stat(path, &status) == 0 && nftw(path, check_file, 16, FTW_PHYS) != 0) return 2;
    }
    if (files == 0) printf("%s: no sources found\n", root);
    return violations == 0 && files > 0 ? 0 : 1;
}
