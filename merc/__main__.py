"""``python -m merc``, which is also how a launcher starts it (``torchrun ... -m merc run RECIPE``)."""

import sys

from merc.cli.main import main

if __name__ == "__main__":
    # The launcher ``deepspeed`` says this before everything else; it sets the variable LOCAL_RANK as well.
    sys.argv[1:2] = [word for word in sys.argv[1:2] if not word.startswith("--local_rank=")]
    main()
