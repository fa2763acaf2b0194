"""What holds for all tests."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import numpy as np

    from coursebuild.model import Record

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: children could not be interrupted
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def smoke(request: pytest.FixtureRequest) -> tuple[Record, dict[str, np.ndarray]]:
    """Record and arrays of the smoke run of the module's LESSON."""
    return request.module.LESSON.measured()
