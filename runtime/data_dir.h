/* data_dir.h -- the one directory that a node owns: made if missing, and locked against a second process. */
#ifndef CHRONIK_RUNTIME_DATA_DIR_H
#define CHRONIK_RUNTIME_DATA_DIR_H

struct data_dir {
    int fd;
    int lock_fd; /* its lock ends with the process, however that ends */
};

/* 0, or -1 after a logged line that says what is wrong. */
int data_dir_open(struct data_dir *data_dir, const char *path);
void data_dir_close(struct data_dir *data_dir);

#endif
