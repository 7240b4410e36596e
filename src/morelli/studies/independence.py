"""Independence: whether the label is told, or something that goes along with it."""

from __future__ import annotations

from dataclasses import dataclass

from morelli.catalog import NuisanceFloor, nuisance_floor
from morelli.errors import MorelliError, NotEnoughDataError
from morelli.studies.aligned import ByImage, by_image
from morelli.studies.findings import Bar, BarChart, Column, Findings, Level, Table
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.selection import Selection
from morelli.trials.trial import Trial
from morelli.views import parse_view

__all__ = ["Independence"]

_HONEST, _STRADDLED = "prompts held out", "prompts straddle"


@dataclass(frozen=True, slots=True)
class _Comparison:
    """An arm beside the honest one: prompts held out, images as they are."""

    attributor: str
    arm: str
    honest: Cell
    other: Cell
    difference: ByImage


@register_study(
    "independence",
    title="Independence: is the label confounded?",
    question="How much of the accuracy is owed to leaking prompts and to how files were saved?",
    paper="Split and format leaks of public benchmarks: ImageAttributionBench, arXiv 2605.12967 (2026)",
)
@dataclass(frozen=True)
class Independence(Study):
    """How much of the accuracy is owed to leaking prompts and to how the files were saved.

    Three measurements beside the accuracy with prompts held out: what a classifier scores that sees only the
    container (the nuisance floor); what a split would add that deals images to folds regardless of their prompts; and
    what is left when all images, references and judged, went through the same encoder last.
    """

    attributors = ("fused",)
    example = "--set controls=jpeg:90,jpeg:70"

    controls: tuple[str, ...] = Setting(
        ("jpeg:90", "resize:512|jpeg:90"), "Views that all images go through, so that the last encoder is the same."
    )
    per_class: int | None = Setting(None, "References of each class, at most; none takes all.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, arm, seed and fold."""
        controls = self._controls()
        train = Selection(per_class=self.per_class)
        return [
            trial
            for attributor in frame.attributors
            for trial in (
                *frame.cross_validated(_at(attributor, _HONEST, "none"), train=train, attributor=attributor),
                *frame.cross_validated(
                    _at(attributor, _STRADDLED, "none"), train=train, attributor=attributor, straddle=True
                ),
                *(
                    one
                    for control in controls
                    for one in frame.cross_validated(
                        _at(attributor, _HONEST, control),
                        train=train,
                        train_views=(control,),
                        test_view=control,
                        attributor=attributor,
                    )
                ),
            )
        ]

    def _controls(self) -> list[str]:
        names = [parse_view(view).name for view in self.controls]
        if "none" in names or len(set(names)) < len(names):
            raise MorelliError(f"Controls are different views that change images, not: {', '.join(names)}.")
        return names

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return the arms, their differences image by image, and a verdict in words."""
        cells = [cell for cell in results if cell.accuracy is not None]
        floor, problem = _floor(frame)
        compared = _compare(cells, frame.attributors)
        first = frame.attributors[0]
        own = [cell for cell in cells if cell.at["attributor"] == first]
        honest = next((cell for cell in own if _arm(cell) == _HONEST), None)
        mine = [one for one in compared if one.attributor == first]
        sentences: list[str] = []
        if honest is not None:
            sentences.append(_verdict(frame.label, honest, floor, mine))
            sentences.append(
                f"With prompts held out and files as they are, {first} names the right {frame.label} for "
                f"{percent(honest.accuracy)} of 100 images ({interval(honest)}; chance "
                f"{percent(honest.measures['chance'])})."
            )
        sentences.append(floor.sentence if floor is not None else f"The nuisance floor was not measured: {problem}")
        sentences += [_leak(one) if one.arm == _STRADDLED else _control(one) for one in mine]
        tables = (_arms(cells), _differences(compared))
        return Findings(
            sentences=tuple(sentences),
            tables=tables,
            charts=(_bars(first, own, floor),) if own else (),
            notes=(
                *_uneven(compared),
                *_once(frame),
                "A control makes containers alike. What an earlier encoder did to the pixels can outlive it, so that "
                "what remains is not all proved to be the generator's: save all images from lossless originals to be "
                "rid of it.",
            ),
            values={
                "accuracy": {f"{c.at['attributor']} {_arm(c)}": c.accuracy for c in cells},
                "difference": {f"{one.attributor} {one.arm}": one.difference.value for one in compared},
                "floor": None if floor is None else floor.to_dict(),
            },
        )


def _at(attributor: str, split: str, control: str) -> dict[str, str]:
    return {"attributor": attributor, "split": split, "control": control}


def _arm(cell: Cell) -> str:
    """Name what a cell differs in from the others of its attributor."""
    return str(cell.at["split"]) if cell.at["control"] == "none" else str(cell.at["control"])


def _floor(frame: Frame) -> tuple[NuisanceFloor | None, str]:
    try:
        return nuisance_floor(frame.catalog, frame.label, seed=frame.seed), ""
    except NotEnoughDataError as error:
        return None, str(error)


def _compare(cells: list[Cell], attributors: tuple[str, ...]) -> list[_Comparison]:
    found = []
    for attributor in attributors:
        own = [cell for cell in cells if cell.at["attributor"] == attributor]
        honest = [cell for cell in own if _arm(cell) == _HONEST]
        found += [
            _Comparison(attributor, _arm(cell), honest[0], cell, by_image(cell, honest[0]))
            for cell in own
            if honest and cell is not honest[0]
        ]
    return found


# -- in words ----------------------------------------------------------------------------------------------------------


def _verdict(label: str, honest: Cell, floor: NuisanceFloor | None, compared: list[_Comparison]) -> str:
    """Say in one sentence whether the label is confounded, and what remains."""
    leak = next((one.difference for one in compared if one.arm == _STRADDLED), None)
    controls = [one for one in compared if one.arm != _STRADDLED]
    parts = []
    if floor is not None:
        parts.append(
            f"the container alone tells it for {percent(floor.accuracy)} of 100"
            if floor.gives_away
            else "the container alone does not tell it"
        )
    if leak is not None and leak.value is not None:
        parts.append(
            f"a split with leaking prompts would have added {percent(leak.value)} points"
            if leak.above_zero
            else "a split with leaking prompts would have added nothing that can be told from noise"
        )
    if controls:
        least = min(controls, key=lambda one: one.other.accuracy or 0.0)
        left = f"{percent(least.other.accuracy)} of 100 are right, against {percent(honest.accuracy)} before"
        parts.append(f"after {least.arm}, {left}{', which is not above chance' if _by_chance(least.other) else ''}")
    if _by_chance(honest):
        parts.append("with prompts held out nothing is told above chance in the first place")
    confounded = floor is not None and floor.gives_away
    lost = [one for one in controls if one.difference.below_zero]
    saved = "how files were saved"
    if floor is None and not controls:
        opening = f"Whether {label} goes along with {saved} was not measured"
    elif confounded and lost:
        opening = f"The column {label} is confounded with {saved}, and accuracy is lost when all are saved alike"
    elif confounded and controls:
        opening = f"The column {label} is confounded with {saved}, though no accuracy is lost when all are saved alike"
    elif confounded:
        opening = f"The column {label} is confounded with {saved}"
    elif lost:
        opening = f"No sign that {label} is confounded with {saved}, though a control destroys traces that tell it"
    else:
        opening = f"No sign that {label} is confounded with {saved}"
    return f"{opening}: {'; '.join(parts)}." if parts else f"{opening}."


def _by_chance(cell: Cell) -> bool:
    """Whether chance lies within or above the interval of a cell's accuracy."""
    low = cell.interval[0]
    return low is not None and low <= (cell.measures["chance"] or 0.0)


def _leak(one: _Comparison) -> str:
    straddled = f"{percent(one.other.accuracy)} of 100"
    return (
        f"A split that lets prompts stand on both sides reports {straddled}: {one.difference.words()} beside the "
        "honest one, on the same images."
    )


def _control(one: _Comparison) -> str:
    return (
        f"When all images, references and judged, went through {one.arm}, {percent(one.other.accuracy)} of 100 are "
        f"right ({interval(one.other)}): {one.difference.words()} beside the files as they are."
    )


def _uneven(compared: list[_Comparison]) -> list[str]:
    """Say where arms did not learn from equally many images."""
    lines = []
    for one in compared:
        mine, honest = one.other.measures["references"] or 0.0, one.honest.measures["references"] or 0.0
        if abs(mine - honest) > 0.01 * max(mine, honest):
            lines.append(
                f"{one.attributor}: {one.arm} learned from {mine:.1f} images in the mean of its folds, the honest arm "
                f"from {honest:.1f}; part of the difference may come from that."
            )
    return lines


def _once(frame: Frame) -> list[str]:
    """Say so if hardly any class has two images of one prompt: then a leaking split leaks little."""
    codes, _ = frame.catalog.codes(frame.label)
    prompts, _ = frame.catalog.codes("prompt_id")
    known = (codes >= 0) & (prompts >= 0)
    if not known.any():
        return []
    pairs = len(set(zip(codes[known].tolist(), prompts[known].tolist(), strict=True)))
    per_pair = float(known.sum()) / pairs
    if per_pair > 1.05:
        return []
    return [
        f"There {'is one image' if per_pair == 1.0 else f'are {per_pair:.2f} images'} of each {frame.label} and "
        f"prompt, so that a leaking split shows an attributor the prompts of the judged images, but by other values of "
        f"{frame.label} only: it can mislead as well as help, and with several images of each it would add more."
    ]


# -- tables and figures ------------------------------------------------------------------------------------------------


def _arms(cells: list[Cell]) -> Table:
    return Table(
        "arms",
        "Accuracy by split and control",
        (
            Column("attributor", "attributor"),
            Column("split", "split"),
            Column("control", "all images through"),
            Column("references", "references", "number"),
            *MEASURED,
        ),
        tuple(
            (c.at["attributor"], c.at["split"], c.at["control"], c.measures["references"], *row_of(c)) for c in cells
        ),
        "Intervals by bootstrap over prompts; the spread is the standard deviation between seeds; references are the "
        "images learned from, mean over folds.",
    )


def _differences(compared: list[_Comparison]) -> Table:
    return Table(
        "differences",
        "Beside prompts held out and files as they are",
        (
            Column("attributor", "attributor"),
            Column("arm", "arm"),
            Column("difference", "difference", "difference"),
            Column("low", "95% from", "difference"),
            Column("high", "to", "difference"),
            Column("spread", "spread", "share"),
            Column("n", "n", "count"),
        ),
        tuple(
            (
                one.attributor,
                one.arm,
                one.difference.value,
                one.difference.low,
                one.difference.high,
                one.difference.spread,
                one.difference.n,
            )
            for one in compared
        ),
        "On the same images, compared one by one; intervals by bootstrap over prompts.",
    )


def _bars(attributor: str, cells: list[Cell], floor: NuisanceFloor | None) -> BarChart:
    bars = [] if floor is None else [Bar("the container alone", floor.accuracy, *floor.interval, "no look at pixels")]
    for cell in cells:
        low, high = cell.interval
        arm = _arm(cell)
        label = {_HONEST: "prompts held out, files as they are", _STRADDLED: "prompts straddle, files as they are"}
        group = arm if arm in label else "one encoder last"
        bars.append(Bar(label.get(arm, f"all through {arm}"), cell.accuracy, low, high, group))
    levels = [Level("chance", cells[0].measures["chance"] or 0.0)]
    return BarChart("arms", f"What tells it: {attributor}", "right", tuple(bars), tuple(levels))
