"""Become another program that dies when the process which started it dies.

Run by path, as `python tether.py SIGNAL PARENT UID PROGRAM ARGUMENT…`; a UID of -1
keeps the user, and PROGRAM is a path: after a change of user, Python's own files may
be out of reach, and with them what a search would import.

It is a program between the two, since `preexec_fn` is unsafe beside threads, and since
a change of user or of user namespace clears a death signal that was set before it.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    death_signal, parent, uid = (int(word) for word in sys.argv[1:4])
    program = sys.argv[4:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("tether: the starting process is already gone")
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.exit(f"tether: {program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
