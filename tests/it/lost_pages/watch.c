/* Runs a command and writes down what its processes do to files, in order; ends all of them at the N-th thing that one program
 * does. What was written and not synced is what a machine that loses power at that moment may lose.
 *
 *     watch LOG STOP_AT PROGRAM COMMAND...
 *
 * It follows the system calls themselves (ptrace, with a filter that stops at few of them), because part of PROGRAM calls the
 * kernel without the C library. STOP_AT 0: never. Only what PROGRAM does counts and is marked with `+`, the rest with `-`.
 * With WATCH_NO_SYNC set, no sync is written down. A line is a mark, a letter and tab-separated words:
 *
 *     W file path            bytes were written, or may have been    T dir old new saved   a rename; what it replaced is kept
 *     B thread file|fs       a sync of a file, or directory, begins  X dir a b             two names were exchanged
 *     E thread               it has ended                            N dir path            a name was made, by a link too
 *     U file                 a file's last name was taken away
 *
 * A file is DEVICE:INODE, a file system DEVICE:*; a directory is that of the (new) name. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static const int watched[] = {
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_rename, SYS_link, SYS_symlink, SYS_mkdir, SYS_unlink,
#endif
    SYS_openat, SYS_openat2, SYS_write, SYS_writev, SYS_pwrite64, SYS_pwritev, SYS_ftruncate, SYS_fallocate,
    SYS_copy_file_range, SYS_sendfile, SYS_ioctl, SYS_mmap, SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_sync,
#ifdef SYS_renameat
    SYS_renameat,
#endif
    SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_mkdirat, SYS_unlinkat,
};
#define WATCHED (sizeof watched / sizeof *watched)

/* What a thread is doing: filled in when a call begins, used when it has ended. */
struct call {
    pid_t tid;
    long nr;
    unsigned long args[6];
    char from[PATH_MAX], to[PATH_MAX], saved[PATH_MAX], gone[64];
    int existed, writes;
};

static FILE *out;
static const char *log_path, *program;
static long stop_at, done, saved_count;
static struct call calls[512];

static void die(const char *what) {
    perror(what);
    exit(125);
}

static struct call *call_of(pid_t tid) {
    struct call *free_one = NULL;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i].tid == tid) return &calls[i];
        if (!calls[i].tid && !free_one) free_one = &calls[i];
    }
    if (!free_one) { errno = ENOMEM; die("threads"); }
    memset(free_one, 0, sizeof *free_one);
    free_one->tid = tid;
    return free_one;
}

static int is_program(pid_t tid) {
    char link[64], exe[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/exe", tid);
    ssize_t n = readlink(link, exe, sizeof exe - 1);
    if (n < 0) return 0;
    exe[n] = 0;
    return !strcmp(exe, program);
}

static void note(pid_t tid, const char *line) {
    int ours = is_program(tid);
    fprintf(out, "%c%s\n", ours ? '+' : '-', line);
    fflush(out);
    /* Leaving ends every process that is followed (PTRACE_O_EXITKILL). */
    if (ours && ++done == stop_at) _exit(86);
}

static void notef(pid_t tid, const char *format, const char *a, const char *b, const char *c, const char *d) {
    static char line[4 * PATH_MAX + 128];
    snprintf(line, sizeof line, format, a, b, c, d);
    note(tid, line);
}

/* The name of a file or directory: DEVICE:INODE. */
static char *id_of(const struct stat *st) {
    static char ids[4][64];
    static int next;
    char *id = ids[next++ % 4];
    snprintf(id, sizeof ids[0], "%u.%u:%lu", major(st->st_dev), minor(st->st_dev), (unsigned long)st->st_ino);
    return id;
}

static char *dir_of(const char *path) {
    char dir[PATH_MAX];
    struct stat st;
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash) return "none";
    slash[slash == dir] = 0;
    return stat(dir, &st) ? "none" : id_of(&st);
}

static void read_text(pid_t tid, unsigned long at, char *text) {
    size_t n = 0;
    text[0] = 0;
    while (at && n + 1 < PATH_MAX) {
        /* Up to the end of a page: the next one need not be there. */
        size_t part = 4096 - (at + n) % 4096;
        if (part > PATH_MAX - 1 - n) part = PATH_MAX - 1 - n;
        struct iovec local = {text + n, part}, remote = {(void *)(at + n), part};
        ssize_t got = process_vm_readv(tid, &local, 1, &remote, 1, 0);
        if (got <= 0) break;
        char *end = memchr(text + n, 0, got);
        if (end) return;
        n += got;
    }
    text[n] = 0;
}

/* An absolute path from a directory's handle and a path in the memory of a thread. */
static void read_path(pid_t tid, int dir, unsigned long at, char *path) {
    char text[PATH_MAX], link[64];
    read_text(tid, at, text);
    if (text[0] == '/') { strcpy(path, text); return; }
    if (dir == AT_FDCWD) snprintf(link, sizeof link, "/proc/%d/cwd", tid);
    else snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, dir);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n < 0) n = 0;
    if (text[0] && strcmp(text, ".")) snprintf(path + n, PATH_MAX - n, "/%s", text);
    else path[n] = 0;
}

static int stat_fd(pid_t tid, int fd, struct stat *st) {
    char link[64];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, fd);
    return stat(link, st);
}

static void wrote(pid_t tid, int fd) {
    struct stat st;
    char link[64], path[PATH_MAX] = "";
    if (stat_fd(tid, fd, &st) || !S_ISREG(st.st_mode)) return;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n > 0) path[n] = 0;
    notef(tid, "W\t%s\t%s", id_of(&st), path, "", "");
}

static void sync_begins(struct call *c, int whole) {
    struct stat st;
    char thread[32], fs[64];
    if (getenv("WATCH_NO_SYNC") || stat_fd(c->tid, (int)c->args[0], &st)) return;
    snprintf(thread, sizeof thread, "%d", c->tid);
    snprintf(fs, sizeof fs, "%u.%u:*", major(st.st_dev), minor(st.st_dev));
    notef(c->tid, "B\t%s\t%s", thread, whole ? fs : id_of(&st), "", "");
}

/* Before a name goes away: which file loses its last one, and a second name for what a rename replaces. */
static void keep_old(struct call *c, const char *path, int save) {
    struct stat st;
    c->gone[0] = c->saved[0] = 0;
    c->existed = !lstat(path, &st);
    if (!c->existed || !S_ISREG(st.st_mode)) return;
    if (save) {
        snprintf(c->saved, sizeof c->saved, "%s.saved.%ld", log_path, saved_count++);
        if (link(path, c->saved)) c->saved[0] = 0;
    } else if (st.st_nlink == 1) {
        strcpy(c->gone, id_of(&st));
    }
}

static int opens_for_writing(struct call *c, unsigned long *flags) {
    struct open_how how = {0};
    if (c->nr == SYS_openat2) {
        struct iovec local = {&how, sizeof how}, remote = {(void *)c->args[2], sizeof how};
        process_vm_readv(c->tid, &local, 1, &remote, 1, 0);
        *flags = how.flags;
    } else if (c->nr == SYS_openat) {
        *flags = c->args[2];
    } else {
#ifdef SYS_open
        *flags = c->nr == SYS_creat ? O_CREAT | O_TRUNC | O_WRONLY : c->args[1];
#endif
    }
    return *flags & (O_CREAT | O_TRUNC);
}

static void begins(struct call *c) {
    unsigned long *a = c->args, flags = 0;
    int cwd = AT_FDCWD;
    c->writes = 0;
    switch (c->nr) {
#ifdef SYS_open
    case SYS_open: case SYS_creat:
        c->writes = opens_for_writing(c, &flags);
        if (c->writes) { read_path(c->tid, cwd, a[0], c->to); keep_old(c, c->to, 0); }
        break;
    case SYS_rename:
        read_path(c->tid, cwd, a[0], c->from); read_path(c->tid, cwd, a[1], c->to); keep_old(c, c->to, 1);
        break;
    case SYS_link: case SYS_symlink: read_path(c->tid, cwd, a[1], c->to); break;
    case SYS_mkdir: read_path(c->tid, cwd, a[0], c->to); break;
    case SYS_unlink: read_path(c->tid, cwd, a[0], c->to); keep_old(c, c->to, 0); break;
#endif
    case SYS_openat: case SYS_openat2:
        c->writes = opens_for_writing(c, &flags);
        if (c->writes) { read_path(c->tid, (int)a[0], a[1], c->to); keep_old(c, c->to, 0); }
        break;
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2:
        read_path(c->tid, (int)a[0], a[1], c->from); read_path(c->tid, (int)a[2], a[3], c->to);
        keep_old(c, c->to, c->nr != SYS_renameat2 || !(a[4] & RENAME_EXCHANGE));
        break;
    case SYS_linkat: read_path(c->tid, (int)a[2], a[3], c->to); break;
    case SYS_symlinkat: read_path(c->tid, (int)a[1], a[2], c->to); break;
    case SYS_mkdirat: read_path(c->tid, (int)a[0], a[1], c->to); break;
    case SYS_unlinkat: read_path(c->tid, (int)a[0], a[1], c->to); keep_old(c, c->to, 0); break;
    case SYS_fsync: case SYS_fdatasync: sync_begins(c, 0); break;
    case SYS_syncfs: sync_begins(c, 1); break;
    default: break;
    }
}

static void ended(struct call *c, long result) {
    char thread[32];
    snprintf(thread, sizeof thread, "%d", c->tid);
    if (result < 0) return;
    switch (c->nr) {
#ifdef SYS_open
    case SYS_open: case SYS_creat:
    case SYS_rename: case SYS_link: case SYS_symlink: case SYS_mkdir: case SYS_unlink:
#endif
    case SYS_openat: case SYS_openat2: case SYS_renameat2: case SYS_linkat: case SYS_symlinkat: case SYS_mkdirat:
    case SYS_unlinkat:
#ifdef SYS_renameat
    case SYS_renameat:
#endif
        break;
    case SYS_write: case SYS_writev: case SYS_pwrite64: case SYS_pwritev: case SYS_ftruncate: case SYS_fallocate:
    case SYS_sendfile:
        wrote(c->tid, (int)c->args[0]);
        return;
    case SYS_copy_file_range: wrote(c->tid, (int)c->args[2]); return;
    case SYS_ioctl:
        if (c->args[1] == FICLONE || c->args[1] == FICLONERANGE) wrote(c->tid, (int)c->args[0]);
        return;
    case SYS_mmap:
        if ((c->args[2] & PROT_WRITE) && (c->args[3] & MAP_SHARED) && !(c->args[3] & MAP_ANONYMOUS)) wrote(c->tid, (int)c->args[4]);
        return;
    case SYS_fsync: case SYS_fdatasync: case SYS_syncfs:
        if (!getenv("WATCH_NO_SYNC")) notef(c->tid, "E\t%s", thread, "", "", "");
        return;
    default: return;
    }
    int is_open = c->nr == SYS_openat || c->nr == SYS_openat2;
    int is_rename = c->nr == SYS_renameat2, is_unlink = c->nr == SYS_unlinkat;
#ifdef SYS_open
    is_open |= c->nr == SYS_open || c->nr == SYS_creat;
    is_rename |= c->nr == SYS_rename;
    is_unlink |= c->nr == SYS_unlink;
#endif
#ifdef SYS_renameat
    is_rename |= c->nr == SYS_renameat;
#endif
    if (is_open && !c->writes) return;
    if (is_open) {
        if (!c->existed) notef(c->tid, "N\t%s\t%s", dir_of(c->to), c->to, "", "");
        wrote(c->tid, (int)result);
    } else if (is_unlink) {
        if (c->gone[0]) notef(c->tid, "U\t%s", c->gone, "", "", "");
    } else if (is_rename && c->nr == SYS_renameat2 && (c->args[4] & RENAME_EXCHANGE)) {
        notef(c->tid, "X\t%s\t%s\t%s", dir_of(c->to), c->from, c->to, "");
    } else if (is_rename) {
        notef(c->tid, "T\t%s\t%s\t%s\t%s", dir_of(c->to), c->from, c->to, c->saved);
    } else {
        notef(c->tid, "N\t%s\t%s", dir_of(c->to), c->to, "", "");
    }
}

static void install_filter(void) {
    struct sock_filter filter[WATCHED * 2 + 2];
    size_t n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < WATCHED; i++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, watched[i], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog all = {(unsigned short)n, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all)) die("filter");
}

static void follow(pid_t tid, int status) {
    int signal = WSTOPSIG(status), event = status >> 16;
    struct __ptrace_syscall_info info;
    if (event == PTRACE_EVENT_SECCOMP) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0) return;
        struct call *c = call_of(tid);
        c->nr = (long)info.seccomp.nr;
        for (int i = 0; i < 6; i++) c->args[i] = info.seccomp.args[i];
        begins(c);
        ptrace(PTRACE_SYSCALL, tid, 0, 0);
    } else if (signal == (SIGTRAP | 0x80)) {
        struct call *c = call_of(tid);
        if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_EXIT)
            ended(c, info.exit.rval);
        ptrace(PTRACE_CONT, tid, 0, 0);
    } else if (event) {
        ptrace(PTRACE_CONT, tid, 0, 0);
    } else {
        /* A new thread or process begins with a stop that nobody sent. */
        ptrace(PTRACE_CONT, tid, 0, signal == SIGSTOP ? 0 : signal);
    }
}

int main(int argc, char **argv) {
    int status, result = 125;
    if (argc < 5) return 125;
    log_path = argv[1];
    stop_at = atol(argv[2]);
    program = argv[3];
    out = fopen(log_path, "we");
    if (!out) die(log_path);
    pid_t child = fork();
    if (!child) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        install_filter();
        execvp(argv[4], argv + 4);
        die(argv[4]);
    }
    waitpid(child, &status, 0);
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                   PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD;
    if (ptrace(PTRACE_SETOPTIONS, child, 0, options)) die("ptrace");
    ptrace(PTRACE_CONT, child, 0, 0);
    for (pid_t tid; (tid = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFSTOPPED(status)) {
            follow(tid, status);
            continue;
        }
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            if (calls[i].tid == tid) calls[i].tid = 0;
        if (tid == child) result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return result;
}
