"""Reads a Llama in the GGUF format (llama.cpp's docs: ggml-org/ggml, docs/gguf.md) with NumPy, nothing executed.

It knows the kinds of numbers that the course's file has: F32, F16, Q8_0 and Q4_1. Numbers of the last two come in
blocks of 32: one scale (and, for Q4_1, one smallest value) in half precision, and 8 or 4 bits for each.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

BLOCK = 32
PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
TEXT, LIST = 8, 9
F32, F16, Q4_1, Q8_0 = 0, 1, 3, 8
BYTES = {F32: (1, 4), F16: (1, 2), Q4_1: (BLOCK, 20), Q8_0: (BLOCK, 34)}  # numbers in a block, its bytes
NAMES = {  # part of a layer -> its name in transformers
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class File:
    """What the header says, and the tensors as float32."""

    facts: dict[str, Any]
    tensors: dict[str, np.ndarray]


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def one(self, code: str) -> Any:
        value = struct.unpack_from(f"<{code}", self.content, self.at)[0]
        self.at += struct.calcsize(f"<{code}")
        return value

    def text(self) -> str:
        length = self.one("Q")
        self.at += length
        return self.content[self.at - length : self.at].decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == TEXT:
            return self.text()
        if kind == LIST:
            inner, count = self.one("I"), self.one("Q")
            return [self.value(inner) for _ in range(count)]
        if kind not in PLAIN:
            raise ValueError(f"a value of the unknown kind {kind}")
        return self.one(PLAIN[kind])


def read(content: bytes) -> File:
    """The contents of a GGUF file; ValueError if it is none, or has numbers of another kind."""
    if content[:4] != b"GGUF":
        raise ValueError("no GGUF file")
    reader = _Reader(content)
    reader.at = 4
    version, count, facts_count = reader.one("I"), reader.one("Q"), reader.one("Q")
    if version not in (2, 3):
        raise ValueError(f"GGUF version {version}")
    facts = {reader.text(): reader.value(reader.one("I")) for _ in range(facts_count)}
    headers = []
    for _ in range(count):
        name, dimensions = reader.text(), reader.one("I")
        shape = tuple(reader.one("Q") for _ in range(dimensions))[::-1]  # the fastest comes first
        headers.append((name, shape, reader.one("I"), reader.one("Q")))
    step = facts.get("general.alignment", 32)
    start = -(-reader.at // step) * step
    return File(facts, {name: _numbers(content, start + at, shape, kind) for name, shape, kind, at in headers})


def _numbers(content: bytes, start: int, shape: tuple[int, ...], kind: int) -> np.ndarray:
    if kind not in BYTES:
        raise ValueError(f"numbers of the unknown kind {kind}")
    block, size = BYTES[kind]
    count = int(np.prod(shape))
    raw = np.frombuffer(content, np.uint8, count // block * size, start).reshape(-1, size)
    if kind in (F32, F16):
        return raw.view(np.float32 if kind == F32 else np.float16).astype(np.float32).reshape(shape)
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    if kind == Q8_0:
        return (scale * raw[:, 2:].view(np.int8)).reshape(shape)
    least = raw[:, 2:4].copy().view(np.float16).astype(np.float32)
    halves = np.concatenate([raw[:, 4:] & 15, raw[:, 4:] >> 4], axis=1)  # the low halves are the first 16 numbers
    return (scale * halves + least).reshape(shape)


def llama(file: File, **options: Any) -> Any:
    """transformers' LlamaForCausalLM with the weights of the file, in eval mode, float32."""
    from transformers import LlamaConfig, LlamaForCausalLM

    facts = {name.removeprefix("llama."): value for name, value in file.facts.items()}
    heads, groups = facts["attention.head_count"], facts["attention.head_count_kv"]
    config = LlamaConfig(
        vocab_size=len(facts["tokenizer.ggml.tokens"]),
        hidden_size=facts["embedding_length"],
        intermediate_size=facts["feed_forward_length"],
        num_hidden_layers=facts["block_count"],
        num_attention_heads=heads,
        num_key_value_heads=groups,
        max_position_embeddings=facts["context_length"],
        rms_norm_eps=facts["attention.layer_norm_rms_epsilon"],
        rope_theta=facts["rope.freq_base"],
        tie_word_embeddings="output.weight" not in file.tensors,
        bos_token_id=facts["tokenizer.ggml.bos_token_id"],
        eos_token_id=facts["tokenizer.ggml.eos_token_id"],
        pad_token_id=facts["tokenizer.ggml.padding_token_id"],
    )
    state = {}
    for name, array in file.tensors.items():
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            array = _unrotate(array, heads if "attn_q" in name else groups)
        state[_name(name)] = torch.from_numpy(array)
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model = LlamaForCausalLM.from_pretrained(
        None, config=config, state_dict=state, **options
    )  # no random weights first
    return model.eval()


def _name(name: str) -> str:
    """blk.3.attn_q.weight -> model.layers.3.self_attn.q_proj.weight."""
    fixed = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
    part, _, leaf = name.rpartition(".")
    if part in fixed:
        return f"{fixed[part]}.{leaf}"
    _, layer, kind = part.split(".")
    return f"model.layers.{layer}.{NAMES[kind]}.{leaf}"


def _unrotate(weight: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp stores the rows of a head in pairs (0, half, 1, half + 1, ...); transformers in halves."""
    rows, columns = weight.shape
    paired = weight.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(paired.swapaxes(1, 2)).reshape(rows, columns)


def tokenizer(file: File) -> Any:
    """transformers' tokenizer of the file: byte-level BPE in which every digit is a token of its own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    facts = {k.removeprefix("tokenizer.ggml."): v for k, v in file.facts.items() if k.startswith("tokenizer.")}
    if facts["model"] != "gpt2" or facts["pre"] != "smollm":
        raise ValueError(f"a tokenizer of the unknown kind {facts['model']}, {facts['pre']}")
    tokens = facts["tokens"]
    merges = [tuple(merge.split(" ")) for merge in facts["merges"]]
    made = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    digits, spaces = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, spaces])
    made.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, facts["token_type"], strict=True) if kind == 3]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    special = {name: tokens[facts[f"{key}_token_id"]] for name, key in names.items()}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=made, clean_up_tokenization_spaces=False, **special)
    wrapped.chat_template = file.facts.get("tokenizer.chat_template")
    return wrapped
