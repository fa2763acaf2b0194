"""What the measurements were made on: kind of processor, cores, memory, versions. No names of hosts, no paths."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.bench.meter import BenchError, run

TOOLS = ("manim", "av", "typst", "piper-tts", "onnxruntime", "torch", "numpy", "pillow", "distributed")
RIVAL_TOOLS = ("moviepy", "imageio-ffmpeg", "numpy", "pillow")
ASK = "import importlib.metadata as m, sys; print('\\n'.join(f'{n} {m.version(n)}' for n in sys.argv[1:]))"


def field(path: str, name: str) -> str:
    """A line `name : value` of a file in /proc; empty where there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == name), "")


def machine() -> dict[str, Any]:
    memory = field("/proc/meminfo", "MemTotal").removesuffix(" kB")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": cores,
        "memory_gib": round(int(memory) / 1024**2) if memory.isdigit() else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def load() -> float:
    """How many processes wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2)


def versions() -> dict[str, str]:
    import av

    found = {}
    for name in TOOLS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | {"libavcodec (PyAV)": ".".join(map(str, av.library_versions["libavcodec"]))}


def rival_versions(python: Path, folder: Path) -> dict[str, str]:
    """Versions in the rivals' environment; BenchError where that is not there."""
    if not python.exists():
        raise BenchError("the rivals' environment .venv-bench is missing: run `make bench`")
    log = folder / "versions.log"
    run([python, "-c", ASK, *RIVAL_TOOLS], cwd=folder, log=log)
    found = dict(line.split(" ", 1) for line in log.read_text().split("\n") if " " in line)
    run([python, "-c", FFMPEG], cwd=folder, log=log)
    return found | {"ffmpeg": log.read_text().strip()}


FFMPEG = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_version())"
