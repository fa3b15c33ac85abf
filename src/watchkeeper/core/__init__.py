"""The floor that every domain stands on: database, clock, problems, caches, metrics."""
