/*
 * Why there is no ring: what the errno of setup means, and what to do about it.
 *
 * io_uring is forbidden more often than it is missing: the default seccomp profiles of Docker (25
 * and later), containerd (2.0), Podman and Kubernetes' RuntimeDefault block its three system calls,
 * and some distributions switch it off by sysctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/io/ring.h"

void ring_environment_read(struct ring_environment *environment)
{
    struct utsname name;
    struct rlimit limit;
    char text[16];
    int fd = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC);

    *environment = (struct ring_environment){ .disabled = -1 };
    if (fd >= 0) {
        ssize_t len = read(fd, text, sizeof(text) - 1);

        if (len > 0) {
            text[len] = '\0';
            environment->disabled = atoi(text);
        }
        close(fd);
    }
    if (uname(&name) == 0) {
        snprintf(environment->release, sizeof(environment->release), "%.63s", name.release);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        environment->open_files = limit.rlim_cur;
    }
}

static void explain_forbidden(char *out, size_t size, int disabled)
{
    switch (disabled) {
    case 1:
        snprintf(
            out, size,
            "io_uring is not permitted: kernel.io_uring_disabled is 1, which allows it only to "
            "privileged processes and to the group kernel.io_uring_group. Set the sysctl to 0, or "
            "put the user into that group.");
        return;
    case 2:
        snprintf(
            out, size,
            "io_uring is not permitted: kernel.io_uring_disabled is 2, which forbids it to all "
            "processes. Set the sysctl to 0, or to 1 with kernel.io_uring_group naming a group of "
            "the user.");
        return;
    default:
        snprintf(out, size,
                 "io_uring is not permitted%s: a seccomp filter blocks it, as the default "
                 "profiles of container runtimes do. Run the container with --security-opt "
                 "seccomp=PROFILE, where PROFILE is a file that allows io_uring_setup, "
                 "io_uring_enter and "
                 "io_uring_register, or is \"unconfined\"; in Kubernetes use a localhostProfile.",
                 disabled == 0 ? ", although kernel.io_uring_disabled is 0" : "");
        return;
    }
}

void ring_explain(char *out, size_t size, int error, const struct ring_environment *environment)
{
    switch (error < 0 ? -error : error) {
    case ENOSYS:
        snprintf(out, size,
                 "io_uring does not exist here: kernel %s was built without CONFIG_IO_URING, or is "
                 "emulated (gVisor). Linux 6.1 or newer with io_uring is needed.",
                 environment->release);
        return;
    case EPERM:
    case EACCES:
        explain_forbidden(out, size, environment->disabled);
        return;
    case EINVAL:
        snprintf(out, size,
                 "io_uring of kernel %s lacks what halo needs. Linux 6.1 or newer is needed.",
                 environment->release);
        return;
    case ENOMEM:
        snprintf(
            out, size,
            "io_uring got no memory for its queues: the memory limit of the cgroup is reached, "
            "or that on locked memory (RLIMIT_MEMLOCK, ulimit -l). Raise the limit.");
        return;
    case EMFILE:
    case ENFILE:
        snprintf(out, size,
                 "io_uring got no descriptor: the limit on open files is reached (RLIMIT_NOFILE is "
                 "%llu). Raise it (ulimit -n, LimitNOFILE=).",
                 (unsigned long long)environment->open_files);
        return;
    default:
        snprintf(out, size, "io_uring cannot be set up on kernel %s: %s.", environment->release,
                 strerrordesc_np(error < 0 ? -error : error));
        return;
    }
}
