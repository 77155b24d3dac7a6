"""lgc.compiler.native: one generated module, built for real, and the ways that can fail."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lgc.compiler import native

HASH = "0123456789abcdef" * 2
# `NEIGHBOUR` is 48 digits long, and the byte in which mypyc stores that length reads "0".
MODULE = f'''\
"""A module shaped like a generated one."""

from __future__ import annotations

from typing import Any

from lgc_native_user import Policy, double, later
from lgc_native_user.missing_stub import anything

BODY = "lgc-body:{HASH}"
NEIGHBOUR = "{"ab" * 24}"
NODES: tuple[Any, ...] = (("double", double, Policy(3)), ("later", later, anything))


def node_double(values: list[Any]) -> Any:
    result = double(values[0])
    result.append(None)
    return result


def apply(values: list[Any], writes: list[Any]) -> list[Any]:
    out = list(values)
    for index, value in writes:
        out[index] = value
    return out


def fail() -> Any:
    raise ValueError("from compiled code")
'''
# Declares a type that the generated module's use of it contradicts.
USER = """\
import sys

SEEN_AT_IMPORT = "lgc_native_case" in sys.modules


class Policy:
    def __init__(self, attempts: str) -> None:
        self.attempts = attempts


def double(x: int) -> int:
    return [x, x]


async def later(state):
    return state
"""

needs_compiler = pytest.mark.skipif(native.find_compiler() is None, reason="no C compiler")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A root with the user's package and `generated/lgc_native_case`, built; what it printed."""
    root = tmp_path_factory.mktemp("root")
    user = root / "lgc_native_user"
    user.mkdir()
    (user / "__init__.py").write_text(USER)
    (user / "missing_stub.py").write_text("anything = 7\n")
    generated = root / "generated"
    generated.mkdir()
    (generated / "__init__.py").touch()
    source = generated / "lgc_native_case.py"
    source.write_text(MODULE)
    lines: list[str] = []
    with native.building(
        source, "lgc_native_case", opt_level="0", shown_in="generated", on_line=lines.append
    ) as built:
        shutil.move(built, generated / built.name)
        folder = built.parent
    assert not folder.exists()
    return root, lines


@pytest.fixture
def module(build: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The built module, imported from a package it was not compiled in."""
    monkeypatch.syspath_prepend(str(build[0]))
    yield importlib.import_module("generated.lgc_native_case")


@needs_compiler
class TestBuilding:
    def test_result_is_native_and_runs(self, module: ModuleType) -> None:
        assert Path(module.__file__ or "").suffix in (".so", ".pyd")
        assert type(module.apply).__name__ == "builtin_function_or_method"
        assert module.apply([1, 2], [(1, "x")]) == [1, "x"]

    def test_module_belongs_to_the_package_it_is_imported_from(self, module: ModuleType) -> None:
        assert module.__name__ == "generated.lgc_native_case"
        assert module.__package__ == "generated"
        assert module.apply.__module__ == "generated.lgc_native_case"
        assert sys.modules["generated.lgc_native_case"] is module
        assert "lgc_native_case" not in sys.modules
        assert not sys.modules["lgc_native_user"].SEEN_AT_IMPORT

    def test_user_code_is_not_type_checked(self, module: ModuleType) -> None:
        assert module.node_double([2]) == [2, 2, None]
        assert [name for name, *_ in module.NODES] == ["double", "later"]

    def test_traceback_shows_source_line(
        self,
        module: ModuleType,
        build: tuple[Path, list[str]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(build[0])
        with pytest.raises(ValueError) as caught:
            module.fail()
        frame = traceback.extract_tb(caught.tb)[-1]
        assert Path(frame.filename) == Path("generated", "lgc_native_case.py")
        assert frame.line == 'raise ValueError("from compiled code")'

    def test_progress_lines_are_passed_on(self, build: tuple[Path, list[str]]) -> None:
        assert any("lgc_native_case" in line for line in build[1])

    @pytest.mark.skipif(os.name != "posix", reason="cl has other levels")
    def test_optimises_no_more_than_pays(self, tmp_path: Path) -> None:
        source = tmp_path / "plain.py"
        source.write_text("X = 1\n")
        lines: list[str] = []
        with native.building(source, "plain", on_line=lines.append):
            pass
        levels = [re.findall(r" -O(\w+)", line) for line in lines if " -c " in line]
        assert {found[-1] for found in levels if found} == {"1"}, lines

    def test_failed_import_leaves_no_module_behind(
        self, build: tuple[Path, list[str]], tmp_path: Path
    ) -> None:
        package = tmp_path / "elsewhere"
        package.mkdir()
        for file in (build[0] / "generated").iterdir():
            if file.suffix != ".py":
                shutil.copy(file, package)
        script = (
            "import sys, lgc_native_case_marker as sentinel\n"
            "sys.modules['lgc_native_case'] = sentinel\n"
            "for attempt in range(2):\n"
            "    try:\n"
            "        import elsewhere.lgc_native_case\n"
            "    except ModuleNotFoundError as error:\n"
            "        print(error.name, 'elsewhere.lgc_native_case' in sys.modules,\n"
            "              sys.modules['lgc_native_case'] is sentinel)\n"
        )
        (tmp_path / "lgc_native_case_marker.py").touch()
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.stdout.splitlines() == ["lgc_native_user False True"] * 2, done.stderr

    def test_type_error_is_reported_with_its_line(self, tmp_path: Path) -> None:
        source = tmp_path / "wrong.py"
        source.write_text('x: int = "one"\n')
        with (
            pytest.raises(native.NativeError, match=r"wrong\.py:1: error: Incompatible") as caught,
            native.building(source, "wrong"),
        ):
            pass
        assert 'expression has type "str"' in caught.value.log

    def test_build_ignores_settings_of_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "mypy.ini").write_text("[mypy]\ndisallow_any_explicit = true\n")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MYPYPATH", str(tmp_path))
        source = tmp_path / "types_loose.py"
        source.write_text("from typing import Any\n\nx: Any = 1\n")
        with native.building(
            source, "types_loose", opt_level="0", shown_in="out/not-a-module"
        ) as built:
            assert built.is_file()

    @pytest.mark.parametrize("folder", ["/tmp", "../out"])
    def test_folder_to_show_must_be_below_the_root(self, folder: str, tmp_path: Path) -> None:
        with (
            pytest.raises(ValueError, match="shown_in"),
            native.building(tmp_path / "any.py", "any", shown_in=folder),
        ):
            pass


class TestWithoutTools:
    def test_no_compiler(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CC", str(tmp_path / "no-such-cc"))
        assert native.find_compiler() is None
        with (
            pytest.raises(native.NativeError, match=r"no C compiler.*--no-native") as caught,
            native.building(tmp_path / "any.py", "any"),
        ):
            pass
        assert caught.value.log == ""

    @pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the compiler")
    @pytest.mark.parametrize(("code", "usable"), [(0, True), (1, False)])
    def test_compiler_must_run(
        self, code: int, usable: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiler = tmp_path / "cc"
        compiler.write_text(f"#!/bin/sh\nexit {code}\n")
        compiler.chmod(0o755)
        monkeypatch.setenv("CC", f"{compiler} -m64")
        if native.find_compiler() is None and usable:
            pytest.skip("Python's headers are not installed")
        assert native.find_compiler() == (str(compiler) if usable else None)

    def test_no_mypyc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(native, "find_compiler", lambda: "cc")
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with (
            pytest.raises(native.NativeError, match=r"mypyc and setuptools.*lgc\[compiler\]"),
            native.building(tmp_path / "any.py", "any"),
        ):
            pass


class TestMarker:
    @needs_compiler
    def test_of_a_real_build(self, build: tuple[Path, list[str]]) -> None:
        (built,) = (file for file in (build[0] / "generated").iterdir() if file.suffix != ".py")
        assert native.embedded_marker(built, b"lgc-body:") == HASH
        assert native.embedded_marker(built, b"lgc-other:") is None

    @pytest.mark.parametrize(
        ("constant", "found"),
        [
            (b"lgc-body:" + b"a" * 16, "a" * 16),
            (b"lgc-body:" + b"a" * 64, "a" * 64),
            (b"lgc-body:" + b"a" * 15, None),
            (b"lgc-body:" + b"a" * 65, None),
            (b"lgc-body:" + b"A" * 16, None),
            (b"lgc-body:" + b"a" * 16 + b" and more", None),
        ],
    )
    def test_bounds(self, constant: bytes, found: str | None, tmp_path: Path) -> None:
        file = tmp_path / "fake.so"
        # The constant follows its length, and its neighbour's length byte is the digit "0".
        file.write_bytes(b"\x01" + bytes([len(constant)]) + constant + b"0" + b"b" * 48)
        assert native.embedded_marker(file, b"lgc-body:") == found
