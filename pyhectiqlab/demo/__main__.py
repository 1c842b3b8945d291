"""`python -m pyhectiqlab.demo` trains the network of digits.py."""

import sys

from .digits import main

if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
