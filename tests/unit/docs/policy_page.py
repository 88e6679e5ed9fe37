#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gmem-policy(5) says of each entry what gmem-policy.schema.json says: its description, its default, its words."""
import json
import re
import sys

ZEROS = "0" * 96


def leaves(schema, path=()):
    for name, member in schema["properties"].items():
        if "properties" in member:
            yield from leaves(member, path + (name,))
        else:
            yield ".".join(path + (name,)), member


def page_entries(page):
    page = page.replace("\\(dq", '"')
    for name, text in re.findall(r"^\.It Ic (\S+)\n((?:[^.\n].*\n)+)", page, re.M):
        yield name, text.splitlines()


def default_fits(text, value):
    if value is None:
        return text is None or text.startswith("not asked")
    words = {"false": "false", f'"{ZEROS}"': "zeros", '"0x6dbe7"': "what this version knows", '"0x3"': '"0x3"',
             "[0]": "0 only", "[4, 5]": "both", '["UpToDate"]': "UpToDate"}
    wanted = words.get(json.dumps(value), value)
    return text is not None and text.split(",")[0] == str(wanted)


def squeeze(text):
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def check(name, lines, member):
    default = next((line[9:].rstrip(".") for line in lines if line.startswith("Default: ")), None)
    text = squeeze(" ".join(lines))
    if not default_fits(default, member.get("default")):
        yield f"{name}: default {default!r} here, {member.get('default')!r} in the schema"
    for sentence in re.split(r"[.;] (?=[A-Z])", member["description"]):
        if squeeze(sentence) not in text:
            yield f"{name}: the schema says {sentence!r}"
    if member.get("$ref") == "#/$defs/want" and '"clear", "set" or "any".' not in lines:
        yield f"{name}: its three words are not listed"


def main(page_path, schema_path):
    schema = json.load(open(schema_path))
    page = dict(page_entries(open(page_path).read()))
    wanted = dict(leaves(schema))
    faults = [f"{name}: not in the manual" for name in wanted.keys() - page.keys()]
    faults += [f"{name}: in the manual only" for name in page.keys() - wanted.keys()]
    for name in wanted.keys() & page.keys():
        faults += check(name, page[name], wanted[name])
    print("\n".join(sorted(faults)) or f"{len(wanted)} entries")
    return 1 if faults or not wanted else 0


sys.exit(main(*sys.argv[1:]))
