"""Watchkeeper keeps children's viewing time fair, and helps the families who use it."""

from importlib.metadata import version

__version__ = version("watchkeeper")
