#!/usr/bin/python3
"""Turns files into a C source: embed.py OUT.c NAME=FILE ...

Each file becomes `const char NAME[]`, with a NUL after its last byte, and
`const size_t NAME_size`, which does not count that NUL.
"""

import sys

BYTES_PER_LINE = 20


def constant(byte):
    """A C constant that fits `char` whether that is signed or not."""
    return str(byte) if byte < 0x80 else f"'\\x{byte:02x}'"


def array(name, content):
    constants = [constant(byte) for byte in content + b"\0"]
    rows = range(0, len(constants), BYTES_PER_LINE)
    return [
        f"extern const char {name}[];",
        f"extern const size_t {name}_size;",
        f"const char {name}[] = {{",
        *("\t" + ",".join(constants[i : i + BYTES_PER_LINE]) + "," for i in rows),
        "};",
        f"const size_t {name}_size = {len(content)};",
        "",
    ]


def main(arguments):
    if len(arguments) < 2 or not all("=" in pair for pair in arguments[1:]):
        sys.exit("usage: embed.py OUT.c NAME=FILE ...")
    lines = ["#include <stddef.h>", ""]
    for pair in arguments[1:]:
        name, path = pair.split("=", 1)
        if not name.isidentifier():
            sys.exit(f"embed.py: {name!r} is no C identifier")
        with open(path, "rb") as file:
            lines += array(name, file.read())
    with open(arguments[0], "w", encoding="ascii") as out:
        out.write("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
