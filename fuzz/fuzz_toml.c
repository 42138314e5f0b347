/* Any bytes as a config file: a tree or an error with its place, in bounded memory. */
#include "base/check.h"
#include "runtime/toml.h"

static uint32_t walk(const struct toml_value *value, uint32_t depth)
{
    uint32_t count = 1;

    CHECK(depth <= 2 * TOML_DEPTH_MAX * TOML_DEPTH_MAX);
    CHECK(toml_type_name(value->type) != NULL);
    if (value->type != TOML_ARRAY && value->type != TOML_TABLE) return count;
    const struct toml_value *last = NULL;
    for (const struct toml_value *member = value->members.first; member != NULL; member = member->next) {
        CHECK(member->line >= 1 && member->column >= 1);
        if (value->type == TOML_TABLE) CHECK(toml_member(value, member->key) == member);
        count += walk(member, depth + 1);
        last = member;
    }
    CHECK(last == value->members.last);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct toml_error error;
    struct toml *toml = toml_parse((const char *)data, size, &error);

    if (toml == NULL) {
        CHECK(error.line >= 1 && error.column >= 1 && error.message[0] != 0);
        return 0;
    }
    CHECK(walk(toml_root(toml), 0) <= 2 * size + 1);
    toml_free(toml);
    return 0;
}
