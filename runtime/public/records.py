"""What lgc's value types have in common: objects of them pass for LangGraph's of the same name.

They are used where langgraph is not loaded; once it is, its classes are handed out (design §5,
"whose types"). An object of lgc's that was made before passes for LangGraph's own: `isinstance`
says so (through `__class__`), it compares equal by fields in both directions, pickles as
LangGraph's, and its engine reads it. LangGraph's objects are instances of lgc's classes, too.

Plain classes with slots: importing `dataclasses` would cost more than the rest of the runtime.
The files of these classes stay interpreted, since users derive from them.
"""

from __future__ import annotations

from types import GenericAlias
from typing import Any, ClassVar, Final, Union

from lgc.runtime.upstream import Counterpart


class RecordMeta(type):
    """Makes LangGraph's objects instances of lgc's class of the same name.

    Attributes:
        _counterpart: which class of LangGraph's it is; `upstream.mirrors` sets it.
    """

    _counterpart: Counterpart

    def __instancecheck__(cls, instance: object) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        # Only of the class that has it itself: LangGraph's objects are of no class that a user
        # derived from lgc's.
        counterpart: Counterpart | None = cls.__dict__.get("_counterpart")
        theirs = None if counterpart is None else counterpart.theirs()
        return theirs is not None and isinstance(instance, theirs)


class DataclassFields:
    """`__dataclass_fields__` of a record, as a descriptor.

    LangGraph's once langgraph is loaded. Before, those of a dataclass with the same fields, which
    is made when `dataclasses` asks for them.
    """

    def __init__(self) -> None:
        self._stand_ins: dict[type, Any] = {}

    def __get__(self, instance: object, owner: Any) -> Any:
        counterpart: Counterpart = owner._counterpart
        dataclass: Any = counterpart.theirs() or self._stand_ins.get(owner)
        if dataclass is None:
            from dataclasses import make_dataclass

            dataclass = make_dataclass(owner.__name__, counterpart.own.__slots__)
            self._stand_ins[owner] = dataclass
        return dataclass.__dataclass_fields__


class RecordAlias(GenericAlias):
    """`Command[...]` in an annotation, which LangGraph reads once it is loaded."""

    @property
    def __origin__(self) -> Any:
        own: Any = super().__origin__
        return own._counterpart.theirs() or own

    # As for the generic classes of typing, and unlike GenericAlias: LangGraph looks for it.
    def __or__(self, other: Any) -> Any:
        return Union[self, other]  # noqa: UP007

    def __ror__(self, other: Any) -> Any:
        return Union[other, self]  # noqa: UP007


class Record(metaclass=RecordMeta):
    """An object of fields; equality, repr, pickling and LangGraph's identity go by them.

    The fields are the `__slots__` of a class that `upstream.mirrors` decorates. What a user
    derives from it may add attributes, which take no part in any of this but in pickling.
    """

    __slots__: ClassVar[tuple[str, ...]] = ()
    _counterpart: ClassVar[Counterpart]

    @property  # type: ignore[misc]  # object declares it writable
    def __class__(self) -> Any:
        return self._counterpart.theirs() or type(self)

    def __class_getitem__(cls, item: Any) -> Any:
        theirs = cls._counterpart.theirs()
        return RecordAlias(cls, item) if theirs is None else theirs[item]

    def _fields(self) -> dict[str, Any]:
        return {field: getattr(self, field) for field in self._counterpart.own.__slots__}

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        fields = self._fields()
        return tuple(fields.values()) == tuple([getattr(other, field) for field in fields])

    def __hash__(self) -> int:
        return hash(tuple(self._fields().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{field}={value!r}" for field, value in self._fields().items())
        return f"{type(self).__name__}({fields})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        theirs = self._counterpart.theirs()
        if theirs is None or type(self) is not self._counterpart.own:
            attributes = getattr(self, "__dict__", None)
            state = (attributes, None) if attributes else None
            return (_restore, (type(self), self._fields()), state)
        return _restore(theirs, self._fields()).__reduce_ex__(protocol)


def _restore(cls: Any, fields: dict[str, Any]) -> Any:
    """A `cls` with these fields, without its constructor: nothing is validated again.

    Pickles name this function.
    """
    record = cls.__new__(cls)
    for field, value in fields.items():
        set_field(record, field, value)
    return record


set_field: Final = object.__setattr__
"""Sets a field of a record that is frozen."""


class FrozenRecord(Record):
    """A record whose fields cannot be set, as LangGraph's frozen dataclasses."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: Any) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")
