"""A server process of ours: start, stop, kill, pause, start again; gone when we are gone.

Each server runs below a small supervisor (`samesku.embedded.supervisor`), which ends it and removes its folder when
this process ends in any way. Non-goal: knowing when the server is ready; its owner does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

from samesku.errors import CommandError

STOP_SECONDS = 20.0
"""A broker that gets SIGTERM flushes and leaves within a second or two; after this it is killed."""

START_SECONDS = 60.0
"""Redis takes 50 ms and the broker 2 s; a machine under full load has been seen to need ten times that."""

POLL_SECONDS = 0.05

FIRST_START_ATTEMPTS = 3
"""Somebody else may take a port between the probe and the start; a later start must keep its port."""

LOG_TAIL_LINES = 25
"""Enough of a server's log to show why it did not start."""

SUPERVISOR = Path(__file__).with_name("supervisor.py")


class EmbeddedError(CommandError):
    """An embedded server could not be found, started or reached; the text says which and what to do."""


def free_ports(count: int) -> list[int]:
    """Distinct loopback TCP ports that nobody listens on now. Another process may take one before its use."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def is_listening(port: int) -> bool:
    """Whether somebody accepts TCP connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ServerFolder:
    """The folder of one server: a temporary one that goes with it, or one of the caller's that stays."""

    def __init__(self, directory: Path | None, prefix: str) -> None:
        self.temporary = directory is None
        self.path = Path(tempfile.mkdtemp(prefix=prefix)) if directory is None else directory
        self.path.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Remove a temporary folder; keep the caller's."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


class ServerProcess:
    """One run of a server below its supervisor. Not thread-safe; one owner."""

    def __init__(self, name: str, command: Sequence[str], folder: ServerFolder) -> None:
        """Start `command` with its output appended to `<folder>/<name>.log`. Raises EmbeddedError."""
        self.name = name
        self.log = folder.path / f"{name}.log"
        removed = str(folder.path) if folder.temporary else "-"
        # A session of its own: Ctrl-C goes to the worker first, which still needs its broker to leave cleanly.
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), removed, str(self.log), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._supervisor.stdout is not None
        line = self._supervisor.stdout.readline()
        if not line.strip().isdigit():
            self._end_supervisor()
            raise EmbeddedError(f"{name} could not be started: {command[0]}")
        self.pid = int(line)

    @property
    def supervisor_pid(self) -> int:
        """The process to send SIGTERM to when a detached server shall end."""
        return self._supervisor.pid

    def is_alive(self) -> bool:
        """Whether the server runs; a paused one does."""
        return self._supervisor.poll() is None

    def wait(self, seconds: float) -> bool:
        """Wait for the server's end; True when it ended within that time."""
        try:
            self._supervisor.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Ask the server to end (SIGTERM), kill it when it does not. The folder stays."""
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        if not self.wait(seconds):
            self._signal(signal.SIGKILL)
        self._end_supervisor()

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL). The folder stays."""
        self._signal(signal.SIGKILL)
        self._end_supervisor()

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def detach(self) -> None:
        """Let the server outlive this process, until `supervisor_pid` gets SIGTERM."""
        assert self._supervisor.stdin is not None
        self._supervisor.stdin.write(b"D")
        self._supervisor.stdin.flush()

    def tail(self) -> str:
        """The end of the server's log."""
        try:
            lines = self.log.read_text("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        # The supervisor reaps the server and ends right after, so while it lives the id is not another's.
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _end_supervisor(self) -> None:
        self._supervisor.wait()
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


class EmbeddedServer(ABC):
    """What both embedded servers share: a folder, ports that stay, one process, and the ways to end it."""

    name: ClassVar[str]
    port_count: ClassVar[int]

    def __init__(self, directory: Path | None = None) -> None:
        """Prepare a server in `directory`, or in a temporary folder that is removed with it."""
        self.folder = ServerFolder(directory, f"samesku-{self.name}-")
        self.process: ServerProcess | None = None
        self._ports: list[int] = []

    @property
    def ports(self) -> list[int]:
        """The loopback ports in use, the clients' one first. Raises EmbeddedError before the first start."""
        if not self._ports:
            raise EmbeddedError(f"the embedded {self.name} was never started")
        return self._ports

    @property
    @abstractmethod
    def address(self) -> str:
        """What a client connects to."""

    @abstractmethod
    def prepare(self) -> list[str]:
        """Write what the server needs into its folder and return its command. Raises EmbeddedError."""

    @abstractmethod
    def is_ready(self, process: ServerProcess) -> bool:
        """Whether this very process answers now; called until it does."""

    def start(self) -> str:
        """Start, or start again on the same port with the same data; wait until it answers; return the address.

        No-op when it runs. Raises EmbeddedError with the end of its log.
        """
        if self.process is not None:
            return self.address
        attempts = 1 if self._ports else FIRST_START_ATTEMPTS
        while True:
            attempts -= 1
            if not self._ports:
                self._ports = free_ports(self.port_count)
            process = ServerProcess(self.name, self.prepare(), self.folder)
            try:
                ready = self._await_ready(process)
            except BaseException:
                process.kill()
                raise
            if ready:
                self.process = process
                return self.address
            process.kill()
            if not attempts:
                raise EmbeddedError(f"the embedded {self.name} did not start; its log ends:\n{process.tail()}")
            self._ports = []

    def _await_ready(self, process: ServerProcess) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if is_listening(self.ports[0]) and self.is_ready(process):
                return True
            if process.wait(POLL_SECONDS):
                return False
        return False

    def stop(self) -> None:
        """End the server in good order; `start()` brings it back on the same port. No-op when it is down."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def kill(self) -> None:
        """End the server as a crash would; `start()` brings it back on the same port. No-op when it is down."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def restart(self) -> str:
        """`stop()` and `start()`; returns the address, which is the same."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze the server without closing its connections."""
        self.running().pause()

    def resume(self) -> None:
        """Let a paused server go on."""
        self.running().resume()

    def detach(self) -> None:
        """Let it outlive this process, until its supervisor gets SIGTERM; `close()` then leaves it alone."""
        self.running().detach()
        self.process = None
        self.folder.temporary = False

    def close(self) -> None:
        """End the server and remove the folder if it is a temporary one."""
        self.kill()
        self.folder.remove()

    def running(self) -> ServerProcess:
        """The process; raises EmbeddedError when the server is down."""
        if self.process is None:
            raise EmbeddedError(f"the embedded {self.name} is not running")
        return self.process

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
