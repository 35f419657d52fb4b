"""Replaces Python in a DVC pipeline: `clock.py TIMES -m stages.NAME` runs the stage under `stage_times`.

It appends a line of JSON to the file TIMES: the stage, when its process began and ended (seconds since 1970), and the
output of `stage_times`. It imports as little as possible, because its own start counts as the time of DVC.
"""

import os
import sys
import time


def main() -> None:
    """Run the stage in another process, and keep its output in a file next to TIMES."""
    times, _, module = sys.argv[1:]
    name = module.removeprefix("stages.")
    report = f"{times}.{name}"
    began = time.time()
    with open(report, "w+") as file:  # noqa: PTH123
        command = [sys.executable, "-m", "benchmarks.stage_times", name]
        pid = os.posix_spawn(
            sys.executable, command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1)]
        )
        _, status = os.waitpid(pid, 0)
        ended = time.time()
        file.seek(0)
        kinds = file.read().splitlines()[-1:]
    if not status:
        with open(times, "a") as file:  # noqa: PTH123
            file.write(f'{{"stage": "{name}", "began": {began!r}, "ended": {ended!r}, "kinds": {kinds[0]}}}\n')
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
