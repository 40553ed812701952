/* What a program writes below one folder, in order, with the moments at which it asked for the disk (check R5).

   Preloaded, it notes every write, truncation and sync of files whose path begins with $UNSYNCED_UNDER in
   $UNSYNCED_LOG, so that a power cut at any moment can be played back: what was synced stands, what was not
   may be lost.  It changes nothing that the program does. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 4096
#define LONGEST 512

static char paths[MOST][LONGEST];
static int note = -1;
static const char *under;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Looked up once, at the start: a look-up may ask for memory, and an allocator may open files to give some. */
#define NAMES(X) X(open) X(open64) X(openat) X(openat64) X(close) X(pwrite) X(pwrite64) X(write) \
    X(ftruncate) X(ftruncate64) X(fsync) X(fdatasync)
#define DECLARE(name) static void *real_##name;
NAMES(DECLARE)
#define LOOK_UP(name) real_##name = dlsym(RTLD_NEXT, #name);
#define REAL(name) (real_##name ? real_##name : (real_##name = dlsym(RTLD_NEXT, #name)))

__attribute__((constructor)) static void begin(void) {
    NAMES(LOOK_UP)
    const char *place = getenv("UNSYNCED_LOG");
    under = getenv("UNSYNCED_UNDER");
    if (place && under) {
        int (*open_)(const char *, int, ...) = REAL(open);
        note = open_(place, O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
}

static void tell(char what, int handle, int64_t at, const void *bytes, uint32_t count) {
    if (note < 0 || handle < 0 || handle >= MOST || !paths[handle][0]) return;
    uint16_t length = (uint16_t)strlen(paths[handle]);
    char head[15];
    head[0] = what;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &at, 8);
    memcpy(head + 11, &count, 4);
    struct iovec parts[3] = {{head, 15}, {paths[handle], length}, {(void *)bytes, count}};
    pthread_mutex_lock(&lock);
    ssize_t done = writev(note, parts, count ? 3 : 2);
    (void)done;
    pthread_mutex_unlock(&lock);
}

static int opened(int handle, const char *path) {
    if (handle >= 0 && handle < MOST) {
        paths[handle][0] = 0;
        if (under && !strncmp(path, under, strlen(under)) && strlen(path) < LONGEST) strcpy(paths[handle], path);
    }
    return handle;
}

#define OPEN(name)                                                                   \
    int name(const char *path, int flags, ...) {                                     \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        int (*own)(const char *, int, ...) = REAL(name);                          \
        return opened(own(path, flags, mode), path);                               \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                 \
    int name(int folder, const char *path, int flags, ...) {                         \
        va_list rest;                                                                \
        va_start(rest, flags);                                                       \
        mode_t mode = va_arg(rest, mode_t);                                          \
        va_end(rest);                                                                \
        int (*own)(int, const char *, int, ...) = REAL(name);                     \
        return opened(own(folder, path, flags, mode), path);                       \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int handle) {
    int (*own)(int) = REAL(close);
    if (handle >= 0 && handle < MOST) paths[handle][0] = 0;
    return own(handle);
}

#define PWRITE(name, place)                                                          \
    ssize_t name(int handle, const void *bytes, size_t count, place at) {            \
        ssize_t (*own)(int, const void *, size_t, place) = REAL(name);            \
        ssize_t done = own(handle, bytes, count, at);                              \
        if (done > 0) tell('w', handle, (int64_t)at, bytes, (uint32_t)done);         \
        return done;                                                                 \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int handle, const void *bytes, size_t count) {
    ssize_t (*own)(int, const void *, size_t) = REAL(write);
    ssize_t done = own(handle, bytes, count);
    if (done > 0) tell('a', handle, lseek(handle, 0, SEEK_CUR) - done, bytes, (uint32_t)done);
    return done;
}

#define TRUNCATE(name, place)                                                        \
    int name(int handle, place length) {                                             \
        int (*own)(int, place) = REAL(name);                                      \
        int done = own(handle, length);                                            \
        if (!done) tell('t', handle, (int64_t)length, 0, 0);                         \
        return done;                                                                 \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(name)                                                                   \
    int name(int handle) {                                                           \
        int (*own)(int) = REAL(name);                                             \
        int done = own(handle);                                                    \
        if (!done) tell('s', handle, 0, 0, 0);                                       \
        return done;                                                                 \
    }
SYNC(fsync)
SYNC(fdatasync)
