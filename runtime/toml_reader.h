/* toml_reader.h -- what toml.c (tables and statements) and toml_scalar.c (strings, numbers, dates) share. */
#ifndef CHRONIK_RUNTIME_TOML_READER_H
#define CHRONIK_RUNTIME_TOML_READER_H

#include "toml.h"

/* Reads on until something is wrong; then `failed` is set and every function returns at once. */
struct reader {
    const uint8_t *begin, *at, *end;
    bool failed;
    struct toml_error *error;
    struct toml *toml; /* gives memory */
    uint32_t depth;
    uint32_t body;          /* counts headers */
    const uint8_t *located; /* the place that was located last, and its line and column */
    uint32_t line, column;
};

/* Sets the error, at `where` in the text. The first one stays. Always false. */
__attribute__((format(printf, 3, 4))) bool reader_fail(struct reader *reader, const uint8_t *where, const char *format,
                                                       ...);

/* Line and column, from 1, of a place in the text. */
void reader_locate(struct reader *reader, const uint8_t *where, uint32_t *line, uint32_t *column);

/* Zeroed, and freed with the document. NULL: the reader has failed. */
void *reader_allocate(struct reader *reader, size_t size);

/* Gives back what the last allocation has beyond `size`. */
void reader_trim(struct reader *reader, const void *memory, size_t size);

static inline bool reader_sees(const struct reader *reader, const char *text, size_t size)
{
    return (size_t)(reader->end - reader->at) >= size && memcmp(reader->at, text, size) == 0;
}

/* The character here; 0 at the end (a zero byte in the text is refused before anything else is read). */
static inline uint8_t reader_peek(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : 0;
}

/* A string that begins here. `may_span`: """ and ''' are allowed. */
bool toml_read_string(struct reader *reader, bool may_span, struct bytes *string);

/* A number, boolean or date that begins here. */
bool toml_read_scalar(struct reader *reader, struct toml_value *value);

#endif
