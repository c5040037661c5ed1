"""Pull an image down to a base that stays: flatten_chain.py BASE TOP"""

import sys

from longshore import Client


def main(base: str, top: str) -> None:
    with Client() as client:
        client.pull(top, base=base).wait()
        for link in client.image(top).chain:
            print(link.uri)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
