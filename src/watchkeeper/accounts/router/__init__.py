"""The routes of accounts, mounted under ``/api/v1``."""

from watchkeeper.accounts.router import auth, devices, households, pin, profiles

routers = (auth.router, profiles.router, devices.router, pin.router, households.router)

__all__ = ["routers"]
