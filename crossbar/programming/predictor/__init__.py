"""Predictors: which pulse takes a cell of a family from one conductance to another, in one go.

What is needed to use one is here; fitting is in `fitting`, and training networks, which takes
torch, in `crossbar.predictor_training`.
"""

from crossbar.programming.predictor.dense import DenseMap
from crossbar.programming.predictor.file import load_predictor, save_predictor
from crossbar.programming.predictor.monotone import MonotoneMap
from crossbar.programming.predictor.predictor import Predictor, TrainingRecord, Way
from crossbar.programming.predictor.shots import Shots, together

__all__ = [
    "DenseMap",
    "MonotoneMap",
    "Predictor",
    "Shots",
    "TrainingRecord",
    "Way",
    "load_predictor",
    "save_predictor",
    "together",
]
