"""What can be proved of a network's vote: how far parameters may drift before it changes.

A network is trained or read, its noisy copies vote on every point, and the shares of the votes say
how far each parameter may go. Certified is the vote of the noisy network, that is, the average over
its copies: not the class that one copy, one chip, gives.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from crossbar.backend import Array, DataError
from crossbar.certificates.spreads import Spreads
from crossbar.certificates.trinomial import Trinomial
from crossbar.data import Points, read_csv
from crossbar.experiments.bounds import at_least, one_of, option, positive
from crossbar.experiments.certify_votes import LOGNORMAL, TRINOMIAL, Ballot, chips, kept, vote
from crossbar.experiments.moons import Progress, make_task
from crossbar.experiments.moons_settings import MoonsSettings
from crossbar.experiments.moons_training import DEVICE
from crossbar.network import Layer, Network, classify, load
from crossbar.resumable import Record
from crossbar.smoothing import equal, fitted
from crossbar.store import Arrays
from crossbar.training_settings import NoiseSettings, TrainingSettings
from crossbar.votes import n_parameters

TRAINING, MOONS = TrainingSettings(), MoonsSettings()
ALLOTMENTS = ("fitted", "equal")
GRID = 61
"""Points per side of the map."""


@dataclass(frozen=True, slots=True)
class CertifySettings:
    """What `xbar certify` can be asked for; every field is an option of the command.

    Raises
    ------
    DataError
        If a number is outside what its meaning allows, or a name does not exist.
    """

    training: str = field(
        default="lognormal", metadata={"help": "Training objective of the network."}
    )
    hidden: int = field(default=4, metadata={"help": "Hidden units of the 2-H-1 network."})
    sigma: float = field(
        default=0.6, metadata={"help": "Sigma of the noise in lognormal training."}
    )
    smoothing: float = field(
        default=0.4,
        metadata={"help": "Sigma of the log-normal noise under which copies vote."},
    )
    allotment: str = field(
        default="fitted",
        metadata={"help": "Log-normal noise: fitted (more where it matters less) or equal."},
    )
    p1: float = field(
        default=0.02,
        metadata={"help": "Trinomial noise, and training: probability of a factor 0."},
    )
    p2: float = field(
        default=0.02,
        metadata={"help": "Trinomial noise, and training: probability of a factor 0.5."},
    )
    votes: int = field(default=10_000, metadata={"help": "Noisy copies that vote, of each noise."})
    alpha: float = field(
        default=1e-3, metadata={"help": "Probability that a point's certificate is wrong."}
    )
    drifts: str = field(
        default="0.05,0.1,0.15,0.2,0.25,0.3",
        metadata={"help": "Sigmas of drift in the table, separated by commas."},
    )
    points: int = field(default=2000, metadata={"help": "Points of the moons to be certified."})
    network: str | None = field(
        default=None, metadata={"help": "A saved network (.npz); one is trained if missing."}
    )
    data: str | None = field(
        default=None,
        metadata={"help": "CSV of your own: half to train on; with --network all, taken as it is."},
    )
    train_points: int = field(
        default=MOONS.train_points, metadata={"help": "Training points of the moons."}
    )
    noise: float = field(
        default=MOONS.noise, metadata={"help": "Standard deviation of the moons' noise."}
    )
    epochs: int = field(
        default=TRAINING.epochs, metadata={"help": "Training steps per start, full batch."}
    )

    def __post_init__(self) -> None:
        at_least(self, hidden=1, votes=100, points=20, train_points=40, epochs=1)
        positive(self, "smoothing")
        one_of(self, "allotment", ALLOTMENTS)
        if not 0 < self.alpha < 0.5:
            raise DataError(f"{option('alpha')} {self.alpha:g} is not between 0 and 0.5")
        _ = self.trinomial, self.schedule, self.moons, self.levels

    @property
    def trinomial(self) -> Trinomial:
        """The law of the factors 0, 0.5 and 1."""
        return Trinomial(self.p1, self.p2)

    @property
    def levels(self) -> tuple[float, ...]:
        """The sigmas of drift, in ascending order, each once."""
        try:
            found = sorted({float(text) for text in self.drifts.split(",") if text.strip()})
        except ValueError as error:
            raise DataError(f"{option('drifts')} {self.drifts!r} are not numbers") from error
        if not (found and found[0] > 0 and found[-1] < np.inf):
            raise DataError(f"{option('drifts')} {self.drifts!r} are not all finite and above 0")
        return tuple(found)

    @property
    def moons(self) -> MoonsSettings:
        """What the points are, as `xbar moons` makes them."""
        return MoonsSettings(
            hidden=self.hidden,
            data=None if self.network else self.data,
            train_points=self.train_points,
            test_points=self.points,
            noise=self.noise,
        )

    @property
    def schedule(self) -> TrainingSettings:
        """How the network is trained."""
        return TrainingSettings(
            epochs=self.epochs,
            warmup=self.epochs * TRAINING.warmup // TRAINING.epochs,
            noise=NoiseSettings(p1=(self.p1,), p2=(self.p2,), sigma=self.sigma),
        )


def run(
    settings: CertifySettings,
    record: Record,
    seed: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Train or read a network, let its noisy copies vote, and leave the votes in the record.

    Parameters
    ----------
    settings
        What to do.
    record
        Receives the points, the network, the noise, and the votes in pieces. What an interrupted
        run had finished is not done again; each piece has its own random numbers, so that the
        votes are the same bit for bit.
    seed
        Of the points, the training and the votes.
    progress
        Told of training and votes.

    Raises
    ------
    DataError
        If the objective does not exist, or the network or the data cannot be used.
    """
    # Matrices this small gain nothing from threads, and lose much on a busy machine.
    with threadpool_limits(limits=1):
        points_rng, training_rng = np.random.default_rng(seed).spawn(2)
        points = kept(record, "points", partial(_points, settings, points_rng))
        start = int(training_rng.integers(2**63))
        make = partial(_network, settings, points, start, progress)
        network = network_of(kept(record, "network", make))
        spreads = _spreads(settings, network, points["train_inputs"])
        kept(record, "noise", partial(_noise, settings, spreads))
        certified = points["inputs"]
        everywhere = np.concatenate([certified, points["grid"]])
        trinomial = partial(settings.trinomial.factors, n_parameters(network))
        labels = points["labels"]
        ballots = {
            LOGNORMAL: Ballot(network, everywhere, labels, spreads.factors),
            TRINOMIAL: Ballot(network, certified, labels, trinomial),
        }
        for law, ballot in ballots.items():
            vote(law, ballot, settings.votes, record, seed, progress)
        ballot = Ballot(network, certified, labels, spreads.factors)
        kept(record, "chips", partial(chips, ballot, settings.levels, seed))


def network_of(arrays: Arrays) -> Network:
    """Return the network of a record."""
    names = [str(name) for name in arrays["activations"]]
    matrices = [arrays[f"matrix_{k}"] for k in range(len(names))]
    return Network(
        tuple(Layer(m[:-1], m[-1], name) for m, name in zip(matrices, names, strict=True))
    )


def _points(settings: CertifySettings, rng: np.random.Generator) -> Arrays:
    """Return what is certified, what the network is trained on, and the grid of the map."""
    if settings.network is not None and settings.data is not None:
        test = read_csv(settings.data)
        train = test
    else:
        task = make_task(settings.moons, rng)
        train, test = task.train, task.test
    return {
        "inputs": test.inputs,
        "labels": test.labels,
        "train_inputs": train.inputs,
        "train_labels": train.labels,
        "class_names": np.array(test.class_names),
        "grid": _grid(train.inputs),
    }


def _grid(inputs: Array) -> Array:
    """Return a grid over the points with a margin, shape ``(GRID**2, 2)``."""
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    margin = 0.15 * (high - low)
    axes = [np.linspace(a, b, GRID) for a, b in zip(low - margin, high + margin, strict=True)]
    return np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)


def _network(settings: CertifySettings, points: Arrays, seed: int, progress: Progress) -> Arrays:
    """Return the network to be certified, as arrays, and how it classifies without noise."""
    losses = np.empty(0)
    if settings.network is not None:
        network = load(settings.network)
        if network.widths[0] != 2 or network.widths[-1] != 1:
            raise DataError(
                f"{settings.network} has {network.widths[0]} inputs and {network.widths[-1]} "
                "outputs; points in a plane with two classes need 2 and 1"
            )
    else:
        # Torch takes a second to import; who has a network need not wait for it.
        from crossbar.objectives import OBJECTIVES
        from crossbar.training import train

        # An objective that needs a bench's conductance errors has none to learn from here.
        one_of(settings, "training", tuple(name for name in OBJECTIVES if name != DEVICE))
        trained = train(
            Points(points["train_inputs"], points["train_labels"]),
            settings.training,
            settings.schedule,
            np.random.default_rng(seed),
            widths=(2, settings.hidden, 1),
            progress=partial(progress, f"training {settings.training}"),
        )
        network, losses = trained.network, trained.losses
    right = classify(network(points["inputs"])) == points["labels"]
    return {
        **{f"matrix_{k}": layer.matrix for k, layer in enumerate(network.layers)},
        "activations": np.array([layer.activation for layer in network.layers]),
        "losses": losses,
        "accuracy": np.asarray(right.mean()),
        "grid_scores": network(points["grid"])[:, 0],
    }


def _spreads(settings: CertifySettings, network: Network, train_inputs: Array) -> Spreads:
    if settings.allotment == "equal":
        return equal(network, settings.smoothing)
    return fitted(network, train_inputs, settings.smoothing)


def _noise(settings: CertifySettings, spreads: Spreads) -> Arrays:
    """Return what the summary needs to know of the noise."""
    return {
        "sigmas": spreads.sigmas,
        "moved": spreads.moved,
        "common": spreads.common,
        "smoothing": np.asarray(settings.smoothing),
        "p": np.array([settings.p1, settings.p2]),
        "alpha": np.asarray(settings.alpha),
        "drifts": np.array(settings.levels),
    }
