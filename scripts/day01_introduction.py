# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day 1: Introduction to Deep Learning
#
# Welcome! You need no mathematics for this page, and you have to install nothing. Today a program learns to tell a
# handwritten 3 from a 7, although nobody writes down how. You watch it happen, and you measure whether it was worth it.
#
# After this notebook you can
#
# - check that PyTorch is here, and whether there is a GPU,
# - make your first tensor, and see that a picture is nothing but numbers,
# - say what AI, machine learning and deep learning have to do with each other, with an example of each,
# - tell three kinds of learning apart, by what the teacher says,
# - say what a network can promise, and what nobody promised.
#
# **How to run it.** Click the first grey cell, then press *Shift + Enter*, again and again. The very first one only
# puts a few files of the course beside this notebook: run it, there is no need to read it. Nothing here can break. If
# it looks odd: *Runtime, Restart session*, and begin again.

# %%
import platform

import numpy as np
import torch

print("Hello! Here is Python", platform.python_version())
print("PyTorch", torch.__version__)
print("NumPy", np.__version__)
print("Is there a GPU?", torch.cuda.is_available())

# %% [markdown]
# You see four lines? Then everything that this course needs is installed, and you are done with setting up.
#
# `False` in the last line is fine for today: no GPU is needed. When you want one, in Colab: *Runtime, Change runtime
# type, T4 GPU, Save*. Then a fresh computer starts, and you run the cells again from the top.
#
# The next cell holds the settings. Later you may change any of them and see what happens; for now, just run it.

# %%
# ruff: noqa: E402
import matplotlib.pyplot as plt
from lab import images as datasets
from lab import plots, settings, sources, timing
from matplotlib.colors import LinearSegmentedColormap
from torch import nn
from torch.nn.functional import cross_entropy

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=1,
    seeds=(2, 3, 8),  # repetitions of every experiment
    duel_steps=(150, 1_500, 3_000),  # batches from which a network learns 3 against 7
    steps=(80, 800, 3_000),  # batches from which a network learns ten digits
    reward_steps=(160, 1_200, 6_000),  # the same, told only right or wrong
    per_class=((1, 10, 100), (1, 10, 100, 1_000, 4_500), (1, 3, 10, 30, 100, 300, 1_000, 4_500)),
    cluster_images=(1_000, 10_000, 50_000),  # that are sorted without labels
    cluster_rounds=(5, 20, 40),
    curve_steps=(200, 1_500, 4_000),  # for fitting a curve
    curve_seeds=(2, 5, 15),
    matrix=(300, 2_000, 4_000),  # rows of a large matrix, to compare CPU and GPU
    rounds=(3, 9, 30),  # of every timing
)
BATCH_SIZE = 64
LEARNING_RATE = 1e-3
DUEL_HIDDEN, HIDDEN = 32, 128  # hidden units: for two digits, for ten
LIMIT_SECONDS = {"smoke": 120, "quick": 300, "full": 900}
print(P)

# %% [markdown]
# Three dictionaries collect what we find out: numbers, statements that turned out true or false, and arrays.

# %%
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
torch.set_num_threads(1)  # everything today is small: a second thread would cost more than it brings
device = settings.device()
plots.style()
seeds = [P.seed + i for i in range(P.seeds)]
metrics |= {"python_version": platform.python_version(), "torch_version": torch.__version__.split("+")[0]}
metrics |= {"numpy_version": np.__version__, "has_gpu": torch.cuda.is_available(), "seeds": P.seeds}

# %% [markdown]
# ## 1. Your first tensor
#
# A **tensor** is a box of numbers with a shape. NumPy calls it an array, PyTorch calls it a tensor. They look alike;
# a tensor can also live on a GPU, and PyTorch can compute derivatives through it (Day 4).

# %%
brightness = np.array([[0, 128, 255], [64, 32, 16]])  # two rows, three columns
tensor = torch.tensor(brightness)
print(tensor)
print("shape", tuple(tensor.shape), " kind of number", tensor.dtype)
print("as shares of 255:", (tensor.float() / 255).tolist())

# %% [markdown]
# Now real ones: MNIST, 70,000 handwritten digits, each a picture of 28 × 28 pixels. From 0 (black) to 255 (white).
#
# Three sets, three jobs. We learn from 55,000 pictures, look at 5,000 others while we work (*validation*), and ask the
# 10,000 *test* pictures only once, at the end.

# %%
train_set, test_set = datasets.mnist(train=True), datasets.mnist(train=False)
order = torch.randperm(len(train_set), generator=torch.Generator().manual_seed(P.seed))
bytes_train, y_train = train_set.data[order[5_000:]], train_set.targets[order[5_000:]]  # (55000, 28, 28), (55000,)
bytes_val, y_val = train_set.data[order[:5_000]], train_set.targets[order[:5_000]]


def pixels(data):
    """Bytes as numbers from 0 to 1, on the device: (n, 28, 28)."""
    return data.to(device).float() / 255


train_images, val_images, test_images = (pixels(data) for data in (bytes_train, bytes_val, test_set.data))
y_train, y_val, y_test = y_train.to(device), y_val.to(device), test_set.targets.to(device)
print("one picture:", tuple(train_images[0].shape), " all of them:", tuple(train_images.shape))
print("a piece of one, as numbers:")
print(bytes_train[0, 8:14, 8:18].numpy())
print(sources.caption())

# %% [markdown]
# The first task of this course has two answers only: is it a **3** or a **7**?


# %%
def only_3_and_7(images, labels):
    """The pictures of these two digits, and for each: 0 for a three, 1 for a seven."""
    chosen = (labels == 3) | (labels == 7)
    return images[chosen], (labels[chosen] == 7).long()


duel_train, duel_val, duel_test = (
    only_3_and_7(*pair) for pair in ((train_images, y_train), (val_images, y_val), (test_images, y_test))
)
metrics.update(train_images=len(train_images), val_images=len(val_images), test_images=len(test_images))
metrics.update(duel_train=len(duel_train[0]), duel_val=len(duel_val[0]), duel_test=len(duel_test[0]))
print(
    f"3 or 7: {len(duel_train[0]):,} to learn from, {len(duel_val[0]):,} to look at, {len(duel_test[0]):,} for the end"
)

fig, axes = plt.subplots(2, 11, num="digits", figsize=(9.2, 1.9))
for row, digit in enumerate((0, 1)):
    for ax, picture in zip(axes[row], duel_train[0][duel_train[1] == digit][:11].cpu(), strict=True):
        ax.imshow(255 - 255 * picture, cmap="gray", vmin=0, vmax=255)
        ax.axis("off")

# %% [markdown]
# ## 2. Rules by hand
#
# Before you read on: how would *you* tell them apart? You may only use pixels. Here are three ideas. Each gives one
# number per picture; then a threshold decides. The threshold is picked on the training pictures.


# %%
def ink(images):
    """How much is drawn? A 3 is longer than a 7."""
    return images.mean(dim=(1, 2))


def ink_below(images):
    """How much is drawn in the lower third? A 3 has a belly there, a 7 only a stem."""
    return images[:, 19:].mean(dim=(1, 2))


def strokes(images):
    """Walk down the middle column: how many strokes are crossed? A 3 has three, a 7 rather two."""
    inked = images[:, :, 14] > 0.5  # (n, 28)
    return (inked[:, 1:] & ~inked[:, :-1]).sum(dim=1).float()


def best_threshold(values, labels):
    """The threshold with the fewest mistakes, and whether it is the threes that lie above it."""
    tried = torch.linspace(values.min(), values.max(), 402, device=values.device)[1:-1, None]  # (400, 1)
    right = ((values > tried) == (labels == 0)).float().mean(dim=1)  # (400,), if above means three
    score = torch.where(right > 0.5, right, 1 - right)
    ties = torch.nonzero(score == score.max())[:, 0]
    best = ties[len(ties) // 2]  # of equally good ones the middle one
    return tried[best].item(), bool(right[best] > 0.5)


def rule_says(values, threshold, three_above):
    return ((values > threshold) != three_above).long()  # 0: three, 1: seven


def accuracy(said, labels):
    return (said == labels).float().mean().item()


RULES = {"all ink": ink, "ink below": ink_below, "strokes crossed": strokes}
thresholds = {}
for name, rule in RULES.items():
    thresholds[name] = best_threshold(rule(duel_train[0]), duel_train[1])
    said = rule_says(rule(duel_val[0]), *thresholds[name])
    print(f"{name:>15}: {accuracy(said, duel_val[1]):.1%} of the validation pictures")

# %%
fig, axes = plt.subplots(1, 3, num="rules", figsize=(9.2, 2.9))
for ax, (name, rule) in zip(axes, RULES.items(), strict=True):
    values = rule(duel_train[0]).cpu()
    bins = np.arange(-0.5, 6) if name == "strokes crossed" else np.linspace(0, values.quantile(0.999).item(), 32)
    for digit, tone in ((0, "accent"), (1, "accent2")):
        ax.hist(values[duel_train[1].cpu() == digit], bins, color=plots.colour(tone), alpha=0.6)
    ax.axvline(thresholds[name][0], color=plots.colour("text"), linewidth=1.6, linestyle="--")
    ax.set(title=name, yticks=[])
    ax.grid(False)
axes[0].set(ylabel="pictures")
for height, text, tone in ((0.88, "threes", "accent"), (0.74, "sevens", "accent2")):
    axes[0].annotate(text, (0.98, height), xycoords="axes fraction", color=plots.colour(tone), ha="right")

# %% [markdown]
# ## 3. Let the pictures speak: a template
#
# No more ideas about shapes. Lay all the threes on top of each other, and take the mean. The same with the sevens. A
# new picture is called by the name of the mean that is nearer: `p=1` adds up the differences of the pixels, `p=2`
# their squares.


# %%
def make_templates(images, labels, classes):
    """The mean picture of every class: (classes, 784)."""
    return torch.stack([images[labels == c].flatten(1).mean(dim=0) for c in classes])


def nearest_template(images, templates, p):
    """For every picture, which template is nearest?"""
    distances = torch.cdist(images.flatten(1), templates, p)  # (n, classes)
    return distances.argmin(dim=1)  # (n,)


templates = make_templates(*duel_train, classes=(0, 1))  # (2, 784)
for p in (1, 2):
    print(
        f"p = {p}: {accuracy(nearest_template(duel_val[0], templates, p), duel_val[1]):.1%} of the validation pictures"
    )

# %% [markdown]
# A warning from practice: a byte knows only 0 to 255. Three minus seven is then not minus four. No error, no warning.

# %%
three, seven = np.array([3], dtype=np.uint8), np.array([7], dtype=np.uint8)
print("3 - 7 in bytes:", (three - seven).item())
val_bytes, _ = only_3_and_7(bytes_val, y_val.cpu())
template_bytes = (255 * templates).round().byte().cpu()  # (2, 784)
wrapped = (val_bytes.flatten(1)[:, None] - template_bytes).float().sum(dim=2)  # (n, 2), each difference from 0 to 255
in_bytes = accuracy(wrapped.argmin(dim=1), duel_val[1].cpu())
in_floats = accuracy(nearest_template(duel_val[0], templates, 1), duel_val[1])
print(f"nearest template, subtracted as bytes: {in_bytes:.1%} instead of {in_floats:.1%}")
metrics |= {"byte_difference": int((three - seven).item()), "bytes_accuracy": in_bytes, "floats_accuracy": in_floats}
claims["subtracting pictures as bytes costs the template more than ten points"] = in_floats - in_bytes > 0.1

# %% [markdown]
# ## 4. A network that learns
#
# 784 pixels go in. Each of 32 **hidden units** multiplies every pixel with a weight of its own, adds it all up, and
# passes on what is positive. Two outputs are added up from the 32 results, with weights again. The larger output is the
# answer. At first all weights are random, and so are the answers.
#
# Then it learns: look at 64 labelled pictures, measure how wrong the answers are, and nudge every weight a little in
# the direction that helps. That is all. You need not understand these lines yet: each has a day of its own.


# %%
def make_network(hidden, classes):
    """784 pixels, some hidden units, one output for each class; the weights are random."""
    layers = nn.Linear(784, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    return nn.Sequential(nn.Flatten(), *layers).to(device)


def train(network, images, labels, steps, teacher=cross_entropy):
    """Learn from random batches of 64; after every step, say how many."""
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE)
    for step in range(1, steps + 1):
        batch = torch.randint(len(images), (BATCH_SIZE,))
        logits = network(images[batch])  # what does it say? (days 2, 3)
        loss = teacher(logits, labels[batch])  # how wrong is that? (day 6)
        optimizer.zero_grad()
        loss.backward()  # which weight did it? (day 4)
        optimizer.step()  # nudge them all (day 7)
        yield step


def network_says(network, images):
    with torch.no_grad():
        return network(images).argmax(dim=1)  # (n,)


def weight_image(network, images):
    """The weight of every pixel for "three" against "seven", averaged over pictures: (28, 28)."""
    _, first, _, last = network
    with torch.no_grad():
        awake = (first(images.flatten(1)) > 0).float().mean(dim=0)  # (hidden,): how often each unit passes on
        return ((last.weight[0] - last.weight[1]) * awake @ first.weight).reshape(28, 28)


# %% [markdown]
# We train it several times, each time from other random weights, and look at it now and then.


# %%
def look(network):
    """Its weights as a picture, and its validation accuracy."""
    return weight_image(network, duel_train[0][:2_000]), accuracy(network_says(network, duel_val[0]), duel_val[1])


marks = {round(step) for step in np.geomspace(1, P.duel_steps, 40)}
duelists, snapshots = [], []
for seed in seeds:
    torch.manual_seed(seed)
    network = make_network(DUEL_HIDDEN, 2)
    kept = [(0, *look(network))]
    kept += [(step, *look(network)) for step in train(network, *duel_train, P.duel_steps) if step in marks]
    duelists.append(network)
    snapshots.append(kept)
    print(f"seed {seed}: before training {kept[0][2]:.1%}, after {P.duel_steps:,} steps {kept[-1][2]:.1%} (validation)")
parameters = sum(p.numel() for p in duelists[0].parameters())
print(f"{parameters:,} numbers were learned")

# %% [markdown]
# ### Look inside
#
# One picture on its way through the first network: the five hidden units that matter most for it. Each is drawn as its
# weights (blue: ink here makes it larger), with the number that it passes on.

# %%
_, first, bend, last = duelists[0]
one = duel_val[0][int((duel_val[1] == 0).nonzero()[0])]  # the first three of the validation pictures
with torch.no_grad():
    passed = bend(first(one.reshape(1, 784)))[0]  # (32,)
    outputs = last(passed).cpu()  # (2,)
    sent = (passed * last.weight).cpu()  # (2, 32): what each hidden unit adds to each output
    weights = first.weight.detach().reshape(-1, 28, 28).cpu()
most = (sent[0] - sent[1]).abs().argsort(descending=True)[:5]
signed = LinearSegmentedColormap.from_list("signed", [plots.colour(c) for c in ("accent2", "surface", "accent")])
scale = weights[most].abs().quantile(0.99).item()

fig, ax = plt.subplots(num="network", figsize=(9.2, 4.4))
ax.imshow(255 - 255 * one.cpu(), cmap="gray", vmin=0, vmax=255, extent=(0, 4, 7, 3))
for row, unit in enumerate(most):
    height = 1 + 2 * row
    ax.plot((4.2, 8.1), (5, height), color=plots.colour("muted"), linewidth=1)
    for k, end in enumerate((3, 7)):
        tone, share = "accent" if sent[k, unit] > 0 else "accent2", (sent[k, unit].abs() / sent.abs().max()).item()
        ax.plot((11.4, 16), (height, end), color=plots.colour(tone), linewidth=0.6 + 4 * share, alpha=0.8)
    ax.imshow(weights[unit], cmap=signed, vmin=-scale, vmax=scale, extent=(8.2, 10, height + 0.9, height - 0.9))
    ax.text(10.15, height, f"{passed[unit]:.1f}", va="center", fontsize=12)
for k, (end, name) in enumerate(((3, "three"), (7, "seven"))):
    ax.plot(16.4, end, "o", markersize=20, color=plots.colour("good" if outputs[k] == outputs.max() else "muted"))
    ax.text(17.1, end, f"{name}: {outputs[k]:+.1f}".replace("-", "−"), va="center")
for x, text in ((2, "784 pixels"), (9.1, "5 of 32 hidden units"), (17, "2 outputs")):
    ax.text(x, 10.6, text, ha="center", color=plots.colour("muted"))
ax.set(xlim=(-0.3, 20), ylim=(10.9, 0))
ax.axis("off")

# %% [markdown]
# ### The contest
#
# All contestants are ready. Now the test pictures, once. Bars show the uncertainty that comes from having only so many
# of them (95 %); the network is there once for every random start.


# %%
def wilson(share, n, z=1.96):
    """The 95 % interval of a share that was found on n pictures."""
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return middle - half, middle + half


duel_images, duel_labels = duel_test
n_duel = len(duel_labels)
answers = {"always the same": torch.full_like(duel_labels, duel_train[1].mode().values)}
answers |= {name: rule_says(rule(duel_images), *thresholds[name]) for name, rule in RULES.items()}
answers |= {f"template, p = {p}": nearest_template(duel_images, templates, p) for p in (1, 2)}
scores = {name: accuracy(said, duel_labels) for name, said in answers.items()}
network_answers = [network_says(network, duel_images) for network in duelists]
network_scores = np.array([accuracy(said, duel_labels) for said in network_answers])
for name, share in scores.items():
    print(f"{name:>16}: {share:.1%}")
print(f"{'network':>16}: {network_scores.mean():.1%} ± {network_scores.std(ddof=1):.1%} ({P.seeds} seeds)")

template_right = answers["template, p = 2"] == duel_labels
rescued = np.array([((said == duel_labels) & ~template_right).sum().item() for said in network_answers])
lost = np.array([((said != duel_labels) & template_right).sum().item() for said in network_answers])
print(f"wrong by template, right by network: {rescued.tolist()}; the other way round: {lost.tolist()}")

# %%
LEARNED = {"always the same": 1, "all ink": 1, "ink below": 1, "strokes crossed": 1}
LEARNED |= {"template, p = 1": 1_568, "template, p = 2": 1_568}
fig, ax = plt.subplots(num="ladder", figsize=(7.2, 4.3))
for row, (name, share) in enumerate(scores.items()):
    tone = "accent2" if "template" in name else "muted"
    low, high = wilson(share, n_duel)
    ax.errorbar(
        100 * share, row, xerr=[[100 * (share - low)], [100 * (high - share)]], fmt="o", color=plots.colour(tone)
    )
    plots.label(ax, 100 * low, row, f"{100 * share:.1f} %", tone, dx=-8, ha="right")
row = len(scores)
mean = network_scores.mean()
low, high = wilson(mean, n_duel)
ax.errorbar(
    100 * mean, row, xerr=[[100 * (mean - low)], [100 * (high - mean)]], fmt="none", color=plots.colour("accent")
)
ax.plot(100 * network_scores, np.full(P.seeds, row), "o", color=plots.colour("accent"), alpha=0.6)
plots.label(ax, 100 * low, row, f"{100 * mean:.1f} %", "accent", dx=-8, ha="right")
learned = [*LEARNED.values(), parameters]
texts = [f"{name}\n({count:,} learned)" for name, count in zip([*scores, "network"], learned, strict=True)]
ax.set_yticks(range(row + 1), texts, fontsize=11)
ax.set(xlabel=f"percent of {n_duel:,} test pictures read right", xlim=(38, 101), ylim=(row + 0.6, -0.6))
ax.grid(False, axis="y")

best_template = max(scores[name] for name in answers if "template" in name)
best_rule = max(scores[name] for name in RULES)
keys = ("constant", "ink", "below", "strokes", "template_1", "template_2")
metrics |= {f"duel_{key}": share for key, share in zip(keys, scores.values(), strict=True)}
metrics.update(
    duel_best_rule=best_rule,
    duel_template=scores["template, p = 2"],
    duel_network=network_scores.mean(),
    duel_network_sd=network_scores.std(ddof=1),
    duel_gap=network_scores.mean() - best_template,
    duel_parameters=parameters,
    duel_hidden=DUEL_HIDDEN,
    duel_steps=P.duel_steps,
    duel_untrained=snapshots[0][0][2],
    template_wrong=int((~template_right).sum()),
    rescued=rescued.mean(),
    lost=lost.mean(),
)
claims["the nearest template beats every rule by hand"] = best_rule < scores["template, p = 2"]
claims["on 3 against 7 the network beats the template with every seed"] = network_scores.min() > best_template
claims["on 3 against 7 the network is more than two points better than the template"] = metrics["duel_gap"] > 0.02
claims["no network loses a digit that the template reads right"] = lost.max() == 0

# %% [markdown]
# ### It always answers
#
# This network knows two words. What does it say to a 0, a 5 or an 8? And how sure is it? (The softmax turns its outputs
# into shares that add up to one.)

# %%
others = (y_test != 3) & (y_test != 7)
with torch.no_grad():
    sure = torch.stack([network(test_images[others]).softmax(dim=1) for network in duelists])  # (seeds, n, 2)
sure_share = (sure.max(dim=2).values > 0.9).float().mean(dim=1).cpu().numpy()  # (seeds,)
print(f"pictures that are neither: {others.sum():,}; more than 90 % sure about {sure_share.mean():.0%} of them")

fig, axes = plt.subplots(2, 8, num="others", figsize=(9.2, 2.9))
picked = [torch.nonzero(y_test[others] == digit)[k].item() for k in (0, 1) for digit in (0, 1, 2, 4, 5, 6, 8, 9)]
for ax, index in zip(axes.flat, picked, strict=True):
    share, said = sure[0, index].max(dim=0)
    ax.imshow(255 - 255 * test_images[others][index].cpu(), cmap="gray", vmin=0, vmax=255)
    ax.set_title(f"“{(3, 7)[said]}” " + (f"{share:.0%}" if share < 0.995 else "> 99%"), fontsize=12)
    ax.axis("off")
metrics |= {"others": int(others.sum()), "others_sure": sure_share.mean(), "others_sure_sd": sure_share.std(ddof=1)}
claims["shown digits that are neither 3 nor 7, the networks are more than 90% sure about most of them"] = (
    sure_share.min() > 0.5
)

# %% [markdown]
# ## 5. Ten digits, and how many examples?
#
# Two digits were easy. Now all ten. And we ask a second question: how many labelled pictures of each digit does each
# method need? The rules by hand go along: their three numbers per picture, compared with the means of the ten digits.


# %%
def balanced(labels, count, seed):
    """Indices of `count` random pictures of every digit."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = torch.randperm(len(labels), generator=generator)
    mixed = labels.cpu()[shuffled]
    return torch.cat([shuffled[mixed == digit][:count] for digit in range(10)])


def hand_features(images):
    """What the three rules look at, each on its own scale: (n, 3)."""
    values = torch.stack([rule(images) for rule in RULES.values()], dim=1)
    return (values - feature_mean) / feature_sd


raw = torch.stack([rule(train_images) for rule in RULES.values()], dim=1)
feature_mean, feature_sd = raw.mean(dim=0), raw.std(dim=0)

counts = [count for count in P.per_class if 10 * count <= len(train_images)]
watched = {round(step) for step in np.geomspace(10, P.steps, 14)}
curves = {name: np.zeros((P.seeds, len(counts))) for name in ("rules", "template", "network")}
readers, told_answer = [], []
for row, seed in enumerate(seeds):
    for column, count in enumerate(counts):
        chosen = balanced(y_train, count, seed)
        images, labels = train_images[chosen], y_train[chosen]
        means = make_templates(hand_features(images), labels, range(10))
        curves["rules"][row, column] = accuracy(nearest_template(hand_features(val_images), means, 2), y_val)
        means = make_templates(images, labels, range(10))
        curves["template"][row, column] = accuracy(nearest_template(val_images, means, 2), y_val)
        torch.manual_seed(seed)
        network = make_network(HIDDEN, 10)
        for step in train(network, images, labels, P.steps):
            if count == counts[-1] and step in watched:
                told_answer.append((step, accuracy(network_says(network, val_images), y_val)))
        curves["network"][row, column] = accuracy(network_says(network, val_images), y_val)
    readers.append((network, means))
for name, values in curves.items():
    print(f"{name:>9}: " + ", ".join(f"{c} each: {v:.1%}" for c, v in zip(counts, values.mean(axis=0), strict=True)))

# %%
fig, ax = plt.subplots(num="gap")
for name, tone in (("rules", "muted"), ("template", "accent2"), ("network", "accent")):
    plots.runs(ax, np.array(counts), 100 * curves[name], tone)
ax.set(xscale="log", xlabel="labelled pictures of each digit", ylabel="validation accuracy, percent")
ax.set(ylim=(0, 100), xlim=(0.8, 6 * counts[-1]))
ax.set_xticks(counts, [f"{count:,}" for count in counts])
words = {"rules": ("three rules", "muted"), "template": ("templates", "accent2"), "network": ("network", "accent")}
ends = [(counts[-1], 100 * np.median(curves[name][:, -1]), *how) for name, how in words.items()]
plots.end_labels(ax, ends)

# %% [markdown]
# And the test pictures, once, for those that have seen the most.

# %%
ten_network = np.array([accuracy(network_says(network, test_images), y_test) for network, _ in readers])
ten_template = np.array([accuracy(nearest_template(test_images, means, 2), y_test) for _, means in readers])
print(
    f"ten digits: templates {ten_template.mean():.1%}, network {ten_network.mean():.1%} ± {ten_network.std(ddof=1):.1%}"
)
gap = ten_network - ten_template
metrics.update(
    ten_network=ten_network.mean(),
    ten_network_sd=ten_network.std(ddof=1),
    ten_template=ten_template.mean(),
    ten_template_sd=ten_template.std(ddof=1),
    ten_gap=gap.mean(),
    ten_parameters=sum(p.numel() for p in readers[0][0].parameters()),
    ten_rules=curves["rules"][:, -1].mean(),
    ten_steps=P.steps,
    most_per_class=counts[-1],
    one_template=curves["template"][:, 0].mean(),
    one_network=curves["network"][:, 0].mean(),
)
claims["with ten digits the network is ahead by more than ten points, with every seed"] = gap.min() > 0.1
claims["with one picture of each digit the template beats the network, with every seed"] = bool(
    (curves["template"][:, 0] > curves["network"][:, 0]).all()
)

# %% [markdown]
# ## 6. Three teachers
#
# The same ten digits, and three ways to learn.
#
# - **Supervised**: the teacher tells the right answer. That was the network above.
# - **Reinforcement**: the network guesses, and the teacher says only *right* or *wrong*. It costs one changed line: the
#   function that judges the answers. (There is more to reinforcement learning: usually an action also changes what
#   comes next. Without that, it is called a bandit.)
# - **Unsupervised**: no teacher at all. Sort the pictures into ten heaps of similar ones, and look at them afterwards.


# %%
def right_or_wrong(logits, labels):
    """Guess, and be told only whether the guess was right."""
    guesses = torch.distributions.Categorical(logits=logits)
    guess = guesses.sample()  # (64,)
    reward = (guess == labels).float()  # all that the teacher says
    better = reward - reward.mean()  # better than usual: more of that
    return -(better * guesses.log_prob(guess)).mean()


told_reward = []
watched = {round(step) for step in np.geomspace(10, P.reward_steps, 16)}
for seed in seeds:
    torch.manual_seed(seed)
    network = make_network(HIDDEN, 10)
    for step in train(network, train_images, y_train, P.reward_steps, teacher=right_or_wrong):
        if step in watched:
            told_reward.append((step, accuracy(network_says(network, val_images), y_val)))
told_answer, told_reward = (
    np.array(told).reshape(P.seeds, -1, 2) for told in (told_answer, told_reward)
)  # (seeds, marks, 2)
print(f"told the answer: {told_answer[:, -1, 1].mean():.1%} after {P.steps:,} steps")
print(f"told right or wrong: {told_reward[:, -1, 1].mean():.1%} after {P.reward_steps:,} steps")


# %% [markdown]
# The third is called k-means. Begin with `k` random pictures as centres. Every picture joins the nearest centre, every
# centre moves to the middle of its heap, and again.


# %%
def k_means(images, k, rounds, seed):
    """Heaps of similar pictures: their centres (k, 784). No label is used."""
    generator = torch.Generator().manual_seed(seed)
    centres = images[torch.randperm(len(images), generator=generator)[:k]]
    for _ in range(rounds):
        heap = torch.cdist(images, centres).argmin(dim=1)  # (n,)
        full = [j for j in range(k) if (heap == j).any()]
        centres = torch.stack([images[heap == j].mean(dim=0) for j in full])
        k = len(full)
    return centres


def majority(centres, images, labels):
    """Name every heap by what most of its pictures are. Returns the names, and that part of each heap."""
    heap = torch.cdist(images, centres).argmin(dim=1)
    table = torch.stack([torch.bincount(labels[heap == j], minlength=10) for j in range(len(centres))])  # (k, 10)
    return table.argmax(dim=1), table.max(dim=1).values / table.sum(dim=1).clamp(min=1)


cluster_images, cluster_labels = train_images[: P.cluster_images].flatten(1), y_train[: P.cluster_images]
val_flat = val_images.flatten(1)
heaps, heap_scores, asked_scores, neighbour_scores = [], [], [], []
for seed in seeds:
    centres = k_means(cluster_images, 10, P.cluster_rounds, seed)
    names, shares = majority(centres, cluster_images, cluster_labels)
    heaps.append((centres, names, shares))
    heap_scores.append(accuracy(names[torch.cdist(val_flat, centres).argmin(dim=1)], y_val))
    # with a hundred heaps we ask for a hundred labels: for the picture in the middle of each
    centres = k_means(cluster_images, 100, P.cluster_rounds, seed)
    names = cluster_labels[torch.cdist(centres, cluster_images).argmin(dim=1)]
    asked_scores.append(accuracy(names[torch.cdist(val_flat, centres).argmin(dim=1)], y_val))
    # the control: a hundred labels of random pictures, and the nearest of these
    known = torch.randperm(len(cluster_images), generator=torch.Generator().manual_seed(seed))[:100]
    nearest = torch.cdist(val_flat, cluster_images[known]).argmin(dim=1)
    neighbour_scores.append(accuracy(cluster_labels[known][nearest], y_val))
heap_scores, asked_scores, neighbour_scores = map(np.array, (heap_scores, asked_scores, neighbour_scores))
found = [len(set(names.tolist())) for _, names, _ in heaps]
hundred = counts.index(10)  # ten labelled pictures of each digit
network_100 = curves["network"][:, hundred]
print(f"ten heaps, named afterwards: {heap_scores.mean():.1%}; different digits among the names: {found}")
print(f"a hundred labels: heaps {asked_scores.mean():.1%}, nearest of 100 {neighbour_scores.mean():.1%}, ", end="")
print(f"network {network_100.mean():.1%}")

# %%
grid = [["curve"] * 6 + list(row) for row in ("abcde", "fghij")]  # a wide field on the left, ten small ones
fig, fields = plt.subplot_mosaic(grid, num="teachers", figsize=(9.2, 3.7))
left, *small = fields.values()
for told, tone in ((told_answer, "accent"), (told_reward, "accent2")):
    plots.runs(left, BATCH_SIZE * told[0, :, 0], 100 * told[:, :, 1], tone, marker="")
left.axhline(100 * heap_scores.mean(), color=plots.colour("violet"), linewidth=2, linestyle="--")
left.axhline(10, color=plots.colour("muted"), linewidth=1.2, linestyle=":")
left.set(xscale="log", xlabel="pictures seen", ylabel="validation accuracy, percent", ylim=(0, 100))
for told, place, text, tone, how in (
    (told_answer, 0.9, "told the answer", "accent", {"dx": -8, "dy": 12, "ha": "right"}),
    (told_reward, 0.8, "right or wrong", "accent2", {"dx": 10, "dy": -25}),
):
    middle_run = np.median(told[:, :, 1], axis=0)
    mark = np.argmax(middle_run > place * middle_run[-1])
    plots.label(left, BATCH_SIZE * told[0, mark, 0], 100 * middle_run[mark], text, tone, **how)
plots.label(left, left.get_xlim()[0], 100 * heap_scores.mean(), "told nothing", "violet", dx=6, dy=11)
plots.label(left, left.get_xlim()[1], 10, "guessing", "muted", dx=-6, dy=-10, ha="right")
centres, names, shares = heaps[0]
for ax, centre, name, share in zip(small, centres.cpu(), names.tolist(), shares.tolist(), strict=False):
    ax.imshow(255 - 255 * centre.reshape(28, 28), cmap="gray", vmin=0, vmax=255)
    ax.set_title(f"{name}: {share:.0%}", fontsize=12, color=plots.colour("violet"))
for ax in small:
    ax.axis("off")

reached = [next((BATCH_SIZE * step for step, share in run if share >= 0.8), None) for run in told_reward]
metrics.update(
    answer_end=told_answer[:, -1, 1].mean(),
    reward_end=told_reward[:, -1, 1].mean(),
    reward_end_sd=told_reward[:, -1, 1].std(ddof=1),
    reward_pictures=BATCH_SIZE * P.reward_steps,
    answer_pictures=BATCH_SIZE * P.steps,
    heaps=heap_scores.mean(),
    heaps_sd=heap_scores.std(ddof=1),
    heaps_digits=found[0],
    heaps_digits_most=max(found),
    asked=asked_scores.mean(),
    asked_sd=asked_scores.std(ddof=1),
    neighbour=neighbour_scores.mean(),
    network_100=network_100.mean(),
    cluster_images=len(cluster_images),
)
claims["told only right or wrong, every network still comes to read eight of ten digits"] = bool(
    (told_reward[:, -1, 1] >= 0.8).all()
)
claims["ten heaps are the ten digits"] = min(found) == 10
claims["with a hundred labels, sorting first beats a network that sees only the labelled pictures, with every seed"] = (
    bool((asked_scores > network_100).all())
)

# %% [markdown]
# ## 7. Can a network do everything?
#
# A famous theorem calls networks with one hidden layer *universal approximators*. Let us see what that means, with one
# input and one output. Each hidden unit is a line with a bend, `relu(w * x + b)`. The output adds them up.
#
# Two targets: a wave, and a step that jumps. We learn on the interval from −2 to 2. `width` is the number of bends; all
# seeds are trained at once, side by side.


# %%
def wave(x):
    return torch.sin(3 * x)


def step_up(x):
    return torch.where(x > 0.3, 1.0, -1.0)


def add_bends(x, w, b, v, c):
    """A network with one hidden layer, for every seed: x is (n, 1), the result (seeds, n)."""
    bends = torch.relu(x * w + b)  # (seeds, n, width)
    return (bends @ v + c).squeeze(2)


def fit_curve(target, width):
    """Learn the target on the interval, with every seed; the four tensors of the networks."""
    generator = torch.Generator().manual_seed(P.seed)
    shapes = (1, width), (1, width), (width, 1), (1, 1)
    scales = 1, 1, width**-0.5, width**-0.5  # as nn.Linear begins
    net = [s * (2 * torch.rand(P.curve_seeds, *shape, generator=generator) - 1)
           for s, shape in zip(scales, shapes, strict=True)]  # fmt: skip
    net = [part.requires_grad_() for part in net]
    optimizer = torch.optim.Adam(net, lr=0.01)
    for _ in range(P.curve_steps):
        loss = (add_bends(x_learn, *net) - target(x_learn).T).square().mean(dim=1).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [part.detach() for part in net]


def build_curve(target, width):
    """A network that nobody trained: it bends at equal distances, each time just enough to meet the target."""
    knots = torch.linspace(-2, 2, width + 1)
    slopes = target(knots).diff() / knots.diff()
    v = torch.cat([slopes[:1], slopes.diff()]).reshape(1, width, 1)
    return torch.ones(1, 1, width), -knots[:-1].reshape(1, 1, width), v, target(knots[:1]).reshape(1, 1, 1)


def typical_error(net, target, x):
    """The root of the mean square of the error, for every seed."""
    return (add_bends(x, *net) - target(x).T).square().mean(dim=1).sqrt().numpy()


WIDTHS = (3, 10, 30, 100)
x_learn = torch.linspace(-2, 2, 128)[:, None]
x_inside = torch.linspace(-1.99, 1.99, 500)[:, None]  # between the points of learning
x_outside = torch.cat([torch.linspace(-4, -2, 250), torch.linspace(2, 4, 250)])[:, None]
fits = {(f.__name__, width): fit_curve(f, width) for f in (wave, step_up) for width in WIDTHS}
inside = np.array([typical_error(fits["wave", width], wave, x_inside) for width in WIDTHS])  # (widths, seeds)
built = np.array([typical_error(build_curve(wave, width), wave, x_inside)[0] for width in WIDTHS])
outside = typical_error(fits["wave", 100], wave, x_outside)
at_jump = (add_bends(x_inside, *fits["step_up", 100]) - step_up(x_inside).T).abs().amax(dim=1).numpy()
for width, errors, by_hand in zip(WIDTHS, inside, built, strict=True):
    print(f"{width:>3} bends: error {errors.min():.4f} to {errors.max():.4f}, built without learning {by_hand:.4f}")
best = {width: int(errors.argmin()) for width, errors in zip(WIDTHS, inside, strict=True)}  # the luckiest start
print(f"outside the interval, 100 bends: {np.median(outside):.2f}; largest error at the jump {at_jump.min():.2f}")

# %%
fig, (left, right) = plt.subplots(1, 2, num="universal", figsize=(9.2, 3.9), width_ratios=(5, 4))
x = torch.linspace(-4, 4, 400)[:, None]
left.axvspan(-2, 2, color=plots.colour("surface"), zorder=0)
left.plot(x, wave(x), color=plots.colour("muted"), linewidth=2)
for width, tone in ((3, "accent2"), (100, "accent")):
    left.plot(x, add_bends(x, *fits["wave", width])[best[width]], color=plots.colour(tone))
left.set(ylim=(-3, 3), xlabel="x", ylabel="y", xlim=(-4, 4), title="learned where it is shaded")
for height, text, tone in ((0.9, "100 units", "accent"), (0.8, "3 units", "accent2"), (0.7, "the wave", "muted")):
    left.annotate(text, (0.5, height), xycoords="axes fraction", color=plots.colour(tone), ha="center")
plots.runs(right, np.array(WIDTHS), inside.T, "accent")
right.plot(WIDTHS, built, "s--", color=plots.colour("violet"))
right.set(xscale="log", yscale="log", xlabel="hidden units", title="typical error inside", xlim=(2.4, 700))
right.set_xticks(WIDTHS, WIDTHS)
plots.end_labels(right, [(100, np.median(inside[-1]), "learned", "accent"), (100, built[-1], "built", "violet")])

metrics.update(curve_seeds=P.curve_seeds, curve_steps=P.curve_steps, outside=np.median(outside))
metrics |= {f"inside_{width}": np.median(errors) for width, errors in zip(WIDTHS, inside, strict=True)}
metrics |= {"built_100": built[-1], "built_10": built[1], "jump_100": at_jump.min()}
metrics |= {f"inside_{width}_best": errors.min() for width, errors in zip(WIDTHS, inside, strict=True)}
metrics["inside_10_worst"] = inside[1].max()
metrics["built_gain"] = np.median(inside[-1]) / built[-1]
metrics["outside_ratio"] = np.median(outside / inside[-1])
claims["every wider network fits the wave better, in the median"] = bool((np.diff(np.median(inside, axis=1)) < 0).all())
claims["with 100 hidden units, learning finds a better network than the one we can build"] = bool(
    np.median(inside[-1]) < built[-1]
)
claims["with 10 hidden units, the luckiest start finds a better network than the one we can build"] = bool(
    inside[1].min() < built[1]
)
claims["outside the interval the error is more than ten times as large, with every seed"] = bool(
    (outside / inside[-1] > 10).all()
)

# %% [markdown]
# ## 8. Do I need a GPU?
#
# A GPU does many sums at once. That pays if there are many. We time one step of learning, which is small, and the
# product of two large matrices.


# %%
def clocked(call, where):
    """The call, and then wait: a GPU says 'yes' before it has done the work."""

    def run():
        call()
        if where.type == "cuda":
            torch.cuda.synchronize()

    return run


places = [torch.device("cpu"), *([device] if device.type == "cuda" else [])]
calls = {}
for place in places:
    small = nn.Sequential(nn.Flatten(), nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10)).to(place)
    batch = train_images[:BATCH_SIZE].to(place), y_train[:BATCH_SIZE].to(place)
    large = torch.rand(P.matrix, P.matrix, device=place)
    calls["step", place.type] = clocked(lambda s=small, b=batch: list(train(s, *b, 1)), place)
    calls["matrix", place.type] = clocked(lambda m=large: m @ m, place)
cost = {name: took.median for name, took in timing.measure(calls, P.rounds).items()}
for (what, place), seconds in cost.items():
    print(f"{what:>7} on {place:>4}: {plots.duration(seconds)}")
metrics |= {f"{what}_{place}_ms": 1e3 * seconds for (what, place), seconds in cost.items()}
metrics["matrix_rows"] = P.matrix
if device.type == "cuda":
    metrics |= {f"{what}_gpu_gain": cost[what, "cpu"] / cost[what, "cuda"] for what in ("step", "matrix")}

# %% [markdown]
# ## 9. What the animations move
#
# Means of more and more pictures; some test digits with their scores by template and by network; the weights while
# they were learned. The digits are not a fair sample: we show many about which the two disagree.

# %%
threes, sevens = (duel_train[0][duel_train[1] == c] for c in (0, 1))
piles = np.unique(np.geomspace(1, min(len(threes), len(sevens)), 30).round().astype(int))
means = [torch.stack([group[:k].mean(dim=0) for group in (threes, sevens)]) for k in piles]
arrays |= {"piles": piles, "means": torch.stack(means).cpu().half()}  # (30, 2, 28, 28)
difference = templates[0] - templates[1]  # (784,)
middle = (templates[0].square().sum() - templates[1].square().sum()) / 2
by_template = duel_images.flatten(1) @ difference - middle  # above zero: the three is nearer
with torch.no_grad():
    by_network = (duelists[0](duel_images) @ torch.tensor([1.0, -1.0], device=device)).cpu()  # above zero: three
by_template = by_template.cpu()
truth = torch.where(duel_labels.cpu() == 0, 1.0, -1.0)
template_ok, network_ok = by_template * truth > 0, by_network * truth > 0
kinds = {"both": template_ok & network_ok, "rescued": ~template_ok & network_ok}
kinds |= {"lost": template_ok & ~network_ok, "neither": ~template_ok & ~network_ok}
shown = torch.cat([torch.nonzero(kinds[k])[:most, 0] for k, most in (("rescued", 12), ("lost", 6), ("neither", 3))])
fill = torch.nonzero(kinds["both"])[:, 0]
shown = torch.cat([fill[: 44 - len(shown)], shown])
arrays |= {
    "templates": templates.reshape(2, 28, 28).cpu(),
    "middle": middle.item(),
    "shown": duel_images.cpu()[shown],  # (44, 28, 28)
    "shown_three": truth[shown] > 0,
    "shown_template": by_template[shown],
    "shown_network": by_network[shown],
    "scale_template": by_template.abs().quantile(0.95).item(),
    "scale_network": by_network.abs().quantile(0.95).item(),
    "weights": torch.stack([weights for _, weights, _ in snapshots[0]]).cpu().half(),  # (41, 28, 28)
    "weights_steps": np.array([step for step, _, _ in snapshots[0]]),
    "weights_accuracy": np.array([share for _, _, share in snapshots[0]]),
}
metrics |= {f"first_{kind}": int(mask.sum()) for kind, mask in kinds.items()}
metrics |= {"shown": len(shown), "shown_disagree": int((template_ok != network_ok)[shown].sum())}
print({kind: int(mask.sum()) for kind, mask in kinds.items()}, "of", n_duel)

w, b, v, c = (part[best[10]] for part in fits["wave", 10])  # the luckiest start, in the order of its bends
bend_at = (-b / w)[0]
turn = bend_at.argsort()
parts = torch.relu(x * w + b)[:, turn] * v[turn, 0]  # (400, 10): what each hidden unit adds
arrays |= {"curve_x": x[:, 0], "curve_wave": wave(x)[:, 0], "curve_step": step_up(x)[:, 0]}
arrays |= {"curve_parts": parts, "curve_bends": bend_at[turn], "curve_floor": c.item()}
arrays |= {f"curve_wave_{width}": add_bends(x, *fits["wave", width])[best[width]] for width in WIDTHS}
arrays["curve_step_100"] = add_bends(x, *fits["step_up", 100])[int(at_jump.argmin())]

# %% [markdown]
# ## What held
#
# Each statement was written before the run, and has its threshold in the code above. This run decides.

# %%
for claim, held in claims.items():
    print(f"CLAIM {claim} -> {'HELD' if held else 'DID NOT HOLD'}")

# %% [markdown]
# ## Exercises
#
# Write your answer in place of `None`, and run the cell: it tells you whether it is right.
#
# **1. Count.** A tensor holds 64 colour pictures. Each has 3 colours and 32 × 32 pixels. How many numbers is that?
#
# *Hint:* the shape is (64, 3, 32, 32). Python writes "times" as `*`.

# %%
your_count = None  # your turn


def verdict(solved):
    return "not solved yet" if solved is None else "solved" if solved else "not right yet"


print("exercise 1:", verdict(your_count and your_count == torch.zeros(64, 3, 32, 32).numel()))

# %% [markdown]
# **2. Your own rule.** Find a number per picture that tells 3 from 7 better than our three rules. `images` is
# (n, 28, 28); `images[:, :, 12]` is column 12 of all of them, `images[:, 18:23, 5:11]` a window: rows 18 to 22, columns
# 5 to 10. Give back one number for each picture; the threshold is found for you.
#
# *Hint:* look at `strokes`. One column may miss a stroke. What if you walk down several, and take the mean?


# %%
def your_rule(images):
    return None  # your turn: one number for every picture


def rule_score(rule):
    return accuracy(rule_says(rule(duel_val[0]), *best_threshold(rule(duel_train[0]), duel_train[1])), duel_val[1])


to_beat = max(rule_score(rule) for rule in RULES.values())
tried = your_rule(duel_val[0])
print(f"to beat: {to_beat:.1%}", "" if tried is None else f"you: {rule_score(your_rule):.1%}")
print("exercise 2:", verdict(None if tried is None else rule_score(your_rule) > to_beat))

# %% [markdown]
# **3. The worst mistakes.** `score` is above zero where the template says 3, below where it says 7; `labels` is 0 for a
# three, 1 for a seven. Return the places of the five pictures that it got wrong most clearly, the worst first.
#
# *Hint:* multiply the score by −1 for the sevens: then a wrong answer is negative. `argsort()` sorts, smallest first.


# %%
def worst_mistakes(score, labels):
    return None  # your turn: five places


score = duel_val[0].flatten(1) @ difference - middle
answer = worst_mistakes(score, duel_val[1])
truth = torch.where(duel_val[1] == 0, score, -score).topk(5, largest=False).indices.tolist()
print("exercise 3:", verdict(None if answer is None else [int(i) for i in answer] == truth))

# %% [markdown]
# **4. Open: how small can it be?** Our network for 3 against 7 has 32 hidden units. Are two enough? Is one?
#
# *Hint:* change `DUEL_HIDDEN` above, run everything again, and compare with the spread between the seeds.
