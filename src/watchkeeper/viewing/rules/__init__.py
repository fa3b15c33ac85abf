"""The rules of viewing time: pure decisions without I/O, clock or chance.

Callers use ``settlement`` (heartbeats, end of a session, silence), ``decision`` (what is allowed
now), ``days`` (the chain of viewing days) and ``ledger`` (grants). The other modules are their
parts: ``credit`` says how much a heartbeat may charge, ``placement`` where the charge lies,
``booking`` writes it into days, slices and the session, ``unreported`` settles time that nobody
reported, ``cadence`` says when the next heartbeat is due.
"""
