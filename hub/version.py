"""The version of the installed distribution."""

from importlib.metadata import PackageNotFoundError, version


def current() -> str:
    try:
        return version("zhantu")
    except PackageNotFoundError:
        return "0"
