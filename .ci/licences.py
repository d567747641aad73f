"""Checks licences, sources and banned crates of every dependency by the lists of deny.toml.

cargo-deny does this and more; it takes minutes to build, and this takes none and needs no network.
"""

import json
import re
import subprocess
import sys
import tomllib


def satisfied(expression: str, allowed: set[str]) -> bool:
    """Whether one of the choices of an SPDX expression is allowed (AND binds tighter than OR)."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either() -> bool:
        good = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            good |= both()
        return good

    def both() -> bool:
        good = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            good &= one()
        return good

    def one() -> bool:
        token = tokens.pop(0)
        if token == "(":
            good = either()
            tokens.pop(0)
            return good
        if tokens and tokens[0] == "WITH":
            token = f"{token} WITH {tokens[1]}"
            del tokens[:2]
        return token in allowed

    return either()


def self_test() -> None:
    allowed = {"MIT", "Zlib"}
    for good in ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "MIT AND Zlib", "(A OR MIT) AND Zlib", "A WITH x OR MIT"]:
        assert satisfied(good, allowed), good
    for bad in ["A", "A AND MIT", "MIT AND (A OR B)", "MIT WITH x", "Zlib AND A OR B"]:
        assert not satisfied(bad, allowed), bad


def built() -> set[str]:
    """Name and version of each package that some target or feature builds. The list of metadata has more: what a package
    could use, but doesn't."""
    command = "cargo tree --workspace --locked --all-features --target all --edges all --prefix none --format {p}"
    lines = subprocess.run(command.split(" "), check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {" ".join(line.split()[:2]).replace(" v", " ") for line in lines if line}


def main() -> int:
    self_test()
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    allowed = set(rules["licenses"]["allow"])
    banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    problems, is_built = [], built()
    for package in packages:
        name, source = f"{package['name']} {package['version']}", package["source"]
        if source is None or name not in is_built:
            continue
        if not source.startswith("registry+"):
            problems.append(f"{name}: comes from {source}, not from the registry")
        if package["name"] in banned:
            problems.append(f"{name}: is banned ({banned[package['name']]})")
        if not satisfied(package["license"] or "none", allowed):
            problems.append(f"{name}: its licence is {package['license'] or 'unknown'}")
    print("\n".join(problems) or f"{len(is_built)} packages: licences, sources and bans as deny.toml says")
    return 1 if problems else 0


sys.exit(main())
