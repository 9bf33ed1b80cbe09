"""What a training minimises: the plain risk, or the risk under errors like those of a crossbar.

An objective is one function and one line in `OBJECTIVES`. Any torch module and any loss will do;
parameters are never changed, buffers are as by any forward pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn import Module

from crossbar.backend import DataError
from crossbar.conductances import device_sets
from crossbar.draws import outputs
from crossbar.losses import Loss
from crossbar.noise import LAWS, Law, code_shift
from crossbar.sites import noisy_parameters, site_of, sites
from crossbar.training_settings import NoiseSettings

Objective: TypeAlias = Callable[[Module, Tensor, Tensor, Loss, NoiseSettings, Generator], Tensor]


def erm(
    model: Module,
    inputs: Tensor,
    labels: Tensor,
    loss: Loss,
    noise: NoiseSettings,
    generator: Generator,
) -> Tensor:
    """Return the empirical risk: the loss with the parameters as they are.

    Parameters
    ----------
    model
        Any module with outputs batch first.
    inputs
        Shape ``(n, ...)``.
    labels
        Shape ``(n, ...)``.
    loss
        The mean over a batch.
    noise, generator
        Not used here; every objective has this signature.
    """
    return loss(model(inputs), labels)


def on_weights(law: Law) -> Objective:
    """Return the objective that averages the loss over factors on every parameter.

    Biases are multiplied too unless the settings say otherwise, because they sit on the crossbar.
    """

    def objective(
        model: Module,
        inputs: Tensor,
        labels: Tensor,
        loss: Loss,
        noise: NoiseSettings,
        generator: Generator,
    ) -> Tensor:
        at = _settings_of(noise, list(sites(model)))
        if all(law.silent(one) for one in at.values()):
            return erm(model, inputs, labels, loss, noise, generator)

        def sets(draws: int) -> dict[str, Tensor]:
            return noisy_sets(model, law, noise, draws, generator)

        scores = outputs(model, inputs, noise.draws, sets)
        return loss(scores, _repeated(labels, noise.draws))

    return objective


def noisy_sets(
    model: Module, law: Law, noise: NoiseSettings, draws: int, generator: Generator
) -> dict[str, Tensor]:
    """Return parameters with factors, differentiable, shape ``(draws, *parameter.shape)`` each."""
    chosen = noisy_parameters(model, perturb_bias=noise.perturb_bias)
    at = _settings_of(noise, list(sites(model)))
    total = sum(parameter.numel() for parameter in chosen.values())
    finest = max(chosen.values(), key=lambda parameter: parameter.dtype.itemsize)
    numbers, start, sets = law.draw((draws, noise.copies, total), finest, generator), 0, {}
    for name, parameter in chosen.items():
        own = numbers[..., start : start + parameter.numel()]
        factors = law.at(own, at[site_of(name)]).mean(1).to(parameter)
        sets[name] = parameter * factors.reshape(-1, *parameter.shape)
        start += parameter.numel()
    return sets


def on_activations(law: Law) -> Objective:
    """Return the objective that averages the loss over factors on the outputs of every layer.

    Each number that leaves a site has its own factor, for each example anew; what leaves the last
    site has none. What comes between two sites, an activation function say, is applied to the
    numbers with their factors.
    """

    def objective(
        model: Module,
        inputs: Tensor,
        labels: Tensor,
        loss: Loss,
        noise: NoiseSettings,
        generator: Generator,
    ) -> Tensor:
        def noisy(output: Tensor, here: NoiseSettings) -> Tensor:
            numbers = law.draw(tuple(output.shape), output, generator)
            return output * law.at(numbers, here).to(output)

        noisy_sites = list(sites(model))[:-1]
        if all(law.silent(one) for one in _settings_of(noise, noisy_sites).values()):
            return erm(model, inputs, labels, loss, noise, generator)
        # Every example has noise of its own, so that draws are more examples of one forward pass.
        with _changed_outputs(model, noise, noisy):
            scores = model(_repeated(inputs, noise.draws))
        return loss(scores, _repeated(labels, noise.draws))

    return objective


def trinomial_code(
    model: Module,
    inputs: Tensor,
    labels: Tensor,
    loss: Loss,
    noise: NoiseSettings,
    generator: Generator,
) -> Tensor:
    """Return the loss averaged over what the published code of the group does, not their paper.

    One number ``shift * m``, m of the binomial law of 10 trials of chance 1/4, is added to all
    outputs of a site at once, those of the last site excepted: nothing is multiplied, and weights
    have no noise. The paper has factors 0, 0.5 and 1 on every parameter instead (eq. 1):
    ``trinomial``. Parameters as in `erm`.

    References
    ----------
    JingbiaoMei/BayesFTNA, model/randomnoise.py, ``MultinomialLayer``.
    """

    def shifted(output: Tensor, here: NoiseSettings) -> Tensor:
        return output + code_shift((), here, generator).to(output)

    with _changed_outputs(model, noise, shifted):
        scores = torch.cat([model(inputs) for _ in range(noise.draws)])
    return loss(scores, _repeated(labels, noise.draws))


def device(
    model: Module,
    inputs: Tensor,
    labels: Tensor,
    loss: Loss,
    noise: NoiseSettings,
    generator: Generator,
) -> Tensor:
    """Return the loss averaged over what devices make of the conductances that weights ask for.

    Nonideality-aware training: weights are mapped to pairs of conductances, each becomes what
    ``noise.device`` says, and what the pair then stands for is differentiated with regard to the
    weights. Parameters as in `erm`.

    Raises
    ------
    DataError
        If the settings name no device.

    References
    ----------
    Joksas et al., Adv. Sci. 9, 2105784 (2022).
    """
    if noise.device is None:
        raise DataError("the objective 'device' needs to know the device: NoiseSettings.device")
    errors = noise.device

    def sets(draws: int) -> dict[str, Tensor]:
        return device_sets(model, errors, draws, generator, perturb_bias=noise.perturb_bias)

    scores = outputs(model, inputs, noise.draws, sets)
    return loss(scores, _repeated(labels, noise.draws))


trinomial = on_weights(LAWS["trinomial"])
lognormal = on_weights(LAWS["lognormal"])

OBJECTIVES: dict[str, Objective] = {
    "erm": erm,
    "trinomial": trinomial,
    "trinomial-activation": on_activations(LAWS["trinomial"]),
    "trinomial-code": trinomial_code,
    "gaussian": on_weights(LAWS["gaussian"]),
    "gaussian-activation": on_activations(LAWS["gaussian"]),
    "laplace": on_weights(LAWS["laplace"]),
    "laplace-activation": on_activations(LAWS["laplace"]),
    "bernoulli": on_weights(LAWS["bernoulli"]),
    "bernoulli-activation": on_activations(LAWS["bernoulli"]),
    "lognormal": lognormal,
    "device": device,
}


def _settings_of(noise: NoiseSettings, names: list[str]) -> dict[str, NoiseSettings]:
    return dict(zip(names, noise.per_site(names), strict=True))


def _repeated(values: Tensor, draws: int) -> Tensor:
    """Return ``(n, ...)`` values once for each draw, ``(draws * n, ...)``."""
    return values.expand(draws, *values.shape).flatten(0, 1)


@contextmanager
def _changed_outputs(
    model: Module, noise: NoiseSettings, change: Callable[[Tensor, NoiseSettings], Tensor]
) -> Iterator[None]:
    """Let what leaves every site but the last be changed, as long as the block lasts."""
    found = list(sites(model).items())[:-1]
    handles = []
    for (name, site), here in zip(found, noise.per_site([n for n, _ in found]), strict=True):

        def hook(
            module: Module, given: object, output: object, at: str = name, own: NoiseSettings = here
        ) -> Tensor:
            if not isinstance(output, Tensor):
                raise DataError(f"{at} returns a {type(output).__name__}; noise needs a tensor")
            return change(output, own)

        handles.append(site.register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
