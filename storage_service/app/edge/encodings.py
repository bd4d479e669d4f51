"""Accept-Encoding: whether an answer may be packed with gzip. Source: RFC 9110, section 12.5.3."""


def takes_gzip(accepted: str) -> bool:
    """Named itself, or by `*`, and not with a weight of 0."""
    weights = {name: weight for name, weight in map(_parse, accepted.lower().split(","))}
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _parse(one: str) -> tuple[str, float]:
    """A coding and its weight; one that cannot be read counts as none."""
    name, _, parameter = one.partition(";")
    weight = parameter.strip().removeprefix("q=")
    try:
        return name.strip(), float(weight) if weight else 1.0
    except ValueError:
        return name.strip(), 0.0
