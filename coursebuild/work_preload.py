"""Loaded by every local worker when it starts."""

import signal
import threading
from typing import Any

from coursebuild.files import die_with_parent


def dask_setup(worker: Any) -> None:
    """Dask calls this once a worker runs."""
    die_with_parent()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the builder ends its workers
