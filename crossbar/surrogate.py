"""A Gaussian process over rows of a search space, and what it expects of rows not yet measured.

It is BoTorch's. Optuna's search was measured beside it (`benchmarks/search_engines.py`, in the
README): as good on the noise of a training, worse on a grid of recipes, where it also asks for what
was measured already; and it has neither limits that proposals keep nor a posterior to show.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import numpy as np
import torch
from torch import Tensor

from crossbar.backend import Array

with warnings.catch_warnings():
    # linear_operator compiles with torch.jit.script, which torch 2.13 calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from botorch.acquisition.analytic import LogExpectedImprovement
    from botorch.exceptions.warnings import OptimizationWarning
    from botorch.models import SingleTaskGP
    from botorch.models.kernels import CategoricalKernel
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from botorch.optim.fit import fit_gpytorch_mll_scipy
    from botorch.settings import validate_input_scaling
    from gpytorch.constraints import GreaterThan
    from gpytorch.kernels import Kernel
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from gpytorch.priors import LogNormalPrior

KERNELS = ("matern", "se")
"""Matern 5/2, or squared exponential; one length scale for each variable with an order."""
AT_ONCE = 1024
"""Rows of a prediction that are held in memory together."""
ITERATIONS = 200
"""Of L-BFGS over the length scales and the noise; about 30 are usual."""


class Surrogate:
    """A Gaussian process conditioned on measured values; `Surrogate.fit` makes one.

    Values are standardised; the noise and a length scale for each variable maximise the posterior
    density under BoTorch's priors (length scales that grow with the number of variables). Choices
    without an order multiply the kernel by ``exp(-share of choices that differ / scale)``.

    References
    ----------
    Hvarfner et al., ICML 2024 (the priors); Ament et al., NeurIPS 2023 (log expected improvement).
    """

    def __init__(
        self, model: SingleTaskGP, rows: Tensor, values: Tensor, mean: float, scale: float
    ) -> None:
        self._model = model
        self._rows = rows
        self._values = values
        self._mean = mean
        self._scale = scale

    @classmethod
    def fit(
        cls, rows: Array, values: Array, categorical: Sequence[int] = (), kernel: str = "matern"
    ) -> Self:
        """Return the process given values at rows; chance plays no part.

        Parameters
        ----------
        rows
            Codes, shape ``(n, variables)``, n at least 1.
        values
            The larger the better, finite, shape ``(n,)``.
        categorical
            Columns that hold indices of choices.
        kernel
            One of `KERNELS`.
        """
        mean, scale = float(np.mean(values)), float(np.std(values))
        # Of equal values nothing is learnt but the mean.
        scale = scale if scale > 1e-12 * max(1.0, abs(mean)) else 1.0
        x = torch.tensor(rows, dtype=torch.float64)
        y = torch.tensor((values - mean) / scale, dtype=torch.float64)
        with quiet():
            covariance = _covariance(rows.shape[1], categorical, kernel)
            model = SingleTaskGP(x, y[:, None], covar_module=covariance, outcome_transform=None)
            likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
            fit_gpytorch_mll_scipy(likelihood, options={"maxiter": ITERATIONS})
            likelihood.eval()
        return cls(model, x, y, mean, scale)

    def believing(self, rows: Array) -> Self:
        """Return the process as if its own mean had been measured at these rows as well.

        So several rows can be proposed before any of them is measured.
        """
        mean, _ = self.posterior(rows)
        x = torch.cat([self._rows, torch.tensor(rows, dtype=torch.float64)])
        y = torch.cat([self._values, torch.tensor((mean - self._mean) / self._scale)])
        state = self._model.state_dict()
        with quiet():
            model = SingleTaskGP(
                x, y[:, None], covar_module=self._model.covar_module, outcome_transform=None
            )
        model.load_state_dict(state)
        model.eval()
        return type(self)(model, x, y, self._mean, self._scale)

    def posterior(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of the value without noise, shape ``(n,)`` each."""
        means, spreads = [], []
        with torch.no_grad(), quiet():
            for part in torch.split(torch.tensor(rows, dtype=torch.float64), AT_ONCE):
                # One row a batch: the covariance between rows is of no use here.
                posterior = self._model.posterior(part[:, None, :])
                means.append(posterior.mean.flatten())
                spreads.append(posterior.variance.flatten().sqrt())
        mean, spread = torch.cat(means).numpy(), torch.cat(spreads).numpy()
        return self._mean + self._scale * mean, self._scale * spread

    def log_expected_improvement(self, rows: Array, best: float) -> Array:
        """Return the logarithm of the expected improvement over `best`, shape ``(n,)``."""
        function = LogExpectedImprovement(self._model, best_f=(best - self._mean) / self._scale)
        with torch.no_grad(), quiet():
            parts = torch.split(torch.tensor(rows, dtype=torch.float64), AT_ONCE)
            found = torch.cat([function(part[:, None, :]) for part in parts]).numpy()
        return np.asarray(found + np.log(self._scale))


def _covariance(variables: int, categorical: Sequence[int], kernel: str) -> Kernel:
    ordered = [k for k in range(variables) if k not in categorical]
    parts: list[Kernel] = []
    if ordered:
        parts.append(
            get_covar_module_with_dim_scaled_prior(
                len(ordered), use_rbf_kernel=kernel == "se", active_dims=ordered
            )
        )
    if categorical:
        prior = LogNormalPrior(0.0, 1.0)  # assumed: another choice shares exp(-1) of what is known
        parts.append(
            CategoricalKernel(
                ard_num_dims=len(categorical),
                active_dims=list(categorical),
                lengthscale_prior=prior,
                lengthscale_constraint=GreaterThan(2.5e-2, transform=None, initial_value=1.0),
            )
        )
    return parts[0] if len(parts) == 1 else parts[0] * parts[1]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch to one thread, which is faster on matrices this small, and free of warnings.

    The optimiser warns when its line search stops at the precision of floats, and BoTorch of rows
    outside the unit cube, where points that nobody proposed may well be.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings(), validate_input_scaling(False):
            warnings.simplefilter("ignore", OptimizationWarning)
            yield
    finally:
        torch.set_num_threads(threads)
