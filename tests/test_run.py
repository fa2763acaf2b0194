"""The run step: tiny scripts in a real process; what is kept, and how each mistake is told."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coursebuild.errors import CourseError
from coursebuild.files import ROOT, read_json, sha256
from coursebuild.keys import closure
from coursebuild.model import Record
from coursebuild.script_runner import capitals_of_first_cell, first_code_cell
from coursebuild.steps import run as step

THEMES = read_json(ROOT / "templates" / "theme.json")["themes"]
GOOD = """\
# %% [markdown]
# # Tiny

# %%
import matplotlib.pyplot as plt
import numpy as np
from lab import plots, settings

P = settings.choose(seed=3, epochs=(1, 2, 3))
RATE = 0.5
LIMIT_SECONDS = {"smoke": 60, "quick": 60, "full": 60}

# %%
NOT_A_SETTING = 1
metrics, claims, arrays = {}, {}, {}
metrics["error"] = np.float32(0.25)
metrics.update(count=np.int64(7), name="net", each=[np.float64(1.0), 2])
claims["two is less than three"] = np.bool_(True)
claims["three is less than two"] = False
arrays["grid"] = np.arange(6, dtype=np.float32).reshape(2, 3)

# %%
fig, ax = plt.subplots(num="tiny_curve")
ax.errorbar([1, 2, 3], [3, 1, 2], yerr=0.2, label="loss")
ax.fill_between([1, 2, 3], [1, 1, 1], color=plots.colour("good"), alpha=0.3)
ax.axhline(2, color=plots.colour("muted"), linestyle=":")
ax.scatter([1, 2], [2, 2], c=plots.colour("violet"))
ax.bar([1], [1], color=plots.colour("bad"), edgecolor=plots.colour("text"))
ax.annotate("here", (2, 1), (2.5, 2.5), arrowprops={"color": plots.colour("accent2")},
            bbox={"facecolor": plots.colour("surface")})
ax.set(xlabel="epoch", yscale="log")
ax.legend()
plt.figure("second")
plt.plot([0, 1])
plt.figure()
print("hello")
"""


@pytest.fixture(autouse=True, scope="module")
def no_fonts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Figures in matplotlib's own font: these tests are about other things."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DL50_FONTS", str(tmp_path_factory.mktemp("fonts")))
        yield


def measure(tmp_path: Path, source: str, preset: str | None = "smoke", **params: object) -> Record:
    script = tmp_path / "day07_tiny.py"
    script.write_text(source)
    record = tmp_path / "record"
    step.run({"script": script}, {"record": record}, {"preset": preset, **params}, tmp_path / "cache")
    return Record.load(record / "record.json")


def mistake(tmp_path: Path, source: str, **params: object) -> CourseError:
    with pytest.raises(CourseError) as caught:
        measure(tmp_path, source, **params)
    return caught.value


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, Path]:
    folder = tmp_path_factory.mktemp("good")
    return measure(folder, GOOD, settings={"epochs": 9}), folder / "record"


def test_numbers_claims_and_arrays_are_kept(good: tuple[Record, Path]) -> None:
    record, folder = good
    assert record.metrics == {"error": 0.25, "count": 7, "name": "net", "each": [1.0, 2]}
    assert record.claims == {"two is less than three": True, "three is less than two": False}
    assert record.arrays == {"grid": [2, 3]}
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert arrays["grid"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert record.arrays_sha256 == sha256(folder / "arrays.npz")
    assert (record.day, record.slug) == (7, "tiny")


def test_provenance_says_where_the_numbers_come_from(good: tuple[Record, Path]) -> None:
    record, folder = good
    p = record.provenance
    assert p["settings"] == {"preset": "smoke", "seed": 3, "epochs": 9, "RATE": 0.5}
    assert (p["preset"], p["seed"], p["data"]) == ("smoke", 3, [])
    assert p["script_sha256"] == sha256(folder.parent / "day07_tiny.py")
    assert {"numpy", "matplotlib"} <= set(p["packages"])
    assert p["device"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", f"{p['date']}T{p['time']}")
    assert (folder / "stdout.log").read_text() == "hello\n"
    assert sorted(f.name for f in folder.iterdir()) == ["arrays.npz", "figures", "record.json", "stdout.log"]


def test_labelled_figures_are_saved_twice_with_their_line(good: tuple[Record, Path]) -> None:
    record, folder = good
    lines = GOOD.splitlines()
    assert set(record.figures) == {"tiny_curve", "second"}
    for name, figure in record.figures.items():
        assert f'"{name}"' in lines[figure.line - 1]
        assert (figure.width, figure.height) == pytest.approx((7.2 * 72, 4.0 * 72))
        assert set(figure.sha256) == {f"{name}.{t}.{e}" for t in ("dark", "light") for e in ("svg", "png")}
        for file, digest in figure.sha256.items():
            assert sha256(folder / "figures" / file) == digest


def test_the_light_figure_has_no_dark_colour_left(good: tuple[Record, Path]) -> None:
    folder = good[1] / "figures"
    dark, light = THEMES["dark"], THEMES["light"]
    dark_svg = (folder / "tiny_curve.dark.svg").read_text().lower()
    light_svg = (folder / "tiny_curve.light.svg").read_text().lower()
    for name in ("accent", "accent2", "good", "bad", "violet", "muted", "text", "surface", "line"):
        assert dark[name].lower() in dark_svg, name
        assert dark[name].lower() not in light_svg, name
        assert light[name].lower() in light_svg, name
    shapes = r"#[0-9a-f]{6}"  # the pictures differ in nothing but their colours (and their ids)
    bare = [re.sub(r'(id|href|clip-path)="[^"]*"', "", re.sub(shapes, "", text)) for text in (dark_svg, light_svg)]
    assert bare[0] == bare[1]


def test_no_pixel_of_the_light_picture_is_dark_themed(good: tuple[Record, Path]) -> None:
    picture = np.asarray(Image.open(good[1] / "figures" / "tiny_curve.light.png").convert("RGBA"))
    opaque = {tuple(int(v) for v in pixel[:3]) for pixel in picture[picture[..., 3] == 255]}
    for name in ("accent", "accent2", "good", "bad", "violet", "muted", "text", "line", "surface"):
        value = THEMES["dark"][name]
        assert tuple(int(value[i : i + 2], 16) for i in (1, 3, 5)) not in opaque, name


def test_the_same_script_draws_the_same_bytes(good: tuple[Record, Path], tmp_path: Path) -> None:
    again = measure(tmp_path, GOOD, settings={"epochs": 9})
    assert again.figures == good[0].figures
    assert again.arrays_sha256 == good[0].arrays_sha256


def test_figures_that_show_a_stand_in_say_so_and_earlier_ones_do_not(tmp_path: Path) -> None:
    source = """\
import matplotlib.pyplot as plt
from lab import sources

plt.figure("before", figsize=(3, 2))
sources.note_standin("cifar10", "training set", 5)
plt.figure("after", figsize=(3, 2))
for name in ("before", "after"):
    plt.figure(name).add_subplot().plot([0, 1])
metrics = {"a": 1}
claims = {"b": True}
"""
    record = measure(tmp_path, source)
    assert [d["standin"] for d in record.provenance["data"]] == [True]
    sizes = {}
    for name in ("before", "after"):
        with Image.open(tmp_path / "record" / "figures" / f"{name}.dark.png") as picture:
            pixels = np.asarray(picture.convert("RGBA"))[..., 3] > 0
        bottom = pixels[-max(1, pixels.shape[0] // 8) :]  # where a line below the axes' numbers would be
        sizes[name] = bottom.any(axis=0).sum()
    assert sizes["after"] > sizes["before"]


def test_an_unlabelled_figure_is_a_warning(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nmetrics = {'a': 1}\nclaims = {'b': False}\n"
    record = measure(tmp_path, source)
    _, err = capfd.readouterr()
    assert record.figures == {}
    assert "has no label" in err


def test_a_failing_script_names_the_authors_line_and_keeps_the_log(tmp_path: Path) -> None:
    source = "import numpy as np\nprint('before')\n\ndef f(x):\n    return np.linalg.inv(x)\n\nf(np.zeros((2, 2)))\n"
    error = mistake(tmp_path, source)
    assert (Path(error.file).name, error.line) == ("day07_tiny.py", 5)
    assert "LinAlgError: Singular matrix" in error.what
    assert "day07_tiny.py:7" in error.hint
    log = (tmp_path / "cache" / "logs" / "day07_tiny.log").read_text()
    assert log.startswith("before")
    assert "Traceback" in log
    assert not (tmp_path / "record" / "record.json").exists()


CASES = {  # what is wrong -> (script, words of the error, line)
    "nan": ("metrics = {}\n\nmetrics['x'] = 1\nmetrics[\"loss\"] = float('nan')\n", "metric `loss` is nan", 4),
    "inf": ("metrics = dict(\n    a=1,\n    b=float('inf'),\n)\n", "metric `b` is inf", 3),
    "nothing": ("x = 1\n", "measured nothing", 1),
    "empty": ("metrics = {}\n", "measured nothing", 1),
    "not json": ('import numpy as np\nmetrics = {"w": np.zeros(3)}\n', "`w` is a numpy.ndarray", 2),
    "claim": ('metrics = {"a": 1}\nclaims = {"it is big": 3.5}\n', "`it is big` is neither true nor false", 2),
    "array": ('metrics = {"a": 1}\narrays = {"w": [1.0, float("nan")]}\n', "array `w` holds a NaN", 2),
    "syntax": ("metrics = {}\nif True\n", "is not Python", 2),
    "exit": ("import sys\nsys.exit(3)\n", "SystemExit: 3", 2),
    "died": ("import os\nos._exit(7)\n", "status 7", 1),
    "label": (
        'import matplotlib.pyplot as plt\nmetrics = {"a": 1}\nplt.figure("My figure")\n',
        "`My figure` cannot name a file",
        3,
    ),
    "kind": ("metrics = [1]\n", "must be a dictionary", 1),
}


@pytest.mark.parametrize("case", CASES)
def test_mistakes_name_the_line(case: str, tmp_path: Path) -> None:
    source, words, line = CASES[case]
    error = mistake(tmp_path, source)
    assert words in error.what
    assert error.line == line
    assert Path(error.file).name == "day07_tiny.py"


def test_the_limit_stops_the_script_and_its_children(tmp_path: Path) -> None:
    source = (
        "import subprocess\nLIMIT_SECONDS = {'smoke': 3, 'full': 60}\n"
        "child = subprocess.Popen(['sleep', '60'])\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    error = mistake(tmp_path, source)
    assert "limit of 3 seconds" in error.what
    assert error.line == 2
    pid = int((tmp_path / "record" / "stdout.log").read_text())
    status = Path(f"/proc/{pid}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"


def test_a_setting_without_effect_is_an_error(tmp_path: Path) -> None:
    error = mistake(tmp_path, "metrics = {'a': 1}\n", settings={"epochs": 3})
    assert "epochs=3 had no effect" in error.what
    misspelt = mistake(tmp_path, GOOD, settings={"epoch": 3})
    assert "did you mean `epochs`?" in misspelt.hint
    assert misspelt.line == 9


def test_a_bare_machine_is_enough(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Neither the step nor the process that it starts imports more than a script may."""
    for module in ("coursebuild/script_runner.py", "coursebuild/figures.py"):
        assert set(closure(ROOT / module, (ROOT, ROOT / "scripts"))[1]) <= {"numpy", "matplotlib"}
    monkeypatch.delenv("DL50_FONTS")
    monkeypatch.delitem(sys.modules, "coursebuild.fonts", raising=False)
    monkeypatch.setitem(sys.modules, "fontTools", None)  # as if it were not installed
    assert step.fonts() == []
    assert "DejaVu" in capsys.readouterr().err


def test_limits(tmp_path: Path) -> None:
    script = tmp_path / "s.py"
    script.write_text("LIMIT_SECONDS = {'smoke': 5, 'quick': 60}\n")
    assert step.limit_of(script, "quick") == 60
    assert step.limit_of(script, None) == 60
    with pytest.raises(CourseError, match="preset full"):
        step.limit_of(script, "full")
    script.write_text("x = 1\n")
    assert step.limit_of(script, "smoke") == step.LIMITS["smoke"]


def test_first_cell() -> None:
    assert first_code_cell(GOOD) == (4, 13)
    assert list(capitals_of_first_cell(GOOD)) == ["P", "RATE", "LIMIT_SECONDS"]
