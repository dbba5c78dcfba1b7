/* What the disk takes: blocks of 1 MiB into a file that was already written, each followed by fdatasync.
 *   disk FILE SECONDS        prints bytes per second. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, BLOCKS = 256 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **arguments) {
    if (count < 3) return fprintf(stderr, "disk FILE SECONDS\n"), 64;
    void *block;
    int file = open(arguments[1], O_RDWR | O_CREAT, 0644);
    if (file < 0 || posix_memalign(&block, 4096, BLOCK)) return perror(arguments[1]), 1;
    for (int i = 0; i < BLOCKS; i++) {
        memset(block, i, BLOCK);
        if (pwrite(file, block, BLOCK, (off_t)i * BLOCK) != BLOCK) return perror("write"), 1;
    }
    if (fsync(file)) return perror("fsync"), 1;
    long written = 0;
    double began = now(), end = began + atof(arguments[2]);
    while (now() < end) {
        memset(block, (int)written, BLOCK);
        if (pwrite(file, block, BLOCK, (off_t)(written % BLOCKS) * BLOCK) != BLOCK || fdatasync(file)) return perror("write"), 1;
        written++;
    }
    printf("%.0f\n", written * (double)BLOCK / (now() - began));
    unlink(arguments[1]);
    return 0;
}
