"""Click builds and the start of a movie, in the form in which PowerPoint writes them (ECMA-376 part 1, 19.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pptx.oxml.ns import qn

from coursebuild.pptx.xml import element

_SLIDE = "<p:tgtEl><p:sldTgt/></p:tgtEl>"
_NOW = '<p:stCondLst><p:cond delay="0"/></p:stCondLst>'


@dataclass
class Builds:
    """What appears with which click: (shape id, paragraph or None) by step."""

    steps: dict[int, list[tuple[int, int | None]]] = field(default_factory=dict)

    def appear(self, shape: Any, step: int) -> None:
        """Let a whole shape appear in `step`; 0 means that it is there from the start."""
        if step:
            self.steps.setdefault(step, []).append((shape.shape_id, None))

    def appear_by_paragraph(self, shape: Any, steps: list[int]) -> None:
        """Let the paragraphs of a shape appear, each in its step."""
        for number, step in enumerate(steps):
            if step:
                self.steps.setdefault(step, []).append((shape.shape_id, number))

    def write(self, slide: Any) -> None:
        """Put the builds into the slide, one click for each step that reveals something."""
        if not self.steps:
            return
        ids = count(3)
        clicks = "".join(_click(ids, self.steps[step]) for step in sorted(self.steps))
        by_paragraph = sorted({shape for targets in self.steps.values() for shape, p in targets if p is not None})
        builds = "".join(f'<p:bldP spid="{shape}" grpId="0" build="p"/>' for shape in by_paragraph)
        builds = f"<p:bldLst>{builds}</p:bldLst>" if builds else ""
        _replace_timing(slide, _timing(_main_sequence(clicks), builds))


def play_at_once(slide: Any, movie: Any, seconds: float) -> None:
    """Start a movie when its slide is shown; a click on it pauses it and lets it go on."""
    ids = count(3)
    target = f'<p:tgtEl><p:spTgt spid="{movie.shape_id}"/></p:tgtEl>'
    start = _effect(ids, "afterEffect", 1, _command(ids, "playFrom(0.0)", round(seconds * 1000), target))
    begin = '<p:cond delay="indefinite"/><p:cond evt="onBegin" delay="0"><p:tn val="2"/></p:cond>'
    main = _main_sequence(_par(ids, begin, _par(ids, '<p:cond delay="0"/>', start)))
    medium = (
        f'<p:video><p:cMediaNode vol="80000"><p:cTn id="{next(ids)}" fill="hold" display="0"><p:stCondLst>'
        f'<p:cond delay="indefinite"/></p:stCondLst></p:cTn>{target}</p:cMediaNode></p:video>'
    )
    number = next(ids)
    toggle = _effect(ids, "clickEffect", 2, _command(ids, "togglePause", 1, target))
    click = f'<p:cond evt="onClick" delay="0">{target}</p:cond>'
    pause = (
        f'<p:seq concurrent="1" nextAc="seek"><p:cTn id="{number}" restart="whenNotActive" fill="hold" '
        f'evtFilter="cancelBubble" nodeType="interactiveSeq"><p:stCondLst>{click}</p:stCondLst>'
        '<p:endSync evt="end" delay="0"><p:rtn val="all"/></p:endSync><p:childTnLst>'
        + _par(ids, '<p:cond delay="0"/>', _par(ids, '<p:cond delay="0"/>', toggle))
        + f"</p:childTnLst></p:cTn><p:nextCondLst>{click}</p:nextCondLst></p:seq>"
    )
    _replace_timing(slide, _timing(main + medium + pause, ""))


def _click(ids: Iterator[int], targets: list[tuple[int, int | None]]) -> str:
    effects = ""
    for number, (shape, paragraph) in enumerate(targets):
        text = "" if paragraph is None else f'<p:txEl><p:pRg st="{paragraph}" end="{paragraph}"/></p:txEl>'
        target = f'<p:tgtEl><p:spTgt spid="{shape}">{text}</p:spTgt></p:tgtEl>'
        change = (
            f'<p:set><p:cBhvr><p:cTn id="{next(ids)}" dur="1" fill="hold">{_NOW}</p:cTn>{target}<p:attrNameLst>'
            "<p:attrName>style.visibility</p:attrName></p:attrNameLst></p:cBhvr>"
            '<p:to><p:strVal val="visible"/></p:to></p:set>'
        )
        kind = "withEffect" if number else "clickEffect"
        effects += _effect(ids, kind, 1, change, "entr", "" if paragraph is None else 'grpId="0" ')
    return _par(ids, '<p:cond delay="indefinite"/>', _par(ids, '<p:cond delay="0"/>', effects))


def _effect(ids: Iterator[int], node: str, preset: int, inner: str, family: str = "mediacall", group: str = "") -> str:
    return (
        f'<p:par><p:cTn id="{next(ids)}" presetID="{preset}" presetClass="{family}" presetSubtype="0" fill="hold" '
        f'{group}nodeType="{node}">{_NOW}<p:childTnLst>{inner}</p:childTnLst></p:cTn></p:par>'
    )


def _command(ids: Iterator[int], command: str, milliseconds: int, target: str) -> str:
    behaviour = f'<p:cBhvr><p:cTn id="{next(ids)}" dur="{milliseconds}" fill="hold"/>{target}</p:cBhvr>'
    return f'<p:cmd type="call" cmd="{command}">{behaviour}</p:cmd>'


def _par(ids: Iterator[int], condition: str, inner: str) -> str:
    return (
        f'<p:par><p:cTn id="{next(ids)}" fill="hold"><p:stCondLst>{condition}</p:stCondLst>'
        f"<p:childTnLst>{inner}</p:childTnLst></p:cTn></p:par>"
    )


def _main_sequence(inner: str) -> str:
    return (
        '<p:seq concurrent="1" nextAc="seek"><p:cTn id="2" dur="indefinite" nodeType="mainSeq">'
        f"<p:childTnLst>{inner}</p:childTnLst></p:cTn>"
        f'<p:prevCondLst><p:cond evt="onPrev" delay="0">{_SLIDE}</p:cond></p:prevCondLst>'
        f'<p:nextCondLst><p:cond evt="onNext" delay="0">{_SLIDE}</p:cond></p:nextCondLst></p:seq>'
    )


def _timing(inner: str, builds: str) -> Any:
    return element(
        '<p:timing><p:tnLst><p:par><p:cTn id="1" dur="indefinite" restart="never" nodeType="tmRoot">'
        f"<p:childTnLst>{inner}</p:childTnLst></p:cTn></p:par></p:tnLst>{builds}</p:timing>"
    )


def _replace_timing(slide: Any, timing: Any) -> None:
    root = slide._element
    old = root.find(qn("p:timing"))
    if old is not None:  # python-pptx writes one with a movie
        root.remove(old)
    extensions = root.find(qn("p:extLst"))
    if extensions is None:
        root.append(timing)
    else:
        extensions.addprevious(timing)
