"""`python -m lgc`, and what the script `lgc` starts.

`lgc --version` imports nothing more, and without the extra `compiler` one sentence says so.
"""

from __future__ import annotations

import sys

from lgc import __version__


def main() -> None:
    """The command line; exits with 2 when the compiler is not installed."""
    if sys.argv[1:] == ["--version"]:
        print(f"lgc, version {__version__}")
        return
    from lgc.compiler.requirements import missing_extra

    problem = missing_extra()
    if problem:
        print(f"lgc: {problem}", file=sys.stderr)
        sys.exit(2)
    from lgc.cli import main as command_line

    command_line(prog_name="lgc")


if __name__ == "__main__":
    main()
