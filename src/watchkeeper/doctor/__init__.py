"""The doctor: looks at a database and the machine under it, and says what to do.

It changes nothing. A *check* answers one question with a *finding*: a verdict, what was found with
examples by id, and one sentence about what to do. It reads the tables as they lie, with SQL of its
own, and calls none of the rules that wrote them: a check that shares code with what it checks
shares its bugs (ADR 22).
"""
