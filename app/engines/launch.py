"""Become another program, tied to the life of the process that asked for it.

Run by its path with nothing but the standard library, so that it works while the caller has
threads (a hook between fork and exec does not) and before any account is dropped:

    python -I -S launch.py SIGNAL PARENT UID:GID TIE PROGRAM [ARGUMENT...]

SIGNAL is what the program gets when PARENT dies, even by kill -9. `UID:GID` of `-` keeps the
account. TIE is `kernel` (Linux: the parent-death signal), or the number of an inherited pipe whose
other end only the parent holds, for systems whose kernel offers no such thing, or `-` for none.
"""

import ctypes  # now: another account may be unable to read our Python
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def drop_to(account: str) -> None:
    """Give up root for `uid:gid`, for good, with no supplementary groups."""
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def tie_by_kernel(signum: int, parent: int) -> None:
    """Ask Linux for the signal. The kernel forgets it when the account changes: drop first."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signum, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def tie_by_pipe(signum: int, pipe: int) -> None:
    """Leave a child behind that waits for the pipe to close and then signals the program.

    It is a child of the program, so a changed parent tells it that the program is gone and the
    number may by now belong to somebody else.
    """
    program = os.getpid()
    if os.fork() != 0:
        os.close(pipe)
        return
    os.setsid()
    while os.read(pipe, 1):
        pass
    if os.getppid() == program:
        os.kill(program, signum)
    os._exit(0)


def main(arguments: list[str]) -> None:
    """Drop the account, tie the life, become the program."""
    signum, parent, account, tie, *command = arguments
    if account != "-":
        drop_to(account)
    if tie == "kernel":
        tie_by_kernel(int(signum), int(parent))
    elif tie != "-":
        tie_by_pipe(int(signum), int(tie))
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and exec keeps that
        signal.signal(ignored, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - becoming the named program is the whole task


if __name__ == "__main__":
    main(sys.argv[1:])
