"""A body that is accepted, for every call that takes one; see `People.filled` for placeholders."""

from typing import Any

from tests.harness.family import PASSWORD, PIN

CHILD = "/parental-controls/profiles/{child}"
BODIES: dict[str, dict[str, Any]] = {
    "POST /auth/register": {
        "email": "new{number}@example.com",
        "password": PASSWORD,
        "household_name": "New",
        "timezone": "Europe/Madrid",
    },
    "POST /auth/login": {"email": "{email}", "password": PASSWORD},
    "POST /auth/refresh": {"refresh_token": "{refresh_token}"},
    "POST /auth/logout": {"refresh_token": "{refresh_token}"},
    # With the right one, the sign-ins of all the others would end.
    "POST /auth/password": {"current_password": "not this one", "new_password": PASSWORD},
    "POST /profiles": {"name": "Mia {number}"},
    "PATCH /profiles/{child}": {"name": "Noa {number}"},
    "POST /devices/pairing-codes": {"profile_id": "{child}"},
    "POST /devices/pair": {
        "code": "{code}",
        "device_id": "new-{number}",
        "device_type": "tablet",
    },
    "POST /households/invitations": {"email": "asked{number}@example.com"},
    "POST /households/invitations/accept": {"code": "{invitation_code}", "password": PASSWORD},
    # With the right one there would be no household left to ask about.
    "POST /households/deletion": {"password": "not this one"},
    "POST /parental-controls/pin": {"new_pin": PIN, "current_pin": PIN},
    "POST /parental-controls/pin/verify": {"pin": PIN},
    "POST /parental-controls/pin/reset": {"password": PASSWORD, "new_pin": PIN},
    "PUT /titles/{title}": {"name": "Film {number}", "is_educational": True},
    "POST /titles/batch": {
        "titles": [{"source": "test", "external_id": "{number}", "name": "Film"}]
    },
    "POST /viewing-time/heartbeat": {
        "profile_id": "{child}",
        "device_id": "{device_id}",
        "device_type": "tablet",
        "title_ref": {"source": "test", "id": "{number}", "name": "Film"},
    },
    "POST /viewing-time/requests": {"profile_id": "{quiet_child}", "minutes": 30},
    "POST /viewing-time/requests/{request}/answer": {"decision": "approve", "minutes": 5},
    "PUT /parental-controls/titles/{own_title}": {"counts": "always"},
    f"PUT {CHILD}/viewing-time": {"weekday_limit_minutes": 60},
    f"PUT {CHILD}/overrides/{{date}}": {"limit_minutes": 240},
    f"POST {CHILD}/viewing-time/grant": {"minutes": 5},
    f"POST {CHILD}/viewing-time/grant (PIN)": {"minutes": 5, "pin": PIN},
}
