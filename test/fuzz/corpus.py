#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The corpora of the fuzz targets: test/fuzz/corpus/TARGET.txt, one input a line, as NAME HEX.

usage: test/fuzz/corpus.py hand                   writes the inputs of seeds.py into them anew
       test/fuzz/corpus.py unpack TARGET FOLDER   writes a file an input, as fuzzers want it
       test/fuzz/corpus.py take TARGET FOLDER     takes the files of a merged folder in their place
       test/fuzz/corpus.py keep TARGET NAME FILE  adds one input, for good
       test/fuzz/corpus.py replay BUILD [NEAR]    runs every target on its corpus, and on NEAR
                                                  neighbours of each input

A target NAME_nt, which is NAME over named pipes, has the inputs of NAME as well. Names that begin
with "hand-" are those of seeds.py, with "kept-" inputs that broke something once; the others came
out of fuzzers, and are called by a sum of their bytes.
"""
import glob
import hashlib
import os
import subprocess
import sys

import seeds

FUZZ = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(FUZZ, "corpus")
# A corpus is for the tests of everybody: the longest inputs stay with who found them.
TAKEN_BYTES_MAX = 300
STAYING = ("hand-", "kept-")


def place(target):
    return os.path.join(CORPUS, target + ".txt")


def parent(target):
    return target.removesuffix("_nt")


def read(target):
    inputs = {}
    if os.path.exists(place(target)):
        with open(place(target), encoding="ascii") as stream:
            for line in stream:
                name, data = line.split()
                inputs[name] = bytes.fromhex(data.strip("-"))
    return inputs


def write(target, inputs):
    with open(place(target), "w", encoding="ascii") as stream:
        for name in sorted(inputs):
            stream.write(f"{name} {inputs[name].hex() or '-'}\n")


def every(target):
    return {**read(parent(target)), **read(target)}


def hand():
    for target, make in seeds.SEEDS.items():
        found = {name: data for name, data in read(target).items() if not name.startswith("hand-")}
        write(target, {**found, **{"hand-" + name: data for name, data in make()}})


def unpack(target, folder):
    os.makedirs(folder, exist_ok=True)
    for name, data in every(target).items():
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(data)


def take(target, folder):
    kept = {name: data for name, data in read(target).items() if name.startswith(STAYING)}
    known = set(kept.values())
    if target != parent(target):
        known |= set(read(parent(target)).values())
    for path in glob.glob(os.path.join(folder, "*")):
        with open(path, "rb") as stream:
            data = stream.read()
        if data not in known and len(data) <= TAKEN_BYTES_MAX:
            kept[hashlib.sha256(data).hexdigest()[:12]] = data
    write(target, kept)


def keep(target, name, path):
    with open(path, "rb") as stream:
        write(target, {**read(target), "kept-" + name: stream.read()})


def replay(build, near):
    """Each program is given its corpora; the counts are added up."""
    passed = failed = 0
    targets = sorted(os.path.basename(path)[len("target_"):-2]
                     for path in glob.glob(os.path.join(FUZZ, "target_*.c")))
    for program in [build + "/fuzz_" + target + nt for target in targets for nt in ("", "_nt")]:
        target = os.path.basename(program)[len("fuzz_"):]
        if target != parent(target) and not os.path.exists(place(target)):
            continue  # one that is the same on both systems
        corpora = [place(name) for name in (parent(target), target) if os.path.exists(place(name))]
        done = subprocess.run([program, "--near", near, *dict.fromkeys(corpora)], text=True,
                              stdout=subprocess.PIPE, check=False)
        lines = done.stdout.splitlines() or ["nothing"]
        print(f"{target}: " + "\n".join(lines), flush=True)
        words = lines[-1].split()
        closed = len(words) == 4 and words[1] == "passed,"
        if closed:
            passed, failed = passed + int(words[0]), failed + int(words[2])
        if not closed or (done.returncode != 0 and words[2] == "0"):
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


def main(words):
    if words == ["hand"]:
        hand()
    elif len(words) == 3 and words[0] == "unpack":
        unpack(words[1], words[2])
    elif len(words) == 3 and words[0] == "take":
        take(words[1], words[2])
    elif len(words) == 4 and words[0] == "keep":
        keep(*words[1:])
    elif len(words) in (2, 3) and words[0] == "replay":
        return replay(words[1], words[2] if len(words) == 3 else "0")
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
