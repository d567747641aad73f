"""Checks the pages against the code: every link leads somewhere, and the lists of the reference are complete.

What a page says about a setting or an error is the code's to decide; this keeps both from drifting apart.
"""

import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
SKIPPED = {"target", "node_modules", ".git", "countersign-data"}
problems: list[str] = []


def pages() -> list[pathlib.Path]:
    return [page for page in ROOT.rglob("*.md") if not SKIPPED & set(page.relative_to(ROOT).parts)]


def anchors(page: pathlib.Path) -> set[str]:
    """The names that headings have in a browser."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check_links() -> None:
    for page in pages():
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            if not file.exists():
                problems.append(f"{page.relative_to(ROOT)}: {target} does not exist")
            elif anchor and anchor not in anchors(file):
                problems.append(f"{page.relative_to(ROOT)}: {target} has no such heading")


def check_copies() -> None:
    """A file that a page shows is the file that is run."""
    for file in [ROOT / "docs/how-to/many-nodes/countersign.conf"]:
        page = file.parent.with_suffix(".md")
        if f"```nginx\n{file.read_text()}```" not in page.read_text():
            problems.append(f"{page.relative_to(ROOT)}: it does not show {file.name} as it is")


def check_settings() -> None:
    source = (ROOT / "crates/countersign/src/settings/spec.rs").read_text()
    specs = re.findall(r'(?:spec|list)\(\s*"([^"]+)",\s*"([^"]+)",\s*"([^"]+)"', source)
    page = (ROOT / "docs/reference/settings.md").read_text()
    rows = {row[0]: row[1] for row in re.findall(r"^\| `([^`]+)` \| `[^`]*` \| ([^|]+) \|", page, re.M)}
    if len(specs) < 40:
        problems.append(f"spec.rs: found only {len(specs)} settings: has its form changed?")
    for name, _, default in specs:
        if name not in rows:
            problems.append(f"settings.md: {name} is missing")
        elif rows[name].replace("`", "").strip() != default:
            problems.append(f"settings.md: the default of {name} is {default!r} in the code")
    for name in rows.keys() - {name for name, _, _ in specs}:
        problems.append(f"settings.md: there is no setting {name}")


def check_codes() -> None:
    """Every code that a source file gives to a problem or a field stands on the page, and none besides."""
    code = r'"([a-z]+(?:_[a-z]+)*)"'
    forms = [
        rf"FieldError::new\(\s*{code}",
        rf"Problem::new\(\s*StatusCode::\w+,\s*{code}",
        rf"Self::new\(\s*StatusCode::\w+,\s*{code}",
        rf"self\.refuse\(\s*&?\w+,\s*{code}",
        r'\("([a-z]+_[a-z_]+)", (?:"|invalid)',
        rf"forbidden\(\s*{code}",
        rf"unauthorized\(\s*{code}",
    ]
    known: set[str] = set()
    for file in (ROOT / "crates/countersign/src").rglob("*.rs"):
        parts = file.relative_to(ROOT).parts
        if "settings" in parts or "tests" in parts or file.name in {"tests.rs", "oracle.rs"}:
            continue
        text = file.read_text().split("#[cfg(test)]\nmod tests {")[0]
        # Pairs stand as codes only in the one map of refusals.
        known |= {
            found for form in forms if file.name == "problem.rs" or form is not forms[4] for found in re.findall(form, text)
        }
    refusal = (ROOT / "crates/countersign-server/src/serve/refusal.rs").read_text().split("#[cfg(test)]")[0]
    known |= set(re.findall(r'", "([a-z]+_[a-z_]+)", ', refusal))
    words = (ROOT / "crates/countersign/src/oauth/refusal.rs").read_text()
    known |= set(re.findall(r'Self::\w+ => "([a-z_]+)",', words))
    page = (ROOT / "docs/reference/errors.md").read_text()
    listed = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.M))
    if len(known) < 30:
        problems.append(f"found only {len(known)} codes in the sources: has their form changed?")
    problems.extend(f"errors.md: {missing} is missing" for missing in sorted(known - listed))
    problems.extend(f"errors.md: nothing answers {extra}" for extra in sorted(listed - known))


def check_dependencies() -> None:
    """Every direct dependency has its reason."""
    page = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    reasoned = set(re.findall(r"`([a-z0-9_-]+)`", "".join(re.findall(r"^\| (`[^|]+) \|", page, re.M))))
    direct: set[str] = set()
    for manifest in ROOT.glob("*/**/Cargo.toml"):
        if SKIPPED & set(manifest.relative_to(ROOT).parts):
            continue
        table = tomllib.loads(manifest.read_text())
        for section in ("dependencies", "dev-dependencies", "build-dependencies"):
            direct |= set(table.get(section, {}))
    direct -= {"countersign", "countersign-testbed", "countersign-token"}
    problems.extend(f"0002-dependencies.md: {missing} has no reason" for missing in sorted(direct - reasoned))
    problems.extend(f"0002-dependencies.md: nothing depends on {extra}" for extra in sorted(reasoned - direct))


check_links()
check_copies()
check_dependencies()
check_settings()
check_codes()
print("\n".join(problems) or f"{len(pages())} pages: links, settings and error codes as in the code")
sys.exit(1 if problems else 0)
