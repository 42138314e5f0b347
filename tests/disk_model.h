/* disk_model.h -- a small disk in memory that keeps its promises and no more.
 *
 * What was written is there for reads at once, and on the disk after a sync of its file; a name is on the disk after a
 * sync of its directory. A power loss keeps of the rest what chance keeps: of each write nothing, all or some sectors,
 * of the changes of a directory the first few. Orders for one path are done in order, all others in any order. */
#ifndef CHRONIK_TESTS_DISK_MODEL_H
#define CHRONIK_TESTS_DISK_MODEL_H

#pragma GCC diagnostic ignored "-Wunused-function"

#include "base/effect.h"
#include "base/prng.h"
#include "t.h"

#include <stdlib.h>

/* Who has many disks with few files on them says so before. */
#ifndef DISK_FILES
#define DISK_FILES 4096
#endif

enum { DISK_FILES_MAX = DISK_FILES, DISK_CHANGES_MAX = 2 * DISK_FILES, DISK_ORDERS_MAX = 4096, DISK_SECTOR = 512 };

struct disk_write { /* not synced yet; data NULL: cut to `size` at `position` */
    uint64_t position;
    uint32_t size;
    uint8_t *data;
};

struct disk_inode {
    bool directory;
    uint8_t *now, *durable;
    uint64_t now_size, durable_size;
    uint64_t now_room, durable_room;
    struct disk_write *writes;
    uint32_t write_count, write_room;
};

struct disk_name {
    char path[PATH_SIZE_MAX];
    uint32_t inode; /* 0: none */
};

struct disk_change { /* of a directory, not synced yet */
    char path[PATH_SIZE_MAX];
    char from[PATH_SIZE_MAX]; /* a rename's */
    uint32_t inode;           /* 0: the name went */
};

struct disk {
    struct prng prng;
    struct disk_inode inodes[DISK_FILES_MAX];
    uint32_t inode_count; /* inode 0 is none */
    struct disk_name names[DISK_FILES_MAX], durable_names[DISK_FILES_MAX];
    uint32_t name_count, durable_count;
    struct disk_change changes[DISK_CHANGES_MAX];
    uint32_t change_count;
    struct effect orders[DISK_ORDERS_MAX];
    uint32_t order_count;
    bool full;         /* writes find no space */
    bool sync_fails;   /* the next sync fails and forgets */
    const char *stuck; /* writes of files with that in their path wait; NULL: none do */
    uint64_t writes, syncs, written_size;
};

static struct disk_name *disk_find(struct disk_name *names, uint32_t count, const char *path)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(names[i].path, path) == 0) return &names[i];
    }
    return NULL;
}

static void disk_set(struct disk_name *names, uint32_t *count, const char *path, uint32_t inode)
{
    struct disk_name *name = disk_find(names, *count, path);

    if (name == NULL && inode == 0) return;
    if (name == NULL) {
        CHECK(*count < DISK_FILES_MAX);
        name = &names[(*count)++];
        strcpy(name->path, path);
    }
    name->inode = inode;
    if (inode == 0) *name = names[--*count];
}

static uint32_t disk_inode_of(struct disk *disk, const char *path)
{
    const struct disk_name *name = disk_find(disk->names, disk->name_count, path);
    return name == NULL ? 0 : name->inode;
}

static void disk_parent(const char *path, char *parent)
{
    const char *slash = strrchr(path, '/');

    strcpy(parent, path);
    if (slash == NULL) strcpy(parent, ".");
    else parent[slash - path] = 0;
}

static void disk_change(struct disk *disk, const char *path, const char *from, uint32_t inode)
{
    CHECK(disk->change_count < DISK_CHANGES_MAX);
    struct disk_change *change = &disk->changes[disk->change_count++];

    strcpy(change->path, path);
    strcpy(change->from, from == NULL ? "" : from);
    change->inode = inode;
    if (from != NULL) disk_set(disk->names, &disk->name_count, from, 0);
    disk_set(disk->names, &disk->name_count, path, inode);
}

static uint32_t disk_make(struct disk *disk, const char *path, bool directory)
{
    /* Inodes are never reused within a run of a test: forgotten ones only cost memory. */
    uint32_t inode = 0;
    for (uint32_t i = 1; i < DISK_FILES_MAX && inode == 0; i++) {
        bool used = false;
        for (uint32_t n = 0; n < disk->name_count && !used; n++) used = disk->names[n].inode == i;
        for (uint32_t n = 0; n < disk->durable_count && !used; n++) used = disk->durable_names[n].inode == i;
        for (uint32_t n = 0; n < disk->change_count && !used; n++) used = disk->changes[n].inode == i;
        if (!used) inode = i;
    }
    CHECK(inode != 0);
    struct disk_inode *node = &disk->inodes[inode];
    for (uint32_t i = 0; i < node->write_count; i++) free(node->writes[i].data);
    node->directory = directory;
    node->now_size = node->durable_size = 0;
    node->write_count = 0;
    disk_change(disk, path, NULL, inode);
    return inode;
}

static void disk_grow(uint8_t **bytes, uint64_t *room, uint64_t *size, uint64_t wanted)
{
    if (wanted > *room) {
        const uint64_t grown = wanted + wanted / 2 + 4096;
        *bytes = realloc(*bytes, grown);
        CHECK(*bytes != NULL);
        *room = grown;
    }
    if (wanted > *size) memset(*bytes + *size, 0, wanted - *size);
    if (wanted > *size) *size = wanted;
}

static void disk_remember(struct disk_inode *node, uint64_t position, const uint8_t *data, uint32_t size)
{
    if (node->write_count == node->write_room) {
        node->write_room = node->write_room * 2 + 8;
        node->writes = realloc(node->writes, node->write_room * sizeof *node->writes);
        CHECK(node->writes != NULL);
    }
    struct disk_write *write = &node->writes[node->write_count++];
    *write = (struct disk_write){ position, size, NULL };
    if (data == NULL) return;
    write->data = malloc(size + 1);
    CHECK(write->data != NULL);
    memcpy(write->data, data, size);
}

static void disk_put(struct disk_inode *node, uint64_t position, const uint8_t *data, uint32_t size)
{
    disk_grow(&node->now, &node->now_room, &node->now_size, position + size);
    memcpy(node->now + position, data, size);
    disk_remember(node, position, data, size);
}

static void disk_sync_inode(struct disk_inode *node)
{
    disk_grow(&node->durable, &node->durable_room, &node->durable_size, node->now_size);
    if (node->now_size > 0) memcpy(node->durable, node->now, node->now_size);
    node->durable_size = node->now_size;
    for (uint32_t i = 0; i < node->write_count; i++) free(node->writes[i].data);
    node->write_count = 0;
}

/* ---- orders ---- */

static enum disk_result disk_do_write(struct disk *disk, const struct effect_write *write)
{
    char parent[PATH_SIZE_MAX];
    uint64_t position = write->position;
    uint32_t inode = disk_inode_of(disk, write->path);

    disk_parent(write->path, parent);
    CHECK(strcmp(parent, ".") == 0 || disk_inode_of(disk, parent) != 0); /* "in a directory that exists" */
    disk->writes++;
    if (inode == 0 && disk->full) return DISK_FULL;
    if (inode == 0) inode = disk_make(disk, write->path, false);
    for (uint32_t i = 0; i < write->piece_count; i++) {
        CHECK(write->pieces[i].data != NULL);
        uint32_t size = write->pieces[i].size;
        /* Of what finds no space, anything may be there afterwards. */
        if (disk->full) size = (uint32_t)prng_below(&disk->prng, size + 1);
        disk_put(&disk->inodes[inode], position, write->pieces[i].data, size);
        position += write->pieces[i].size;
        disk->written_size += size;
        if (disk->full) return DISK_FULL;
    }
    return DISK_DONE;
}

static enum disk_result disk_do_sync(struct disk *disk, const char *path)
{
    const uint32_t inode = disk_inode_of(disk, path);

    disk->syncs++;
    if (inode == 0) return DISK_NOT_FOUND;
    if (disk->sync_fails) {
        disk->sync_fails = false;
        struct disk_inode *node = &disk->inodes[inode];
        for (uint32_t i = 0; i < node->write_count; i++) free(node->writes[i].data);
        node->write_count = 0; /* marked clean, and not on the disk */
        return DISK_FAILED;
    }
    disk_sync_inode(&disk->inodes[inode]);
    return DISK_DONE;
}

static void disk_apply_change(struct disk *disk, const struct disk_change *change)
{
    if (change->from[0] != 0) disk_set(disk->durable_names, &disk->durable_count, change->from, 0);
    disk_set(disk->durable_names, &disk->durable_count, change->path, change->inode);
}

static bool disk_change_is_in(const struct disk_change *change, const char *directory)
{
    char parent[PATH_SIZE_MAX];

    disk_parent(change->path, parent);
    return strcmp(parent, directory) == 0;
}

static void disk_drop_change(struct disk *disk, uint32_t at)
{
    memmove(&disk->changes[at], &disk->changes[at + 1], (disk->change_count - at - 1) * sizeof disk->changes[0]);
    disk->change_count--;
}

static void disk_sync_directory(struct disk *disk, const char *directory)
{
    for (uint32_t i = 0; i < disk->change_count;) {
        if (!disk_change_is_in(&disk->changes[i], directory)) {
            i++;
            continue;
        }
        disk_apply_change(disk, &disk->changes[i]);
        disk_drop_change(disk, i);
    }
}

static void disk_make_directories(struct disk *disk, const char *path)
{
    char part[PATH_SIZE_MAX];

    for (uint32_t i = 1;; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (disk_inode_of(disk, part) == 0) disk_make(disk, part, true);
        if (path[i] == 0) return;
    }
}

static bool disk_has_children(struct disk *disk, const char *path)
{
    char parent[PATH_SIZE_MAX];

    for (uint32_t i = 0; i < disk->name_count; i++) {
        disk_parent(disk->names[i].path, parent);
        if (strcmp(parent, path) == 0) return true;
    }
    return false;
}

static void disk_do_list(struct disk *disk, const struct effect_file *order, struct event_disk *answer)
{
    char last[PATH_SIZE_MAX], parent[PATH_SIZE_MAX];

    if (disk_inode_of(disk, order->path) == 0) {
        answer->result = DISK_NOT_FOUND;
        return;
    }
    strcpy(last, order->to);
    for (;;) {
        const struct disk_name *next = NULL;
        const char *next_base = NULL;
        for (uint32_t i = 0; i < disk->name_count; i++) {
            disk_parent(disk->names[i].path, parent);
            if (strcmp(parent, order->path) != 0) continue;
            const char *slash = strrchr(disk->names[i].path, '/');
            const char *base = slash == NULL ? disk->names[i].path : slash + 1;
            if (strcmp(base, last) <= 0 || (next != NULL && strcmp(base, next_base) >= 0)) continue;
            next = &disk->names[i];
            next_base = base;
        }
        if (next == NULL) return;
        const uint32_t size = (uint32_t)strlen(next_base);
        /* Pages are short at times, so that there is a next one. */
        const bool ends = answer->size > 0 && prng_chance(&disk->prng, 1, 5);
        if (ends || answer->size + FILE_ENTRY_HEAD_SIZE + size > order->size) {
            answer->more = true;
            return;
        }
        uint8_t *entry = order->into + answer->size;
        store_u64(entry, disk->inodes[next->inode].now_size);
        entry[8] = disk->inodes[next->inode].directory;
        store_u16(entry + 9, (uint16_t)size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, next_base, size);
        answer->size += FILE_ENTRY_HEAD_SIZE + size;
        strcpy(last, next_base);
    }
}

static void disk_do_file(struct disk *disk, const struct effect_file *order, struct event_disk *answer)
{
    const uint32_t inode = disk_inode_of(disk, order->path);

    switch (order->action) {
    case FILE_MAKE_DIRECTORY:
        if (disk->full && inode == 0) answer->result = DISK_FULL;
        else disk_make_directories(disk, order->path);
        return;
    case FILE_LIST: disk_do_list(disk, order, answer); return;
    case FILE_SYNC_DIRECTORY:
        if (strcmp(order->path, ".") != 0 && inode == 0) answer->result = DISK_NOT_FOUND;
        else disk_sync_directory(disk, order->path);
        return;
    case FILE_TRUNCATE:
    case FILE_RENAME:
    case FILE_UNLINK: break;
    }
    if (inode == 0) {
        answer->result = DISK_NOT_FOUND;
        return;
    }
    struct disk_inode *node = &disk->inodes[inode];
    if (order->action == FILE_TRUNCATE) {
        disk_grow(&node->now, &node->now_room, &node->now_size, order->size);
        node->now_size = order->size;
        disk_remember(node, order->size, NULL, 0);
    } else if (order->action == FILE_RENAME) {
        disk_change(disk, order->to, order->path, inode);
    } else if (node->directory && disk_has_children(disk, order->path)) {
        answer->result = DISK_FAILED;
    } else {
        disk_change(disk, order->path, NULL, 0);
    }
}

static void disk_do(struct disk *disk, const struct effect *order, struct event *event)
{
    struct event_disk *answer = &event->disk;

    answer->result = DISK_DONE;
    switch (order->type) {
    case EFFECT_WRITE:
        event->type = EVENT_WRITTEN;
        answer->op = order->write.op;
        answer->result = disk_do_write(disk, &order->write);
        return;
    case EFFECT_SYNC:
        event->type = EVENT_SYNCED;
        answer->op = order->sync.op;
        answer->result = disk_do_sync(disk, order->sync.path);
        return;
    case EFFECT_READ: {
        const uint32_t inode = disk_inode_of(disk, order->read.path);
        event->type = EVENT_READ_DONE;
        answer->op = order->read.op;
        if (inode == 0) {
            answer->result = DISK_NOT_FOUND;
            return;
        }
        const struct disk_inode *node = &disk->inodes[inode];
        if (order->read.position < node->now_size) {
            answer->size = (uint32_t)MIN(node->now_size - order->read.position, (uint64_t)order->read.size);
            memcpy(order->read.into, node->now + order->read.position, answer->size);
        }
        return;
    }
    case EFFECT_FILE:
        event->type = EVENT_FILE_DONE;
        answer->op = order->file.op;
        disk_do_file(disk, &order->file, answer);
        return;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
}

static const char *disk_order_path(const struct effect *order, bool second)
{
    switch (order->type) {
    case EFFECT_WRITE: return second ? "" : order->write.path;
    case EFFECT_SYNC: return second ? "" : order->sync.path;
    case EFFECT_READ: return second ? "" : order->read.path;
    case EFFECT_FILE:
        if (!second) return order->file.path;
        return order->file.action == FILE_RENAME ? order->file.to : "";
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    return "";
}

static bool disk_conflicts(const struct effect *a, const struct effect *b)
{
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            const char *x = disk_order_path(a, i == 1), *y = disk_order_path(b, j == 1);
            if (x[0] != 0 && strcmp(x, y) == 0) return true;
        }
    }
    return false;
}

static void disk_take_orders(struct disk *disk, const struct effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->list[i].type == EFFECT_NOTE) continue;
        CHECK(disk->order_count < DISK_ORDERS_MAX);
        disk->orders[disk->order_count++] = effects->list[i];
    }
}

static bool disk_is_stuck(const struct disk *disk, const struct effect *order)
{
    return disk->stuck != NULL && order->type == EFFECT_WRITE &&
           strstr(disk_order_path(order, false), disk->stuck) != NULL;
}

/* What has to be done before this order, or it itself. */
static uint32_t disk_first_of(const struct disk *disk, uint32_t at)
{
    for (uint32_t before = 0; before < at; before++) {
        /* Nothing before it holds it back, since we come from the front. */
        if (disk_conflicts(&disk->orders[before], &disk->orders[at])) return before;
    }
    return at;
}

/* Does one of the orders that may be done now; false: there is none. */
static bool disk_step(struct disk *disk, struct event *event)
{
    if (disk->order_count == 0) return false;
    const uint32_t drawn = (uint32_t)prng_below(&disk->prng, disk->order_count);
    uint32_t at = disk_first_of(disk, drawn);
    for (uint32_t tries = 1; disk_is_stuck(disk, &disk->orders[at]); tries++) {
        if (tries > disk->order_count) return false;
        at = disk_first_of(disk, (drawn + tries) % disk->order_count);
    }
    const struct effect order = disk->orders[at];
    memmove(&disk->orders[at], &disk->orders[at + 1], (disk->order_count - at - 1) * sizeof disk->orders[0]);
    disk->order_count--;
    disk_do(disk, &order, event);
    return true;
}

/* ---- crashes ---- */

static void disk_tear(struct disk *disk, struct disk_inode *node)
{
    for (uint32_t i = 0; i < node->write_count; i++) {
        const struct disk_write *write = &node->writes[i];
        const uint64_t fate = prng_below(&disk->prng, 3);
        if (write->data == NULL) {
            if (fate == 0) continue;
            disk_grow(&node->durable, &node->durable_room, &node->durable_size, write->position);
            node->durable_size = write->position;
            continue;
        }
        for (uint32_t at = 0; at < write->size;) {
            const uint64_t position = write->position + at;
            const uint32_t left = DISK_SECTOR - (uint32_t)(position % DISK_SECTOR);
            const uint32_t size = MIN(left, write->size - at);
            if (fate == 2 || (fate == 1 && prng_chance(&disk->prng, 1, 2))) {
                disk_grow(&node->durable, &node->durable_room, &node->durable_size, position + size);
                memcpy(node->durable + position, write->data + at, size);
            }
            at += size;
        }
    }
    disk_grow(&node->now, &node->now_room, &node->now_size, node->durable_size);
    if (node->durable_size > 0) memcpy(node->now, node->durable, node->durable_size);
    node->now_size = node->durable_size;
    disk_sync_inode(node);
}

static bool disk_is_reachable(struct disk *disk, const char *path)
{
    char parent[PATH_SIZE_MAX];

    disk_parent(path, parent);
    if (strcmp(parent, ".") == 0) return true;
    return disk_find(disk->durable_names, disk->durable_count, parent) != NULL && disk_is_reachable(disk, parent);
}

static void disk_lose_power(struct disk *disk)
{
    /* Each directory keeps a first part of its changes. */
    while (disk->change_count > 0) {
        char directory[PATH_SIZE_MAX];
        disk_parent(disk->changes[0].path, directory);
        bool keeps = prng_chance(&disk->prng, 1, 2);
        for (uint32_t i = 0; i < disk->change_count;) {
            if (!disk_change_is_in(&disk->changes[i], directory)) {
                i++;
                continue;
            }
            if (keeps) disk_apply_change(disk, &disk->changes[i]);
            disk_drop_change(disk, i);
            keeps = keeps && prng_chance(&disk->prng, 2, 3);
        }
    }
    for (uint32_t i = 0; i < disk->durable_count;) {
        if (disk_is_reachable(disk, disk->durable_names[i].path)) {
            i++;
            continue;
        }
        disk_set(disk->durable_names, &disk->durable_count, disk->durable_names[i].path, 0);
        i = 0;
    }
    memcpy(disk->names, disk->durable_names, sizeof disk->names);
    disk->name_count = disk->durable_count;
    for (uint32_t i = 0; i < disk->name_count; i++) disk_tear(disk, &disk->inodes[disk->names[i].inode]);
}

/* The process is gone; with `power`, so is what was only in memory. Some orders were being done. */
static void disk_crash(struct disk *disk, bool power)
{
    while (disk->order_count > 0 && prng_chance(&disk->prng, 1, 2)) {
        const struct effect order = disk->orders[0];
        struct event ignored = { 0 };
        memmove(&disk->orders[0], &disk->orders[1], (disk->order_count - 1) * sizeof disk->orders[0]);
        disk->order_count--;
        if (order.type == EFFECT_WRITE) disk_do(disk, &order, &ignored);
    }
    disk->order_count = 0;
    if (power) disk_lose_power(disk);
}

static void disk_free(struct disk *disk)
{
    for (uint32_t i = 0; i < DISK_FILES_MAX; i++) {
        struct disk_inode *node = &disk->inodes[i];
        for (uint32_t w = 0; w < node->write_count; w++) free(node->writes[w].data);
        free(node->writes);
        free(node->now);
        free(node->durable);
    }
    memset(disk, 0, sizeof *disk);
}

#endif
