"""The use cases of accounts: load, decide, store, announce. `Accounts` puts them together."""

from watchkeeper.accounts.service.audit_trail import AuditTrail
from watchkeeper.accounts.service.confirmation import Confirmation
from watchkeeper.accounts.service.deletion import Deletions
from watchkeeper.accounts.service.devices import Devices
from watchkeeper.accounts.service.guardians import Guardians
from watchkeeper.accounts.service.limits import CallLimits
from watchkeeper.accounts.service.notifications import Notifications
from watchkeeper.accounts.service.pin_checks import PinChecks
from watchkeeper.accounts.service.pins import Pins
from watchkeeper.accounts.service.profiles import Profiles
from watchkeeper.accounts.service.registration import Registration
from watchkeeper.accounts.service.sign_ins import SignIns
from watchkeeper.accounts.service.users import Users, hasher_of
from watchkeeper.core.config import SecuritySettings
from watchkeeper.core.floor import Floor


class Accounts:
    """All use cases of one service; `app.state.accounts`."""

    def __init__(self, floor: Floor, settings: SecuritySettings) -> None:
        hasher = hasher_of(floor)
        limits = CallLimits(settings)
        confirmation = Confirmation(floor, hasher, limits)
        self.hasher = hasher
        self.users = Users(floor, hasher)
        self.sign_ins = SignIns(floor, settings, hasher, limits, confirmation)
        self.registration = Registration(floor, hasher, limits, self.sign_ins)
        self.guardians = Guardians(floor, hasher, limits, self.sign_ins)
        self.audit_trail = AuditTrail(floor)
        self.profiles = Profiles(floor)
        self.deletions = Deletions(floor, limits, confirmation)
        self.devices = Devices(floor, limits)
        self.notifications = Notifications(floor)
        self.pin_checks = PinChecks(floor, hasher)
        self.pins = Pins(floor, hasher, self.pin_checks, confirmation)


__all__ = ["Accounts"]
