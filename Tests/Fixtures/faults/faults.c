// Stands between a program and its file system (LD_PRELOAD): lets one kind of call fail below one folder.
//
// FAULT_UNDER=path      only calls on files below it
// FAULT_CALL=name       open, write, rename, fsync, fsync-folder, flock, link, unlink, stat, statvfs, mkdir, truncate
// FAULT_NUMBER=n        the n-th of them fails
// FAULT_ON=1            and all that come after it
// FAULT_ERRNO=code      with this error
// FAULT_TRACE=file      at the end: how many calls of each kind there were, one "name count" a line
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OPEN, WRITE, RENAME, FSYNC, FSYNC_FOLDER, FLOCK, LINK, UNLINK, STAT, STATVFS, MKDIR, TRUNCATE, KINDS };
static const char *names[KINDS] = {"open",   "write", "rename",  "fsync", "fsync-folder", "flock",
                                   "link",   "unlink", "stat",   "statvfs", "mkdir",      "truncate"};
static int counts[KINDS];

static int below(const char *path) {
  const char *under = getenv("FAULT_UNDER");
  if (!under || !path) return 0;
  char full[2 * PATH_MAX];
  if (path[0] != '/') {
    if (syscall(SYS_getcwd, full, (size_t)PATH_MAX) <= 0) return 0;
    size_t length = strlen(full);
    snprintf(full + length, sizeof full - length, "/%s", path);
  } else {
    snprintf(full, sizeof full, "%s", path);
  }
  return strstr(full, under) != NULL;
}

static int belowDescriptor(int descriptor) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  long count = syscall(SYS_readlink, link, path, sizeof path - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return below(path);
}

// 1 where this call has to fail; errno is set
static int fails(int kind, int isBelow) {
  if (!isBelow) return 0;
  int number = __sync_add_and_fetch(&counts[kind], 1);
  const char *call = getenv("FAULT_CALL"), *code = getenv("FAULT_ERRNO"), *which = getenv("FAULT_NUMBER");
  if (!call || !code || !which || strcmp(call, names[kind])) return 0;
  if (number != atoi(which) && !(getenv("FAULT_ON") && number > atoi(which))) return 0;
  errno = atoi(code);
  return 1;
}

__attribute__((destructor)) static void report(void) {
  const char *trace = getenv("FAULT_TRACE");
  if (!trace) return;
  int descriptor = (int)syscall(SYS_openat, AT_FDCWD, trace, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (descriptor < 0) return;
  for (int kind = 0; kind < KINDS; kind++) {
    char line[80];
    int length = snprintf(line, sizeof line, "%s %d\n", names[kind], counts[kind]);
    syscall(SYS_write, descriptor, line, length);
  }
  syscall(SYS_close, descriptor);
}

#define REAL(name, ...)                                       \
  static __typeof__(name) *real;                              \
  if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

// the argument `mode`, which is there where a file may be made
#define MODE(flags)                      \
  mode_t mode = 0;                       \
  if (flags & (O_CREAT | O_TMPFILE)) {   \
    va_list list;                        \
    va_start(list, flags);               \
    mode = va_arg(list, mode_t);         \
    va_end(list);                        \
  }

#define OPENING(name)                                         \
  int name(const char *path, int flags, ...) {                \
    REAL(name);                                               \
    MODE(flags);                                              \
    if (fails(OPEN, below(path))) return -1;                  \
    return real(path, flags, mode);                           \
  }
OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                      \
  int name(int folder, const char *path, int flags, ...) {    \
    REAL(name);                                               \
    MODE(flags);                                              \
    if (fails(OPEN, below(path))) return -1;                  \
    return real(folder, path, flags, mode);                   \
  }
OPENING_AT(openat)
OPENING_AT(openat64)

#define CALL(result, name, kind, isBelow, parameters, arguments) \
  result name parameters {                                       \
    REAL(name);                                                  \
    if (fails(kind, isBelow)) return -1;                         \
    return real arguments;                                       \
  }
CALL(ssize_t, write, WRITE, belowDescriptor(fd), (int fd, const void *data, size_t count), (fd, data, count))
CALL(ssize_t, pwrite, WRITE, belowDescriptor(fd), (int fd, const void *data, size_t count, off_t at), (fd, data, count, at))
CALL(ssize_t, pwrite64, WRITE, belowDescriptor(fd), (int fd, const void *data, size_t count, off64_t at), (fd, data, count, at))
CALL(int, rename, RENAME, below(from) || below(to), (const char *from, const char *to), (from, to))
CALL(int, renameat, RENAME, below(from) || below(to), (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(int, renameat2, RENAME, below(from) || below(to), (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags))
CALL(int, flock, FLOCK, belowDescriptor(fd), (int fd, int operation), (fd, operation))
CALL(int, link, LINK, below(to), (const char *from, const char *to), (from, to))
CALL(int, linkat, LINK, below(to), (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
CALL(int, unlink, UNLINK, below(path), (const char *path), (path))
CALL(int, unlinkat, UNLINK, below(path), (int folder, const char *path, int flags), (folder, path, flags))
CALL(int, stat, STAT, below(path), (const char *restrict path, struct stat *restrict status), (path, status))
CALL(int, lstat, STAT, below(path), (const char *restrict path, struct stat *restrict status), (path, status))
CALL(int, fstat, STAT, belowDescriptor(fd), (int fd, struct stat *status), (fd, status))
CALL(int, stat64, STAT, below(path), (const char *restrict path, struct stat64 *restrict status), (path, status))
CALL(int, lstat64, STAT, below(path), (const char *restrict path, struct stat64 *restrict status), (path, status))
CALL(int, fstat64, STAT, belowDescriptor(fd), (int fd, struct stat64 *status), (fd, status))
CALL(int, fstatat, STAT, below(path), (int folder, const char *restrict path, struct stat *restrict status, int flags), (folder, path, status, flags))
CALL(int, statx, STAT, below(path), (int folder, const char *restrict path, int flags, unsigned mask, struct statx *restrict status), (folder, path, flags, mask, status))
CALL(int, statvfs, STATVFS, below(path), (const char *restrict path, struct statvfs *restrict status), (path, status))
CALL(int, fstatvfs, STATVFS, belowDescriptor(fd), (int fd, struct statvfs *status), (fd, status))
CALL(int, mkdir, MKDIR, below(path), (const char *path, mode_t mode), (path, mode))
CALL(int, truncate, TRUNCATE, below(path), (const char *path, off_t length), (path, length))
CALL(int, ftruncate, TRUNCATE, belowDescriptor(fd), (int fd, off_t length), (fd, length))
CALL(int, ftruncate64, TRUNCATE, belowDescriptor(fd), (int fd, off64_t length), (fd, length))

static int isFolder(int fd) {
  struct stat status;
  return syscall(SYS_fstat, fd, &status) == 0 && S_ISDIR(status.st_mode);
}
CALL(int, fsync, isFolder(fd) ? FSYNC_FOLDER : FSYNC, belowDescriptor(fd), (int fd), (fd))
CALL(int, fdatasync, isFolder(fd) ? FSYNC_FOLDER : FSYNC, belowDescriptor(fd), (int fd), (fd))
