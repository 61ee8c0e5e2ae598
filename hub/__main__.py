"""`python -m hub`: the same as `zhantu-hub`."""

from hub.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
