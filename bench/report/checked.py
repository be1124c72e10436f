"""What vloss-check found, for the report."""

import math


class InputError(Exception):
    """What was read is not what vloss-bench or vloss-check writes."""


def read(check: dict) -> tuple[dict, str, list[dict]]:
    """By function: whether all ISAs gave the same bits in every case, and the worst error of each output and ISA. Then
    what was done in words, and what failed.
    """
    found: dict[str, dict] = {}
    try:
        isas = check["isas"].split()
        for line in check["lines"]:
            function = found.setdefault(
                line["function"],
                {
                    "cases": 0,
                    "failures": 0,
                    "bits": "equal",
                    "isas": isas,
                    "ulp": {},
                    "ulp_of": {isa: {} for isa in isas},
                },
            )
            function["cases"] += line["cases"]
            function["failures"] += line["failures"]
            if line["bits"] == "DIFF":
                function["bits"] = "different"
            _worse(function["ulp"], line["ulp"])
            for isa, errors in line["ulp_of"].items():
                _worse(function["ulp_of"][isa], errors)
        cases = sum(function["cases"] for function in found.values())
        words = f"{cases:,} cases, {check['failures']} failures, seed {check['seed']}"
        failures = [
            {"row": f"vloss-check, {f['function']} on {f['isa']}, {f['what']}", "error": f"{f['where']}: {f['text']}"}
            for f in check["shown"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"this is not the JSON of vloss-check: {error!r}") from error
    for function in found.values():
        if len(isas) < 2 and function["bits"] == "equal":
            function["bits"] = "one ISA"
        # Class indices are right or wrong; an error of 0 ulp says nothing of them.
        real = [output for output, worst in function["ulp"].items() if worst > 0]
        function["ulp"] = of_outputs(function["ulp"], real)
        function["ulp_of"] = {isa: of_outputs(errors, real) for isa, errors in function["ulp_of"].items()}
    return found, words, failures


def _worse(worst: dict[str, float], errors: dict[str, float | str]) -> None:
    for output, ulp in errors.items():
        # JSON has no infinity and no NaN: they are strings.
        number = float(ulp)
        worst[output] = max(worst.get(output, 0.0), math.inf if math.isnan(number) else number)


def of_outputs(errors: dict[str, float], outputs: list[str]) -> dict[str, float | str]:
    chosen = {output: errors.get(output, 0.0) for output in outputs}
    return {output: "inf" if ulp == math.inf else ulp for output, ulp in chosen.items()}
