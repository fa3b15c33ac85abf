"""Privacy: what families may have of what is kept about them, and what is forgotten in time.

It owns no tables. It knows what every domain has declared in its ``personal_data.py`` and works
on all of it alike: an *export* shows it, *retention* forgets what is old. Deletion itself belongs
to accounts, and each domain reacts to it (`subscribers`).
"""
