"""Refusals of the catalogue."""

from watchkeeper.core.problems import Conflict


class TitleTaken(Conflict):
    """Somebody else added a title with the same reference at the same moment."""

    type = "catalogue/title-taken"
    title = "That title was just added by somebody else"
    default_detail = "Somebody else just added one of these titles. Please try again."
