"""The command `watchkeeper`.

Exit codes: 0 done, 1 failed (with one clear line for each fault on standard error), 2 wrong use.
The modules behind the commands are imported when they run, so that help answers at once.
"""

import sys

from watchkeeper.cli.commands import app
from watchkeeper.cli.failures import explain


def main() -> None:
    """Run a command line; the entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        lines = explain(error)
        if lines is None:
            raise
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.exit(1)
