"""Tables of pandas and polars, and data sets of xarray: the only file that imports these libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from w2s_fast import _check

Library = Literal["pandas", "polars"]


def data_frame(columns: Mapping[str, Any], library: Library) -> Any:
    """Make a DataFrame of columns of equal length."""
    _check.choice(library, "library", "pandas", "polars")
    try:
        if library == "polars":
            import polars

            return polars.DataFrame(dict(columns), strict=False)
        import pandas
    except ImportError:
        raise ImportError(f"a DataFrame needs {library}: python -m pip install {library}") from None
    return pandas.DataFrame(dict(columns))


def data_set(variables: Mapping[str, Any], coordinates: Mapping[str, Any], attributes: Mapping[str, Any]) -> Any:
    """Make an xarray.Dataset; variables are pairs of names of axes and values, and so may be coordinates."""
    try:
        import xarray
    except ImportError:
        raise ImportError("a Dataset needs xarray: python -m pip install xarray") from None
    return xarray.Dataset(dict(variables), dict(coordinates), dict(attributes))
