#include "log/paths.h"

#include "base/check.h"

enum { OFFSET_DIGITS = 20, NUMBER_DIGITS_MAX = 20 };

/* A path while it is being written. */
struct writer {
    char *path;
    uint32_t size;
};

static void put(struct writer *writer, struct bytes text)
{
    CHECK(writer->size + text.size < PATH_SIZE_MAX);
    memcpy(writer->path + writer->size, text.data, text.size);
    writer->size += text.size;
    writer->path[writer->size] = 0;
}

static void put_number(struct writer *writer, uint64_t number, uint32_t digits_min)
{
    uint8_t digits[NUMBER_DIGITS_MAX];
    uint32_t begin = NUMBER_DIGITS_MAX;

    do {
        digits[--begin] = (uint8_t)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (NUMBER_DIGITS_MAX - begin < digits_min) digits[--begin] = '0';
    put(writer, (struct bytes){ digits + begin, NUMBER_DIGITS_MAX - begin });
}

static void put_topic(struct writer *writer, const struct log_place *place)
{
    char id[UUID_TEXT_SIZE];

    uuid_format(&place->topic_id, id);
    put(writer, BYTES_LITERAL(WAL_DIRECTORY "/"));
    put(writer, place->topic);
    put(writer, BYTES_LITERAL("."));
    put(writer, (struct bytes){ (const uint8_t *)id, UUID_TEXT_SIZE });
}

static void put_partition(struct writer *writer, const struct log_place *place)
{
    CHECK(place->partition >= 0);
    put_topic(writer, place);
    put(writer, BYTES_LITERAL("/"));
    put_number(writer, (uint64_t)place->partition, 1);
}

static const struct bytes new_suffix = { (const uint8_t *)".new", 4 };

void path_of_topic(char *path, const struct log_place *place)
{
    put_topic(&(struct writer){ path, 0 }, place);
}

void path_of_partition(char *path, const struct log_place *place)
{
    put_partition(&(struct writer){ path, 0 }, place);
}

static const struct bytes suffixes[SEGMENT_FILES] = {
    [SEGMENT_LOG] = { (const uint8_t *)".log", 4 },
    [SEGMENT_INDEX] = { (const uint8_t *)".index", 6 },
    [SEGMENT_TIME_INDEX] = { (const uint8_t *)".timeindex", 10 },
};

static void put_segment(struct writer *writer, const struct log_place *place, int64_t base_offset, uint32_t edition,
                        enum segment_file file)
{
    CHECK(base_offset >= 0);
    put_partition(writer, place);
    put(writer, BYTES_LITERAL("/"));
    put_number(writer, (uint64_t)base_offset, OFFSET_DIGITS);
    if (edition > 0) {
        put(writer, BYTES_LITERAL("."));
        put_number(writer, edition, 1);
    }
    put(writer, suffixes[file]);
}

void path_of_segment(char *path, const struct log_place *place, int64_t base_offset, uint32_t edition,
                     enum segment_file file)
{
    put_segment(&(struct writer){ path, 0 }, place, base_offset, edition, file);
}

void path_of_new_segment(char *path, const struct log_place *place, int64_t base_offset, uint32_t edition,
                         enum segment_file file)
{
    struct writer writer = { path, 0 };

    put_segment(&writer, place, base_offset, edition, file);
    put(&writer, new_suffix);
}

bool path_of_name(char *path, const char *directory, struct bytes name)
{
    struct writer writer = { path, 0 };
    uint32_t directory_size = 0;

    while (directory[directory_size] != 0) directory_size++;
    if (directory_size + 1 + name.size >= PATH_SIZE_MAX) return false;
    put(&writer, (struct bytes){ (const uint8_t *)directory, directory_size });
    put(&writer, BYTES_LITERAL("/"));
    put(&writer, name);
    return true;
}

/* Takes ".<edition>" off the front, if it is there; what is no edition stays. */
static uint32_t take_edition(struct bytes *suffix)
{
    uint64_t edition = 0;
    uint32_t at = 1;

    if (suffix->size < 2 || suffix->data[1] == '0') return 0;
    for (; at < suffix->size && suffix->data[at] >= '0' && suffix->data[at] <= '9'; at++) {
        edition = edition * 10 + (uint32_t)(suffix->data[at] - '0');
        if (edition > UINT32_MAX) return 0;
    }
    if (edition > 0) *suffix = (struct bytes){ suffix->data + at, suffix->size - at };
    return (uint32_t)edition;
}

bool segment_name_read(struct bytes name, int64_t *base_offset, uint32_t *edition, enum segment_file *file)
{
    uint64_t offset = 0;

    if (name.size <= OFFSET_DIGITS) return false;
    for (uint32_t i = 0; i < OFFSET_DIGITS; i++) {
        const uint32_t digit = (uint32_t)name.data[i] - '0';
        if (digit > 9 || offset > ((uint64_t)INT64_MAX - digit) / 10) return false;
        offset = offset * 10 + digit;
    }
    struct bytes suffix = { name.data + OFFSET_DIGITS, name.size - OFFSET_DIGITS };
    *edition = take_edition(&suffix);
    for (uint32_t i = 0; i < SEGMENT_FILES; i++) {
        if (!bytes_equal(suffix, suffixes[i])) continue;
        *base_offset = (int64_t)offset;
        *file = (enum segment_file)i;
        return true;
    }
    return false;
}

bool is_new_segment_name(struct bytes name)
{
    int64_t base_offset;
    uint32_t edition;
    enum segment_file file;

    if (name.size < new_suffix.size) return false;
    const struct bytes rest = { name.data, name.size - new_suffix.size };
    return bytes_equal((struct bytes){ name.data + rest.size, new_suffix.size }, new_suffix) &&
           segment_name_read(rest, &base_offset, &edition, &file);
}

bool topic_directory_read(struct bytes name, struct uuid *topic_id)
{
    if (name.size < UUID_TEXT_SIZE + 2 || name.data[name.size - UUID_TEXT_SIZE - 1] != '.') return false;
    return uuid_parse((struct bytes){ name.data + name.size - UUID_TEXT_SIZE, UUID_TEXT_SIZE }, topic_id);
}

bool listed_file_read(struct bytes *list, struct listed_file *file)
{
    if (list->size < FILE_ENTRY_HEAD_SIZE) return false;
    const uint32_t name_size = load_u16(list->data + 9);
    if (list->size - FILE_ENTRY_HEAD_SIZE < name_size) return false;
    *file = (struct listed_file){ .size = load_u64(list->data),
                                  .is_directory = list->data[8] != 0,
                                  .name = { list->data + FILE_ENTRY_HEAD_SIZE, name_size } };
    list->data += FILE_ENTRY_HEAD_SIZE + name_size;
    list->size -= FILE_ENTRY_HEAD_SIZE + name_size;
    return true;
}
