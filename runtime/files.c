#include "files.h"

#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct files {
    int directory_fd;
    uint32_t open_max;
    uint32_t bucket_count; /* a power of two */
    uv_mutex_t mutex;      /* over all that follows, and every file's holders */
    uint32_t listed_count;
    uint64_t changes; /* names forgotten: an open() that began before the last one may have seen the old file */
    struct file *oldest, *newest;
    struct file *buckets[];
};

/* FNV-1a: paths are ours, nobody picks them to collide. */
static uint32_t hash_of(const char *path)
{
    uint32_t hash = 2166136261u;
    for (; *path != 0; path++) hash = (hash ^ (unsigned char)*path) * 16777619u;
    return hash;
}

struct files *files_new(int directory_fd, uint32_t open_max)
{
    uint32_t bucket_count = 64;

    while (bucket_count < open_max) bucket_count *= 2;
    struct files *files = calloc(1, sizeof *files + bucket_count * sizeof(struct file *));
    if (files == NULL) return NULL;
    files->directory_fd = directory_fd;
    files->open_max = open_max;
    files->bucket_count = bucket_count;
    uv_mutex_init(&files->mutex);
    return files;
}

int files_directory(const struct files *files)
{
    return files->directory_fd;
}

static struct file **bucket_of(struct files *files, uint32_t hash)
{
    return &files->buckets[hash & (files->bucket_count - 1)];
}

static void age_remove(struct files *files, struct file *file)
{
    if (file->older != NULL) file->older->newer = file->newer;
    else files->oldest = file->newer;
    if (file->newer != NULL) file->newer->older = file->older;
    else files->newest = file->older;
}

static void age_append(struct files *files, struct file *file)
{
    file->newer = NULL;
    file->older = files->newest;
    if (files->newest != NULL) files->newest->newer = file;
    else files->oldest = file;
    files->newest = file;
}

/* Under the mutex. The file comes back if nobody holds it any more, to be closed outside. */
static struct file *release(struct file *file)
{
    CHECK(file->holders > 0);
    return --file->holders == 0 ? file : NULL;
}

static void close_file(struct file *file)
{
    if (file == NULL) return;
    close(file->fd);
    free(file);
}

static struct file *unlist(struct files *files, struct file *file)
{
    struct file **at = bucket_of(files, file->hash);

    while (*at != file) at = &(*at)->next;
    *at = file->next;
    age_remove(files, file);
    file->listed = false;
    files->listed_count--;
    return release(file);
}

static struct file *find(struct files *files, const char *path, uint32_t hash)
{
    for (struct file *file = *bucket_of(files, hash); file != NULL; file = file->next) {
        if (file->hash == hash && strcmp(file->path, path) == 0) return file;
    }
    return NULL;
}

static struct file *hold(struct files *files, struct file *file)
{
    file->holders++;
    age_remove(files, file);
    age_append(files, file);
    return file;
}

/* Closes the file that was not used for longest, to have its descriptor. False if there is none. */
static bool close_oldest(struct files *files)
{
    uv_mutex_lock(&files->mutex);
    struct file *file = files->oldest;
    while (file != NULL && file->holders > 1) file = file->newer;
    if (file != NULL) CHECK(unlist(files, file) == file);
    uv_mutex_unlock(&files->mutex);
    close_file(file);
    return file != NULL;
}

static int open_file(struct files *files, const char *path, enum files_mode mode)
{
    for (;;) {
        const int flags = O_RDWR | O_CLOEXEC | (mode == FILES_CREATING ? O_CREAT : 0);
        const int fd = openat(files->directory_fd, path, flags, 0644);
        if (fd >= 0) return fd;
        if (errno == EINTR) continue;
        if ((errno == EMFILE || errno == ENFILE) && close_oldest(files)) continue;
        return -1;
    }
}

struct file *files_get(struct files *files, const char *path, enum files_mode mode)
{
    const uint32_t hash = hash_of(path);

    uv_mutex_lock(&files->mutex);
    struct file *file = find(files, path, hash);
    if (file != NULL) hold(files, file);
    const uint64_t changes = files->changes;
    uv_mutex_unlock(&files->mutex);
    if (file != NULL || mode == FILES_CACHED) return file;

    const int fd = open_file(files, path, mode);
    if (fd < 0) return NULL;
    const size_t path_size = strlen(path) + 1;
    file = malloc(sizeof *file + path_size);
    if (file == NULL) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    *file = (struct file){ .fd = fd, .holders = 1, .hash = hash };
    memcpy(file->path, path, path_size);

    struct file *surplus = NULL;
    uv_mutex_lock(&files->mutex);
    struct file *other = find(files, path, hash);
    if (other != NULL) { /* another thread was faster */
        surplus = file;
        file = hold(files, other);
    } else if (files->changes == changes) {
        file->next = *bucket_of(files, hash);
        *bucket_of(files, hash) = file;
        file->listed = true;
        file->holders++;
        files->listed_count++;
        age_append(files, file);
        if (files->listed_count > files->open_max) surplus = unlist(files, files->oldest);
    }
    uv_mutex_unlock(&files->mutex);
    close_file(surplus);
    return file;
}

void files_put(struct files *files, struct file *file)
{
    uv_mutex_lock(&files->mutex);
    struct file *last = release(file);
    uv_mutex_unlock(&files->mutex);
    close_file(last);
}

static bool is_below(const char *path, const char *directory, size_t directory_size)
{
    return strncmp(path, directory, directory_size) == 0 && path[directory_size] == '/';
}

/* Under the mutex: takes the file from the table, and puts it on the list to be closed if nobody holds it. */
static void forget(struct files *files, struct file *file, struct file **gone)
{
    struct file *last = unlist(files, file);

    if (last == NULL) return;
    last->next = *gone;
    *gone = last;
}

void files_forget(struct files *files, const char *path, bool is_directory)
{
    struct file *gone = NULL;

    uv_mutex_lock(&files->mutex);
    files->changes++;
    struct file *named = find(files, path, hash_of(path));
    if (named != NULL) forget(files, named, &gone);
    for (struct file *file = is_directory ? files->oldest : NULL, *newer; file != NULL; file = newer) {
        newer = file->newer;
        if (is_below(file->path, path, strlen(path))) forget(files, file, &gone);
    }
    uv_mutex_unlock(&files->mutex);
    while (gone != NULL) {
        struct file *next = gone->next;
        close_file(gone);
        gone = next;
    }
}

void files_free(struct files *files)
{
    while (files->oldest != NULL) CHECK(close_oldest(files));
    uv_mutex_destroy(&files->mutex);
    free(files);
}
