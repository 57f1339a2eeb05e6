"""Arrays that are as hard to please as CuPy's: they never become NumPy's unasked, nor mix with them."""

from types import SimpleNamespace

import numpy as np

# Of CuPy's functions, the arguments that those of NumPy have beyond them: refused here too.
UNKNOWN_ARGUMENTS = {"initial", "where", "like", "subok", "casting"}


class StrictArray(np.lib.mixins.NDArrayOperatorsMixin):
    def __init__(self, values):
        self.values = values

    def __array__(self, *_, **__):
        raise TypeError("implicit conversion to a NumPy array")

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__":
            return NotImplemented
        kwargs |= {"out": _bare(kwargs["out"])} if "out" in kwargs else {}
        return _wrapped(ufunc(*_bare(inputs), **kwargs))

    def __array_function__(self, function, _, args, kwargs):
        unknown = kwargs.keys() & UNKNOWN_ARGUMENTS
        if unknown:
            raise TypeError(f"{function.__name__} has no argument {unknown}")
        return _wrapped(function(*_bare(args), **_bare(kwargs)))

    def __getattr__(self, name):
        found = getattr(self.values, name)
        if name == "flags":
            return SimpleNamespace(c_contiguous=found.c_contiguous)
        if not callable(found):
            return _wrapped(found)

        def method(*args, **kwargs):
            unknown = kwargs.keys() & UNKNOWN_ARGUMENTS
            if unknown:
                raise TypeError(f"{name} has no argument {unknown}")
            return _wrapped(found(*_bare(args), **_bare(kwargs)))

        return method

    def __getitem__(self, index):
        return _wrapped(self.values[_bare(index)], keep=True)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return (_wrapped(value, keep=True) for value in self.values)

    def __float__(self):
        return float(self.values)

    def __int__(self):
        return int(self.values)

    def __bool__(self):
        return bool(self.values)


def _bare(value):
    """NumPy's arrays out of strict ones; NumPy's own are refused, as CuPy refuses them."""
    if isinstance(value, StrictArray):
        return value.values
    if isinstance(value, np.ndarray):
        raise TypeError("a NumPy array among CuPy's")
    if isinstance(value, tuple | list):
        return type(value)(map(_bare, value))
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items()}
    return value


def _wrapped(value, keep=False):
    if isinstance(value, np.ndarray) or (isinstance(value, np.generic) and not isinstance(value, np.dtype)):
        return StrictArray(np.asarray(value))
    if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
        return tuple(map(_wrapped, value))
    return StrictArray(np.asarray(value)) if keep else value


def library():
    """What is used of CuPy itself."""

    def asarray(value, dtype=None):
        return value if isinstance(value, StrictArray) else StrictArray(np.asarray(value, dtype))

    def made_by(function):
        return lambda *args: StrictArray(function(*_bare(args)))

    made = {name: made_by(getattr(np, name)) for name in ("empty", "zeros", "eye", "ascontiguousarray")}
    return SimpleNamespace(ndarray=StrictArray, asarray=asarray, **made)


def on_device(kernel):
    """Let a simulated kernel take strict arrays."""

    class Launching:
        def __getitem__(self, configuration):
            return lambda *args: kernel[configuration](*_bare(args))

    return Launching()
