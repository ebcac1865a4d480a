"""`python -m workers`: one worker process."""

from workers.main import main

if __name__ == "__main__":
    main()
