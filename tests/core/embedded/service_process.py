"""A service that does nothing but run its database: a process that tests can kill.

Usage: service_process.py DATA_DIR [UID], as a module. With UID, root becomes that user first.
It writes one line of JSON when the database is ready, or the sentence of an `EmbeddedError`.
"""

import asyncio
import codecs
import json
import os
import signal
import sys
from pathlib import Path

import asyncpg

from watchkeeper.core.embedded import EmbeddedError, EmbeddedServer


async def serve(data_dir: Path) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    try:
        server = await EmbeddedServer.start(data_dir)
    except EmbeddedError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        sys.exit(1)
    connection = await asyncpg.connect(server.dsn)
    await connection.close()
    watching = asyncio.create_task(server.watch())
    print(json.dumps({"pid": server.pid, "dsn": server.dsn}), flush=True)
    await stopped.wait()
    await server.stop()
    await watching


async def warm_up() -> None:
    """Import what Python imports late: the user may be unable to read the installation."""
    for encoding in ("ascii", "idna"):
        codecs.lookup(encoding)
    process = await asyncio.create_subprocess_exec("/bin/true", stdout=asyncio.subprocess.PIPE)
    await process.communicate()
    await asyncio.to_thread(os.getpid)
    try:
        await asyncpg.connect("postgresql://a:b@/c?host=/nowhere")
    except OSError:
        return


if __name__ == "__main__":
    if len(sys.argv) > 2:
        asyncio.run(warm_up())
        os.setgroups([])
        os.setgid(int(sys.argv[2]))
        os.setuid(int(sys.argv[2]))
    asyncio.run(serve(Path(sys.argv[1])))
