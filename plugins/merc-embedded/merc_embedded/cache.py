"""A folder that is made once, whole or not at all, by whichever process comes first."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from merc import MercError


def made_once(target: Path, make: Callable[[Path], None], *, room: int = 0) -> Path:
    """Give the folder ``target``; when it is not there, ``make`` fills a temporary folder that is then renamed to it.

    Of several processes that ask at once, one makes it and the others wait. What a killed process left half made is
    cleared away by the next. Raises MercError when the disk has less than ``room`` bytes free, or fills up.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "made"
    >>> made_once(folder, lambda folder: (folder / "a").touch()).is_dir()
    True
    """
    from filelock import FileLock

    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.parent / f".{target.name}.lock"):
        if target.is_dir():
            return target
        # nobody else makes it while we hold the lock, so what lies here is left over
        for left in target.parent.glob(f".{target.name}.*.tmp"):
            shutil.rmtree(left, ignore_errors=True)
        if shutil.disk_usage(target.parent).free < room:
            raise _full(target, room)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
        try:
            make(temporary)
            mask = os.umask(0)
            os.umask(mask)
            for path in (temporary, *temporary.rglob("*")):
                path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
            temporary.rename(target)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise _full(target, room) from error
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _full(target: Path, room: int) -> MercError:
    return MercError(
        f"the disk has too little space for {target}, which needs {room / 1e6:,.0f} MB; free some, or set MERC_CACHE "
        "to a folder on another disk, and run the same command again"
    )
