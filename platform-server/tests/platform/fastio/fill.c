/* An operator in C: publishes `voxels`, 64 MiB of int16 whose values are their places modulo 1000, and prints which
 * pages they are in. Then tries what is refused, and reads them again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lantern_fastio.h"

static void check(int code) {
    if (code != LANTERN_OK) {
        fprintf(stderr, "code %d: %s\n", code, lantern_fastio_error());
        exit(1);
    }
}

/* The inode of the file that is mapped at an address. */
static unsigned long inode_of(const void *data) {
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start, end, inode, found = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %*s %*s %*s %lu", &start, &end, &inode) == 3 && start <= (unsigned long)data &&
            (unsigned long)data < end) {
            found = inode;
        }
    }
    if (maps) fclose(maps);
    return found;
}

int main(int argc, char **argv) {
    lantern_fastio *channel;
    lantern_fastio_buffer *buffer;
    uint64_t shape[] = {32, 1024, 1024};
    /* Waits for a file, if one is named. */
    while (argc > 1 && access(argv[1], F_OK) != 0) usleep(20000);
    check(lantern_fastio_connect(&channel));
    check(lantern_fastio_ready(channel));
    check(lantern_fastio_allocate(channel, "voxels", LANTERN_INT16, 3, shape, "HU", &buffer));
    int16_t *voxels = lantern_fastio_data(buffer);
    for (uint64_t at = 0; at < lantern_fastio_bytes(buffer) / 2; at++) voxels[at] = at % 1000;
    printf("inode %lu\n", inode_of(voxels));
    check(lantern_fastio_publish(buffer));
    if (lantern_fastio_allocate(channel, "voxels", LANTERN_INT16, 3, shape, "HU", &buffer) != LANTERN_EXISTS) return 2;
    if (lantern_fastio_allocate(channel, "voxels", LANTERN_UINT16, 3, shape, "", &buffer) != LANTERN_MISMATCH) return 3;
    if (lantern_fastio_open(channel, "nobody", 10, &buffer) != LANTERN_TIMED_OUT) return 4;
    if (lantern_fastio_open(NULL, "voxels", 0, &buffer) != LANTERN_BAD_ARGUMENT) return 5;
    check(lantern_fastio_open(channel, "voxels", 0, &buffer));
    const int16_t *same = lantern_fastio_data(buffer);
    if (lantern_fastio_rank(buffer) != 3 || lantern_fastio_shape(buffer)[0] != 32 || same[1999] != 999) return 6;
    lantern_fastio_release(buffer);
    check(lantern_fastio_log(channel, LANTERN_WARNING, "values are made up"));
    check(lantern_fastio_progress(channel, 1.0f, "filled"));
    lantern_fastio_close(channel);
    return 0;
}
