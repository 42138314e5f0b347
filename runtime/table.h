/* table.h -- rows of JSON, as a table for people. */
#ifndef CHRONIK_RUNTIME_TABLE_H
#define CHRONIK_RUNTIME_TABLE_H

#include <jansson.h>

/* An array of objects, a row each; columns are the fields of the first. */
void table_print(const json_t *rows);

/* One object, a line for each field. */
void table_print_fields(const json_t *object);

#endif
