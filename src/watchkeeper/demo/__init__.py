"""Data that nobody lived: a family to try the service with, and households for load tests.

Demo data are the same every time, relative to the day on which they are made. Load-test households
are made in bulk. Both are marked, so that they can be told from real ones.
"""
