#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What follows from session.table.

generate.py header|source|model|document|rows|mutants [--table FILE] [--mutant NAME]
prints the C header, the C source, the Promela model, the tables of
docs/session.md, the names of the model's rows, or the names of all mutants: one for each guard of each row
that is left out, and two for each record, done late or not at all.
"""
import argparse
import itertools
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KINDS = {"local", "message", "timer", "boot", "operator"}
NONE = "NONE"


class TableError(Exception):
    pass


class Row:
    def __init__(self, name, state, event, guards, acts, next_state, why):
        self.name, self.state, self.event = name, state, event
        self.side = name.split(".")[0]
        self.guards, self.acts, self.next, self.why = guards.split(), acts.split(), next_state, why


class Table:
    """The table as it is written, checked."""

    def __init__(self, path):
        self.sides, self.states, self.events, self.guards, self.acts, self.rows = {}, {}, {}, {}, {}, []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip() and not line.startswith("#"):
                    try:
                        self.take(line)
                    except (TableError, ValueError) as error:
                        raise TableError(f"{path}:{number}: {error}") from error
        self.check()

    def take(self, line):
        word, rest = line.split(None, 1)
        cells = [cell.strip() for cell in rest.split("|")]
        if word == "side":
            name, role = rest.split()
            self.sides[name] = role
        elif word == "state":
            side, name = cells[0].split()
            self.states[side, name] = cells[1:]
        elif word == "event":
            self.events[cells[0]] = cells[1:]
        elif word == "guard":
            self.guards[cells[0]] = cells[1]
        elif word == "act":
            self.acts[cells[0]] = cells[1]
        elif word == "row":
            if len(cells) != 7:
                raise TableError(f"a row has 7 cells, this one {len(cells)}")
            self.rows.append(Row(*cells))
        else:
            raise TableError(f"what is {word!r}?")

    def need(self, condition, row, what):
        if not condition:
            raise TableError(f"{row.name}: {what}")

    def check(self):
        for row in self.rows:
            self.need((row.side, row.state) in self.states and (row.side, row.next) in self.states, row, "which state?")
            self.need(row.event in self.events and self.events[row.event][0] in KINDS, row, "which event?")
            self.need(all(guard in self.guards for guard in row.guards), row, "which guard?")
            self.need(all(act in self.acts or act == "record" for act in row.acts), row, "which act?")
            self.need("record" not in row.acts[1:], row, "the record comes first")
            durable = self.record(row.side, row.state) != self.record(row.side, row.next)
            self.need(not durable or "record" in row.acts, row, "another record without writing it")
        self.check_unambiguous()
        self.check_way_out()

    def check_unambiguous(self):
        for a, b in itertools.combinations(self.rows, 2):
            same = (a.side, a.state, a.event) == (b.side, b.state, b.event)
            self.need(not same or {"same_boot", "other_boot"} <= set(a.guards + b.guards), b, f"and {a.name}?")
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise TableError("two rows have one name")

    def check_way_out(self):
        """From each open record an operator's command leads to a final one."""
        for (side, name), (record, kind, _) in self.states.items():
            if kind == "open" and record == name != NONE:
                ends = [row for row in self.rows if (row.side, row.state) == (side, name) and
                        self.events[row.event][0] == "operator" and self.states[side, row.next][1] == "final"]
                if not ends:
                    raise TableError(f"{side} {name}: no operator's command leads out of it")

    def record(self, side, state):
        return self.states[side, state][0]

    def state_names(self):
        return list(dict.fromkeys(name for _, name in self.states))

    def mutants(self):
        for row in self.rows:
            for guard in row.guards:
                yield f"{row.name}/without-{guard}"
            if "record" in row.acts:
                yield f"{row.name}/without-record"
                if len(row.acts) > 1:
                    yield f"{row.name}/record-late"

    def mutate(self, name):
        if name not in self.mutants():
            raise TableError(f"no such mutant: {name}")
        row_name, what = name.split("/")
        row = next(row for row in self.rows if row.name == row_name)
        if what == "record-late":
            row.acts = row.acts[1:] + row.acts[:1]
        elif what == "without-record":
            row.acts = row.acts[1:]
        else:
            row.guards.remove(what.removeprefix("without-"))


# ---- C ----

NOTE = "/* SPDX-License-Identifier: MIT */\n/* Made by attest/session/generate.py from session.table. */\n"


def c_enum(kind, names, upper):
    lines = [f"enum attest_{kind} {{"]
    lines += [f"\tATTEST_{upper}_{name.upper().replace(':', '_')}," for name in names]
    return "\n".join(lines + [f"\tATTEST_N_{upper}S,", "};", ""])


def header(table):
    most = max(len(row.acts) for row in table.rows)
    parts = [
        NOTE, "#ifndef ATTEST_SESSION_TABLE_H", "#define ATTEST_SESSION_TABLE_H", "", "#include <stdbool.h>",
        "#include <stdint.h>", "", "#include <attest/attest.h>", "",
        c_enum("state", table.state_names(), "STATE"), c_enum("event", table.events, "EVENT"),
        c_enum("guard", table.guards, "GUARD"), c_enum("act", ["record"] + list(table.acts), "ACT"),
        f"#define SESSION_TABLE_MAX_ACTS {most}u", "",
        "struct session_table_row {", "\tconst char *name;", "\tconst char *why;", "\tenum attest_role role;",
        "\tenum attest_state state;", "\tenum attest_event event;",
        "\tuint32_t guards;\t/* bit (1 << attest_guard) */", "\tuint32_t n_acts;",
        "\tenum attest_act acts[SESSION_TABLE_MAX_ACTS];", "\tenum attest_state next;", "};", "",
        "/* All rows, in the order of the file. */", "extern const struct session_table_row session_table_rows[];",
        f"#define SESSION_TABLE_N_ROWS {len(table.rows)}u", "",
        "/* What stands on the disk in a state of that side; its own name unless it is volatile. */",
        "enum attest_state session_table_record(enum attest_role role, enum attest_state state);",
        "/* Nothing more is decided in it. */",
        "bool session_table_is_final(enum attest_role role, enum attest_state state);",
        "/* Names as in the file; NULL beyond the last one. */",
        "const char *session_table_state_name(enum attest_state state);",
        "const char *session_table_event_name(enum attest_event event);",
        "const char *session_table_act_name(enum attest_act act);",
        "/* When it holds, in words. */",
        "const char *session_table_guard_text(enum attest_guard guard);",
        "/* What the state means on that side; NULL if it has none of that name. */",
        "const char *session_table_state_text(enum attest_role role, enum attest_state state);", "", "#endif", ""]
    return "\n".join(parts)


def c_name(name, upper):
    return f"ATTEST_{upper}_{name.upper().replace(':', '_')}"


def c_role(table, side):
    return f"ATTEST_{table.sides[side].upper()}"


def c_row(table, row):
    guards = " | ".join(f"1u << {c_name(guard, 'GUARD')}" for guard in row.guards) or "0"
    acts = ", ".join(c_name(act, "ACT") for act in row.acts)
    return (f"\t{{\n\t\t.name = \"{row.name}\",\n\t\t.why = \"{c_text(row.why)}\",\n"
            f"\t\t.role = {c_role(table, row.side)}, .state = {c_name(row.state, 'STATE')}, "
            f".event = {c_name(row.event, 'EVENT')},\n\t\t.guards = {guards},\n"
            f"\t\t.n_acts = {len(row.acts)}, " + (f".acts = {{ {acts} }}, " if acts else "") +
            f".next = {c_name(row.next, 'STATE')},\n\t}},")


def c_text(text):
    return text.replace("\\", "\\\\").replace('"', '\\"')


def c_names(kind, upper, pairs):
    lines = [f"static const char *const {kind}[ATTEST_N_{upper}S] = {{"]
    lines += [f"\t[{c_name(name, upper)}] = \"{c_text(text)}\"," for name, text in pairs]
    return lines + ["};", ""]


def c_getter(function, kind, upper, array):
    return [f"const char *session_table_{function}(enum attest_{kind} {kind})", "{",
            f"\treturn (unsigned int){kind} < ATTEST_N_{upper}S ? {array}[{kind}] : NULL;", "}", ""]


def c_by_state(table, declaration, array, value):
    lines = [f"static {declaration} {array}[3][ATTEST_N_STATES] = {{"]
    for side in table.sides:
        lines.append(f"\t[{c_role(table, side)}] = {{")
        lines += [f"\t\t[{c_name(name, 'STATE')}] = {value(state)}," for (of, name), state in table.states.items()
                  if of == side]
        lines.append("\t},")
    return lines + ["};", ""]


def source(table):
    acts = [("record", "record")] + [(name, name) for name in table.acts]
    lines = [NOTE, "#include <stddef.h>", "", "#include <attest/session/session_table.h>", "",
             "const struct session_table_row session_table_rows[] = {"]
    lines += [c_row(table, row) for row in table.rows] + ["};", ""]
    lines += c_names("state_names", "STATE", [(name, name) for name in table.state_names()])
    lines += c_names("event_names", "EVENT", [(name, name) for name in table.events])
    lines += c_names("act_names", "ACT", acts)
    lines += c_names("guard_texts", "GUARD", table.guards.items())
    lines += c_by_state(table, "const uint8_t", "records", lambda state: c_name(state[0], "STATE"))
    lines += c_by_state(table, "const bool", "finals", lambda state: "true" if state[1] == "final" else "false")
    lines += c_by_state(table, "const char *const", "texts", lambda state: f"\"{c_text(state[2])}\"")
    for arguments in (("state_name", "state", "STATE", "state_names"), ("event_name", "event", "EVENT", "event_names"),
                      ("act_name", "act", "ACT", "act_names"), ("guard_text", "guard", "GUARD", "guard_texts")):
        lines += c_getter(*arguments)
    for returns, function, array in (("enum attest_state", "record", "records"), ("bool", "is_final", "finals"),
                                     ("const char *", "state_text", "texts")):
        space = "" if returns.endswith("*") else " "
        lines += [f"{returns}{space}session_table_{function}(enum attest_role role, enum attest_state state)", "{",
                  f"\treturn {array}[role][state];", "}", ""]
    return "\n".join(lines)


# ---- Promela ----

# For each event the lies that it can come with, and whether it comes on a connection.
LIES = {"source.begin": 1, "source.joined": 1, "destination.joined": 1, "source.abort": 1, "destination.present": 1,
        "source.op_abort": 1, "source.op_abandon": 1, "destination.op_abort": 1, "destination.op_abandon": 1,
        "source.op_resume": 2}


# In a verifier: which rows were taken, printed when it ends.
WITNESS = """
c_decl {{
\\#include <stdio.h>
\\#include <stdlib.h>
static unsigned char row_taken[{0}];
static void print_taken(void)
{{
	int i;
	for (i = 0; i < {0}; i++)
		if (row_taken[i])
			printf("row %d taken\\n", i);
}}
}}
"""


class Model:
    def __init__(self, table, environment, witness):
        self.table, self.environment, self.witness = table, environment, witness
        self.checks = set(re.findall(r"#define (CHECK_\w+)\(c, x\) \S", environment))

    def statements(self, row, c, x):
        """One for each act; the new state goes with the last one."""
        done = []
        for act in row.acts:
            name = act.replace(":", "_")
            if act == "record":
                record = self.table.record(row.side, row.next)
                statement = f"ACT_{row.side}_record({record}, {c})"
                if row.event == "joined":
                    statement += f"; {row.side}_connection = {c}"
            else:
                statement = f"ACT_{row.side}_{name}({c}, {x})"
            done.append(statement)
        return done or ["skip"]

    def take(self, row):
        return f"c_code {{ row_taken[{self.table.rows.index(row)}] = 1; }}; " if self.witness else ""

    def guards(self, row, c, x):
        return "".join(f" && GUARD_{guard}({row.side}, {c}, {x})" for guard in row.guards)

    def up(self, row, c, x):
        side = row.side
        steps = self.statements(row, c, x)
        check = f"CHECK_{side}_{row.event}"
        if check in self.checks:
            steps[0] = f"{check}({c}, {x}); {steps[0]}"
        steps[-1] += f"; {side}_state = {row.next}"
        first = (f"\t:: d_step {{ {side}_up && {side}_state == {row.state} && EVENT_{side}_{row.event}({c}, {x})"
                 f"{self.guards(row, c, x)} ->\n\t\t{self.take(row)}{steps[0]} }}")
        return ";\n".join([first] + [f"\t\tSTEP({side}, {step})" for step in steps[1:]])

    def opened(self, row):
        side = row.side
        steps = self.statements(row, 0, 0)
        judged = f"CHECK_judged({side}); " if row.next != row.state else ""
        steps[0] = f"{judged}{side}_up = 1; {steps[0]}"
        steps[-1] += f"; {side}_state = {row.next}"
        first = (f"\t:: d_step {{ !{side}_up && {side}_record == {row.state} && MAY_OPEN({side}){self.guards(row, 0, 0)}"
                 f" ->\n\t\t{self.take(row)}{steps[0]} }}")
        return ";\n".join([first] + [f"\t\tSTEP({side}, {step})" for step in steps[1:]] + [f"\t\tgoto {side}_run"])

    def command(self, row, x):
        side = row.side
        ghost = "forced = 1; " if row.event == "op_resume" else ""
        return (f"\t:: d_step {{ !{side}_up && !{side}_old && {side}_record == {row.state} && "
                f"COMMAND_{row.event}({x}){self.guards(row, 0, x)} ->\n"
                f"\t\t{self.take(row)}CHECK_operator({x}); {ghost}{self.statements(row, 0, x)[0]} }}")

    def rows(self, side, block):
        lines = []
        for row in (row for row in self.table.rows if row.side == side):
            kind = self.table.events[row.event][0]
            lies = range(LIES.get(f"{side}.{row.event}", 0) + 1)
            if kind == "operator" and block == "down":
                lines += [self.command(row, x) for x in lies]
            elif kind == "boot" and block == "down":
                lines.append(self.opened(row))
            elif kind not in ("operator", "boot") and block == "up" and (row.acts or row.state != row.next):
                numbers = range(1, self.connections + 1) if kind == "message" else [0]
                lines += [self.up(row, c, x) for c in numbers for x in lies]
        return "\n".join(lines)

    def text(self, connections):
        self.connections = connections
        names = "\n".join(f"#define {name} {i}" for i, name in enumerate(self.table.state_names()))
        out = ["/* Made by attest/session/generate.py from session.table and environment.pml. */", names]
        for line in self.environment.splitlines():
            if line.startswith("@rows"):
                out.append(self.rows(*line.split()[1:]))
            else:
                out.append(line)
        text = "\n".join(out) + "\n"
        if self.witness:
            text = text.replace("init\n{", WITNESS.format(len(self.table.rows)) + "init\n{\n\tc_code { atexit(print_taken); };")
        return text


# ---- document ----

def cell(text):
    return text.replace("|", "\\|")


def document(table):
    out = []
    for side in table.sides:
        out += [f"### States of the {side}", "", "| state | on the disk | | meaning |", "|---|---|---|---|"]
        for (of, name), (record, kind, text) in table.states.items():
            if of == side:
                out.append(f"| {name} | {'=' if record == name else record} | {kind} | {cell(text)} |")
        out += ["", f"### Rows of the {side}", "", "| state | event | only if | in this order | next | why |",
                "|---|---|---|---|---|---|"]
        for row in table.rows:
            if row.side == side:
                acts = ", ".join("**record**" if act == "record" else act.replace("send:", "send ")
                                 for act in row.acts)
                out.append(f"| {row.state} | {row.event} | {', '.join(row.guards)} | {acts} | {row.next} | "
                           f"{cell(row.why)} |")
        out.append("")
    out += ["### Events, guards, acts", "", "| event | kind | what happened |", "|---|---|---|"]
    out += [f"| {name} | {kind} | {cell(text)} |" for name, (kind, text) in table.events.items()]
    out += ["", "| guard | holds when |", "|---|---|"]
    out += [f"| {name} | {cell(text)} |" for name, text in table.guards.items()]
    out += ["", "| act | |", "|---|---|", "| **record** | the next state's record is durable: write, fsync, rename, "
            "fsync of the directory |"]
    out += [f"| {name.replace('send:', 'send ')} | {cell(text)} |" for name, text in table.acts.items()]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["header", "source", "model", "document", "rows", "mutants"])
    parser.add_argument("--table", default=os.path.join(HERE, "session.table"))
    parser.add_argument("--mutant", help="with this rule taken out")
    parser.add_argument("--witness", action="store_true", help="model: the verifier prints which rows were taken")
    parser.add_argument("--connections", type=int, default=2, help="model: handshakes at most")
    options = parser.parse_args()
    try:
        table = Table(options.table)
        if options.mutant:
            table.mutate(options.mutant)
    except TableError as error:
        sys.exit(f"generate.py: {error}")
    if options.what == "rows":
        print("\n".join(f"{number} {row.name}" for number, row in enumerate(table.rows) if row.acts or
                        row.state != row.next or table.events[row.event][0] == "boot"))
    elif options.what == "mutants":
        print("\n".join(table.mutants()))
    elif options.what == "model":
        with open(os.path.join(HERE, "environment.pml"), encoding="utf-8") as file:
            model = Model(table, file.read(), options.witness).text(options.connections)
        sys.stdout.write(model.replace("#define MAX_CONNECTION 2", f"#define MAX_CONNECTION {options.connections}"))
    else:
        sys.stdout.write({"header": header, "source": source, "document": document}[options.what](table))


if __name__ == "__main__":
    main()
