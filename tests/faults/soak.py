"""Random kills by hand, by a new seed: python -m tests.faults.soak [--kills 2000]

Prints the seed, what was done and what was hit; ends with 1 if anything was wrong.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.faults.chains import Templates
from tests.faults.storm import Storm


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().getrandbits(32)
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ls-") as directory:
        place = Path(directory)
        storm = Storm(place / "d", Templates(place / "templates"), asked.seed)
        report = storm.run(asked.kills)
    sys.stdout.write(f"{report}\n")
    for wrong in report.violations:
        sys.stdout.write(f"  {wrong}\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
