#include "sim/disk.h"

#include "base/check.h"
#include "base/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_NONE = UINT32_MAX };
static const uint64_t delay_ns_max = 4000ull * 1000 * 1000; /* of an order while a stall lasts */

/* ---- beginning and end ---- */

static uint32_t inode_new(struct disk *disk)
{
    if (disk->inode_count == disk->inode_max) {
        disk->inode_max = disk->inode_max == 0 ? 64 : disk->inode_max * 2;
        disk->inodes = realloc(disk->inodes, disk->inode_max * sizeof *disk->inodes);
        disk->holders = realloc(disk->holders, disk->inode_max * sizeof *disk->holders);
    }
    disk->inodes[disk->inode_count] = (struct content){ 0 };
    disk->holders[disk->inode_count] = 0;
    return disk->inode_count++;
}

void disk_init(struct disk *disk, uint64_t seed, uint64_t stream)
{
    *disk = (struct disk){
        .latency_factor = 1,
        .sync_latency_ns = 300 * 1000,
        .write_latency_ns = 20 * 1000,
        .read_latency_ns = 50 * 1000,
        .orders = malloc(DISK_ORDERS_MAX * sizeof(struct disk_order)),
        .order_free = SLOT_NONE,
    };
    prng_init(&disk->prng, seed, stream);
    paths_init(&disk->paths);
    inode_new(disk); /* INODE_NONE */
}

void disk_free(struct disk *disk)
{
    for (uint32_t i = 0; i < disk->inode_count; i++) content_free(&disk->inodes[i]);
    free(disk->inodes);
    free(disk->holders);
    paths_free(&disk->paths);
    free(disk->now.inodes);
    free(disk->durable.inodes);
    free(disk->changes);
    free(disk->orders);
}

/* ---- who holds which file ---- */

static void hold(struct disk *disk, uint32_t inode)
{
    if (inode != INODE_NONE && inode != INODE_DIRECTORY) disk->holders[inode]++;
}

static void let_go(struct disk *disk, uint32_t inode)
{
    if (inode == INODE_NONE || inode == INODE_DIRECTORY) return;
    if (--disk->holders[inode] == 0) content_forget(&disk->inodes[inode]);
}

static void give_name(struct disk *disk, struct names *names, uint32_t path, uint32_t inode)
{
    const uint32_t before = names_get(names, path);

    hold(disk, inode);
    names_set(names, path, inode);
    let_go(disk, before);
}

/* ---- names that are not durable yet ---- */

static void change_add(struct disk *disk, enum change_kind kind, uint32_t inode, uint32_t path, uint32_t to)
{
    if (disk->change_count == disk->change_max) {
        disk->change_max = disk->change_max == 0 ? 64 : disk->change_max * 2;
        disk->changes = realloc(disk->changes, disk->change_max * sizeof *disk->changes);
    }
    disk->changes[disk->change_count++] = (struct change){ kind, inode, path, to };
    hold(disk, inode);
}

static void change_apply(struct disk *disk, const struct change *change)
{
    give_name(disk, &disk->durable, change->path, change->kind == CHANGE_CREATE ? change->inode : INODE_NONE);
    if (change->kind == CHANGE_RENAME) give_name(disk, &disk->durable, change->to, change->inode);
}

/* The changes to one directory become durable, or a prefix of them does; they are pending no more. */
static void settle_directory(struct disk *disk, uint32_t directory, uint32_t prefix)
{
    uint32_t kept = 0, seen = 0;

    for (uint32_t i = 0; i < disk->change_count; i++) {
        const struct change change = disk->changes[i];
        if (disk->paths.list[change.path].parent != directory) {
            disk->changes[kept++] = change;
            continue;
        }
        if (seen++ < prefix) change_apply(disk, &change);
        else disk->figures.names_lost++;
        let_go(disk, change.inode);
    }
    disk->change_count = kept;
}

/* ---- taking orders ---- */

static const char *text_of(const struct effect *effect)
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

static uint32_t slot_new(struct disk *disk)
{
    uint32_t slot = disk->order_free;

    if (slot != SLOT_NONE) {
        disk->order_free = disk->orders[slot].next;
        return slot;
    }
    CHECK(disk->order_high < DISK_ORDERS_MAX);
    return disk->order_high++;
}

static void slot_free(struct disk *disk, uint32_t slot)
{
    disk->orders[slot].used = false;
    disk->orders[slot].next = disk->order_free;
    disk->order_free = slot;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* What is common to the names of all files of one kind: "log" of a segment, "__jourjourna" of "__journal/journal-1". */
static void kind_name(const char *path, char name[12])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    const char *plain = last_part(path), *dot = strrchr(plain, '.'), *above = plain;

    if (dot != NULL && strlen(dot) < 12) {
        snprintf(name, 12, "%s", dot + 1);
        return;
    }
    while (above > path && (above == plain || above[-1] != '/')) above--;
    snprintf(name, 12, "%.5s%.*s", above, MIN((int)strspn(plain, letters), 6), plain);
}

static bool is_for_directory(const struct effect *effect)
{
    if (effect->type != EFFECT_FILE) return false;
    switch (effect->file.action) {
    case FILE_MAKE_DIRECTORY:
    case FILE_SYNC_DIRECTORY:
    case FILE_LIST: return true;
    default: return false;
    }
}

/* Its number among the kinds that have been seen; the last one takes what is too many. */
static uint32_t kind_of(struct disk *disk, const struct effect *effect)
{
    char name[12] = "/";

    if (!is_for_directory(effect)) kind_name(text_of(effect), name);
    for (uint32_t kind = 0; kind < disk->kind_count; kind++) {
        if (strcmp(disk->kinds[kind], name) == 0) return kind;
    }
    if (disk->kind_count == KINDS_MAX) return KINDS_MAX - 1;
    memcpy(disk->kinds[disk->kind_count], name, sizeof name);
    return disk->kind_count++;
}

/* The so-manieth of the kinds in a set, which has one at least; those that are not there begin anew. */
static uint32_t nth_kind(uint32_t nth, uint32_t kinds)
{
    uint32_t kind = 0;

    for (nth %= (uint32_t)__builtin_popcount(kinds);; kind++) {
        if ((kinds & 1U << kind) != 0 && nth-- == 0) return kind;
    }
}

/* Whether an order is of the sort that a fault is for; kinds are counted among all, or among those that are synced. */
static bool concerns(struct disk *disk, uint32_t sort, const struct effect *effect, bool among_synced)
{
    const uint32_t kind = kind_of(disk, effect);
    const bool urgent =
        (effect->type == EFFECT_WRITE && effect->write.urgent) || (effect->type == EFFECT_SYNC && effect->sync.urgent);
    const bool syncs =
        effect->type == EFFECT_SYNC || (effect->type == EFFECT_FILE && effect->file.action == FILE_SYNC_DIRECTORY);

    if (syncs) disk->kinds_synced |= 1U << kind;
    if (sort >= SORT_FIRST_KIND) {
        const uint32_t all = (1U << disk->kind_count) - 1;
        return kind == nth_kind(sort - SORT_FIRST_KIND, among_synced ? disk->kinds_synced : all);
    }
    return sort == SORT_ALL || urgent == (sort == SORT_URGENT);
}

static uint64_t draw_delay(struct disk *disk, const struct effect *effect)
{
    uint64_t base = disk->write_latency_ns;

    if (effect->type == EFFECT_READ) base = disk->read_latency_ns;
    if (effect->type == EFFECT_SYNC) base = disk->sync_latency_ns;
    if (effect->type == EFFECT_FILE && effect->file.action == FILE_SYNC_DIRECTORY) base = disk->sync_latency_ns;
    /* Mostly near the base, now and then a hundred times it. */
    uint64_t delay_ns = base / 2 + prng_below(&disk->prng, base) + 1;
    if (prng_chance(&disk->prng, 1, 64)) delay_ns += prng_below(&disk->prng, base * 100);
    return concerns(disk, disk->stalled, effect, false) ? MIN(delay_ns * disk->latency_factor, delay_ns_max) : delay_ns;
}

uint32_t disk_take(struct disk *disk, const struct effect *effect, uint64_t *delay_ns)
{
    const uint32_t slot = slot_new(disk);
    struct disk_order *order = &disk->orders[slot];

    CHECK(strlen(text_of(effect)) < PATH_SIZE_MAX);
    *order = (struct disk_order){ .used = true,
                                  .effect = *effect,
                                  .path = path_of(&disk->paths, text_of(effect)),
                                  .given = disk->steps,
                                  .next = SLOT_NONE,
                                  .loan_crc = loan_crc(effect) };
    struct path *path = &disk->paths.list[order->path];
    order->previous = path->last_order;
    if (path->last_order == SLOT_NONE) path->first_order = slot;
    else disk->orders[path->last_order].next = slot;
    path->last_order = slot;
    *delay_ns = draw_delay(disk, effect);
    return slot;
}

/* Takes the first order of a path out of its queue; `slot` is the one that is free afterwards. */
static struct disk_order pop_first(struct disk *disk, uint32_t slot)
{
    struct path *path = &disk->paths.list[disk->orders[slot].path];
    const uint32_t first = path->first_order;
    const struct disk_order order = disk->orders[first];

    path->first_order = order.next;
    if (order.next == SLOT_NONE) path->last_order = SLOT_NONE;
    else disk->orders[order.next].previous = SLOT_NONE;
    if (first != slot) {
        /* The later order's time is spent on the earlier one, whose slot it takes in turn. */
        struct disk_order *moved = &disk->orders[first];
        *moved = disk->orders[slot];
        if (moved->previous == SLOT_NONE) path->first_order = first;
        else disk->orders[moved->previous].next = first;
        if (moved->next == SLOT_NONE) path->last_order = first;
        else disk->orders[moved->next].previous = first;
    }
    slot_free(disk, slot);
    return order;
}

/* ---- carrying them out ---- */

static enum disk_result carry_write(struct disk *disk, uint32_t path, const struct effect_write *write)
{
    uint32_t inode = names_get(&disk->now, path);
    uint64_t size = 0, at = write->position;

    for (uint32_t i = 0; i < write->piece_count; i++) size += write->pieces[i].size;
    disk->figures.writes++;
    disk->figures.bytes_written += size;
    if (names_get(&disk->now, disk->paths.list[path].parent) != INODE_DIRECTORY) return DISK_NOT_FOUND;
    if (inode == INODE_DIRECTORY) return DISK_FAILED;
    if (disk->full && (inode == INODE_NONE || write->position + size > disk->inodes[inode].size)) {
        disk->figures.refused_full++;
        return DISK_FULL;
    }
    if (inode == INODE_NONE) {
        inode = inode_new(disk);
        give_name(disk, &disk->now, path, inode);
        change_add(disk, CHANGE_CREATE, inode, path, PATH_NONE);
    }
    for (uint32_t i = 0; i < write->piece_count; i++) {
        content_write(&disk->inodes[inode], at, write->pieces[i].data, write->pieces[i].size);
        at += write->pieces[i].size;
    }
    return DISK_DONE;
}

static bool sync_fails(struct disk *disk, const struct effect *effect)
{
    disk->figures.syncs++;
    if (disk->sync_fails_in == 0 || !concerns(disk, disk->failing, effect, true)) return false;
    if (--disk->sync_fails_in > 0) return false;
    disk->figures.failed_syncs++;
    return true;
}

static enum disk_result carry_sync(struct disk *disk, uint32_t path, const struct effect *effect)
{
    const uint32_t inode = names_get(&disk->now, path);

    if (inode == INODE_NONE || inode == INODE_DIRECTORY) return DISK_NOT_FOUND;
    if (sync_fails(disk, effect)) {
        content_fail_sync(&disk->inodes[inode]);
        return DISK_FAILED;
    }
    content_sync(&disk->inodes[inode]);
    return DISK_DONE;
}

uint32_t disk_peek(const struct disk *disk, const char *path, uint64_t position, uint8_t *into, uint32_t size)
{
    const uint32_t known = path_known(&disk->paths, path);
    const uint32_t inode = known == PATH_NONE ? INODE_NONE : names_get(&disk->now, known);

    if (inode == INODE_NONE || inode == INODE_DIRECTORY) return 0;
    return content_read(&disk->inodes[inode], position, into, size);
}

static enum disk_result carry_read(struct disk *disk, uint32_t path, const struct effect_read *read,
                                   struct event_disk *answer)
{
    const uint32_t inode = names_get(&disk->now, path);

    disk->figures.reads++;
    if (disk->reads_fail && prng_chance(&disk->prng, 1, 4)) return DISK_FAILED;
    if (inode == INODE_NONE) return DISK_NOT_FOUND;
    if (inode == INODE_DIRECTORY) return DISK_FAILED;
    answer->size = content_read(&disk->inodes[inode], read->position, read->into, read->size);
    return DISK_DONE;
}

/* With its parents. */
static enum disk_result make_directory(struct disk *disk, uint32_t path)
{
    const uint32_t inode = names_get(&disk->now, path);

    if (inode == INODE_DIRECTORY) return DISK_DONE;
    if (inode != INODE_NONE) return DISK_FAILED;
    const enum disk_result above = make_directory(disk, disk->paths.list[path].parent);
    if (above != DISK_DONE) return above;
    if (disk->full) return DISK_FULL;
    give_name(disk, &disk->now, path, INODE_DIRECTORY);
    change_add(disk, CHANGE_CREATE, INODE_DIRECTORY, path, PATH_NONE);
    return DISK_DONE;
}

static enum disk_result list(const struct disk *disk, uint32_t path, const struct effect_file *file,
                             struct event_disk *answer)
{
    uint32_t count;

    if (names_get(&disk->now, path) != INODE_DIRECTORY) return DISK_NOT_FOUND;
    uint32_t *sorted = names_sorted(&disk->now, &disk->paths, path, &count);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t inode = names_get(&disk->now, sorted[i]);
        const char *plain = last_part(disk->paths.list[sorted[i]].text);
        if (strcmp(plain, file->to) <= 0) continue;
        const uint32_t size = (uint32_t)strlen(plain);
        if (answer->size + FILE_ENTRY_HEAD_SIZE + size > file->size) {
            answer->more = true;
            break;
        }
        uint8_t *entry = file->into + answer->size;
        store_u64(entry, inode == INODE_DIRECTORY ? 0 : disk->inodes[inode].size);
        entry[8] = inode == INODE_DIRECTORY;
        store_u16(entry + 9, (uint16_t)size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, plain, size);
        answer->size += FILE_ENTRY_HEAD_SIZE + size;
    }
    free(sorted);
    return DISK_DONE;
}

static enum disk_result unlink_path(struct disk *disk, uint32_t path)
{
    const uint32_t inode = names_get(&disk->now, path);

    if (inode == INODE_NONE) return DISK_NOT_FOUND;
    if (inode == INODE_DIRECTORY && names_has_children(&disk->now, &disk->paths, path)) return DISK_FAILED;
    change_add(disk, CHANGE_UNLINK, inode, path, PATH_NONE);
    give_name(disk, &disk->now, path, INODE_NONE);
    return DISK_DONE;
}

static enum disk_result rename_path(struct disk *disk, uint32_t path, uint32_t to)
{
    const uint32_t inode = names_get(&disk->now, path);

    if (inode == INODE_NONE) return DISK_NOT_FOUND;
    for (uint32_t child = disk->paths.list[path].first_child; child != PATH_NONE && inode == INODE_DIRECTORY;
         child = disk->paths.list[child].next_sibling) { /* what lies in it moves with it */
        char moved[2 * PATH_SIZE_MAX];
        snprintf(moved, sizeof moved, "%s/%s", disk->paths.list[to].text, last_part(disk->paths.list[child].text));
        CHECK(strlen(moved) < PATH_SIZE_MAX);
        rename_path(disk, child, path_of(&disk->paths, moved));
    }
    change_add(disk, CHANGE_RENAME, inode, path, to);
    give_name(disk, &disk->now, path, INODE_NONE);
    give_name(disk, &disk->now, to, inode);
    return DISK_DONE;
}

static enum disk_result carry_file(struct disk *disk, uint32_t path, const struct effect *effect,
                                   struct event_disk *answer)
{
    const struct effect_file *file = &effect->file;
    const uint32_t inode = names_get(&disk->now, path);

    disk->figures.file_orders++;
    switch (file->action) {
    case FILE_MAKE_DIRECTORY: return make_directory(disk, path);
    case FILE_RENAME: return rename_path(disk, path, path_of(&disk->paths, file->to));
    case FILE_UNLINK: return unlink_path(disk, path);
    case FILE_LIST: return list(disk, path, file, answer);
    case FILE_SYNC_DIRECTORY:
        if (inode != INODE_DIRECTORY) return DISK_NOT_FOUND;
        /* Its names stay what they are, durable or not: a file system that loses one of them stops altogether. */
        if (sync_fails(disk, effect)) return DISK_FAILED;
        settle_directory(disk, path, UINT32_MAX);
        return DISK_DONE;
    case FILE_TRUNCATE:
        if (inode == INODE_NONE) return DISK_NOT_FOUND;
        if (disk->full && file->size > disk->inodes[inode].size) return DISK_FULL;
        content_truncate(&disk->inodes[inode], (uint32_t)file->size);
        return DISK_DONE;
    }
    return DISK_FAILED;
}

static void carry(struct disk *disk, const struct disk_order *order, struct event *answer)
{
    const struct effect *effect = &order->effect;

    CHECK(loan_crc(effect) == order->loan_crc); /* the loan law: nobody writes what the disk still reads */
    *answer = (struct event){ 0 };
    switch (effect->type) {
    case EFFECT_WRITE:
        answer->type = EVENT_WRITTEN;
        answer->disk.op = effect->write.op;
        answer->disk.result = carry_write(disk, order->path, &effect->write);
        break;
    case EFFECT_SYNC:
        answer->type = EVENT_SYNCED;
        answer->disk.op = effect->sync.op;
        answer->disk.result = carry_sync(disk, order->path, effect);
        break;
    case EFFECT_READ:
        answer->type = EVENT_READ_DONE;
        answer->disk.op = effect->read.op;
        answer->disk.result = carry_read(disk, order->path, &effect->read, &answer->disk);
        break;
    case EFFECT_FILE:
        answer->type = EVENT_FILE_DONE;
        answer->disk.op = effect->file.op;
        answer->disk.result = carry_file(disk, order->path, effect, &answer->disk);
        break;
    default: CHECK(false);
    }
}

bool disk_is_late(const struct disk *disk, uint64_t steps)
{
    for (uint32_t slot = 0; slot < disk->order_high; slot++) {
        if (disk->orders[slot].used && disk->steps - disk->orders[slot].given >= steps) return true;
    }
    return false;
}

void disk_carry_out(struct disk *disk, uint32_t slot, struct event *answer)
{
    CHECK(disk->orders[slot].used);
    const struct disk_order order = pop_first(disk, slot);
    carry(disk, &order, answer);
}

/* ---- what is left ---- */

void disk_kill(struct disk *disk)
{
    for (uint32_t slot = 0; slot < disk->order_high; slot++) {
        if (!disk->orders[slot].used) continue;
        const uint32_t path = disk->orders[slot].path;
        bool carries = true;
        while (disk->paths.list[path].first_order != SLOT_NONE) {
            struct event ignored;
            const struct disk_order order = pop_first(disk, disk->paths.list[path].first_order);
            carries = carries && prng_chance(&disk->prng, 1, 2);
            if (carries && order.effect.type != EFFECT_READ) carry(disk, &order, &ignored);
        }
    }
}

void disk_lose_power(struct disk *disk, enum loss loss)
{
    while (disk->change_count > 0) {
        const uint32_t directory = disk->paths.list[disk->changes[0].path].parent;
        uint32_t count = 0;
        for (uint32_t i = 0; i < disk->change_count; i++) {
            count += disk->paths.list[disk->changes[i].path].parent == directory;
        }
        uint32_t prefix = loss == LOSS_NONE ? count : 0;
        if (loss == LOSS_MIXED) prefix = (uint32_t)prng_below(&disk->prng, count + 1);
        settle_directory(disk, directory, prefix);
    }
    for (uint32_t i = 1; i < disk->inode_count; i++) {
        content_lose(&disk->inodes[i], loss, &disk->prng, &disk->figures.loss);
    }
    /* A name whose directory is gone is gone too; parents have smaller numbers than what lies in them. */
    for (uint32_t i = 1; i < disk->durable.max && i < disk->paths.count; i++) {
        const uint32_t above = names_get(&disk->durable, disk->paths.list[i].parent);
        if (above != INODE_DIRECTORY) give_name(disk, &disk->durable, i, INODE_NONE);
    }
    for (uint32_t i = 0; i < disk->durable.max; i++) hold(disk, names_get(&disk->durable, i));
    for (uint32_t i = 0; i < disk->now.max; i++) let_go(disk, names_get(&disk->now, i));
    free(disk->now.inodes);
    names_copy(&disk->durable, &disk->now);
}

void disk_copy_after_loss(const struct disk *disk, struct disk *copy, uint64_t seed, enum loss loss)
{
    *copy = *disk;
    prng_init(&copy->prng, seed, 0);
    copy->orders = malloc(DISK_ORDERS_MAX * sizeof(struct disk_order));
    copy->order_high = 0;
    copy->order_free = SLOT_NONE;
    copy->latency_factor = 1;
    copy->full = copy->reads_fail = false;
    copy->sync_fails_in = 0;
    paths_copy(&disk->paths, &copy->paths);
    names_copy(&disk->now, &copy->now);
    names_copy(&disk->durable, &copy->durable);
    copy->change_max = disk->change_count + 1;
    copy->changes = malloc(copy->change_max * sizeof *copy->changes);
    if (disk->change_count > 0) memcpy(copy->changes, disk->changes, disk->change_count * sizeof *copy->changes);
    copy->inode_max = disk->inode_count + 1;
    copy->inodes = malloc(copy->inode_max * sizeof *copy->inodes);
    for (uint32_t i = 0; i < disk->inode_count; i++) content_copy(&disk->inodes[i], &copy->inodes[i]);
    copy->holders = malloc(copy->inode_max * sizeof *copy->holders);
    memcpy(copy->holders, disk->holders, disk->inode_count * sizeof *copy->holders);
    disk_lose_power(copy, loss);
}

bool disk_flip(struct disk *disk, const char *part)
{
    uint64_t total = 0, target = 0;
    uint32_t count;
    uint32_t *sorted = names_sorted(&disk->now, &disk->paths, PATH_NONE, &count);
    bool found = false;

    for (uint32_t pass = 0; pass < 2 && !found; pass++) {
        if (pass == 1 && total == 0) break;
        if (pass == 1) target = prng_below(&disk->prng, total);
        for (uint32_t i = 0; i < count && !found; i++) {
            const uint32_t inode = names_get(&disk->now, sorted[i]);
            if (inode == INODE_DIRECTORY || strstr(disk->paths.list[sorted[i]].text, part) == NULL) continue;
            const uint32_t size = disk->inodes[inode].size;
            if (pass == 0) {
                total += size;
            } else if (target < size) {
                content_flip(&disk->inodes[inode], (uint32_t)target, (uint8_t)(1U << prng_below(&disk->prng, 8)));
                disk->figures.flips++;
                found = true;
            } else {
                target -= size;
            }
        }
    }
    free(sorted);
    return found;
}

uint64_t disk_digest(const struct disk *disk, const char *part)
{
    uint64_t digest = 0xcbf29ce484222325;
    uint32_t count;
    uint32_t *sorted = names_sorted(&disk->now, &disk->paths, PATH_NONE, &count);

    for (uint32_t i = 0; i < count; i++) {
        const char *text = disk->paths.list[sorted[i]].text;
        const uint32_t inode = names_get(&disk->now, sorted[i]);
        uint8_t bytes[CONTENT_PAGE_SIZE];
        uint32_t size, at = 0;
        if (strstr(text, part) == NULL) continue;
        digest = (digest ^ crc32c(0, text, strlen(text))) * 0x100000001b3;
        if (inode == INODE_DIRECTORY) continue;
        digest = (digest ^ disk->inodes[inode].size) * 0x100000001b3;
        while ((size = content_read(&disk->inodes[inode], at, bytes, sizeof bytes)) > 0) {
            digest = (digest ^ crc32c(0, bytes, size)) * 0x100000001b3;
            at += size;
        }
    }
    free(sorted);
    return digest;
}
