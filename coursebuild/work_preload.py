"""Loaded by every local worker when it starts."""

from typing import Any

from coursebuild.files import die_with_parent


def dask_setup(worker: Any) -> None:
    """Dask calls this once a worker runs."""
    die_with_parent()
