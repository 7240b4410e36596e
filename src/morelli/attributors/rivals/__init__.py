"""Published and obvious rivals of the default attributor, to be judged in the same frame."""

from morelli.attributors.rivals.linear import Logistic, SpectrumDiscriminant
from morelli.attributors.rivals.naive import GaussianNaive
from morelli.attributors.rivals.neighbours import Centroid, Fingerprint, Neighbours
from morelli.attributors.rivals.perceptron import Perceptron

__all__ = [
    "Centroid",
    "Fingerprint",
    "GaussianNaive",
    "Logistic",
    "Neighbours",
    "Perceptron",
    "SpectrumDiscriminant",
]
