/* files.h -- open files by path, so that an order by path costs no open().
 *
 * One table for all threads: a lookup is short, and whoever opens does so outside of it. When a name changes its file
 * (rename, unlink) the entry is forgotten; those who still hold it go on with the file they had. */
#ifndef CHRONIK_RUNTIME_FILES_H
#define CHRONIK_RUNTIME_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct files;

/* One open file, held by whoever got it until he gives it back. */
struct file {
    int fd;
    uint32_t holders;          /* the table is one of them */
    bool listed;               /* in the table */
    _Atomic bool keeps_cached; /* it was asked for a write past the page cache, and cannot */
    uint32_t hash;
    struct file *next;          /* in its bucket */
    struct file *older, *newer; /* by last use */
    char path[];
};

enum files_mode {
    FILES_CACHED, /* only if it is open already: never touches the disk */
    FILES_EXISTING,
    FILES_CREATING,
};

/* Paths are relative to `directory_fd`. At most `open_max` files stay open that nobody holds. NULL: no memory. */
struct files *files_new(int directory_fd, uint32_t open_max);

/* Nobody holds a file any more. */
void files_free(struct files *files);

/* NULL, and errno says why; with FILES_CACHED there is nothing to say. */
struct file *files_get(struct files *files, const char *path, enum files_mode mode);
void files_put(struct files *files, struct file *file);

/* The name `path` does not stand for its file any more, and if it is a directory's, no name below it does. Called after
 * the name has changed; a file that is being opened meanwhile is not kept either. */
void files_forget(struct files *files, const char *path, bool is_directory);

int files_directory(const struct files *files);

#endif
