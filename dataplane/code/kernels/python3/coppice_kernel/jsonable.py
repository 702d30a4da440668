"""jsonable.py - Python values as what JSON can say.

value() is strict: what JSON has no word for is a TypeError.  cell() is for
tables, where one odd cell does not spoil the rest: it is said as text.
"""
import dataclasses
import datetime
import enum
import math
import sys
import uuid

INT_MIN, INT_MAX = -2 ** 63, 2 ** 64 - 1
PLAIN = (str, bool, type(None))
DATES = (datetime.date, datetime.time)  # a datetime is a date


def number(v):
    if isinstance(v, float):
        return float(v) if math.isfinite(v) else None
    if INT_MIN <= v <= INT_MAX:
        return int(v)
    raise TypeError("an integer of more than 64 bits")


def from_numpy(v):
    """A numpy scalar or array as Python's own; nobody has one without numpy."""
    np = sys.modules.get("numpy")
    if np is None or not isinstance(v, (np.generic, np.ndarray)):
        raise TypeError("%s is not JSON" % type(v).__name__)
    if isinstance(v, np.datetime64):
        return None if np.isnat(v) else str(v)
    if v.dtype.kind not in "biufSUMO" or isinstance(v, np.bytes_):
        raise TypeError("%s of %s is not JSON" % (type(v).__name__, v.dtype))
    if v.dtype.kind == "M":
        return v.astype(str).tolist()
    return v.tolist()


def scalar(v):
    if isinstance(v, enum.Enum):
        return scalar(v.value)
    if isinstance(v, PLAIN):
        return v
    if isinstance(v, (int, float)):
        return number(v)
    if isinstance(v, DATES):
        return None if is_nat(v) else v.isoformat()
    if isinstance(v, uuid.UUID):
        return str(v)
    raise TypeError("%s is not JSON" % type(v).__name__)


def is_nat(v):
    """pandas' missing time says that it is a datetime."""
    return v != v


def key(k):
    if isinstance(k, str):
        return str(k)
    k = scalar(k)
    if k is None or isinstance(k, bool):
        return {None: "null", True: "true", False: "false"}[k]
    return str(k)


class Counted:
    def __init__(self, most):
        self.left = most

    def one(self):
        self.left -= 1
        if self.left < 0:
            raise ValueError("too many values")

    def value(self, v):
        self.one()
        if isinstance(v, dict):
            return {key(k): self.value(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [self.value(x) for x in v]
        if dataclasses.is_dataclass(v) and not isinstance(v, type):
            return {f.name: self.value(getattr(v, f.name)) for f in dataclasses.fields(v)}
        try:
            return scalar(v)
        except TypeError:
            return self.value(from_numpy(v))


def value(v, most):
    return Counted(most).value(v)


def cell(v):
    try:
        return value(v, 10000)
    except (TypeError, ValueError, RecursionError):
        return None if type(v).__name__ == "NAType" else str(v)
