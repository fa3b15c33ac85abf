"""Whether the file of keys and pepper is there, whole, and nobody else's to read."""

import asyncio

from watchkeeper.core.secrets import SecretsError, load_or_create_secrets
from watchkeeper.doctor.findings import Finding, Verdict, well
from watchkeeper.doctor.subject import Subject

NAME = "secrets_file"


async def check_secrets_file(subject: Subject) -> Finding:
    """Fault when it can't be used, or is missing where PINs and devices depend on it.

    Nothing is made: a missing file is made by the service's first start. Cost: 2 statements.
    """
    path = subject.secrets_file
    if not await asyncio.to_thread(path.exists):
        (row,) = await subject.read("depends_on_secrets")
        if not row.is_needed:
            return well(NAME, f"{path} will be made at the first start.")
        return Finding(
            NAME,
            Verdict.FAULT,
            f"{path} is missing: all PINs are wrong without it, and devices must be paired again.",
            advice="Bring it back from a back-up before the service is started, or set "
            "WATCHKEEPER_SECURITY_SECRETS_FILE to where it is.",
        )
    try:
        await asyncio.to_thread(load_or_create_secrets, path)
    except SecretsError as error:
        return Finding(
            NAME,
            Verdict.FAULT,
            f"{str(error).rstrip('.')}.",
            advice=f"Run: chmod 600 '{path}', and bring it back from a back-up if it is damaged.",
        )
    return well(NAME, f"{path} is whole, and only its owner can read it.")
