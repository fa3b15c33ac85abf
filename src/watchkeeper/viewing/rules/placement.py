"""Where credit lies in time, so that it can be split at every edge.

Source: viewing time, section 3 ("credit lies against the end of the chargeable part").
"""

from collections.abc import Sequence

from watchkeeper.viewing.rules.credit import Claim
from watchkeeper.viewing.rules.instants import Span, merge_spans


def place_claims(
    claims: Sequence[Claim], stretch: Span, permitted: Sequence[Span]
) -> tuple[Span, ...]:
    """The time that ``claims`` (latest first) charge, in order.

    Each lies as late as it may inside ``stretch`` and inside ``permitted`` (ordered spans in
    which play is charged). Only what exceeds the elapsed time may lie before the stretch: credit
    that a lock or the end of a window cuts off isn't charged at all.
    """
    placed: list[Span] = []
    cursor = stretch.end
    for claim in claims:
        cursor = min(cursor, claim.latest_end)
        spans = _fill_backwards(claim.amount_ms, Span(stretch.start, cursor), permitted)
        cursor = spans[-1].start if spans else cursor
        placed += spans
    excess_ms = sum(claim.amount_ms for claim in claims) - stretch.length_ms
    if excess_ms > 0 and permitted:
        before = Span(permitted[0].start, stretch.start)
        placed += _fill_backwards(excess_ms, before, permitted)
    return merge_spans(placed)


def _fill_backwards(amount_ms: int, within: Span, permitted: Sequence[Span]) -> list[Span]:
    """At most ``amount_ms`` of the permitted time of ``within``, from its end, latest first."""
    spans: list[Span] = []
    for opening in reversed(permitted):
        open_part = opening.overlap(within)
        taken_ms = min(amount_ms, open_part.length_ms)
        if taken_ms:
            spans.append(Span(open_part.end - taken_ms, open_part.end))
            amount_ms -= taken_ms
    return spans
