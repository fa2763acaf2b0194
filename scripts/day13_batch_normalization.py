# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day 13: Batch Normalization
#
# On Day 5 a tower of eight layers did not learn, because its signals shrank from layer to layer. A better start helped.
# Today's layer goes further: it holds the signals in range in every step, by force. It is one of the most famous layers
# there are, and most of what is said about it can be measured.
#
# After this notebook you can
#
# - write batch normalisation by hand, forward and backward, and show that PyTorch computes the same,
# - say what it does in training, what in use, and what happens if you forget `eval()`,
# - tell how much of its fame belongs to a good start, and why it forgives large learning rates,
# - test the usual explanation, "internal covariate shift", instead of repeating it,
# - say how large a batch has to be, and fold the layer away when the training is over.
#
# Everything is measured here. Change a setting and run it again.

# %%
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
from lab import images as datasets
from lab import plots, settings, sources, timing
from torch import nn

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=13,
    seeds=(2, 3, 6),  # random starts of every tower
    grid_seeds=(1, 2, 2),  # other starts, on which the learning rates are chosen
    train_images=(256, 4_000, 4_000),
    val_images=(256, 2_000, 6_000),
    test_images=(1_000, 10_000, 10_000),
    epochs=(1, 3, 6),
    # the learning rates to try
    rates=((0.1, 1.0), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    group_images=(128, 2_048, 3_968),  # a multiple of 64
    group_rates=((0.3,), (0.03, 0.1, 0.3, 1.0, 3.0), (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)),
    probe_images=(64, 256, 512),  # on which signals and gradients are measured
    mixes=(3, 20, 50),  # times that the images are mixed to batches anew
    rounds=(3, 15, 50),  # of every timing
)
DEPTH, WIDTH, BATCH_SIZE = 8, 64, 64
MIDDLE = 4  # layers below layer 5, at which we look closer
NOISE = 0.5  # of the shifts and (logarithmic) scales that we inject in section 5
LIMIT_SECONDS = {"smoke": 120, "quick": 600, "full": 900}
print(P)

# %% [markdown]
# Three dictionaries collect what we find out: numbers, statements that turned out true or false, and arrays.

# %%
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
torch.set_num_threads(1)  # the layers are small: a second thread would cost more than it brings
device = settings.device()
plots.style()
print("device:", device)

# %% [markdown]
# ## 1. By hand
#
# For every unit of a layer: take its values on all images of the batch. Subtract their mean, divide by their standard
# deviation. Then give scale and shift back, as numbers that are learned, $\gamma$ and $\beta$:
#
# $$\mathrm{BN}(z) = \gamma\,\frac{z - \mu_B}{\sqrt{\sigma_B^2 + \varepsilon}} + \beta$$
#
# In use there may be no batch. So in training we keep running values of both, with `momentum` 0.1: nine tenths of the
# old value, one tenth of this batch's.


# %%
def batch_norm(z, gamma, beta, running, training, eps=1e-5, momentum=0.1):
    """z is (n, features); `running` has mean and variance for use."""
    if training:
        n, mean, var = len(z), z.mean(dim=0), z.var(dim=0, correction=0)
        unbiased = var * n / (n - 1)
        with torch.no_grad():
            running["mean"] += momentum * (mean - running["mean"])
            running["var"] += momentum * (unbiased - running["var"])
    else:
        mean, var = running["mean"], running["var"]
    normed = (z - mean) / torch.sqrt(var + eps)
    return gamma * normed + beta


# %% [markdown]
# Two details that most descriptions leave out. The batch is divided by its **biased** variance (the sum over n), but
# the **unbiased** one (over n - 1) goes into the running value. And the mean and the variance depend on all images, so
# gradients flow through them, too. Worked out, that takes two parts out of the gradient: its mean, and what points
# along the normalised values.


# %%
def batch_norm_backward(dy, z, gamma, eps=1e-5):
    """The gradients with respect to z, gamma and beta, in training."""
    n, sigma = len(z), torch.sqrt(z.var(dim=0, correction=0) + eps)
    normed = (z - z.mean(dim=0)) / sigma
    dgamma, dbeta = (dy * normed).sum(dim=0), dy.sum(dim=0)
    dz = gamma / sigma * (dy - dbeta / n - normed * dgamma / n)
    return dz, dgamma, dbeta


# %% [markdown]
# Is that `nn.BatchNorm1d(num_features)`? Five batches in training, one in use, then the gradients, all in double
# precision.

# %%
num_features = 6
theirs = nn.BatchNorm1d(num_features).double()
with torch.no_grad():
    theirs.weight.uniform_(0.5, 2.0)
    theirs.bias.uniform_(-1.0, 1.0)
running = {"mean": torch.zeros(num_features).double(), "var": torch.ones(num_features).double()}
differences = []
for step in range(6):
    theirs.train(step < 5)
    z = 3 * torch.randn(16, num_features).double() + 1
    ours = batch_norm(z, theirs.weight, theirs.bias, running, training=step < 5)
    differences.append((ours - theirs(z)).abs().max().item())
differences += [(running[name] - getattr(theirs, f"running_{name}")).abs().max().item() for name in ("mean", "var")]

theirs.train()
z.requires_grad_()
dy = torch.randn_like(z)
theirs(z).backward(dy)
by_autograd = (z.grad, theirs.weight.grad, theirs.bias.grad)
by_hand = batch_norm_backward(dy, z.detach(), theirs.weight.detach())
gradient_difference = max((a - b).abs().max().item() for a, b in zip(by_hand, by_autograd, strict=True))
print(f"largest difference to nn.BatchNorm1d: forward {max(differences):.0e}, backward {gradient_difference:.0e}")
print(
    "learned:", [name for name, _ in theirs.named_parameters()], "kept:", [name for name, _ in theirs.named_buffers()]
)
metrics.update(forward_difference=max(differences), backward_difference=gradient_difference)
claims["ours and nn.BatchNorm1d agree to 1e-12, in training, in use and in the gradients"] = (
    max(*differences, gradient_difference) < 1e-12
)

# %% [markdown]
# Images have channels, and a channel is looked at in every pixel. So `nn.BatchNorm2d` takes one mean for each channel,
# over the batch **and** all pixels; `nn.BatchNorm3d` the same over volumes or videos. If we put all pixels of all
# images into rows, it is our function again.


# %%
class ConvBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()

    def forward(self, x):  # (n, 1, 28, 28)
        x = self.relu(self.bn(self.conv(x)))
        return x  # (n, channels, 28, 28)


def as_rows(x):
    """(n, channels, ...) -> (n * ..., channels)"""
    return x.movedim(1, -1).flatten(0, -2)


mnist = datasets.mnist(train=True)
some = mnist.data[:16, None].float() / 255  # (16, 1, 28, 28)
block = ConvBlock(channels=8)
with torch.no_grad():
    pictures = block.conv(some)  # (16, 8, 28, 28)
    videos = torch.stack([pictures.roll(t, dims=3) for t in range(4)], dim=2)  # (16, 8, 4, 28, 28): moving digits
    shape_difference = 0.0
    for layer, values in ((block.bn, pictures), (nn.BatchNorm3d(8), videos)):
        blank = {"mean": torch.zeros(8), "var": torch.ones(8)}
        ours = batch_norm(as_rows(values), torch.ones(8), torch.zeros(8), blank, training=True)
        shape_difference = max(shape_difference, (ours - as_rows(layer(values))).abs().max().item())
        print(f"{type(layer).__name__}: {tuple(values.shape)}, numbers in one mean: {values[:, 0].numel():,}")
print(f"largest difference {shape_difference:.0e}; the block gives {tuple(block(some).shape)}")
counted = nn.BatchNorm2d(64)
learnable = sum(p.numel() for p in counted.parameters())
metrics.update(shape_difference=shape_difference, learnable_64=learnable)

# %% [markdown]
# ## 2. Day 5's tower
#
# Eight hidden layers of 64 units, 4,000 images. The layer's usual place is between the linear layer and the ReLU. A
# bias before it would be useless: whatever it adds, the batch's mean takes away again. So there is none.


# %%
class Layer(nn.Module):
    def __init__(self, inputs, num_features, norm):
        super().__init__()
        self.bn = norm(num_features)
        bias = not isinstance(self.bn, nn.BatchNorm1d)
        self.linear = nn.Linear(inputs, num_features, bias)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.bn(self.linear(x))
        return self.relu(x)


class LayerAfter(Layer):
    """The other order: first ReLU, then normalise. Here the bias has a use."""

    def __init__(self, inputs, num_features, norm):
        super().__init__(inputs, num_features, norm)
        self.linear = nn.Linear(inputs, num_features)

    def forward(self, x):
        return self.bn(self.relu(self.linear(x)))


class Tower(nn.Module):
    def __init__(self, norm=nn.Identity, layer=Layer):
        super().__init__()
        sizes = [784] + [WIDTH] * DEPTH
        self.hidden = nn.Sequential(*(layer(n, m, norm) for n, m in pairwise(sizes)))
        self.out = nn.Linear(WIDTH, 10)

    def forward(self, x):
        return self.out(self.hidden(x))  # ten logits


# %% [markdown]
# Two starts. PyTorch's own draws weights and biases from $\pm 1/\sqrt{n}$, whatever follows. He's draws weights with
# the standard deviation $\sqrt{2/n}$, which keeps the size of a signal through ReLUs (Day 5). All weights are drawn
# before all biases, so that towers with and without biases have the same weights.


# %%
def new_tower(norm, start, seed, layer=Layer):
    model = Tower(norm, layer)
    torch.manual_seed(seed)
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for linear in linears:
        if start == "He":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        else:
            nn.init.kaiming_uniform_(linear.weight, a=5**0.5)  # what nn.Linear does by itself
    for linear in linears:
        if linear.bias is not None:
            limit = 0.0 if start == "He" else linear.in_features**-0.5
            nn.init.uniform_(linear.bias, -limit, limit)
    return model.to(device)


# %% [markdown]
# The data: MNIST, as in the last days. Some images to learn from, others to choose the learning rates by, and the test
# images for the end.

# %%
order = torch.randperm(60_000, generator=torch.Generator().manual_seed(P.seed))


def prepare(dataset, indices):
    """Images as rows of 784 numbers with mean 0 and standard deviation 1, and their labels."""
    pixels = dataset.data[indices].flatten(1).float().div(255).sub(0.1307).div(0.3081)
    return pixels.to(device), dataset.targets[indices].to(device)


x, y = prepare(mnist, order[: P.train_images])  # (4000, 784), (4000,)
x_val, y_val = prepare(mnist, order[-P.val_images :])
x_test, y_test = prepare(datasets.mnist(train=False), slice(0, P.test_images))
x_probe, y_probe = x[: P.probe_images], y[: P.probe_images]
print(f"{len(x):,} to learn from, {len(x_val):,} to choose by, {len(x_test):,} for the end; {sources.caption()}")
metrics.update(seeds=P.seeds, train_images=len(x), val_images=len(x_val), test_images=len(x_test))
metrics.update(depth=DEPTH, width=WIDTH, epochs=P.epochs, batch_size=BATCH_SIZE, probe_images=len(x_probe))

# %% [markdown]
# The same training as on Day 5: plain gradient descent in batches of 64, with steps that shrink to nothing towards the
# end. `watch` may look at the model before every step.

# %%
loss_fn = nn.CrossEntropyLoss()


def train(model, rate, epochs, seed, images=None, labels=None, watch=None, groups=None):
    """Gradient descent in batches of 64; the loss of every step."""
    images, labels = (x, y) if images is None else (images, labels)
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(groups or model.parameters(), lr=rate)
    steps = epochs * -(-len(images) // BATCH_SIZE)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    losses = []
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=random).to(device).split(BATCH_SIZE):
            if watch:
                watch(model, len(losses), scheduler.get_last_lr()[0])
            model.train()
            loss = loss_fn(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.detach())
    return torch.stack(losses).cpu().numpy()


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    return (model(images).argmax(dim=1) == labels).float().mean().item()


# %% [markdown]
# What does a step cost, with and without the layer? And one small check of what was said above: the gradient of a bias
# that stands before batch normalisation is zero, up to rounding.

# %%
step_models = {"without": new_tower(nn.Identity, "He", P.seed), "with": new_tower(nn.BatchNorm1d, "He", P.seed)}


def one_step(model):
    model.train()
    model.zero_grad()
    loss_fn(model(x[:BATCH_SIZE]), y[:BATCH_SIZE]).backward()


cost = timing.measure({name: lambda m=m: one_step(m) for name, m in step_models.items()}, P.rounds, at_least=0.01)
step_cost = cost["with"].ratio(cost["without"])
print(f"with batch normalisation, forward and backward take {step_cost.median:.2f} times as long")

biased = new_tower(nn.BatchNorm1d, "He", P.seed)
for layer in biased.hidden:
    layer.linear.bias = nn.Parameter(torch.zeros(WIDTH, device=device))
one_step(biased)
bias_gradient, weight_gradient = (
    max(getattr(layer.linear, part).grad.abs().max().item() for layer in biased.hidden) for part in ("bias", "weight")
)
print(f"largest gradient of a bias {bias_gradient:.0e}, of a weight {weight_gradient:.0e}")
metrics.update(step_cost=step_cost.median, bias_gradient=bias_gradient, weight_gradient=weight_gradient)

# %% [markdown]
# ## 3. Why a bad start is forgiven
#
# Multiply all weights of a layer by ten. Its $z$ becomes ten times as large, so does its standard deviation, and the
# division takes the ten out again. The output stays. The **gradient** becomes a tenth: a step of the same length is
# then, measured on weights ten times as large, a hundred times smaller.

# %%
reference = new_tower(nn.BatchNorm1d, "He", P.seed)
larger = new_tower(nn.BatchNorm1d, "He", P.seed)
with torch.no_grad():
    for layer in larger.hidden:
        layer.linear.weight *= 10
for model in (reference, larger):
    one_step(model)
with torch.no_grad():
    logits, logits_larger = (model(x[:BATCH_SIZE]) for model in (reference, larger))
scale_difference = ((logits - logits_larger).norm() / logits.norm()).item()
gradient_ratios = [
    (a.linear.weight.grad.norm() / b.linear.weight.grad.norm()).item()
    for a, b in zip(reference.hidden, larger.hidden, strict=True)
]
print(f"weights times ten: logits differ by {scale_difference:.1e} (relative)")
print(f"gradients shrink by {min(gradient_ratios):.3f} to {max(gradient_ratios):.3f}")
metrics.update(scale_difference=scale_difference, gradient_ratio=np.mean(gradient_ratios))

# %% [markdown]
# So with batch normalisation a start that is too large or too small is nothing but another learning rate. Two
# predictions follow. Weights ten times too large, with a hundred times the rate for them, must learn along the same
# curve (next cell, after the rates are chosen). And PyTorch's start, which is smaller than He's, must be best at a
# **smaller** learning rate.

# %%
lengths = [
    new_tower(nn.BatchNorm1d, start, P.seed).hidden[MIDDLE].linear.weight.norm().item() for start in ("He", "default")
]
norm_ratio = (lengths[0] / lengths[1]) ** 2
print(f"squared length of the weights of layer 5, He's start over PyTorch's: {norm_ratio:.1f}")
metrics["norm_ratio"] = norm_ratio


# %% [markdown]
# ## 4. Whose fame is it?
#
# Two starts, with and without batch normalisation: four arms. Three more are for later: the other order, and two in
# which the values of every unit are scaled and shifted at random, anew in every step (section 5). The scales have a
# root mean square of 1, so they make signals no larger in training than in use. (The shifts do, a little.)


# %%
def jolted(z):
    """Every unit scaled and shifted at random, the same for all images."""
    scale = torch.exp(NOISE * torch.randn_like(z[0]) - NOISE**2)
    shift = NOISE * torch.randn_like(z[0])  # both (features,)
    return scale * z + shift


class NoisyBatchNorm(nn.BatchNorm1d):
    def forward(self, z):
        normed = super().forward(z)
        return jolted(normed) if self.training else normed


class NoiseOnly(nn.Identity):
    def forward(self, z):
        return jolted(z) if self.training else z


ARMS = {  # key -> what it is, norm, start, order
    "plain": ("default start", nn.Identity, "default", Layer),
    "he": ("He's start", nn.Identity, "He", Layer),
    "plain_bn": ("default start, BN", nn.BatchNorm1d, "default", Layer),
    "he_bn": ("He's start, BN", nn.BatchNorm1d, "He", Layer),
    "after": ("He's start, ReLU before BN", nn.BatchNorm1d, "He", LayerAfter),
    "noisy": ("He's start, BN and noise", NoisyBatchNorm, "He", Layer),
    "noise": ("He's start, noise alone", NoiseOnly, "He", Layer),
}
FOUR = ("plain", "he", "plain_bn", "he_bn")


def tower_of(arm, seed):
    _, norm, start, layer = ARMS[arm]
    return new_tower(norm, start, seed, layer)


grid_seeds = [P.seed + 100 + i for i in range(P.grid_seeds)]
by_rate = {}  # arm -> validation accuracy, (seeds, rates)
for arm in ARMS:
    chosen = grid_seeds if arm in FOUR else grid_seeds[:1]
    scores = [[] for _ in chosen]
    for row, seed in zip(scores, chosen, strict=True):
        for rate in P.rates:
            model = tower_of(arm, seed)
            train(model, rate, P.epochs, seed)
            row.append(accuracy(model, x_val, y_val))
    by_rate[arm] = np.array(scores)
    means = by_rate[arm].mean(axis=0)
    print(f"{ARMS[arm][0]:>27}: " + ", ".join(f"{r:g}: {s:.1%}" for r, s in zip(P.rates, means, strict=True)))

best_place = {arm: int(scores.mean(axis=0).argmax()) for arm, scores in by_rate.items()}
best_rate = {arm: P.rates[place] for arm, place in best_place.items()}
good = {arm: scores.mean(axis=0) > scores.mean(axis=0).max() - 0.05 for arm, scores in by_rate.items()}
for arm in ARMS:
    metrics |= {f"rate_{arm}": best_rate[arm], f"good_rates_{arm}": good[arm].sum()}
    metrics[f"top_rate_{arm}"] = max(rate for rate, is_good in zip(P.rates, good[arm], strict=True) if is_good)
metrics.update(rates=len(P.rates), lowest_rate=P.rates[0], highest_rate=P.rates[-1], grid_seeds=P.grid_seeds)
claims["the best rate of each of the four arms lies inside the range that was tried"] = all(
    0 < best_place[arm] < len(P.rates) - 1 for arm in FOUR
)
claims["with BN the default start is best at a smaller learning rate than He's start"] = (
    best_rate["plain_bn"] < best_rate["he_bn"]
)
claims["from He's start, more of the rates tried are within five points of the best with BN than without"] = (
    good["he_bn"].sum() > good["he"].sum()
)

# %% [markdown]
# The other prediction: the same curve from weights ten times too large?


# %%
def scaled_run(factor, rate_factor, scale_epsilon=False, double=False):
    """One epoch of the He + BN tower, its hidden weights times `factor`, their learning rate times `rate_factor`."""
    model, images = new_tower(nn.BatchNorm1d, "He", P.seed), x
    if double:
        model, images = model.double(), x.double()
    if scale_epsilon:
        for layer in model.hidden:
            layer.bn.eps *= factor**2
    weights = [layer.linear.weight for layer in model.hidden]
    with torch.no_grad():
        for weight in weights:
            weight *= factor
    others = [p for p in model.parameters() if all(p is not weight for weight in weights)]
    rate = best_rate["he_bn"]
    groups = [{"params": weights, "lr": rate_factor * rate}, {"params": others}]
    return train(model, rate, 1, P.seed, images, y, groups=groups)


usual, same_rate, hundredfold = scaled_run(1, 1), scaled_run(10, 1), scaled_run(10, 100)


def steps_together(one, other):
    """The largest relative difference of two loss curves, and in how many first steps it is below one percent."""
    apart = np.abs(other / one - 1)
    return apart.max(), int((apart > 0.01).argmax()) if (apart > 0.01).any() else len(apart)


same_run_difference, apart_from = steps_together(usual, hundredfold)
print(f"largest relative difference of the losses in {len(usual)} steps: {same_run_difference:.1e}")
print(f"below one percent in the first {apart_from} steps")

# %% [markdown]
# If they part, is the argument wrong? It leaves out two small things: epsilon is not scaled, and numbers have seven
# digits. Training makes small differences grow. So repair one after the other: first scale epsilon, too, then compute
# with sixteen digits as well.

# %%
epsilon_difference, epsilon_apart_from = steps_together(usual, scaled_run(10, 100, scale_epsilon=True))
exact_difference, _ = steps_together(
    scaled_run(1, 1, double=True), scaled_run(10, 100, scale_epsilon=True, double=True)
)
print(f"with epsilon scaled: {epsilon_difference:.1e}, below one percent in the first {epsilon_apart_from} steps")
print(f"with epsilon scaled and in double precision: {exact_difference:.1e}")
no_norm = new_tower(nn.Identity, "He", P.seed)
with torch.no_grad():
    for layer in no_norm.hidden:
        layer.linear.weight *= 10
    exploded = loss_fn(no_norm(x[:BATCH_SIZE]), y[:BATCH_SIZE]).item()
print(f"without BN, weights ten times too large: the loss starts at {exploded:.1e}")
metrics.update(same_run_difference=same_run_difference, same_run_steps=len(usual), exploded_loss=exploded)
metrics.update(same_run_apart_from=apart_from, exact_difference=exact_difference)
metrics.update(epsilon_difference=epsilon_difference, epsilon_apart_from=epsilon_apart_from)
claims["weights ten times too large learn along the same curve with a hundred times the rate, within one percent"] = (
    same_run_difference < 0.01
)
claims["with epsilon scaled, too, and sixteen digits, the two curves agree to one part in a million"] = (
    exact_difference < 1e-6
)

fig, ax = plt.subplots(num="same_run", figsize=(6.0, 4.0))
steps = np.arange(1, len(usual) + 1)
ax.plot(steps, usual, color=plots.colour("accent"), linewidth=5, alpha=0.5)
ax.plot(steps, hundredfold, color=plots.colour("text"), linewidth=1.4, linestyle="--")
ax.plot(steps, same_rate, color=plots.colour("accent2"), linewidth=2)
ax.set(xlabel="step", ylabel="loss (training batches)", xlim=(0, 1.6 * len(steps)), ylim=(0, None))
ax.set_xticks([1, len(steps)])
plots.end_labels(
    ax,
    [
        (len(steps), usual[-5:].mean(), "as usual; dashed:\n10 × weights,\n100 × rate", "accent"),
        (len(steps), same_rate[-5:].mean(), "10 × weights,\nsame rate", "accent2"),
    ],
    gap=46,
)

# %% [markdown]
# All choices of rates are made. Now new starts, each arm at its best rate, and the test images, once. In the same runs
# we look inside (for sections 5 and 9). `signals` gives what goes into the ReLU of every layer. The probe images are
# always the same, so whatever changes in a signal was changed by the weights, and by the noise if there is any.


# %%
def set_momentum(model, momentum):
    """With 0 the running statistics stay as they are, whatever passes through."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum


@torch.no_grad()
def signals(model, images):
    """What goes into each ReLU, as in training: a list of (images, units)."""
    model.train()
    set_momentum(model, 0.0)
    zs, a = [], images
    for layer in model.hidden:
        zs.append(layer.bn(layer.linear(a)))
        a = layer.relu(zs[-1])
    set_momentum(model, 0.1)
    return zs


# %% [markdown]
# How far do a layer's inputs move in one step? For every unit we take the change of its mean and of its standard
# deviation over the probe images, and compare it with the standard deviation itself. 0.1 means: in a single step the
# values of a typical unit moved by a tenth of what distinguishes images.


# %%
def spread_of(activations):
    """Mean and standard deviation of every unit, (2, layers, units)."""
    return torch.stack([torch.stack([a.mean(dim=0), a.std(dim=0)]) for a in activations], dim=1)


def drift(before, after):
    """How far the values of a layer moved, in units of their own spread, (layers,)."""
    moved = ((after - before) ** 2).sum(dim=0).mean(dim=1).sqrt()
    return moved / (before[1] ** 2).mean(dim=1).sqrt()


# %% [markdown]
# And what is it to a layer, if the layers below it move? Its gradient was computed for the old inputs. We take a step
# with the layers **below** layer 5 only, and compute the gradient of layer 5 again: by how much has it turned? (This
# is how Santurkar and others, 2018, define internal covariate shift.)


# %%
def gradient_turn(model, rate):
    """Cosine between layer 5's gradients before and after a step of the layers below it."""
    model.train()
    set_momentum(model, 0.0)
    gradients, below = [], list(model.hidden[:MIDDLE].parameters())
    kept = [p.detach().clone() for p in below]
    for _ in range(2):
        model.zero_grad()
        loss_fn(model(x_probe), y_probe).backward()
        gradients.append(model.hidden[MIDDLE].linear.weight.grad.flatten().clone())
        with torch.no_grad():
            for p in below:
                p -= rate * p.grad
    with torch.no_grad():
        for p, old in zip(below, kept, strict=True):
            p.copy_(old)
    set_momentum(model, 0.1)
    return nn.functional.cosine_similarity(*gradients, dim=0).item()


# %% [markdown]
# A `Watch` does all of this at regular steps of a training, and for four runs it keeps histograms for the animation.
# Looking changes nothing in a run, with one exception: where noise is injected, it draws random numbers, too.

# %%
DRIFT_EVERY, TURN_EVERY = 5, 25
total_steps = P.epochs * -(-len(x) // BATCH_SIZE)
EDGES = np.linspace(-4, 4, 65)  # of the histograms of z
MOMENTS = np.unique(np.geomspace(1, total_steps + 1, 40).round().astype(int)) - 1  # steps done: 0, 1, 2, ..., all


def picture(model):
    """A histogram of z in each layer, and how much z differs from image to image."""
    zs = signals(model, x_probe)
    bars = np.array([np.histogram(z.cpu(), EDGES)[0] / z.numel() for z in zs], dtype=np.float32)
    return bars, np.array([z.var(dim=0).mean().sqrt().item() for z in zs])


class Watch:
    """Looks at a model while it learns: `drifts` (looks, layers), `turns`, and `pictures` if they are wanted."""

    def __init__(self, film=False):
        self.film, self.before, self.drifts, self.turns, self.pictures = film, None, [], [], []

    def __call__(self, model, step, rate):
        if step % DRIFT_EVERY < 2:
            now = spread_of([z.relu() for z in signals(model, x_probe)])
            if step % DRIFT_EVERY:
                self.drifts.append(drift(self.before, now).cpu().numpy())
            self.before = now
        if step % TURN_EVERY == 0:
            self.turns.append(gradient_turn(model, rate))
        if self.film and step in MOMENTS:
            self.pictures.append(picture(model))


seeds = [P.seed + i for i in range(P.seeds)]
DRIFTING = ("he", "he_bn", "noisy", "noise")  # of which we measure how much drifts
test_scores, loss_curves, models, watches = {}, {}, {}, {}
for arm in ARMS:
    scores, curves, watches[arm] = [], [], []
    for seed in seeds:
        model, watch = tower_of(arm, seed), Watch(film=arm in FOUR and seed == seeds[0])
        curves.append(
            train(model, best_rate[arm], P.epochs, seed, watch=watch if arm in DRIFTING or watch.film else None)
        )
        if watch.film:
            watch.pictures.append(picture(model))
        scores.append(accuracy(model, x_test, y_test))
        models.setdefault(arm, model)
        watches[arm].append(watch)
    test_scores[arm], loss_curves[arm] = np.array(scores), np.array(curves)
    metrics |= {f"test_{arm}": np.mean(scores), f"test_{arm}_sd": np.std(scores, ddof=1)}
    print(f"{ARMS[arm][0]:>27}: rate {best_rate[arm]:g}, test {np.mean(scores):.1%} ± {np.std(scores, ddof=1):.1%}")

# %% [markdown]
# How much of the gain over PyTorch's start does He's start bring alone?

# %%
whole_gain = (test_scores["plain_bn"] - test_scores["plain"]).mean()
start_gain = (test_scores["he"] - test_scores["plain"]).mean()
on_top = test_scores["he_bn"] - test_scores["he"]
start_share = start_gain / whole_gain if whole_gain else 0.0
order_gain = test_scores["he_bn"] - test_scores["after"]
print(f"BN gains {100 * whole_gain:.1f} points over the default start; He's start alone {100 * start_gain:.1f}")
print(f"on top of He's start, BN gains {100 * on_top.mean():.2f} ± {100 * on_top.std(ddof=1):.2f} points")
metrics.update(
    whole_gain=whole_gain,
    start_gain=start_gain,
    start_share=start_share,
    on_top=on_top.mean(),
    on_top_sd=on_top.std(ddof=1),
    starts_apart=abs(test_scores["he"].mean() - test_scores["plain"].mean()),
    starts_apart_bn=abs(test_scores["he_bn"].mean() - test_scores["plain_bn"].mean()),
    order_gain=order_gain.mean(),
    order_gain_sd=order_gain.std(ddof=1),
)
claims["from the default start, BN gains at least ten points with every seed"] = (
    test_scores["plain_bn"] - test_scores["plain"]
).min() >= 0.1
claims["He's start alone brings more than half of what BN gains over the default start"] = start_share > 0.5
claims["on top of He's start, BN still gains with every seed"] = on_top.min() > 0
claims["with BN the two starts end within two points of each other"] = metrics["starts_apart_bn"] < 0.02
claims["BN before or after ReLU: less than one point apart, on average"] = abs(order_gain.mean()) < 0.01

# %% [markdown]
# The figure: at the left all learning rates, at the right the test images, each arm at its best rate.

# %%
LOOKS = {  # colour, line, marker: orange is without BN, blue with it; open and dashed is the default start
    "plain": ("accent2", "--", "white"),
    "he": ("accent2", "-", "accent2"),
    "plain_bn": ("accent", "--", "white"),
    "he_bn": ("accent", "-", "accent"),
    "noisy": ("violet", "-", "violet"),
    "noise": ("bad", "-", "bad"),
}


def marker_of(arm):
    tone, _, fill = LOOKS[arm]
    return {"markerfacecolor": plots.colour("bg" if fill == "white" else fill), "markeredgecolor": plots.colour(tone)}


fig, (left, right) = plt.subplots(1, 2, num="arms", figsize=(9.2, 3.4), width_ratios=(3, 2))
for arm in FOUR:
    tone, line, _ = LOOKS[arm]
    plots.runs(left, P.rates, 100 * by_rate[arm], tone, linestyle=line, markersize=8, **marker_of(arm))
left.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy, percent", ylim=(0, 100))
left.set_xticks(P.rates, [f"{rate:g}" for rate in P.rates])
left.minorticks_off()
for row, arm in enumerate(FOUR):
    values = 100 * test_scores[arm]
    right.plot(
        values, np.full(len(values), row), "o", color=plots.colour(LOOKS[arm][0]), markersize=9, **marker_of(arm)
    )
right.set_yticks(range(4), [ARMS[arm][0] for arm in FOUR])
for tick, arm in zip(right.get_yticklabels(), FOUR, strict=True):
    tick.set_color(plots.colour(LOOKS[arm][0]))
right.set(xlabel=f"test accuracy, percent ({P.seeds} seeds)", xlim=(0, 102), ylim=(3.6, -0.6))
right.grid(False, axis="y")

# %% [markdown]
# Does it learn faster? We count the steps until the training loss (mean of twenty batches) is below one half.

# %%
WINDOW = min(20, len(loss_curves["he"][0]))
smooth = {
    arm: np.array([np.convolve(c, np.ones(WINDOW) / WINDOW, "valid") for c in loss_curves[arm]])
    for arm in (*FOUR, "after")
}


def steps_until(curve, target=0.5):
    below = np.flatnonzero(curve < target)
    return WINDOW + below[0] if len(below) else np.inf


steps_needed = {arm: np.array([steps_until(curve) for curve in smooth[arm]]) for arm in FOUR}
for arm, needed in steps_needed.items():
    print(f"{ARMS[arm][0]:>27}: {needed} steps")
    metrics[f"steps_{arm}"] = np.median(np.minimum(needed, total_steps))
    metrics[f"reached_{arm}"] = np.isfinite(needed).sum()
metrics.update(steps=total_steps, window=WINDOW)
claims["from He's start, BN reaches a training loss of 0.5 in fewer steps with every seed"] = bool(
    (steps_needed["he_bn"] < steps_needed["he"]).all()
)
claims["BN saves more steps than its dearer steps cost, from He's start"] = bool(
    metrics["steps_he_bn"] * step_cost.median < metrics["steps_he"]
)

fig, ax = plt.subplots(num="learning", figsize=(7.6, 3.9))
ends = []
for arm in FOUR:
    tone, line, _ = LOOKS[arm]
    places = np.arange(WINDOW, WINDOW + smooth[arm].shape[1])
    plots.runs(ax, places, smooth[arm], tone, linestyle=line, marker="")
    ends.append((places[-1], np.median(smooth[arm][:, -1]), ARMS[arm][0], tone))
ax.set(xlabel="step", ylabel=f"training loss (mean of {WINDOW} batches)", xlim=(0, 1.42 * total_steps), ylim=(0, 2.5))
plots.end_labels(ax, ends, gap=17, dx=6)

# %% [markdown]
# ## 5. Is it the drift?
#
# The inventors' explanation: while one layer learns, the layers below it move, so it aims at a moving target. They
# called that **internal covariate shift**, and said that batch normalisation works because it reduces it. Santurkar and
# others forced a drift back, behind every normalisation, and their noisy networks still learned nearly as well as quiet
# ones with BN, and better than those without. We try a simple form of that: `jolted`. Noise hurts in any case, so a
# fourth tower has the same noise and no BN.
#
# We look at the drift of all four at the same learning rate, the best one of the tower without BN, and at layer 5's
# gradient also at each one's own best rate.

# %%
common = best_rate["he"]
drifts, turns = {}, {}
for arm in DRIFTING:
    looked = watches[arm]
    if best_rate[arm] != common:
        looked = [Watch() for _ in seeds]
        for seed, watch in zip(seeds, looked, strict=True):
            train(tower_of(arm, seed), common, P.epochs, seed, watch=watch)
    drifts[arm] = np.array([np.median(watch.drifts, axis=0) for watch in looked])  # (seeds, layers)
    turns[arm] = np.array([np.mean(watch.turns) for watch in looked])
    own_drift = np.mean([np.median(watch.drifts) for watch in watches[arm]])
    own_turn = np.mean([np.mean(watch.turns) for watch in watches[arm]])
    print(f"{ARMS[arm][0]:>27}: a layer's inputs move by {drifts[arm].mean():.1%} of their spread in a step", end="")
    print(f"; gradients before and after: cosine {turns[arm].mean():.3f}", end="")
    print(f" (at its own best rate {own_drift:.1%} and {own_turn:.3f})")
    metrics |= {f"drift_{arm}": drifts[arm].mean(), f"turn_{arm}": turns[arm].mean()}
    metrics |= {f"own_drift_{arm}": own_drift, f"own_turn_{arm}": own_turn}
noisy_gain = test_scores["noisy"] - test_scores["noise"]
metrics.update(
    common_rate=common,
    noisy_price=(test_scores["he_bn"] - test_scores["noisy"]).mean(),
    noisy_gain=noisy_gain.mean(),
    noise=NOISE,
    looks=len(watches["he"][0].turns),
)
claims["at the same rate, BN makes the gradient of layer 5 turn less, with every seed"] = bool(
    (turns["he_bn"] > turns["he"]).all()
)
claims["with the same noise in both, BN is ahead of no BN with every seed"] = noisy_gain.min() > 0
claims["the tower with BN and noise is ahead of the one with neither, with every seed"] = (
    test_scores["noisy"] - test_scores["he"]
).min() > 0

# %% [markdown]
# That the inputs drift less with BN is no claim here, nor that they drift more with noise. (Both were, at first.) Mean
# and deviation of every unit are the two numbers that the layer sets, and noise moves them: neither claim could fail.
# And look at the two noisy towers. The next normalisation takes a part of every jolt away again; without BN, jolts pile
# up from layer to layer. So "BN is ahead where both have noise" is what the drift story expects, too. What would have
# spoken against it is the last claim: a noisy tower with BN ahead of a quiet one without.

# %%
fig, (left, right) = plt.subplots(1, 2, num="drift", figsize=(9.2, 3.4), width_ratios=(3, 2))
layers, ends = np.arange(1, DEPTH + 1), []
texts = {"he": "without BN", "he_bn": "with BN", "noisy": "BN and noise", "noise": "noise alone"}
for arm in DRIFTING:
    plots.runs(left, layers, 100 * drifts[arm], LOOKS[arm][0], markersize=6)
    ends.append((DEPTH, 100 * np.median(drifts[arm][:, -1]), texts[arm], LOOKS[arm][0]))
left.set(yscale="log", xlabel="layer", ylabel="drift in one step, percent\nof the spread", xlim=(0.7, 12.2))
left.set_xticks(layers)
left.set_yticks([1, 10, 100], ["1", "10", "100"])
plots.end_labels(left, ends, gap=15, dx=8)
for row, arm in enumerate(DRIFTING):
    values = 100 * test_scores[arm]
    right.plot(values, np.full(len(values), row), "o", color=plots.colour(LOOKS[arm][0]), markersize=9)
right.set_yticks(range(4), [texts[arm] for arm in DRIFTING])
for tick, arm in zip(right.get_yticklabels(), DRIFTING, strict=True):
    tick.set_color(plots.colour(LOOKS[arm][0]))
right.set(xlabel=f"test accuracy, percent ({P.seeds} seeds)", ylim=(3.6, -0.6))
right.grid(False, axis="y")

# %% [markdown]
# ## 6. Training and use
#
# In use, `eval()` makes the layer take its running statistics. What if you forget it? We take the trained tower and mix
# the validation images to batches again and again. Same network, same image, other company: the same answer?


# %%
@torch.no_grad()
def in_training_mode(model, images, size):
    """Probabilities as in training, in batches of `size` in the order of the images; nothing is kept."""
    model.train()
    set_momentum(model, 0.0)
    p = torch.cat([model(batch).softmax(dim=1) for batch in images.split(size) if len(batch) > 1])
    set_momentum(model, 0.1)
    return p


model = models["he_bn"]
usable = len(x_val) // BATCH_SIZE * BATCH_SIZE  # whole batches only
with torch.no_grad():
    p_eval = model.eval()(x_val[:usable]).softmax(dim=1)  # (1984, 10)
eval_accuracy = (p_eval.argmax(dim=1) == y_val[:usable]).float().mean().item()
mixed = torch.empty(P.mixes, usable, 10, device=device)
for k in range(P.mixes):
    shuffled = torch.randperm(usable, generator=torch.Generator().manual_seed(k)).to(device)
    mixed[k, shuffled] = in_training_mode(model, x_val[shuffled], BATCH_SIZE)
answers = mixed.argmax(dim=2)  # (mixes, images)
changing = (answers != answers[0]).any(dim=0).float().mean().item()
forgotten = {}  # what a batch is -> accuracy
for size in (64, 16, 4, 2):
    shuffled = torch.randperm(usable, generator=torch.Generator().manual_seed(P.seed)).to(device)
    p = in_training_mode(model, x_val[shuffled], size)
    forgotten[f"random {size}"] = (p.argmax(dim=1) == y_val[shuffled]).float().mean().item()
by_label = y_val[:usable].argsort(stable=True)
p = in_training_mode(model, x_val[by_label], BATCH_SIZE)
forgotten["64, sorted"] = (p.argmax(dim=1) == y_val[by_label]).float().mean().item()
print(f"eval: {eval_accuracy:.1%}; " + ", ".join(f"{name}: {value:.1%}" for name, value in forgotten.items()))
print(f"in {P.mixes} mixes, the answer for {changing:.1%} of the images is not always the same")

# %% [markdown]
# And it does not stop there: one pass without `eval()` also moves the running statistics. `torch.no_grad()` does not
# help, it is only about gradients. A batch of one is refused: one value has no deviation from its own mean.

# %%
leaky = tower_of("he_bn", seeds[0])
leaky.load_state_dict(model.state_dict())
leaky.train()
with torch.no_grad():
    for batch in x_val[by_label].split(BATCH_SIZE):
        leaky(batch)
leaked_accuracy = accuracy(leaky, x_val[:usable], y_val[:usable])  # eval() comes too late
try:
    model.train()(x_val[:1])
    one_error = ""
except ValueError as error:
    one_error = str(error)
print(f"after one sorted pass without eval(), then with it: {leaked_accuracy:.1%} instead of {eval_accuracy:.1%}")
print("a batch of one:", one_error or "no error")
metrics |= {f"forgot_{name.split()[-1]}": value for name, value in forgotten.items()}
metrics.update(eval_accuracy=eval_accuracy, changing=changing, mixes=P.mixes, leaked_accuracy=leaked_accuracy)
metrics.update(one_refused=bool(one_error), one_error=one_error.replace("torch.Size([1, 64])", "(1, 64)"))
claims["without eval(), the answer for more than one image in a hundred depends on its company"] = changing > 0.01
claims["without eval(), batches sorted by label cost more than twenty points"] = (
    eval_accuracy - forgotten["64, sorted"] > 0.2
)
claims["one sorted pass under no_grad, without eval(), spoils later use by more than five points"] = (
    eval_accuracy - leaked_accuracy > 0.05
)

# %% [markdown]
# With `track_running_stats=False` the layer keeps nothing, and takes the batch's statistics **also in use**. Then
# `eval()` cannot help, and a single image is refused for ever.

# %%
untracked = nn.BatchNorm1d(WIDTH, track_running_stats=False).eval()
pair = torch.randn(2, WIDTH)
other_mate = torch.stack([pair[0], torch.randn(WIDTH)])
with torch.no_grad():
    untracked_difference = (untracked(pair)[0] - untracked(other_mate)[0]).abs().max().item()
    try:
        untracked(pair[:1])
        untracked_refused = False
    except ValueError:
        untracked_refused = True
print(f"eval(), track_running_stats=False: another mate changes a value by up to {untracked_difference:.2f}")
print(f"kept: {untracked.running_mean}; alone, in eval(): {'refused' if untracked_refused else 'no error'}")
metrics.update(untracked_difference=untracked_difference, untracked_refused=untracked_refused)

# %% [markdown]
# Which image suffers most? Of those that are read right with `eval()`, the one that most often gets another answer
# without it.

# %%
by_eval = p_eval.argmax(dim=1)
most = (answers != by_eval).float().mean(dim=0) * (by_eval == y_val[:usable])
shown = int(most.argmax())
company = []  # eight of the others in each of its batches, in half the resolution
for k in range(P.mixes):
    mixed_order = torch.randperm(usable, generator=torch.Generator().manual_seed(k))
    batch = next(batch for batch in mixed_order.split(BATCH_SIZE) if shown in batch)
    others = x_val[batch[batch != shown][:8].to(device)].cpu() * 0.3081 + 0.1307
    company.append(nn.functional.avg_pool2d(others.view(8, 28, 28), 2))
fig, (left, right) = plt.subplots(1, 2, num="forgotten", figsize=(9.2, 3.3))
names = ["eval()", *forgotten]
values = 100 * np.array([eval_accuracy, *forgotten.values()])
tones = ["accent", *["accent2"] * 4, "bad"]
left.barh(names, values, color=[plots.colour(tone) for tone in tones], height=0.6)
for name, value, tone in zip(names, values, tones, strict=True):
    plots.label(left, value, name, f"{value:.0f}", tone)
left.invert_yaxis()
left.set(xlabel=f"validation accuracy, percent (n = {usable:,})", xlim=(0, 112))
left.grid(False, axis="y")
digit = np.arange(10)
bars = np.bincount(answers[:, shown].cpu(), minlength=10)
right.bar(digit, bars, color=[plots.colour("good" if d == y_val[shown] else "bad") for d in digit], width=0.7)
right.set(xlabel=f"answer for one and the same image, a {y_val[shown].item()}", ylabel=f"of {P.mixes} batches")
right.set_xticks(digit)
right.grid(False, axis="x")
metrics.update(shown_label=y_val[shown].item(), shown_right=bars[y_val[shown].item()], shown_answers=(bars > 0).sum())
arrays |= {
    "mates_image": (x_val[shown].cpu() * 0.3081 + 0.1307).clamp(0, 1).view(28, 28),
    "mates": torch.stack(company).clamp(0, 1),  # (mixes, 8, 14, 14)
    "mates_p": mixed[:, shown].cpu(),
    "mates_eval": p_eval[shown].cpu(),
}

# %% [markdown]
# ## 7. How many does a mean need?
#
# With small batches the statistics are noisy. But small batches also mean more steps and noisier gradients; that would
# mix two things. So we keep the batch of 64, and only form **groups** inside it, each with statistics of its own:
# groups of 2, 4, 16 or all 64. Everything else stays the same. For comparison: no normalisation, and `nn.LayerNorm`,
# which takes the statistics of **one image over its 64 units**, and needs no company at all.


# %%
class GroupedBatchNorm(nn.BatchNorm1d):
    """Batch normalisation with statistics of `size` images at a time, whatever the batch."""

    def __init__(self, num_features, size):
        super().__init__(num_features)
        self.size = size

    def forward(self, z):
        if not self.training:
            return super().forward(z)
        groups = z.unflatten(0, (-1, self.size))  # (groups, size, features)
        mean, var = groups.mean(dim=1, keepdim=True), groups.var(dim=1, keepdim=True, correction=0)
        with torch.no_grad():
            unbiased = var.mean(dim=(0, 1)) * self.size / (self.size - 1)
            self.running_mean += self.momentum * (mean.mean(dim=(0, 1)) - self.running_mean)
            self.running_var += self.momentum * (unbiased - self.running_var)
        normed = (groups - mean) / torch.sqrt(var + self.eps)
        return self.weight * normed.flatten(0, 1) + self.bias


SIZES = (2, 4, 16, 64)
NORMS = {**{size: partial(GroupedBatchNorm, size=size) for size in SIZES}, "layer": nn.LayerNorm, "none": nn.Identity}
few, few_labels = x[: P.group_images], y[: P.group_images]
group_scores, group_rate, group_models = {}, {}, {}


def train_on_few(norm, rate, seed):
    """A trained tower and its validation accuracy."""
    model = new_tower(norm, "He", seed)
    train(model, rate, P.epochs, seed, few, few_labels)
    return model, accuracy(model, x_val, y_val)


for name, norm in NORMS.items():
    tried = [train_on_few(norm, rate, grid_seeds[0])[1] for rate in P.group_rates]
    group_rate[name] = P.group_rates[int(np.argmax(tried))]
    runs = [train_on_few(norm, group_rate[name], seed) for seed in seeds]
    group_models[name], group_scores[name] = runs[0][0], np.array([score for _, score in runs])
    metrics |= {f"group_{name}": group_scores[name].mean(), f"group_{name}_sd": group_scores[name].std(ddof=1)}
    metrics[f"group_rate_{name}"] = group_rate[name]
    own = in_training_mode(runs[0][0], x_val[:usable], BATCH_SIZE).argmax(dim=1) == y_val[:usable]  # without eval()
    metrics[f"group_own_{name}"] = own.float().mean().item()
    mean, sd = metrics[f"group_{name}"], metrics[f"group_{name}_sd"]
    print(f"{name!s:>6}: rate {group_rate[name]:g}, {mean:.1%} ± {sd:.1%}; in training mode {own.float().mean():.1%}")

# %% [markdown]
# Why is 2 so special? Two values, their mean subtracted, are a number and its opposite. Divided by their deviation,
# they are +1 and -1. Of a unit's value only a **sign** is left: which of the two images has more. We count how often.

# %%
pairs = group_models[2].train()
with torch.no_grad():
    z = pairs.hidden[0].linear(few[: 2 * (len(few) // 4)]).unflatten(0, (-1, 2))  # (pairs, 2, units)
    normed = (z - z.mean(dim=1, keepdim=True)) / torch.sqrt(z.var(dim=1, keepdim=True, correction=0) + 1e-5)
    signs = (normed.abs() > 0.99).float().mean().item()
print(f"groups of two: {signs:.1%} of the normalised values of layer 1 are +1 or -1, to one percent")
small_price = group_scores[64] - group_scores[2]
metrics.update(signs=signs, group_images=P.group_images, group_rates=len(P.group_rates))
metrics.update(group_price=small_price.mean(), group_price_16=(group_scores[64] - group_scores[16]).mean())
metrics["layer_gain"] = (group_scores["layer"] - group_scores["none"]).mean()
claims["for every group size, the best rate lies inside the range that was tried"] = all(
    P.group_rates[0] < group_rate[size] < P.group_rates[-1] for size in SIZES
)
claims["statistics of two images cost at least five points against those of 64, with every seed"] = (
    small_price.min() >= 0.05
)
claims["statistics of 16 images are within one point of those of 64, on average"] = (
    abs((group_scores[64] - group_scores[16]).mean()) < 0.01
)
claims["LayerNorm is within two points of batch normalisation with all 64, on average"] = (
    abs((group_scores["layer"] - group_scores[64]).mean()) < 0.02
)

fig, ax = plt.subplots(num="groups", figsize=(7.2, 3.9))
plots.runs(ax, SIZES, 100 * np.array([group_scores[size] for size in SIZES]).T, "accent")
ends = [(64, 100 * np.median(group_scores[64]), "BatchNorm", "accent")]
for name, tone, text, line, wide in (("layer", "violet", "LayerNorm", "-", 5), ("none", "accent2", "without", "--", 2)):
    ax.plot([2, 64], [100 * np.median(group_scores[name])] * 2, line, color=plots.colour(tone), linewidth=wide)
    ends.append((64, 100 * np.median(group_scores[name]), text, tone))
ax.set(xscale="log", xlabel="images in one mean", ylabel="validation accuracy, percent", xlim=(1.8, 150))
ax.set_xticks(SIZES, [str(size) for size in SIZES])
ax.minorticks_off()
plots.end_labels(ax, ends, dx=8)

# %% [markdown]
# ## 8. Fold it away
#
# In use, the layer subtracts a fixed number and multiplies by a fixed number. So does a linear layer. So both are one,
# and after training the normalisation costs nothing.


# %%
@torch.no_grad()
def fold(linear, bn):
    """One linear layer that does in use what both do."""
    folded = nn.Linear(linear.in_features, linear.out_features)
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)  # (out,)
    bias = 0 if linear.bias is None else linear.bias
    folded.weight.copy_(scale[:, None] * linear.weight)
    folded.bias.copy_(bn.bias + scale * (bias - bn.running_mean))
    return folded


trained = models["he_bn"].eval()
folded_tower = Tower(nn.Identity)
for plain, normed_layer in zip(folded_tower.hidden, trained.hidden, strict=True):
    plain.linear = fold(normed_layer.linear, normed_layer.bn)
folded_tower.out = trained.out
folded_tower = folded_tower.to(device).eval()
with torch.no_grad():
    one, two = folded_tower(x_val), trained(x_val)
    fold_difference = ((one - two).abs().max() / two.abs().max()).item()
    same_answers = (one.argmax(dim=1) == two.argmax(dim=1)).float().mean().item()
    calls = {"folded": lambda: folded_tower(x_val[:64]), "as trained": lambda: trained(x_val[:64])}
    use = timing.measure(calls, P.rounds)
fold_speed = use["as trained"].ratio(use["folded"]).median
print(f"largest difference {fold_difference:.1e} of the largest logit; same answers: {same_answers:.1%}", end="")
print(f"; {fold_speed:.2f} times as fast")
assert fold_difference < 1e-4
metrics.update(fold_difference=fold_difference, same_answers=same_answers, fold_speed=fold_speed)

# %% [markdown]
# ## 9. For the animations
#
# The histograms of four runs, from both starts, without and with BN. And one unit's statistics, batch by
# batch, beside the running ones that follow them.

# %%
for arm in FOUR:
    bars, spreads = zip(*watches[arm][0].pictures, strict=True)
    arrays |= {f"hist_{arm}": np.array(bars), f"spread_{arm}": np.array(spreads), f"loss_{arm}": smooth[arm][0]}
    metrics |= {f"film_test_{arm}": test_scores[arm][0], f"spread_first_{arm}": spreads[0][-1]}
    metrics |= {f"spread_last_{arm}": spreads[-1][-1], f"spread_start_{arm}": spreads[0][0]}
    metrics[f"spread_least_{arm}"] = min(spread[-1] for spread in spreads)  # of layer 8
arrays |= {"moments": MOMENTS, "edges": EDGES, "digits": (x_probe[:3].cpu() * 0.3081 + 0.1307).view(3, 28, 28)}

follower, seen = tower_of("he_bn", seeds[0]), []


def note_statistics(bn, inputs, output):
    z = inputs[0].detach()
    batch = z.mean(dim=0), z.var(dim=0)
    seen.append(torch.stack([*batch, bn.running_mean, bn.running_var]).cpu())


follower.hidden[3].bn.register_forward_hook(note_statistics)
train(follower, best_rate["he_bn"], min(2, P.epochs), seeds[0])
seen = torch.stack(seen).numpy()  # (steps, 4, units)
unit = int(np.ptp(seen[:, 0], axis=0).argmax())  # the one whose mean moves most
arrays["chase"] = seen[:, :, unit]  # (steps, 4): the batch's mean and variance, the running ones
print(f"unit {unit} of layer 4: the batch's mean goes from {seen[0, 0, unit]:.2f} to {seen[-1, 0, unit]:.2f}, ", end="")
print(f"the running mean to {seen[-1, 2, unit]:.2f}")
metrics.update(momentum=follower.hidden[3].bn.momentum, chase_steps=len(seen))

# %% [markdown]
# ## What held
#
# Each statement has its threshold in the code above. This run's numbers decide whether it holds.

# %%
for claim, held in claims.items():
    print(f"CLAIM {claim} -> {'HELD' if held else 'DID NOT HOLD'}")

# %% [markdown]
# ## Exercises
#
# **1. Count.** `nn.BatchNorm2d(64)`: how many numbers does it learn, and how many does it keep without learning them?
#
# *Hint:* there is one more than you think. `list(nn.BatchNorm2d(64).buffers())` knows it.

# %%
your_numbers = None  # your turn: (learned, kept)


def verdict(solved):
    return "not solved yet" if solved is None else "solved" if solved else "not right yet"


truth = [sum(t.numel() for t in part) for part in (nn.BatchNorm2d(64).parameters(), nn.BatchNorm2d(64).buffers())]
print("exercise 1:", verdict(None if your_numbers is None else list(your_numbers) == truth))

# %% [markdown]
# **2. The running mean.** It starts at 0. The batches' means are given. What is the running mean after them?
#
# *Hint:* `momentum` is the share of the **new** value.


# %%
def running_mean_after(means, momentum=0.1):
    return None  # your turn: a number


answer = running_mean_after([1.0, 2.0, 3.0])
print("exercise 2:", verdict(None if answer is None else abs(answer - 0.561) < 1e-6))

# %% [markdown]
# **3. Fold it the other way.** Some networks normalise **before** the linear layer. Fold that, too: return one
# `nn.Linear` that does what `linear(bn(x))` does in use.
#
# *Hint:* the scale now belongs to the columns of the weights, and the shift goes through the weights.


# %%
def fold_before(bn, linear):
    return None  # your turn: an nn.Linear


torch.manual_seed(0)
probe_bn, probe_linear, probe = nn.BatchNorm1d(5), nn.Linear(5, 3), 2 * torch.randn(64, 5) + 1
probe_bn(probe)
folded = fold_before(probe_bn.eval(), probe_linear)
with torch.no_grad():
    right = None if folded is None else torch.allclose(folded(probe), probe_linear(probe_bn(probe)), atol=1e-5)
print("exercise 3:", verdict(right))

# %% [markdown]
# **4. Open: groups of units instead of groups of images.** `nn.GroupNorm(8, 64)` normalises each image alone, in
# eight groups of its 64 units. Put it into the tower. Does it suffer from small batches? How does it compare with
# LayerNorm, at its own best rate and with three seeds?
#
# *Hint:* `NORMS` takes any function that makes a layer for a number of units.

# %%
# model = new_tower(lambda units: nn.GroupNorm(8, units), "He", seed=100)
# losses = train(model, rate=0.1, epochs=P.epochs, seed=100)
# print(f"validation accuracy {accuracy(model, x_val, y_val):.1%}")
