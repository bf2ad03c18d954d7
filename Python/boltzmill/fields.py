"""Fields of artifacts as attributes: what `records`, which is made from the program's own declarations, is built of."""
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

import numpy as np
from numpy.typing import NDArray

from .errors import UnknownField

T = TypeVar("T")
S = TypeVar("S", bound=np.generic)
G = TypeVar("G", bound="Group")
NAME = "NAME"  # stands in a path for a name of the run's own


class Field(Generic[T]):
    """A declared field. On a group it is its value, read from the file each time; on the group's class, the declaration.

    `convert` makes the value of what h5py reads.
    """

    def __init__(
        self, path: str, meaning: str, convert: Callable[[Any], T], unit: str | None = None, axes: tuple[str, ...] = (),
    ) -> None:
        self.path, self.meaning, self.convert, self.unit, self.axes = path, meaning, convert, unit, axes

    @overload
    def __get__(self, group: None, owner: type) -> "Field[T]": ...
    @overload
    def __get__(self, group: "Group", owner: type) -> T: ...
    def __get__(self, group: "Group | None", owner: type) -> "Field[T] | T":
        return self if group is None else self.of(group, group._name)

    def of(self, group: "Group", name: str) -> T:
        return self.convert(group._stage.read(self.path.replace(NAME, name)))


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def texts(value: Any) -> list[str]:
    return [text(one) for one in value]


def array(dtype: type[S]) -> Callable[[Any], NDArray[S]]:
    return lambda value: np.asarray(value, dtype)


class Group:
    """Fields, and further groups, below one place of an artifact."""

    _attributes: tuple[Field[str], ...] = ()

    def __init__(self, stage: Any, name: str = "") -> None:
        self._stage, self._name = stage, name  # the name is what stands in the place of NAME

    def __repr__(self) -> str:
        names = [name for name in vars(type(self)) if not name.startswith("_")] + [*(self if isinstance(self, Mapping) else [])]
        return f"<{type(self).__name__}: {', '.join(names)}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:  # where there is no such attribute, or it could not be read
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # raises once more what it raised before
            near = difflib.get_close_matches(name, vars(type(self)))
            raise UnknownField(f"there is no '{name}'" + (f"; did you mean {' or '.join(near)}?" if near else f" in {self}"))


class Below(Generic[G]):
    """A group in a group."""

    def __init__(self, group: type[G]) -> None:
        self.group = group

    @overload
    def __get__(self, group: None, owner: type) -> type[G]: ...
    @overload
    def __get__(self, group: Group, owner: type) -> G: ...
    def __get__(self, group: Group | None, owner: type) -> G | type[G]:
        return self.group if group is None else self.group(group._stage, group._name)


class Family(Group, Mapping[str, T]):
    """Fields, or groups, by names that only the run knows. Fields that are always there are attributes beside them."""

    _family: str  # their path; of groups it ends in "/"
    _member: Any  # a Field[T], or a group's class T

    def __getitem__(self, name: str) -> T:
        member = vars(type(self))["_member"]
        if not self._stage.holds(self._family, name):
            raise UnknownField(f"{self._family} has no '{name}'; it has {', '.join(self) or 'nothing'}")
        return cast(T, member.of(self, name) if isinstance(member, Field) else member(self._stage, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._stage.names(self._family))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def declared(group: type[Group]) -> Iterator[Field[Any]]:
    """Every field of a group and of those below, in the order of the declarations."""
    for member in vars(group).values():
        if isinstance(member, Field):
            yield member
        elif inner := member.group if isinstance(member, Below) else member if isinstance(member, type) else None:
            yield from declared(inner)
    yield from group._attributes
