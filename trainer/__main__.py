"""`python -m trainer`, which `torchrun -m trainer` needs."""

from trainer.cli import main

main()
