"""Writes the descriptors inside a wheel of generated protobuf modules as one FileDescriptorSet.

    python3 image.py WHEEL OUT

Every `*_pb2.py` holds its file's serialized FileDescriptorProto as the bytes literal in
`AddSerializedFile(b'...')`. The modules are parsed, never imported. Only Python's standard library is used.
"""

import ast
import sys
import zipfile


def serialized_file(source: str, name: str) -> bytes:
    for node in ast.walk(ast.parse(source, name)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "AddSerializedFile"
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, bytes)
        ):
            return node.args[0].value
    raise SystemExit(f"{name} holds no AddSerializedFile(b'...')")


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def main(wheel: str, out: str) -> None:
    with zipfile.ZipFile(wheel) as archive, open(out, "wb") as image:
        for name in sorted(archive.namelist()):
            if name.endswith("_pb2.py"):
                file = serialized_file(archive.read(name).decode("utf-8"), name)
                # FileDescriptorSet.file is field 1, length-delimited.
                image.write(b"\x0a" + varint(len(file)) + file)


main(sys.argv[1], sys.argv[2])
