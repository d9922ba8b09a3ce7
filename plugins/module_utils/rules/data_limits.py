# Copyright (c) 2026, the kai-ansible authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The limits of a backup, a restore and a removal of data, which agents and the service can write.

docs/backup.md lists them. Whatever a limit leaves out is named; the rest is done.
"""

from __future__ import annotations

# levels of directories; a path of the kernel, which has 4096 bytes, holds 2048
DEEPEST = 10_000
# bytes of the name that a directory may have in an archive
LONGEST_LABEL = 1024
# names of directory entries in memory at once, over all open levels
MOST_NAMES = 200_000
# files with several names that are recognized again
MOST_LINKED = 100_000
# parts of a sparse file with data in them; a smaller hole than this is stored as zeros
MOST_EXTENTS = 1_000_000
SMALLEST_HOLE = 64 << 10
# extended attributes of one file, and one access list of it
MOST_ATTRIBUTE_BYTES = 64 << 10
MOST_ACCESS_LIST_BYTES = 8 << 10
# a deployed file
MOST_CONFIG_BYTES = 16 << 20
# how long the data is copied, and how long it is removed
COPY_SECONDS = 4 * 3600.0
REMOVE_SECONDS = 4 * 3600.0
# a directory on one of the first levels leaves half of its time to those after it
FAIR_LEVELS = 3
# how long files are waited for on which a process holds a lease (fcntl(2)), all together
LEASE_SECONDS = 60.0
# what stays free where a backup is made, so that the bot can go on
SPARE_BYTES = 16 << 20
# parts of the data whose size is measured when free space is too small
MOST_UNITS = 10_000
# how many lines name what was left out
MOST_LINES = 100
