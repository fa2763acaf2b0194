#!/usr/bin/env python3
"""The course's command line: `python build.py 4` builds day 4. See `python build.py --help`."""

import sys

if __name__ == "__main__":
    try:
        if sys.argv[1:2] == ["run"]:  # on a bare GPU machine: nothing but the standard library, torch and matplotlib
            from coursebuild.running import main as run_main

            sys.exit(run_main(sys.argv[2:]))
        from coursebuild.cli import main
    except ModuleNotFoundError as error:
        sys.exit(f"the package {error.name} is missing\n  -> make setup, then .venv/bin/python build.py ...")
    main()
