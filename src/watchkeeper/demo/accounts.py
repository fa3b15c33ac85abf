"""Who signs in to the demo; everybody may know these passwords."""

PASSWORD = "watchkeeper-demo"  # noqa: S105 - published on purpose
PIN = "1234"
GUARDIAN = "parent@example.com"
STAFF = {
    "agent": "agent@example.com",
    "supervisor": "supervisor@example.com",
    "admin": "admin@example.com",
}

DEMO_ACCOUNTS_ADDED = "demo_accounts_added"
"""The channel on which running services hear that demo accounts exist from now on."""


def sign_in_lines() -> list[str]:
    """The demo sign-ins, for a terminal."""
    people = [(GUARDIAN, f"guardian of the family, PIN {PIN}")]
    people += [(email, role) for role, email in STAFF.items()]
    return [f"  {email:<24} {PASSWORD}   ({what})" for email, what in people]
