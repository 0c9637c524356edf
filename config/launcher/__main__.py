"""`python -m config.launcher run | test | beside | manage`, from any Python 3."""

import sys

USAGE = """usage: python -m config.launcher COMMAND
  test [PYTEST ARGUMENTS]   run the tests beside servers of their own
  beside COMMAND…           run any command beside such servers"""


def main(arguments):
    # Old Pythons must get as far as the message about their age, so this file and
    # bootstrap.py hold to their syntax.
    from config.launcher.errors import LaunchError

    command, rest = (arguments or ["help"])[0], arguments[1:]
    if rest[:1] == ["--"]:
        rest = rest[1:]
    try:
        if command == "test":
            from config.launcher.testing import run_tests

            return run_tests(rest)
        if command == "beside":
            from config.launcher.testing import run_beside_servers

            return run_beside_servers(rest)
    except LaunchError as error:
        print("casefile: {}".format(error), file=sys.stderr)
        return 1
    print(USAGE)
    return 0 if command == "help" else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
