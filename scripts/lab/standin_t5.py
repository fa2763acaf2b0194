"""A small T5 for where T5-small cannot be had: trained here, once, on numbers and dates in English and French.

It knows nothing but what it was trained on. Its training takes a minute or two; the result is kept in the cache.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import torch

from lab.download import locked, whole
from lab.standin_texts import numbers_and_dates
from lab.wheels import cache_dir

VERSION = "1"  # raise it when anything below changes: the kept model is another one then
PREFIX = "translate English to French: "  # as T5's own
STEPS, BATCH, RATE, SEED = 1500, 32, 3e-3, 33
SIZES = {"d_model": 96, "d_kv": 24, "num_heads": 4, "d_ff": 384, "num_layers": 2, "num_decoder_layers": 2}


def small_t5() -> tuple[Any, Any]:
    """(tokenizer, model in eval mode); the input must begin with PREFIX."""
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    folder = cache_dir() / "made" / "t5" / f"standin-{VERSION}"
    if not folder.exists():
        with locked(folder):
            if not folder.exists():
                print("training a small T5 on numbers and dates (a minute or two) ...", file=sys.stderr, flush=True)
                with whole(folder) as part:
                    part.mkdir()
                    _train(part)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = T5ForConditionalGeneration.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return tokenizer, model.eval()


def make_tokenizer(texts: list[str]) -> Any:
    """Characters of digits and whole words, every input ended by </s>, as T5's tokenizer ends it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    spaces, digits = pre_tokenizers.Metaspace(), pre_tokenizers.Digits(individual_digits=True)
    split = pre_tokenizers.Sequence([spaces, pre_tokenizers.Punctuation(), digits])
    words = {word for text in texts for word, _ in split.pre_tokenize_str(text)}
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*special.values(), *sorted(words)])}, "<unk>"))
    made.pre_tokenizer, made.decoder = split, decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **special)


def _train(folder: Path) -> None:
    """Train with a seed of its own, leaving the global random numbers as they are; write safetensors."""
    from transformers import T5Config, T5ForConditionalGeneration

    pairs = numbers_and_dates("train")
    tokenizer = make_tokenizer([PREFIX + en for en, _ in pairs] + [fr for _, fr in pairs])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        fixed = {"dropout_rate": 0.0, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
        model = T5ForConditionalGeneration(T5Config(vocab_size=len(tokenizer), **SIZES, **fixed)).train()
        optimizer = torch.optim.AdamW(model.parameters(), RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, STEPS)
        order = random.Random(SEED)
        for _ in range(STEPS):
            model(**_batch(tokenizer, order.sample(pairs, BATCH))).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _batch(tokenizer: Any, pairs: list[tuple[str, str]]) -> dict[str, torch.Tensor]:
    inputs = tokenizer([PREFIX + en for en, _ in pairs], return_tensors="pt", padding=True)
    labels = tokenizer([fr for _, fr in pairs], return_tensors="pt", padding=True).input_ids
    return {
        "input_ids": inputs.input_ids,
        "attention_mask": inputs.attention_mask,
        "labels": labels.masked_fill(labels == tokenizer.pad_token_id, -100),
    }
