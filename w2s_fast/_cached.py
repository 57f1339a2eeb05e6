"""Values that are worked out once for each object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class cached_property(Generic[T]):  # noqa: N801  as functools names it
    """``functools.cached_property`` without the lock that Python 3.11 holds meanwhile, for all objects at once.

    A process that forks while another thread works a value out would leave that lock held in the child for good. Here
    two threads may work the same value out at once, as from Python 3.12 on.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self._function, self._name = function, function.__name__
        self.__doc__ = function.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]  # of the class, as of functools
        value = instance.__dict__[self._name] = self._function(instance)
        return value
