"""The servers end with us, however we end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from samesku.embedded.redis import EmbeddedRedis
from samesku.embedded.supervise import EmbeddedError, ServerFolder, ServerProcess, free_ports

GONE_SECONDS = 30.0

OWNER = """
import signal, sys
from samesku.embedded.kafka import EmbeddedKafka
from samesku.embedded.redis import EmbeddedRedis

kafka, redis = EmbeddedKafka(), EmbeddedRedis()
kafka.start(), redis.start()
for server in (kafka, redis):
    print(server.running().pid, server.running().supervisor_pid, server.folder.path)
sys.stdout.flush()
signal.pause()
"""


def await_gone(pid: int) -> None:
    """Wait for the end of a process that need not be a child; one that nobody reaps has ended too."""
    try:
        process = psutil.Process(pid)
        process.wait(GONE_SECONDS)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired:
        assert process.status() == psutil.STATUS_ZOMBIE, f"{process} still runs"


def test_kill_9_of_the_owner_ends_both_servers_and_removes_their_folders() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        servers = [owner.stdout.readline().split() for _ in range(2)]
        for server, supervisor, folder in servers:
            assert psutil.pid_exists(int(server))
            assert psutil.pid_exists(int(supervisor))
            assert Path(folder).is_dir()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    for server, supervisor, folder in servers:
        await_gone(int(server))
        await_gone(int(supervisor))
        assert not Path(folder).exists()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServerProcess]:
    sleeper = ServerProcess("sleeper", ["/bin/sleep", "600"], ServerFolder(tmp_path, ""))
    yield sleeper
    sleeper.kill()


def test_kill_9_of_the_supervisor_ends_the_server(process: ServerProcess) -> None:
    os.kill(process.supervisor_pid, signal.SIGKILL)
    await_gone(process.pid)
    process.stop()


def test_a_stopped_server_can_be_stopped_again(process: ServerProcess) -> None:
    process.stop()
    assert not process.is_alive()
    await_gone(process.pid)
    process.stop()
    process.kill()


def test_kill_ends_the_server(process: ServerProcess) -> None:
    process.kill()
    await_gone(process.pid)


def test_a_paused_server_is_alive_and_can_be_stopped(process: ServerProcess) -> None:
    process.pause()
    # The signal is delivered in the kernel's own time; the run's time-out bounds this.
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.is_alive()
    assert process.is_alive()
    process.stop()
    await_gone(process.pid)


def test_a_detached_server_outlives_its_owner_until_its_supervisor_is_asked_to_end() -> None:
    script = """
from samesku.embedded.supervise import ServerFolder, ServerProcess
folder = ServerFolder(None, "samesku-test-")
process = ServerProcess("sleeper", ["/bin/sleep", "600"], folder)
process.detach()
print(process.pid, process.supervisor_pid, folder.path)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    server, supervisor, folder = done.stdout.split()
    with pytest.raises(psutil.TimeoutExpired):
        psutil.Process(int(server)).wait(1.5)
    os.kill(int(supervisor), signal.SIGTERM)
    await_gone(int(server))
    await_gone(int(supervisor))
    assert not Path(folder).exists()


def test_a_command_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="/no/such/server"):
        ServerProcess("absent", ["/no/such/server"], ServerFolder(tmp_path, ""))


def test_the_log_of_a_server_that_dies_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = EmbeddedRedis(tmp_path)
    monkeypatch.setattr(server, "prepare", lambda: ["/bin/sh", "-c", "echo it broke for this reason; exit 3"])
    with pytest.raises(EmbeddedError, match="it broke for this reason"):
        server.start()
    assert server.process is None


def test_the_callers_folder_stays_and_a_temporary_one_goes(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "mine") as mine, EmbeddedRedis() as other:
        assert mine.folder.path.is_dir()
        assert other.folder.path.is_dir()
    assert mine.folder.path.is_dir()
    assert not other.folder.path.exists()


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(20))) == 20
