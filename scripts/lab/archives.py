"""Unpacking archives that came from elsewhere: plain files alone, and none outside the folder they are meant for."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lab.registry import NoSource

MOST_BYTES = 4 << 30  # of an unpacked archive: more than any that the course uses


def check_member(name: str) -> str:
    """The name of an archive's member if it stays inside the folder it is unpacked to; raises NoSource."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        raise NoSource(f"the archive has a member with the suspicious name {name!r}")
    return name


def unzip(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip file into a new folder: plain files alone, none outside it; returns them. CRCs are checked."""
    made = []
    with zipfile.ZipFile(archive) as z:
        infos = [i for i in z.infolist() if not i.is_dir()]
        if sum(i.file_size for i in infos) > MOST_BYTES:
            raise NoSource(f"{archive.name} would unpack to more than {MOST_BYTES >> 30} GB")
        for info in infos:
            target = folder / check_member(info.filename)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(z.read(info))
            made.append(target)
    return made


def tar_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the plain files of a .tar.gz, in its order; nothing is written."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isfile():
                yield check_member(member.name), tar.extractfile(member).read()
