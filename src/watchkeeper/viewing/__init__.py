"""Viewing time: who watched how long, what the day still permits, and what a player is told.

A *heartbeat* says what a player did since its last one; the rules turn it into *credit*, lay the
credit into *viewing days* and *slices*, and only then decide. A *grant* changes what a day permits
and never what was watched.
"""
