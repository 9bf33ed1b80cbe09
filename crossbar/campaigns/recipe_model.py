"""What a campaign expects of recipes: a Gaussian process in the units of the objective.

This file, `crossbar.campaigns.recipe_prior` and `crossbar.surrogate` are all that uses BoTorch.
"""

import warnings
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from crossbar.backend import Array
from crossbar.campaigns.recipe_prior import (
    AFTER_EARLIER,
    Bowl,
    Like,
    Prior,
    covariance,
    learnt_noise,
)
from crossbar.search_space import Space
from crossbar.surrogate import quiet

with warnings.catch_warnings():
    # linear_operator compiles with torch.jit.script, which torch 2.13 calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.acquisition.analytic import LogExpectedImprovement
    from botorch.acquisition.logei import qLogNoisyExpectedImprovement
    from botorch.models import SingleTaskGP
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from botorch.sampling.normal import SobolQMCNormalSampler
    from gpytorch.kernels import MaternKernel
    from gpytorch.mlls import ExactMarginalLogLikelihood

AT_ONCE = 1024
ITERATIONS = 100
EXACT = 2e-3
"""Standard deviation that even an exact value is given: less makes matrices singular."""
REACHES = {
    "raw_lengthscale": 3.0,
    "raw_outputscale": 6.0,
    "raw_noise": 6.0,
    "raw_fall": 3.0,
    "raw_reach": 3.0,
    "centre": 2.0,
    "slope": 3.0,
    "shift": 2.0,
}
"""How far each parameter may be from the median of its prior, which is where it begins."""
SAMPLES = 64
"""Of the values at told recipes, that noisy expected improvement is a mean over."""


class RecipeModel:
    """A Gaussian process conditioned on what recipes gave; `RecipeModel.fit` makes one."""

    def __init__(self, model: Any, ordered: tuple[str, ...], low: float, span: float) -> None:
        self._model, self._ordered = model, ordered
        self._low, self._span = low, span

    @classmethod
    def fit(
        cls,
        space: Space,
        rows: Array,
        values: Array,
        sds: Array,
        low: float = 0.0,
        high: float = 1.0,
        prior: Prior | None = None,
        earlier: "RecipeModel | None" = None,
    ) -> Self:
        """Return the process given values at rows; chance plays no part.

        Parameters
        ----------
        space
            What the rows are of.
        rows
            Codes, shape ``(n, variables)``.
        values, sds
            What they gave, and its standard deviation, NaN where nobody knows it, shape ``(n,)``.
        low, high
            Between which values lie.
        prior
            None takes the default.
        earlier
            What earlier campaigns make expect, of the same space.
        """
        usual = Prior() if earlier is None else AFTER_EARLIER
        chosen, span = prior or usual, high - low
        x = torch.tensor(rows, dtype=torch.float64)
        y = torch.tensor((values - low) / span, dtype=torch.float64)
        spread = torch.tensor(sds / span, dtype=torch.float64)
        known = bool(torch.isfinite(spread).all())
        with quiet():
            model = SingleTaskGP(
                x,
                y[:, None],
                train_Yvar=spread.clamp_min(EXACT)[:, None] ** 2 if known else None,
                likelihood=None if known else learnt_noise(chosen),
                covar_module=covariance(space, chosen),
                mean_module=Bowl(space, chosen) if earlier is None else Like(earlier._expected),
                outcome_transform=None,
            )
            objective = ExactMarginalLogLikelihood(model.likelihood, model)
            bounds: Any = _bounds(model)
            fit_gpytorch_mll_scipy(objective, bounds=bounds, options={"maxiter": ITERATIONS})
            objective.eval()
        return cls(model, tuple(v.name for v in space.variables if v.ordered), low, span)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of what recipes would give without noise."""
        means, spreads = [], []
        with torch.no_grad(), quiet():
            for part in torch.split(torch.tensor(rows, dtype=torch.float64), AT_ONCE):
                posterior = self._model.posterior(part[:, None, :])
                means.append(posterior.mean.flatten())
                spreads.append(posterior.variance.flatten().clamp_min(0).sqrt())
        mean, spread = torch.cat(means).numpy(), torch.cat(spreads).numpy()
        return self._low + self._span * mean, self._span * spread

    def correlation(self, rows: Array, others: Array) -> Array:
        """Return how alike recipes are before anything is told, -1 to 1, shape ``(n, m)``."""
        with torch.no_grad(), quiet():
            a, b = (torch.tensor(r, dtype=torch.float64) for r in (rows, others))
            kernel = self._model.covar_module
            together = kernel(a, b).to_dense()
            scale = kernel(a, diag=True).sqrt()[:, None] * kernel(b, diag=True).sqrt()[None]
            return np.asarray((together / scale).numpy())

    def covariance(self, rows: Array, others: Array) -> Array:
        """Return the posterior covariance between recipes, shape ``(n, m)``."""
        with torch.no_grad(), quiet():
            both = torch.tensor(np.vstack([rows, others]), dtype=torch.float64)
            found = self._model.posterior(both).distribution.covariance_matrix
            return np.asarray(self._span**2 * found[: len(rows), len(rows) :].numpy())

    def log_expected_improvement(self, rows: Array, best: float) -> Array:
        """Return the logarithm of the expected improvement over `best`, shape ``(n,)``."""
        function = LogExpectedImprovement(self._model, best_f=(best - self._low) / self._span)
        return self._evaluated(function, rows)

    def log_noisy_expected_improvement(self, rows: Array, pending: Array, seed: int) -> Array:
        """Return that over the best of what was told, whichever it truly is, shape ``(n,)``.

        Parameters
        ----------
        rows
            Recipes.
        pending
            Those that are being made.
        seed
            Of the samples.
        """
        function = qLogNoisyExpectedImprovement(
            self._model,
            X_baseline=self._model.train_inputs[0],
            sampler=SobolQMCNormalSampler(torch.Size([SAMPLES]), seed=seed),
            X_pending=torch.tensor(pending, dtype=torch.float64) if len(pending) else None,
            prune_baseline=True,
        )
        return self._evaluated(function, rows)

    def _expected(self, rows: Tensor) -> Tensor:
        """Return the mean in parts of the objective's range, shape ``(..., n)``."""
        flat = rows.detach().reshape(-1, rows.shape[-1])
        mean, _ = self.posterior(flat.numpy())
        return torch.tensor((mean - self._low) / self._span).reshape(rows.shape[:-1])

    def _evaluated(self, function: Any, rows: Array) -> Array:
        with torch.no_grad(), quiet():
            parts = torch.split(torch.tensor(rows, dtype=torch.float64), AT_ONCE)
            found = torch.cat([function(part[:, None, :]) for part in parts]).numpy()
        return np.asarray(found + np.log(self._span))

    def believing(self, rows: Array) -> Self:
        """Return the process as if its own mean had been measured at these rows as well."""
        if not len(rows):
            return self
        mean, _ = self.posterior(rows)
        x = torch.tensor(rows, dtype=torch.float64)
        y = torch.tensor((mean - self._low) / self._span, dtype=torch.float64)[:, None]
        with torch.no_grad(), quiet():
            self._model.posterior(x[:1, None])  # what is conditioned on has to be computed once
            noise = torch.full_like(y, EXACT**2)
            model = self._model.condition_on_observations(x, y, noise=noise)
        return type(self)(model, self._ordered, self._low, self._span)

    def left_out(self) -> tuple[Array, Array]:
        """Return what is expected of each told recipe from the others alone, shape ``(n,)`` each.

        Hyperparameters stay as all values made them. The standard deviation is that of a told
        value, its noise included.

        References
        ----------
        Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), eq. 5.12.
        """
        with torch.no_grad(), quiet():
            x, y = self._model.train_inputs[0], self._model.train_targets
            noisy = self._model.likelihood(self._model.forward(x), x)
            inverse = torch.linalg.inv(noisy.covariance_matrix)
            variance = 1 / torch.diagonal(inverse)
            mean = y - variance * (inverse @ (y - noisy.mean))
        return (
            np.asarray(self._low + self._span * mean.numpy()),
            np.asarray(self._span * variance.sqrt().numpy()),
        )

    @property
    def lengths(self) -> dict[str, float]:
        """Over which the objective changes, of each variable with an order, in parts of a range."""
        if not self._ordered:
            return {}
        matern = next(k for k in self._model.covar_module.modules() if isinstance(k, MaternKernel))
        scales = matern.lengthscale.detach().numpy().ravel()
        return dict(zip(self._ordered, scales.tolist(), strict=True))

    @property
    def noise(self) -> float:
        """Standard deviation of a value, mean over those told."""
        noise = self._model.likelihood.noise.detach().sqrt()
        return self._span * float(noise.mean())


def _bounds(model: SingleTaskGP) -> dict[str, tuple[Tensor, Tensor]]:
    """Return how far each parameter may go from the prior's median: no step leads out of numbers.

    Those of positive numbers are their logarithms.
    """
    return {
        name: (value.detach() - reach, value.detach() + reach)
        for name, value in model.named_parameters()
        for ending, reach in REACHES.items()
        if name.endswith(ending)
    }
