"""`python3 -m config.launcher COMMAND`: with any Python 3, from a bare clone."""

from __future__ import annotations

import signal
import sys

USAGE = """usage: python3 -m config.launcher COMMAND
  run                       run Casefile on this machine until Ctrl-C
  manage ARGUMENTS          run a management command, beside a run or without
  test [PYTEST ARGUMENTS]   run the tests beside servers of their own
  beside COMMAND            run any command beside such servers, on test settings
  install                   only make .venv and install everything into it"""


def main(arguments: list[str]) -> int:
    """Run a command and return its exit code."""
    from config.launcher.errors import LaunchError

    # Started in the background or by nohup, it would inherit that this is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _dispatch(arguments)
    except LaunchError as error:
        print(f"casefile: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _dispatch(arguments: list[str]) -> int:
    from config.launcher import bootstrap

    command = arguments[0] if arguments else "help"
    words = arguments[2:] if arguments[1:2] == ["--"] else arguments[1:]
    if command not in {"run", "manage", "test", "beside", "install"}:
        print(USAGE)
        return 0 if command in {"help", "-h", "--help"} else 2
    local = command in {"run", "manage"}
    needed = bootstrap.RUN if local else bootstrap.DEVELOPMENT
    bootstrap.enter_environment(needed, arguments)

    # Inside the environment, so with a Python that understands the rest.
    from config.launcher import local as local_run
    from config.launcher import manage, testing
    from config.launcher.secret_files import take_secret_files

    if local:
        take_secret_files()
    if command == "run":
        return local_run.run_local()
    if command == "manage":
        return manage.run_command(words)
    if command == "test":
        return testing.run_tests(words)
    return testing.run_beside_servers(words) if command == "beside" else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
