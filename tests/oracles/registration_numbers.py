"""Numbers of digits on stdin, one a line; ok or no a line: ISO 7064 MOD 11,10 by python-stdnum."""

import sys

from stdnum.iso7064 import mod_11_10

sys.stdout.writelines([f"{'ok' if mod_11_10.is_valid(line.rstrip(chr(10))) else 'no'}\n" for line in sys.stdin])
