# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day 7: Optimizers
#
# Backpropagation gives the direction. How far may we step? Today we work that out **before** we train: the curvature
# of the loss has a number in it, and that number is a speed limit. Then we go beyond it and watch.
#
# After this notebook you can
#
# - write gradient descent by hand, and show that `torch.optim.SGD` takes the same steps,
# - predict the learning rate at which it explodes, and even the whole loss curve,
# - say what batch, stochastic and mini-batch gradient descent trade against each other,
# - use momentum, weight decay, Adam and a schedule, and say what each does to a step,
# - explain what happens if you forget `optimizer.zero_grad()`.
#
# Everything is measured here. Change a setting and run it again.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from lab import images as datasets
from lab import plots, settings, sources
from torch import nn

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=7,
    seeds=(2, 3, 5),  # repetitions where luck matters
    images=(300, 600, 4_000),  # for the linear regression
    steps=(60, 300, 1_000),
    halvings=(5, 7, 12),  # of the interval in which a limit is searched
    edge_images=(100, 500, 1_000),  # for the network whose curvature we watch
    edge_steps=(60, 1_250, 6_000),
    look_every=(20, 25, 50),  # steps between two looks at the curvature
    small_images=(400, 2_000, 20_000),  # for the races between optimisers
    val_images=(500, 2_000, 6_000),
    passes=((1, 2, 6), (2, 15, 60), (4, 30, 200)),  # epochs with batches of 1, of 64, and with all images at once
    rates=(2, 4, 5),  # learning rates that are tried for each optimiser
)
LIMIT_SECONDS = {"smoke": 120, "quick": 600, "full": 900}
print(P)

# %% [markdown]
# Three dictionaries collect what we find out: numbers, statements that turned out true or false, and arrays.

# %%
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
torch.set_num_threads(1)  # the matrices are small: a second thread would cost more than it brings
device = settings.device()
plots.style()
print("device:", device)

# %% [markdown]
# ## 1. Gradient descent by hand
#
# The simplest network there is: ten linear outputs, no hidden layer, and the squared error between them and the
# one-hot label. It is a poor classifier and a perfect laboratory, because its loss is a bowl that we can work out
# exactly. One image is one row of `X`; a column of ones takes the place of the bias.

# %%
dataset = datasets.mnist(train=True)
order = torch.randperm(len(dataset.data), generator=torch.Generator().manual_seed(P.seed))
chosen = order[: P.images]
pixels = dataset.data[chosen].flatten(1).double().numpy() / 255  # (n, 784), from 0 to 1
X = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)  # (n, 785)
Y = np.eye(10)[dataset.targets[chosen].numpy()]  # (n, 10), one-hot
print(f"X {X.shape}, Y {Y.shape}")
print(sources.caption())


# %%
def gradient_descent(X, Y, learning_rate, steps, momentum=0.0):
    """Squared error, all images in every step; the weights and the loss before each step."""
    W, velocity, losses = np.zeros((Y.shape[1], X.shape[1])), 0.0, []
    for _ in range(steps):
        error = X @ W.T - Y  # (n, 10)
        losses.append(0.5 * (error**2).sum(axis=1).mean())
        gradient = error.T @ X / len(X)  # (10, 785)
        velocity = momentum * velocity + gradient
        W = W - learning_rate * velocity
    return W, np.array(losses)


# %% [markdown]
# Is that what PyTorch does? Same data, same learning rate, `torch.optim.SGD`, gradients by `loss.backward()`. Every
# training loop of this course has these three lines in it: `zero_grad`, `backward`, `step`.


# %%
def torch_descent(X, Y, learning_rate, steps, momentum=0.0):
    """The same with PyTorch's optimiser and its gradients."""
    model = nn.Linear(X.shape[1], Y.shape[1], bias=False).double()
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate, momentum=momentum)
    for _ in range(steps):
        loss = 0.5 * ((model(torch.tensor(X)) - torch.tensor(Y)) ** 2).sum(dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.weight.detach().numpy()


differences = [
    np.abs(gradient_descent(X, Y, 0.01, 20, momentum)[0] - torch_descent(X, Y, 0.01, 20, momentum)).max()
    for momentum in (0.0, 0.9)
]
print(f"largest difference of a weight after 20 steps: {differences[0]:.1e}, with momentum {differences[1]:.1e}")
metrics["torch_difference"] = max(differences)
claims["our step and torch.optim.SGD agree to 1e-12, with and without momentum"] = max(differences) < 1e-12

# %% [markdown]
# ## 2. The speed limit, worked out beforehand
#
# Along one direction the bowl is a parabola, $\frac{1}{2}\lambda x^2$, with the gradient $\lambda x$. One step makes
# $x - \eta\lambda x = (1 - \eta\lambda)\,x$. That shrinks while $|1 - \eta\lambda| < 1$, so while
# $\eta < 2/\lambda$. The bowl has many directions, each with its own curvature $\lambda$: the eigenvalues of the
# Hessian, here $X^TX/n$. The steepest one sets the limit for all.

# %%
hessian = X.T @ X / len(X)  # (785, 785), the same for each of the ten outputs
eigenvalues, eigenvectors = np.linalg.eigh(hessian)  # ascending
steepest = eigenvalues[-1]
limit = 2 / steepest
print(f"largest curvature {steepest:.2f}: predicted limit of the learning rate {limit:.6f}")

multiples = (0.1, 0.5, 0.99, 1.01, 1.1)
curves = {m: gradient_descent(X, Y, m * limit, P.steps)[1] for m in multiples}
for m, losses in curves.items():
    print(f"{m:4.2f} x limit: loss {losses[0]:.3f} -> {losses[-1]:.3g}")
metrics.update(images=P.images, steps=P.steps, steepest=steepest, limit=limit, loss_start=curves[0.1][0])
metrics.update({f"loss_at_{str(m).replace('.', '_')}": losses[-1] for m, losses in curves.items()})
claims["one percent below the limit the loss ends below its start, one percent above it ends above"] = (
    curves[0.99][-1] < curves[0.99][0] and curves[1.01][-1] > curves[1.01][0]
)


# %% [markdown]
# And where is the limit really? We search it: halve the interval between a rate that ends below the starting loss and
# one that ends above, again and again.


# %%
def measured_limit(low, high, momentum=0.0):
    """The learning rate from which on the loss grows, found by halving the interval."""
    for _ in range(P.halvings):
        middle = (low + high) / 2
        losses = gradient_descent(X, Y, middle, P.steps, momentum)[1]
        low, high = (low, middle) if losses[-1] > losses[0] else (middle, high)
    return (low + high) / 2


found = measured_limit(0.8 * limit, 1.25 * limit)
print(f"measured limit {found:.6f}, predicted {limit:.6f}: {found / limit - 1:+.2%}")
metrics.update(measured_limit=found, limit_error=abs(found / limit - 1), resolution=0.45 / 2**P.halvings)
claims["the measured limit is within one percent of two over the curvature"] = abs(found / limit - 1) < 0.01

# %%
fig, ax = plt.subplots(num="limit")
tones = ("muted", "accent", "good", "accent2", "bad")
ends = []
for (m, losses), tone in zip(curves.items(), tones, strict=True):
    shown = np.where(losses < 1e3, losses, np.nan)
    ax.plot(shown, color=plots.colour(tone))
    last = np.flatnonzero(~np.isnan(shown))[-1]
    ends.append((last, shown[last], f"{m:g} × limit", tone))
ax.set(yscale="log", xlabel="step", ylabel="loss (training images)", xlim=(0, 1.32 * P.steps), ylim=(0.05, 1.5e3))
for x, y, text, tone in ends[3:]:
    plots.label(ax, x, y, text, tone, dx=8)
plots.end_labels(ax, ends[:3])

# %% [markdown]
# ## 3. Why it is slow below the limit
#
# What is still wrong in a direction is multiplied by $1 - \eta\lambda_i$ in every step, by a factor of its own. So the
# whole curve can be predicted from the eigenvalues: split what is still wrong (the residual) into the directions, and
# shrink each by its factor. No training needed.


# %%
def predicted_losses(X, Y, learning_rate, steps):
    """The loss before each step, from the singular values of X alone: nothing is trained."""
    U, s, _ = np.linalg.svd(X, full_matrices=False)
    inside = U.T @ -Y  # (r, 10): the residual at W = 0, direction by direction
    outside = (Y**2).sum() - (inside**2).sum()  # what no weights can explain
    factor = 1 - learning_rate * s**2 / len(X)  # (r,): how much is left of each after a step
    left = [(inside**2).sum(axis=1) @ factor ** (2 * t) for t in range(steps)]
    return 0.5 * (np.array(left) + outside) / len(X)


predicted = predicted_losses(X, Y, 0.5 * limit, P.steps)
prediction_error = np.abs(predicted / curves[0.5] - 1).max()
positive = eigenvalues[eigenvalues > 1e-9 * steepest]
per_step = np.abs(1 - 0.5 * limit * positive)
done = (per_step**P.steps < 0.01).sum()  # directions in which less than one percent is left
print(f"largest relative error of the predicted curve: {prediction_error:.1e}")
print(f"{len(positive)} directions, curvature from {positive[0]:.2g} to {steepest:.3g}")
print(f"in {done} of them less than one percent is left after {P.steps} steps")
metrics.update(prediction_error=prediction_error, directions=len(positive), directions_done=done)
metrics.update(condition=steepest / positive[0], flattest=positive[0])
claims["the loss of every step is predicted to one part in a million"] = prediction_error < 1e-6

# %% [markdown]
# Which direction is the steep one? It looks like the average image: all pixels of ink go up and down together. Then a
# simple remedy suggests itself: subtract the mean image. The bowl gets rounder, and the limit rises.

# %%
mean_image = pixels.mean(axis=0)
steep_image = eigenvectors[:-1, -1]  # (784,) of the steepest direction, without the bias
likeness = abs(steep_image @ mean_image) / np.linalg.norm(steep_image) / np.linalg.norm(mean_image)
X_centred = np.concatenate([pixels - mean_image, np.ones((len(pixels), 1))], axis=1)
steepest_centred = np.linalg.eigvalsh(X_centred.T @ X_centred / len(X))[-1]
limit_centred = 2 / steepest_centred
best = np.linalg.lstsq(X, Y, rcond=None)[0]
floor = 0.5 * ((X @ best - Y) ** 2).sum(axis=1).mean()
ended, ended_centred = (
    gradient_descent(data, Y, 0.9 * at_most, P.steps)[1][-1] - floor
    for data, at_most in ((X, limit), (X_centred, limit_centred))
)
print(f"steep direction and mean image: cosine {likeness:.3f}")
print(f"limit {limit:.4f} -> {limit_centred:.4f} with centred pixels")
print(f"loss above the best after {P.steps} steps: {ended:.4f} -> {ended_centred:.4f}")
metrics.update(likeness=likeness, limit_centred=limit_centred, limit_gain=limit_centred / limit)
metrics.update(gap=ended, gap_centred=ended_centred, floor=floor)
claims["the steepest direction is the mean image (cosine above 0.95)"] = likeness > 0.95
claims["with centred pixels gradient descent ends nearer to the best loss"] = ended_centred < ended

# %%
fig, axes = plt.subplots(1, 2, num="steep", figsize=(6.4, 3.2))
signed = steep_image * np.sign(steep_image @ mean_image)
for ax, picture, text in zip(axes, (mean_image, signed), ("the mean image", "the steepest direction"), strict=True):
    ax.imshow(picture.reshape(28, 28))
    ax.set(title=text, xticks=[], yticks=[])
    ax.grid(False)

# %%
fig, (left, right) = plt.subplots(1, 2, num="spectrum", figsize=(9.2, 3.5))
rank = np.arange(1, len(positive) + 1)
left.plot(rank, positive[::-1], color=plots.colour("accent"))
left.set(xscale="log", yscale="log", xlabel="direction, steepest first", ylabel="curvature λ")
right.plot(curves[0.5], color=plots.colour("accent"), linewidth=5, alpha=0.45)
right.plot(predicted, color=plots.colour("text"), linewidth=1.4, linestyle="--")
right.axhline(floor, color=plots.colour("muted"), linewidth=1.2)
right.set(yscale="log", xlabel="step", ylabel="loss (training images)")
plots.label(right, 0.35 * P.steps, predicted[int(0.35 * P.steps)], "trained, and predicted (dashed)", "accent", dy=14)
right.set(ylim=(0.6 * floor, None))
plots.label(right, 0.05 * P.steps, floor, "the best a linear model can do", "muted", dy=11)

# %% [markdown]
# ## 4. Momentum moves the limit
#
# With momentum, the step follows a running **sum** of gradients, $v \leftarrow \beta v + g$. Steps in a flat direction
# add up; in a steep one they cancel. The same calculation gives a new limit, $2(1+\beta)/\lambda$: nearly twice as
# far. Let us search that one, too.

# %%
BETA = 0.9
limit_momentum = 2 * (1 + BETA) / steepest
found_momentum = measured_limit(0.8 * limit_momentum, 1.25 * limit_momentum, BETA)
print(f"with momentum: measured limit {found_momentum:.6f}, predicted {limit_momentum:.6f}")
metrics.update(beta=BETA, limit_momentum=limit_momentum, measured_limit_momentum=found_momentum)
metrics.update(limit_momentum_error=abs(found_momentum / limit_momentum - 1))
claims["with momentum the measured limit is within one percent of 2(1 + beta) over the curvature"] = (
    abs(found_momentum / limit_momentum - 1) < 0.01
)

# %% [markdown]
# Is it faster, too? At the same learning rate the comparison would be unfair: a gradient that stays the same makes
# steps of momentum $1/(1-\beta)$ times as long, here ten times. So plain gradient descent gets the largest rate that it
# can bear, 0.99 of its limit, and momentum half of that limit.

# %%
gap_momentum = gradient_descent(X, Y, 0.5 * limit, P.steps, BETA)[1][-1] - floor
gap_fastest = curves[0.99][-1] - floor
print(f"loss above the best after {P.steps} steps: {gap_fastest:.4f} without momentum, {gap_momentum:.4f} with it")
metrics.update(gap_fastest=gap_fastest, gap_momentum=gap_momentum)
claims["momentum at half the limit ends nearer to the best loss than plain descent at 0.99 of it"] = (
    gap_momentum < gap_fastest
)

# %% [markdown]
# ## 5. Does the limit hold for a network?
#
# The loss of a network is no bowl: its curvature changes with every step. We can still measure it. The largest
# eigenvalue of the Hessian is called the **sharpness**. Power iteration finds it without ever writing the Hessian down:
# differentiate (gradient · v), and you have Hessian · v; repeat, and v turns into the direction whose curvature is
# largest, sign aside.


# %%
def sharpness(model, loss_of, v, rounds=8):
    """The largest curvature of the loss, and its direction, by power iteration from v."""
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(loss_of(model), parameters, create_graph=True)
    gradient = torch.cat([g.flatten() for g in gradient])
    for _ in range(rounds):
        v = v / v.norm()
        product = torch.autograd.grad(gradient @ v, parameters, retain_graph=True)
        product = torch.cat([p.flatten() for p in product])  # Hessian times v
        curvature, v = (v @ product).item(), product
    return curvature, v / v.norm()


# %% [markdown]
# Is it right? For the linear model we know the answer: the largest eigenvalue of $X^TX/n$.

# %%
linear = nn.Linear(X.shape[1], 10, bias=False).double()
checked, _ = sharpness(
    linear,
    lambda model: 0.5 * ((model(torch.tensor(X)) - torch.tensor(Y)) ** 2).sum(dim=1).mean(),
    torch.randn(10 * X.shape[1], dtype=torch.double),
    rounds=60,
)
print(f"sharpness by power iteration {checked:.6f}, by eigenvalues {steepest:.6f}")
metrics["sharpness_error"] = abs(checked / steepest - 1)
assert metrics["sharpness_error"] < 1e-3

# %% [markdown]
# Now a network, 784 → 50 → 50 → 10 with tanh, the same squared error, all images in every step: plain gradient descent,
# with three learning rates. While it trains we look at its sharpness.

# %%
MEAN, STD = 0.1307, 0.3081  # of the training pixels
edge_chosen = order[: P.edge_images]
edge_x = ((dataset.data[edge_chosen].flatten(1).float() / 255 - MEAN) / STD).to(device)  # (n, 784)
edge_y = nn.functional.one_hot(dataset.targets[edge_chosen], 10).float().to(device)
EDGE_RATES = (0.03, 0.045, 0.06)


def edge_loss(model):
    return 0.5 * ((model(edge_x) - edge_y) ** 2).sum(dim=1).mean()


def tanh_network():
    torch.manual_seed(P.seed)
    layers = nn.Linear(784, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, 10)
    return nn.Sequential(*layers).to(device)


def watch_sharpness(learning_rate):
    """Loss before every step; the steps at which we looked, and the sharpness there."""
    model, losses, looks, found = tanh_network(), [], [], []
    v = torch.randn(sum(p.numel() for p in model.parameters()), device=device)
    optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)
    for step in range(P.edge_steps + 1):
        if step % P.look_every == 0:
            curvature, v = sharpness(model, edge_loss, v)
            looks.append(step)
            found.append(curvature)
        loss = edge_loss(model)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return np.array(losses), np.array(looks), np.array(found)


edge = {rate: watch_sharpness(rate) for rate in EDGE_RATES}
ends_at, rises = {}, {}
for rate, (losses, _, curvature) in edge.items():
    tail = curvature[-max(2, len(curvature) // 4) :]  # of the last quarter
    ends_at[rate] = np.median(tail) * rate / 2  # in units of 2 / rate
    rises[rate] = int((np.diff(losses) > 0).sum())
    print(
        f"rate {rate:g}: sharpness {curvature[0]:.1f} -> {np.median(tail):.1f}, and 2/rate is {2 / rate:.1f};"
        f" loss {losses[0]:.3f} -> {losses[-1]:.4f}, it rose in {rises[rate]} of {P.edge_steps} steps"
    )

# %% [markdown]
# If the limit simply held, a network with a sharpness above $2/\eta$ would explode. What we expect instead, from what
# others have seen: the sharpness rises, until it meets the limit, and stays there, with a loss that wobbles and falls.

# %%
middle, fast = EDGE_RATES[1], EDGE_RATES[2]
metrics.update(edge_images=P.edge_images, edge_steps=P.edge_steps, edge_rates=list(EDGE_RATES))
metrics["edge_parameters"] = sum(p.numel() for p in tanh_network().parameters())
for name, rate in zip(("slow", "middle", "fast"), EDGE_RATES, strict=True):
    metrics |= {
        f"edge_{name}_rate": rate,
        f"edge_{name}_limit": 2 / rate,
        f"edge_{name}_start": edge[rate][2][0],
        f"edge_{name}_sharpness": ends_at[rate] * 2 / rate,
        f"edge_{name}_highest": edge[rate][2].max(),
        f"edge_{name}_rises": rises[rate],
        f"edge_{name}_loss_start": edge[rate][0][0],
        f"edge_{name}_loss": edge[rate][0][-1],
    }
claims["with the two larger rates the sharpness ends within five percent of 2 over the rate"] = all(
    abs(ends_at[rate] - 1) < 0.05 for rate in (middle, fast)
)
claims["at the edge the loss rises in at least one step of twenty, and still ends below a tenth of its start"] = (
    rises[middle] >= P.edge_steps / 20 and edge[middle][0][-1] < 0.1 * edge[middle][0][0]
)
claims["with the smallest rate the loss never rises"] = rises[EDGE_RATES[0]] == 0

# %%
fig, (left, right) = plt.subplots(1, 2, num="edge", figsize=(9.2, 3.5))
for (rate, (losses, looks, curvature)), tone in zip(edge.items(), ("muted", "accent", "accent2"), strict=True):
    left.plot(losses, color=plots.colour(tone), linewidth=1.4)
    right.hlines(2 / rate, 0, P.edge_steps, color=plots.colour(tone), linewidth=1.2, linestyle="--")
    right.plot(looks, curvature, color=plots.colour(tone))
    plots.label(right, P.edge_steps, 2 / rate, f"2/η for η = {rate:g}", tone, dx=8)
left.set(yscale="log", xlabel="step", ylabel="loss (training images)")
left.minorticks_off()
left.yaxis.set_major_locator(plt.LogLocator(subs=(1, 2, 5)))
left.yaxis.set_major_formatter(plt.FuncFormatter(lambda value, _: f"{value:g}"))
right.set(xlabel="step", ylabel="sharpness", xlim=(0, 1.6 * P.edge_steps), ylim=(0, 1.15 * 2 / EDGE_RATES[0]))
for ax in (left, right):
    ax.set_xticks(range(0, P.edge_steps + 1, P.edge_steps // 5))

# %% [markdown]
# ## 6. One image, 64 images, all images
#
# So far every step used all images: **batch** gradient descent. **Stochastic** gradient descent takes a single image,
# **mini-batch** something in between. First, how wrong is the gradient of a batch? We compare it with the gradient of
# all images, for a network that has learned a little.

# %%
small = order[P.edge_images : P.edge_images + P.small_images]
val = order[-P.val_images :]


def prepared(indices):
    x = ((dataset.data[indices].flatten(1).float() / 255 - MEAN) / STD).to(device)
    return x, dataset.targets[indices].to(device)


train_x, train_y = prepared(small)  # (n, 784), (n,)
val_x, val_y = prepared(val)
loss_fn = nn.CrossEntropyLoss()


def new_model(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(device)


def gradient_of(model, indices):
    model.zero_grad()
    loss_fn(model(train_x[indices]), train_y[indices]).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def accuracy(model):
    with torch.no_grad():
        return (model(val_x).argmax(dim=1) == val_y).float().mean().item()


model = new_model(P.seed)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(20):
    gradient_of(model, slice(None))
    optimizer.step()
whole = gradient_of(model, slice(None))
sizes = (1, 4, 16, 64, 256)
draws = 60
noise = []  # distance of a batch's gradient from the whole one, relative to its length; mean square over draws
generator = torch.Generator().manual_seed(P.seed)
for size in sizes:
    picks = torch.randint(len(train_y), (draws, size), generator=generator)  # with replacement
    errors = [((gradient_of(model, pick) - whole).norm() / whole.norm()).item() ** 2 for pick in picks]
    noise.append(np.sqrt(np.mean(errors)))
slope = np.polyfit(np.log(sizes), np.log(noise), 1)[0]
for size, error in zip(sizes, noise, strict=True):
    print(f"batch of {size:3d}: its gradient is wrong by {error:.2f} of its own length")
print(f"slope {slope:.2f}: noise falls like the batch size to that power")
metrics.update(noise_one=noise[0], noise_64=noise[3], noise_slope=slope, noise_draws=draws)
claims["the noise of a batch falls like one over the square root of its size (slope -0.5 within 0.05)"] = (
    abs(slope + 0.5) < 0.05
)

# %% [markdown]
# Four times the images make the gradient only twice as good. So what pays: few good steps, or many bad ones? We train
# the small MNIST network with batches of one, of 64, and of all images. Each way gets the best of several learning
# rates, chosen by the validation images with one start; then several other starts with that rate.


# %%
def clock():
    """Seconds; on a CPU those that this process has computed, so that other programs do not count."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def race(batch_size, rate, epochs, seed, looks=12):
    """Rows of (images seen, seconds of training, validation accuracy)."""
    model, generator = new_model(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    rows, seen, seconds, n = [(0, 0.0, accuracy(model))], 0, 0.0, len(train_y)
    due = list(np.geomspace(min(64, n), epochs * n, looks))
    for _ in range(epochs):
        batches = torch.randperm(n, generator=generator).to(device).split(batch_size)
        for batch in batches:
            started = clock()
            loss = loss_fn(model(train_x[batch]), train_y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seconds, seen = seconds + clock() - started, seen + len(batch)
            if due and seen >= due[0]:
                due = [mark for mark in due if mark > seen]
                rows.append((seen, seconds, accuracy(model)))
    return np.array(rows)


ways = {"one": (1, 0.01), "some": (64, 0.1), "all": (len(train_y), 0.3)}  # batch size, a rate to try others around
scales = np.geomspace(0.3, 3.0, P.rates) if P.rates % 2 else np.geomspace(0.4, 4.0, P.rates)
races, best_rate, inside, per_step = {}, {}, [], {}
for (name, (size, centre)), epochs in zip(ways.items(), P.passes, strict=True):
    tried = {rate: race(size, rate, epochs, P.seed)[-1, 2] for rate in centre * scales}
    best_rate[name] = max(tried, key=tried.get)
    inside.append(min(tried) < best_rate[name] < max(tried))  # or should we have searched further?
    races[name] = np.array([race(size, best_rate[name], epochs, P.seed + 1 + i) for i in range(P.seeds)])
    end = races[name][:, -1]
    per_step[name] = end[:, 1].mean() / (epochs * -(-len(train_y) // size))  # seconds
    print(
        f"batch {size:5d}, rate {best_rate[name]:.3g}, {1e3 * per_step[name]:.2f} ms a step,"
        f" {epochs} epochs: {end[:, 2].mean():.1%} after"
        f" {end[0, 0]:,.0f} images and {end[:, 1].mean():.2f} s"
    )


# %% [markdown]
# How far does each way get with the same number of images, and with the same seconds? We compare at the budget that all
# three have spent: the images of the shortest race, and the seconds of the shortest.


# %%
def reached(name, column, budget):
    """Accuracy of each start once it has spent a budget of images (0) or seconds (1)."""
    return np.array([np.interp(budget, rows[:, column], rows[:, 2]) for rows in races[name]])


images_budget = min(rows[0][-1, 0] for rows in races.values())
seconds_budget = min(rows[:, -1, 1].min() for rows in races.values())
for name in ways:
    by_images, by_seconds = reached(name, 0, images_budget), reached(name, 1, seconds_budget)
    metrics |= {
        f"race_{name}_images": by_images.mean(),
        f"race_{name}_seconds": by_seconds.mean(),
        f"race_{name}_rate": best_rate[name],
        f"race_{name}_last": races[name][:, -1, 2].mean(),
        f"race_{name}_last_sd": races[name][:, -1, 2].std(ddof=1),
    }
    spent = f"{images_budget:,.0f} images, {by_seconds.mean():.1%} in {seconds_budget:.2f} s"
    print(f"{name:>4}: {by_images.mean():.1%} after {spent}")
metrics.update(small_images=P.small_images, val_images=P.val_images, race_seeds=P.seeds, batch_size=64)
metrics["race_rates"] = P.rates
metrics.update(images_budget=images_budget, seconds_budget=seconds_budget)
metrics.update(step_cost_64=per_step["some"] / per_step["one"], step_cost_all=per_step["all"] / per_step["some"])
claims["the best rate of each batch size lies inside the range that was tried"] = all(inside)
claims["for the same number of images, batches of one get furthest with every start"] = bool(
    (reached("one", 0, images_budget) > reached("some", 0, images_budget)).all()
    and (reached("one", 0, images_budget) > reached("all", 0, images_budget)).all()
)
claims["for the same seconds, batches of 64 get furthest with every start"] = bool(
    (reached("some", 1, seconds_budget) > reached("one", 1, seconds_budget)).all()
    and (reached("some", 1, seconds_budget) > reached("all", 1, seconds_budget)).all()
)

# %%
fig, axes = plt.subplots(1, 2, num="batches", figsize=(9.2, 3.5), sharey=True)
texts = {"one": "batches of 1", "some": "of 64", "all": "all at once"}
for ax, column, text in zip(axes, (0, 1), ("images seen", "seconds of training"), strict=True):
    for name, tone in (("one", "accent2"), ("some", "accent"), ("all", "violet")):
        for rows in races[name]:
            ax.plot(rows[1:, column], 100 * rows[1:, 2], color=plots.colour(tone), linewidth=1.2, alpha=0.6)
        middle_row = races[name].mean(axis=0)[1:]
        ax.plot(middle_row[:, column], 100 * middle_row[:, 2], color=plots.colour(tone), marker="o", markersize=4)
        if column == 0:
            at, dx, dy, side = {"one": (6, -8, 16, "right"), "some": (3, 10, -10, "left"), "all": (3, 8, -12, "left")}[
                name
            ]
            plots.label(ax, middle_row[at, 0], 100 * middle_row[at, 2], texts[name], tone, dx=dx, dy=dy, ha=side)
    ax.set(xscale="log", xlabel=text)
axes[0].set(ylabel="validation accuracy, percent")

# %% [markdown]
# ## 7. What if you forget `zero_grad`?
#
# `loss.backward()` **adds** to `.grad`. Without `zero_grad`, every step uses the sum of all gradients so far. Compare
# that with momentum: $v \leftarrow \beta v + g$ with $\beta = 1$. It should be the same thing.

# %%
FORGET_STEPS, FORGET_IMAGES = 100, 300


def forgetful(forget, momentum=0.0, rate=0.05):
    """The loss of every step with all images, with or without zero_grad."""
    model, losses = new_model(P.seed).double(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=momentum)
    x = train_x[:FORGET_IMAGES].double()
    for _ in range(FORGET_STEPS):
        if not forget:
            optimizer.zero_grad()
        loss = loss_fn(model(x), train_y[:FORGET_IMAGES])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


ways_to_step = {"with zero_grad": (False,), "forgotten": (True,), "momentum 1": (False, 1.0)}
gentle, bold = 0.05, 0.5
forgotten = {(text, rate): forgetful(*how, rate=rate) for text, how in ways_to_step.items() for rate in (gentle, bold)}
forget_difference = np.abs(forgotten["forgotten", gentle] - forgotten["momentum 1", gentle]).max()
for (text, rate), losses in forgotten.items():
    print(f"rate {rate:g}, {text:>15}: loss {losses[0]:.3f} -> {losses[-1]:.4f}, highest {losses.max():.3f}")
print(f"forgotten against momentum 1: largest difference {forget_difference:.1e}")
metrics.update(forget_images=FORGET_IMAGES, forget_difference=forget_difference, forget_steps=FORGET_STEPS)
for name, rate in (("gentle", gentle), ("bold", bold)):
    metrics |= {
        f"forget_{name}_rate": rate,
        f"forget_{name}": forgotten["forgotten", rate][-1],
        f"forget_{name}_not": forgotten["with zero_grad", rate][-1],
        f"forget_{name}_highest": forgotten["forgotten", rate].max(),
    }
claims["forgetting zero_grad is momentum one, to the last digits"] = forget_difference < 1e-9
claims["with a small learning rate, forgetting zero_grad makes the loss higher in the end"] = (
    forgotten["forgotten", gentle][-1] > forgotten["with zero_grad", gentle][-1]
)
claims["with ten times that rate, forgetting zero_grad makes the loss higher in the end"] = (
    forgotten["forgotten", bold][-1] > forgotten["with zero_grad", bold][-1]
)

# %%
fig, axes = plt.subplots(1, 2, num="forgotten", figsize=(9.2, 3.5), sharey=True)
for ax, rate in zip(axes, (gentle, bold), strict=True):
    for text, tone in (("with zero_grad", "accent"), ("forgotten", "bad")):
        ax.plot(np.maximum(forgotten[text, rate], 1e-6), color=plots.colour(tone))
    ends = [
        (FORGET_STEPS, max(forgotten[t, rate][-1], 1e-6), t, c)
        for t, c in (("with zero_grad", "accent"), ("forgotten", "bad"))
    ]
    ax.set(yscale="log", xlabel="step", title=f"learning rate {rate:g}", xlim=(0, 1.6 * FORGET_STEPS))
    plots.end_labels(ax, ends)
axes[0].set(ylabel=f"loss ({FORGET_IMAGES} training images)")

# %% [markdown]
# ## 8. Knobs: weight decay, momentum, Adam, a schedule
#
# `weight_decay` adds `weight_decay * w` to the gradient. With a gradient of zero one step is easy to work out:
# $w \leftarrow w - \eta\,(\text{weight decay})\,w$. Day 10 is about it.

# %%
w = nn.Parameter(torch.tensor([3.0]))
optimizer = torch.optim.SGD([w], lr=0.1, weight_decay=0.5)
w.grad = torch.zeros(1)
optimizer.step()
print(f"weight 3, decay 0.5, rate 0.1, gradient 0: {w.item():.3f} (3 - 0.1 * 0.5 * 3 = {3 - 0.1 * 0.5 * 3:.3f})")
metrics["decayed"] = w.item()

# %% [markdown]
# One knob has a default that is easily forgotten. Which learning rate does `torch.optim.SGD` take if you name none?

# %%
default_rate = torch.optim.SGD([w]).defaults["lr"]
print(f"default learning rate of torch.optim.SGD: {default_rate:g}")
metrics["sgd_default_rate"] = default_rate

# %% [markdown]
# Adam keeps, for every weight, a running mean of its gradient and one of its square. It steps along the first, divided
# by the root of the second: a weight with small gradients still gets steps of a useful size. Day 14 builds it.
#
# Now a fair comparison. SGD, SGD with momentum, and Adam, each with several learning rates; batches of 64, the same
# number of epochs. The best rate is chosen on one start; then other starts with that rate, and the same with a
# schedule: `StepLR` halves the rate after every third of the epochs.

# %%
RACE_EPOCHS = {"smoke": 1, "quick": 6, "full": 10}[P.preset]
HALVE_AFTER = max(1, RACE_EPOCHS // 3)  # epochs
kinds = {
    "SGD": (lambda parameters, rate: torch.optim.SGD(parameters, lr=rate), 0.1),
    "momentum": (lambda parameters, rate: torch.optim.SGD(parameters, lr=rate, momentum=0.9), 0.02),
    "Adam": (lambda parameters, rate: torch.optim.Adam(parameters, lr=rate), 0.002),
}


def train(kind, rate, seed, schedule=False):
    """Validation accuracy at the end."""
    model, generator = new_model(seed), torch.Generator().manual_seed(seed)
    optimizer = kinds[kind][0](model.parameters(), rate)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=HALVE_AFTER, gamma=0.5)
    for _ in range(RACE_EPOCHS):
        for batch in torch.randperm(len(train_y), generator=generator).to(device).split(64):
            optimizer.zero_grad()
            loss_fn(model(train_x[batch]), train_y[batch]).backward()
            optimizer.step()
        if schedule:
            scheduler.step()
    return accuracy(model)


grid = np.geomspace(0.03, 30.0, 5 if P.preset == "smoke" else 7)  # times the rate in the table
sweep = {kind: np.array([train(kind, rate * centre, P.seed) for rate in grid]) for kind, (_, centre) in kinds.items()}
table = {}
for kind, (_, centre) in kinds.items():
    rate = centre * grid[sweep[kind].argmax()]
    for schedule in (False, True):
        table[kind, schedule] = np.array([train(kind, rate, P.seed + 1 + i, schedule) for i in range(P.seeds)])
    plain, scheduled = table[kind, False], table[kind, True]
    good = (sweep[kind] > sweep[kind].max() - 0.02).sum()
    print(f"{kind:>9}: rate {rate:.2g}, {plain.mean():.1%}, with a schedule {scheduled.mean():.1%}; {good} good rates")
    metrics |= {
        f"opt_{kind.lower()}_rate": rate,
        f"opt_{kind.lower()}": plain.mean(),
        f"opt_{kind.lower()}_sd": plain.std(ddof=1),
        f"opt_{kind.lower()}_scheduled": scheduled.mean(),
        f"opt_{kind.lower()}_worst": sweep[kind].min(),
        f"opt_{kind.lower()}_good": good,
    }
best_means = [table[kind, False].mean() for kind in kinds]
schedule_gain = np.mean([table[kind, True] - table[kind, False] for kind in kinds])
metrics.update(opt_spread=max(best_means) - min(best_means), opt_epochs=RACE_EPOCHS, opt_rates=len(grid))
metrics.update(schedule_gain=schedule_gain, halve_after=HALVE_AFTER)
metrics["opt_largest_sd"] = max(table[kind, False].std(ddof=1) for kind in kinds)  # between starts
claims["each at its own best rate, the three optimisers end within one point"] = (
    max(best_means) - min(best_means) < 0.01
)
claims["a schedule helps all three optimisers on average"] = all(
    table[kind, True].mean() > table[kind, False].mean() for kind in kinds
)

# %%
fig, ax = plt.subplots(num="optimizers")
for (kind, (_, centre)), tone in zip(kinds.items(), ("accent2", "accent", "violet"), strict=True):
    ax.plot(centre * grid, 100 * sweep[kind], color=plots.colour(tone), marker="o", markersize=5)
    plots.label(ax, centre * grid[0], 100 * sweep[kind][0], kind, tone, dx=0, dy=-15)
ax.set(xscale="log", xlabel="learning rate", ylabel="validation accuracy, percent", ylim=(0, 106))

# %% [markdown]
# ## 9. What the animations move
#
# The bowl itself: the loss of the linear model in the plane of two real directions, the steepest and a flatter one, and
# the paths that gradient descent really takes in it. For one output, the weights are a point with 785 coordinates; we
# look at two of them, along two eigenvectors, measured from the minimum.


# %%
def path_in_plane(learning_rate, steps, momentum=0.0):
    """The steps of gradient descent on one output, in the plane of two eigenvectors, (steps + 1, 2)."""
    w, velocity = np.zeros(X.shape[1]), 0.0
    rows = [plane @ (w - minimum)]
    for _ in range(steps):
        velocity = momentum * velocity + (X @ w - target) @ X / len(X)
        w = w - learning_rate * velocity
        rows.append(plane @ (w - minimum))
    return np.array(rows)


BOWL_STEPS, BOWL_BETA = 60, 0.7
minima = np.linalg.lstsq(X, Y, rcond=None)[0].T  # (10, 785)
starts = -minima @ eigenvectors  # (10, 785): where W = 0 is, seen from the minimum, along the eigenvectors
flat = -1 - int(np.argmin(np.abs(eigenvalues[-2:-60:-1] * 15 - steepest))) - 1  # about 15 times flatter
digit = int(np.abs(starts[:, flat]).argmax())
plane = eigenvectors[:, [-1, flat]].T  # (2, 785)
minimum, target = minima[digit], Y[:, digit]
paths = {m: path_in_plane(m * limit, BOWL_STEPS) for m in (0.5, 0.99, 1.01)}
paths["momentum"] = path_in_plane(0.5 * limit, BOWL_STEPS, BOWL_BETA)
shrunk = 1 - 0.5 * limit * eigenvalues[flat]
metrics.update(bowl_steep=steepest, bowl_flat=eigenvalues[flat], bowl_digit=digit, bowl_steps=BOWL_STEPS)
metrics.update(bowl_beta=BOWL_BETA, bowl_ratio=steepest / eigenvalues[flat], bowl_flat_factor=shrunk)
arrays |= {f"bowl_{str(m).replace('.', '_')}": path for m, path in paths.items()}
arrays["bowl_curvature"] = np.array([steepest, eigenvalues[flat]])
arrays |= {
    "edge_looks": edge[EDGE_RATES[0]][1],
    "edge_sharpness": np.array([edge[rate][2] for rate in EDGE_RATES]),
    "edge_loss": np.array([edge[rate][0] for rate in EDGE_RATES]).astype(np.float32),  # of every step
    "edge_rates": np.array(EDGE_RATES),
}
print(f"output {digit}: curvatures {steepest:.2f} and {eigenvalues[flat]:.2f}; starts at {paths[0.5][0].round(3)}")

# %% [markdown]
# ## What held
#
# Each statement has its threshold in the code above. This run's numbers decide whether it holds; with other settings
# some of them come out differently.

# %%
for claim, held in claims.items():
    print(f"CLAIM {claim} -> {'HELD' if held else 'DID NOT HOLD'}")

# %% [markdown]
# ## Exercises
#
# **1. A speed limit on paper.** The loss of one weight is $L(w) = 3\,(w - 2)^2$. From which learning rate on does
# gradient descent diverge?
#
# *Hint:* the curvature is the second derivative, and it is not 3.

# %%
your_limit = None  # your turn


def verdict(solved):
    return "not solved yet" if solved is None else "solved" if solved else "not right yet"


print("exercise 1:", verdict(None if your_limit is None else abs(your_limit - 1 / 3) < 1e-3))

# %% [markdown]
# **2. Momentum by hand.** Complete the step: update the velocity, then the weight. The result must be PyTorch's.
#
# *Hint:* in PyTorch the velocity is a sum, $v \leftarrow \beta v + g$, without a factor in front of $g$.


# %%
def momentum_step(w, velocity, gradient, lr=0.1, beta=0.9):
    return None  # your turn: (new w, new velocity)


answer = momentum_step(1.0, 0.5, 2.0)
right = None if answer is None else np.allclose(answer, (1.0 - 0.1 * (0.9 * 0.5 + 2.0), 0.9 * 0.5 + 2.0))
print("exercise 2:", verdict(right))

# %% [markdown]
# **3. Gradient accumulation.** Forgetting `zero_grad` is a bug. Doing it on purpose is a method: add up the gradients
# of two halves of a batch, then step once. Return the gradient so that it equals that of the whole batch.
#
# *Hint:* each half's loss is a mean over half as many images.


# %%
def accumulated(model, x, y):
    return None  # your turn: call backward twice, return the weights' gradient of the first layer


probe = new_model(P.seed)
probe.zero_grad()
answer = accumulated(probe, train_x[:64], train_y[:64])
answer = None if answer is None else answer.clone()
probe.zero_grad()
loss_fn(probe(train_x[:64]), train_y[:64]).backward()
print("exercise 3:", verdict(None if answer is None else torch.allclose(answer, probe[0].weight.grad, atol=1e-6)))

# %% [markdown]
# **4. Open: the limit of a batch.** Compute the largest curvature for batches of 1, 8, 64 and 512 images of the linear
# model. Is the limit of a single image larger or smaller than that of all? What does that say about the learning rate
# of stochastic gradient descent?
#
# *Hint:* for one image the only non-zero eigenvalue is the squared length of its row.

# %%
# sizes = (1, 8, 64, 512)
# [np.linalg.eigvalsh(X[:size].T @ X[:size] / size)[-1] for size in sizes]
