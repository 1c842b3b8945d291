"""`python -m pyhectiqlab.demo` trains the network of digits.py."""

from .digits import main

if __name__ == "__main__":
    main()
