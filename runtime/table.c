#include "table.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = 16 };

enum { CELL_SIZE = 256 };

static void format_scalar(const json_t *value, char *text, size_t size)
{
    if (json_is_null(value) || value == NULL) {
        snprintf(text, size, "-");
        return;
    }
    if (json_is_string(value)) {
        snprintf(text, size, "%s", json_string_value(value));
        return;
    }
    char *compact = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    snprintf(text, size, "%s", compact != NULL ? compact : "");
    free(compact);
}

/* What is nothing is a dash, a list is its members; only what is more than that looks like JSON. What finds no room is
 * cut, and says so. */
static void format_cell(const json_t *value, char text[CELL_SIZE])
{
    size_t index, used = 0;
    json_t *member;

    if (!json_is_array(value) || json_array_size(value) == 0) {
        format_scalar(json_is_array(value) ? NULL : value, text, CELL_SIZE);
    } else {
        json_array_foreach(value, index, member)
        {
            if (index > 0 && used + 1 < CELL_SIZE) text[used++] = ',';
            format_scalar(member, text + used, CELL_SIZE - used);
            used += strlen(text + used);
        }
    }
    if (strlen(text) == CELL_SIZE - 1) memcpy(text + CELL_SIZE - 4, "...", 3);
}

void table_print(const json_t *rows)
{
    const char *names[COLUMNS_MAX];
    int widths[COLUMNS_MAX];
    uint32_t columns = 0;
    size_t index;
    const char *name;
    json_t *row, *value;
    char text[CELL_SIZE];

    json_object_foreach(json_array_get(rows, 0), name, value)
    {
        if (columns == COLUMNS_MAX) break;
        names[columns] = name;
        widths[columns++] = (int)strlen(name);
    }
    json_array_foreach(rows, index, row)
    {
        for (uint32_t i = 0; i < columns; i++) {
            format_cell(json_object_get(row, names[i]), text);
            widths[i] = MAX(widths[i], (int)strlen(text));
        }
    }
    if (columns == 0) return;
    widths[columns - 1] = 0; /* nothing is put behind the last one */
    for (uint32_t i = 0; i < columns; i++) printf("%-*s%s", widths[i], names[i], i + 1 < columns ? "  " : "\n");
    json_array_foreach(rows, index, row)
    {
        for (uint32_t i = 0; i < columns; i++) {
            format_cell(json_object_get(row, names[i]), text);
            printf("%-*s%s", widths[i], text, i + 1 < columns ? "  " : "\n");
        }
    }
}

void table_print_fields(const json_t *object)
{
    const char *name;
    json_t *value;
    char text[CELL_SIZE];
    int width = 0;

    json_object_foreach((json_t *)(uintptr_t)object, name, value) width = MAX(width, (int)strlen(name));
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        format_cell(value, text);
        printf("%-*s  %s\n", width, name, text);
    }
}
