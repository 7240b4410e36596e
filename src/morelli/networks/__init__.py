"""Networks by others: where their weights lie, how they are loaded, and what each makes of images."""

from __future__ import annotations

from morelli.networks.opening import open_network, recipe_of
from morelli.networks.places import MODEL, Place, add_name, find_network, names_given, place_of
from morelli.networks.specs import TASKS, NetworkSpec, get_network, list_networks
from morelli.networks.weights import weights_folder

__all__ = [
    "MODEL",
    "TASKS",
    "NetworkSpec",
    "Place",
    "add_name",
    "find_network",
    "get_network",
    "list_networks",
    "names_given",
    "open_network",
    "place_of",
    "recipe_of",
    "weights_folder",
]
