#include "work.h"

#include "base/check.h"
#include "log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    VECTOR_MAX = 256,             /* pieces of one pwritev */
    WARM_UNIT_SIZE = 64 * 1024,   /* read at a time to warm the page cache */
    LIST_NAMES_MAX = 1024 * 1024, /* of one directory; with more something is badly wrong */
    UNCACHED_SIZE_MIN = 128 * 1024,
};

#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x80 /* Linux 6.14; the C library may be older than the kernel */
#endif

const char *work_path(const struct work *work)
{
    switch (work->effect.type) {
    case EFFECT_WRITE: return work->effect.write.path;
    case EFFECT_SYNC: return work->effect.sync.path;
    case EFFECT_READ: return work->effect.read.path;
    case EFFECT_FILE: return work->effect.file.path;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
    return NULL;
}

uint64_t work_op(const struct work *work)
{
    switch (work->effect.type) {
    case EFFECT_WRITE: return work->effect.write.op;
    case EFFECT_SYNC: return work->effect.sync.op;
    case EFFECT_READ: return work->effect.read.op;
    case EFFECT_FILE: return work->effect.file.op;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
    return 0;
}

/* What errno means to the core. Not finding a file is an answer, everything else an operator wants to know about. */
static enum disk_result failed(const char *doing, const char *path)
{
    const int error = errno;

    if (error == ENOENT || error == ENOTDIR) return DISK_NOT_FOUND;
    log_line(NOTE_ERROR, "disk", "cannot %s %s: %s", doing, path, strerror(error));
    return error == ENOSPC || error == EDQUOT ? DISK_FULL : DISK_FAILED;
}

static uint64_t vector_size(const struct iovec *vector, uint32_t count)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < count; i++) size += vector[i].iov_len;
    return size;
}

/* Large writes behind leave the page cache as soon as they are on disk: its fresh pages would cost more than all the
 * rest of a produce (docs/adr/0008). Small ones stay: pages that are appended to again are better written once. Where
 * a kernel or a file system does not know how, the cache keeps them all. */
static ssize_t write_vector(const struct effect_write *write, struct file *file, const struct iovec *vector,
                            uint32_t count, uint64_t position)
{
    if (!write->urgent && !atomic_load(&file->keeps_cached) && vector_size(vector, count) >= UNCACHED_SIZE_MIN) {
        const ssize_t wrote = pwritev2(file->fd, vector, (int)count, (off_t)position, RWF_DONTCACHE);
        if (wrote >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)) return wrote;
        atomic_store(&file->keeps_cached, true);
    }
    return pwritev(file->fd, vector, (int)count, (off_t)position);
}

static enum disk_result do_write(struct work *work, struct files *files)
{
    const struct effect_write *write = &work->effect.write;
    struct file *file = files_get(files, write->path, FILES_CREATING);
    if (file == NULL) return failed("create", write->path);

    enum disk_result result = DISK_DONE;
    uint64_t position = write->position;
    uint32_t piece = 0, done = 0; /* of the piece */
    while (result == DISK_DONE && piece < write->piece_count) {
        struct iovec vector[VECTOR_MAX];
        uint32_t count = 0;
        for (uint32_t i = piece, skip = done; i < write->piece_count && count < VECTOR_MAX; i++, skip = 0) {
            const struct piece *from = &write->pieces[i];
            CHECK(from->data != NULL || from->size == 0);
            vector[count++] = (struct iovec){ (void *)(from->data + skip), from->size - skip };
        }
        const ssize_t wrote = write_vector(write, file, vector, count, position);
        if (wrote < 0) {
            if (errno != EINTR) result = failed("write", write->path);
            continue;
        }
        position += (uint64_t)wrote;
        work->size += (uint32_t)wrote;
        if (wrote == 0 && vector_size(vector, count) > 0) {
            errno = EIO; /* neither progress nor an error: not to be tried for ever */
            result = failed("write", write->path);
            continue;
        }
        uint64_t left = (uint64_t)wrote;
        while (piece < write->piece_count && left >= write->pieces[piece].size - done) {
            left -= write->pieces[piece].size - done;
            piece++;
            done = 0;
        }
        done += (uint32_t)left;
    }
    files_put(files, file);
    return result;
}

static uint64_t mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static enum disk_result do_sync(struct work *work, struct files *files)
{
    const char *path = work->effect.sync.path;
    struct file *file = files_get(files, path, FILES_EXISTING);
    if (file == NULL) return failed("open", path);

    const uint64_t begin_ns = mono_ns();
    int status;
    do status = fdatasync(file->fd);
    while (status != 0 && errno == EINTR);
    const enum disk_result result = status == 0 ? DISK_DONE : failed("sync", path);
    work->took_ns = mono_ns() - begin_ns;
    files_put(files, file);
    return result;
}

static enum disk_result do_read(struct work *work, struct files *files)
{
    const struct effect_read *read = &work->effect.read;
    struct file *file = files_get(files, read->path, FILES_EXISTING);
    if (file == NULL) return failed("open", read->path);

    enum disk_result result = DISK_DONE;
    while (work->size < read->size) {
        const ssize_t got =
            pread(file->fd, read->into + work->size, read->size - work->size, (off_t)(read->position + work->size));
        if (got > 0) work->size += (uint32_t)got;
        else if (got == 0) break; /* the end of the file */
        else if (errno != EINTR) {
            result = failed("read", read->path);
            break;
        }
    }
    files_put(files, file);
    return result;
}

static enum disk_result do_warm(struct work *work, struct files *files)
{
    const struct effect_read *read = &work->effect.read;
    uint8_t unit[WARM_UNIT_SIZE];

    if (work->file == NULL) work->file = files_get(files, read->path, FILES_EXISTING);
    if (work->file == NULL) return failed("open", read->path);
    posix_fadvise(work->file->fd, (off_t)read->position, (off_t)read->size, POSIX_FADV_WILLNEED);
    for (uint32_t done = 0; done < read->size;) {
        const uint32_t want = MIN(read->size - done, WARM_UNIT_SIZE);
        const ssize_t got = pread(work->file->fd, unit, want, (off_t)(read->position + done));
        if (got > 0) done += (uint32_t)got;
        else if (got == 0) break;
        else if (errno != EINTR) {
            files_put(files, work->file);
            work->file = NULL;
            return failed("read", read->path);
        }
    }
    return DISK_DONE;
}

/* ---- names ---- */

static enum disk_result make_directory(const char *path, int root)
{
    char part[PATH_SIZE_MAX];
    const size_t size = strlen(path);

    CHECK(size < sizeof part);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdirat(root, part, 0755) != 0 && errno != EEXIST) return failed("create directory", part);
    }
    return DISK_DONE;
}

static enum disk_result truncate_file(const struct effect_file *order, struct files *files)
{
    struct file *file = files_get(files, order->path, FILES_EXISTING);
    if (file == NULL) return failed("open", order->path);

    int status;
    do status = ftruncate(file->fd, (off_t)order->size);
    while (status != 0 && errno == EINTR);
    const enum disk_result result = status == 0 ? DISK_DONE : failed("truncate", order->path);
    files_put(files, file);
    return result;
}

static enum disk_result rename_file(const struct effect_file *order, struct files *files)
{
    const int root = files_directory(files);
    struct stat stat;

    if (renameat(root, order->path, root, order->to) != 0) return failed("rename", order->path);
    const bool is_directory = fstatat(root, order->to, &stat, 0) == 0 && S_ISDIR(stat.st_mode);
    files_forget(files, order->path, is_directory);
    files_forget(files, order->to, is_directory);
    return DISK_DONE;
}

static enum disk_result unlink_file(const struct effect_file *order, struct files *files)
{
    const int root = files_directory(files);

    if (unlinkat(root, order->path, 0) != 0) {
        if (errno != EISDIR && errno != EPERM) return failed("remove", order->path);
        if (unlinkat(root, order->path, AT_REMOVEDIR) != 0) return failed("remove directory", order->path);
    }
    files_forget(files, order->path, false);
    return DISK_DONE;
}

static int open_directory(const char *path, int root)
{
    return openat(root, path[0] == 0 ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum disk_result sync_directory(const struct effect_file *order, int root)
{
    const int fd = open_directory(order->path, root);
    if (fd < 0) return failed("open directory", order->path);
    int status;
    do status = fsync(fd);
    while (status != 0 && errno == EINTR);
    const enum disk_result result = status == 0 ? DISK_DONE : failed("sync directory", order->path);
    close(fd);
    return result;
}

/* ---- listing ---- */

struct names {
    char **list;
    uint32_t count, capacity;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names behind `after`. False, and errno says why: no memory, an unreasonable directory, or one that cannot be read
 * to its end. A list that lacks names would be taken for the truth. */
static bool collect_names(DIR *directory, const char *after, struct names *names)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) return errno == 0;
        errno = ENOMEM;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (strcmp(entry->d_name, after) <= 0) continue;
        if (names->count == names->capacity) {
            const uint32_t capacity = names->capacity == 0 ? 64 : names->capacity * 2;
            char **list = capacity > LIST_NAMES_MAX ? NULL : realloc(names->list, capacity * sizeof *list);
            if (list == NULL) return false;
            names->list = list;
            names->capacity = capacity;
        }
        names->list[names->count] = strdup(entry->d_name);
        if (names->list[names->count] == NULL) return false;
        names->count++;
    }
}

/* As many as fit. False, and errno says why, if one of them cannot be looked at. */
static bool pack_names(struct work *work, const struct names *names, int directory_fd)
{
    const struct effect_file *order = &work->effect.file;

    for (uint32_t i = 0; i < names->count; i++) {
        const size_t name_size = strlen(names->list[i]);
        struct stat stat;
        if (work->size + FILE_ENTRY_HEAD_SIZE + name_size > order->size) {
            work->more = true;
            return true;
        }
        if (fstatat(directory_fd, names->list[i], &stat, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) continue; /* just removed */
            return false;
        }
        uint8_t *entry = order->into + work->size;
        store_u64(entry, (uint64_t)stat.st_size);
        entry[8] = S_ISDIR(stat.st_mode);
        store_u16(entry + 9, (uint16_t)name_size);
        memcpy(entry + FILE_ENTRY_HEAD_SIZE, names->list[i], name_size);
        work->size += (uint32_t)(FILE_ENTRY_HEAD_SIZE + name_size);
    }
    return true;
}

static enum disk_result list_directory(struct work *work, int root)
{
    const struct effect_file *order = &work->effect.file;
    const int fd = open_directory(order->path, root);
    if (fd < 0) return failed("open directory", order->path);
    DIR *directory = fdopendir(fd);
    if (directory == NULL) {
        close(fd);
        return failed("list directory", order->path);
    }

    struct names names = { NULL, 0, 0 };
    bool done = collect_names(directory, order->to, &names);
    if (done) {
        if (names.count > 0) qsort(names.list, names.count, sizeof *names.list, by_bytes);
        done = pack_names(work, &names, fd);
    }
    const enum disk_result result = done ? DISK_DONE : failed("list directory", order->path);
    for (uint32_t i = 0; i < names.count; i++) free(names.list[i]);
    free(names.list);
    closedir(directory);
    return result;
}

static enum disk_result do_file(struct work *work, struct files *files)
{
    const struct effect_file *order = &work->effect.file;

    switch (order->action) {
    case FILE_MAKE_DIRECTORY: return make_directory(order->path, files_directory(files));
    case FILE_TRUNCATE: return truncate_file(order, files);
    case FILE_RENAME: return rename_file(order, files);
    case FILE_UNLINK: return unlink_file(order, files);
    case FILE_SYNC_DIRECTORY: return sync_directory(order, files_directory(files));
    case FILE_LIST: return list_directory(work, files_directory(files));
    }
    CHECK(false);
    return DISK_FAILED;
}

void work_do(struct work *work, struct files *files)
{
    if (work->warm) {
        work->result = do_warm(work, files);
        return;
    }
    switch (work->effect.type) {
    case EFFECT_WRITE: work->result = do_write(work, files); return;
    case EFFECT_SYNC: work->result = do_sync(work, files); return;
    case EFFECT_READ: work->result = do_read(work, files); return;
    case EFFECT_FILE: work->result = do_file(work, files); return;
    case EFFECT_OPEN_LINK:
    case EFFECT_RECEIVE:
    case EFFECT_SEND:
    case EFFECT_CLOSE_LINK:
    case EFFECT_NOTE:
    case EFFECT_HALT: break;
    }
    CHECK(false);
}
