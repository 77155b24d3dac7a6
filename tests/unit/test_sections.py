"""Every `§` in code and documents leads to a heading of a document that is in the repository.

A reference names its document: "spec §4.6" is docs/semantics.md, "architecture §3" is
docs/architecture.md. More numbers may follow, as in "spec §4.5-§4.8, §4.12". Within a document one
without a name is to the document itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = {
    "spec": "docs/semantics.md",
    "specification": "docs/semantics.md",
    "semantics": "docs/semantics.md",
    "architecture": "docs/architecture.md",
    "design": "",
}
"""The word before a number, and what it names; "" is no document of the repository."""

_LEFT_OUT = re.compile(r"\.|build$|__pycache__$|.*\.egg-info$")
_NUMBER = r"§\s?(\d+(?:\.\d+)*)"
# A comment's line begins with a "#", wherever the reference is broken.
_REFERENCES = re.compile(
    rf"(?:\b(?P<word>\w+)[,(]?[\s#(]+)?(?P<numbers>{_NUMBER}(?:[\s#,;–-]+(?:and\s+)?{_NUMBER})*)"
)
_HEADING = re.compile(r"^#+\s+(\d+(?:\.\d+)*)\b", re.MULTILINE)
_TRAP = re.compile(r"\bspec, traps? (\d+)")


def files() -> Iterator[Path]:
    """The Python files, templates and documents of the checkout but this one."""
    for top in sorted(ROOT.iterdir()):
        if not _LEFT_OUT.match(top.name):
            below = sorted(top.rglob("*")) if top.is_dir() else [top]
            below = [path for path in below if path.suffix in (".py", ".j2", ".md")]
            yield from (path for path in below if path.name != Path(__file__).name)


@cache
def headings(document: str) -> frozenset[str]:
    """The numbers of a document's headings; none when there is no such document."""
    path = ROOT / document
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return frozenset(_HEADING.findall(text))


def references(text: str, own: str = "") -> Iterator[tuple[int, str, str]]:
    """The line, the document and the number of every reference.

    Args:
        text: of a file.
        own: the document that a reference without a name is to. Where that is "", the word
            before the number stands for the document, unknown as it is.
    """
    for match in _REFERENCES.finditer(text):
        line = text.count("\n", 0, match.start("numbers")) + 1
        word = (match["word"] or "").lower()
        document = DOCUMENTS.get(word, own or word)
        for number in re.findall(_NUMBER, match["numbers"]):
            yield line, document, number


def dead() -> Iterator[str]:
    """Every reference that leads nowhere, to a document outside of the repository among them."""
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text(encoding="utf-8")
        for line, document, number in references(text, name if path.suffix == ".md" else ""):
            if number not in headings(document):
                yield f"{name}:{line}: {document or 'no document'} §{number}"


def test_every_reference_leads_to_a_heading() -> None:
    assert all(headings(document) for document in DOCUMENTS.values() if document)
    assert not [*dead()]


def test_every_trap_that_is_named_is_in_the_specification() -> None:
    _, _, traps = (ROOT / DOCUMENTS["spec"]).read_text(encoding="utf-8").partition("### 13.3 ")
    numbers = {*re.findall(r"^(\d+)\. ", traps.partition("\n## ")[0], re.MULTILINE)}
    named = {
        (path.name, number)
        for path in files()
        for number in _TRAP.findall(path.read_text(encoding="utf-8"))
    }
    assert named and {number for _, number in named} <= numbers, named


def test_forms_of_references() -> None:
    text = (
        '"""A (spec §4.5-§4.8, §4.12; file.py), and §5.3.\n'
        "# broken (architecture\n"
        "    # §2): of the specification (§13.3)\n"
        "see design §8.1"
    )
    spec, architecture = DOCUMENTS["spec"], DOCUMENTS["architecture"]
    assert [*references(text)] == [
        (1, spec, "4.5"),
        (1, spec, "4.8"),
        (1, spec, "4.12"),
        (1, "and", "5.3"),
        (3, architecture, "2"),
        (3, spec, "13.3"),
        (4, "", "8.1"),
    ]
    assert [*references("from §1.3", "docs/a.md")] == [(1, "docs/a.md", "1.3")]
    assert [*references("see design §5", "docs/a.md")] == [(1, "", "5")]
