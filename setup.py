"""Builds lgc's wheel: which modules it holds, and the native runtime.

``LGC_NATIVE=0`` leaves the runtime interpreted and ``LGC_NATIVE=1`` insists on the native one.
Unset, the runtime is native wherever a C compiler is found. Everything else is in pyproject.toml.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent

# What of lgc.runtime is compiled with mypyc: folders, files of the top level, and the files of
# those folders that stay interpreted; each of them says why.
NATIVE = (
    "channels",
    "checkpointing",
    "constants.py",
    "drivers",
    "engine",
    "ids.py",
    "serde",
    "start.py",
    "streaming",
    "upstream.py",
)
INTERPRETED = (
    "checkpointing/model.py",
    "checkpointing/replay.py",
    "checkpointing/state_snapshots.py",
    "checkpointing/state_updates.py",
    "drivers/aio.py",
    "drivers/async_calls.py",
    "drivers/async_fast_path.py",
    "drivers/awaitables.py",
    "drivers/batch.py",
    "drivers/operations.py",
    "drivers/thread_pool.py",
    "drivers/timed_attempt.py",
    "serde/allowlist.py",
    "serde/encrypted.py",
    "serde/ormsgpack_codec.py",
    "serde/serializer.py",
    "streaming/subgraph_forwarding.py",
)
ALSO_NATIVE = ("config/tracing.py", "public/messages.py", "public/wrapped_values.py")

# The modules of the root directory that belong to the package; the rest are scripts like this one.
ROOT_MODULES = {"__init__", "__main__", "backend", "caches", "cli", "savers", "serde"}

# The commands that produce extension modules. An editable install is none of them: a compiled
# module beside its source would hide every later edit. Neither is reading the metadata.
BUILD_COMMANDS = {"bdist_wheel", "build", "build_ext", "install"}

HOW_TO_AVOID = "LGC_NATIVE=0 installs the interpreted runtime instead."


class PackageModules(build_py):
    """``build_py`` that keeps the root directory's own scripts out of the package."""

    def find_package_modules(self, package: str, package_dir: str) -> list[tuple[str, str, str]]:
        """Return (package, module, file) for every module of ``package`` that ships."""
        found = super().find_package_modules(package, package_dir)
        return [module for module in found if package != "lgc" or module[1] in ROOT_MODULES]


class NativeRuntime(build_ext):
    """``build_ext`` that says how to do without when the C compiler fails."""

    def run(self) -> None:
        """Compile the extension modules; exits with a message if that fails."""
        try:
            super().run()
        except Exception as error:
            sys.exit(f"lgc: compiling the native runtime failed: {error}\n{HOW_TO_AVOID}")


def native_wanted(find_compiler: Any) -> bool:
    """Return whether this command builds the native runtime; prints why if it could but does not.

    Exits if ``LGC_NATIVE=1`` asks for it and there is no C compiler.
    """
    mode = os.environ.get("LGC_NATIVE", "")
    if mode not in ("", "0", "1"):
        sys.exit(f"lgc: LGC_NATIVE must be 0, 1 or unset, not {mode!r}")
    if not BUILD_COMMANDS.intersection(sys.argv):
        return False
    if mode == "0":
        print("lgc: LGC_NATIVE=0, the runtime will be interpreted")
        return False
    if find_compiler() is None:
        missing = "no C compiler with Python's headers was found"
        if mode == "1":
            sys.exit(f"lgc: LGC_NATIVE=1, but {missing}. {HOW_TO_AVOID}")
        print(f"lgc: {missing}, the runtime will be interpreted")
        return False
    return True


def native_files(runtime: Path) -> list[str]:
    """Return the files of the runtime that are compiled, as paths below ``runtime``."""
    found = [name for name in (*NATIVE, *ALSO_NATIVE) if name.endswith(".py")]
    for folder in NATIVE:
        found += [f"{folder}/{path.name}" for path in (runtime / folder).glob("*.py")]
    return sorted(name for name in found if name not in INTERPRETED)


def native_extensions() -> list[Any]:
    """Return the extension modules of the native runtime, or none if it is not wanted here.

    mypy names modules by their directories, so it works on a staged copy in which the package
    directory is called ``lgc``. It reads the interpreted modules there too, for their types.
    """
    native = runpy.run_path(str(ROOT / "compiler" / "native.py"))
    if not native_wanted(native["find_compiler"]):
        return []
    work = ROOT / "build" / "native"
    shutil.rmtree(work, ignore_errors=True)
    runtime = work / "stage" / "lgc" / "runtime"
    runtime.mkdir(parents=True)
    shutil.copy(ROOT / "__init__.py", runtime.parent)
    for source in (ROOT / "runtime").rglob("*.py"):
        target = runtime / source.relative_to(ROOT / "runtime")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(source, target)

    modules = [f"lgc/runtime/{name}" for name in native_files(ROOT / "runtime")]
    options = [
        "--config-file=",
        "--explicit-package-bases",
        "--no-site-packages",  # the same types whatever else is installed
        "--follow-imports=silent",
        "--ignore-missing-imports",
    ]
    os.environ.pop("MYPYPATH", None)
    os.chdir(work / "stage")  # mypyc puts the paths it is given into tracebacks
    try:
        extensions: list[Any] = native["mypyc_extensions"](
            [*options, *modules], target_dir=str(work / "c"), group_name="lgc"
        )
    except SystemExit:
        sys.exit(f"lgc: mypyc cannot compile the native runtime, see above. {HOW_TO_AVOID}")
    finally:
        os.chdir(ROOT)
    return extensions


setup(
    cmdclass={"build_py": PackageModules, "build_ext": NativeRuntime},
    ext_modules=native_extensions(),
)
