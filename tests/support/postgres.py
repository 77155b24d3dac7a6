"""Runs a command with a throw-away PostgreSQL: `postgres.py COMMAND [ARGUMENT...]`.

The command finds the server in LGC_POSTGRES, a connection string. The cluster lives in a temporary
directory, listens on a socket in it and nowhere else, and is gone afterwards, however that ended.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

VARIABLE = "LGC_POSTGRES"
"""The environment variable with the connection string."""

# Nothing of it has to survive a crash.
_SETTINGS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


def binaries() -> Path:
    """The directory of PostgreSQL's programs; installs them where that can be done.

    Raises:
        SystemExit: they are missing, and this is not root on Debian or a relative of it.
    """
    directory = _installed()
    if directory is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
            subprocess.run(["apt-get", "-qq", *arguments], env=environment, check=True)
        directory = _installed()
    if directory is None:
        sys.exit("PostgreSQL is missing: install its server (initdb, pg_ctl) and try again")
    return directory


def _installed() -> Path | None:
    """The directory of the newest `initdb`: Debian keeps its versions off the PATH."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = sorted(versions, key=lambda path: float(path.parts[-3]))
    directory = shutil.which("initdb")
    return newest[-1].parent if newest else Path(directory).resolve().parent if directory else None


def _somebody() -> dict[str, Any]:
    """Who runs the server: the server refuses to be root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@contextmanager
def server() -> Iterator[str]:
    """A server for the time of the block; gives its connection string.

    Raises:
        SystemExit: there is no PostgreSQL.
        subprocess.CalledProcessError: it does not start; what it said is on stderr.
    """
    programs, somebody = binaries(), _somebody()
    # The path of a socket has to be short, which the default directory is not everywhere.
    home = Path(mkdtemp(prefix="lgc-pg-", dir="/tmp"))
    data, log = home / "data", home / "log"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), "-D", str(data), *arguments]
        subprocess.run(command, cwd=home, stdout=subprocess.DEVNULL, check=True, **somebody)

    try:
        if somebody:
            os.chown(home, somebody["user"], somebody["group"])
        run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        settings = ("listen_addresses=", f"unix_socket_directories={home}", *_SETTINGS)
        options = " ".join(f"-c {setting}" for setting in settings)
        try:
            run("pg_ctl", "-w", "-l", str(log), "-o", options, "start")
        except subprocess.CalledProcessError:
            sys.stderr.write(log.read_text() if log.exists() else "")
            raise
        yield f"host={home} user=postgres dbname=postgres"
    finally:
        if (data / "postmaster.pid").exists():
            run("pg_ctl", "-m", "immediate", "stop")
        shutil.rmtree(home)


def main(command: list[str]) -> int:
    """Runs `command` with a server; its exit status."""
    if not command:
        sys.exit(__doc__)
    # The default action would leave the server behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with server() as dsn:
        return subprocess.run(command, env={**os.environ, VARIABLE: dsn}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
