"""`python -m datagen`, by which the trainer renders."""

from datagen.cli import main

main()
