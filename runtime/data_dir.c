#include "data_dir.h"

#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(const char *path, const char *what)
{
    log_line(NOTE_ERROR, "data_dir", "cannot use data directory %s: %s: %s", path, what, strerror(errno));
    return -1;
}

/* The name of a new directory is durable only when its parent is synced. */
static void sync_parent(const char *path, size_t size)
{
    char parent[PATH_MAX];

    while (size > 0 && path[size - 1] != '/') size--;
    memcpy(parent, path, size);
    if (size == 0) parent[size++] = '.';
    parent[size] = 0;
    const int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return; /* the first sync inside will tell */
    (void)fsync(fd);
    close(fd);
}

static int make(const char *path)
{
    char part[PATH_MAX];
    const size_t size = strlen(path);

    if (size == 0 || size >= sizeof part) {
        errno = size == 0 ? ENOENT : ENAMETOOLONG;
        return refuse(path, "its name");
    }
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0755) == 0) sync_parent(part, i);
        else if (errno != EEXIST) return refuse(path, "cannot create it");
    }
    return 0;
}

static int lock(struct data_dir *data_dir, const char *path)
{
    data_dir->lock_fd = openat(data_dir->fd, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (data_dir->lock_fd < 0) return refuse(path, "cannot write to it");

    char owner[24] = "";
    if (flock(data_dir->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK) return refuse(path, "cannot lock it");
        const ssize_t size = pread(data_dir->lock_fd, owner, sizeof owner - 1, 0);
        owner[size > 0 ? strcspn(owner, "\n") : 0] = 0;
        log_line(NOTE_ERROR, "data_dir", "cannot use data directory %s: another chronik-server (process %s) has it",
                 path, owner[0] == 0 ? "unknown" : owner);
        return -1;
    }
    const int size = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    if (ftruncate(data_dir->lock_fd, 0) != 0) return refuse(path, "cannot write to it");
    /* Only a help to people: on a full disk the node must still start, to be read from. */
    (void)!pwrite(data_dir->lock_fd, owner, (size_t)size, 0);
    return 0;
}

int data_dir_open(struct data_dir *data_dir, const char *path)
{
    *data_dir = (struct data_dir){ .fd = -1, .lock_fd = -1 };
    if (make(path) != 0) return -1;
    data_dir->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (data_dir->fd < 0) return refuse(path, "cannot open it");
    if (lock(data_dir, path) == 0) return 0;
    data_dir_close(data_dir);
    return -1;
}

void data_dir_close(struct data_dir *data_dir)
{
    if (data_dir->lock_fd >= 0) close(data_dir->lock_fd);
    if (data_dir->fd >= 0) close(data_dir->fd);
}
