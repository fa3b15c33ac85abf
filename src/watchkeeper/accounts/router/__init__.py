"""The routes of accounts, mounted under ``/api/v1``."""

from watchkeeper.accounts.router import auth, devices, pin, profiles

routers = (auth.router, profiles.router, devices.router, pin.router)

__all__ = ["routers"]
