/* Makes the n-th write, sync or rename of a process fail, for tests. Loaded by LD_PRELOAD into the program as it is.
 *
 * The file that CUSTODIA_IO_FAULT names is shared with the test:
 *
 *     offset  size  field
 *          0     8  how many such calls there were, counted while a target is set
 *          8     8  target: the call that fails; 0 for none
 *         16     8  errno with which it fails
 *         24     8  1 once it has failed
 *         32   480  which call, on which file, as text
 *        512  3584  one byte for each call: w(rite), s(ync), c(ut), r(ename), l(ink), u(nlink)
 *
 * Only calls on files and folders count: what a process says, and what it sends, is not disturbed. A sync that fails is really a loss: what
 * the file holds is not written, as far as anybody may rely on it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    _Atomic uint64_t count, target, error, fired;
    char what[480];
    char calls[3584];
};

static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CUSTODIA_IO_FAULT");
    if (path == NULL) return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) _exit(99);
    void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (shared == MAP_FAILED) _exit(99);
    control = shared;
}

/* Whether this call is the one. */
static int fails(const char *call, int fd, const char *path) {
    if (control == NULL || control->target == 0) return 0;
    char of[300] = "";
    if (path == NULL) {
        struct stat about;
        if (fstat(fd, &about) != 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) return 0;
    }
    uint64_t number = atomic_fetch_add(&control->count, 1) + 1;
    if (number <= sizeof control->calls) control->calls[number - 1] = call[0];
    if (number != control->target) return 0;
    if (path == NULL) {
        char link[40];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, of, sizeof of - 1);
        of[length < 0 ? 0 : length] = 0;
        path = of;
    }
    snprintf(control->what, sizeof control->what, "%s %s", call, path);
    control->fired = 1;
    errno = (int)control->error;
    return 1;
}

#define ON_FD(call, fd, number, ...) \
    do { return fails(call, fd, NULL) ? -1 : syscall(number, __VA_ARGS__); } while (0)

ssize_t write(int fd, const void *bytes, size_t length) { ON_FD("write", fd, SYS_write, fd, bytes, length); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { ON_FD("write", fd, SYS_pwrite64, fd, bytes, length, at); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { ON_FD("write", fd, SYS_pwrite64, fd, bytes, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { ON_FD("write", fd, SYS_writev, fd, parts, count); }
int ftruncate(int fd, off_t length) { ON_FD("cut", fd, SYS_ftruncate, fd, length); }
int ftruncate64(int fd, off64_t length) { ON_FD("cut", fd, SYS_ftruncate, fd, length); }
int fsync(int fd) { ON_FD("sync", fd, SYS_fsync, fd); }
int fdatasync(int fd) { ON_FD("sync", fd, SYS_fdatasync, fd); }

#define ON_PATH(call, path, number, ...) \
    do { return fails(call, -1, path) ? -1 : (int)syscall(number, __VA_ARGS__); } while (0)

int rename(const char *from, const char *to) { ON_PATH("rename", to, SYS_rename, from, to); }
int renameat(int a, const char *from, int b, const char *to) { ON_PATH("rename", to, SYS_renameat, a, from, b, to); }
int renameat2(int a, const char *from, int b, const char *to, unsigned int flags) {
    ON_PATH("rename", to, SYS_renameat2, a, from, b, to, flags);
}
int link(const char *from, const char *to) { ON_PATH("link", to, SYS_link, from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { ON_PATH("link", to, SYS_linkat, a, from, b, to, flags); }
int unlink(const char *path) { ON_PATH("unlink", path, SYS_unlink, path); }
