"""`python -m tests.faults --rounds N --seed S`: the long run of the fault harness."""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.harness import Plan, Report, run
from tests.faults.stack import stack


def main() -> int:
    options = _options()
    plan = Plan(seed=options.seed, rounds=options.rounds, direct=options.direct)
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    sys.stdout.write(f"seed {plan.seed}, logs in {folder}\n")
    sys.stdout.flush()
    try:
        report = _run(plan, folder, options.services)
    finally:
        again = f"--rounds {plan.rounds} --seed {plan.seed} --services {options.services}"
        sys.stdout.write(f"replay: python -m tests.faults {again}{' --direct' * plan.direct}\n")
    sys.stdout.write(f"{report}\n")
    if report.faults:
        return 1
    shutil.rmtree(folder)
    return 0


def _run(plan: Plan, folder: Path, services: int) -> Report:
    with stack(folder, None, services=services, direct=plan.direct) as running:
        return run(running, plan)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--services", type=int, default=2, help="on one database")
    parser.add_argument("--direct", action="store_true", help="as with no Batch API")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
