"""A small day with every type of block, as the steps before the slides would hand it over. No build is needed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from coursebuild.files import sha256
from coursebuild.model import Beat, Clip, Clips, Deck, Figure, Record, Script, Section, Slide, SpokenSlide

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'single' ]]> --> {{ 7*7 }} {% raw %} <b>"
UNWRITABLE = "nul\x00 bell\x07 surrogate\ud83d end"
ALT = "The loss falls from 2.30 to 0.21 within 40 steps, most of it in the first ten."


def t(text: str, **style: Any) -> dict[str, Any]:
    return {"k": "text", "t": text, **style}


def m(tex: str) -> dict[str, Any]:
    return {"k": "math", "tex": tex}


def c(text: str) -> dict[str, Any]:
    return {"k": "code", "t": text}


def bullets(*items: list, steps: list[int] | None = None, levels: list[int] | None = None, **more: Any) -> dict:
    steps, levels = steps or [0] * len(items), levels or [0] * len(items)
    rows = [{"level": lv, "spans": s, "step": st} for s, st, lv in zip(items, steps, levels, strict=True)]
    return {"type": "bullets", "step": 0, "ordered": False, "items": rows, **more}


CODE = [
    [["import", "kw"], [" torch", "txt"]],
    [],
    [["loss = ((net(x) - y) ** ", "txt"], ["2", "num"], [").mean()   ", "txt"], ["# forward", "com"]],
    [["loss.", "txt"], ["backward", "fn"], ["()", "txt"]],
    [["print", "fn"], ["(", "txt"], ['"a < b & c -> d"', "str"], [")", "txt"]],
]


def contents() -> list[tuple[str, str, list, list[dict]]]:
    """(kicker, kind, title, blocks) of each slide."""
    formula = r"\frac{\partial L}{\partial w} = \underbrace{\frac{\partial L}{\partial y}}_{\text{upstream}}"
    formula += r" \cdot \frac{\partial y}{\partial z} \cdot \frac{\partial z}{\partial w}"
    listing = "\n".join("".join(text for text, _ in row) for row in CODE)
    code = {"type": "code", "step": 0, "label": "scripts/day04.py, lines 1-5", "language": "python", "src": listing}
    figure = {"type": "figure", "step": 0, "name": "loss", "alt": ALT, "w": 520.0, "h": 300.0}
    figure |= {"caption": [t("Loss of the run, "), m(r"\eta = 0.1")], "source": "scripts/day04.py, line 12 · cpu"}
    table = {
        "type": "table",
        "step": 0,
        "alt": "Four activation functions and their slopes",
        "cols": [1.1, 1.7, 1.2, 2.3],
    }
    table |= {"align": ["left", "left", "right", "left"]}
    table |= {"head": [[t("Activation")], [t("Derivative")], [t("Max slope")], [t("Effect on deep networks")]]}
    table |= {
        "rows": [
            [[t("Sigmoid")], [m(r"\sigma(z)(1-\sigma(z))")], [t("0.25")], [t("Shrinks the signal at every layer")]],
            [[t("Tanh")], [m(r"1 - \tanh^2(z)")], [t("1.00")], [t("Better, still saturates")]],
            [
                [t("ReLU")],
                [t("1 or 0")],
                [t("1.00")],
                [t("Passes gradients", b=True), t(" unchanged when it is active")],
            ],
        ]
    }
    choices = [
        ([t("Once for every weight")], False),
        ([t("Once for the whole network, whatever the number of weights")], True),
        ([t("Once for every layer, "), m(r"O(n^2)"), t(" in all")], False),
    ]
    quiz = {"type": "quiz", "step": 0, "answer_step": 1, "items": [{"spans": s, "correct": ok} for s, ok in choices]}
    columns = {"type": "columns", "step": 0, "ratio": [1.5, 1]}
    columns["cols"] = [
        [{**code, "hl": [4]}],
        [
            bullets(
                [t("The graph is built "), t("while", b=True), t(" the forward pass runs")],
                [c("backward()"), t(" fills "), c("p.grad"), t(" with "), m(r"\partial L / \partial p")],
                steps=[1, 2],
            )
        ],
    ]
    return [
        ("Start", "title", [t("Backpropagation")], []),
        (
            "Start",
            "content",
            [t("What you will be able to "), t("do", i=True)],
            [
                bullets(
                    [t("Explain why "), t("one backward pass", b=True), t(" gives every gradient")],
                    [t("Derive the error signal "), m(r"\delta^{(l)}"), t(" with the chain rule")],
                    [t("even where "), m(r"x^{2^{3}}"), t(" needs two dimensions")],
                    [t("Read "), t("the paper", href="https://www.nature.com/articles/323533a0?a=1&b=2")],
                    steps=[0, 1, 1, 2],
                    levels=[0, 0, 1, 0],
                ),
                {"type": "callout", "step": 3, "label": "Key idea", "tone": "accent"}
                | {
                    "spans": [
                        t("Gradients flow backwards at about "),
                        t("twice", b=True),
                        t(" the cost of a forward pass."),
                    ]
                },
            ],
        ),
        (
            "The maths",
            "content",
            [t("The chain rule, one local step at a time")],
            [
                {"type": "math", "step": 1, "tex": formula, "size": 28, "card": False},
                {
                    "type": "para",
                    "step": 1,
                    "style": "body",
                    "spans": [t("Each factor is something one node works out alone.")],
                },
                {"type": "math", "step": 2, "tex": r"\delta^{(l)} = (W^{(l+1)})^\top \delta^{(l+1)} \odot \sigma'(z)"}
                | {"size": 24, "card": True},
            ],
        ),
        ("The maths", "animation", [t("Gradients flow back")], [{"type": "animation", "step": 0, "scene": "Flow"}]),
        ("Evidence", "content", [t("The loss of the run")], [figure]),
        ("Evidence", "content", [t("Autograd does exactly this")], [columns]),
        (
            "Evidence",
            "content",
            [t("Which activation lets gradients through?")],
            [
                table,
                {"type": "callout", "step": 1, "label": "Check yourself", "tone": "accent2"}
                | {"spans": [t("Ten sigmoid layers scale by at most "), m(r"0.25^{10} \approx 10^{-6}"), t(".")]},
            ],
        ),
        (
            "Check",
            "content",
            [t("How often does the backward pass run?")],
            [quiz, {"type": "para", "step": 1, "style": "small", "spans": [t("That is why it scales.")]}],
        ),
        (
            "Check",
            "content",
            [t(f"Odd text {HOSTILE[:24]}")],
            [
                bullets(
                    [t(HOSTILE)],
                    [t("Second, "), t("bold italic", b=True, i=True)],
                    [c("a && b < c; '\"'")],
                    ordered=True,
                    steps=[0, 1, 2],
                ),
                {"type": "para", "step": 0, "style": "head2", "spans": [t("Second heading & more")]},
            ],
        ),
    ]


def numbered(blocks: list[dict], slide: str) -> list[dict]:
    """Give blocks, those in columns too, their ids and lines."""
    out = []
    for number, block in enumerate(blocks):
        block = {**block, "id": f"{slide}b{number}", "line": 10 + number}
        if block["type"] == "columns":
            block["cols"] = [numbered(col, f"{block['id']}c{i}") for i, col in enumerate(block["cols"])]
        if block["type"] == "animation":
            block |= {"alt": "Numbers travel from the loss back to the weights.", "caption": []}
        if block["type"] == "code":
            block["rows"] = CODE
        out.append(block)
    return out


def last_step(blocks: list[dict]) -> int:
    """The highest step of the blocks; written anew here, so that the tests do not trust the builder's count."""
    steps = [0]
    for block in blocks:
        steps += [block["step"], block.get("answer_step", 0)] + [i.get("step", 0) for i in block.get("items", [])]
        for column in block.get("cols", []) if block["type"] == "columns" else []:
            steps.append(last_step(column))
    return max(steps)


def make(folder: Path, theme_names: tuple[str, ...] = ("dark", "light")) -> dict[str, Path]:
    """Write the sample into `folder`; the paths are the inputs of the pptx and html steps, without the geometry."""
    slides, spoken = [], []
    for n, (kicker, kind, title, blocks) in enumerate(contents(), 1):
        sid = f"s{n:02d}"
        blocks = numbered(blocks, sid)
        text = "".join(s["t"] for s in title)
        subtitle = [t("How a network assigns blame, and learns from it")] if kind == "title" else []
        steps = last_step(blocks)
        slides.append(Slide(sid, n, kind, title, text, 7 * n, kicker, subtitle, blocks, steps))
        said = [f"Beat {k} of slide {n}: **every** factor, $\\delta^{{(l)}}$ and `p.grad`." for k in range(steps + 1)]
        sections = len(said) if kind != "animation" else 2
        if kind == "animation":
            said = ["The forward pass leaves a value in every node.", "The backward pass sends one number back."]
        beats = [
            Beat(f"{sid}v{k}", 0 if kind == "animation" else k, s, n, k if sections == 2 else None)
            for k, s in enumerate(said)
        ]
        spoken.append(SpokenSlide(sid, text, beats, "Flow" if kind == "animation" else None))
    course, where = "50 Days of Deep Learning", "lectures/day04_sample.md.j2"
    run = "quick run on a CPU, 2025-01-02"
    deck = Deck(4, "day04_sample", course, "Backpropagation", "How blame travels", run, "en", slides, where)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shown.json").write_text(_json(deck), encoding="utf-8")
    (folder / "spoken.json").write_text(_json(Script(4, "Backpropagation", "en", spoken, where)), encoding="utf-8")
    make_clips(folder / "clips")
    make_record(folder / "record", theme_names)
    return {
        name: folder / f
        for name, f in (("shown", "shown.json"), ("spoken", "spoken.json"), ("clips", "clips"), ("record", "record"))
    }


def make_with_geometry(folder: Path) -> dict[str, Path]:
    """The sample with the geometry of the real layout engine, and the cache that it used."""
    from coursebuild.steps.slides import slides

    made = make(folder)
    geometry = folder / "geometry.json"
    inputs = {"shown": made["shown"], "record": made["record"] / "record.json", "clips": made["clips"] / "clips.json"}
    products = {"frames": folder / "frames", "pdf": folder / "slides.pdf", "geometry": geometry}
    slides(inputs, products, {"quality": "draft", "theme": "dark"}, folder / "cache")
    return {**made, "geometry": geometry, "cache": folder / "cache"}


def _json(value: Any) -> str:
    import json

    return json.dumps(value.to_json(), ensure_ascii=True)  # lone surrogates survive as escapes


def make_clips(folder: Path) -> None:
    """Two sections of 45 frames: a square that travels to the right, then back."""
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(folder / "Flow.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"threads": "1", "preset": "veryfast", "g": "45"})
        stream.width, stream.height, stream.pix_fmt = 480, 270, "yuv420p"
        stream.time_base = Fraction(1, 30)
        for n in range(90):
            picture = np.full((270, 480, 3), (13, 19, 33), np.uint8)
            x = 40 + 8 * (n if n < 45 else 89 - n)
            picture[20:44, 30:300] = (238, 242, 250)  # the title that the scene draws
            picture[115:155, x : x + 40] = (92, 200, 255)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = n
            out.mux(stream.encode(frame))
            if n in (44, 89):
                frame.to_image().save(folder / f"Flow_{n // 45}.png")
        out.mux(stream.encode())
    sections = [Section("forward", 0, 45), Section("backward", 45, 45)]
    alt = "Numbers travel from the loss back to the weights."
    clip = Clip("Flow.mp4", sha256(folder / "Flow.mp4"), 480, 270, sections, ["Flow_0.png", "Flow_1.png"], alt)
    Clips({"Flow": clip}).save(folder / "clips.json")


def make_record(folder: Path, theme_names: tuple[str, ...]) -> None:
    """A record with one figure, drawn by matplotlib in each theme."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    (folder / "figures").mkdir(parents=True, exist_ok=True)
    digests = {}
    for name in theme_names:
        ink = {"dark": "#EEF2FA", "light": "#131A2A"}[name]
        with plt.rc_context({"svg.hashsalt": "sample", "axes.edgecolor": ink, "xtick.color": ink, "ytick.color": ink}):
            picture, axes = plt.subplots(figsize=(520 / 72, 300 / 72), layout="constrained")
            axes.set(xlabel="step", ylabel="loss", facecolor="none")
            axes.xaxis.label.set_color(ink)
            axes.yaxis.label.set_color(ink)
            axes.plot(2.1 * np.exp(-np.arange(40) / 8) + 0.2, color={"dark": "#5CC8FF", "light": "#0A5BD3"}[name], lw=3)
            for suffix in ("svg", "png"):
                path = folder / "figures" / f"loss.{name}.{suffix}"
                extra = {"metadata": {"Date": None}} if suffix == "svg" else {"dpi": 144}
                picture.savefig(path, transparent=True, **extra)
                digests[path.name] = sha256(path)
            plt.close(picture)
    provenance = {
        "script": "scripts/day04_sample.py",
        "script_sha256": "0123456789abcdef" * 4,
        "preset": "quick",
        "settings": {},
        "seed": 7,
        "device": "cpu",
        "python": "3.11.2",
        "packages": {"torch": "2.5.1", "numpy": "2.1.0"},
        "data": [{"name": "digits", "source": "scikit-learn", "n": 1797}],
        "seconds": 12.5,
        "date": "2025-01-02T03:04:05Z",
    }
    figures = {"loss": Figure(520.0, 300.0, 12, digests)}
    Record(4, "day04_sample", {"loss": 0.21}, {}, figures, {}, "", provenance).save(folder / "record.json")
