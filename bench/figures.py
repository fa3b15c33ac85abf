"""Measured figures, what they must and should be, and how repeats of one figure add up."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any


class Better(StrEnum):
    """Which direction is the good one."""

    LOWER = "lower"
    HIGHER = "higher"


class Verdict(StrEnum):
    """How a measured figure compares with its budget; printed, never asserted."""

    AIM = "aim reached"
    MUST = "within must"
    MISSED = "missed"
    INFORMATION = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of one run. `must` and `aim` come from the performance budgets."""

    key: str
    label: str
    value: float
    unit: str
    must: float | None = None
    aim: float | None = None
    better: Better = Better.LOWER


@dataclass(frozen=True, slots=True)
class RepeatedFigure:
    """The same figure of one or more runs: the median is quoted, with the range beside it."""

    first: Figure
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> Verdict:
        """The median against aim and must."""
        figure = self.first
        if figure.must is None and figure.aim is None:
            return Verdict.INFORMATION
        if _meets(self.median, figure.aim, figure.better):
            return Verdict.AIM
        if _meets(self.median, figure.must, figure.better):
            return Verdict.MUST
        return Verdict.MISSED

    def as_json(self) -> dict[str, Any]:
        """The shape in a results file."""
        figure = self.first
        return {
            "key": figure.key,
            "label": figure.label,
            "unit": figure.unit,
            "must": figure.must,
            "aim": figure.aim,
            "better": figure.better.value,
            "values": list(self.values),
            "median": self.median,
            "lowest": min(self.values),
            "highest": max(self.values),
            "verdict": self.verdict.value,
        }


def _meets(value: float, target: float | None, better: Better) -> bool:
    if target is None:
        return False
    return value <= target if better is Better.LOWER else value >= target


def repeat_figures(runs: Sequence[Sequence[Figure]]) -> list[RepeatedFigure]:
    """Put the figures of several runs together by key, in the order of their first appearance."""
    values: dict[str, list[float]] = {}
    first: dict[str, Figure] = {}
    for run in runs:
        for figure in run:
            first.setdefault(figure.key, figure)
            values.setdefault(figure.key, []).append(figure.value)
    return [RepeatedFigure(first[key], tuple(values[key])) for key in first]
