"""`python -m account_health` is the command `account-health`."""

from account_health.cli import main

if __name__ == "__main__":
    main()
