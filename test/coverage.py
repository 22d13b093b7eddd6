#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the tests reach of src/: lines, functions, branches and conditions (MC/DC).

Runs the test programs of two builds that count, Linux' and Windows' under wine, merges what they
counted into one table, and judges it. Branches of assertions are left out: one that fails is a
defect, so no test can take it. What else is left out has a reason in coverage_exclusions.def.

usage: test/coverage.py [--judge] [--no-wine] [BUILD [BUILD-WINDOWS]]
       --judge: run nothing, judge what the last run counted
"""

import collections
import concurrent.futures
import glob
import json
import os
import re
import shutil
import struct
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXCLUSIONS = "test/coverage_exclusions.def"
KINDS = ("lines", "functions", "branches", "conditions")
GATE = {"lines": 100.0, "functions": 100.0, "branches": 95.0, "conditions": 95.0}
PROGRAM_SECONDS = 1200

# Objects with the same function compiled in another way are read by themselves, then merged.
GROUPS = (
    ("leat_core", "leat_port", "leat_os_real", "leat_port_windows", "leat_nt_pure"),
    ("leat_core_uring", "leat_port_uring"),
    ("leat_os_real_renamed",),
    ("leat_os_real_renamed_poll",),
    ("leat_os_real_renamed_kqueue",),
)
GROUP_WINDOWS = ("leat_core", "leat_port", "leat_os_real")
GROUP_WINDOWS_FAULT = ("leat_os_real_renamed",)

PROGRAMS = (
    "unit_tests", "unit_tests_nt", "port_answers", "conformance_real", "conformance_real_poll",
    "conformance_real_kqueue", "conformance_sim", "conformance_sim_uring", "conformance_sim_nt",
    "sim_who_test", "sim_who_test_nt", "real_kernel_test", "pollers_epoll", "pollers_poll",
    "pollers_kqueue", "os_calls_epoll", "os_calls_poll", "os_calls_kqueue", "fault_sweep",
    "fault_sweep_nt", "sim_run --seeds 1 200", "sim_run_nt --seeds 1 200", "stress",
)
PROGRAMS_WINE = (
    "unit_tests", "contract_nt", "os_calls", "conformance_real",
    "fault_sweep --scenario pair,serve", "stress",
)


# ---- Running -------------------------------------------------------------------------------------


def tool(name):
    """Clang 19's, or the only one that there is."""
    return shutil.which(name + "-19") or shutil.which(name) or sys.exit(f"{name} is not there")


def run(name, words, profile):
    """True when the program passed; what it printed is in its log."""
    log = os.path.join("build", "log", f"coverage-{name}.log")
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as out:
        try:
            code = subprocess.run(
                words, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=dict(os.environ, LLVM_PROFILE_FILE=profile), timeout=PROGRAM_SECONDS,
                check=False).returncode
        except subprocess.TimeoutExpired:
            code = -1
    with open(log, encoding="utf-8", errors="replace") as text:
        closing = (text.read().splitlines() or [""])[-1]
    print(f"{name}: {closing}" + ("" if code == 0 else f" (exit code {code}, see {log})"),
          flush=True)
    return code == 0


def raw_folder(build):
    folder = os.path.abspath(os.path.join(build, "raw"))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.chmod(folder, 0o1777)  # some tests become another user
    return folder


def run_linux(build):
    raw = raw_folder(build)
    jobs = [(words.split()[0], [os.path.join(build, words.split()[0]), *words.split()[1:]])
            for words in PROGRAMS]
    # Inputs that fuzzers have found, each with its neighbours, on the simulated kernel.
    jobs.append(("fuzz-corpus", [sys.executable, "test/fuzz/corpus.py", "replay", build, "10"]))
    jobs.append(("attacks", [sys.executable, "test/attacks/report.py", build]))
    for script in sorted(glob.glob("test/process/*_test.py") + glob.glob("test/process/*.sh")):
        if "/windows_" not in script:
            shell = sys.executable if script.endswith(".py") else "sh"
            name = "process-" + os.path.basename(script).split(".")[0]
            jobs.append((name, [shell, script, os.path.join(build, "leat")]))
    # %2m: two files for each program, which its processes merge their counts into.
    return all([run(name, words, f"{raw}/{name}-%2m.profraw") for name, words in jobs])


def run_wine(build):
    raw = raw_folder(build)
    good = True
    for words in PROGRAMS_WINE:
        name, *rest = words.split()
        profile = "Z:" + os.path.join(raw, name).replace("/", "\\")
        program = os.path.join(build, name + ".exe")
        good &= run(f"wine-{name}", ["sh", "test/wine.sh", program, *rest], profile)
    return good


# ---- Reading -------------------------------------------------------------------------------------


class Counts:
    """What was reached: of each file, a key for each line, function, branch and condition."""

    def __init__(self):
        self.found = {kind: collections.defaultdict(dict) for kind in KINDS}
        self.texts = {}
        self.assertions = {}
        # Of each file, name: first and last lines. A name may be in two parts of an #if.
        self.functions = collections.defaultdict(lambda: collections.defaultdict(set))
        self.branch_places = collections.defaultdict(list)

    def see(self, kind, name, key, reached):
        if kind in ("branches", "conditions") and self.asserts(name, key[0]):
            return
        of_file = self.found[kind][name]
        of_file[key] = of_file.get(key, False) or reached

    def lines_of(self, name):
        if name not in self.texts:
            with open(name, encoding="utf-8") as text:
                self.texts[name] = text.read().splitlines()
        return self.texts[name]

    def asserts(self, name, line):
        """An assertion is at this line; its text may go on over the next ones."""
        if name not in self.assertions:
            inside = set()
            lines = self.lines_of(name)
            for first, text in enumerate(lines):
                if not re.search(r"\bLTI_(?:ASSERT|INVARIANT)\(", text):
                    continue
                if text.startswith("#define"):
                    continue
                last = first
                while not re.search(r"\);\s*(/\*.*)?$", lines[last]):
                    last += 1
                inside.update(range(first + 1, last + 2))
            self.assertions[name] = inside
        return line in self.assertions[name]

    def text_of(self, name, key):
        """The source between two places."""
        lines = self.lines_of(name)
        first, from_column, last, to_column = key[:4]
        if first == last:
            return lines[first - 1][from_column - 1:to_column - 1]
        parts = [lines[first - 1][from_column - 1:], *lines[first:last - 1],
                 lines[last - 1][:to_column - 1]]
        return " ".join(part.strip() for part in parts)


def source_name(path):
    """Its name from the root, or None for what is not counted."""
    name = os.path.relpath(path, ROOT)
    return name if name.startswith("src/") and name != "src/lti_assert.h" else None


def coff_aligned(path, copy):
    """A copy of a Windows object in which the reader finds what was counted where it can read it:
    it wants that at a multiple of eight, where compilers put it anywhere."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    sections, = struct.unpack_from("<H", data, 2)
    symbols, symbols_count = struct.unpack_from("<II", data, 8)
    strings = symbols + 18 * symbols_count
    for number in range(sections):
        at = 20 + 40 * number
        name = bytes(data[at:at + 8]).rstrip(b"\0")
        if name.startswith(b"/"):
            begin = strings + int(name[1:])
            name = bytes(data[begin:data.index(b"\0", begin)])
        if name.startswith(b".lcov"):
            size, begin = struct.unpack_from("<II", data, at + 16)
            text = bytes(data[begin:begin + size])
            data += bytes(-len(data) % 8)
            struct.pack_into("<I", data, at + 20, len(data))
            data += text
    with open(copy, "wb") as file:
        file.write(data)


def object_files(build, groups):
    files = []
    for group in groups:
        files += glob.glob(f"{build}/CMakeFiles/{group}.dir/src/*.o")
        for path in glob.glob(f"{build}/CMakeFiles/{group}.dir/src/*.obj"):
            copy = os.path.join(build, "objects", group, os.path.basename(path))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            coff_aligned(path, copy)
            files.append(copy)
    return sorted(files)


def export(profile, files, form):
    words = [tool("llvm-cov"), "export", f"-format={form}", f"-instr-profile={profile}", files[0]]
    for name in files[1:]:
        words += ["-object", name]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return done.stdout.decode()


def take_branches(counts, name, place, branches):
    for branch in branches:
        key = place or tuple(branch[:4])
        for way, count in (("true", branch[4]), ("false", branch[5])):
            # A place in a macro has several branches, told apart by where they are in it.
            counts.see("branches", name, (*key, way, *(branch[:4] if place else ())), count > 0)


def take_conditions(counts, name, place, records):
    for record in records:
        key = place or tuple(record[:4])
        for number, covered in enumerate(record[-1]):
            counts.see("conditions", name, (*key, number, *(record[:4] if place else ())), covered)


def take(counts, profile, files):
    told = json.loads(export(profile, files, "text"))["data"][0]
    for one in told["files"]:
        name = source_name(one["filename"])
        if not name:
            continue
        take_branches(counts, name, None, one["branches"])
        take_conditions(counts, name, None, one["mcdc_records"])
        for inside in one["expansions"]:
            if not any(path.endswith("lti_assert.h") for path in inside["filenames"][1:]):
                place = tuple(inside["source_region"][:4])
                take_branches(counts, name, place, inside["branches"])
    for one in told["functions"]:
        name = source_name(one["filenames"][0])
        if name:
            function = one["name"].split(":")[-1].split(";")[-1]
            first, last = one["regions"][0][0], one["regions"][0][2]
            counts.functions[name][function].add((first, last))
            # The fault object's copies have other names, but their places are the same.
            counts.see("functions", name, (first, 0, last, 0), one["count"] > 0)
    name = None
    for line in export(profile, files, "lcov").splitlines():
        if line.startswith("SF:"):
            name = source_name(line[3:])
        elif line.startswith("DA:") and name:
            number, count = (int(word) for word in line[3:].split(",")[:2])
            if not counts.lines_of(name)[number - 1].startswith("#"):  # a macro counts where it is
                counts.see("lines", name, (number, 0, number, 0), count > 0)


def read(build, build_windows):
    raws = glob.glob(f"{build}/raw/*.profraw")
    raws += glob.glob(f"{build_windows}/raw/*.profraw") if build_windows else []
    profile = f"{build}/all.profdata"
    listed = f"{build}/raws.txt"
    with open(listed, "w", encoding="utf-8") as out:
        out.write("".join(f"{name}\n" for name in raws))
    subprocess.run([tool("llvm-profdata"), "merge", "--sparse", "--failure-mode=all",
                    f"--input-files={listed}", "-o", profile], check=True)
    counts = Counts()
    sets = [object_files(build, group) for group in GROUPS]
    if build_windows:
        sets.append(object_files(build_windows, GROUP_WINDOWS))
        sets.append(object_files(build_windows, GROUP_WINDOWS_FAULT))
    for files in sets:
        if files:
            take(counts, profile, files)
    return counts


# ---- Exclusions ----------------------------------------------------------------------------------


class Exclusion:
    """`FILE`, `FILE:FUNCTION` or `FILE:FUNCTION: TEXT`, and why no test can reach that here."""

    def __init__(self, head, number):
        self.head, self.number, self.reason = head, number, ""
        parts = head.split(":", 2)
        self.file = "src/" + parts[0]
        self.function = parts[1].strip() if len(parts) > 1 else None
        self.text = parts[2].strip() if len(parts) > 2 else None
        self.excused = 0

    def holds(self, counts, name, key):
        if name != self.file:
            return False
        if not self.function:
            return True
        places = counts.functions[name].get(self.function, ())
        if not any(first <= key[0] <= last for first, last in places):
            return False
        if not self.text:
            return True
        line = counts.lines_of(name)[key[0] - 1]
        at = line.find(self.text)
        if at < 0:
            return False
        # A line has no columns; a branch must be in the text.
        return key[1] == 0 or at < key[1] <= at + len(self.text)


def exclusions_read():
    rows = []
    with open(EXCLUSIONS, encoding="utf-8") as text:
        for number, line in enumerate(text, 1):
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] == " ":
                rows[-1].reason = (rows[-1].reason + " " + line.strip()).strip()
            else:
                rows.append(Exclusion(line.strip(), number))
    return rows


def exclude(counts, rows):
    """Takes what is excused out of the counts; complaints about rows that excuse nothing."""
    excused = collections.Counter()
    for kind in KINDS:
        for name, of_file in counts.found[kind].items():
            for key in [key for key, reached in of_file.items() if not reached]:
                for row in rows:
                    if row.holds(counts, name, condition_place(counts, name, kind, key)):
                        row.excused += 1
                        excused[kind] += 1
                        del of_file[key]
                        break
    bad = [f"{EXCLUSIONS}:{row.number}: {row.head}: excuses nothing" for row in rows
           if not row.excused]
    bad += [f"{EXCLUSIONS}:{row.number}: {row.head}: no reason" for row in rows if not row.reason]
    return excused, bad


def condition_place(counts, name, kind, key):
    """A condition is told by its number in a decision: the place of its branch, if it has one."""
    if kind != "conditions":
        return key
    inside = sorted({other[:4] for other in counts.branch_places[name]
                     if key[:2] <= other[:2] and other[2:4] <= key[2:4]})
    return inside[key[4]] if key[4] < len(inside) else key


# ---- Telling -------------------------------------------------------------------------------------


def share(reached, all_of_them):
    return 100.0 * reached / all_of_them if all_of_them else 100.0


def table(counts):
    names = sorted({name for kind in KINDS for name in counts.found[kind]})
    rows = []
    total = {kind: [0, 0] for kind in KINDS}
    for name in names:
        cells = []
        for kind in KINDS:
            of_file = counts.found[kind].get(name, {})
            reached = sum(of_file.values())
            total[kind][0] += reached
            total[kind][1] += len(of_file)
            cells.append(f"{reached}/{len(of_file)}".rjust(11))
        rows.append(f"{name:30}" + "".join(cells))
    head = f"{'file':30}" + "".join(kind.rjust(11) for kind in KINDS)
    last = f"{'all':30}" + "".join(f"{a}/{b}".rjust(11) for a, b in total.values())
    return [head, *rows, last], total


def missing(counts):
    """Every line, branch and condition that was not reached, in the order of the source."""
    found = []
    for kind in KINDS:
        for name, of_file in counts.found[kind].items():
            for key, reached in of_file.items():
                if reached:
                    continue
                place = condition_place(counts, name, kind, key)
                if kind == "lines":
                    text = counts.lines_of(name)[key[0] - 1].strip()
                elif kind == "functions":
                    text = " or ".join(sorted(
                        function for function, places in counts.functions[name].items()
                        if (key[0], key[2]) in places))
                else:
                    text = counts.text_of(name, place)
                    text += f"  never {key[4]}" if kind == "branches" else "  decides nothing"
                found.append((name, place[0], KINDS.index(kind), f"{kind[:-1]:10} {text}"))
    return [f"{name}:{line}: {text}" for name, line, _, text in sorted(found)]


def judge(build, build_windows):
    counts = read(build, build_windows)
    for name, of_file in counts.found["branches"].items():
        counts.branch_places[name] = list(of_file)
    rows = exclusions_read()
    excused, bad = exclude(counts, rows)
    lines, total = table(counts)
    with open(f"{build}/missing.txt", "w", encoding="utf-8") as out:
        out.write("".join(f"{line}\n" for line in missing(counts)))
    print("\n".join(lines))
    print(f"\nexcluded by {EXCLUSIONS}, {len(rows)} rows: " +
          ", ".join(f"{excused[kind]} {kind}" for kind in KINDS))
    for row in rows:
        print(f"    {row.excused:4} {row.head}: {row.reason}")
    print(f"what is not reached: {build}/missing.txt\n")
    failed = len(bad)
    print("".join(f"{line}\n" for line in bad), end="")
    for kind, (reached, of_them) in total.items():
        good = share(reached, of_them) >= GATE[kind]
        failed += not good
        print(f"{'ok' if good else 'FAILED'} {kind}: {reached} of {of_them}, "
              f"{share(reached, of_them):.2f} %, wanted {GATE[kind]:.0f} %")
    return len(GATE), failed


def wine_there():
    known = os.path.exists("/usr/lib/wine/wine64") or shutil.which("wine") or shutil.which("wine64")
    return os.uname().sysname == "Linux" and os.uname().machine == "x86_64" and bool(known)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    os.chdir(ROOT)
    build = words[0] if words else "build/coverage"
    build_windows = None
    if "--no-wine" not in sys.argv and wine_there():
        build_windows = words[1] if len(words) > 1 else "build-windows/coverage"
    ran = True
    if "--judge" not in sys.argv:
        # Wine waits for itself most of the time.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            wine = pool.submit(run_wine, build_windows) if build_windows else None
            ran = run_linux(build)
            ran = (not wine or wine.result()) and ran
    number, failed = judge(build, build_windows)
    failed += not ran
    skipped = "" if build_windows else ", 1 skipped"  # Windows' system calls are not in the table
    print(f"{max(0, number - failed)} passed, {failed} failed{skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
