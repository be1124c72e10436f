"""Numbers and names of the report in words."""

import re

from markupsafe import Markup, escape

SIZE_WORDS = {"V": "classes", "N": "rows", "n": "elements"}
TRAFFIC_WORDS = {  # of bench/limits.h
    "read": "reading its data once",
    "fill": "writing one array",
    "update": "reading an array and writing it in place",
    "copy": "reading one array and writing another",
    "add": "reading two arrays and writing a third",
}


def speed(per_second: float) -> str:
    """In 1e9 a second, three digits."""
    return digits(per_second / 1e9)


def digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def share(of_limit: float | None) -> str:
    return "–" if of_limit is None else f"{100 * of_limit:.0f} %" if of_limit >= 0.01 else f"{100 * of_limit:.1g} %"


def times(factor: float | None) -> str:
    return "–" if factor is None else f"{digits(factor)}×"


def words(sizes: dict[str, int]) -> str:
    """ "1,000 classes × 131 rows"."""
    return " × ".join(f"{n:,} {plural(n, SIZE_WORDS.get(key, key))}" for key, n in sizes.items())


def plural(n: int, word: str) -> str:
    return word if n != 1 else {"classes": "class"}.get(word, word.removesuffix("s"))


def size(count: int) -> str:
    """Of memory: "512 KiB"."""
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}" if count < 1000 * factor else f"{count / factor:,.0f} {unit}"
    return f"{count} bytes"


def ulp(errors: dict[str, float | str] | None) -> str:
    """ "loss 1.58, grad 2.41"."""
    return ", ".join(f"{output} {_ulp(worst)}" for output, worst in errors.items()) if errors else "–"


def ulp_worst(errors: dict[str, float | str] | None) -> str:
    """Of all outputs."""
    return _ulp(max(errors.values(), key=float)) if errors else "–"  # "inf" sorts, too


def _ulp(worst: float | str) -> str:
    return worst if isinstance(worst, str) else f"{worst:.2f}"


def traffic(name: str) -> str:
    return TRAFFIC_WORDS.get(name, name)


def breakable(name: str) -> Markup:
    """A name that a narrow column may break where it has its joints."""
    return Markup(re.sub("([/_])", r"\1<wbr>", str(escape(name))))


def anchor(name: str) -> str:
    return name.replace("/", "-")
