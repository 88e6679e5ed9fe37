#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each public header compiles alone, as C and as C++, each library exports what its header declares, and
libgmem needs libc alone.

    headers.py INCLUDE_DIRECTORY --cc COMPILER --cxx COMPILER [--library HEADER LIBRARY PREFIX]...
               [--libc-alone LIBRARY]...

Exit code 77 if there is no C++ compiler: the rest was checked then.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

FLAGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def compile_alone(command, language, standard, include, header):
    source = f'#include <{header}>\n#include <{header}>\n'
    run = subprocess.run([*command, *FLAGS, f"-std={standard}", "-I", include, "-x", language, "-"], input=source,
                         text=True, capture_output=True)
    if run.returncode:
        print(f"{header} does not compile as {standard}:\n{run.stderr}")
    return run.returncode == 0


def declared(path, prefix):
    """Functions and objects of a header."""
    with open(path) as f:
        text = re.sub(r"/\*.*?\*/|//[^\n]*|^\s*#[^\n]*(\\\n[^\n]*)*", "", f.read(), flags=re.S | re.M)
    text = re.sub(r"\{[^{}]*\}", "{}", re.sub(r"\{[^{}]*\{[^{}]*\}[^{}]*\}", "{}", text.replace('extern "C" {', "")))
    functions = re.findall(rf"\b({prefix}\w+)\s*\(", text)
    objects = re.findall(rf"^extern\b[^;(]*?\b({prefix}\w+)(?:\[[^\]]*\])?;", text, flags=re.M)
    return set(functions) | set(objects)


def exported(path):
    lines = subprocess.run(["nm", "-D", "--defined-only", path], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    symbols = {line.split()[2] for line in lines if line.split()[1] != "A"}
    unversioned = {s for s in symbols if "@" not in s}
    return {s.split("@")[0] for s in symbols}, unversioned


def check_library(header, library, prefix):
    want, (have, unversioned) = declared(header, prefix), exported(library)
    for name in sorted(want - have):
        print(f"{library} does not export {name}, which {header} declares: add it to the map")
    for name in sorted(have - want):
        print(f"{library} exports {name}, which {header} does not declare")
    for name in sorted(unversioned):
        print(f"{library} exports {name} without a version")
    if not want:
        print(f"{header}: no declarations found")
    print(f"{os.path.basename(library)}: {len(have)} symbols")
    return bool(want) and want == have and not unversioned


def check_libc_alone(library):
    """So that any VMM may link it.  Sanitizers bring their own."""
    text = subprocess.run(["readelf", "-d", library], check=True, text=True, capture_output=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    others = [n for n in needed if not re.match(r"libc\.so\.|lib[atu]b?san\.so\.", n)]
    print(f"{os.path.basename(library)} needs {' '.join(needed) or 'nothing'}")
    if others:
        print(f"{library} needs {' '.join(others)}: libc alone is allowed")
    return bool(needed) and not others


def main():
    p = argparse.ArgumentParser()
    p.add_argument("include")
    p.add_argument("--cc", required=True)
    p.add_argument("--cxx", default="g++")
    p.add_argument("--library", nargs=3, action="append", default=[])
    p.add_argument("--libc-alone", action="append", default=[])
    args = p.parse_args()
    headers = sorted(os.path.join("gmem", name) for name in os.listdir(os.path.join(args.include, "gmem")))
    has_cxx = shutil.which(args.cxx.split()[0]) is not None
    ok = bool(headers)
    for header in headers:
        ok &= compile_alone(args.cc.split(), "c", "c11", args.include, header)
        if has_cxx:
            ok &= compile_alone(args.cxx.split(), "c++", "c++11", args.include, header)
    print(f"{len(headers)} headers alone: {' '.join(headers)}")
    for header, library, prefix in args.library:
        ok &= check_library(header, library, prefix)
    for library in args.libc_alone:
        ok &= check_libc_alone(library)
    if ok and not has_cxx:
        print(f"skipped: C++, there is no {args.cxx}")
        return 77
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
