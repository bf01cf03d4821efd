"""The process between us and a server of ours: it ends the server when we end, however we end.

It runs as a plain script (`python -I -S supervisor.py`), imports only what the standard library has at hand, and is
not imported by anything. The parent holds the write end of its standard input. When that closes, by a clean
exit, a crash or `kill -9` alike, the server is killed and its folder removed.

A parent-death signal alone would not do: the kernel sends it when the *thread* that forked ends, which for a test
runner or a thread pool is not the end of the process. Here this process's only thread is the forker, so that the
server may carry one, for the case in which somebody kills the supervisor itself.

Non-goals: restarting what died, and more than one server each.

Protocol: on standard output one line, the server's process id; on standard input nothing, or one byte `D` (detach:
the server shall outlive the parent, until the supervisor gets SIGTERM). The exit status is the server's.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

POLL_SECONDS = 0.5
"""How soon a parent is missed whose pipe a forked child of its keeps open; the usual way is the pipe, at once."""


def die_with_supervisor() -> None:
    """Run in the server before exec: ask the kernel for SIGKILL when the supervisor ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def watch(server: subprocess.Popen[bytes], parent: int) -> bool:
    """Wait for the end of the server (False) or of the parent, or for SIGTERM (True: kill the server)."""
    detached = False
    stop: list[int] = []
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    # Python ignores this signal by default, and then no wake-up is written.
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    while True:
        if server.poll() is not None:
            return False
        if stop or (not detached and os.getppid() != parent):
            return True
        sources = [wake_read] if detached else [wake_read, 0]
        ready, _, _ = select.select(sources, [], [], POLL_SECONDS)
        if wake_read in ready:
            os.read(wake_read, 512)
        if 0 in ready and not detached:
            if os.read(0, 1) != b"D":
                return True
            detached = True


def main(arguments: list[str]) -> int:
    """`supervisor.py PARENT_PID FOLDER LOG COMMAND...`; FOLDER `-` is none to remove."""
    parent, folder, log = int(arguments[0]), arguments[1], arguments[2]
    with open(log, "ab") as sink:
        server = subprocess.Popen(
            arguments[3:], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, preexec_fn=die_with_supervisor
        )
    print(server.pid, flush=True)
    if watch(server, parent):
        server.kill()
        server.wait()
        if folder != "-":
            shutil.rmtree(folder, ignore_errors=True)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
