"""A day as the earlier steps would leave it, small and without any of them: for the tests of the pages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw

from coursebuild.model import (
    FPS,
    Beat,
    Deck,
    Figure,
    Record,
    Script,
    Slide,
    SpokenSlide,
    TimedBeat,
    TimedSentence,
    TimedSlide,
    Timeline,
)

LECTURE = [  # (title, [[sentence, ...] per beat])
    (
        "Who is to blame?",
        [
            [
                "A network with one hundred thousand weights makes one mistake.",
                "Which of them should change, and by how much?",
            ],
            ["We could nudge every weight and look.", "That is 100,001 forward passes for one small step."],
        ],
    ),
    (
        "One link at a time",
        [
            [
                r"The chain rule says $\frac{\partial L}{\partial w} ="
                r" \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial z}\,\frac{\partial z}{\partial w}$.",
                "Every factor in this product is something one node can work out alone.",
            ],
            [
                "So we multiply along a path, and add where paths meet.",
                r"For the sigmoid the local factor is $\sigma'(z) = a(1-a)$, and *that* is never more than 0.25.",
            ],
        ],
    ),
    (
        "Forward leaves values, backward sends numbers",
        [
            [
                "The forward pass leaves a value in every node.",
                "The backward pass sends one number along every edge.",
            ],
            ["Nothing is computed twice, and that is the whole trick."],
        ],
    ),
    (
        "The code that ran",
        [
            [
                "Here is the backward pass, eleven lines of NumPy.",
                "Look at the marked line: `delta @ W.T` is the sum over paths.",
                "The bias is the easy one, because its input is always 1.",
            ]
        ],
    ),
    (
        "Do we have to believe it?",
        [
            [
                "We do not have to believe this.",
                "Nudge one weight, measure, compare.",
                "The largest relative difference over all weights was 2.1 times ten to the minus 9.",
            ],
            [
                r"One thing we expected did not happen: with $\eta = 1$ the loss did not diverge.",
                "The digits are easy enough that even a careless step finds its way down.",
            ],
        ],
    ),
    (
        "What to take home",
        [
            [
                "One backward pass costs about as much as two forward passes.",
                "It gives you the gradient of every weight at once.",
                "Tomorrow: what the choice of the activation does to that signal.",
            ]
        ],
    ),
]
CAPTIONS = {  # where the captions are not simply the sentence
    LECTURE[1][1][0][0]: "The chain rule says ∂L/∂w = ∂L/∂y ∂y/∂z ∂z/∂w.",
    LECTURE[1][1][1][1]: "For the sigmoid the local factor is σ′(z) = a(1 − a), and that is never more than 0.25.",
    LECTURE[4][1][1][0]: "One thing we expected did not happen: with η = 1 the loss did not diverge.",
}
CLAIMS = {
    "our gradient and a finite difference agree to a millionth": True,
    "backward costs about two forwards": True,
    "the first layer's gradient is smaller than the last layer's at the start": True,
    "the test accuracy is above 90 % after five passes": True,
    r"a learning rate of $\eta = 1$ makes the loss diverge": False,
    "three seeds differ by less than one percentage point": False,
}
METRICS = {
    "n_weights": 101_770,
    "test_accuracy": 0.9263000000000001,
    "max_relative_error": 2.1374e-9,
    "backward_over_forward": 1.9317,
    "loss_by_epoch": [0.9124, 0.4381, 0.3493, 0.3012, 0.2718, 0.2501, 0.2376],
    "optimizer": "plain gradient descent",
}
FIGURES = {
    "loss_curve": (
        "The loss falls on data the network never saw, too",
        "Loss per pass over the data for training and test images; both fall from 0.9 to below 0.3 in seven"
        " passes, the test curve slightly above.",
    ),
    "gradient_by_layer": (
        r"Size of $\nabla_W L$ per layer, three seeds: early layers hear less",
        "Gradient size per layer on a logarithmic axis for three seeds: it grows about fourfold from the first"
        " to the last layer.",
    ),
}
SYLLABUS = [
    (1, "Introduction to Deep Learning"), (2, "The Perceptron"), (3, "Multi-Layer Perceptrons"),
    (4, "Backpropagation"), (5, "Activation Functions"), (6, "Loss Functions"), (7, "Optimizers"),
    (8, "First “Hello World” (MNIST)"), (9, "Data Loading and Preprocessing"), (10, "Training Loops"),
    (11, "Overfitting and Regularization"), (12, "Batch Normalization"), (13, "Hyperparameters"),
    (14, "Saving and Loading Models"), (15, "Convolutions"), (16, "Pooling and Architectures"),
]  # fmt: skip
WEEKS = ["The Absolute Basics", "Building Your First Practical Model", "Deep Learning for Images"]
DAY = {
    "objectives": [
        "Understand how neural networks learn from errors",
        "Learn the mathematical derivation of backpropagation",
        "Implement the backpropagation algorithm from scratch",
        "Understand gradient computation and the chain rule",
        "Learn how gradients flow backward through the network",
    ],
    "concepts": [
        "Chain rule", "Gradient descent", "Backward pass", r"Gradients `∂L/∂W` and `∂L/∂b`", "Weight update",
    ],
    "tools": ["NumPy"],
    "learnings": [r"Chain rule: $\frac{\partial L}{\partial w}$"],
    "references": [
        {"kind": "Book", "text": "Michael Nielsen, *Neural Networks and Deep Learning*, chapter 2",
         "url": "http://neuralnetworksanddeeplearning.com/chap2.html"},
        {"kind": "Book", "text": "Goodfellow, Bengio, Courville, *Deep Learning*, section 6.5"},
        {"kind": "Paper", "text": "Rumelhart, Hinton, Williams (1986). Learning representations by"
         " back-propagating errors", "url": "https://doi.org/10.1038/323533a0"},
        {"kind": "Video", "text": "3Blue1Brown: Backpropagation calculus",
         "url": "https://www.youtube.com/watch?v=Ilg3gGewQ5U"},
    ],
    "errata": [
        {"syllabus": "`∂L/∂w = (∂L/∂y) * (∂y/∂z) * (∂z/∂w)` for every weight",
         "correct": "that is one path; where paths meet, their products are **added**",
         "source": "https://doi.org/10.1038/323533a0"}
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What `page` is given, and where its product lies beside the files it links to."""

    inputs: dict[str, Path]
    products: dict[str, Path]
    params: dict
    cache: Path

    @property
    def html(self) -> str:
        return self.products["page"].read_text(encoding="utf-8")


def make_day(folder: Path, *, film: bool = True) -> Sample:
    """The fake day 4 under `folder`/day04; without `film` the video is only a name."""
    day = folder / "day04"
    (day / "record/figures").mkdir(parents=True)
    stem = "day04_backpropagation"
    endings = {"film": ".mp4", "vtt": ".vtt", "srt": ".srt", "pptx": ".pptx", "html": ".html", "pdf": ".pdf"}
    endings |= {"handout": "_handout.pdf", "notebook": ".ipynb", "script": ".py"}
    files = {key: stem + ending for key, ending in endings.items()}
    for n, key in enumerate(files, 1):
        (day / files[key]).write_bytes(b"x" * 37_000 * n)
    timeline = make_timeline()
    timeline.save(day / "timeline.json")
    make_deck().save(day / "shown.json")
    make_script().save(day / "spoken.json")
    make_record(day / "record")
    (day / files["vtt"]).write_text(make_captions(timeline), encoding="utf-8")
    make_poster(day / "poster.png")
    if film:
        make_film(day / files["film"], timeline.frames / FPS)
    inputs = {key: day / name for key, name in files.items() if key != "srt"}
    inputs |= {name: day / f"{name}.json" for name in ("shown", "spoken", "timeline")}
    inputs |= {"record": day / "record", "poster": day / "poster.png"}
    params = {
        "files": files,
        "repository": "https://github.com/owner/50-days-of-deep-learning",
        "branch": "main",
        "syllabus": make_syllabus()["days"][3],
        "previous": {"day": 3, "title": "Multi-Layer Perceptrons", "href": "../day03/index.html"},
        "next": {"day": 5, "title": "Activation Functions", "href": "../day05/index.html"},
        "credits": ["Voice: Piper, en_US-joe-medium (CC0)", "Fonts: Inter, JetBrains Mono, STIX Two Math (OFL)"],
    }
    return Sample(inputs, {"page": day / "index.html"}, params, folder / "cache")


def make_timeline() -> Timeline:
    """Every sentence takes 4 frames a word, with 8 frames of silence after it; slides are multiples of 16."""
    slides, at = [], 0
    for n, (title, beats) in enumerate(LECTURE, 1):
        first, timed = at, []
        for step, sentences in enumerate(beats):
            start, spoken = at, []
            for markdown in sentences:
                written = CAPTIONS.get(markdown, markdown.replace("`", ""))
                frames = 4 * len(written.split())
                spoken.append(TimedSentence(written, "audio/x.wav", "0" * 64, at, frames))
                at += frames + 8
            timed.append(TimedBeat(f"s{n:02}b{step}", step, None, start, at - start, spoken))
        at = first + math.ceil((at - first) / 16) * 16
        slides.append(TimedSlide(f"s{n:02}", title, None, first, at - first, timed))
    return Timeline(at, slides)


def make_deck() -> Deck:
    slides = [
        Slide(f"s{n:02}", n, "content", [{"k": "text", "t": title}], title, 10 * n, "Today")
        for n, (title, _) in enumerate(LECTURE, 1)
    ]
    figures = [
        {"type": "figure", "id": f"s05b{n}", "step": 0, "line": 50, "name": name, "alt": alt,
         "caption": _caption(caption), "w": 400, "h": 260, "source": ""}
        for n, (name, (caption, alt)) in enumerate(FIGURES.items())
    ]  # fmt: skip
    columns = {"type": "columns", "id": "s05b9", "step": 0, "line": 49, "ratio": [1, 1]}
    slides[4].blocks.append({**columns, "cols": [[figure] for figure in figures]})
    return Deck(
        day=4,
        slug="backpropagation",
        course="50 Days of Deep Learning",
        title="Backpropagation",
        subtitle="How a network finds out which of its weights to blame, in one pass, from the error back",
        run_line="Measured by scripts/day04_backpropagation.py, preset quick, seed 4, on 2 CPU cores, 2026-09-30",
        language="en",
        slides=slides,
        source="lectures/day04_backpropagation.md.j2",
    )


def _caption(text: str) -> list[dict]:
    parts = text.split("$")
    return [{"k": "math", "tex": p} if n % 2 else {"k": "text", "t": p} for n, p in enumerate(parts)]


def make_script() -> Script:
    slides = [
        SpokenSlide(f"s{n:02}", title, [Beat(f"s{n:02}b{i}", i, " ".join(texts), 1) for i, texts in enumerate(beats)])
        for n, (title, beats) in enumerate(LECTURE, 1)
    ]
    return Script(4, "Backpropagation", "en", slides, "lectures/day04_backpropagation.md.j2")


def make_record(folder: Path) -> None:
    for name in FIGURES:
        for theme, ink, paper, hue in (
            ("dark", "#9DABC4", "#0D1321", ("#5CC8FF", "#FFB75E", "#7EE2A8")),
            ("light", "#566378", "#FFFFFF", ("#0A5BD3", "#A84300", "#0B7A45")),
        ):
            drawing = _chart(name, ink, paper, hue)
            (folder / f"figures/{name}.{theme}.svg").write_text(drawing, encoding="utf-8")
    provenance = {
        "script": "scripts/day04_backpropagation.py",
        "script_sha256": "9f2c41d07ab3e6550f1e" + "0" * 44,
        "preset": "quick",
        "settings": {"epochs": 7, "batch": 64, "learning_rate": 0.1},
        "seed": 4,
        "device": "CPU, 2 cores",
        "python": "3.11.2",
        "packages": {"torch": "2.9.0", "numpy": "2.3.4", "matplotlib": "3.10.7"},
        "data": [{"name": "Handwritten digits", "source": "https://archive.ics.uci.edu/dataset/80", "n": 1797}],
        "seconds": 21.43,
        "date": "2026-09-30T08:12:00Z",
    }
    figures = {name: Figure(520.0, 320.0, 88, {f"{name}.dark.svg": "0" * 64}) for name in FIGURES}
    record = Record(4, "backpropagation", METRICS, CLAIMS, figures, {"gradients": [2, 64]}, "0" * 64, provenance)
    record.save(folder / "record.json")


def _chart(name: str, ink: str, paper: str, hues: tuple[str, ...]) -> str:
    """Three falling or rising curves on a grid, 520 x 320."""
    grid = "".join(f'<path d="M60 {y}H500" stroke="{ink}" stroke-opacity=".25"/>' for y in range(40, 281, 60))
    lines = ""
    for n, hue in enumerate(hues):
        fall = [0.15 + 0.8 * math.exp(-i / (5 + 2 * n)) + 0.012 * math.sin(5 * i + n) for i in range(40)]
        values = fall if name == "loss_curve" else [1 - v for v in fall]
        points = " ".join(f"{60 + i * 11.2:.1f},{280 - 240 * v:.1f}" for i, v in enumerate(values))
        lines += f'<polyline points="{points}" fill="none" stroke="{hue}" stroke-width="2.5"/>'
    words = f'<text x="280" y="308" fill="{ink}" font-family="sans-serif" font-size="13">passes</text>'
    frame = f'<rect width="520" height="320" fill="{paper}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 520 320">{frame}{grid}{lines}{words}</svg>'


def make_captions(timeline: Timeline) -> str:
    def stamp(frames: int) -> str:
        return f"{frames // FPS // 60:02}:{frames // FPS % 60:02}.{frames % FPS * 1000 // FPS:03}"

    cues = [
        f"{stamp(s.start)} --> {stamp(s.start + s.frames)}\n{s.written}\n"
        for slide in timeline.slides for beat in slide.beats for s in beat.sentences
    ]  # fmt: skip
    return "WEBVTT\n\n" + "\n".join(cues)


def _draw(at: float, size: tuple[int, int] = (960, 540)) -> Image.Image:
    """A picture that says how far the film is: a network, and a bar at the bottom."""
    image = Image.new("RGB", size, "#0D1321")
    draw = ImageDraw.Draw(image)
    layers = [[(size[0] * (0.5 + 0.15 * i), size[1] * (j + 1) / (n + 1)) for j in range(n)]
              for i, n in enumerate((5, 6, 4))]  # fmt: skip
    for left, right in pairwise(layers):
        for a in left:
            for b in right:
                draw.line((*a, *b), fill="#2B3854", width=2)
    for x, y in (dot for layer in layers for dot in layer):
        draw.ellipse((x - 13, y - 13, x + 13, y + 13), fill="#172036", outline="#5CC8FF", width=3)
    draw.text((60, 190), "Backpropagation", fill="#EEF2FA", font_size=size[1] // 11)
    draw.text((60, 270), "Day 4", fill="#5CC8FF", font_size=size[1] // 20)
    draw.rectangle((0, size[1] - 10, int(size[0] * at), size[1]), fill="#5CC8FF")
    return image


def make_poster(path: Path) -> None:
    _draw(0.0).save(path)


def make_film(path: Path, seconds: float) -> None:
    """One small coded picture a second, and silence: H.264 and AAC, seekable at every second."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as out:
        video = out.add_stream("libx264", rate=1, options={"preset": "ultrafast", "g": "1"})
        video.width, video.height, video.pix_fmt = 480, 270, "yuv420p"
        audio = out.add_stream("aac", rate=8000, layout="mono")
        count = math.ceil(seconds)
        for n in range(count):
            frame = av.VideoFrame.from_ndarray(np.asarray(_draw(n / count, (480, 270))), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 1)
            out.mux(video.encode(frame))
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 8000, n * 8000, Fraction(1, 8000)
            out.mux(audio.encode(sound))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def make_syllabus() -> dict:
    """As lectures/syllabus.yaml: sixteen days in three weeks, of which day 4 is written out."""
    days = [{"day": n, "week": (n + 6) // 7, "title": title} for n, title in SYLLABUS]
    days[3] |= DAY
    return {"weeks": [{"week": n, "title": title} for n, title in enumerate(WEEKS, 1)], "days": days}


def make_site(folder: Path, sample: Sample) -> Path:
    """out/index.html for the one day that `make_day` made in `folder`."""
    from coursebuild.steps.site import site

    inputs = {f"{kind}4": sample.inputs[kind] for kind in ("shown", "timeline", "poster")}
    params = {"course": "50 Days of Deep Learning", "syllabus": make_syllabus()}
    index = folder / "index.html"
    site(inputs | {"page4": sample.products["page"]}, {"index": index}, params, sample.cache)
    return index


if __name__ == "__main__":  # PYTHONPATH=. python tests/page_sample.py FOLDER: pages to look at
    import sys

    from coursebuild.steps.page import page

    day = make_day(Path(sys.argv[1]))
    page(day.inputs, day.products, day.params, day.cache)
    make_site(Path(sys.argv[1]), day)
