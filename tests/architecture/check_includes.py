#!/usr/bin/env python3
"""Checks every #include of the project against the folder table of CMakeLists.txt.

A folder may include its own headers and those of the folders that it reaches through DEPS. Headers
of LLVM, ANTLR, nlohmann/json and CLI11 stay inside the folders that declare them as EXTERNAL: a
header of ours that includes one, itself or through others, is private to its folder. No folder may depend on itself through others, and no file is longer
than 800 lines.

usage: check_includes.py SOURCE_DIR
"""
import re
import sys
from pathlib import Path

FOLDER = re.compile(r"netc_folder\(\s*(\S+?)\s*(?:\)|\s((?:[^()]|\n)*)\))")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)

# What marks a third party's header, and the EXTERNAL target that allows it.
THIRD_PARTIES = {
    "llvm/": "netc_llvm",
    "antlr4-runtime": "netc_generated_parser",
    "NetLexer.h": "netc_generated_parser",
    "NetParser.h": "netc_generated_parser",
    "nlohmann/": "nlohmann_json::nlohmann_json",
    "CLI/": "CLI11::CLI11",
}
# netc_data_libraries brings the JSON library along.
IMPLIED = {"netc_data_libraries": {"nlohmann_json::nlohmann_json"}}
MAX_LINES = 800


def read_table(cmake: str):
    deps, external = {}, {}
    for match in FOLDER.finditer(cmake):
        folder, rest = match.group(1), match.group(2) or ""
        section, deps[folder], external[folder] = None, set(), set()
        for word in rest.split():
            if word in ("DEPS", "EXTERNAL"):
                section = word
            elif section == "DEPS":
                deps[folder].add(word)
            elif section == "EXTERNAL":
                external[folder] |= {word} | IMPLIED.get(word, set())
    return deps, external


def reach(folder, deps):
    seen, todo = set(), [folder]
    while todo:
        for dep in deps.get(todo.pop(), ()):
            if dep not in seen:
                seen.add(dep)
                todo.append(dep)
    return seen


def main():
    root = Path(sys.argv[1])
    deps, external = read_table((root / "CMakeLists.txt").read_text())
    problems = []
    if len(deps) < 10:
        problems.append(f"CMakeLists.txt: only {len(deps)} folders found: has its form changed?")
    for folder, of_folder in deps.items():
        for dep in sorted(of_folder - set(deps)):
            problems.append(f"CMakeLists.txt: {folder} depends on {dep}, which is no folder")
        if folder in reach(folder, deps):
            problems.append(f"CMakeLists.txt: {folder} depends on itself")

    files = 0
    tainted = {}  # header of ours -> the third party's header that it includes
    includes = []  # (where, including file, included header of ours)
    for path in sorted(p for top in ("compiler", "runtime") for p in (root / top).rglob("*") if p.suffix in (".h", ".cpp")):
        name = path.relative_to(root).as_posix()
        folder = path.parent.relative_to(root).as_posix()
        text = path.read_text()
        files += 1
        if text.count("\n") > MAX_LINES:
            problems.append(f"{name}: more than {MAX_LINES} lines")
        if folder not in deps:
            problems.append(f"{name}: {folder} is not in the table of CMakeLists.txt")
            continue
        allowed = reach(folder, deps) | {folder}
        for match in INCLUDE.finditer(text):
            header = match.group(2)
            where = f"{name}:{text.count(chr(10), 0, match.start(1)) + 1}"
            if header.startswith(("compiler/", "runtime/")):
                target = header.rsplit("/", 1)[0]
                if target not in allowed:
                    problems.append(f"{where}: {folder} may not include {header}")
                includes.append((where, name, header))
                if not (root / header).exists():
                    problems.append(f"{where}: {header} does not exist")
            for prefix, target in THIRD_PARTIES.items():
                if header.startswith(prefix):
                    if target not in external[folder]:
                        problems.append(f"{where}: {header} does not belong into {folder}")
                    elif path.suffix == ".h":
                        tainted[name] = header
            if path.suffix == ".h" and header.startswith("fmt/"):
                problems.append(f"{where}: {header} stands in a header")

    grown = True
    while grown:
        grown = False
        for _, name, header in includes:
            if header in tainted and name.endswith(".h") and name not in tainted:
                tainted[name] = tainted[header]
                grown = True
    for where, name, header in includes:
        if header in tainted and name.rsplit("/", 1)[0] != header.rsplit("/", 1)[0]:
            problems.append(f"{where}: {header} is private to its folder, because it needs {tainted[header]}")

    # The public header uses the standard library only.
    for path in sorted((root / "include").rglob("*.hpp")):
        for match in INCLUDE.finditer(path.read_text()):
            if match.group(1) == '"' or "/" in match.group(2):
                problems.append(f"{path.relative_to(root)}: includes {match.group(2)}")

    print("\n".join(problems) or f"{files} files in {len(deps)} folders: every include obeys the table")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
