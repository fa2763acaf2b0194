"""LaTeX to MathML, Typst, runs and Unicode: a corpus, expected values, and hostile input."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest
import typst
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from coursebuild import mathtex, mathtex_typst
from coursebuild.mathtex import MathError
from coursebuild.typstfonts import typst_fonts

CORPUS = (Path(__file__).parent / "data" / "math_corpus.txt").read_text(encoding="utf-8").splitlines()
REFUSED = {r"\textcolor{#ff0000}{x} + y"}  # colours of a formula have names: \textcolor{red}{x}
PRELUDE = '#set page(width: auto, height: auto)\n#show math.equation: set text(font: "STIX Two Math")\n'


def compiles(*formulas: str) -> bytes:
    """An SVG of the formulas; Typst raises where one is not valid."""
    text = PRELUDE + "\n".join(f"$ {f} $" for f in formulas)
    return typst.compile(text.encode(), format="svg", font_paths=typst_fonts())


@pytest.mark.parametrize("tex", CORPUS)
def test_the_corpus_converts_or_is_known_to_be_refused(tex: str) -> None:
    if tex in REFUSED:
        with pytest.raises(MathError) as caught:
            mathtex.mathml(tex, True)
        assert tex in str(caught.value)
        return
    for display in (True, False):
        root = etree.fromstring(mathtex.mathml(tex, display))
        assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
        assert mathtex.typst(tex, display)
    assert mathtex.unicode(tex)
    mathtex.runs(tex)


def test_typst_compiles_the_corpus() -> None:
    assert len(CORPUS) == 82
    good = [t for t in CORPUS if t not in REFUSED]
    compiles(*(mathtex.typst(t, d) for t in good for d in (True, False)))


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\delta^{(l)}", "δ⁽ˡ⁾"),
        (r"\frac{\partial L}{\partial w_{ij}}", "∂L/∂wᵢⱼ"),
        (r"10^{-3}", "10⁻³"),
        (r"x = -\frac{a+b}{2}", "x = −(a + b)/2"),
        (r"\hat{y} \in \mathbb{R}^n", "ŷ ∈ ℝⁿ"),
        (r"\theta_{t+1} = \theta_t - \eta g", "θₜ₊₁ = θₜ − ηg"),
        (r"-\sum_i y_i \log p_i", "−∑ᵢyᵢ log pᵢ"),
        (r"\sqrt{d_k}", "√dₖ"),
        (r"1{,}000", "1,000"),
        (r"\underbrace{a}_{\text{upstream}} b", "a (upstream)b"),
        (r"\binom{n}{k}", "(n choose k)"),
        (r"x^{2^3}", "x^(2³)"),
        (r"\argmax_\theta p(\theta)", "arg max_θ p(θ)"),
    ],
)
def test_unicode(tex: str, text: str) -> None:
    assert mathtex.unicode(tex).replace("\u2009", " ") == text


def test_runs_are_native_text_with_levels() -> None:
    found = mathtex.runs(r"\hat{y}_i = W x^2")
    assert found is not None
    assert [(r.text.strip(), r.level) for r in found if r.text.strip()] == [
        ("ŷ", 0),
        ("i", -1),
        ("=", 0),
        ("Wx", 0),
        ("2", 1),
    ]
    assert next(r for r in found if r.text == "i").italic
    assert mathtex.runs(r"\mathbf{x}")[0].bold


@pytest.mark.parametrize(
    "tex", ["x^{2^3}", r"\begin{pmatrix}1\\2\end{pmatrix}", r"\underbrace{a}_{b}", r"\hat{xy}", r"\boxed{x}"]
)
def test_runs_refuse_what_a_line_would_falsify(tex: str) -> None:
    assert mathtex.runs(tex) is None


@pytest.mark.parametrize(
    ("tex", "why"),
    [
        (r"\notacommand{x}", "notacommand"),
        (r"\frac{1}", "cannot be set"),
        ("  ", "empty"),
        ("x" * 3000, "3000 characters"),
        ("\\frac".replace("\\f", "\f"), "U+000C"),
        (r"\begin{align}a&=b\end{align}", "numbered"),
        (r"\sqrt{" * 60 + "x" + "}" * 60, "deep"),
    ],
)
def test_mistakes_name_the_formula_and_the_reason(tex: str, why: str) -> None:
    with pytest.raises(MathError, match=re.escape(why)) as caught:
        mathtex.typst(tex, True)
    assert tex.strip()[:20] in caught.value.tex or "\f" in tex
    again = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(again, MathError) and str(again) == str(caught.value)


def test_characters_are_those_of_the_formula() -> None:
    assert mathtex.characters(r"\alpha + \text{中}") == {"α", "+", "中"}


# ------------------------------------------------------------------ no text becomes code

SNIPPETS = (
    r"\frac \sqrt \left( \right) \left. \right| { } ^ _ & \\ \hat \text{ \text{a%b} \mathrm{ \sum \int \lim \limits "
    r"\begin{cases} \end{cases} \begin{aligned} \end{aligned} \xrightarrow \color{red} \boxed \cancel \phantom \quad "
    r"\middle| \underbrace{a}_{b} \overline x y 1 23 # $ ' ` ~ @ * / // /* */ -- => := ... α 中 \alpha \, \! \big( "
    r"\mathbf{ab} \binom \not \mid \stackrel \tag{1} \# \$ \& \% \_ \{ \} \| | < > ; , . : ! #panic() #eval( "
    r"\texttt{a\b} \newcommand{\q}{x} \substack{a\\b}"
)
PIECES = st.sampled_from([*SNIPPETS.split(), '"', '\\text{"#b}'])
LATEX = st.lists(PIECES, min_size=1, max_size=9).map("".join) | st.lists(PIECES, min_size=1, max_size=9).map(" ".join)
CALLS = (
    "attach|frac|lr|sqrt|root|mat|op|upright|accent|overline|underline|(?:over|under)(?:brace|bracket|paren)|limits|"
    "stretch|class|display|inline|script|sscript|mono|bold|italic|cancel|mid"
)
ALLOWED = [
    r"\\u\{[0-9a-f]+\}",
    r"#h\(-?[\d.]+em\)",
    r'#text\(fill: rgb\("#[0-9A-Fa-f]{6}"\), ',
    r"#context box\(stroke: 0\.05em \+ text\.fill, inset: 0\.25em, baseline: 0\.25em, ",
    r"#hide\(",
    rf"(?:{CALLS})\(",
    r"(?:br|tr|b|t|size|delim|align|column-gap|row-gap|augment|inverted): ",
    r"#(?:none|left|true|0%|[\d.]+em|\(100% \+ 1em\)|\((?:[vh]line: \((?:\d+, ?)*\d+,\)(?:, )?)+\))",
    r"hat|tilde|macron|dot\.double|dot\.triple|dot|arrow\.l\.r|arrow\.l|arrow|caron|grave|acute|breve|circle",
    r"\d+(?:\.\d+)?|[^\W\d_](?![^\W\d_])[\ufe00\ufe01]?",
    r"[ ,;&)$]",
]
TOKEN = re.compile("|".join(['"(?:[^"\\\\]|\\\\.)*"', *ALLOWED]))


def foreign(markup: str) -> str:
    """What is left of Typst markup when quoted text, escapes and the words of our own converter are taken away."""
    return TOKEN.sub("", markup)


@settings(max_examples=300, deadline=None)
@given(LATEX | st.text(max_size=40))
@example('\\text{"} #panic("x") \\text{"}')
@example(r"\text{\\} #panic() \texttt{\"}")
@example("$ #eval $")
def test_any_input_gives_a_result_or_a_math_error(tex: str) -> None:
    try:
        found = [mathtex.typst(tex, d) for d in (True, False)]
    except MathError as error:
        assert error.why in str(error)
        return
    mathtex.unicode(tex)
    mathtex.runs(tex)
    for markup in found:
        assert foreign(markup) == "", markup
    compiles(*found)


def test_the_lexical_check_sees_code() -> None:
    assert foreign('#panic("x")') and foreign("sys.version") and foreign("#text(fill: red)[x]")


@pytest.mark.parametrize(
    "text", ['" #panic() "', "\\\\", "\\", "#sys.inputs", "*bold* _it_", "// comment", '\\"', "${x}$", "\u202e <b>"]
)
def test_text_stays_text(text: str) -> None:
    """The string arrives letter by letter: Typst itself reads it back."""
    assert json.loads(typst.eval(b"", f"${mathtex_typst.quoted(text)}$.body.text")) == text
