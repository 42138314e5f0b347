#include "sim/disk.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INODE_DIRECTORY = UINT32_MAX };

/* ---- names ---- */

static uint32_t names_place(const struct names *names, const char *path, bool *found)
{
    uint32_t low = 0, high = names->count;

    *found = false;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = strcmp(names->list[middle].path, path);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

static struct name *names_find(const struct names *names, const char *path)
{
    bool found;
    const uint32_t place = names_place(names, path, &found);
    return found ? &names->list[place] : NULL;
}

static void names_put(struct names *names, const char *path, uint32_t inode)
{
    bool found;
    const uint32_t place = names_place(names, path, &found);

    if (!found) {
        if (names->count == names->max) {
            names->max = names->max == 0 ? 64 : names->max * 2;
            names->list = realloc(names->list, names->max * sizeof *names->list);
        }
        memmove(&names->list[place + 1], &names->list[place], (names->count++ - place) * sizeof *names->list);
        strcpy(names->list[place].path, path);
    }
    names->list[place].inode = inode;
}

static void names_drop(struct names *names, const char *path)
{
    bool found;
    const uint32_t place = names_place(names, path, &found);
    if (!found) return;
    memmove(&names->list[place], &names->list[place + 1], (--names->count - place) * sizeof *names->list);
}

static void names_copy(const struct names *from, struct names *to)
{
    *to = *from;
    to->max = from->count;
    to->list = malloc((from->count + 1) * sizeof *to->list);
    if (from->count > 0) memcpy(to->list, from->list, from->count * sizeof *to->list);
}

/* The directory of a path, "" for the top. */
static void parent_of(const char *path, char *parent)
{
    const char *slash = strrchr(path, '/');
    const size_t size = slash == NULL ? 0 : (size_t)(slash - path);
    memcpy(parent, path, size);
    parent[size] = 0;
}

static bool is_in(const char *path, const char *directory)
{
    char parent[PATH_SIZE_MAX];
    parent_of(path, parent);
    return strcmp(parent, directory) == 0;
}

static bool directory_exists(const struct names *names, const char *path)
{
    if (strcmp(path, ".") == 0 || path[0] == 0) return true;
    const struct name *name = names_find(names, path);
    return name != NULL && name->inode == INODE_DIRECTORY;
}

/* ---- contents ---- */

static uint32_t inode_new(struct disk *disk)
{
    if (disk->inode_count == disk->inode_max) {
        disk->inode_max = disk->inode_max == 0 ? 64 : disk->inode_max * 2;
        disk->inodes = realloc(disk->inodes, disk->inode_max * sizeof *disk->inodes);
    }
    disk->inodes[disk->inode_count] = (struct inode){ 0 };
    return disk->inode_count++;
}

static void inode_reserve(struct inode *inode, uint32_t size)
{
    if (size <= inode->capacity) return;
    uint32_t capacity = inode->capacity == 0 ? 8 * SECTOR_SIZE : inode->capacity;
    while (capacity < size) capacity *= 2;
    inode->now = realloc(inode->now, capacity);
    inode->durable = realloc(inode->durable, capacity);
    inode->is_dirty = realloc(inode->is_dirty, capacity / SECTOR_SIZE);
    memset(inode->now + inode->capacity, 0, capacity - inode->capacity);
    memset(inode->durable + inode->capacity, 0, capacity - inode->capacity);
    memset(inode->is_dirty + inode->capacity / SECTOR_SIZE, 0, (capacity - inode->capacity) / SECTOR_SIZE);
    inode->capacity = capacity;
}

static void inode_dirty(struct inode *inode, uint32_t from, uint32_t to)
{
    for (uint32_t sector = from / SECTOR_SIZE; sector * SECTOR_SIZE < to; sector++) {
        if (inode->is_dirty[sector]) continue;
        inode->is_dirty[sector] = 1;
        if (inode->dirty_count == inode->dirty_max) {
            inode->dirty_max = inode->dirty_max == 0 ? 16 : inode->dirty_max * 2;
            inode->dirty = realloc(inode->dirty, inode->dirty_max * sizeof *inode->dirty);
        }
        inode->dirty[inode->dirty_count++] = sector;
    }
}

static void inode_clean(struct inode *inode)
{
    for (uint32_t i = 0; i < inode->dirty_count; i++) inode->is_dirty[inode->dirty[i]] = 0;
    inode->dirty_count = 0;
}

static void sector_copy(uint8_t *to, const uint8_t *from, uint32_t sector)
{
    memcpy(to + (size_t)sector * SECTOR_SIZE, from + (size_t)sector * SECTOR_SIZE, SECTOR_SIZE);
}

static void inode_sync(struct inode *inode)
{
    for (uint32_t i = 0; i < inode->dirty_count; i++) sector_copy(inode->durable, inode->now, inode->dirty[i]);
    inode->durable_size = inode->size;
    inode_clean(inode);
}

static void inode_write(struct inode *inode, const struct effect_write *write)
{
    uint64_t at = write->position;

    for (uint32_t i = 0; i < write->piece_count; i++) {
        inode_reserve(inode, (uint32_t)at + write->pieces[i].size);
        memcpy(inode->now + at, write->pieces[i].data, write->pieces[i].size);
        at += write->pieces[i].size;
    }
    inode_dirty(inode, (uint32_t)write->position, (uint32_t)at);
    if (inode->size < at) inode->size = (uint32_t)at;
}

static void inode_truncate(struct inode *inode, uint32_t size)
{
    inode_reserve(inode, size);
    if (size < inode->size) {
        memset(inode->now + size, 0, inode->size - size);
        inode_dirty(inode, size, inode->size);
    }
    inode->size = size;
}

/* ---- the disk ---- */

void disk_init(struct disk *disk, uint64_t seed, uint64_t stream)
{
    *disk = (struct disk){
        .latency_factor = 1,
        .sync_latency_ns = 300 * 1000,
        .write_latency_ns = 20 * 1000,
        .read_latency_ns = 50 * 1000,
        .orders = calloc(DISK_ORDERS_MAX, sizeof(struct disk_order)),
    };
    prng_init(&disk->prng, seed, stream);
}

void disk_free(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->inode_count; i++) {
        free(disk->inodes[i].now);
        free(disk->inodes[i].durable);
        free(disk->inodes[i].dirty);
        free(disk->inodes[i].is_dirty);
    }
    free(disk->inodes);
    free(disk->now.list);
    free(disk->durable.list);
    free(disk->changes);
    free(disk->orders);
}

static void change_add(struct disk *disk, enum change_kind kind, uint32_t inode, const char *path, const char *to)
{
    if (disk->change_count == disk->change_max) {
        disk->change_max = disk->change_max == 0 ? 64 : disk->change_max * 2;
        disk->changes = realloc(disk->changes, disk->change_max * sizeof *disk->changes);
    }
    struct change *change = &disk->changes[disk->change_count++];
    *change = (struct change){ .kind = kind, .inode = inode };
    strcpy(change->path, path);
    if (to != NULL) strcpy(change->to, to);
}

static void change_apply(struct names *names, const struct change *change)
{
    switch (change->kind) {
    case CHANGE_CREATE: names_put(names, change->path, change->inode); break;
    case CHANGE_UNLINK: names_drop(names, change->path); break;
    case CHANGE_RENAME:
        names_drop(names, change->path);
        names_put(names, change->to, change->inode);
        break;
    }
}

/* The changes to one directory become durable, or a prefix of them does; they are pending no more. */
static void settle_directory(struct disk *disk, const char *directory, uint32_t prefix)
{
    uint32_t kept = 0, seen = 0;

    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct change *change = &disk->changes[i];
        if (!is_in(change->path, directory)) {
            disk->changes[kept++] = *change;
            continue;
        }
        if (seen++ < prefix) change_apply(&disk->durable, change);
        else disk->figures.names_lost++;
    }
    disk->change_count = kept;
}

static const char *path_of(const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_WRITE: return effect->write.path;
    case EFFECT_SYNC: return effect->sync.path;
    case EFFECT_READ: return effect->read.path;
    case EFFECT_FILE: return effect->file.path;
    default: CHECK(false); return NULL;
    }
}

static uint32_t loan_crc(const struct effect *effect)
{
    uint32_t crc = 0;
    const struct effect_write *write = &effect->write;
    if (effect->type != EFFECT_WRITE) return 0;
    for (uint32_t i = 0; i < write->piece_count; i++) {
        crc = crc32c(crc, write->pieces[i].data, write->pieces[i].size);
    }
    return crc;
}

uint32_t disk_take(struct disk *disk, const struct effect *effect, uint64_t *delay_ns)
{
    uint32_t slot = 0;
    while (slot < disk->order_high && disk->orders[slot].used) slot++;
    CHECK(slot < DISK_ORDERS_MAX);
    if (slot == disk->order_high) disk->order_high++;

    struct disk_order *order = &disk->orders[slot];
    order->used = true;
    order->generation++;
    order->effect = *effect;
    order->number = disk->order_number++;
    order->loan_crc = loan_crc(effect);
    CHECK(strlen(path_of(effect)) < PATH_SIZE_MAX);
    strcpy(order->path, path_of(effect));

    uint64_t base = disk->write_latency_ns;
    if (effect->type == EFFECT_READ) base = disk->read_latency_ns;
    if (effect->type == EFFECT_SYNC) base = disk->sync_latency_ns;
    if (effect->type == EFFECT_FILE && effect->file.action == FILE_SYNC_DIRECTORY) base = disk->sync_latency_ns;
    /* Mostly near the base, now and then a hundred times it. */
    *delay_ns = base / 2 + prng_below(&disk->prng, base) + 1;
    if (prng_chance(&disk->prng, 1, 64)) *delay_ns += prng_below(&disk->prng, base * 100);
    *delay_ns *= disk->latency_factor;
    return slot;
}

static enum disk_result carry_write(struct disk *disk, const struct effect_write *write)
{
    const struct name *name = names_find(&disk->now, write->path);
    char parent[PATH_SIZE_MAX];
    uint64_t size = 0;

    for (uint32_t i = 0; i < write->piece_count; i++) size += write->pieces[i].size;
    disk->figures.writes++;
    disk->figures.bytes_written += size;
    parent_of(write->path, parent);
    if (!directory_exists(&disk->now, parent)) return DISK_NOT_FOUND;
    const bool grows = name == NULL || write->position + size > disk->inodes[name->inode].size;
    if (disk->full && grows) {
        disk->figures.refused_full++;
        return DISK_FULL;
    }
    uint32_t inode;
    if (name == NULL) {
        inode = inode_new(disk);
        names_put(&disk->now, write->path, inode);
        change_add(disk, CHANGE_CREATE, inode, write->path, NULL);
    } else {
        inode = name->inode;
    }
    if (inode == INODE_DIRECTORY) return DISK_FAILED;
    inode_write(&disk->inodes[inode], write);
    return DISK_DONE;
}

static enum disk_result carry_sync(struct disk *disk, const struct effect_sync *sync)
{
    const struct name *name = names_find(&disk->now, sync->path);

    disk->figures.syncs++;
    if (name == NULL || name->inode == INODE_DIRECTORY) return DISK_NOT_FOUND;
    if (disk->sync_fails_next) {
        /* What could not be written is marked clean: the process goes on to see it, the disk will never have it. */
        disk->sync_fails_next = false;
        disk->figures.failed_syncs++;
        inode_clean(&disk->inodes[name->inode]);
        return DISK_FAILED;
    }
    inode_sync(&disk->inodes[name->inode]);
    return DISK_DONE;
}

uint32_t disk_peek(const struct disk *disk, const char *path, uint64_t position, uint8_t *into, uint32_t size)
{
    const struct name *name = names_find(&disk->now, path);
    if (name == NULL || name->inode == INODE_DIRECTORY) return 0;
    const struct inode *inode = &disk->inodes[name->inode];
    if (position >= inode->size) return 0;
    const uint32_t there = (uint32_t)MIN((uint64_t)size, inode->size - position);
    memcpy(into, inode->now + position, there);
    return there;
}

static enum disk_result carry_read(struct disk *disk, const struct effect_read *read, struct event_disk *answer)
{
    disk->figures.reads++;
    if (disk->reads_fail && prng_chance(&disk->prng, 1, 4)) return DISK_FAILED;
    if (names_find(&disk->now, read->path) == NULL) return DISK_NOT_FOUND;
    answer->size = disk_peek(disk, read->path, read->position, read->into, read->size);
    return DISK_DONE;
}

static enum disk_result make_directory(struct disk *disk, const char *path)
{
    char part[PATH_SIZE_MAX];
    const size_t size = strlen(path);

    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        const struct name *name = names_find(&disk->now, part);
        if (name != NULL && name->inode != INODE_DIRECTORY) return DISK_FAILED;
        if (name != NULL) continue;
        if (disk->full) return DISK_FULL;
        names_put(&disk->now, part, INODE_DIRECTORY);
        change_add(disk, CHANGE_CREATE, INODE_DIRECTORY, part, NULL);
    }
    return DISK_DONE;
}

static enum disk_result list(const struct disk *disk, const struct effect_file *file, struct event_disk *answer)
{
    if (!directory_exists(&disk->now, file->path)) return DISK_NOT_FOUND;
    for (uint32_t i = 0; i < disk->now.count; i++) {
        const struct name *name = &disk->now.list[i];
        if (!is_in(name->path, file->path)) continue;
        const char *last = strrchr(name->path, '/');
        const char *plain = last == NULL ? name->path : last + 1;
        if (strcmp(plain, file->to) <= 0) continue;
        const uint32_t size = (uint32_t)strlen(plain);
        if (answer->size + FILE_ENTRY_HEAD_SIZE + size > file->size) {
            answer->more = true;
            return DISK_DONE;
        }
        uint8_t *entry = file->into + answer->size;
        const bool directory = name->inode == INODE_DIRECTORY;
        store_u64(entry, directory ? 0 : disk->inodes[name->inode].size);
        entry[8] = directory;
        store_u16(entry + 9, (uint16_t)size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, plain, size);
        answer->size += FILE_ENTRY_HEAD_SIZE + size;
    }
    return DISK_DONE;
}

static enum disk_result unlink_path(struct disk *disk, const char *path)
{
    const struct name *name = names_find(&disk->now, path);

    if (name == NULL) return DISK_NOT_FOUND;
    if (name->inode == INODE_DIRECTORY) {
        for (uint32_t i = 0; i < disk->now.count; i++) {
            if (is_in(disk->now.list[i].path, path)) return DISK_FAILED; /* not empty */
        }
    }
    change_add(disk, CHANGE_UNLINK, name->inode, path, NULL);
    names_drop(&disk->now, path);
    return DISK_DONE;
}

static enum disk_result rename_path(struct disk *disk, const char *path, const char *to)
{
    const struct name *name = names_find(&disk->now, path);
    if (name == NULL) return DISK_NOT_FOUND;
    const uint32_t inode = name->inode;
    if (inode == INODE_DIRECTORY) {
        /* What lies in it moves with it, now and after a power loss. */
        const size_t size = strlen(path);
        for (uint32_t i = 0; i < disk->now.count; i++) {
            char moved[2 * PATH_SIZE_MAX];
            if (strncmp(disk->now.list[i].path, path, size) != 0 || disk->now.list[i].path[size] != '/') continue;
            snprintf(moved, sizeof moved, "%s%s", to, disk->now.list[i].path + size);
            CHECK(strlen(moved) < PATH_SIZE_MAX);
            char from[PATH_SIZE_MAX];
            strcpy(from, disk->now.list[i].path);
            rename_path(disk, from, moved);
            i = (uint32_t)-1;
        }
    }
    change_add(disk, CHANGE_RENAME, inode, path, to);
    names_drop(&disk->now, path);
    names_put(&disk->now, to, inode);
    return DISK_DONE;
}

static enum disk_result carry_file(struct disk *disk, const struct effect_file *file, struct event_disk *answer)
{
    struct name *name;

    disk->figures.file_orders++;
    switch (file->action) {
    case FILE_MAKE_DIRECTORY: return make_directory(disk, file->path);
    case FILE_RENAME: return rename_path(disk, file->path, file->to);
    case FILE_UNLINK: return unlink_path(disk, file->path);
    case FILE_LIST: return list(disk, file, answer);
    case FILE_SYNC_DIRECTORY:
        if (!directory_exists(&disk->now, file->path)) return DISK_NOT_FOUND;
        settle_directory(disk, strcmp(file->path, ".") == 0 ? "" : file->path, UINT32_MAX);
        return DISK_DONE;
    case FILE_TRUNCATE:
        name = names_find(&disk->now, file->path);
        if (name == NULL) return DISK_NOT_FOUND;
        if (disk->full && file->size > disk->inodes[name->inode].size) return DISK_FULL;
        inode_truncate(&disk->inodes[name->inode], (uint32_t)file->size);
        return DISK_DONE;
    }
    return DISK_FAILED;
}

static void carry(struct disk *disk, struct disk_order *order, struct event *answer)
{
    const struct effect *effect = &order->effect;

    CHECK(loan_crc(effect) == order->loan_crc); /* the loan law: nobody writes what the disk still reads */
    *answer = (struct event){ 0 };
    switch (effect->type) {
    case EFFECT_WRITE:
        answer->type = EVENT_WRITTEN;
        answer->disk.op = effect->write.op;
        answer->disk.result = carry_write(disk, &effect->write);
        break;
    case EFFECT_SYNC:
        answer->type = EVENT_SYNCED;
        answer->disk.op = effect->sync.op;
        answer->disk.result = carry_sync(disk, &effect->sync);
        break;
    case EFFECT_READ:
        answer->type = EVENT_READ_DONE;
        answer->disk.op = effect->read.op;
        answer->disk.result = carry_read(disk, &effect->read, &answer->disk);
        break;
    case EFFECT_FILE:
        answer->type = EVENT_FILE_DONE;
        answer->disk.op = effect->file.op;
        answer->disk.result = carry_file(disk, &effect->file, &answer->disk);
        break;
    default: CHECK(false);
    }
    order->used = false;
}

static uint32_t first_of_path(const struct disk *disk, const char *path)
{
    uint32_t first = DISK_ORDERS_MAX;

    for (uint32_t slot = 0; slot < disk->order_high; slot++) {
        if (!disk->orders[slot].used || strcmp(disk->orders[slot].path, path) != 0) continue;
        if (first == DISK_ORDERS_MAX || disk->orders[slot].number < disk->orders[first].number) first = slot;
    }
    return first;
}

void disk_carry_out(struct disk *disk, uint32_t slot, struct event *answer)
{
    CHECK(disk->orders[slot].used);
    const uint32_t first = first_of_path(disk, disk->orders[slot].path);
    if (first != slot) {
        /* The later order's time is spent on the earlier one; it takes the other's place in turn. */
        struct disk_order swapped = disk->orders[slot];
        disk->orders[slot] = disk->orders[first];
        disk->orders[first] = swapped;
        const uint32_t generation = disk->orders[slot].generation;
        disk->orders[slot].generation = disk->orders[first].generation;
        disk->orders[first].generation = generation;
    }
    carry(disk, &disk->orders[slot], answer);
}

void disk_kill(struct disk *disk)
{
    for (uint32_t slot = 0; slot < disk->order_high; slot++) {
        while (disk->orders[slot].used) {
            char path[PATH_SIZE_MAX];
            struct event ignored;
            strcpy(path, disk->orders[slot].path);
            const bool done = prng_chance(&disk->prng, 1, 2);
            const uint32_t first = first_of_path(disk, path);
            if (done && disk->orders[first].effect.type != EFFECT_READ) {
                carry(disk, &disk->orders[first], &ignored);
                continue;
            }
            for (uint32_t i = first_of_path(disk, path); i < DISK_ORDERS_MAX; i = first_of_path(disk, path)) {
                disk->orders[i].used = false;
            }
        }
    }
}

static void inode_lose(struct disk *disk, struct inode *inode, enum loss loss)
{
    for (uint32_t i = 0; i < inode->dirty_count; i++) {
        const bool kept = loss == LOSS_NONE || (loss == LOSS_MIXED && prng_chance(&disk->prng, 1, 2));
        if (kept) sector_copy(inode->durable, inode->now, inode->dirty[i]);
        if (kept) disk->figures.sectors_kept++;
        else disk->figures.sectors_lost++;
    }
    if (inode->size != inode->durable_size) {
        const bool kept = loss == LOSS_NONE || (loss == LOSS_MIXED && prng_chance(&disk->prng, 1, 2));
        if (kept) inode->durable_size = inode->size;
    }
    inode_clean(inode);
    if (inode->capacity == 0) return;
    memset(inode->durable + inode->durable_size, 0, inode->capacity - inode->durable_size);
    memcpy(inode->now, inode->durable, inode->capacity);
    inode->size = inode->durable_size;
}

void disk_lose_power(struct disk *disk, enum loss loss)
{
    while (disk->change_count > 0) {
        char directory[PATH_SIZE_MAX];
        uint32_t count = 0;
        parent_of(disk->changes[0].path, directory);
        for (uint32_t i = 0; i < disk->change_count; i++) count += is_in(disk->changes[i].path, directory);
        uint32_t prefix = loss == LOSS_NONE ? count : 0;
        if (loss == LOSS_MIXED) prefix = (uint32_t)prng_below(&disk->prng, count + 1);
        settle_directory(disk, directory, prefix);
    }
    for (uint32_t i = 0; i < disk->inode_count; i++) inode_lose(disk, &disk->inodes[i], loss);

    /* A name whose directory is gone is gone too; parents sort before what lies in them. */
    free(disk->now.list);
    disk->now = (struct names){ 0 };
    for (uint32_t i = 0; i < disk->durable.count; i++) {
        char parent[PATH_SIZE_MAX];
        parent_of(disk->durable.list[i].path, parent);
        if (directory_exists(&disk->now, parent)) {
            names_put(&disk->now, disk->durable.list[i].path, disk->durable.list[i].inode);
        }
    }
    free(disk->durable.list);
    names_copy(&disk->now, &disk->durable);
}

void disk_copy_after_loss(const struct disk *disk, struct disk *copy, uint64_t seed, enum loss loss)
{
    *copy = *disk;
    prng_init(&copy->prng, seed, 0);
    copy->orders = calloc(DISK_ORDERS_MAX, sizeof(struct disk_order));
    copy->order_high = 0;
    copy->latency_factor = 1;
    copy->full = copy->sync_fails_next = copy->reads_fail = false;
    names_copy(&disk->now, &copy->now);
    names_copy(&disk->durable, &copy->durable);
    copy->change_max = disk->change_count + 1;
    copy->changes = malloc(copy->change_max * sizeof *copy->changes);
    if (disk->change_count > 0) memcpy(copy->changes, disk->changes, disk->change_count * sizeof *copy->changes);
    copy->inode_max = disk->inode_count + 1;
    copy->inodes = malloc(copy->inode_max * sizeof *copy->inodes);
    for (uint32_t i = 0; i < disk->inode_count; i++) {
        const struct inode *from = &disk->inodes[i];
        struct inode *to = &copy->inodes[i];
        *to = *from;
        to->dirty_max = from->dirty_count + 1;
        to->now = malloc(from->capacity + 1);
        to->durable = malloc(from->capacity + 1);
        to->is_dirty = malloc(from->capacity / SECTOR_SIZE + 1);
        to->dirty = malloc(to->dirty_max * sizeof *to->dirty);
        if (from->capacity == 0) continue;
        memcpy(to->now, from->now, from->capacity);
        memcpy(to->durable, from->durable, from->capacity);
        memcpy(to->is_dirty, from->is_dirty, from->capacity / SECTOR_SIZE);
        if (from->dirty_count > 0) memcpy(to->dirty, from->dirty, from->dirty_count * sizeof *to->dirty);
    }
    disk_lose_power(copy, loss);
}

bool disk_flip(struct disk *disk, const char *part)
{
    uint64_t total = 0;

    for (uint32_t pass = 0; pass < 2; pass++) {
        uint64_t target = pass == 0 ? 0 : prng_below(&disk->prng, total);
        for (uint32_t i = 0; i < disk->now.count; i++) {
            const struct name *name = &disk->now.list[i];
            if (name->inode == INODE_DIRECTORY || strstr(name->path, part) == NULL) continue;
            struct inode *inode = &disk->inodes[name->inode];
            if (pass == 0) {
                total += inode->size;
            } else if (target < inode->size) {
                const uint8_t bit = (uint8_t)(1u << prng_below(&disk->prng, 8));
                inode->now[target] ^= bit;
                inode->durable[target] ^= bit;
                disk->figures.flips++;
                return true;
            } else {
                target -= inode->size;
            }
        }
        if (total == 0) return false;
    }
    return false;
}

uint64_t disk_digest(const struct disk *disk, const char *part)
{
    uint64_t digest = 0xcbf29ce484222325;

    for (uint32_t i = 0; i < disk->now.count; i++) {
        const struct name *name = &disk->now.list[i];
        if (strstr(name->path, part) == NULL) continue;
        digest = (digest ^ crc32c(0, name->path, strlen(name->path))) * 0x100000001b3;
        if (name->inode == INODE_DIRECTORY) continue;
        const struct inode *inode = &disk->inodes[name->inode];
        digest = (digest ^ inode->size) * 0x100000001b3;
        if (inode->size > 0) digest = (digest ^ crc32c(0, inode->now, inode->size)) * 0x100000001b3;
    }
    return digest;
}
