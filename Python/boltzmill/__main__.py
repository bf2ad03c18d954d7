"""`python -m boltzmill`: the wheel's program."""
from .launcher import main

main()
