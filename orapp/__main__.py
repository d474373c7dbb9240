"""`python -m orapp` is `orapp`."""

from orapp.cli import main

if __name__ == "__main__":
    main()
