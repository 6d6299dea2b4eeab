#!/bin/sh
command -v labrunner >/dev/null 2>&1 && exec labrunner app "$@" || exec cargo run --quiet --release --manifest-path "$(dirname "$0")/Cargo.toml" -- app "$@"
