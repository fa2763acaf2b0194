#!/usr/bin/env python3
"""The course's command line: `python build.py 4` builds day 4. See `python build.py --help`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:  # on a bare GPU machine there is no click: this needs the standard library and torch
        from coursebuild.running import main

        sys.exit(main(sys.argv[2:]))
    from coursebuild.cli import main

    main()
