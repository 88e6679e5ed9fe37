#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gmem-pager@.service, gmem-source@.service, gmemctl(1) and docs/control.md say what the programs and the schema say.

    control.py UNIT GMEM_PAGER UNIT GMEM_SOURCE PAGE GMEMCTL CONTROL_MD SCHEMA
"""
import json
import re
import shutil
import subprocess
import sys

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print("wrong:", what)


def help_of(program):
    return subprocess.run([program, "--help"], capture_output=True, text=True, timeout=60).stdout


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def check_unit(path, program):
    unit = read(path)
    command = re.search(r"^ExecStart=(.*)$", unit, re.M).group(1)
    options = re.findall(r"--([a-z-]+)", unit)
    known = help_of(program)
    check(command.split()[0].endswith("/" + program.rsplit("/", 1)[1]), "ExecStart is another program")
    options += re.findall(r"^#   ([a-z-]+) = ", unit, re.M)
    check(len(options) > 6, "the unit file names no options")
    for option in options:
        check(f"--{option}" in known, f"{path} names --{option}, which the program does not have")
    verify = shutil.which("systemd-analyze")
    if verify is None:
        print("skipped: no systemd-analyze to verify the unit file with")
        return
    text = unit.replace(command.split()[0], "/bin/true")
    target = "gmem-verify@.service"
    with open(target, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run([verify, "verify", "--man=no", "./" + target], capture_output=True, text=True, timeout=60)
    said = [line for line in done.stderr.splitlines() if "gmem-verify" in line]
    check(not said, f"systemd-analyze: {said}")


def check_page(path, program):
    page = read(path)
    usage = help_of(program)
    listed = set(re.findall(r"^\.It Fl (\w) , -([a-z-]+)", page, re.M))
    known = set(re.findall(r"^  -(\w), --([a-z-]+)", usage, re.M))
    check(len(known) > 10, "gmemctl --help lists no options")
    check(listed == known, f"options of gmemctl(1) and --help differ: {sorted(listed ^ known)}")
    codes = set(re.findall(r"^\.It (\d)$", page, re.M))
    check(codes == set("012345678"), f"exit codes in gmemctl(1): {sorted(codes)}")
    verbs = set(re.findall(r"^(?:usage:|      ) gmemctl (\S+)", usage, re.M))
    for verb in {v for words in verbs for v in words.split("|")}:
        check(re.search(rf"^\.(It|Cm|Nm).*\b{verb}\b", page, re.M), f"gmemctl(1) has no {verb}")


def check_schema(doc_path, schema_path):
    doc = read(doc_path)
    schema = json.loads(read(schema_path))
    requests = schema["$defs"]["request"]["oneOf"]
    table = dict(re.findall(r"^\| ([a-z, ]+) \| ([a-z_, ]*) ?\| ", doc[doc.index("## Verbs"):doc.index("## Errors")], re.M))
    rows = {verb.strip(): {f.strip() for f in fields.split(",") if f.strip()}
            for verbs, fields in table.items() for verb in verbs.split(",")}
    rows.pop("verb", None)
    wanted = {r["properties"]["verb"]["const"]: set(r["properties"]) - {"verb"} for r in requests}
    check(rows == wanted, f"verbs and fields: {rows} in control.md, {wanted} in the schema")
    errors = set(re.findall(r"`([a-z_]+)`", "".join(re.findall(r"^\| (`.*?) \|", doc[doc.index("## Errors"):doc.index("## Status")], re.M))))
    check(errors == set(schema["$defs"]["error_answer"]["properties"]["error"]["enum"]),
          f"errors in control.md: {sorted(errors)}")


def main(unit, pager, source_unit, source, page, ctl, doc, schema):
    check_unit(unit, pager)
    check_unit(source_unit, source)
    check_page(page, ctl)
    check_schema(doc, schema)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
