"""Simulated players: a household's day against a running service, judged by what was watched.

Each player is the client that real players use, on a network that loses, repeats and delays. A
*stopwatch* measures what a player really played, a *wire* notes what reached the service, and the
*bounds* of a child say what may be charged for that; nothing of the service's own rules is used.
"""
