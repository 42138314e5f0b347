/* Anything a user may say before a server starts: a file, variables and flags of any text. It is taken, or refused with
 * one line that says what; and what is taken keeps to the limits that the rest of the server builds on. */
#include "base/check.h"
#include "runtime/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 16 };

static bool is_terminated(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

static void judge_taken(struct settings *settings)
{
    settings_complete(settings);
    CHECK(is_terminated(settings->data_dir, sizeof settings->data_dir));
    CHECK(is_terminated(settings->kafka.host, sizeof settings->kafka.host));
    CHECK(is_terminated(settings->admin.host, sizeof settings->admin.host));
    CHECK(is_terminated(settings->node.rack, sizeof settings->node.rack));
    CHECK(settings->node.seed_count <= COUNT_OF(settings->node.seeds));
    CHECK(settings->node.cluster_enabled || settings->node.peer_links_max == 0);
    /* A start that is given no memory must know the reason. */
    if (config_contradiction(&settings->node) == NULL) CHECK(node_size(&settings->node) > 0);
}

static void judge_refused(const char *error)
{
    CHECK(is_terminated(error, SETTINGS_ERROR_SIZE) && error[0] != 0);
    CHECK(strchr(error, '\n') == NULL);
}

/* Its words, each up to a zero byte. --config would read files of this machine. */
static size_t split(char *text, size_t size, char *words[WORDS_MAX + 1], size_t count_max)
{
    size_t count = 0;

    for (char *at = text; at < text + size && count < count_max; at += strlen(at) + 1) {
        if (strncmp(at, "--config", 8) != 0) words[count++] = at;
    }
    words[count] = NULL;
    return count;
}

/* FILE 0xff VARIABLE 0 VARIABLE 0 ... 0xff FLAG 0 VALUE 0 ... */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const no_files[] = { NULL };
    static struct settings settings;
    char error[SETTINGS_ERROR_SIZE] = "", *variables[WORDS_MAX + 1], *flags[WORDS_MAX + 1];
    char *text = calloc(1, size + 1);

    if (size > 0) memcpy(text, data, size);
    const char *first = size == 0 ? NULL : memchr(text, 0xff, size);
    const size_t file_size = first == NULL ? size : (size_t)(first - text);
    char *rest = text + MIN(file_size + 1, size);
    const size_t rest_size = (size_t)(text + size - rest);
    const char *second = rest_size == 0 ? NULL : memchr(rest, 0xff, rest_size);
    const size_t variables_size = second == NULL ? rest_size : (size_t)(second - rest);
    char *last = rest + MIN(variables_size + 1, rest_size);
    if (second != NULL) rest[variables_size] = 0;

    settings_init(&settings);
    const bool taken = settings_read_toml(&settings, "file", text, file_size, error);
    if (!taken) judge_refused(error);
    split(rest, variables_size, variables, WORDS_MAX);
    split(last, (size_t)(text + size - last), flags, WORDS_MAX);
    const struct settings_sources sources = { flags, variables, no_files };
    error[0] = 0;
    switch (settings_read(&settings, &sources, error)) {
    case SETTINGS_READ:
        if (taken) judge_taken(&settings);
        break;
    case SETTINGS_HELP: break;
    case SETTINGS_WRONG: judge_refused(error); break;
    }
    free(text);
    return 0;
}
