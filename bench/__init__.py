"""Benches: what Watchkeeper's budgets ask for, measured on the machine at hand.

`python -m bench [quick | full | SCENARIO…]` starts a service of its own on a fresh data folder,
puts load on it from another process, prints what must be, what is aimed for and what was measured,
and leaves nothing behind. Timings are printed with a mark and never fail a run.
"""
