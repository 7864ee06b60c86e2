/*
 * Stands between the program under test and the system: kills it at a chosen call, cuts its power, moves its clock, and
 * writes down in which order messages reach the disk and answers leave. Loaded with LD_PRELOAD; what to do stands in a
 * file that the test shares with it (FIRE_CONTROL). Without that file it does nothing. `shim.rs` has the other side.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { ANY, READ, WRITE, SYNC };           /* what the program does */
enum { OTHER, SOCKET, LOG };               /* to what; LOG is the database's write-ahead log */
enum { BEFORE, AFTER };                    /* the call itself */
enum { NOTHING, KILL, POWER_CUT };         /* what is to happen at the last step */
enum { SYNC_BEGINS = 1, SYNC_ENDS, MESSAGE_IN_LOG, ANSWER_LEAVES }; /* what is written down */

struct step { uint32_t call, file, when; char needle[52]; };
struct record { uint32_t kind, thread; char text[56]; };

struct control {
    uint32_t armed;    /* what is to happen; the program clears it */
    uint32_t steps;    /* how many calls have to be met, in order, before it happens */
    uint32_t reached;  /* how many have been */
    uint32_t fired;    /* how often it has happened */
    int64_t shift_ms;  /* how far the clock is moved */
    uint64_t written;  /* where the log ends */
    uint64_t synced;   /* how much of it a power cut leaves */
    uint32_t tracing, unused;
    uint64_t records;  /* how many there are */
    char log[512];     /* the path of the log */
    struct step step[4];
};

#define RECORDS_AT 4096
#define RECORDS_MAX 200000
#define MARK "word-"

static struct control *control;
static struct record *records;
static volatile int dying;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FIRE_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(0, RECORDS_AT + RECORDS_MAX * sizeof(struct record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED) abort();
    records = (struct record *)((char *)at + RECORDS_AT);
    control = at;
}

/* Whoever comes by while the process dies stays here, so that nothing happens after the chosen call. */
static void halt_if_dying(void)
{
    while (dying) pause();
}

static void fire(void)
{
    uint32_t what = __atomic_exchange_n(&control->armed, NOTHING, __ATOMIC_ACQ_REL);
    if (what == NOTHING) return;
    dying = 1;
    if (what == POWER_CUT) {
        /* What no sync has confirmed is gone. */
        int fd = open(control->log, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) syscall(SYS_ftruncate, fd, control->synced);
        control->written = control->synced;
    }
    control->fired++;
    kill(getpid(), SIGKILL);
    halt_if_dying();
}

static int file_of(int fd)
{
    char link[64] = "/proc/self/fd/", path[512], digits[16];
    int at = sizeof digits, n = fd;
    if (fd < 0) return OTHER;
    digits[--at] = 0;
    do digits[--at] = '0' + n % 10; while (n /= 10);
    strcat(link, digits + at);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return OTHER;
    path[size] = 0;
    if (!strncmp(path, "socket:", 7)) return SOCKET;
    return strcmp(path, control->log) ? OTHER : LOG;
}

static void note(uint32_t kind, const char *text, size_t size)
{
    if (!control->tracing) return;
    uint64_t at = __atomic_fetch_add(&control->records, 1, __ATOMIC_ACQ_REL);
    if (at >= RECORDS_MAX) abort();
    struct record *record = &records[at];
    if (size > sizeof record->text - 1) size = sizeof record->text - 1;
    memcpy(record->text, text, size);
    record->thread = syscall(SYS_gettid);
    record->kind = kind;
}

/* Notes each marked word in a page of the log. */
static void note_messages(const char *data, size_t size)
{
    const char *end = data + size, *at = data;
    while (control->tracing && (at = memmem(at, end - at, MARK, strlen(MARK)))) {
        const char *from = at;
        while (at < end && (isalnum((unsigned char)*at) || *at == '-')) at++;
        note(MESSAGE_IN_LOG, from, at - from);
    }
}

/* Notes an answer to a client: its status, and the message's id where one is named. */
static void note_answer(const char *data, size_t size)
{
    static const char head[] = "HTTP/1.1 ", id[] = "\"message_id\":\"";
    char text[56] = "";
    if (size < 12 || memcmp(data, head, sizeof head - 1)) return;
    memcpy(text, data + sizeof head - 1, 3);
    const char *at = memmem(data, size, id, sizeof id - 1);
    if (at && at + sizeof id - 1 + 36 <= data + size) {
        text[3] = ' ';
        memcpy(text + 4, at + sizeof id - 1, 36);
    }
    note(ANSWER_LEAVES, text, strlen(text));
}

static void met(int call, int file, int when, const char *data, size_t size)
{
    if (__atomic_load_n(&control->armed, __ATOMIC_ACQUIRE) == NOTHING) return;
    uint32_t reached = __atomic_load_n(&control->reached, __ATOMIC_ACQUIRE);
    if (reached >= control->steps) return;
    const struct step *step = &control->step[reached];
    size_t needle = strnlen(step->needle, sizeof step->needle);
    if (step->call != ANY && (step->call != (uint32_t)call || step->file != (uint32_t)file || step->when != (uint32_t)when)) return;
    if (needle && !(data && memmem(data, size, step->needle, needle))) return;
    if (!__atomic_compare_exchange_n(&control->reached, &reached, reached + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return;
    if (reached + 1 == control->steps) fire();
}

static void log_written(uint64_t from, uint64_t to)
{
    /* A log that begins anew has been copied into the database before. */
    if (from == 0) control->written = control->synced = 0;
    if (to > control->written) control->written = to;
}

static void before_write(int file, const char *data, size_t size)
{
    halt_if_dying();
    if (file == SOCKET) note_answer(data, size);
    met(WRITE, file, BEFORE, data, size);
}

static void after_write(int file, int fd, off_t from, const char *data, ssize_t done)
{
    if (file == LOG && done > 0) {
        if (from < 0) from = lseek(fd, 0, SEEK_CUR) - done;
        log_written(from, from + done);
        note_messages(data, done);
    }
    if (done > 0) met(WRITE, file, AFTER, data, done);
    halt_if_dying();
}

static ssize_t with_write(int fd, off_t from, const char *data, size_t size, long call, long a, long b, long c, long d, long e)
{
    int file = control ? file_of(fd) : OTHER;
    if (control) before_write(file, data, size);
    ssize_t done = syscall(call, (long)fd, a, b, c, d, e);
    if (control) after_write(file, fd, from, data, done);
    return done;
}

ssize_t write(int fd, const void *data, size_t size)
{
    return with_write(fd, -1, data, size, SYS_write, (long)data, size, 0, 0, 0);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off_t at)
{
    return with_write(fd, at, data, size, SYS_pwrite64, (long)data, size, at, 0, 0);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return pwrite64(fd, data, size, at);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    return with_write(fd, -1, data, size, SYS_sendto, (long)data, size, flags, 0, 0);
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length)
{
    return with_write(fd, -1, data, size, SYS_sendto, (long)data, size, flags, (long)to, length);
}

/* Joins scattered bytes, as far as they are looked at. */
static size_t joined(char *into, size_t room, const struct iovec *parts, size_t count, size_t limit)
{
    size_t size = 0;
    if (room > limit) room = limit;
    for (size_t i = 0; i < count && size < room; i++) {
        size_t part = parts[i].iov_len < room - size ? parts[i].iov_len : room - size;
        memcpy(into + size, parts[i].iov_base, part);
        size += part;
    }
    return size;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    char data[65536];
    size_t size = control ? joined(data, sizeof data, parts, count, SIZE_MAX) : 0;
    return with_write(fd, -1, data, size, SYS_writev, (long)parts, count, 0, 0, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    char data[65536];
    size_t size = control ? joined(data, sizeof data, message->msg_iov, message->msg_iovlen, SIZE_MAX) : 0;
    return with_write(fd, -1, data, size, SYS_sendmsg, (long)message, flags, 0, 0, 0);
}

static ssize_t after_read(int fd, const char *data, ssize_t done)
{
    if (control && done > 0) met(READ, file_of(fd), AFTER, data, done);
    if (control) halt_if_dying();
    return done;
}

ssize_t read(int fd, void *data, size_t size)
{
    return after_read(fd, data, syscall(SYS_read, fd, data, size));
}

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    return after_read(fd, data, syscall(SYS_recvfrom, fd, data, size, flags, 0, 0));
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length)
{
    return after_read(fd, data, syscall(SYS_recvfrom, fd, data, size, flags, from, length));
}

ssize_t readv(int fd, const struct iovec *parts, int count)
{
    char data[65536];
    ssize_t done = syscall(SYS_readv, fd, parts, count);
    if (!control || done <= 0) return done;
    joined(data, sizeof data, parts, count, done);
    after_read(fd, data, (size_t)done < sizeof data ? done : (ssize_t)sizeof data);
    return done;
}

static int with_sync(int fd, long call)
{
    if (!control) return syscall(call, fd);
    int file = file_of(fd);
    uint64_t written = control->written;
    halt_if_dying();
    met(SYNC, file, BEFORE, 0, 0);
    if (file == LOG) note(SYNC_BEGINS, "", 0);
    int failed = syscall(call, fd);
    halt_if_dying();
    if (file == LOG && !failed) {
        note(SYNC_ENDS, "", 0);
        control->synced = written;
    }
    if (!failed) met(SYNC, file, AFTER, 0, 0);
    return failed;
}

int fsync(int fd)
{
    return with_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return with_sync(fd, SYS_fdatasync);
}

int ftruncate64(int fd, off_t size)
{
    int failed = syscall(SYS_ftruncate, fd, size);
    if (control && !failed && file_of(fd) == LOG) {
        if (control->written > (uint64_t)size) control->written = size;
        if (control->synced > (uint64_t)size) control->synced = size;
    }
    return failed;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int failed = syscall(SYS_clock_gettime, clock, time);
    int is_moved = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
    if (control && !failed && is_moved) {
        int64_t shift = __atomic_load_n(&control->shift_ms, __ATOMIC_RELAXED);
        time->tv_sec += shift / 1000;
        time->tv_nsec += shift % 1000 * 1000000;
        if (time->tv_nsec >= 1000000000) {
            time->tv_nsec -= 1000000000;
            time->tv_sec++;
        }
    }
    return failed;
}
