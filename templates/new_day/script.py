# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Day $number: $title
#
# Say in two sentences what is found out here.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lab import plots, settings

P = settings.choose(  # a tuple is (smoke, quick, full): seconds, under a minute, a few minutes
    seed=$number,
    points=(50, 200, 2_000),
    seeds=(2, 5, 20),
)
LIMIT_SECONDS = {"smoke": 60, "quick": 120, "full": 600}
metrics, claims, arrays = {}, {}, {}
settings.seed_all(P.seed)
plots.style()

# %% [markdown]
# ## One idea
#
# A sentence of prose before each piece of code.


# %%
def fit_line(x, y):
    """Slope and intercept of the least-squares line."""
    A = np.stack([x, np.ones_like(x)], axis=1)  # (n, 2)
    (slope, intercept), *_ = np.linalg.lstsq(A, y, rcond=None)
    return slope, intercept


# %% [markdown]
# Several seeds, so that we see how much is luck.

# %%
TRUE_SLOPE = 2.0
slopes = []
for i in range(P.seeds):
    rng = np.random.default_rng(P.seed + i)
    x = rng.uniform(-1, 1, P.points)  # (n,)
    y = TRUE_SLOPE * x + 0.3 * rng.standard_normal(P.points)
    slope, intercept = fit_line(x, y)
    slopes.append(slope)
print(f"slope {np.mean(slopes):.3f} ± {np.std(slopes, ddof=1):.3f} (n = {P.seeds} seeds)")

# %%
fig, ax = plt.subplots(num="fit")
ax.plot(x, y, "o", color=plots.colour("muted"), markersize=4)
ends = np.array([-1, 1])
ax.plot(ends, slope * ends + intercept, color=plots.colour("accent"))
ax.set(xlabel="x", ylabel="y")

metrics |= {"slope": np.mean(slopes), "slope_sd": np.std(slopes, ddof=1), "true_slope": TRUE_SLOPE}
metrics |= {"points": P.points, "seeds": P.seeds}
claims["the fitted slope is within 10% of the truth"] = abs(np.mean(slopes) - TRUE_SLOPE) < 0.1 * TRUE_SLOPE
arrays |= {"x": x, "y": y, "line": np.array([slope, intercept])}
