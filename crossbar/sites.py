"""Where the parameters of a torch module are: its layers, by the names that noise is given by."""

from torch.nn import Module, Parameter

from crossbar.backend import DataError

_PARAMETRISED = "parametrizations"


def sites(model: Module) -> dict[str, Module]:
    """Return the modules that own parameters, by name, in the order of ``named_modules``.

    A parametrised module owns what its parametrisations store. The root's name is empty.
    """
    owners = {site_of(name) for name, _ in model.named_parameters(remove_duplicate=False)}
    return {name: module for name, module in model.named_modules() if name in owners}


def site_of(parameter: str) -> str:
    """Return the name of the site that a parameter belongs to, from the parameter's own."""
    return _split(parameter)[0]


def is_bias(parameter: str) -> bool:
    """Return whether a parameter is called a bias, in one of torch's spellings."""
    # bias, bias_ih_l0, in_proj_bias
    return "bias" in _split(parameter)[1]


def noisy_parameters(model: Module, *, perturb_bias: bool) -> dict[str, Parameter]:
    """Return the parameters that noise can act on, by name; tied ones once.

    Those are the real floating-point ones, with or without the biases.

    Raises
    ------
    DataError
        If there is none.
    """
    chosen = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.is_floating_point()
        and parameter.numel()
        and (perturb_bias or not is_bias(name))
    }
    if not chosen:
        raise DataError(f"{type(model).__name__} has no parameter that noise can act on")
    return chosen


def _split(parameter: str) -> tuple[str, str]:
    """Return the site and what the parameter is called there: ``0.weight`` is ``0``, ``weight``."""
    path = parameter.split(".")
    if _PARAMETRISED in path:
        end = path.index(_PARAMETRISED)
        return ".".join(path[:end]), path[end + 1]
    return ".".join(path[:-1]), path[-1]
