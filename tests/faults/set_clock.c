/* The wall clock, moved by as many seconds as a file says: as if somebody had set it.
 *
 * Loaded before the C library (LD_PRELOAD). What counts passing time (CLOCK_MONOTONIC)
 * stays as it is, as it does when a clock is set. Times of files stay too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

typedef int (*reader)(clockid_t, struct timespec *);

static long offset(reader real) {
    static __thread long known, known_at = -1;
    struct timespec now;
    real(CLOCK_MONOTONIC, &now);
    if (now.tv_sec != known_at) { /* read again each second, by each thread */
        const char *path = getenv("FAULTS_CLOCK");
        FILE *file = path ? fopen(path, "re") : NULL;
        known_at = now.tv_sec;
        if (file) {
            long found;
            if (fscanf(file, "%ld", &found) == 1) known = found;
            fclose(file);
        }
    }
    return known;
}

int clock_gettime(clockid_t clock, struct timespec *told) {
    static reader real;
    if (!real) real = (reader)dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, told);
    if (!done && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        told->tv_sec += offset(real);
    return done;
}

int gettimeofday(struct timeval *told, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
