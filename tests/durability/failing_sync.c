/* For LD_PRELOAD: fsync and fdatasync wait while the file $HELD_SYNC_SWITCH exists, and then fail with EIO if
 * $FAILING_SYNC_SWITCH does. Each failure adds a byte to $FAILING_SYNC_COUNT. See disk.py. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(void) {
    const char *file = getenv("FAILING_SYNC_SWITCH");
    const char *count = getenv("FAILING_SYNC_COUNT");
    const char *hold = getenv("HELD_SYNC_SWITCH");
    int kept = errno;
    while (hold != NULL && access(hold, F_OK) == 0) usleep(1000);
    if (file == NULL || access(file, F_OK) != 0) {
        errno = kept;
        return 0;
    }
    if (count != NULL) {
        int descriptor = open(count, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (descriptor >= 0) {
            if (write(descriptor, "x", 1) != 1) abort();
            close(descriptor);
        }
    }
    errno = EIO;
    return 1;
}

int fsync(int descriptor) { return fails() ? -1 : (int)syscall(SYS_fsync, descriptor); }

int fdatasync(int descriptor) { return fails() ? -1 : (int)syscall(SYS_fdatasync, descriptor); }
