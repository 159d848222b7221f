"""`python -m node_transfer` is `node-transfer`."""

from node_transfer.cli.main import main

if __name__ == "__main__":
    main()
