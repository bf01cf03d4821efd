"""Files by name under one root: a local folder, or object storage by URL through fsspec.

A file appears whole or not at all: locally it is written beside its name, forced to disk and moved there; an object
store shows an object when its upload is complete. Non-goal: what the files mean.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

PARTIAL = ".partial"
"""Ending of a file that is still being written, or whose writer died."""


class Folder:
    """All file access of the store. Names are relative, with `/`."""

    def __init__(self, root: str) -> None:
        """`root` is a local path or a URL that fsspec knows (`s3://bucket/audit`).

        Raises ValueError for an unknown protocol and ImportError when its package is missing.
        """
        self.root = root
        found: tuple[Any, str] = fsspec.core.url_to_fs(root)
        self.fs, path = found
        self.local = isinstance(self.fs, LocalFileSystem)
        self._path = os.path.abspath(path) if self.local else path.rstrip("/")

    def url(self, name: str) -> str:
        """What DuckDB opens: a local path, or the URL of an object."""
        return self._at(name) if self.local else str(self.fs.unstrip_protocol(self._at(name)))

    def names(self, folder: str) -> list[str]:
        """Names of the files and folders directly inside, sorted; none if there is no such folder."""
        at = self._at(folder)
        self.fs.invalidate_cache(at)
        try:
            found = self.fs.ls(at, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {str(each).rstrip("/").rpartition("/")[2] for each in found}
        return sorted(names - {"", at.rpartition("/")[2]} if not self.local else names)

    def read(self, name: str) -> bytes:
        """Raises FileNotFoundError."""
        data: bytes = self.fs.cat_file(self._at(name))
        return data

    def exists(self, name: str) -> bool:
        self.fs.invalidate_cache(self._at(name))
        return bool(self.fs.exists(self._at(name)))

    def write(self, name: str, data: bytes) -> None:
        """Put a whole file there, in place of one of that name."""
        with self.creating(name) as out:
            out.write(data)

    @contextmanager
    def creating(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write to, which appears under its name when the block ends well, and not at all otherwise."""
        if self.local:
            target = Path(self._at(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f"{target.name}.{uuid.uuid4().hex}{PARTIAL}")
            try:
                with temporary.open("wb") as out:
                    yield out
                    out.flush()
                    os.fsync(out.fileno())
                temporary.replace(target)
                _sync_folder(target.parent)
            finally:
                temporary.unlink(missing_ok=True)
            return
        with tempfile.TemporaryFile() as out:
            yield out
            size = out.tell()
            out.seek(0)
            # One request where it fits into one, which is what makes it appear at once on every store.
            if size <= _ONE_PUT:
                self.fs.pipe_file(self._at(name), out.read())
            else:
                with self.fs.open(self._at(name), "wb") as upload:
                    while block := out.read(_BLOCK):
                        upload.write(block)

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error."""
        try:
            self.fs.rm_file(self._at(name))
        except FileNotFoundError:
            return

    def remove_folder(self, name: str) -> None:
        """Remove a folder with all that is in it."""
        try:
            self.fs.rm(self._at(name), recursive=True)
        except FileNotFoundError:
            return

    def size(self, name: str) -> int:
        """Bytes. Raises FileNotFoundError."""
        return int(self.fs.size(self._at(name)))

    def age(self, name: str, now: float) -> float | None:
        """Seconds since the file was written, by the store's clock; None if it is gone or the store does not say."""
        try:
            return now - float(self.fs.modified(self._at(name)).timestamp())
        except (FileNotFoundError, NotImplementedError, AttributeError):
            return None

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}" if name else self._path


_ONE_PUT = 64 * 1024 * 1024
_BLOCK = 8 * 1024 * 1024


def _sync_folder(folder: Path) -> None:
    """A rename is on disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
