"""`python -m pyhectiqlab` is the command `hectiqlab`."""

from .cli import main

main(prog_name="hectiqlab")
