"""``python -m merc``, which is also how a launcher starts it (``torchrun ... -m merc run RECIPE``)."""

from merc.cli.main import main

if __name__ == "__main__":
    main()
