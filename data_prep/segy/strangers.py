"""Recognition of files that are neither SEG-Y nor SU by their first bytes."""

import string
from pathlib import Path

from data_prep.segy.headers import SegyError

FIRST_BYTES = {
    b"\x89HDF\r\n": "HDF5",
    b"PK\x03\x04": "a zip archive, such as .npz: unpack it",
    b"\x1f\x8b": "compressed with gzip: unpack it",
    b"BZh": "compressed with bzip2: unpack it",
    b"\xfd7zXZ": "compressed with xz: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"Rar!": "a rar archive: unpack it",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it",
    b"\x93NUMPY": "NumPy's .npy: name it so",
    b"MATLAB 5.0 MAT-file": "MATLAB's .mat: name it so",
    b"CDF\x01": "NetCDF",
    b"CDF\x02": "NetCDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"%PDF": "a PDF document",
    b"version https://git-lfs": "a pointer of Git LFS to the file: get the file itself with git lfs pull",
}
"""Kinds of file by their first bytes, each with the remedy where there is one."""

SEG2 = {b"\x55\x3a": "little", b"\x3a\x55": "big"}
"""Byte order of SEG-2 by its first two bytes (Pullan, 1990)."""

SEGD_CODES = frozenset(
    b"\x80" + bytes.fromhex(code) for code in ("15", "22", "24", "36", "38", "42", "44", "48", "58", "80")
)
"""Format codes of SEG-D, two digits a byte, in bytes 3 and 4 of its general header."""

LABEL, LABELS = 4, {b"SD": "SEG-D", b"SY": "SEG-Y"}
"""Byte at which the 128-byte label of a tape names the format that follows, and the names."""

WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")


class StrangerError(SegyError):
    """The file holds records in another seismic format, which cannot be read; the message names it."""


def refuse(path: Path, head: bytes) -> None:
    """Refuse a file that is recognised as something else; do nothing if it is not.

    Args:
        path: the file, which is neither SEG-Y nor SU.
        head: its first bytes, 3600 of them or all there are.

    Raises:
        StrangerError: it holds seismic records in another format.
        SegyError: it is something else that is known.
    """
    if order := SEG2.get(head[:2]):
        raise StrangerError(
            f"{path}: neither SEG-Y nor SU, but SEG-2 ({order} endian: it begins with {head[:2].hex(' ')}), "
            "which is not read; convert it to SEG-Y, for instance with ObsPy"
        )
    label = LABELS.get(head[LABEL : LABEL + 2]) if head[LABEL + 2 : LABEL + 3].isdigit() else None
    if label == "SEG-Y":
        raise StrangerError(
            f"{path}: SEG-Y behind the label of a tape; remove the label's 128 bytes, for instance with tail "
            "-c +129"
        )
    if label == "SEG-D" or _segd(head):
        raise StrangerError(
            f"{path}: neither SEG-Y nor SU, but looks like SEG-D, which is not read; convert it to SEG-Y"
        )
    for begin, what in FIRST_BYTES.items():
        if head.startswith(begin):
            raise SegyError(f"{path}: neither SEG-Y nor SU, but {what}")
    if head[257:262] == b"ustar":
        raise SegyError(f"{path}: neither SEG-Y nor SU, but a tar archive: unpack it")
    if head.lstrip()[:20].lower().startswith(WEB_PAGE):
        raise SegyError(
            f"{path}: neither SEG-Y nor SU, but a web page or XML, as a failed download leaves; download it "
            "again"
        )
    if b"\n" in head and not head.translate(None, string.printable.encode()):
        raise SegyError(f"{path}: neither SEG-Y nor SU, but a text file")


def _segd(head: bytes) -> bool:
    """Whether this is the general header of SEG-D, whose digits fill half a byte each."""
    return head[2:4] in SEGD_CODES and head[4:12].hex().isdigit() and any(head[4:12])
