#include <uv.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// Declared by the system only to those who define _GNU_SOURCE before all else, which a module can't ask of its importers.
extern int accept4(int, struct sockaddr *, socklen_t *, int);
extern int sched_getaffinity(pid_t, size_t, cpu_set_t *);
extern int sched_setaffinity(pid_t, size_t, const cpu_set_t *);

static inline int forebay_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }
