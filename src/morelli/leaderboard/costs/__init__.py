"""What it costs to name the model behind an image, and the cheapest way to a wanted accuracy."""

from morelli.leaderboard.costs.allocation import Allocation, allocate_references
from morelli.leaderboard.costs.curve import Curve, Needed, curve_of_board, read_curve
from morelli.leaderboard.costs.measure import CostResult, measure_costs
from morelli.leaderboard.costs.paper import RECONSTRUCTIONS, Reconstruction
from morelli.leaderboard.costs.prices import EXAMPLE_PRICES, Prices, read_prices
from morelli.leaderboard.costs.section import cost_section

__all__ = [
    "EXAMPLE_PRICES",
    "RECONSTRUCTIONS",
    "Allocation",
    "CostResult",
    "Curve",
    "Needed",
    "Prices",
    "Reconstruction",
    "allocate_references",
    "cost_section",
    "curve_of_board",
    "measure_costs",
    "read_curve",
    "read_prices",
]
