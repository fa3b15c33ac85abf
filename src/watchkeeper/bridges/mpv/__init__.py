"""The bridge to mpv: counts what mpv plays, warns on its screen, and holds it when time is up.

mpv is reached over its JSON IPC (`mpv --input-ipc-server=PATH`). The bridge survives restarts of
mpv and of the service.
"""
