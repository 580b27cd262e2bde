"""`python -m bcpoll`: the same as the command `bcpoll`."""

from bcpoll.cli import main

if __name__ == "__main__":
    main()
