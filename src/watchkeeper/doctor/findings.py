"""What a check found, and what all of them come to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How bad a finding is; only faults make the command fail."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check.

    `found` is a sentence with the counts, `examples` name some of the cases by id and never by
    name, `advice` is one sentence with the command, where there is one; None when all is well.
    """

    check: str
    verdict: Verdict
    found: str
    examples: tuple[str, ...] = ()
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings of one examination, in the order of the checks."""

    findings: Sequence[Finding] = field(default_factory=tuple)

    @property
    def verdict(self) -> Verdict:
        """The worst one."""
        verdicts = {finding.verdict for finding in self.findings}
        for verdict in (Verdict.FAULT, Verdict.WARNING):
            if verdict in verdicts:
                return verdict
        return Verdict.OK

    def of(self, verdict: Verdict) -> list[Finding]:
        """The findings with this verdict."""
        return [finding for finding in self.findings if finding.verdict is verdict]


def well(check: str, found: str) -> Finding:
    """A finding without fault."""
    return Finding(check, Verdict.OK, found)


def counted(number: int, one: str, many: str) -> str:
    """A number with its noun: `1 session`, `2,000 sessions`."""
    return f"{number:,} {one if number == 1 else many}"
