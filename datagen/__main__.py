"""The program `datagen`, also as `python -m datagen`, by which the trainer renders."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line; an interrupt while it is being loaded ends like any other."""
    try:
        from datagen.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
