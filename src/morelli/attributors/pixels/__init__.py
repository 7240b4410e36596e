"""Networks on pixels, trained from scratch: ConvNeXt by the published recipe, and what belongs to it."""

from morelli.attributors.pixels.architectures import SIZES, Architecture
from morelli.attributors.pixels.catalogs import train_network
from morelli.attributors.pixels.model import PixelModel
from morelli.attributors.pixels.network import PixelNetwork
from morelli.attributors.pixels.portable import PortableNetwork
from morelli.attributors.pixels.recipe import FEW, PROCESSOR, PUBLISHED, RECIPES, Recipe
from morelli.attributors.pixels.store import PixelStore
from morelli.attributors.pixels.training import train_pictures

__all__ = [
    "FEW",
    "PROCESSOR",
    "PUBLISHED",
    "RECIPES",
    "SIZES",
    "Architecture",
    "PixelModel",
    "PixelNetwork",
    "PixelStore",
    "PortableNetwork",
    "Recipe",
    "train_network",
    "train_pictures",
]
