"""The routes of accounts, mounted under ``/api/v1``."""

from watchkeeper.accounts.router import auth, devices, households, notifications, pin, profiles

routers = (
    auth.router,
    profiles.router,
    devices.router,
    pin.router,
    households.router,
    notifications.router,
)

__all__ = ["routers"]
