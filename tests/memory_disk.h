/* memory_disk.h -- a disk in memory for tests of one room: what was not synced may be lost, in part or whole.
 *
 * Orders for one path keep their order, others are carried out in any. At a crash every block that was not synced is
 * kept or lost by itself, and of the changes of names in a directory a prefix is kept. */
#ifndef CHRONIK_TESTS_MEMORY_DISK_H
#define CHRONIK_TESTS_MEMORY_DISK_H

#include "base/effect.h"
#include "base/prng.h"
#include "t.h"
#include <stdlib.h>

enum { DISK_INODES = 128, DISK_NAMES = 64, DISK_ORDERS = 256, DISK_CHANGES = 256, DISK_BLOCK = 512 };

struct disk_inode {
    uint8_t *now, *durable;
    uint32_t size, durable_size, capacity;
};

struct disk_name {
    char path[PATH_SIZE_MAX]; /* "" is free */
    int inode;
};

/* A change of names that is not durable: path points to inode (-1: to nothing). A rename is two with one `group`. */
struct disk_change {
    char path[PATH_SIZE_MAX];
    int inode;
    int group;
};

struct memory_disk {
    struct disk_inode inodes[DISK_INODES];
    int inode_count;
    struct disk_name now[DISK_NAMES], durable[DISK_NAMES];
    struct disk_change changes[DISK_CHANGES];
    int change_count, groups;
    struct effect orders[DISK_ORDERS];
    char order_paths[DISK_ORDERS][PATH_SIZE_MAX];
    int order_count;
    struct prng prng;
    bool full; /* writes find no space */
    bool sync_fails;
    uint64_t done; /* orders carried out since the beginning */
};

static inline struct disk_name *disk_find(struct disk_name *names, const char *path)
{
    for (int i = 0; i < DISK_NAMES; i++) {
        if (names[i].path[0] != 0 && strcmp(names[i].path, path) == 0) return &names[i];
    }
    return NULL;
}

static inline void disk_point(struct disk_name *names, const char *path, int inode)
{
    struct disk_name *name = disk_find(names, path);
    for (int i = 0; name == NULL && i < DISK_NAMES; i++) {
        if (names[i].path[0] == 0) name = &names[i];
    }
    EXPECT("the test's disk has names left", name != NULL);
    strcpy(name->path, inode < 0 ? "" : path);
    name->inode = inode;
}

static inline void disk_change_name(struct memory_disk *disk, const char *path, int inode, int group)
{
    if (inode >= 0 || disk_find(disk->now, path) != NULL) disk_point(disk->now, path, inode);
    EXPECT("the test's disk has room for changes", disk->change_count < DISK_CHANGES);
    struct disk_change *change = &disk->changes[disk->change_count++];
    strcpy(change->path, path);
    change->inode = inode;
    change->group = group;
}

static inline int disk_new_inode(struct memory_disk *disk)
{
    for (int i = 0; i < disk->inode_count; i++) { /* one that nothing names */
        bool used = false;
        for (int n = 0; n < DISK_NAMES; n++) {
            used |= disk->now[n].path[0] != 0 && disk->now[n].inode == i;
            used |= disk->durable[n].path[0] != 0 && disk->durable[n].inode == i;
        }
        for (int c = 0; c < disk->change_count; c++) used |= disk->changes[c].inode == i;
        if (used) continue;
        disk->inodes[i].size = disk->inodes[i].durable_size = 0;
        return i;
    }
    EXPECT("the test's disk has inodes left", disk->inode_count < DISK_INODES);
    return disk->inode_count++;
}

static inline void disk_grow(struct disk_inode *inode, uint32_t size)
{
    if (size <= inode->capacity) return;
    inode->now = realloc(inode->now, size * 2);
    inode->durable = realloc(inode->durable, size * 2);
    inode->capacity = size * 2;
}

static inline bool disk_in(const char *directory, const char *path)
{
    const size_t size = strlen(directory);
    return strncmp(path, directory, size) == 0 && path[size] == '/' && strchr(path + size + 1, '/') == NULL;
}

static inline void disk_sync_directory(struct memory_disk *disk, const char *directory)
{
    int kept = 0;
    for (int i = 0; i < disk->change_count; i++) {
        const struct disk_change *change = &disk->changes[i];
        if (disk_in(directory, change->path)) {
            if (change->inode >= 0 || disk_find(disk->durable, change->path) != NULL) {
                disk_point(disk->durable, change->path, change->inode);
            }
        } else {
            disk->changes[kept++] = *change;
        }
    }
    disk->change_count = kept;
}

static inline void disk_write(struct memory_disk *disk, const struct effect_write *order, struct event_disk *answer)
{
    struct disk_name *name = disk_find(disk->now, order->path);
    uint64_t end = order->position;

    if (disk->full) {
        answer->result = DISK_FULL;
        return;
    }
    if (name == NULL) {
        disk_change_name(disk, order->path, disk_new_inode(disk), disk->groups++);
        name = disk_find(disk->now, order->path);
    }
    struct disk_inode *inode = &disk->inodes[name->inode];
    for (uint32_t i = 0; i < order->piece_count; i++) end += order->pieces[i].size;
    disk_grow(inode, (uint32_t)end);
    if (inode->size < order->position) memset(inode->now + inode->size, 0, order->position - inode->size);
    uint64_t at = order->position;
    for (uint32_t i = 0; i < order->piece_count; i++) {
        memcpy(inode->now + at, order->pieces[i].data, order->pieces[i].size);
        at += order->pieces[i].size;
    }
    if (inode->size < end) inode->size = (uint32_t)end;
}

static inline void disk_list(struct memory_disk *disk, const struct effect_file *order, struct event_disk *answer)
{
    char last[64];
    const size_t skip = strlen(order->path) + 1;

    strcpy(last, order->to);
    for (;;) {
        struct disk_name *next = NULL;
        for (int i = 0; i < DISK_NAMES; i++) {
            struct disk_name *name = &disk->now[i];
            if (name->path[0] == 0 || !disk_in(order->path, name->path)) continue;
            if (strcmp(name->path + skip, last) <= 0) continue;
            if (next == NULL || strcmp(name->path + skip, next->path + skip) < 0) next = name;
        }
        if (next == NULL) return;
        const uint32_t size = (uint32_t)strlen(next->path + skip);
        if (answer->size + FILE_ENTRY_HEAD_SIZE + size > order->size) {
            answer->more = true;
            return;
        }
        uint8_t *entry = order->into + answer->size;
        store_u64(entry, disk->inodes[next->inode].size);
        entry[8] = 0;
        store_u16(entry + 9, (uint16_t)size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, next->path + skip, size);
        answer->size += FILE_ENTRY_HEAD_SIZE + size;
        strcpy(last, next->path + skip);
    }
}

static inline void disk_file(struct memory_disk *disk, const struct effect_file *order, struct event_disk *answer)
{
    struct disk_name *name = disk_find(disk->now, order->path);

    switch (order->action) {
    case FILE_MAKE_DIRECTORY: break; /* directories are not modelled: a path is a name in one */
    case FILE_SYNC_DIRECTORY: disk_sync_directory(disk, order->path); break;
    case FILE_LIST: disk_list(disk, order, answer); break;
    case FILE_TRUNCATE:
        if (name == NULL) answer->result = DISK_NOT_FOUND;
        else disk->inodes[name->inode].size = MIN(disk->inodes[name->inode].size, (uint32_t)order->size);
        break;
    case FILE_UNLINK:
        if (name == NULL) answer->result = DISK_NOT_FOUND;
        else disk_change_name(disk, order->path, -1, disk->groups++);
        break;
    case FILE_RENAME:
        if (name == NULL) {
            answer->result = DISK_NOT_FOUND;
            break;
        }
        disk_change_name(disk, order->to, name->inode, disk->groups);
        disk_change_name(disk, order->path, -1, disk->groups++);
        break;
    }
}

static inline void disk_read(struct memory_disk *disk, const struct effect_read *order, struct event_disk *answer)
{
    struct disk_name *name = disk_find(disk->now, order->path);

    if (name == NULL) {
        answer->result = DISK_NOT_FOUND;
        return;
    }
    const struct disk_inode *inode = &disk->inodes[name->inode];
    if (order->position >= inode->size) return;
    answer->size = MIN(order->size, inode->size - (uint32_t)order->position);
    memcpy(order->into, inode->now + order->position, answer->size);
}

static inline void disk_sync(struct memory_disk *disk, const struct effect_sync *order, struct event_disk *answer)
{
    struct disk_name *name = disk_find(disk->now, order->path);

    if (disk->sync_fails) {
        answer->result = DISK_FAILED;
        return;
    }
    if (name == NULL) {
        answer->result = DISK_NOT_FOUND;
        return;
    }
    struct disk_inode *inode = &disk->inodes[name->inode];
    memcpy(inode->durable, inode->now, inode->size);
    inode->durable_size = inode->size;
}

static inline const char *disk_path_of(const struct effect *order)
{
    switch (order->type) {
    case EFFECT_WRITE: return order->write.path;
    case EFFECT_SYNC: return order->sync.path;
    case EFFECT_READ: return order->read.path;
    case EFFECT_FILE: return order->file.path;
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: return NULL;
    }
    return NULL;
}

/* Takes the disk orders of a step. */
static inline void disk_take(struct memory_disk *disk, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        const char *path = disk_path_of(&effects->list[i]);
        if (path == NULL) continue;
        EXPECT("the test's disk has room for orders", disk->order_count < DISK_ORDERS);
        strcpy(disk->order_paths[disk->order_count], path);
        disk->orders[disk->order_count++] = effects->list[i];
    }
}

/* Carries out one order: any that is the first for its path. False: there is none. */
static inline bool disk_step(struct memory_disk *disk, struct event *event)
{
    if (disk->order_count == 0) return false;
    int chosen = (int)prng_below(&disk->prng, (uint64_t)disk->order_count);
    for (int i = 0; i < chosen; i++) {
        if (strcmp(disk->order_paths[i], disk->order_paths[chosen]) == 0) chosen = i;
    }
    const struct effect order = disk->orders[chosen];
    disk->order_count--;
    memmove(disk->orders + chosen, disk->orders + chosen + 1,
            (size_t)(disk->order_count - chosen) * sizeof disk->orders[0]);
    memmove(disk->order_paths + chosen, disk->order_paths + chosen + 1,
            (size_t)(disk->order_count - chosen) * sizeof disk->order_paths[0]);

    event->disk = (struct event_disk){ .result = DISK_DONE };
    disk->done++;
    if (order.type == EFFECT_WRITE) {
        event->type = EVENT_WRITTEN;
        event->disk.op = order.write.op;
        disk_write(disk, &order.write, &event->disk);
    } else if (order.type == EFFECT_SYNC) {
        event->type = EVENT_SYNCED;
        event->disk.op = order.sync.op;
        disk_sync(disk, &order.sync, &event->disk);
    } else if (order.type == EFFECT_READ) {
        event->type = EVENT_READ_DONE;
        event->disk.op = order.read.op;
        disk_read(disk, &order.read, &event->disk);
    } else {
        event->type = EVENT_FILE_DONE;
        event->disk.op = order.file.op;
        disk_file(disk, &order.file, &event->disk);
    }
    return true;
}

/* The power goes. */
static inline void disk_crash(struct memory_disk *disk)
{
    for (int i = 0; i < disk->inode_count; i++) {
        struct disk_inode *inode = &disk->inodes[i];
        const uint32_t size = MAX(inode->size, inode->durable_size);
        uint32_t end = inode->durable_size;
        if (inode->durable_size < size) memset(inode->durable + inode->durable_size, 0, size - inode->durable_size);
        for (uint32_t at = 0; at < inode->size; at += DISK_BLOCK) {
            const uint32_t part = MIN((uint32_t)DISK_BLOCK, inode->size - at);
            if (memcmp(inode->durable + at, inode->now + at, part) == 0 && at + part <= inode->durable_size) continue;
            if (!prng_chance(&disk->prng, 1, 2)) continue;
            memcpy(inode->durable + at, inode->now + at, part);
            end = MAX(end, at + part);
        }
        inode->size = inode->durable_size = end;
        if (end > 0) memcpy(inode->now, inode->durable, end);
    }
    const int lost_from = disk->change_count == 0 ? 0 : (int)prng_below(&disk->prng, (uint64_t)disk->change_count + 1);
    for (int i = 0; i < disk->change_count; i++) {
        const struct disk_change *change = &disk->changes[i];
        const bool kept = i < lost_from || (i > 0 && lost_from == i && change->group == change[-1].group);
        if (!kept) break;
        if (change->inode >= 0 || disk_find(disk->durable, change->path) != NULL) {
            disk_point(disk->durable, change->path, change->inode);
        }
    }
    memcpy(disk->now, disk->durable, sizeof disk->now);
    disk->change_count = 0;
    disk->order_count = 0;
}

static inline void disk_free(struct memory_disk *disk)
{
    for (int i = 0; i < DISK_INODES; i++) {
        free(disk->inodes[i].now);
        free(disk->inodes[i].durable);
    }
    free(disk);
}

#endif
