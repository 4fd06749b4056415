"""``python -m theodolite``."""

from theodolite.cli.app import main

if __name__ == "__main__":
    main()
