"""Digests of files, remembered between builds: a file is read again only if its status says that it may have changed.

A digest counts while size, times, inode and device of its file are what they were when it was read. One that was read
within two seconds of the file's last change is not kept: the file could have been written again with the same times
(git calls such files racily clean). The kernel sets the time of a status change, so neither `touch -d` nor a clock
that jumps makes an old digest count for new contents: at worst a file is read once more.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coursebuild.files import atomic, key_of

SETTLED_NS = 2_000_000_000  # a file that was left alone for so long has times of its own
UNUSED_VALUES = 2_000  # parsed sources that are kept though this build did not ask for them
Status = tuple[int, int, int, int, int]


class Digests:
    """What is known of files. `open` reads what an earlier build left, `save` leaves it to the next one."""

    def __init__(self) -> None:
        self.file: Path | None = None
        self.files: dict[str, list[Any]] = {}  # path: [status, digest]
        self.values: dict[str, Any] = {}  # "kind digest": what was found in the contents with this digest
        self.used: set[str] = set()
        self.changed = False
        self.frozen: dict[Any, Any] | None = None

    def open(self, file: Path) -> None:
        """Go on with what `file` holds; one that is missing or damaged is as good as an empty one."""
        if file == self.file:
            return
        self.file, self.files, self.values, self.used, self.changed = file, {}, {}, set(), False
        try:
            check, _, text = file.read_bytes().partition(b"\n")
            if check.decode() != hashlib.sha256(text).hexdigest():
                return
            value = json.loads(text)
        except (OSError, ValueError):
            return
        self.files, self.values = value["files"], value["values"]

    def save(self) -> None:
        """Write what changed, if it can be written: this is a help and never needed."""
        if self.file is None or not self.changed or not self.file.parent.is_dir():  # nothing was built here yet
            return
        idle = [key for key in self.values if key not in self.used]
        for key in idle[UNUSED_VALUES:]:
            del self.values[key]
        files = {path: known for path, known in self.files.items() if os.path.exists(path)}  # noqa: PTH110
        text = json.dumps({"files": files, "values": self.values}, ensure_ascii=False).encode()
        try:
            with atomic(self.file) as tmp:
                tmp.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        except OSError:  # a folder that cannot be written: the build itself says so
            return
        self.changed = False

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within this, every file is looked at once."""
        outer, self.frozen = self.frozen, {} if self.frozen is None else self.frozen
        try:
            yield
        finally:
            self.frozen = outer

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """`make()`, in a snapshot only the first time."""
        if self.frozen is None:
            return make()
        if key not in self.frozen:
            self.frozen[key] = make()
        return self.frozen[key]

    def content(self, path: Path | str) -> str | None:
        """Digest of a file or of a whole folder (names and contents); None where there is nothing."""
        text = os.fspath(path)
        return self.once(text, lambda: self._content(text))

    def _content(self, path: str) -> str | None:
        try:
            status = os.stat(path)  # noqa: PTH116 (thousands of these: pathlib costs more than the call)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if status.st_mode & 0o170000 == 0o040000:
            return key_of(sorted(self._tree(path, "")))
        return self._digest(path, status)

    def _tree(self, folder: str, inside: str) -> Iterator[tuple[str, str]]:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):  # what is being written
                    continue
                if entry.is_dir():
                    yield from self._tree(entry.path, f"{inside}{entry.name}/")
                    continue
                try:
                    yield f"{inside}{entry.name}", self._digest(entry.path, entry.stat())
                except FileNotFoundError:  # a link to nothing, or a file that was just removed
                    yield f"{inside}{entry.name}", "nothing"

    def _digest(self, path: str, status: os.stat_result) -> str:
        now = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
        known = self.files.get(path)
        if known and known[0] == now:
            return known[1]
        moment = time.time_ns()
        with open(path, "rb") as file:  # noqa: PTH123
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if max(status.st_mtime_ns, status.st_ctime_ns) < moment - SETTLED_NS:
            self.files[path] = [now, digest]
            self.changed = True
        elif known:
            del self.files[path]
        return digest

    def remembered(self, kind: str, digest: str, make: Callable[[], Any]) -> Any:
        """`make()` for contents with this digest, computed once; JSON. `kind` names what is made, and how."""
        key = f"{kind} {digest}"
        if key not in self.values:
            self.values[key] = json.loads(json.dumps(make(), default=str))  # the same the first time as later
            self.changed = True
        self.used.add(key)
        return self.values[key]


known = Digests()  # of this process
content = known.content
