"""How the embedded server is set up: a household's machine, and honest benches on a laptop."""

from dataclasses import dataclass
from pathlib import Path

from watchkeeper.core.embedded.folder import DataFolder

SUPERUSER = "postgres"
SERVICE_ROLE = "watchkeeper"
DATABASE = "watchkeeper"
PORT = 5432  # Only part of the socket's name: nothing listens on a network.


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """Settings of the embedded PostgreSQL, passed on its command line at every start.

    So a new release changes them without editing files of a cluster.
    """

    data_dir: Path
    # A pool of 30 in each of up to three processes, and commands beside them.
    max_connections: int = 100
    # A household's data fits; small enough for a machine with 1 GB.
    shared_buffers_mb: int = 128
    # Rare checkpoints under load, and recovery that still takes seconds.
    max_wal_size_mb: int = 1024
    # Per log file; with `LOG_FILES_KEPT` of them this bounds the log folder.
    log_file_kb: int = 10_240
    # False only for clusters of tests, whose loss in a power cut doesn't matter.
    durable: bool = True

    def arguments(self, folder: DataFolder, socket_folder: Path) -> list[str]:
        """The server's command line."""
        options = {
            "cluster_name": folder.cluster_name,
            **self._connections(socket_folder),
            **self._storage(),
            **self._logging(folder),
            "timezone": "UTC",
            # Short queries: compiling them costs more than it saves.
            "jit": "off",
            # Benches and the metrics count statements with it.
            "shared_preload_libraries": "pg_stat_statements",
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return ["-D", str(folder.pgdata), *settings]

    def _connections(self, socket_folder: Path) -> dict[str, str]:
        return {
            "listen_addresses": "",
            "port": str(PORT),
            # A list for PostgreSQL: quoted, so that a comma doesn't split the path.
            "unix_socket_directories": f'"{socket_folder}"',
            "unix_socket_permissions": "0700",
            "max_connections": str(self.max_connections),
            "password_encryption": "scram-sha-256",
        }

    def _storage(self) -> dict[str, str]:
        switch = "on" if self.durable else "off"
        return {
            "shared_buffers": f"{self.shared_buffers_mb}MB",
            "max_wal_size": f"{self.max_wal_size_mb}MB",
            "wal_compression": "on",
            "fsync": switch,
            # Also in tests: what was committed outlives a killed server, if not a power cut.
            "synchronous_commit": "on",
            "full_page_writes": switch,
        }

    def _logging(self, folder: DataFolder) -> dict[str, str]:
        return {
            "logging_collector": "on",
            "log_directory": str(folder.logs),
            "log_filename": "postgresql-%Y-%m-%d_%H%M%S.log",
            "log_rotation_age": "1d",
            "log_rotation_size": f"{self.log_file_kb}kB",
            "log_timezone": "UTC",
            # Starts, stops, recovery and what ends a connection. Failed statements are reported
            # to the service, which logs them without the personal data that they may hold.
            "log_min_messages": "log",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
        }
