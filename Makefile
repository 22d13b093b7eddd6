# SPDX-License-Identifier: MIT
# Habitual names for ./dev, the front door. `make` gives build/leat, build/libleat.a and
# build/libleat.so.

.POSIX:
.PHONY: all demo test test-deep bench clean install

all:
	./dev build

demo:
	./dev demo

test:
	./dev test

test-deep:
	./dev test-deep

bench:
	./dev bench

clean:
	./dev clean

install: all
	cmake --install build
