"""`python -m autogit`: the command line, where the installed program is not on PATH."""

from autogit.cli import main

if __name__ == "__main__":
    main()
