"""What people read and what programs read: the table, and the results file."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import RepeatedFigure, Verdict

SCHEMA = 1
_LOCAL = Path(__file__).resolve().parent / "results" / "local"
_MARKS = {
    Verdict.AIM: "++",
    Verdict.MUST: "+",
    Verdict.MISSED: "--",
    Verdict.INFORMATION: "",
}
_COLUMNS = ("", "must", "aim", "measured", "range", "")
# Above this, somebody else's work is in our latencies.
_DISTURBED_CORES = 0.1
LEGEND = "++ aim reached   + within must   -- missed"


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """All runs of one scenario. `skipped` says why there are none."""

    name: str
    title: str
    figures: Sequence[RepeatedFigure] = ()
    details: Sequence[dict[str, Any]] = ()
    seconds: float = 0.0
    skipped: str | None = None
    other_programs_cores: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """The shape in a results file."""
        return {
            "name": self.name,
            "title": self.title,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 1),
            "other_programs_cores": round(self.other_programs_cores, 2),
            "figures": [figure.as_json() for figure in self.figures],
            "runs": list(self.details),
        }


def render(result: ScenarioResult) -> str:
    """A scenario's part of the table."""
    if result.skipped is not None:
        return f"{result.name}: {result.title}\n    left out: {result.skipped}\n"
    rows = [_COLUMNS, *(_row(figure) for figure in result.figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [f"{result.name}: {result.title}"]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [row[n].rjust(widths[n]) for n in range(1, 5)]
        lines.append(f"    {'  '.join([*cells, row[5]])}".rstrip())
    if result.other_programs_cores >= _DISTURBED_CORES:
        cores = number(result.other_programs_cores)
        lines.append(f"    disturbed: other programs used {cores} cores meanwhile")
    return "\n".join(lines) + "\n"


def _row(figure: RepeatedFigure) -> tuple[str, ...]:
    first = figure.first
    unit = first.unit if first.unit.startswith("/") or not first.unit else f" {first.unit}"
    lowest, highest = min(figure.values), max(figure.values)
    spread = f"{number(lowest)}-{number(highest)}" if len(figure.values) > 1 else ""
    return (
        first.label,
        "" if first.must is None else number(first.must),
        "" if first.aim is None else number(first.aim),
        f"{number(figure.median)}{unit}",
        spread,
        _MARKS[figure.verdict],
    )


def number(value: float) -> str:
    """Three digits that matter, and thousands apart: 0.042, 4.27, 68.3, 5 400."""
    if value == int(value) or abs(value) >= 100:
        return f"{round(value):,}".replace(",", " ")
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def local_path(document: dict[str, Any]) -> Path:
    """Where the results of a run are kept when nobody named a file; git ignores the folder."""
    stamp = str(document["measured_at"]).replace(":", "")
    return _LOCAL / f"{stamp}-{document['size']}.json"


def write_results(path: Path, document: dict[str, Any]) -> None:
    """Write a results file; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
