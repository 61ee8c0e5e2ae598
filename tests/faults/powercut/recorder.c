/* Preloaded into a program: writes down what it does to files below a folder, in order, so that a power cut can be
 * replayed at any point. Calls go to the kernel unchanged. See powercut.py for the format and the replay.
 *
 * ZHANTU_RECORD        the file to write to
 * ZHANTU_RECORD_UNDER  the folder that is watched, an absolute path
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDS = 4096, PATH_SIZE = 1024 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static const char *under;
static char *paths[FDS];

static void begin(void) {
  static int begun;
  if (begun) return;
  begun = 1;
  const char *file = getenv("ZHANTU_RECORD");
  under = getenv("ZHANTU_RECORD_UNDER");
  if (file && under) log_fd = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* One record: op, length of the path, length of the data, offset; then both. */
static void record(char op, const char *path, int64_t offset, const void *data, uint32_t size) {
  struct __attribute__((packed)) { char op; uint16_t path; uint32_t data; int64_t offset; } head;
  if (log_fd < 0 || !path) return;
  head.op = op;
  head.path = (uint16_t)strlen(path);
  head.data = size;
  head.offset = offset;
  struct iovec parts[3] = {{&head, sizeof head}, {(void *)path, head.path}, {(void *)data, size}};
  syscall(SYS_writev, log_fd, parts, 3);
}

static const char *watched(int fd) { return fd >= 0 && fd < FDS ? paths[fd] : NULL; }

static void opened(int fd, const char *path, int flags) {
  begin();
  if (fd < 0 || fd >= FDS || log_fd < 0) return;
  char whole[PATH_SIZE], link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, whole, sizeof whole - 1);
  (void)path;
  if (n <= 0) return;
  whole[n] = 0;
  if (strncmp(whole, under, strlen(under)) != 0) return;
  pthread_mutex_lock(&lock);
  free(paths[fd]);
  paths[fd] = strdup(whole);
  if (flags & O_TRUNC) record('T', whole, 0, NULL, 0);
  else if (flags & O_CREAT) record('C', whole, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
}

#define OPEN(name, real_name)                                                 \
  int name(const char *path, int flags, ...) {                                \
    va_list more;                                                             \
    va_start(more, flags);                                                    \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                             \
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);           \
    opened(fd, path, flags);                                                  \
    return fd;                                                                \
  }
OPEN(open, "open")
OPEN(open64, "open64")

int openat(int dir, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0;
  va_end(more);
  int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
  opened(fd, path, flags);
  return fd;
}
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));

int close(int fd) {
  pthread_mutex_lock(&lock);
  if (fd >= 0 && fd < FDS) {
    free(paths[fd]);
    paths[fd] = NULL;
  }
  pthread_mutex_unlock(&lock);
  return (int)syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t size) {
  const char *path = watched(fd);
  if (!path) return syscall(SYS_write, fd, data, size);
  pthread_mutex_lock(&lock);
  ssize_t done = syscall(SYS_write, fd, data, size);
  if (done > 0) record('W', path, lseek(fd, 0, SEEK_CUR) - done, data, (uint32_t)done);
  pthread_mutex_unlock(&lock);
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
  const char *path = watched(fd);
  if (!path) return syscall(SYS_pwrite64, fd, data, size, offset);
  pthread_mutex_lock(&lock);
  ssize_t done = syscall(SYS_pwrite64, fd, data, size, offset);
  if (done > 0) record('W', path, offset, data, (uint32_t)done);
  pthread_mutex_unlock(&lock);
  return done;
}
ssize_t pwrite64(int, const void *, size_t, off64_t) __attribute__((alias("pwrite")));

int ftruncate(int fd, off_t size) {
  const char *path = watched(fd);
  if (!path) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&lock);
  int done = (int)syscall(SYS_ftruncate, fd, size);
  if (done == 0) record('T', path, size, NULL, 0);
  pthread_mutex_unlock(&lock);
  return done;
}
int ftruncate64(int, off64_t) __attribute__((alias("ftruncate")));

static int synced(long number, int fd) {
  const char *path = watched(fd);
  if (!path) return (int)syscall(number, fd);
  pthread_mutex_lock(&lock);
  int done = (int)syscall(number, fd);
  if (done == 0) record('S', path, 0, NULL, 0);
  pthread_mutex_unlock(&lock);
  return done;
}
int fsync(int fd) { return synced(SYS_fsync, fd); }
int fdatasync(int fd) { return synced(SYS_fdatasync, fd); }

static void named(char op, const char *path, const char *other) {
  char whole[PATH_SIZE], second[PATH_SIZE];
  begin();
  if (log_fd < 0 || !under) return;
  if (path[0] == '/') snprintf(whole, sizeof whole, "%s", path);
  else {
    char here[PATH_SIZE / 2];
    if (!getcwd(here, sizeof here)) return;
    snprintf(whole, sizeof whole, "%s/%s", here, path);
  }
  if (strncmp(whole, under, strlen(under)) != 0) return;
  second[0] = 0;
  if (other && other[0] == '/') snprintf(second, sizeof second, "%s", other);
  pthread_mutex_lock(&lock);
  record(op, whole, 0, second, (uint32_t)strlen(second));
  pthread_mutex_unlock(&lock);
}

int unlink(const char *path) {
  int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (done == 0) named('U', path, NULL);
  return done;
}

int rename(const char *from, const char *to) {
  int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (done == 0) named('R', from, to);
  return done;
}
