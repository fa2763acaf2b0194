"""How much memory there is for what runs at the same time."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

CONTROL_GROUPS = (  # versions 2 and 1: (limit, in use), bytes
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
KEEP_FREE = 0.1  # of the memory, for everything else that runs on the machine


def free_bytes() -> int:
    """Memory that may be taken: what is free now, within the limit of the control group if there is one."""
    import psutil

    free = psutil.virtual_memory().available
    for limit, used in CONTROL_GROUPS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            held = int(Path(used).read_text()) - reclaimable(Path(used).with_name("memory.stat"))
            free = min(free, int(Path(limit).read_text()) - held)
    return max(0, int(free * (1 - KEEP_FREE)))


def reclaimable(statistics: Path) -> int:
    """Bytes of files that the system remembers until memory is needed; a group counts them as used."""
    lines = dict(line.split(" ", 1) for line in statistics.read_text().splitlines())
    return int(lines.get("total_inactive_file") or lines.get("inactive_file", 0))
