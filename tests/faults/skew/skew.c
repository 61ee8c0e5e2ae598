/* Preloaded into a program: its machine's clock is wrong by as many seconds as the first 8 bytes of the file
 * ZHANTU_SKEW say, and jumps when they change. Clocks that only count are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static int64_t skew_s(void) {
  static volatile int64_t *seconds;
  static int begun;
  if (!begun) {
    begun = 1;
    const char *path = getenv("ZHANTU_SKEW");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *place = fd < 0 ? MAP_FAILED : mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
    if (place != MAP_FAILED) seconds = place;
  }
  return seconds ? *seconds : 0;
}

int clock_gettime(clockid_t id, struct timespec *t) {
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(id, t);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += skew_s();
  return failed;
}

int gettimeofday(struct timeval *t, void *zone) {
  static int (*real)(struct timeval *, void *);
  if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
  int failed = real(t, zone);
  if (!failed) t->tv_sec += skew_s();
  return failed;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
