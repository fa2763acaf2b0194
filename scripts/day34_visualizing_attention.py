# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day 34: Visualizing Attention
#
# Yesterday the decoder learned to look back at the sentence, and every look left a row of weights. Today we draw these
# weights. The picture is the most persuasive one in this course, so we will not only admire it: we measure it against
# a dictionary, and then we intervene.
#
# After this notebook you can
#
# - draw attention as a heat map with `imshow` and with `seaborn.heatmap`, on a scale that can be compared,
# - turn a map into numbers: the path of its strongest cells, its order, its agreement with a dictionary,
# - say why "diagonal = good" is wrong, and show a good map that runs the other way,
# - test whether the word with the most attention is the word that matters, by taking it away,
# - find a bug in a model by its map, and read self-attention of a pretrained encoder without falling for its sink.
#
# Everything is measured here. Change a setting and run it again.

# %%
import copy
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
import torch
from blocks import translation
from lab import language, plots, settings, sources
from torch import nn

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=34,
    seeds=(2, 3, 5),  # translators that differ in their random start alone
    pairs=(600, 3_000, 29_000),  # to learn from, at most
    most_words=(12, 12, 20),  # of a source sentence; longer ones are left out
    closed=(700, 700, 0),  # the world is that of the 700 most frequent words; 0: all words
    epochs=(4, 5, 6),
    hidden=(32, 64, 256),
    embed=(24, 64, 128),
    dropout=(0.0, 0.0, 0.2),
    batch_size=(16, 32, 128),
    learning_rate=(1e-2, 1e-2, 2e-3),
    snapshots=(6, 26, 40),  # of the first translator's map, for the animation
    sentences=(60, 250, 1_000),  # test sentences on which maps are measured
    erased=(20, 80, 300),  # test sentences that are taken apart word by word
    self_attended=(20, 100, 400),  # test sentences for the pretrained encoder
)
LIMIT_SECONDS = {"smoke": 120, "quick": 900, "full": 900}
print(P)

# %% [markdown]
# Three dictionaries collect what we find out: numbers, statements that turned out true or false, and arrays.

# %%
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
rng = np.random.default_rng(P.seed)
torch.set_num_threads(1)  # most operations are small: a second thread would cost more than it brings
device = settings.device()
plots.style()
print("device:", device)

# %% [markdown]
# ## 1. The sentences, and a few translators
#
# English to French, as yesterday, with yesterday's model: `blocks.translation` has the vocabulary, the encoder, the
# decoder with attention (scaled dot product), and the training loop. The world is as small as yesterday, too: at most
# 12 words, all among the 700 most frequent ones, so that a small translator learns in seconds and a map fits on a page.
# (In `full`: longer sentences, and all words.) Our translators differ in their random start alone: that will tell
# facts about the languages from accidents of a run.

# %%
corpus = translation.load_corpus(P.pairs, P.most_words, device=device, closed=P.closed)
test_pairs = [pair for pair in corpus.test.pairs if len(pair[0]) >= 3 and len(pair[1]) >= 3][: P.sentences]
seeds = [P.seed + i for i in range(P.seeds)]
print(f"{len(corpus.train):,} pairs to learn from, {len(corpus.val):,} to check, {len(test_pairs):,} to look at")
print(f"{len(corpus.source):,} English and {len(corpus.target):,} French words; for instance")
print("  ", *corpus.train.pairs[0][0], "->", *corpus.train.pairs[0][1])
print(sources.caption())
metrics.update(standin=corpus.standin, closed=P.closed, most_words=P.most_words, seeds=P.seeds)
metrics.update(train_pairs=len(corpus.train), test_pairs=len(test_pairs))

# %% [markdown]
# With **teacher forcing** the decoder is given the right words so far and predicts the next one. So every row of a map
# belongs to a word that we know. Its columns are the words of the source and the end mark `<eos>`.


# %%
def split_of(pairs):
    return translation.Split(pairs, corpus.source, corpus.target, device)


def with_source_words(source):
    return [*source, "<eos>"]


@torch.no_grad()
def read(model, pairs):
    """Of every pair its map (T, S + 1), and the log probability of every target word (T,), given those before."""
    split, found = split_of(pairs), []
    for start in range(0, len(pairs), 250):
        batch = split.batch(range(start, min(start + 250, len(pairs))))
        logits, alpha = model(batch)  # (n, T, words), (n, T, S)
        log_p = logits.log_softmax(-1).gather(-1, batch.target[:, 1:, None])[..., 0]
        for (source, target), weights, values in zip(pairs[start:], alpha.cpu(), log_p.cpu(), strict=False):
            found.append((weights[: len(target), : len(source) + 1].numpy(), values[: len(target)].numpy()))
    return found


def maps(model, pairs):
    return [alpha for alpha, _ in read(model, pairs)]


# %% [markdown]
# One sentence will be with us all day. We do not pick it by eye: the test sentences are shuffled, and it is the first
# one of seven to ten words with four entries of a small dictionary, two of which change places.
#
# The dictionary is the independent witness of today: words with one obvious translation. A **link** says that a row
# belongs to a column. We only trust it where the word, and its translation, stand exactly once in their sentences.

# %%
CAPTIONS = """man homme | men hommes | woman femme dame | women femmes | boy garçon | boys garçons | girl fille fillette
girls filles fillettes | child enfant | children enfants | people gens personnes | baby bébé | player joueur joueuse
dog chien | dogs chiens | cat chat | horse cheval | horses chevaux | bird oiseau | black noir noire noirs noires
white blanc blanche blancs blanches | red rouge rouges | blue bleu bleue bleus bleues | green vert verte verts vertes
yellow jaune jaunes | brown marron brun brune bruns brunes | pink rose roses | gray gris grise | purple violet violette
two deux | three trois | four quatre | five cinq | shirt chemise shirt | hat chapeau | jacket veste blouson | dress robe
glasses lunettes | street rue | beach plage | water eau | snow neige | grass herbe | field champ | mountain montagne
city ville | wall mur | building bâtiment immeuble | house maison | tree arbre | table table | car voiture | boat bateau
bike vélo | bicycle vélo bicyclette | train train | guitar guitare | ball balle ballon | stage scène | park parc
young jeune jeunes | old vieux vieille vieil | little petit petite petits petites | small petit petite petits petites
large grand grande grands grandes gros grosse | big grand grande gros grosse | with avec | and et | sleeping dort
sitting assis assise assises | running court courent courant | jumping saute sautent | playing joue jouent jouant
under sous | behind derrière | without sans"""
NUMBERS = """one un | two deux | three trois | five cinq | six six | seven sept | eight huit | nine neuf | ten dix
eleven onze | twelve douze | thirteen treize | fourteen quatorze | fifteen quinze | sixteen seize | twenty vingt vingts
thirty trente | forty quarante | fifty cinquante | sixty soixante | hundred cent cents | thousand mille | from du
to au | on le | january janvier | february février | march mars | april avril | may mai | june juin | july juillet
august août | september septembre | october octobre | november novembre | december décembre | monday lundi
tuesday mardi | wednesday mercredi | thursday jeudi | friday vendredi | saturday samedi | sunday dimanche"""
entries = [entry.split() for entry in (NUMBERS if corpus.standin else CAPTIONS).replace("\n", "|").split("|")]
dictionary = {word: set(others) for word, *others in entries} | {str(n): {str(n)} for n in range(2_100)}


def dictionary_links(source, target, dictionary):
    """(row, column) of the words that stand once, and so do their translations."""
    links = []
    for column, word in enumerate(source):
        rows = [r for r, other in enumerate(target) if other in dictionary.get(word, ())]
        if source.count(word) == 1 and len(rows) == 1:
            links.append((rows[0], column))
    rows = [r for r, _ in links]
    return sorted(link for link in links if rows.count(link[0]) == 1)


def crossing(links):
    """For every link: does it cross another one, because the languages order these words differently?"""
    return [any((r - u) * (c - v) < 0 for u, v in links) for r, c in links]


links = [dictionary_links(*pair, dictionary) for pair in test_pairs]
changed = np.concatenate([crossing(found) for found in links]).astype(bool)  # for every link of every sentence
shuffled = rng.permutation(len(test_pairs))
candidates = [i for i in shuffled if 7 <= len(test_pairs[i][0]) <= 10 and 5 <= len(test_pairs[i][1]) <= 10]
story = next((i for i in candidates if sum(crossing(links[i])) >= 2 and len(links[i]) >= 4), candidates[0])
story_source, story_target = test_pairs[story]
print(f"{len(entries)} entries; {len(changed):,} links in {len(test_pairs)} sentences, {changed.sum()} of them cross")
print("our sentence:", *story_source, "->", *story_target)
metrics.update(dictionary_entries=len(entries), links=len(changed), links_changed=int(changed.sum()))
metrics.update(story_changed=sum(crossing(links[story])))
metrics.update(story_source=" ".join(story_source), story_target=" ".join(story_target))

# %% [markdown]
# Now the training. In the first run we keep the map of our sentence at some thirty moments.

# %%
total_steps = P.epochs * -(-len(corpus.train) // P.batch_size)
SNAPSHOTS = np.unique(np.geomspace(1, total_steps + 1, P.snapshots).round().astype(int)) - 1  # steps done: 0, 1, ...
val_pairs = [pair for pair in corpus.val.pairs if len(pair[0]) >= 3 and len(pair[1]) >= 3][:200]
val_links = [dictionary_links(*pair, dictionary) for pair in val_pairs]
sizes = {"hidden": P.hidden, "embed": P.embed, "attention_size": P.embed}
kept = []


def hits(maps, links):
    """For every link of every sentence: is the strongest cell of its row in its column?"""
    return np.array([alpha[r].argmax() == c for alpha, found in zip(maps, links, strict=True) for r, c in found])


def watch(step, model):
    if step in SNAPSHOTS:
        model.eval()  # the training loop switches back by itself
        found = hits(maps(model, val_pairs), val_links).mean()
        right = translation.evaluate_forced(model, corpus.val)[1]
        kept.append((step, maps(model, [test_pairs[story]])[0], found, right))


def train(seed, corpus=corpus, **how):
    how |= {"learning_rate": P.learning_rate, "batch_size": P.batch_size, "checks": 1, "dropout": P.dropout}
    return translation.train_translator(corpus, "scaled", seed, P.epochs, **sizes, **how)


models, histories = zip(*[train(seed, on_step=watch if seed == seeds[0] else None) for seed in seeds], strict=True)
first = models[0]  # its maps are the ones we draw
torch.manual_seed(P.seed)
untrained = translation.Translator(len(corpus.source), len(corpus.target), "scaled", **sizes).to(device).eval()

accuracy = np.array([translation.evaluate_forced(model, corpus.test)[1] for model in models])
translated = [translation.translate_split(model, split_of(test_pairs), corpus.target) for model in models]
references = [target for _, target in test_pairs]
bleu = np.array([translation.bleu(found, references) for found in translated])
print(f"{total_steps} steps; next word right {accuracy.mean():.1%} ± {accuracy.std(ddof=1):.1%}")
print(f"BLEU {bleu.mean():.2f} ± {bleu.std(ddof=1):.2f} ({P.seeds} seeds); for instance")
print("  ", *story_source, "->", *translated[0][story])
metrics.update(steps=total_steps, accuracy=accuracy.mean(), bleu=bleu.mean(), bleu_sd=bleu.std(ddof=1))
metrics["story_translation"] = " ".join(translated[0][story])

# %% [markdown]
# ## 2. Draw it
#
# `plt.imshow(attention_weights, cmap='Blues')` would do. Three things make a picture that can be read: the words, rows
# for the **decoder** and columns for the **encoder**; and `vmin=0, vmax=1`, so that a colour always means the same.


# %%
def plot_attention(ax, attention_weights, source, target, vmin=0, vmax=1):
    """Rows: words that were written. Columns: words that were read."""
    limits = {"vmin": vmin, "vmax": vmax}
    ax.imshow(attention_weights, cmap="Blues", aspect="auto", **limits)
    ax.set_xticks(range(len(source)), source, rotation=90)
    ax.set_yticks(range(len(target)), target)
    ax.xaxis.tick_top()
    ax.grid(False)


# %% [markdown]
# Seaborn's `heatmap` does the same with one call, and writes the numbers into the cells. Same matrix, same scale.

# %%
story_maps = [maps(model, [test_pairs[story]])[0] for model in models]  # (T, S + 1) each
columns = with_source_words(story_source)
assert np.allclose(story_maps[0].sum(axis=1), 1, atol=1e-5)  # every row is a distribution over the source
fig, (left, right) = plt.subplots(1, 2, num="two_ways", figsize=(10.4, 4.6))
plot_attention(left, story_maps[0], columns, story_target)
left.set(xlabel="encoder: what is read", ylabel="decoder: what is written")
left.set_title("plt.imshow", family="monospace", y=-0.17)
sns.heatmap(
    story_maps[0], ax=right, cmap="Blues", vmin=0, vmax=1, annot=True, fmt=".2f", annot_kws={"size": 9},
    xticklabels=columns, yticklabels=story_target, linewidths=0.5, square=True, cbar_kws={"shrink": 0.8},
)  # fmt: skip
right.xaxis.tick_top()
right.tick_params(axis="x", rotation=90, length=0)
right.tick_params(axis="y", rotation=0, length=0)
right.set_title("sns.heatmap", family="monospace", y=-0.17)

# %% [markdown]
# ## 3. The colour scale decides what you see
#
# Leave `vmin` and `vmax` out, and matplotlib stretches the colours to what is there: the smallest weight is white, the
# largest is dark. Look at what that does to a network that has learned **nothing**.

# %%
blank = maps(untrained, [test_pairs[story]])[0]
fig, ax = plt.subplots(num="hook", figsize=(6.6, 4.4))
plot_attention(ax, blank, columns, story_target, vmin=None, vmax=None)

fig, axes = plt.subplots(1, 4, num="autoscale", figsize=(12.6, 4.2), sharey=True)
for ax, (name, alpha, limits) in zip(
    axes,
    (
        ("untrained,\ncolours stretched", blank, (None, None)),
        ("untrained,\nvmin=0, vmax=1", blank, (0, 1)),
        ("trained,\ncolours stretched", story_maps[0], (None, None)),
        ("trained,\nvmin=0, vmax=1", story_maps[0], (0, 1)),
    ),
    strict=True,
):
    plot_attention(ax, alpha, columns, story_target, *limits)
    ax.set_xlabel(name)
print(f"untrained: weights from {blank.min():.3f} to {blank.max():.3f}; uniform would be {1 / len(columns):.3f}")
metrics.update(blank_low=blank.min(), blank_high=blank.max(), uniform=1 / len(columns))
metrics["blank_reach"] = blank.max() / blank.min() - 1  # how much more the darkest cell has than the palest

# %% [markdown]
# ## 4. Four sentences that nobody picked
#
# Papers show the sentence that looks best. Here are the first four of the shuffled test set that have five to nine
# words, each with its dictionary links as rings.

# %%
four = [i for i in shuffled if 5 <= len(test_pairs[i][0]) <= 9 and 4 <= len(test_pairs[i][1]) <= 10][:4]
fig, axes = plt.subplots(1, 4, num="four", figsize=(12.6, 4.2))
for ax, i in zip(axes, four, strict=False):
    source, target = test_pairs[i]
    plot_attention(ax, maps(first, [test_pairs[i]])[0], with_source_words(source), target)
    rows, found = [r for r, _ in links[i]], [c for _, c in links[i]]
    ax.scatter(found, rows, s=110, facecolors="none", edgecolors=plots.colour("accent2"), linewidths=2.5)
    ax.tick_params(length=0)

# %% [markdown]
# ## 5. From looking to measuring
#
# The strongest cell of each row gives a **path** through the map. Kendall's tau says whether it goes from left to
# right. A second number says how many words a row looks at: the exponential of its entropy, which is 1 if all weight is
# in one cell, and S if it is spread evenly over S.


# %%
def kendall_tau(path):
    """+1: always to the right; -1: always to the left; 0: no order."""
    path = np.asarray(path)
    step = np.sign(path[None, :] - path[:, None])  # of every pair of rows
    return step[np.triu_indices(len(path), 1)].mean()


def diagonal(rows, columns):
    """The column of the diagonal in every row."""
    return np.linspace(0, columns - 1, rows).round().astype(int)


def words_looked_at(alpha):
    p = np.clip(alpha, 1e-12, 1)
    return np.exp(-(p * np.log(p)).sum(axis=-1))


def describe(maps):
    """Mean over all maps: tau of their paths, and how many words a row looks at."""
    tau = np.mean([kendall_tau(alpha.argmax(axis=1)) for alpha in maps])
    return tau, np.mean(np.concatenate([words_looked_at(alpha) for alpha in maps]))


test_maps = [maps(model, test_pairs) for model in models]  # one list of maps for each seed
shape = np.array([describe(one) for one in test_maps])  # (seeds, 2)
tau, looked_at = shape.mean(axis=0)
blank_looked_at = describe(maps(untrained, test_pairs))[1]
print(f"tau {tau:.2f}; a row looks at {looked_at:.1f} words, untrained at {blank_looked_at:.1f}")
metrics.update(tau=tau, looked_at=looked_at, blank_looked_at=blank_looked_at)

# %% [markdown]
# Now the witness. Of every link we ask: is the strongest cell of its row in its column? The share of links that are
# missed is an **alignment error rate**. For comparison:
#
# - the **diagonal**, which knows nothing but positions;
# - **IBM model 1** of 1993, which knows nothing but counts: a word explains the target words that it stands together
#   with in many pairs of sentences. A few rounds of expectation and maximisation, no network at all.


# %%
def ibm_model_1(link, row, source, rounds=10):
    """Which word translates which? Learned from counts alone."""
    p = np.ones(len(source))  # of the target word of a pair, given the source word
    for _ in range(rounds):
        share = p[link] / np.bincount(row, p[link])[row]  # E: who explains it?
        counts = np.bincount(link, share)
        p = counts / np.bincount(source, counts)[source]  # M: how often?
    return p


def pairs_of_words(pairs):
    """A table of all pairs of words that meet; where they meet: the entry, and the number of the target word."""
    table, link, row = {}, [], []
    for source, target in pairs:
        for word in target:
            link += [table.setdefault((other, word), len(table)) for other in source]
            row += [row[-1] + 1 if row else 0] * len(source)
    return table, np.array(link), np.array(row)


table, link, row = pairs_of_words(corpus.train.pairs)
words = {}
p = ibm_model_1(link, row, np.array([words.setdefault(source, len(words)) for source, _ in table]))


def ibm_map(source, target):
    """A map (T, S): how well each source word explains each target word."""
    return np.array([[p[table[s, t]] if (s, t) in table else 0.0 for s in source] for t in target])


ibm_hits = hits([ibm_map(*pair) for pair in test_pairs], links)
diagonal_maps = [np.eye(a.shape[1] - 1)[diagonal(len(a), a.shape[1] - 1)] for a in test_maps[0]]
diagonal_hits = hits(diagonal_maps, links)
blank_hits = hits(maps(untrained, test_pairs), links)
seed_hits = np.array([hits(one, links) for one in test_maps])  # (seeds, links)
found = seed_hits.mean(axis=1)
found_changed = seed_hits[:, changed].mean(axis=1)
for name, part in (("all links", slice(None)), ("links that cross", changed)):
    rates = [seed_hits[:, part].mean(), ibm_hits[part].mean(), diagonal_hits[part].mean()]
    print(f"{name}: found by attention {rates[0]:.1%}, IBM model 1 {rates[1]:.1%}, the diagonal {rates[2]:.1%}")
metrics.update(found=found.mean(), found_sd=found.std(ddof=1), found_changed=found_changed.mean())
metrics.update(ibm_found=ibm_hits.mean(), ibm_changed=ibm_hits[changed].mean())
metrics.update(diagonal_found=diagonal_hits.mean(), blank_found=blank_hits.mean())
claims["with every seed, attention finds more of the dictionary's links than the diagonal does"] = (
    found > diagonal_hits.mean()
).all()
claims["with every seed, attention finds most of the links that cross"] = (found_changed > 0.5).all()
claims["counting words finds more of the dictionary's links than attention does, with every seed"] = (
    ibm_hits.mean() > found
).all()

# %%
fig, ax = plt.subplots(num="agreement", figsize=(8.4, 4.2))
names = ["attention", "IBM model 1:\ncounts alone", "the diagonal", "attention,\nuntrained"]
straight = ~changed
for place, part, tone in ((-0.2, straight, "muted"), (0.2, changed, "accent")):
    by_seed = seed_hits[:, part].mean(axis=1)
    values = [by_seed.mean(), *(other[part].mean() for other in (ibm_hits, diagonal_hits, blank_hits))]
    ax.bar(np.arange(4) + place, 100 * np.array(values), width=0.36, color=plots.colour(tone))
    ax.errorbar(place, 100 * values[0], 100 * by_seed.std(ddof=1), color=plots.colour("text"), linewidth=1.4)
    for x, value in enumerate(values):
        top = 100 * (value + (by_seed.std(ddof=1) if x == 0 else 0))
        plots.label(ax, x + place, top, f"{100 * value:.0f}", tone, dx=0, dy=9, ha="center")
ax.set_xticks(range(4), names)
ax.set(ylabel="dictionary links found, percent", ylim=(0, 118))
plots.label(ax, 3.55, 112, "words that keep their order", "muted", dx=0, ha="right")
plots.label(ax, 3.55, 103, "words that change places", "accent", dx=0, ha="right")
ax.grid(False, axis="x")

# %% [markdown]
# ## 6. Is a diagonal good?
#
# "Diagonal = good alignment", says the syllabus. Test it: train the same network on the same sentences, with the
# English words in **reverse** order. Nothing is lost, since the encoder reads both ways.


# %%
def reverse(split):
    return split_of([(source[::-1], target) for source, target in split.pairs])


reverse_corpus = replace(corpus, **{name: reverse(getattr(corpus, name)) for name in ("train", "val", "test")})
reverse_model, _ = train(seeds[0], reverse_corpus)
reverse_accuracy = translation.evaluate_forced(reverse_model, reverse_corpus.test)[1]
reverse_pairs = [(source[::-1], target) for source, target in test_pairs]
reverse_maps = maps(reverse_model, reverse_pairs)
reverse_tau = describe(reverse_maps)[0]
turned = [[(r, len(source) - 1 - c) for r, c in found] for found, (source, _) in zip(links, test_pairs, strict=True)]
reverse_found = hits(reverse_maps, turned).mean()
for name, *values in (
    ("as it is", accuracy[0], shape[0, 0], found[0]),
    ("reversed", reverse_accuracy, reverse_tau, reverse_found),
):
    print("English {}: next word right {:.1%}, tau {:+.2f}, links found {:.1%}".format(name, *values))
metrics.update(forward_accuracy=accuracy[0], forward_tau=shape[0, 0])
metrics.update(reverse_accuracy=reverse_accuracy, reverse_tau=reverse_tau)
claims["trained on reversed English, the map runs against the diagonal"] = reverse_tau < 0
claims["trained on reversed English, the network is as good, to within two points"] = (
    abs(reverse_accuracy - accuracy[0]) < 0.02
)

fig, (left, right) = plt.subplots(1, 2, num="reversed", figsize=(9.6, 4.0))
plot_attention(left, story_maps[0], columns, story_target)
plot_attention(right, reverse_maps[story], with_source_words(story_source[::-1]), story_target)
for ax, tau, good in ((left, shape[0, 0], accuracy[0]), (right, reverse_tau, reverse_accuracy)):
    ax.set_xlabel(f"tau {tau:+.2f}, next word right: {100 * good:.1f} %".replace("-", "−"))

# %% [markdown]
# ## 7. Do different seeds attend alike?
#
# The same data, the same network, another random start. We compare pairs of translators on the same target words: do
# they predict the same next word? Is their strongest cell in the same column?


# %%
@torch.no_grad()
def guesses(model):
    """The likeliest word at every place of the test sentences, given the true ones before."""
    batch = split_of(test_pairs).batch(range(len(test_pairs)))
    real = batch.target[:, 1:] != translation.PAD
    return model(batch)[0].argmax(-1)[real].cpu().numpy()


guessed = [guesses(model) for model in models]
strongest = [np.concatenate([alpha.argmax(axis=1) for alpha in one]) for one in test_maps]
two = [(i, j) for i in range(P.seeds) for j in range(i)]  # all pairs of seeds
same_word = [(guessed[i] == guessed[j]).mean() for i, j in two]
same_cell = [(strongest[i] == strongest[j]).mean() for i, j in two]
print(f"two seeds: same next word {np.mean(same_word):.1%}, same strongest cell {np.mean(same_cell):.1%}")
metrics.update(same_word=np.mean(same_word), same_cell=np.mean(same_cell))
claims["two seeds agree more often on the word they write than on the cell they look at"] = all(
    word > cell for word, cell in zip(same_word, same_cell, strict=True)
)

# %% [markdown]
# ## 8. Does attention explain? Take words away
#
# A map says where the network **looks**. Does the answer depend on it? Now we intervene. For the translation that the
# network wrote itself, delete one source word after the other, and see how much the log probability of every written
# word drops. That gives a second matrix, of the same shape as the map: what **matters**.


# %%
def erasure_map(model, source, target):
    """How much log p of every target word drops when a source word is deleted: (T, S)."""
    shorter = [source[:i] + source[i + 1 :] for i in range(len(source))]
    pairs = [(words, target) for words in (source, *shorter)]
    (_, whole), *others = read(model, pairs)
    return np.stack([whole - log_p for _, log_p in others], axis=1)


def gradient_map(model, source, target):
    """Gradient times input of log p of every target word, summed over each source embedding: (T, S)."""
    kept, batch = {}, split_of([(source, target)] * len(target)).batch(range(len(target)))  # a copy for every row
    hook = model.encoder.embedding.register_forward_hook(lambda module, given, made: kept.update(x=made))
    for gru in (model.gru, model.encoder.gru):
        gru.train()  # a GPU needs it for gradients; it changes no number
    logits, _ = model(batch)
    hook.remove()
    model.eval()
    log_p = logits.log_softmax(-1).gather(-1, batch.target[:, 1:, None])[..., 0]  # (T, T + 1)
    (gradient,) = torch.autograd.grad(log_p.diagonal().sum(), kept["x"])  # (T, S + 1, embed)
    return (gradient * kept["x"]).sum(-1)[:, : len(source)].detach().cpu().numpy()


def rank_correlation(a, b):
    """Spearman's rank correlation along the last axis."""

    def ranks(x):  # ties share their rank
        return (x[..., :, None] > x[..., None, :]).sum(-1) + 0.5 * (x[..., :, None] == x[..., None, :]).sum(-1)

    a, b = ranks(a) - (a.shape[-1]) / 2, ranks(b) - (b.shape[-1]) / 2
    return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


# %% [markdown]
# Another question first, because it changes how a map is read. Its columns are called "black" and "dog". But attention
# looks at **states** of the encoder, and these have read the whole sentence. Exchange one word for another, and see
# which states move: the share of a state that is owed to its own word.


# %%
@torch.no_grad()
def sources_of_states(model, source):
    """(S, S): the share of state j's movement (row) that exchanging word i (column) causes."""
    others = [corpus.source.words[k] for k in rng.integers(4, len(corpus.source), size=len(source))]
    exchanged = [([*source[:i], others[i], *source[i + 1 :]], ["."]) for i in range(len(source))]
    batch = split_of([(source, ["."]), *exchanged]).batch(range(len(source) + 1))
    states = model.encode(batch)[0][:, : len(source)]  # (1 + S, S, hidden)
    moved = (states[1:] - states[:1]).norm(dim=-1).T.cpu().numpy()  # (state, word)
    return moved / np.maximum(moved.sum(axis=1, keepdims=True), 1e-9)


# %% [markdown]
# So there is a fairer way to read attention: trace it back to the words, `alpha @ sources_of_states`.


# %%
def take_apart(model, source, target):
    """What the erasure of every source word says about one translation."""
    alpha = maps(model, [(source, target)])[0][:, :-1]  # (T, S), without the end mark
    effect, mixing = erasure_map(model, source, target), sources_of_states(model, source)
    rows, most, least = np.arange(len(target)), alpha.argmax(axis=1), alpha.argmin(axis=1)
    other = (effect.sum(axis=1) - effect[rows, most]) / (len(source) - 1)  # expected for another word, at random
    near = -np.abs(np.arange(len(source)) - np.linspace(0, len(source) - 1, len(target))[:, None])
    return {
        "most": effect[rows, most].mean(),
        "other": other.mean(),
        "least": effect[rows, least].mean(),
        "same_top": (effect.argmax(axis=1) == most).mean(),
        "chance": 1 / len(source),
        "own": np.diag(mixing).mean(),
        "attention": rank_correlation(alpha, effect).mean(),
        "traced": rank_correlation(alpha @ mixing, effect).mean(),
        "gradient": rank_correlation(gradient_map(model, source, target), effect).mean(),
        "diagonal": rank_correlation(near, effect).mean(),
    }


apart = range(min(P.erased, len(test_pairs)))
tables = []
for model, written in zip(models, translated, strict=True):  # who wrote nothing is asked about the reference
    targets = [words if len(words) >= 2 else target for words, (_, target) in zip(written, test_pairs, strict=True)]
    tables.append([take_apart(model, test_pairs[i][0], targets[i]) for i in apart])
erased = {name: np.array([[one[name] for one in table] for table in tables]) for name in tables[0][0]}  # (seeds, n)


def interval(values):
    """Mean and half the width of its 95 % interval, over sentences (last axis)."""
    return values.mean(axis=-1), 1.96 * values.std(axis=-1, ddof=1) / np.sqrt(values.shape[-1])


extra, extra_half = interval(erased["most"] - erased["other"])  # paired by target word; for each seed
for name in ("most", "other", "least"):
    print(f"delete the word with {name:>5} attention: log p drops by {erased[name].mean():.2f}")
for seed, mean, half in zip(seeds, extra, extra_half, strict=True):
    print(f"seed {seed}: most - other = {mean:.2f} ± {half:.2f} (95 % interval, {len(apart)} sentences)")
print(f"the strongest cell is the word that matters most: {erased['same_top'].mean():.1%}")
print(f"share of a state owed to its own word: {erased['own'].mean():.1%}")
for name in ("attention", "traced", "gradient", "diagonal"):
    print(f"rank correlation with erasure, {name:>9}: {erased[name].mean():.2f}")
for name, values in erased.items():
    mean, half = interval(values.mean(axis=0))
    metrics |= {f"erase_{name}": mean, f"erase_{name}_half": half}
mean, half = interval((erased["most"] - erased["other"]).mean(axis=0))
metrics.update(erase_extra=mean, erase_extra_half=half, erased=len(apart))
claims["with every seed, deleting the word with the most attention hurts more than deleting another"] = (
    extra > extra_half
).all()
claims["with every seed, the strongest cell is the word that matters most, in most rows"] = (
    erased["same_top"].mean(axis=1) > 0.5
).all()
claims["attention ranks the words more like erasure than the distance from the diagonal does, with every seed"] = (
    erased["attention"].mean(axis=1) > erased["diagonal"].mean(axis=1)
).all()
claims["attention ranks the words more like erasure than gradient times input does, with every seed"] = (
    erased["attention"].mean(axis=1) > erased["gradient"].mean(axis=1)
).all()
claims["most of an encoder state is owed to its own word"] = erased["own"].mean() > 0.5
claims["traced back to words, attention ranks them more like erasure, with every seed"] = (
    erased["traced"].mean(axis=1) > erased["attention"].mean(axis=1)
).all()

# %% [markdown]
# The three maps of our own sentence. And the row that deceives most: more than half of its look falls on one word, but
# the loss of another one hurts most.

# %%
written = translated[0][story]
looks = maps(first, [(story_source, written)])[0][:, :-1]  # as the others, without the end mark
effect, slope = erasure_map(first, story_source, written), gradient_map(first, story_source, written)
fig, axes = plt.subplots(1, 3, num="three_maps", figsize=(11.4, 4.2), sharey=True)
for ax, name, values in zip(axes, ("attention", "erasure", "gradient × input"), (looks, effect, slope), strict=True):
    reach = np.abs(values).max()
    low, high = (0, 1) if name == "attention" else (-reach, reach)
    plot_attention(ax, values, story_source, written, low, high)
    if name != "attention":
        ax.images[0].set_cmap("RdBu")  # blue helps, red is in the way
    ax.set_xlabel(name)
rows, looked, needed = range(len(written)), looks.argmax(axis=1), effect.argmax(axis=1)
deceived = [r for r in rows if looked[r] != needed[r] and looks[r].max() > 0.5 and effect[r].max() > 0.5]
metrics["deceived"] = len(deceived)
if deceived:
    row = max(deceived, key=lambda r: effect[r].max())
    metrics.update(deceived_word=written[row], deceived_share=looks[row].max())
    metrics.update(deceived_looked=story_source[looked[row]], deceived_needed=story_source[needed[row]])
    for ax, column in zip(axes, (looked[row], needed[row]), strict=False):
        ax.scatter(column, row, s=110, facecolors="none", edgecolors=plots.colour("accent2"), linewidths=2.5)
    print(f"{written[row]!r} looks at {story_source[looked[row]]!r}, but needs {story_source[needed[row]]!r}")

# %%
fig, (left, right) = plt.subplots(1, 2, num="erasure", figsize=(9.8, 4.0))
names = ["most", "other", "least"]
tones = ["accent", "muted", "accent2"]
for x, (name, tone) in enumerate(zip(names, tones, strict=True)):
    mean, half = interval(erased[name].mean(axis=0))
    left.bar(x, mean, color=plots.colour(tone), width=0.55)
    left.errorbar(x, mean, half, color=plots.colour("text"), linewidth=1.4)
    plots.label(left, x, mean + half, f"{mean:.2f}", tone, dx=0, dy=9, ha="center")
left.set_xticks(range(3), ["most\nattention", "another,\nat random", "least\nattention"])
left.set(ylabel="drop of log p when it is deleted", ylim=(min(0, left.get_ylim()[0]), 1.15 * left.get_ylim()[1]))
left.grid(False, axis="x")
names = ["attention", "traced", "gradient", "diagonal"]
for y, name in enumerate(names):
    mean, half = interval(erased[name].mean(axis=0))
    right.barh(y, mean, color=plots.colour("muted" if name == "diagonal" else "accent"), height=0.55)
    right.errorbar(mean, y, xerr=half, color=plots.colour("text"), linewidth=1.4)
    plots.label(right, max(mean + half, 0), y, f"{mean:.2f}".replace("-", "−"), "text", dx=8)
texts_of = ["attention", "attention,\ntraced to words", "gradient\n× input", "distance from\nthe diagonal"]
right.set_yticks(range(4), texts_of)
right.invert_yaxis()
right.set(xlabel="rank correlation with erasure", xlim=(min(0, right.get_xlim()[0]), 1))
right.grid(False, axis="y")

# %% [markdown]
# ## 9. Blur the map, and translate again
#
# Another intervention: mix every row with the uniform one, `(1 - w) * alpha + w / S`, and let the trained network
# translate with that. If attention carries the translation, it must break; where?


# %%
def blurred(weight):
    """A `change` for the translator: alpha (n, T, S) and the mask (n, S) of real words -> another alpha."""

    def change(alpha, mask):
        uniform = mask[:, None] / mask.sum(dim=-1)[:, None, None]
        return (1 - weight) * alpha + weight * uniform

    return change


WEIGHTS = np.linspace(0, 1, 11)
MOST_ROWS = 14  # of a map that we keep: a blurred translator may repeat itself without end
blur_bleu, blur_same, blur_story, blur_alpha = [], [], [], []
for weight in WEIGHTS:
    found = translation.translate_split(first, split_of(test_pairs), corpus.target, blurred(weight))
    told = translation.translate(first, split_of([test_pairs[story]]).batch([0]), change=blurred(weight))
    blur_alpha.append(told.alpha[0, :MOST_ROWS].numpy())  # (T, S + 1): what it looked at, after blurring
    blur_bleu.append(translation.bleu(found, references))
    blur_same.append(np.mean([a == b for a, b in zip(found, translated[0], strict=True)]))
    blur_story.append(corpus.target.decode(told.tokens[0])[:MOST_ROWS])
for weight in (0, 5, 8, 10):
    print(f"{WEIGHTS[weight]:.0%} uniform: BLEU {blur_bleu[weight]:.2f}; {' '.join(blur_story[weight])}")
metrics.update(blur_words=blur_story, blur_half_same=blur_same[5], blur_half_bleu=blur_bleu[5])
metrics.update(blur_none_bleu=blur_bleu[0], blur_full_bleu=blur_bleu[-1], blur_full_same=blur_same[-1])
claims["with half of every row made uniform, most translations stay the same"] = blur_same[5] > 0.5

# %% [markdown]
# ## 10. Find the bug
#
# Two bugs. Nothing crashes. In one network, the French sentences were shuffled against the English ones before it was
# trained, and the loss still goes down. The other is our healthy one, but somebody forgot the mask when it is used, so
# that attention may look at padding.

# %%
order = rng.permutation(len(corpus.train))
mixed = [(corpus.train.pairs[i][0], target) for i, (_, target) in zip(order, corpus.train.pairs, strict=True)]
mixed_corpus = replace(corpus, train=split_of(mixed))
broken = {"healthy": first}
broken["shuffled"], shuffled_history = train(seeds[0], mixed_corpus)
broken["no mask"] = copy.deepcopy(first)
broken["no mask"].use_mask = False
widest = max(len(source) for source, _ in test_pairs)
for name, model in broken.items():
    found = maps(model, test_pairs)
    words, agreed = translation.evaluate_forced(model, corpus.test)[1], hits(found, links).mean()
    padding = abs(np.mean(np.concatenate([1 - alpha.sum(axis=1) for alpha in found])))
    batch = split_of(test_pairs).batch(range(len(test_pairs)))
    wider = nn.functional.pad(batch.source, (0, 10), value=translation.PAD)
    wider = translation.Batch(wider, batch.lengths, batch.target)
    answers = [[corpus.target.decode(t) for t in translation.translate(model, b).tokens] for b in (batch, wider)]
    differ = np.mean([a != b for a, b in zip(*answers, strict=True)])
    print(f"{name:>8}: next word right {words:.1%}, links found {agreed:.1%}, tau {describe(found)[0]:.2f}", end="")
    print(f", on padding {padding:.1%}, answers that change when ten PAD are added: {differ:.1%}")
    key = name.replace(" ", "_")
    metrics |= {f"{key}_accuracy": words, f"{key}_found": agreed, f"{key}_padding": padding, f"{key}_differ": differ}
metrics.update(shuffled_loss_first=np.mean(shuffled_history.train_loss[:10]))
metrics.update(shuffled_loss_last=np.mean(shuffled_history.train_loss[-10:]))
claims["in the map of shuffled sources, the dictionary finds at most as much as on the diagonal"] = (
    metrics["shuffled_found"] <= diagonal_hits.mean()
)
claims["without a mask, more than a tenth of attention goes to padding"] = metrics["no_mask_padding"] > 0.1
claims["without a mask, ten more PAD change more than a tenth of the translations"] = metrics["no_mask_differ"] > 0.1

fig, axes = plt.subplots(1, 3, num="broken", figsize=(11.4, 3.8), sharey=True)
alone = split_of([test_pairs[story]]).batch([0])
wide = translation.Batch(nn.functional.pad(alone.source, (0, 4), value=translation.PAD), alone.lengths, alone.target)
for ax, (name, model) in zip(axes, broken.items(), strict=True):
    with torch.no_grad():
        alpha = model(wide)[1][0, : len(story_target)].cpu().numpy()
    padding = ["<pad>"] * (alpha.shape[1] - len(columns))
    plot_attention(ax, alpha, [*columns, *padding], story_target)
    ax.tick_params(labelsize=10)
    title = {"healthy": "healthy", "shuffled": "sources shuffled", "no mask": "mask forgotten"}[name]
    ax.set_xlabel(title)

# %% [markdown]
# ## 11. Another task: self-attention of a pretrained encoder
#
# In a Transformer every word attends to every word (Day 37). To see the weights, ask for the plain implementation:
# `attn_implementation="eager"`. With PyTorch's fused one there is nothing to return.

# %%
tokenizer, encoder, encoder_name = language.encoder("minilm", attn_implementation="eager")
sentences = [" ".join(source) for source, _ in test_pairs[: P.self_attended]]
with torch.no_grad():
    encoder.set_attn_implementation("sdpa")
    fused = encoder(**tokenizer(sentences[:2], return_tensors="pt", padding=True), output_attentions=True).attentions
    encoder.set_attn_implementation("eager")


@torch.no_grad()
def received(sentences, special):
    """Mean attention that the first and the last token and all others receive from words: (layers, 3)."""
    tokens = tokenizer(sentences, return_tensors="pt", padding=True, add_special_tokens=special)
    layers = encoder(**tokens, output_attentions=True).attentions  # each (n, heads, T, T)
    kept, rows = tokens["attention_mask"].bool(), torch.arange(len(sentences))
    last = kept.sum(dim=1) - 1
    word = kept.clone()
    if special:
        word[:, 0], word[rows, last] = False, False
    table = []
    for alpha in layers:
        alpha = alpha.mean(dim=1)[word]  # (all words, T), mean over the heads
        end = alpha.gather(1, last[:, None].expand(word.shape)[word][:, None])[:, 0]
        table.append([alpha[:, 0].mean().item(), end.mean().item(), (1 - alpha[:, 0] - end).mean().item()])
    return np.array(table), float((1 / kept.sum(dim=1)[:, None].expand(word.shape)[word]).mean())


with_special, fair = received(sentences, True)
without_special, fair_without = received(sentences, False)
share = with_special[:, :2].sum(axis=1)
print(f"fused attention gives {len(fused or ())} matrices, eager {len(with_special)}")
print("on [CLS] and [SEP], layer by layer:", " ".join(f"{value:.0%}" for value in share))
ends_without = without_special[:, :2].sum(axis=1)
print("without them, on the first and the last token:", " ".join(f"{value:.0%}" for value in ends_without))
metrics.update(fused_matrices=len(fused or ()), layers=len(share), sink_most=share.max(), sink_mean=share.mean())
metrics.update(sink_layer=int(share.argmax()) + 1, sink_fair=2 * fair, sink_sentences=len(sentences))
metrics.update(sink_without=ends_without.max(), sink_fair_without=2 * fair_without)
metrics["sink_first_share"] = with_special[share.argmax(), 0] / share.max()  # of that, on [CLS] alone
metrics["heir_first_share"] = without_special[ends_without.argmax(), 0] / ends_without.max()
claims["in most layers, the words give most of their attention to [CLS] and [SEP]"] = (share > 0.5).mean() > 0.5
claims["without special tokens, no layer gives most of its attention to the first and last token"] = (
    ends_without < 0.5
).all()

fig, (left, right) = plt.subplots(1, 2, num="sinks", figsize=(9.8, 4.0), sharey=True)
layers = np.arange(1, len(share) + 1)
for ax, table, even, labels in (
    (left, with_special, fair, ("[CLS]", "[SEP]", "all words")),
    (right, without_special, fair_without, ("first word", "last token", "all others")),
):
    ends = []
    for values, label, tone in zip(table.T, labels, ("accent", "violet", "muted"), strict=True):
        ax.plot(layers, 100 * values, marker="o", color=plots.colour(tone))
        ends.append((layers[-1], 100 * values[-1], label, tone))
    ax.axhline(100 * even, color=plots.colour("muted"), linewidth=1, linestyle=":")
    ax.set(xlabel="layer", xlim=(0.8, len(share) + 2.4), ylim=(0, 100), xticks=layers)
    plots.end_labels(ax, ends)
left.set_ylabel("attention received from words, percent")

# %% [markdown]
# ## What the animations show
#
# The map of our sentence as it was written, its links, the blurred translations, the map over the steps of training,
# and the maps of the other seeds.

# %%
written = blur_story[0]
written_alpha = blur_alpha[0][: len(written)]
written_links = dictionary_links(story_source, written, dictionary)
arrays["written_alpha"] = written_alpha
arrays["written_links"] = np.array(written_links, dtype=int).reshape(-1, 2)
arrays["written_crossing"] = np.array(crossing(written_links), dtype=bool)
longest = max(len(alpha) for alpha in blur_alpha)
arrays["blur_alpha"] = np.array([np.pad(alpha, ((0, longest - len(alpha)), (0, 0))) for alpha in blur_alpha])
arrays["blur_weights"], arrays["blur_bleu"], arrays["blur_same"] = WEIGHTS, np.array(blur_bleu), np.array(blur_same)
steps, snapshots, agreed, right = (np.array(part) for part in zip(*kept, strict=True))
arrays.update(steps=steps, snapshots=snapshots, snapshot_found=agreed, snapshot_right=right)
arrays["seed_maps"], arrays["reverse_map"] = np.array(story_maps[:3]), reverse_maps[story]
arrays["story_links"] = np.array(links[story], dtype=int).reshape(-1, 2)
half_found = steps[np.argmax(agreed >= 0.5 * (agreed[0] + agreed[-1]))]
half_right = steps[np.argmax(right >= 0.5 * (right[0] + right[-1]))]
print(f"half of the way: links found after {half_found} steps, the next words right after {half_right}")
metrics.update(steps_half_found=half_found, steps_half_right=half_right)
metrics.update(translation_words=written, source_words=story_source, target_words=story_target)
metrics.update(story_rings=len(written_links), story_hits=int(hits([written_alpha], [written_links]).sum()))
metrics.update(story_swaps=sum(crossing(written_links)), first_seed=seeds[0])
real_words = np.array([word.isalpha() for word in story_source])
metrics["favourite"] = story_source[int((written_alpha[:, :-1].sum(axis=0) * real_words).argmax())]

# %% [markdown]
# ## Exercises
#
# **1. By hand.** The strongest cells of a map with four rows lie in the columns 0, 2, 1, 3. What is Kendall's tau?
#
# *Hint:* there are six pairs of rows. How many go to the right, how many to the left?

# %%
your_tau = None  # your turn


def verdict(answer, truth):
    if answer is None:
        return "not solved yet"
    right = np.shape(answer) == np.shape(truth) and np.allclose(answer, truth, atol=5e-3)
    return "solved" if right else "not right yet"


print("exercise 1:", verdict(your_tau, kendall_tau([0, 2, 1, 3])))

# %% [markdown]
# **2. The neglected word.** A translator that forgets a word has often not looked at it. Return the number of the
# source word (without the end mark, the last column) that gets the least attention, summed over all rows.
#
# *Hint:* rows are what is written, columns are what is read. Which axis do you sum over?


# %%
def neglected(alpha):
    return None  # your turn: a number of a column


answers = [neglected(alpha) for alpha in test_maps[0][:20]]
truth = [alpha[:, :-1].sum(axis=0).argmin() for alpha in test_maps[0][:20]]
print("exercise 2:", verdict(None if answers[0] is None else answers, truth))

# %% [markdown]
# **3. The doctor.** Twelve patients, and of each you get ten maps with the names of their columns, all drawn by one
# translator. Say which one: "healthy", "shuffled" (its sources were) or "no mask". You may only use the maps. Eleven
# of twelve must be right.
#
# *Hint:* two questions suffice. How much weight lies on columns called `<pad>`? And is there a column for every row, or
# do all rows share a few?

# %%
patients = []  # (ten maps with their columns, the truth)
with torch.no_grad():
    for truth, model in broken.items():
        sheets = []
        for (source, target), alpha in zip(test_pairs, model(split_of(test_pairs).batch(range(40)))[1], strict=False):
            names = with_source_words(source)
            names += ["<pad>"] * (alpha.shape[1] - len(names))
            sheets.append((alpha[: len(target)].cpu().numpy(), names))
        patients += [(sheets[start : start + 10], truth) for start in range(0, 40, 10)]


def diagnose(sheets):  # ten pairs of a map and the names of its columns
    return None  # your turn: "healthy", "shuffled" or "no mask"


diagnoses = [diagnose(sheets) for sheets, _ in patients]
right = sum(said == truth for said, (_, truth) in zip(diagnoses, patients, strict=True))
print("exercise 3:", "not solved yet" if diagnoses[0] is None else "solved" if right >= 11 else "not right yet")

# %% [markdown]
# **4. Open: another language, and the failures.** Train on German (`translation.load_corpus(..., language="de")`, needs
# Multi30k). Before you look: will tau be higher or lower than for French? And look at the maps of the ten translations
# that are worst. Does the map show that they are wrong?
#
# *Hint:* `read` gives the log probability of every word; sort the sentences by its mean.

# %%
# german = translation.load_corpus(P.pairs, P.most_words, language="de", device=device, closed=P.closed)
