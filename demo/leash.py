"""Start a program that ends when its parent does.

    python -m demo.leash PARENT_PID PROGRAM ARGUMENT…

A parent that is killed with SIGKILL can't stop its children; on Linux the kernel can, if asked
(prctl(2), PR_SET_PDEATHSIG; it outlives execve). Elsewhere the program is simply started.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, program: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the kernel was asked
        sys.exit("the parent has ended")
    os.execv(program[0], program)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
