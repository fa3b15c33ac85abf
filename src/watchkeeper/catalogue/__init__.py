"""Titles and their classification: what may be played without using a child's allowance.

A *title* is known by its id or by its *reference*, the pair (source, external id) that a player
uses. *Global* titles are written by administrators and seen by everyone; a reference that a
household's player mentions and nobody knows becomes a title of that household alone, unclassified.
"""
