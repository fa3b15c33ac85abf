"""Players and media servers that send heartbeats on behalf of programs that can't.

A bridge uses the public client alone, like any player of somebody else. Words: a *bridge* watches
a program, *holds* it while it may not play, and lets it go on.
"""
