/* Counts, stops, fails or fakes the disk calls of a process tree under one directory.
 *
 * Preloaded into the service (LD_PRELOAD) by shim.py. All processes share one mapped state file, so
 * the calls of supervisor, workers and jobs stand in one sequence. The file is laid out as in
 * shim.py's _HEADER and _ENTRY: change both together.
 *
 * SHIM_ROOT   only calls on paths or descriptors under this directory are counted
 * SHIM_STATE  the mapped file; without it every call passes through untouched
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define LOGGED 8192

enum { COUNT = 0, KILL = 1, FREEZE = 2, FAIL = 3, HALVE = 4 };

struct entry {
    char call[16];
    char path[112];
};

struct state {
    _Atomic uint64_t calls;   /* how many were counted */
    _Atomic uint64_t stop_at; /* the index the action waits for; 0 = none */
    _Atomic uint32_t action;
    _Atomic uint32_t error;   /* FAIL: the errno */
    _Atomic uint32_t sticky;  /* FAIL and HALVE: every later call too */
    _Atomic uint32_t reached; /* the index was hit */
    char lie[112];            /* syncs of paths containing this return 0 and do nothing */
    _Atomic int64_t clock;    /* seconds that the wall clock is ahead; what measures spans of time is left alone */
    struct entry log[LOGGED];
};

static struct state *shared;
static char root[PATH_MAX];
static size_t root_length;

__attribute__((constructor)) static void attach(void)
{
    const char *state_path = getenv("SHIM_STATE"), *under = getenv("SHIM_ROOT");
    if (state_path == NULL || under == NULL || realpath(under, root) == NULL)
        return;
    root_length = strlen(root);
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    int fd = real_open(state_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *mapped = mmap(NULL, sizeof(struct state), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (mapped != MAP_FAILED)
        shared = mapped;
}

static int is_under_root(const char *path)
{
    return strncmp(path, root, root_length) == 0
        && (path[root_length] == '/' || path[root_length] == '\0');
}

/* The path of a descriptor, or of a name relative to one; 0 if it is not under the root. */
static int path_of(int fd, const char *name, char *out)
{
    char link[64];
    ssize_t length;
    if (name != NULL && name[0] == '/') {
        snprintf(out, PATH_MAX, "%s", name);
        return is_under_root(out);
    }
    if (fd == AT_FDCWD)
        snprintf(link, sizeof link, "/proc/self/cwd");
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, out, PATH_MAX - 1);
    if (length < 0)
        return 0;
    out[length] = '\0';
    if (name != NULL)
        snprintf(out + length, PATH_MAX - (size_t)length, "/%s", name);
    return is_under_root(out);
}

static void write_down(uint64_t index, const char *call, const char *path)
{
    struct entry *entry = &shared->log[index % LOGGED];
    size_t length = strlen(path + root_length);
    size_t skipped = length > sizeof entry->path - 1 ? length - (sizeof entry->path - 1) : 0;
    snprintf(entry->call, sizeof entry->call, "%s", call);
    snprintf(entry->path, sizeof entry->path, "%s", path + root_length + skipped);
}

/* Counts one call. Returns 0 to go on, -1 with errno set when the call has to fail, or HALVE when it is to do half. */
static int pass(const char *call, int fd, const char *name)
{
    char path[PATH_MAX];
    int saved = errno;
    if (shared == NULL || !path_of(fd, name, path)) {
        errno = saved;
        return 0;
    }
    errno = saved;
    uint64_t index = atomic_fetch_add(&shared->calls, 1) + 1, stop_at = shared->stop_at;
    write_down(index, call, path);
    if (stop_at == 0 || index < stop_at)
        return 0;
    if (shared->action == KILL && index == stop_at) {
        shared->reached = 1;
        kill(getpid(), SIGKILL);
    }
    if (shared->action == FREEZE) {
        shared->reached = 1;
        /* nothing of this machine touches the disk any more, until the test goes a call further, or kills */
        while (shared->stop_at != 0 && index >= shared->stop_at)
            usleep(500);
    }
    if ((shared->action != FAIL && shared->action != HALVE) || (index != stop_at && !shared->sticky))
        return 0;
    shared->reached = 1;
    if (shared->action == HALVE)
        return HALVE;
    errno = (int)shared->error;
    return -1;
}

static int is_lied_about(int fd)
{
    char path[PATH_MAX];
    int saved = errno, lied;
    lied = shared != NULL && shared->lie[0] != '\0' && path_of(fd, NULL, path)
        && strstr(path + root_length, shared->lie) != NULL;
    errno = saved;
    return lied;
}

#define REAL(name)                \
    static __typeof__(&name) real; \
    if (real == NULL)             \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define ON_DESCRIPTOR(result, name, parameters, fd, arguments) \
    EXPORT result name parameters                              \
    {                                                          \
        REAL(name);                                            \
        return pass(#name, fd, NULL) < 0 ? -1 : real arguments; \
    }

#define ON_PATH(result, name, parameters, at, path, arguments) \
    EXPORT result name parameters                              \
    {                                                          \
        REAL(name);                                            \
        return pass(#name, at, path) < 0 ? -1 : real arguments; \
    }

/* A call that may do a part of its `n` bytes, and says how many. */
#define ON_BYTES(name, parameters, arguments)                  \
    EXPORT ssize_t name parameters                             \
    {                                                          \
        REAL(name);                                            \
        int verdict = pass(#name, fd, NULL);                   \
        if (verdict < 0)                                       \
            return -1;                                         \
        if (verdict == HALVE)                                  \
            n = (n + 1) / 2;                                   \
        return real arguments;                                 \
    }

#define SYNC(name)                                             \
    EXPORT int name(int fd)                                    \
    {                                                          \
        REAL(name);                                            \
        if (pass(#name, fd, NULL) < 0)                         \
            return -1;                                         \
        return is_lied_about(fd) ? 0 : real(fd);               \
    }

ON_BYTES(write, (int fd, const void *data, size_t n), (fd, data, n))
ON_BYTES(pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
ON_BYTES(pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))
ON_DESCRIPTOR(ssize_t, writev, (int fd, const struct iovec *v, int n), fd, (fd, v, n))
ON_DESCRIPTOR(ssize_t, pwritev, (int fd, const struct iovec *v, int n, off_t at), fd, (fd, v, n, at))
ON_DESCRIPTOR(ssize_t, pwritev64, (int fd, const struct iovec *v, int n, off64_t at), fd,
              (fd, v, n, at))
ON_BYTES(copy_file_range, (int in, off64_t *from, int fd, off64_t *to, size_t n, unsigned flags),
         (in, from, fd, to, n, flags))
ON_DESCRIPTOR(int, ftruncate, (int fd, off_t length), fd, (fd, length))
ON_DESCRIPTOR(int, ftruncate64, (int fd, off64_t length), fd, (fd, length))
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)
ON_PATH(int, rename, (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(int, renameat, (int a, const char *from, int b, const char *to), b, to, (a, from, b, to))
ON_PATH(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), b, to,
        (a, from, b, to, flags))
ON_PATH(int, link, (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(int, linkat, (int a, const char *from, int b, const char *to, int flags), b, to,
        (a, from, b, to, flags))
ON_PATH(int, symlink, (const char *from, const char *to), AT_FDCWD, to, (from, to))
ON_PATH(int, unlink, (const char *path), AT_FDCWD, path, (path))
ON_PATH(int, unlinkat, (int at, const char *path, int flags), at, path, (at, path, flags))
ON_PATH(int, rmdir, (const char *path), AT_FDCWD, path, (path))
ON_PATH(int, mkdir, (const char *path, mode_t mode), AT_FDCWD, path, (path, mode))
ON_PATH(int, mkdirat, (int at, const char *path, mode_t mode), at, path, (at, path, mode))

/* Opening counts only where it may change something: writing, creating or cutting. */
static int pass_open(const char *call, int at, const char *path, int flags)
{
    int changes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
    return changes ? pass(call, at, path) : 0;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                   \
    EXPORT int name(const char *path, int flags, ...)                \
    {                                                                \
        REAL(name);                                                  \
        va_list arguments;                                           \
        va_start(arguments, flags);                                  \
        mode_t mode = mode_of(flags, arguments);                     \
        va_end(arguments);                                           \
        if (pass_open(#name, AT_FDCWD, path, flags) < 0)             \
            return -1;                                               \
        return real(path, flags, mode);                              \
    }

#define OPEN_AT(name)                                                \
    EXPORT int name(int at, const char *path, int flags, ...)        \
    {                                                                \
        REAL(name);                                                  \
        va_list arguments;                                           \
        va_start(arguments, flags);                                  \
        mode_t mode = mode_of(flags, arguments);                     \
        va_end(arguments);                                           \
        if (pass_open(#name, at, path, flags) < 0)                   \
            return -1;                                               \
        return real(at, path, flags, mode);                          \
    }

EXPORT int clock_gettime(clockid_t which, struct timespec *now)
{
    REAL(clock_gettime);
    int result = real(which, now);
    if (result == 0 && shared != NULL && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += shared->clock;
    return result;
}

EXPORT time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
