# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day 4: Backpropagation
#
# A network has thousands of weights. To improve it, we need to know for **every** weight: if I turn this one up a
# little, does the loss go up or down, and how fast? Backpropagation answers for all of them in one sweep.
#
# After this notebook you can
#
# - compute the derivatives of a neuron by hand, one link of the chain rule at a time,
# - write the backward pass of a network in NumPy, and say what every line means,
# - check a gradient against finite differences and against PyTorch,
# - say what backpropagation costs, and why gradients fade in deep sigmoid networks.
#
# Everything is measured here, on real handwritten digits. Change a setting and run it again.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from lab import data, plots, settings, timing
from torch import nn

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=4,
    seeds=(2, 5, 5),  # repetitions of every training run
    epochs=(1, 6, 30),  # passes over the training images
    train_images=(2_000, 50_000, 50_000),
    check_weights=(20, 200, 500),  # weights nudged in the gradient check
    repeats=(5, 25, 100),  # of every timing
    depth_seeds=(3, 10, 30),  # random starts of the deep networks
    flow_epochs=(1, 3, 10),  # training of the small network in the animation
)
LEARNING_RATE = 3.0
BATCH_SIZE = 10
LIMIT_SECONDS = {"smoke": 120, "quick": 300, "full": 900}
print(P)

# %% [markdown]
# Three dictionaries collect what we find out: numbers, statements that turned out true or false, and arrays.

# %%
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
torch.set_num_threads(1)  # the operations are tiny: a second thread would only cost time
plots.style()

# %% [markdown]
# ## 1. One neuron, by hand
#
# One input, one weight, one bias, one output, and a loss. The forward pass computes four numbers in a row.


# %%
def sigmoid(z):
    return 1 / (1 + np.exp(-z))


x, w, b, y = 2.0, 0.5, -0.5, 1.0
z = w * x + b  # weighted input
a = sigmoid(z)  # activation
loss = 0.5 * (a - y) ** 2  # how wrong the neuron is
print(f"z = {z:.4f}   a = {a:.4f}   loss = {loss:.4f}")

# %% [markdown]
# The backward pass walks the same chain in the other direction. Every link needs only its own derivative, and the
# number that arrives from the link after it:
#
# $$\frac{\partial L}{\partial w} = \frac{\partial L}{\partial a}\,\frac{\partial a}{\partial z}\,
# \frac{\partial z}{\partial w}$$

# %%
dL_da = a - y
dL_dz = dL_da * a * (1 - a)  # the slope of the sigmoid is a (1 - a)
dL_dw = dL_dz * x
dL_db = dL_dz
dL_dx = dL_dz * w
print(f"dL/da = {dL_da:.4f}   dL/dz = {dL_dz:.4f}   dL/dw = {dL_dw:.4f}   dL/db = {dL_db:.4f}")

# %% [markdown]
# PyTorch does the same when we call `loss.backward()`; the result waits in `.grad`.

# %%
w_torch = torch.tensor(w, dtype=torch.float64, requires_grad=True)
b_torch = torch.tensor(b, dtype=torch.float64, requires_grad=True)
loss_torch = 0.5 * (torch.sigmoid(w_torch * x + b_torch) - y) ** 2
loss_torch.backward()
graph_error = max(abs(w_torch.grad.item() - dL_dw), abs(b_torch.grad.item() - dL_db))
print(f"autograd: dL/dw = {w_torch.grad:.4f}   dL/db = {b_torch.grad:.4f}   difference {graph_error:.1e}")

# %% [markdown]
# The derivative is negative: more weight, less loss. One step against it, and the neuron is less wrong.

# %%
graph_rate = 2.0
w_new, b_new = w - graph_rate * dL_dw, b - graph_rate * dL_db
loss_after = 0.5 * (sigmoid(w_new * x + b_new) - y) ** 2
print(f"loss {loss:.4f} -> {loss_after:.4f}")

metrics |= {"graph_x": x, "graph_w": w, "graph_b": b, "graph_y": y}
metrics |= {"graph_z": z, "graph_a": a, "graph_loss": loss, "graph_slope": a * (1 - a)}
metrics |= {"graph_da": dL_da, "graph_dz": dL_dz, "graph_dw": dL_dw, "graph_db": dL_db, "graph_dx": dL_dx}
metrics |= {"graph_autograd_difference": graph_error, "graph_learning_rate": graph_rate}
metrics |= {"graph_w_after": w_new, "graph_b_after": b_new, "graph_loss_after": loss_after}

# %% [markdown]
# ## 2. A network and real digits
#
# MNIST: 28 × 28 grey pixels and a digit. Fifty thousand images to learn from; the 10,000 test images are only ever
# used to measure, never to choose.

# %%
train_set = data.mnist(train=True)
test_set = data.mnist(train=False)


def pixels(images):
    return images.numpy().reshape(-1, 784).astype(np.float32) / 255  # (n, 784), from 0 to 1


X_train = pixels(train_set.data[: P.train_images])  # (50000, 784)
Y_train = np.eye(10, dtype=np.float32)[train_set.targets[: P.train_images]]  # (50000, 10), one-hot
X_test, y_test = pixels(test_set.data), test_set.targets.numpy()  # (10000, 784), (10000,)
metrics |= {"train_images": len(X_train), "test_images": len(X_test)}
print(f"{len(X_train):,} training images, {len(X_test):,} test images; {data.USED[0]['source']}")

# %% [markdown]
# A layer is a weight matrix, one row per neuron, and a bias vector. The forward pass remembers every activation:
# the backward pass will need them.


# %%
def initial_layers(sizes, rng, scale=1.0):
    """Random weights and biases, one pair (W, b) for every layer."""
    layers = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        W = scale * rng.standard_normal((n_out, n_in))
        b = rng.standard_normal(n_out)
        layers.append((W.astype(np.float32), b.astype(np.float32)))
    return layers


def forward(X, layers):
    """The activations of every layer; the first is the input."""
    activations = [X]  # (n, 784)
    for W, b in layers:
        Z = activations[-1] @ W.T + b  # (n, n_out)
        activations.append(sigmoid(Z))
    return activations


def quadratic_loss(A, Y):
    """Half the squared distance to the target, averaged over images."""
    return 0.5 * ((A - Y) ** 2).sum(axis=1).mean()


SIZES = (784, 30, 10)
layers = initial_layers(SIZES, np.random.default_rng(P.seed))
n_parameters = sum(W.size + b.size for W, b in layers)
n_weights = sum(W.size for W, b in layers)
metrics |= {"parameters": n_parameters, "weights": n_weights, "hidden": SIZES[1]}
print(f"{'-'.join(map(str, SIZES))}: {n_parameters:,} parameters, {n_weights:,} of them weights")

# %% [markdown]
# ## 3. The backward pass
#
# `delta` is $\partial L/\partial Z$ of one layer, for every image of the batch. From it come that layer's two
# gradients, and the delta of the layer before: back through the **transposed** weights, then times the slope of
# the sigmoid.
#
# $$\delta_\ell = (W_{\ell+1}^T\,\delta_{\ell+1}) \odot \sigma'(z_\ell) \qquad
# \frac{\partial L}{\partial W_\ell} = \delta_\ell\, a_{\ell-1}^T \qquad
# \frac{\partial L}{\partial b_\ell} = \delta_\ell$$


# %%
def backward(activations, Y, layers):
    """dL/dW and dL/db of every layer, from the last to the first."""
    A = activations[-1]  # (n, 10)
    delta = (A - Y) * A * (1 - A) / len(Y)  # dL/dZ of the last layer
    gradients = [None] * len(layers)
    for i in reversed(range(len(layers))):
        A_in, W = activations[i], layers[i][0]
        dL_dW = delta.T @ A_in  # (n_out, n_in), like W
        dL_db = delta.sum(axis=0)  # (n_out,), like b
        gradients[i] = (dL_dW, dL_db)
        if i > 0:
            delta = (delta @ W) * A_in * (1 - A_in)  # one layer back
    return gradients


# %% [markdown]
# Backpropagation only computes the gradient. Gradient descent then uses it: `W = W - learning_rate * dL_dW`.


# %%
def train_step(X, Y, layers, learning_rate, backward=backward):
    """One step of gradient descent: forward, backward, update."""
    activations = forward(X, layers)
    gradients = backward(activations, Y, layers)
    updated = []
    for (W, b), (dL_dW, dL_db) in zip(layers, gradients, strict=True):
        W = W - learning_rate * dL_dW
        b = b - learning_rate * dL_db
        updated.append((W, b))
    return updated


# %%
X, Y = X_train[:BATCH_SIZE], Y_train[:BATCH_SIZE]
for W_and_b, (dL_dW, dL_db) in zip(layers, backward(forward(X, layers), Y, layers), strict=True):
    print(f"W {W_and_b[0].shape}  dL/dW {dL_dW.shape}   b {W_and_b[1].shape}  dL/db {dL_db.shape}")

# %% [markdown]
# ## 4. Is it right? Nudge and compare
#
# A derivative says what a small nudge does. So nudge one weight up and down, run the network twice, and compare
# with what `backward` claims. The nudge must be small, but not too small: a computer rounds.


# %%
def finite_difference(X, Y, layers, i, row, column, eps):
    """The slope of the loss along one weight: two forward passes."""
    W = layers[i][0]
    kept = W[row, column]
    W[row, column] = kept + eps
    loss_up = quadratic_loss(forward(X, layers)[-1], Y)
    W[row, column] = kept - eps
    loss_down = quadratic_loss(forward(X, layers)[-1], Y)
    W[row, column] = kept
    return (loss_up - loss_down) / (2 * eps)


# %% [markdown]
# We nudge a random sample of weights in both layers (in the first only those that see a pixel that is not black)
# with nudges from 0.1 down to $10^{-12}$, once in double and once in single precision.


# %%
def as_type(layers, dtype):
    return [(W.astype(dtype), b.astype(dtype)) for W, b in layers]


rng = np.random.default_rng(P.seed)
check_layers = initial_layers(SIZES, rng, scale=1 / 28)  # 28 = sqrt(784): no sigmoid starts saturated
seen = np.flatnonzero(X.any(axis=0))  # pixels that are not black in all ten images
places = [(0, rng.integers(30), rng.choice(seen)) for _ in range(P.check_weights // 2)]
places += [(1, rng.integers(10), rng.integers(30)) for _ in range(P.check_weights // 2)]
nudges = 10.0 ** np.arange(-1, -12.5, -0.5)

check_error = {}
for dtype in (np.float64, np.float32):
    typed, Xt, Yt = as_type(check_layers, dtype), X.astype(dtype), Y.astype(dtype)
    gradients = backward(forward(Xt, typed), Yt, typed)
    ours = np.array([gradients[i][0][row, column] for i, row, column in places])
    errors = []
    for eps in nudges:
        measured = np.array([finite_difference(Xt, Yt, typed, *place, eps) for place in places])
        errors.append(np.linalg.norm(measured - ours) / np.linalg.norm(ours))
    check_error[dtype.__name__] = np.array(errors, dtype=np.float64)
    best = np.argmin(errors)
    print(f"{dtype.__name__}: relative error at best {errors[best]:.1e}, with a nudge of {nudges[best]:.0e}")

# %%
fig, ax = plt.subplots(num="gradient_check")
for name, colour in (("float64", "accent"), ("float32", "accent2")):
    errors = check_error[name]
    ax.loglog(nudges, errors, "o-", color=plots.colour(colour), markersize=5)
    best = np.argmin(errors)
    ax.plot(nudges[best], errors[best], "o", color=plots.colour(colour), markersize=11)
    plots.label(ax, nudges[best], errors[best], f"{errors[best]:.1e}", colour, dx=0, dy=-16, ha="center")
plots.label(ax, 10**-8.9, check_error["float64"][16], "float64", "accent", dx=-2, dy=-24, ha="right")
plots.label(ax, 10**-4.4, check_error["float32"][7], "float32", "accent2", dx=-2, dy=22, ha="center")
plots.label(ax, 1e-10, 20, "rounding", "muted", dx=0, ha="center")
plots.label(ax, 10**-1.6, 2e-6, "curvature", "muted", dx=0, ha="center")
ax.set(xlabel="nudge of the weight", ylabel="relative error", ylim=(1e-12, 1e3))

best64, best32 = (int(np.argmin(check_error[name])) for name in ("float64", "float32"))
metrics |= {"check_weights": len(places), "check_batch": len(X)}
metrics |= {"check_best_error_float64": check_error["float64"][best64], "check_best_eps_float64": nudges[best64]}
metrics |= {"check_best_error_float32": check_error["float32"][best32], "check_best_eps_float32": nudges[best32]}
metrics |= {"check_error_tiny_eps_float64": check_error["float64"][-1], "check_tiny_eps": nudges[-1]}
metrics |= {"check_error_float32_eps_1e_7": check_error["float32"][12]}
claims["in float64 the gradient check comes below a relative error of 1e-8"] = check_error["float64"].min() < 1e-8
claims["in float32 the gradient check never reaches a relative error of 1e-4"] = check_error["float32"].min() > 1e-4

# %% [markdown]
# The second witness is PyTorch: the same network, the same batch, `loss.backward()`, and every single gradient.

# %%
typed, X64, Y64 = as_type(check_layers, np.float64), X.astype(np.float64), Y.astype(np.float64)
tensors = [[torch.tensor(array, requires_grad=True) for array in layer] for layer in typed]
A = torch.tensor(X64)
for W, b in tensors:
    A = torch.sigmoid(A @ W.T + b)
loss = 0.5 * ((A - torch.tensor(Y64)) ** 2).sum(dim=1).mean()
loss.backward()

autograd_error = 0.0
for ours, theirs in zip(backward(forward(X64, typed), Y64, typed), tensors, strict=True):
    for mine, tensor in zip(ours, theirs, strict=True):
        grad = tensor.grad.numpy()
        autograd_error = max(autograd_error, np.abs(mine - grad).max() / np.abs(grad).max())
metrics["autograd_max_relative_error"] = autograd_error
claims["NumPy and autograd agree on every gradient to ten digits"] = autograd_error < 1e-10
print(f"all {n_parameters:,} gradients: largest relative difference from autograd {autograd_error:.1e}")

# %% [markdown]
# ## 5. What does it cost?
#
# Finite differences need two forward passes *per parameter*. Backpropagation needs one forward and one backward
# pass for *all* of them. We time both, for hidden layers of different sizes. Nudging every parameter would take
# too long, so we time a sample of nudges and multiply: those times are extrapolated, and drawn dashed.


# %%
def torch_gradients(X, Y, tensors):
    A = X
    for W, b in tensors:
        A = torch.sigmoid(A @ W.T + b)
    loss = 0.5 * ((A - Y) ** 2).sum(dim=1).mean()
    return torch.autograd.grad(loss, [t for pair in tensors for t in pair])


COST_BATCH, COST_SAMPLE = 100, 10
X, Y = X_train[:COST_BATCH], Y_train[:COST_BATCH]
hidden_sizes = (10, 30, 100, 300)
cost = {name: [] for name in ("parameters", "forward", "backward", "autograd", "differences")}
for hidden in hidden_sizes:
    net = initial_layers((784, hidden, 10), rng, scale=1 / 28)
    tensors = [[torch.tensor(array, requires_grad=True) for array in layer] for layer in net]
    X_torch, Y_torch = torch.tensor(X), torch.tensor(Y)
    activations = forward(X, net)
    count = sum(W.size + b.size for W, b in net)

    def nudge_some(net=net):
        for column in range(COST_SAMPLE):
            finite_difference(X, Y, net, 0, 0, column, 1e-3)

    cost["parameters"].append(count)
    cost["forward"].append(timing.measure(lambda net=net: forward(X, net), P.repeats))
    cost["backward"].append(timing.measure(lambda a=activations, net=net: backward(a, Y, net), P.repeats))
    cost["autograd"].append(
        timing.measure(lambda t=tensors, x=X_torch, y=Y_torch: torch_gradients(x, y, t), P.repeats)
    )
    sample = timing.measure(nudge_some, max(3, P.repeats // 5))
    cost["differences"].append(sample.scaled(count / COST_SAMPLE))
    print(f"{count:>8,} parameters: " + ", ".join(f"{k} {cost[k][-1].median:.2g} s" for k in list(cost)[1:]))

# %%
fig, ax = plt.subplots(num="cost")
lines = {
    "differences": ("bad", "finite differences\n(extrapolated)", "--"),
    "autograd": ("violet", "PyTorch, both passes", "-"),
    "forward": ("accent", "forward", "-"),
    "backward": ("accent2", "backward", "-"),
}
for name, (colour, text, style) in lines.items():
    median, low, high = (
        np.array([getattr(t, which) for t in cost[name]]) * 1e3 for which in ("median", "low", "high")
    )
    ax.errorbar(
        cost["parameters"], median, yerr=[median - low, high - median], fmt="o" + style, color=plots.colour(colour)
    )
    cost[name + "_ms"] = median
    plots.label(ax, cost["parameters"][-1], median[-1], text, colour, dx=10)
ax.set(xscale="log", yscale="log", xlabel="parameters of the network", ylabel="milliseconds")
ax.set_xlim(6e3, 3e6)

main = hidden_sizes.index(SIZES[1])
cost_ratio = cost["backward"][main].median / cost["forward"][main].median
speed_up = cost["differences"][main].median / cost["backward"][main].median
metrics |= {"cost_batch": COST_BATCH, "cost_repeats": P.repeats, "cost_sample": COST_SAMPLE}
for name in lines:
    metrics |= {f"cost_{name}_ms": cost[name][main].median * 1e3}
    metrics |= {f"cost_{name}_ms_low": cost[name][main].low * 1e3}
    metrics |= {f"cost_{name}_ms_high": cost[name][main].high * 1e3}
metrics |= {"cost_backward_per_forward": cost_ratio, "cost_differences_per_backward": speed_up}
metrics |= {"cost_differences_seconds": cost["differences"][main].median}
metrics |= {"cost_largest_parameters": cost["parameters"][-1]}
metrics |= {"cost_largest_differences_seconds": cost["differences"][-1].median}
metrics |= {"cost_largest_backward_ms": cost["backward"][-1].median * 1e3}
claims["one backward pass costs less than three forward passes"] = cost_ratio < 3
claims["finite differences take more than 10,000 times as long as the backward pass"] = speed_up > 10_000
print(f"backward / forward = {cost_ratio:.2f},  finite differences / backward = {speed_up:,.0f}")

# %% [markdown]
# ## 6. Does it learn?
#
# Michael Nielsen's setting: 784-30-10, sigmoid, quadratic loss, ten images per step, learning rate 3. Several
# seeds, so that we see how much is luck. Accuracy is measured on the 10,000 test images after every epoch; we
# report the last epoch, not the best one.


# %%
def test_accuracy(layers):
    predicted = forward(X_test, layers)[-1].argmax(axis=1)  # (10000,)
    return (predicted == y_test).mean()


def train(seed, learning_rate=LEARNING_RATE, backward=backward):
    """Test accuracy after every epoch, from a start and an order of images that the seed decides."""
    rng = np.random.default_rng(seed)
    layers = initial_layers(SIZES, rng)
    accuracies = []
    for _ in range(P.epochs):
        order = rng.permutation(len(X_train))
        for start in range(0, len(order), BATCH_SIZE):
            batch = order[start : start + BATCH_SIZE]
            layers = train_step(X_train[batch], Y_train[batch], layers, learning_rate, backward)
        accuracies.append(test_accuracy(layers))
    return accuracies


seeds = [P.seed + i for i in range(P.seeds)]
right = 100 * np.array([train(seed) for seed in seeds])  # (seeds, epochs), percent
print(f"test accuracy {right[:, -1].mean():.2f} % ± {right[:, -1].std(ddof=1):.2f} (n = {len(seeds)} seeds)")

# %%
epochs = np.arange(1, P.epochs + 1)
fig, ax = plt.subplots(num="learning_curve")
ax.plot(epochs, right.T, color=plots.colour("accent"), linewidth=1, alpha=0.45)
plots.band(ax, epochs, right, "accent", marker="o")
plots.label(ax, epochs[-1], right[:, -1].mean(), f"{right[:, -1].mean():.1f} %", "accent", dx=10, fontsize=15)
ax.set(xlabel="epoch", ylabel="test accuracy, percent")
ax.set_xlim(epochs[0] - 0.2, epochs[-1] * 1.12)

metrics |= {"curve_epochs": P.epochs, "curve_seeds": P.seeds}
metrics |= {"curve_learning_rate": LEARNING_RATE, "curve_batch_size": BATCH_SIZE}
metrics |= {"curve_first_mean": right[:, 0].mean(), "curve_first_sd": right[:, 0].std(ddof=1)}
metrics |= {"curve_last_mean": right[:, -1].mean(), "curve_last_sd": right[:, -1].std(ddof=1)}
metrics |= {"curve_last_worst": right[:, -1].min(), "curve_last_best": right[:, -1].max()}
metrics |= {"curve_means": right.mean(axis=0).tolist()}
claims["every seed gets more than nine of ten test digits right"] = right[:, -1].min() > 90

# %% [markdown]
# ## 7. A bug that still learns
#
# Suppose we forget the slope of the sigmoid on the way back through the hidden layer. Nothing crashes.
# The loss still falls. How would you notice?


# %%
def backward_with_bug(activations, Y, layers):
    """The backward pass, but the hidden layer's slope is forgotten."""
    A = activations[-1]
    delta = (A - Y) * A * (1 - A) / len(Y)
    gradients = [None] * len(layers)
    for i in reversed(range(len(layers))):
        A_in, W = activations[i], layers[i][0]
        gradients[i] = (delta.T @ A_in, delta.sum(axis=0))
        delta = delta @ W  # forgotten: * A_in * (1 - A_in)
    return gradients


# %% [markdown]
# Same seeds, same batches, so each wrong run has a right twin. Without the slope (at most 1/4) the steps of the
# hidden layer are also larger. To be fair we give the bug a second chance, with a tenth of the learning rate.

# %%
wrong = 100 * np.array([train(seed, backward=backward_with_bug) for seed in seeds])
gentle = 100 * np.array([train(seed, LEARNING_RATE / 10, backward_with_bug) for seed in seeds])
loss_of_bug = right[:, -1] - wrong[:, -1]  # one pair per seed
loss_of_gentle = right[:, -1] - gentle[:, -1]
print(f"right {right[:, -1].mean():.2f} %, bug {wrong[:, -1].mean():.2f} %, gentle {gentle[:, -1].mean():.2f} %")
print(f"the bug costs {loss_of_bug.mean():.2f} ± {loss_of_bug.std(ddof=1):.2f} points (n = {len(seeds)} pairs)")

# %%
fig, ax = plt.subplots(num="wrong_gradient")
variants = (
    (right, "accent", "right gradient"),
    (wrong, "bad", "slope forgotten"),
    (gentle, "accent2", "forgotten,\nsmall steps"),
)
for runs, colour, text in variants:
    ax.plot(epochs, runs.T, color=plots.colour(colour), linewidth=0.8, alpha=0.45)
    plots.band(ax, epochs, runs, colour, marker="o")
    plots.label(ax, epochs[-1], runs[:, -1].mean(), f"{text} {runs[:, -1].mean():.1f} %", colour, dx=10)
ax.set(xlabel="epoch", ylabel="test accuracy, percent")
ax.set_xlim(epochs[0] - 0.2, epochs[-1] * 1.45)

# %% [markdown]
# The gradient check from section 4 finds the bug at once. And the angle says why it learns anyway: the wrong
# gradient still points downhill.

# %%
X, Y = X64, Y64
true_W = backward(forward(X, typed), Y, typed)[0][0].ravel()
bug_W = backward_with_bug(forward(X, typed), Y, typed)[0][0].ravel()
bug_error = np.linalg.norm(bug_W - true_W) / np.linalg.norm(true_W)
bug_cosine = true_W @ bug_W / np.linalg.norm(true_W) / np.linalg.norm(bug_W)
print(f"first layer: relative error {bug_error:.1f}, cosine of the angle to the true gradient {bug_cosine:.3f}")

metrics |= {"bug_last_mean": wrong[:, -1].mean(), "bug_last_sd": wrong[:, -1].std(ddof=1)}
metrics |= {"bug_best_epoch_mean": wrong.mean(axis=0).max(), "bug_means": wrong.mean(axis=0).tolist()}
metrics |= {"bug_gentle_last_mean": gentle[:, -1].mean(), "bug_gentle_last_sd": gentle[:, -1].std(ddof=1)}
metrics |= {"bug_gentle_means": gentle.mean(axis=0).tolist(), "bug_gentle_learning_rate": LEARNING_RATE / 10}
metrics |= {"bug_cost_mean": loss_of_bug.mean(), "bug_cost_sd": loss_of_bug.std(ddof=1)}
metrics |= {"bug_gentle_cost_mean": loss_of_gentle.mean(), "bug_gentle_cost_sd": loss_of_gentle.std(ddof=1)}
metrics |= {"bug_check_error": bug_error, "bug_cosine": bug_cosine}
claims["with the slope forgotten the network still gets more than half of the test digits right"] = wrong[:, -1].min() > 50
claims["forgetting the slope costs test accuracy with every seed"] = loss_of_bug.min() > 0
claims["with smaller steps the forgotten slope still costs test accuracy with every seed"] = loss_of_gentle.min() > 0

# %% [markdown]
# ## 8. Gradients through depth
#
# Each layer back multiplies by the slope of the sigmoid, which is 1/4 at most. What reaches the first layer of
# a deep network? From here on PyTorch does the work: `nn.Sequential`, `loss.backward()`, `.grad`. We look at fresh
# networks, before any training, with hidden layers of 30.


# %%
def gradient_norms(depth, activation, seed):
    """Root mean square of dL/dW in every layer of an untrained network with `depth` hidden layers."""
    torch.manual_seed(seed)
    sizes = [784, *[30] * depth, 10]
    modules = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        modules += [nn.Linear(n_in, n_out), activation()]
    net = nn.Sequential(*modules[:-1], nn.Sigmoid())
    gain = nn.init.calculate_gain("relu" if activation is nn.ReLU else "sigmoid")
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight, gain=gain)  # the start that suits the activation
            nn.init.zeros_(layer.bias)
    images = torch.tensor(X_train[:1000])  # (1000, 784)
    targets = torch.tensor(Y_train[:1000])  # (1000, 10)
    loss = 0.5 * ((net(images) - targets) ** 2).sum(dim=1).mean()
    loss.backward()
    return [layer.weight.grad.square().mean().sqrt().item() for layer in net if isinstance(layer, nn.Linear)]


DEPTHS = (2, 4, 8)
flow = {}  # (name, depth) -> (seeds, layers), relative to the last layer
for activation, depth in [(nn.Sigmoid, d) for d in DEPTHS] + [(nn.ReLU, DEPTHS[-1])]:
    norms = np.array([gradient_norms(depth, activation, P.seed + i) for i in range(P.depth_seeds)])
    flow[activation.__name__, depth] = norms / norms[:, -1:]
    print(f"{activation.__name__:>8}, {depth} hidden layers: the first layer gets "
          f"{np.median(flow[activation.__name__, depth][:, 0]):.2e} of the last layer's gradient")

# %%
fig, ax = plt.subplots(num="gradient_flow")
for (name, depth), ratios in flow.items():
    colour = "good" if name == "ReLU" else "accent"
    logs = np.log10(ratios)
    middle, spread = 10 ** logs.mean(axis=0), logs.std(axis=0, ddof=1)
    bars = [middle - middle / 10**spread, middle * 10**spread - middle]
    layer_numbers = np.arange(1, depth + 2)
    alpha = 1.0 if name == "ReLU" else 0.4 + 0.6 * depth / DEPTHS[-1]
    ax.errorbar(layer_numbers, middle, yerr=bars, fmt="o-", color=plots.colour(colour), alpha=alpha)
    text = f"ReLU, {depth} hidden" if name == "ReLU" else f"sigmoid, {depth}"
    plots.label(ax, 1, middle[0], text, colour, dx=-10, ha="right")
ax.set(yscale="log", xlabel="layer (1 sees the image)", ylabel="gradient relative to the last layer")
ax.set_xlim(-1.4, DEPTHS[-1] + 1.3)
ax.set_xticks(range(1, DEPTHS[-1] + 2))

deepest = DEPTHS[-1]
metrics |= {"depth_seeds": P.depth_seeds, "depth_deepest": deepest}
for depth in DEPTHS:
    metrics[f"depth_sigmoid_{depth}_first_share"] = 10 ** np.log10(flow["Sigmoid", depth][:, 0]).mean()
metrics["depth_relu_first_share"] = 10 ** np.log10(flow["ReLU", deepest][:, 0]).mean()
sigmoid_share, relu_share = flow["Sigmoid", deepest][:, 0], flow["ReLU", deepest][:, 0]
claims["the first layer of the deepest sigmoid network gets less than 1% of the last layer's gradient"] = (
    sigmoid_share.max() < 0.01
)
claims["with ReLU the first layer of the same depth gets more than 10% of the last layer's gradient"] = (
    relu_share.min() > 0.1
)

# %% [markdown]
# ## 9. One digit, there and back
#
# A small network, 784-16-16-10, before and after training, and one test digit. This is what the animation shows:
# activations forward, deltas backward, one step, less loss.


# %%
FLOW_SIZES = (784, 16, 16, 10)
rng = np.random.default_rng(P.seed)
early = initial_layers(FLOW_SIZES, rng, scale=0.3)
early = [(W / np.sqrt(W.shape[1]) / 0.3, 0 * b) for W, b in early]
late = early
for _ in range(P.flow_epochs):
    order = rng.permutation(len(X_train))
    for start in range(0, len(order), BATCH_SIZE):
        batch = order[start : start + BATCH_SIZE]
        late = train_step(X_train[batch], Y_train[batch], late, LEARNING_RATE)
print(f"test accuracy: early {test_accuracy(early):.3f}, late {test_accuracy(late):.3f} (n = {len(X_test):,})")
