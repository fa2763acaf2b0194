"""A deck with every kind of block, as the steps before would hand it over: shown.json, spoken.json, record, clips."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from coursebuild.files import sha256, write_json
from coursebuild.model import Beat, Clip, Clips, Deck, Figure, JsonDict, Record, Script, Section, Slide, SpokenSlide
from coursebuild.theme import tokens

INLINE = re.compile(
    r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`|\*\*(?P<bold>.+?)\*\*|\*(?P<italic>.+?)\*|\[(?P<link>.+?)\]"
)


def spans(text: str) -> list[JsonDict]:
    """Spans of a little Markdown: $math$, `code`, **bold**, *italic*, [link]."""
    out, at = [], 0
    for found in INLINE.finditer(text):
        if found.start() > at:
            out.append({"k": "text", "t": text[at : found.start()]})
        kind, value = found.lastgroup, found[found.lastgroup]
        more = {"bold": {"b": True}, "italic": {"i": True}, "link": {"href": "https://example.org/paper"}}
        if kind == "math":
            out.append({"k": "math", "tex": value})
        else:
            out.append({"k": "code" if kind == "code" else "text", "t": value, **more.get(kind, {})})
        at = found.end()
    return [*out, {"k": "text", "t": text[at:]}] if at < len(text) else out


def bullets(*texts: str, first: int = 0, reveal: bool = False, ordered: bool = False) -> JsonDict:
    """Bullets; a text that begins with "- " is of level 1; with `reveal` each of level 0 has its own step."""
    items, step = [], first - 1 if reveal else first
    for text in texts:
        level = int(text.startswith("- "))
        step += int(reveal and not level)
        items.append({"level": level, "spans": spans(text[2 * level :]), "step": step})
    return {"type": "bullets", "step": first, "ordered": ordered, "items": items}


def math(tex: str, step: int = 0, card: bool = False, size: int = 26) -> JsonDict:
    return {"type": "math", "step": step, "tex": tex, "size": size, "card": card}


def callout(label: str, text: str, step: int = 0, tone: str = "accent") -> JsonDict:
    return {"type": "callout", "step": step, "label": label, "tone": tone, "spans": spans(text)}


def para(text: str, style: str = "body", step: int = 0) -> JsonDict:
    return {"type": "para", "step": step, "style": style, "spans": spans(text)}


def figure(name: str, alt: str, caption: str, w: float, h: float, step: int = 0) -> JsonDict:
    source = "scripts/day04_backpropagation.py, line 212 · full run on NVIDIA H200, 2026-11-20"
    size = {"w": w, "h": h}
    return {
        "type": "figure",
        "step": step,
        "name": name,
        "alt": alt,
        "caption": spans(caption),
        "source": source,
    } | size


def columns(ratio: list[float], *cols: list[JsonDict], step: int = 0) -> JsonDict:
    return {"type": "columns", "step": step, "ratio": ratio, "cols": list(cols)}


def table(head: str, *rows: str, align: list[str], cols: list[float], step: int = 0) -> JsonDict:
    cells = [[spans(cell.strip()) for cell in row.split("|")] for row in (head, *rows)]
    alt = "Four activation functions and the largest slope of each"
    return {
        "type": "table",
        "step": step,
        "head": cells[0],
        "rows": cells[1:],
        "align": align,
        "cols": cols,
        "alt": alt,
    }


ROLES = {"import": "kw", "for": "kw", "in": "kw", "with": "kw", "def": "kw", "return": "kw", "None": "kw"}


def code(source: str, label: str, hl: list[int], step: int = 0) -> JsonDict:
    rows = []
    for line in source.split("\n"):
        text, mark, comment = line.partition("#")
        pieces = re.findall(r"\w+|\W+", text)
        row = [[p, ROLES.get(p, "num" if re.fullmatch(r"[\d_]+", p) else "txt")] for p in pieces]
        rows.append([*row, *([[mark + comment, "com"]] if mark else [])])
    return {"type": "code", "step": step, "label": label, "language": "python", "src": source, "rows": rows, "hl": hl}


def quiz(*options: str, right: int, step: int = 0) -> JsonDict:
    items = [{"spans": spans(o), "correct": i == right} for i, o in enumerate(options)]
    return {"type": "quiz", "step": step, "items": items, "answer_step": step + 1}


CODE = """def backward(loss):
    order = topological(loss)
    loss.grad = 1.0                      # the seed
    for node in reversed(order):
        for parent, local in node.parents:
            parent.grad += node.grad * local   # add, never set"""


def contents() -> list[tuple[str, str, list[JsonDict]]]:
    """(kicker, title, blocks) of every slide after the first."""
    return [
        ("Today", "What you will be able to do", [
            bullets("Explain why **one backward pass** gives the gradient of every weight",
                    r"Derive the error signal $\delta^{(l)}$ with the **chain rule**",
                    r"Compute $\nabla_W \mathcal{L}$ by hand for a two-layer network",
                    "Read and debug `loss.backward()` in PyTorch", reveal=True),
            callout("Key idea", "Gradients flow **backwards** through the same graph that values flow forwards, at "
                    "about **twice** the cost of a forward pass.", step=4)]),
        ("The mathematics", "The chain rule, one local step at a time", [
            math(r"\frac{\partial \mathcal{L}}{\partial w} = \underbrace{\frac{\partial \mathcal{L}}{\partial a}}"
                 r"_{\text{upstream}} \cdot \underbrace{\frac{\partial a}{\partial z}}_{\text{activation}} \cdot "
                 r"\underbrace{\frac{\partial z}{\partial w}}_{\text{local input}}", size=30),
            bullets(r"Each node needs only its **local** derivative, such as $\sigma'(z) = a(1-a)$",
                    r"Multiply along a path; **add** where paths meet: $\sum_k \frac{\partial \mathcal{L}}"
                    r"{\partial z_k} \frac{\partial z_k}{\partial a}$", first=1),
            math(r"\boldsymbol{\delta}^{(l)} = \left(\mathbf{W}^{(l+1)}\right)^{\top} \boldsymbol{\delta}^{(l+1)} "
                 r"\odot \sigma'\left(\mathbf{z}^{(l)}\right)", step=2, card=True)]),
        ("The run", "The gradient shrinks by the same factor at every layer", [
            columns([1.7, 1], [
                figure("decay", "Gradient norm against depth for sigmoid and ReLU on a logarithmic scale: sigmoid "
                       "falls on a straight line, ReLU stays level.",
                       r"Norm of $\partial L / \partial W^{(l)}$, mean of 5 seeds", 540, 270)], [
                bullets("Sigmoid loses a factor of **4.1** per layer", "ReLU keeps **0.97** of it",
                        "- He initialisation, no normalisation", "After 10 layers: $10^{-6}$", first=1,
                        reveal=True)])]),
        ("The code that ran", "All of automatic differentiation in six lines", [
            code(CODE, "scripts/day04_backpropagation.py", [6]),
            bullets("The order comes from the graph that the forward pass built",
                    "`+=`, because a value that is used twice gets two gradients", first=1)]),
        ("Evidence", "Which activation lets gradients through?", [
            table("Activation | Derivative | Max slope | Effect on deep networks",
                  r"Sigmoid | $\sigma(z)(1-\sigma(z))$ | 0.25 | Shrinks the signal at every layer",
                  r"Tanh | $1 - \tanh^2(z)$ | 1.00 | Better, still saturates",
                  r"ReLU | $1$ if $z > 0$, else $0$ | 1.00 | **Passes gradients unchanged** when active",
                  r"GELU | $\Phi(z) + z\,\phi(z)$ | 1.13 | Smooth; the Transformer default",
                  align=["left", "left", "right", "left"], cols=[1.1, 1.7, 1.2, 2.5]),
            callout("Check yourself", r"Ten sigmoid layers scale the gradient by at most $0.25^{10} \approx 10^{-6}$. "
                    "Why does that stop learning?", step=1, tone="accent2")]),
        ("Watch", "One number travels back along every edge", [
            {"type": "animation", "step": 0, "scene": "BackpropFlow", "caption": "", "alt": "Values flow to the right, "
             "then gradients flow back to the left, edge by edge."}]),
        ("Verdict", "Two claims the run decided", [
            callout("HELD", "A backward pass costs **1.9** times a forward pass (we expected 1.5 to 3).", tone="good"),
            callout("DID NOT HOLD", "Checkpointing halves the memory: we measured **0.71**.", step=1, tone="bad"),
            para(r"Both were written down before the run; see `claims` in [Rumelhart, Hinton & Williams, 1986]. "
                 "*Nobody* typed a number.", step=2),
            para("Small print: 5 seeds, batch 64, float32, relative error below $10^{-7}$ against finite differences.",
                 "small", step=2)]),
        ("Quiz", "How often does the backward pass visit a node that is used three times?", [
            para("Think of `+=` before you answer."),
            quiz("Once for each use, so three times", r"Once, after all three gradients have arrived: $\bar v = "
                 r"\sum_k \bar v_k$", "Once for each weight of the network", "That depends on the learning rate",
                 right=1)]),
        ("Exercises", "Forward and backward, side by side", [
            columns([1, 1], [
                para("Forward pass", "head"),
                math(r"\begin{aligned} \mathbf{z}^{(l)} &= \mathbf{W}^{(l)} \mathbf{a}^{(l-1)} + \mathbf{b}^{(l)} \\ "
                     r"\mathbf{a}^{(l)} &= \sigma(\mathbf{z}^{(l)}) \end{aligned}", card=True, size=23),
                bullets("Left to right, layer by layer", "One matrix product per layer")], [
                para("Backward pass", "head2"),
                math(r"\begin{aligned} \nabla_{\mathbf{W}^{(l)}} \mathcal{L} &= \boldsymbol{\delta}^{(l)} "
                     r"\mathbf{a}^{(l-1)\top} \\ \nabla_{\mathbf{b}^{(l)}} \mathcal{L} &= \boldsymbol{\delta}^{(l)} "
                     r"\end{aligned}", card=True, size=23),
                bullets(r"Right to left, reusing stored $\mathbf{a}^{(l)}$", "Two matrix products per layer")]),
            bullets("Derive both for a network with a skip connection", "Check with finite differences", first=1,
                    ordered=True)]),
    ]  # fmt: skip


def _numbered(blocks: list[JsonDict], prefix: str, line: int) -> list[JsonDict]:
    out = []
    for i, block in enumerate(blocks):
        block = {**block, "id": f"{prefix}b{i}", "line": line + i}
        if block["type"] == "columns":
            block["cols"] = [_numbered(c, f"{block['id']}c{n}", line) for n, c in enumerate(block["cols"])]
        out.append(block)
    return out


def _last_step(block: JsonDict) -> int:
    inner = [_last_step(b) for column in block.get("cols", []) if block["type"] == "columns" for b in column]
    return max(
        block["step"], block.get("answer_step", 0), *(i.get("step", 0) for i in block.get("items", [])), *inner, 0
    )


def content_slide(n: int, kicker: str, title: str, blocks: list[JsonDict]) -> Slide:
    sid = f"s{n:02d}"
    kind = "animation" if blocks and blocks[0]["type"] == "animation" else "content"
    text = re.sub(r"[$`*]", "", title)
    steps = max([0, *map(_last_step, blocks)])
    found = _numbered(blocks, sid, 10 * n + 1)
    return Slide(sid, n, kind, spans(title), text, 10 * n, kicker=kicker, blocks=found, steps=steps)


def deck(*slides: tuple[str, str, list[JsonDict]]) -> Deck:
    """A deck with a title slide and these, or those of `contents`."""
    title = Slide("s01", 1, "title", spans("Backpropagation"), "Backpropagation", 1, kicker="Day 4 · Foundations",
                  subtitle=spans("How a network finds out which weight is to blame"))  # fmt: skip
    rest = [content_slide(i, *slide) for i, slide in enumerate(slides or contents(), 2)]
    return Deck(4, "backpropagation", "50 Days of Deep Learning", "Backpropagation", "", "full run on NVIDIA H200, "
                "2026-11-20", "en", [title, *rest], "lectures/day04_backpropagation.md.j2")  # fmt: skip


def _svg(colours: dict[str, str]) -> str:
    lines = "".join(
        f'<polyline fill="none" stroke="{colours[c]}" stroke-width="3" points="60,{a} 500,{b}"/>'
        + "".join(
            f'<circle r="5" fill="{colours[c]}" cx="{60 + 44 * i}" cy="{a + (b - a) * i / 10}"/>' for i in range(11)
        )
        for c, a, b in (("accent", 50, 62), ("accent2", 52, 230))
    )
    axes = f'<path d="M60 20V250H520" fill="none" stroke="{colours["muted"]}" stroke-width="1.5"/>'
    style = f'font-family="Inter" font-size="15" fill="{colours["muted"]}"'
    text = f'<text x="250" y="275" {style}>layer</text><text x="440" y="45" {style}>ReLU</text>'
    text += f'<text x="430" y="195" {style}>sigmoid</text>'
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 540 285" width="540" height="285">'
    return f"{head}{axes}{lines}{text}</svg>"


def write_record(folder: Path, **drawings: tuple[float, float, str]) -> Path:
    """record.json with the figure `decay` in both themes, and `drawings` (width, height, SVG); returns its path."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    figures = {}
    for name, drawing in ({"decay": (540, 285, None)} | drawings).items():
        width, height, svg = drawing
        digests = {}
        for theme in ("dark", "light"):
            path = folder / "figures" / f"{name}.{theme}.svg"
            path.write_text(svg or _svg(tokens(theme)), encoding="utf-8")
            digests[path.name] = sha256(path)
        figures[name] = Figure(width, height, 212, digests)
    where = {"preset": "full", "device": "NVIDIA H200", "date": "2026-11-20T10:00:00Z"}
    Record(4, "backpropagation", {}, {}, figures, {}, "", where).save(folder / "record.json")
    return folder / "record.json"


def write_clips(folder: Path, width: int = 960) -> Path:
    """clips.json with a poster of the scene BackpropFlow (no video: slides do not read it)."""
    folder.mkdir(parents=True, exist_ok=True)
    colours, k = tokens("dark"), width / 960
    picture = Image.new("RGB", (width, width * 9 // 16), colours["bg"])
    pen = ImageDraw.Draw(picture)
    for i in range(4):
        x = (200 + 180 * i) * k
        pen.ellipse((x - 40 * k, 230 * k, x + 40 * k, 310 * k), outline=colours["accent"], width=3)
        if i:
            pen.line((x - 140 * k, 270 * k, x - 40 * k, 270 * k), fill=colours["accent2"], width=3)
    picture.save(folder / "BackpropFlow_0.png")
    sections = [Section("forward", 0, 90)]
    clip = Clip("BackpropFlow.mp4", "", width, width * 9 // 16, sections, ["BackpropFlow_0.png"], "Values flow.")
    Clips({"BackpropFlow": clip}).save(folder / "clips.json")
    return folder / "clips.json"


SAID = (
    r"Every factor in this product is something one node can work out alone. The upstream gradient $\frac{\partial L}"
    r"{\partial y}$ arrives from the right, and `loss.backward()` multiplies it by the local slope.",
    "We do **not** have to believe this. [pause 1.0] Nudge one weight and measure: they agree to seven digits.",
)


def script(shown: Deck) -> Script:
    slides = []
    for slide in shown.slides:
        beats = [Beat(f"{slide.id}v{i}", i, SAID[i % 2], slide.line + i) for i in range(slide.steps + 1)]
        slides.append(SpokenSlide(slide.id, slide.title_text, beats))
    return Script(shown.day, shown.title, shown.language, slides, shown.source)


def write_inputs(
    folder: Path, shown: Deck | None = None, drawings: dict[str, tuple[float, float, str]] | None = None
) -> dict[str, Path]:
    """All inputs of `slides` and `handout` in a folder; `drawings` are further figures of the record."""
    shown = shown or deck()
    write_json(folder / "shown.json", shown.to_json())
    write_json(folder / "spoken.json", script(shown).to_json())
    out: dict[str, Any] = {"shown": folder / "shown.json", "spoken": folder / "spoken.json"}
    return {**out, "record": write_record(folder / "record", **drawings or {}), "clips": write_clips(folder / "clips")}


if __name__ == "__main__":  # python tests/slides_sample.py: accept the present geometry as the golden one
    import sys
    import tempfile

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from coursebuild.steps.slides import slides

    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        made = {"frames": here / "frames", "pdf": here / "s.pdf", "geometry": here / "geometry.json"}
        slides(write_inputs(here), made, {"quality": "draft", "theme": "dark"}, here / "cache")
        target = Path(__file__).parent / "data" / "slides_geometry.json"
        target.write_text(made["geometry"].read_text(encoding="utf-8"), encoding="utf-8")
