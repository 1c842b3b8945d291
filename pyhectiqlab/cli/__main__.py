"""`python -m pyhectiqlab.cli` is `hectiqlab`, also where no folder of scripts is on the PATH."""

from . import main

main(prog_name="hectiqlab")
