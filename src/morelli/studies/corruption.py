"""Corruption: what accuracy is left after what happens to images, foreseen in training or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from morelli.attributors.fitting import DEGRADED_VIEWS
from morelli.errors import MorelliError, ViewError
from morelli.studies.findings import Bar, BarChart, Chart, Column, Findings, HeatMap, Level, Table, Value
from morelli.studies.paired import Difference, difference, pooled
from morelli.studies.paper import CORRUPTION, UNIFIED
from morelli.studies.study import Frame, Setting, Study, register_study
from morelli.studies.words import MEASURED, interval, percent, row_of
from morelli.trials.cells import Cell, Results
from morelli.trials.trial import Trial
from morelli.views import parse_view

__all__ = ["CHAINS", "CORRUPTIONS", "Corruption"]

CORRUPTIONS = (
    "jitter", "noise", "blur", "resize", "downup", "jpeg", "webp", "avif", "crop", "screenshot", "social",
)  # fmt: skip
"""The paper's four, other ways to lose detail, three codecs, a crop and two journeys."""

CHAINS = (
    "crop:0.7|jpeg:90",
    "scale:0.6|webp:70",
    "screenshot:0.8|jpeg:80",
    "blur:2|jpeg:75",
    "noise:4|jpeg:90",
    "saturation:0.75|contrast:0.9|jpeg:85",
)
"""Chains of recompression, crop, screenshot and filter that are not among the views of `DEGRADED_VIEWS`."""

FORMS = {
    "paper": "trained and tested alike",
    "clean": "trained on untouched images",
    "mixture": "trained on a mixture",
}
"""Words for how the attributor was trained."""

UNTOUCHED, CHAIN = "none", "chain"
"""Values of the coordinate `corruption` beside the names of views."""

_HALF = 0.5


@register_study(
    "corruption",
    title="Corruption: what recompression, resizing and noise leave",
    question="How much accuracy is left in corrupted images, with training images corrupted alike or not?",
    paper=f"{UNIFIED}, corruptions of training and test images alike",
)
@dataclass(frozen=True)
class Corruption(Study):
    """What corruptions leave of accuracy, in the paper's form and in those that a user has.

    In the form `paper` training and test images are corrupted alike. In `clean` the references are untouched and only
    what is judged is corrupted; in `mixture` the references are seen through several views, which need not hold the
    test's. Attributors that tell views apart have an expert for each view of the mixture, others learn from all.
    """

    example = "--set corruptions=jpeg,noise"

    corruptions: tuple[str, ...] = Setting(CORRUPTIONS, "Views with severities, by name.")
    severities: tuple[int, ...] = Setting((1, 3, 5), "Their severities, from 1 to 5.")
    chains: tuple[str, ...] = Setting(CHAINS, "Chains of views to be tested on in the forms clean and mixture.")
    mixture: tuple[str, ...] = Setting(DEGRADED_VIEWS, "Training views of the form mixture.")
    forms: tuple[str, ...] = Setting(tuple(FORMS), "Forms of training: paper, clean, mixture.")

    def trials(self, frame: Frame) -> list[Trial]:
        """Return trials by attributor, form, test view, seed and fold."""
        trials = []
        places = self._places()
        for attributor in frame.attributors:
            for form in self.forms:
                for corruption, severity, view in places:
                    if form == "paper" and corruption == CHAIN:
                        continue
                    cell = {
                        "attributor": attributor, "form": form, "corruption": corruption, "severity": severity,
                        "view": view,
                    }  # fmt: skip
                    trained = {"paper": (view,), "clean": (UNTOUCHED,), "mixture": self.mixture}[form]
                    trials += frame.cross_validated(cell, train_views=trained, test_view=view, attributor=attributor)
        return trials

    def _places(self) -> list[tuple[str, int, str]]:
        """Return corruption, severity and view of every test; the first is the untouched image."""
        foreign = [form for form in self.forms if form not in FORMS]
        if foreign or not self.forms or len(set(self.forms)) < len(self.forms):
            raise MorelliError(
                f"Forms are different ones of {', '.join(FORMS)}, not: {', '.join(self.forms) or 'none'}."
            )
        if not self.corruptions and not self.chains:
            raise MorelliError("Name corruptions or chains: there is nothing to test on.")
        if any(not 1 <= severity <= 5 for severity in self.severities) or not (self.severities or not self.corruptions):
            raise MorelliError(f"Severities are whole numbers from 1 to 5, not {list(self.severities)}.")
        places = [(UNTOUCHED, 0, UNTOUCHED)]
        for name in dict.fromkeys(self.corruptions):
            if why_impossible(name, self.severities) is None:
                places += [(name, level, parse_view(f"{name}@{level}").name) for level in sorted(set(self.severities))]
        chains = [parse_view(chain).name for chain in self.chains]
        return places + [(CHAIN, number, view) for number, view in enumerate(dict.fromkeys(chains), start=1)]

    def find(self, frame: Frame, results: Results) -> Findings:
        """Return accuracies by form and view, heat maps, unseen chains, and how much the paper's form flatters."""
        found = _Found(self, frame, results)
        return Findings(
            sentences=tuple(found.sentences()),
            tables=tuple(table for table in found.tables() if table.rows),
            charts=(*found.heat_maps(), *found.bars()),
            notes=tuple(found.notes()),
            values=found.values(),
        )


def why_impossible(name: str, severities: Sequence[int]) -> str | None:
    """Say why a corruption cannot be made on this installation, None where it can.

    Raises
    ------
    morelli.errors.ViewError
        There is no such view, or it has no severities.
    """
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    views = [parse_view(f"{name}@{level}") for level in severities]
    try:
        for view in views[:1]:
            view(grey)
    except ViewError as error:
        return str(error)
    return None


class _Found:
    """The results of one corruption study, looked at."""

    def __init__(self, study: Corruption, frame: Frame, results: Results) -> None:
        self.study, self.frame, self.results = study, frame, results
        self.first, self.seed = frame.attributors[0], frame.seed
        self.trained = {"clean": {UNTOUCHED}, "mixture": {parse_view(view).condition for view in study.mixture}}
        self.measured = {
            (cell.at["attributor"], cell.at["form"], cell.at["view"]): cell
            for cell in results
            if cell.accuracy is not None
        }

    def cell(self, form: str, view: Value, attributor: str | None = None) -> Cell | None:
        return self.measured.get((attributor or self.first, form, view))

    def cells(self, form: str, attributor: str | None = None, *, chains: bool = False) -> list[Cell]:
        """Return the corrupted cells of a form, or its unseen chains."""
        own = [c for c in self.measured.values() if c.at["attributor"] == (attributor or self.first)]
        own = [c for c in own if c.at["form"] == form]
        if chains:
            return [c for c in own if c.at["corruption"] == CHAIN and not self.seen(c)]
        return [c for c in own if c.at["corruption"] not in (UNTOUCHED, CHAIN)]

    def seen(self, cell: Cell) -> bool:
        """Whether the test's view was one of the training's, or another random draw of one."""
        form = str(cell.at["form"])
        return form == "paper" or parse_view(str(cell.at["view"])).condition in self.trained[form]

    def paper_less(self, form: str, cells: Sequence[Cell]) -> Difference | None:
        """Return by how much the paper's form is better in the views of cells of another form."""
        pairs = [(one, cell) for cell in cells if (one := self.cell("paper", cell.at["view"])) is not None]
        return difference(pairs, self.seed)

    # -- words ---------------------------------------------------------------------------------------------------------

    def sentences(self) -> list[str]:
        said: list[str] = []
        for form in ("clean", "mixture", "paper"):
            cells = self.cells(form)
            over = pooled(cells, self.seed)
            untouched = self.cell(form, UNTOUCHED)
            if form not in self.study.forms or untouched is None or over is None:
                continue
            said.append(
                f"{FORMS[form].capitalize()}, {self.first} names the right one of {untouched.measures['classes']:g} "
                f"for {percent(untouched.accuracy)} of 100 untouched images ({interval(untouched)}) "
                f"and for {percent(over.accuracy)} over {len(cells)} corruptions ({over.interval}; chance "
                f"{percent(untouched.measures['chance'])})."
            )
            if form == "clean":
                said.append(self._holds(cells, untouched))
            chains = self.cells(form, chains=True)
            unseen = pooled(chains, self.seed)
            if unseen is not None:
                said.append(
                    f"On {len(chains)} chain{'s' * (len(chains) > 1)} that no training saw, {FORMS[form]}, it is "
                    f"{percent(unseen.accuracy)} of 100 ({unseen.interval})."
                )
        for form in ("clean", "mixture"):
            cells = self.cells(form)
            gap = self.paper_less(form, cells)
            if gap is None:
                continue
            by_cell = [(d.points, cell) for cell in cells if (d := self.paper_less(form, [cell])) is not None]
            most = max(by_cell, key=lambda pair: pair[0])
            said.append(
                "Corrupting the training images alike, as the paper does, shows "
                f"{percent(gap.points)} points more than an "
                f"attributor {FORMS[form]} has in the same views ({gap.interval}); most in "
                f"{_name(most[1])}, {percent(most[0])} points."
            )
        return said

    def _holds(self, cells: Sequence[Cell], untouched: Cell) -> str:
        """Say up to which severity each corruption leaves half of what accuracy has above chance."""
        chance = untouched.measures["chance"] or 0.0
        least = chance + _HALF * ((untouched.accuracy or 0.0) - chance)
        by_name: dict[str, list[Cell]] = {}
        for cell in cells:
            by_name.setdefault(str(cell.at["corruption"]), []).append(cell)
        holds, breaks = [], []
        for name, own in by_name.items():
            lost = [int(str(c.at["severity"])) for c in own if (c.accuracy or 0.0) < least]
            if lost:
                breaks.append(f"{name} from severity {min(lost)}")
            else:
                holds.append(name)
        kept = f"in {', '.join(holds)} at all severities tried" if holds else "in no corruption at all severities"
        lost_in = f", and less than half in {', '.join(breaks)}" if breaks else ""
        return f"Of what it has above chance in untouched images it keeps half or more {kept}{lost_in}."

    def notes(self) -> list[str]:
        notes = []
        for name in self.study.corruptions:
            why = why_impossible(name, self.study.severities)
            if why is not None:
                notes.append(f"{name} was left out: {why}.")
        known = [cell for cell in self.measured.values() if cell.at["corruption"] == CHAIN and self.seen(cell)]
        if known:
            named = ", ".join(dict.fromkeys(str(cell.at["view"]) for cell in known))
            notes.append(f"These chains are training views, and not counted as unseen: {named}.")
        if "paper" in self.study.forms and any(name in CORRUPTION for name in self.study.corruptions):
            notes.append(
                "The paper's figures are of five models and a ConvNeXt-Tiny trained from scratch on 25,000 images of "
                "each; its two strengths of each corruption are not our severities."
            )
        return notes

    def values(self) -> dict[str, object]:
        gaps = {form: self.paper_less(form, self.cells(form)) for form in ("clean", "mixture")}
        return {
            "accuracy": {" ".join(map(str, key)): cell.accuracy for key, cell in self.measured.items()},
            "flattery": {form: gap.points for form, gap in gaps.items() if gap is not None},
        }

    # -- tables --------------------------------------------------------------------------------------------------------

    _PLACE = (
        Column("attributor", "attributor"),
        Column("form", "form"),
        Column("corruption", "corruption"),
        Column("severity", "severity", "count"),
        Column("view", "view"),
        Column("seen", "seen in training"),
    )

    def tables(self) -> list[Table]:
        return [self.overview(), self.accuracy(), self.chains(), self.flattery()]

    def overview(self) -> Table:
        rows: list[tuple[Value, ...]] = []
        for attributor in self.frame.attributors:
            for form in self.study.forms:
                untouched = self.cell(form, UNTOUCHED, attributor)
                row: list[Value] = [attributor, FORMS[form], untouched.accuracy if untouched else None]
                for chains in (False, True):
                    over = pooled(self.cells(form, attributor, chains=chains), self.seed)
                    row += [None] * 4 if over is None else [over.accuracy, over.low, over.high, over.n]
                rows.append(tuple(row))
        over_all = ("low", "95% from", "share"), ("high", "to", "share"), ("n", "n", "count")
        return Table(
            "forms",
            "Accuracy by form of training, over all corruptions and all unseen chains",
            (
                Column("attributor", "attributor"),
                Column("form", "form"),
                Column("untouched", "untouched", "share"),
                Column("corrupted", "corrupted", "share"),
                *(Column(f"corrupted_{name}", *words) for name, *words in over_all),
                Column("chains", "unseen chains", "share"),
                *(Column(f"chains_{name}", *words) for name, *words in over_all),
            ),
            tuple(rows),
        )

    def accuracy(self) -> Table:
        """Return all cells but the chains; what was not measured has no figures."""
        cells = [cell for cell in self.results if cell.at["corruption"] != CHAIN]
        return Table(
            "accuracy",
            "Accuracy by form of training, corruption and severity",
            (*self._PLACE, *MEASURED),
            tuple((*self._place(cell), *row_of(cell)) for cell in cells),
            "Form paper: trained and tested on the same view. Severity 0 is the untouched image.",
        )

    def chains(self) -> Table:
        cells = [cell for cell in self.results if cell.at["corruption"] == CHAIN]
        unknown = Column("called_unknown", "called unknown", "share")
        return Table(
            "chains",
            "Accuracy on chains of views",
            (*(c for c in self._PLACE if c.name not in ("corruption", "severity")), *MEASURED, unknown),
            tuple(
                (cell.at["attributor"], cell.at["form"], cell.at["view"], self.seen(cell), *row_of(cell),
                 cell.measures["called_unknown"])
                for cell in cells
            ),
        )  # fmt: skip

    def _place(self, cell: Cell) -> tuple[Value, ...]:
        at = cell.at
        return at["attributor"], at["form"], at["corruption"], at["severity"], at["view"], self.seen(cell)

    def flattery(self) -> Table:
        """Return what the paper's form has more than each other form, view by view."""
        rows: list[tuple[Value, ...]] = []
        for form in ("clean", "mixture"):
            for cell in self.cells(form):
                gap = self.paper_less(form, [cell])
                if gap is not None:
                    place = (FORMS[form], cell.at["corruption"], cell.at["severity"], cell.at["view"])
                    rows.append((*place, gap.first, gap.second, gap.points, gap.low, gap.high, gap.n))
        return Table(
            "flattery",
            f"How much training on the tested corruption shows more, {self.first}",
            (
                Column("form", "against"),
                Column("corruption", "corruption"),
                Column("severity", "severity", "count"),
                Column("view", "view"),
                Column("paper", "trained alike", "share"),
                Column("other", "otherwise", "share"),
                Column("points", "difference", "difference"),
                Column("low", "95% from", "difference"),
                Column("high", "to", "difference"),
                Column("n", "n", "count"),
            ),
            tuple(rows),
            "Both judge the same images; intervals by bootstrap over prompts.",
        )

    # -- charts --------------------------------------------------------------------------------------------------------

    def heat_maps(self) -> list[Chart]:
        """Return corruption by severity for each form: accuracy, and for what a user has also doubt."""
        charts: list[Chart] = []
        for form in self.study.forms:
            untouched = self.cell(form, UNTOUCHED)
            with_none = f" (untouched {percent(untouched.accuracy)})" if untouched is not None else ""
            wanted = [("accuracy", f"Accuracy, {FORMS[form]}{with_none}", "accuracy")]
            if form != "paper":
                wanted.append(("calibration-error", f"Calibration error, {FORMS[form]}", "ece"))
                wanted.append(("coverage", f"Sets that hold the truth, {FORMS[form]}", "coverage"))
            for name, title, measure in wanted:
                charts += self._matrix(f"{name}-{form}", title, form, lambda cell, m=measure: cell.measures[m])  # type: ignore[misc]
        for form in ("clean", "mixture"):
            if self.paper_less(form, self.cells(form)) is not None:

                def more(cell: Cell, form: str = form) -> float | None:
                    gap = self.paper_less(form, [cell])
                    return None if gap is None else gap.points

                title = f"Trained and tested alike, less {FORMS[form]}"
                charts += self._matrix(f"flattery-{form}", title, form, more, signed=True)
        return charts

    def _matrix(
        self, name: str, title: str, form: str, value: Callable[[Cell], float | None], signed: bool = False
    ) -> list[Chart]:
        own = self.results.where(attributor=self.first, form=form)
        own = [cell for cell in own if cell.at["corruption"] not in (UNTOUCHED, CHAIN)]
        if not own:
            return []
        rows = list(dict.fromkeys(str(cell.at["corruption"]) for cell in own))
        levels = sorted({str(cell.at["severity"]) for cell in own})
        held = {(cell.at["corruption"], str(cell.at["severity"])): cell for cell in own if cell.accuracy is not None}
        cells = [[held.get((row, level)) for level in levels] for row in rows]
        matrix = tuple(tuple(None if cell is None else value(cell) for cell in row) for row in cells)
        title = f"{title}, {self.first}"
        return [HeatMap(name, title, "corruption", "severity", tuple(rows), tuple(levels), matrix, signed)]

    def bars(self) -> list[Chart]:
        chance = next((cell.measures["chance"] for cell in self.measured.values()), None) or 0.0
        levels = (Level("chance", chance),)
        charts: list[Chart] = []
        by_form = [
            Bar(f"{attributor}: {FORMS[form]}", over.accuracy, over.low, over.high, group=FORMS[form])
            for attributor in self.frame.attributors
            for form in self.study.forms
            if (over := pooled(self.cells(form, attributor), self.seed)) is not None
        ]
        if by_form:
            charts.append(
                BarChart("forms", "Accuracy over all corruptions, by form of training", "right", tuple(by_form), levels)
            )
        chains = [
            Bar(str(cell.at["view"]), cell.accuracy, *cell.interval, group=FORMS[str(cell.at["form"])])
            for view in dict.fromkeys(c.at["view"] for c in self.results if c.at["corruption"] == CHAIN)
            for form in self.study.forms
            if (cell := self.cell(form, view)) is not None and not self.seen(cell)
        ]
        if chains:
            title = f"Accuracy on chains that no training saw, {self.first}"
            charts.append(BarChart("chains", title, "right", tuple(chains), levels))
        if self.cell("paper", UNTOUCHED) is not None:
            beside = self._beside_the_paper()
            if any(bar.paper for bar in beside):
                title = f"Training and test images corrupted alike, {self.first} and the paper"
                charts.append(BarChart("paper", title, "right", tuple(beside), levels))
        return charts

    def _beside_the_paper(self) -> list[Bar]:
        """Return our bars in the paper's form with the paper's below them, for the corruptions of both."""
        bars = []
        for name, strengths in CORRUPTION.items():
            own = [
                c for c in self.measured.values()
                if (c.at["attributor"], c.at["form"], c.at["corruption"]) == (self.first, "paper", name)
            ]  # fmt: skip
            if not own:
                continue
            bars += [Bar(_name(cell), cell.accuracy, *cell.interval, group="ours") for cell in own]
            if name == UNTOUCHED:
                bars.append(Bar("untouched", strengths[0], group="paper", paper=True))
            else:
                weak_first = (("weaker", strengths[1]), ("stronger", strengths[0]))
                bars += [Bar(f"{name}, {word}", value, group="paper", paper=True) for word, value in weak_first]
        return bars


def _name(cell: Cell) -> str:
    if cell.at["corruption"] == UNTOUCHED:
        return "untouched"
    return f"{cell.at['corruption']}@{cell.at['severity']}"
