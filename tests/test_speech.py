"""What the narrator is given to say, and what captions show of it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coursebuild.errors import CourseError
from coursebuild.model import Word
from coursebuild.speech import lexicon, numbers
from coursebuild.speech.code import code
from coursebuild.speech.latex import latex
from coursebuild.speech.sentences import split
from coursebuild.speech.spoken import spoken
from coursebuild.speech.text import text
from coursebuild.speech.words import Phoneme, spoken_words, written_words
from coursebuild.speech.written import written

TEXT = {
    # numbers
    "98.26 %": "ninety-eight point two six percent",
    "98.26\u00a0%": "ninety-eight point two six percent",
    "1.4e-10": "one point four times ten to the minus ten",
    "1.4 × 10⁻¹⁰": "one point four times ten to the minus ten",
    "1.4\u00a0×\u00a010⁻¹⁰": "one point four times ten to the minus ten",
    "1e-3": "ten to the minus three",
    "10^-4": "ten to the minus four",
    "10⁻¹⁰": "ten to the minus ten",
    "2^10 = 1024": "two to the ten equals one thousand twenty-four",
    "a 2.1× speed-up": "a two point one times speed-up",
    "2.1 × faster": "two point one times faster",
    "10x faster": "ten times faster",
    "60,000 images": "sixty thousand images",
    "1,000,000": "one million",
    "100\u202f000": "one hundred thousand",
    "0.001": "zero point zero zero one",
    "784→30→10": "seven hundred eighty-four to thirty to ten",
    "2-3-1 network": "two to three to one network",
    "12–18 slides": "twelve to eighteen slides",
    "12-18": "twelve to eighteen",
    "0.2–0.4 %": "zero point two to zero point four percent",
    "−0.5 to +3": "minus zero point five to plus three",
    "-3": "minus three",
    "95.1 ± 0.3 %": "ninety-five point one plus or minus zero point three percent",
    "28×28 images": "twenty-eight by twenty-eight images",
    "a 784 × 30 matrix": "a seven hundred eighty-four by thirty matrix",
    "3 × 4 = 12": "three times four equals twelve",
    "1/2 of it": "one half of it",
    "7/10": "seven tenths",
    "9,826/10,000": "nine thousand eight hundred twenty-six over ten thousand",
    "3:1": "three to one",
    "12:30": "twelve thirty",
    "1st, 2nd and 22nd": "first, second and twenty-second",
    "$5 and $3.5M": "five dollars and three point five million dollars",
    "175B parameters": "one hundred seventy-five billion parameters",
    "4-layer net": "four-layer net",
    "a 3-to-1 vote": "a three to one vote",
    "PyTorch 2.5.1": "pie-torch two point five point one",
    # years and dates
    "in 1986, Rumelhart": "in nineteen eighty-six, Rumelhart",
    "in 2012": "in twenty twelve",
    "2000 steps": "two thousand steps",
    "1950 images": "one thousand nine hundred fifty images",
    "2012–2015": "twenty twelve to twenty fifteen",
    "in the 1980s": "in the nineteen eighties",
    "on 2024-05-17": "on May seventeenth, twenty twenty-four",
    # units
    "1 s": "one second",
    "2 s": "two seconds",
    "3.5 ms/step": "three point five milliseconds per step",
    "210.0 µs": "two hundred ten point zero microseconds",
    "1 min 35 s": "one minute thirty-five seconds",
    "16GB of RAM": "sixteen gigabytes of RAM",
    "~5 s on a GPU": "about five seconds on a GPU",
    # the field's words
    "the ReLU's slope": "the ray-loo's slope",
    "ReLUs and RNNs": "ray-loos and R N ens",
    "LSTMs, CNNs, GANs": "L S T ems, C N ens, gans",
    "MNIST and CIFAR-10": "em-nist and see-far ten",
    "NumPy, PyTorch and LaTeX": "num-pie, pie-torch and lay-tech",
    "GPT-2": "GPT two",
    "XOR, GELU, tanh": "ex-or, gell-loo, tanch",
    "AdamW's step": "Adam W's step",
    "MSELoss": "MSE loss",
    "softmax, autograd, Adam, sigmoid": "softmax, autograd, Adam, sigmoid",
    "n-th and k-th": "enth and kayth",
    # abbreviations and signs
    "e.g. this, i.e. that vs. those": "for example this, that is that versus those",
    "G. E. Hinton et al. say": "G E Hinton and others say",
    "and/or true/false": "and or true or false",
    "it — well – ok": "it, well, ok",
    "(in brackets) yes": ", in brackets, yes",
    "σ′(z) and f(x)": "sigma prime of z and f of x",
    "∂L/∂w": "the derivative of L with respect to w",
    "x² + W₁ᵀ": "x squared plus W one transpose",
    "xᵢ₊₁": "x sub i plus one",
    "with ≥ 3 layers": "with at least three layers",
    "p < 0.05": "p is less than zero point zero five",
    "learning_rate": "learning rate",
    "neuron(s)": "neurons",
    "https://arxiv.org/abs/1706": "arxiv dot org slash abs slash one seven zero six",
    "don’t stop": "don't stop",
}

CODE = {
    "loss.backward()": "loss dot backward",
    "W1": "W one",
    "requires_grad": "requires grad",
    "nn.Linear": "n n dot linear",
    "nn.Linear(784, 30)": "n n dot linear of seven hundred eighty-four, thirty",
    "torch.nn.functional.cross_entropy": "torch dot n n dot functional dot cross entropy",
    "with torch.no_grad():": "with torch dot no grad",
    "W -= lr * dW": "W minus equals learning rate times d W",
    "TransformerDecoderLayer": "transformer decoder layer",
    "nn.Conv2d": "n n dot conv two d",
    "GPT2LMHeadModel": "GPT two LM head model",
    "__init__": "init",
    "x[0]": "x sub zero",
    "x @ W": "x at W",
    "x.view(batch_size, -1)": "x dot view of batch size, minus one",
    "python build.py --voice silent": "python build dot pie dash dash voice silent",
    "∂L/∂W": "the derivative of L with respect to W",
    "eps=1e-8": "eps equals ten to the minus eight",
    "a": "eigh",
    "d_k": "d k",
    "10_000": "ten thousand",
    "if x > 0:": "if x is greater than zero",
}

MATH = {
    r"\frac{\partial L}{\partial w}": "the derivative of L with respect to w",
    r"\partial L/\partial W_1": "the derivative of L with respect to W one",
    r"\frac{\partial^2 L}{\partial w^2}": "the second derivative of L with respect to w",
    r"\frac{\partial^2 f}{\partial x\,\partial y}": "the second derivative of f with respect to x and y",
    r"\frac{\mathrm{d}y}{\mathrm{d}x}": "the derivative of y with respect to x",
    r"\frac{d}{dx} f(x)": "the derivative of f of x with respect to x",
    r"\frac{\partial L}{\partial w} = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial w}": (
        "the derivative of L with respect to w, equals the derivative of L with respect to y, times the derivative "
        "of y with respect to w"
    ),
    r"w \leftarrow w - \eta \frac{\partial L}{\partial w}": (
        "w becomes w minus eta times the derivative of L with respect to w"
    ),
    r"\sigma'(z)": "sigma prime of z",
    r"\sigma(z)(1-\sigma(z))": "sigma of z times the quantity one minus sigma of z",
    r"\sigma(z) = \frac{1}{1+e^{-z}}": "sigma of z equals one over the quantity one plus e to the minus z",
    r"\delta \odot \sigma'(z)": "delta element-wise times sigma prime of z",
    r"\hat y_i": "y hat sub i",
    r"\bar{x}": "x bar",
    r"\vec v": "v",
    r"\mathbf{W}^\top x": "W transpose x",
    r"W^T x": "W transpose x",
    r"A^{-1}": "eigh inverse",
    r"x^{-1}": "x to the minus one",
    r"W_{ij}": "W sub i j",
    r"W_1 x + b_1": "W one x plus b one",
    r"W^{(l)}": "W superscript l",
    r"\delta^{l+1}": "delta superscript l plus one",
    r"y_{\text{true}}": "y true",
    r"x^2 + y^3": "x squared plus y cubed",
    r"2^{n-1}": "two to the n minus one",
    r"n\text{-th}": "enth",
    r"\sum_{i=1}^{n} (y_i-\hat y_i)^2": (
        "the sum over i from one to n of the quantity y sub i minus y hat sub i, squared"
    ),
    r"-\sum_i y_i \log \hat{y}_i": "minus the sum over i of y sub i log of y hat sub i",
    r"\prod_{i=1}^n p(x_i)": "the product over i from one to n of p of x sub i",
    r"\int_0^1 f(x)\,dx": "the integral from zero to one of f of x d x",
    r"\lim_{h\to 0}": "the limit as h goes to zero of",
    r"\arg\max_k \hat y_k": "the arg max over k of y hat sub k",
    r"\min_\theta L(\theta)": "the min over theta of L of theta",
    r"\mathrm{ReLU}(x)=\max(0,x)": "ray-loo of x equals the max of zero and x",
    r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V": (
        "softmax of Q K transpose over the square root of d sub k, times V"
    ),
    r"\nabla_\theta J": "the gradient of J with respect to theta",
    r"\theta_t - \eta \nabla L": "theta sub t minus eta times the gradient of L",
    r"\|w\|_2^2": "the squared L two norm of w",
    r"\lVert x\rVert": "the norm of x",
    r"|a-b|": "the absolute value of eigh minus b",
    r"\mathbb{E}[x]": "the expectation of x",
    r"\mathbb{E}_{x\sim p}[f(x)]": "the expectation over x drawn from p of f of x",
    r"p(y \mid x)": "p of y given x",
    r"p(y|x)": "p of y given x",
    r"X \in \mathbb{R}^{n\times d}": "X in R to the n by d",
    r"f: \mathbb{R} \to \mathbb{R}": "f from R to R",
    r"28 \times 28": "twenty-eight by twenty-eight",
    r"1.4 \times 10^{-10}": "one point four times ten to the minus ten",
    r"60{,}000": "sixty thousand",
    r"98.26\,\%": "ninety-eight point two six percent",
    r"\frac12 x": "one half x",
    r"\frac{a+b}{c}": "eigh plus b, over c",
    r"\sqrt[3]{x+1}": "the cube root of the quantity x plus one",
    r"\mathbf{w}\cdot\mathbf{x}": "w dot x",
    r"2 \cdot 3": "two times three",
    r"\log_2 x": "log base two of x",
    r"x_1, \ldots, x_n": "x one, and so on, x sub n",
    r"\begin{pmatrix}1\\2\end{pmatrix}": "the vector one, two",
    r"\begin{bmatrix}1&2\\3&4\end{bmatrix}": "the two by two matrix with rows one, two; three, four",
    r"\begin{cases}x & x>0\\0 & \text{otherwise}\end{cases}": "x if x is greater than zero; zero, otherwise",
    r"\left.\frac{\partial L}{\partial w}\right|_{w=0}": "the derivative of L with respect to w, at w equals zero",
    r"784 \to 30 \to 10": "seven hundred eighty-four to thirty to ten",
    r"a": "eigh",
    r"\alpha, \beta, \xi": "alpha, beta, zye",
}


@pytest.mark.parametrize(("shown", "said"), TEXT.items())
def test_text(shown: str, said: str) -> None:
    assert text(shown) == said


@pytest.mark.parametrize(("shown", "said"), CODE.items())
def test_code(shown: str, said: str) -> None:
    assert code(shown) == said


@pytest.mark.parametrize(("shown", "said"), MATH.items())
def test_latex(shown: str, said: str) -> None:
    assert latex(shown) == said


def test_cases_are_many() -> None:
    assert len(TEXT) + len(CODE) + len(MATH) >= 120


@pytest.mark.parametrize("n", [0, 7, 13, 20, 21, 99, 100, 101, 784, 1000, 23860, 10**6, 123456789, -5])
def test_cardinals_mean_what_they_say(n: int) -> None:
    assert _value(numbers.cardinal(n)) == n


@given(st.integers(-(10**18), 10**18))
def test_any_cardinal_means_what_it_says(n: int) -> None:
    assert _value(numbers.cardinal(n)) == n


def _value(words: str) -> int:
    """An independent reader: English number words to an integer."""
    small = {
        w: i
        for i, w in enumerate(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
        )
    }
    small |= {w + "teen": i for i, w in enumerate(["thir", "four", "fif", "six", "seven", "eigh", "nine"], 13)}
    small |= {w + "ty": 10 * i for i, w in enumerate(["twen", "thir", "for", "fif", "six", "seven", "eigh", "nine"], 2)}
    big = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "quadrillion": 15, "quintillion": 18}
    total = group = 0
    for word in words.removeprefix("minus ").replace("-", " ").split():
        if word == "hundred":
            group *= 100
        elif word in big:
            total, group = total + group * 10 ** big[word], 0
        else:
            group += small[word]
    return (total + group) * (-1 if words.startswith("minus ") else 1)


# ------------------------------------------------------------------ sentences


def test_sentences_end_where_they_end() -> None:
    source = (
        "G. E. Hinton used it, e.g. in 1986. It costs 2.5 s! Is `a.b. C` or $x. Y$ a *trap*? [pause 2] "
        'So **no** [link](http://x.y). "Why?" he asks.'
    )
    assert [written(p.atoms) or p.pause for p in split(source)] == [
        "G. E. Hinton used it, e.g. in 1986.",
        "It costs 2.5 s!",
        "Is a.b. C or x.Y a trap?",
        2.0,
        "So no link.",
        '"Why?" he asks.',
    ]


@pytest.mark.parametrize("bad", ["[pause two]", "[pause 0]", "[pause 99]", "[puase 2]", "[pause -1]"])
def test_unreadable_pauses_say_what_to_write(bad: str) -> None:
    with pytest.raises(CourseError) as error:
        split(f"One. {bad} Two.")
    assert "[pause 2]" in str(error.value)


def test_spoken_and_written_forms_of_a_sentence() -> None:
    (piece,) = split(r"For the $k$-th weight, `W1`'s gradient $\frac{\partial L}{\partial w}$, it is 98.3 %")
    assert spoken(piece.atoms) == (
        "For the kayth weight, W one's gradient the derivative of L with respect to w, it is ninety-eight point three "
        "percent."
    )
    assert written(piece.atoms) == "For the k-th weight, W1's gradient ∂L/∂w, it is 98.3 %"


def test_a_long_formula_ends_in_a_comma() -> None:
    (piece,) = split(r"The slope $\sigma'(z) = \sigma(z)(1-\sigma(z))$ is small, $x$ is not.")
    assert spoken(piece.atoms) == (
        "The slope sigma prime of z equals sigma of z times the quantity one minus sigma of z, is small, x is not."
    )


def test_unknown_latex_is_an_error_of_the_author() -> None:
    with pytest.raises(CourseError):
        spoken(split(r"See $\nonsense{x}$.")[0].atoms)


PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [*TEXT, *CODE, "$x^2$", "`a_b`", "$", "\\", "_", "`", "[pause 1]", "²", "٣", "①", "𝒳", "{", "^", "∂"]
    ),
    st.sampled_from([f"${m}$" for m in MATH]),
    st.sampled_from([f"`{c}`" for c in CODE]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=8).map(" ".join))
def test_anything_can_be_said_or_is_a_course_error(source: str) -> None:
    try:
        said = [spoken(p.atoms) for p in split(source)]
    except CourseError:
        return
    for sentence in said:
        assert re.fullmatch(r"(?:[^\W\d_]|[ .,;:!?'-])*", sentence), sentence
        assert sentence == "" or sentence[-1] in ".!?"
        assert re.findall(r"\w+", text(sentence)) == re.findall(r"\w+", sentence)  # words stay as they are


PLAIN = st.sampled_from(sorted({w for said in [*TEXT.values(), *MATH.values()] for w in re.findall(r"[a-z]+", said)}))


@given(st.lists(PLAIN, min_size=1, max_size=12).map(" ".join))
def test_plain_words_stay(words: str) -> None:
    assert text(words) == words


def test_the_lexicon_needs_no_second_reading() -> None:
    tables = (lexicon.WORDS, lexicon.FOLDED, lexicon.CODE, lexicon.SIGNS, lexicon.MATH, lexicon.FUNCTIONS)
    for table in tables:
        for key, said in table.items():
            assert text(said) == said, key


@pytest.mark.parametrize(
    ("shown", "phonemes"),
    [
        ("backpropagation", "bækpɹəpɐɡeɪʃən"),
        ("sigmoid", "sɪɡmɔɪd"),
        ("gradient", "ɡɹeɪdiənt"),
        ("NumPy", "nʌmpaɪ"),
        ("MNIST", "ɛmnɪst"),
        ("ReLU", "ɹeɪluː"),
        ("GELU", "dʒɛlluː"),
        ("XOR", "ɛksɔːɹ"),
        ("tanh", "tæntʃ"),
        ("LSTM", "ɛlɛstiːɛm"),
        ("CUDA", "kuːdə"),
        ("Jupyter", "dʒuːpɪɾɚ"),
        ("LaTeX", "leɪtɛk"),
        ("ξ", "zaɪ"),
        ("χ", "kaɪ"),
        ("n-th", "ɛnθ"),
    ],
)
def test_awkward_words_sound_right(shown: str, phonemes: str) -> None:
    """The oracle is espeak-ng's phonemizer inside piper, with stress, length of pauses and glides left out."""
    phonemizer = pytest.importorskip("piper.phonemize_espeak").EspeakPhonemizer()
    heard = "".join("".join(p) for p in phonemizer.phonemize("en-us", text(shown)))
    assert re.sub(r"[ˈˌ ʲ.]", "", heard) == phonemes


def test_the_variable_a_is_not_the_article() -> None:
    phonemizer = pytest.importorskip("piper.phonemize_espeak").EspeakPhonemizer()
    assert "ˈeɪ" in "".join("".join(p) for p in phonemizer.phonemize("en-us", f"the value of {latex('a')} is one"))


# ------------------------------------------------------------------ times of words


def test_written_words_get_the_times_of_what_is_heard() -> None:
    said = ["accuracy", "is", "ninety-eight", "point", "three", "percent", "now"]
    heard = [Word(w, float(i), i + 0.9) for i, w in enumerate(said)]
    found = written_words("accuracy is 98.3 % now", heard, 7.0)
    assert [w.text for w in found] == ["accuracy", "is", "98.3", "%", "now"]
    assert (found[1].start, found[2].start, found[4].start) == (1.0, 2.0, 6.0)
    assert found[3].end == pytest.approx(5.9)
    assert all(a.end <= b.start for a, b in pairwise(found))


def test_spoken_words_are_found_though_the_voice_merges_them() -> None:
    table = {"one": "wʌn", "of": "ʌv", "the": "ðə", "nodes": "noʊdz"}
    heard = [Phoneme(s, i / 10, (i + 1) / 10) for i, s in enumerate("wʌn əvðə noʊdz")]
    found = spoken_words("one of the nodes", heard, lambda w: table[w])
    assert [w.text for w in found] == ["one", "of", "the", "nodes"]
    assert found[0].start == 0.0
    assert found[3].start == pytest.approx(0.9)
    assert [w.start for w in found] == sorted(w.start for w in found)
