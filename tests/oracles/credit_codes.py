"""Unified social credit codes on stdin, one a line; python-stdnum's verdict a line: ok, length, format, checksum."""

import sys

from stdnum.cn import uscc
from stdnum.exceptions import InvalidChecksum, InvalidFormat, InvalidLength


def verdict(code):
    try:
        uscc.validate(code)
        return "ok"
    except InvalidLength:
        return "length"
    except InvalidFormat:
        return "format"
    except InvalidChecksum:
        return "checksum"


sys.stdout.writelines([f"{verdict(line.rstrip(chr(10)))}\n" for line in sys.stdin])
