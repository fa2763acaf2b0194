"""Settings that depend on the preset, one seed for everything, and the device.

A script states each setting once, with one value per preset:

    P = settings.choose(
        #         smoke  quick   full
        epochs  = (1,     6,     30),
        seed    = 4,                    # the same in every preset
    )

`P.epochs` is then the value of the chosen preset. The preset is the environment's DL50_PRESET, else "full"
where a GPU is found, else "quick". DL50_SET='{"epochs": 3}' overrides settings by name.
"""

from __future__ import annotations

import difflib
import json
import os
import random
from types import SimpleNamespace
from typing import Any

PRESETS = ("smoke", "quick", "full")  # seconds; at most 60 s on two cores; at most 5 min on one modern GPU


class Settings(SimpleNamespace):
    """The chosen values, as attributes; `preset` is among them."""

    def __str__(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in vars(self).items())


def preset() -> str:
    """The name of the preset in use."""
    name = os.environ.get("DL50_PRESET") or ("full" if _has_gpu() else "quick")
    if name not in PRESETS:
        raise ValueError(f"DL50_PRESET={name}: no such preset; there are {', '.join(PRESETS)}")
    return name


def choose(**table: Any) -> Settings:
    """Pick the preset's value of every setting; a tuple has one value per preset, anything else holds for all."""
    name = preset()
    values: dict[str, Any] = {"preset": name}
    for setting, value in table.items():
        if isinstance(value, tuple):
            if len(value) != len(PRESETS):
                raise ValueError(f"{setting} has {len(value)} values, but there are {len(PRESETS)} presets")
            value = value[PRESETS.index(name)]
        values[setting] = value
    return Settings(**values | _overrides(table))


def _overrides(table: dict[str, Any]) -> dict[str, Any]:
    text = os.environ.get("DL50_SET")
    if not text:
        return {}
    try:
        wanted = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f'DL50_SET is not JSON ({error}); write it like {{"epochs": 3}}') from None
    if not isinstance(wanted, dict):
        raise ValueError('DL50_SET must be a JSON object, like {"epochs": 3}')
    for name in wanted:
        if name not in table:
            near = difflib.get_close_matches(name, table, n=1)
            hint = f"did you mean `{near[0]}`?" if near else "there are: " + ", ".join(table)
            raise ValueError(f"DL50_SET: there is no setting `{name}`; {hint}")
    return wanted


def seed_all(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global random numbers."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def device() -> Any:
    """The torch.device to compute on: the GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if _has_gpu() else "cpu")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
