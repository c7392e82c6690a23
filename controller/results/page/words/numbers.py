"""Numbers with the digits that a reader can use; nothing else is imported, so that whatever tells numbers can."""

NBSP = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Write three decimals for scores, four digits for anything larger."""
    return _minus(f"{value:.3f}" if abs(value) < 10 else f"{value:,.4g}")


def signed(value: float) -> str:
    return _minus(f"{value:+.3f}" if abs(value) < 10 else f"{value:+,.4g}")


def interval(low: float, high: float) -> str:
    return f"[{number(low)}, {number(high)}]"


def signed_interval(low: float, high: float) -> str:
    return f"[{signed(low)}, {signed(high)}]"


def percent(share: float) -> str:
    if 0 < share < 0.01:
        return f"<{NBSP}1{NBSP}%"
    return f"{100 * share:.0f}{NBSP}%"


def p_value(p: float) -> str:
    return f"p{NBSP}<{NBSP}0.001" if p < 0.001 else f"p{NBSP}={NBSP}{p:.3f}"


def amount(value: float) -> str:
    """Write a count with its SI prefix: 950, 12.4 k, 3.1 M, ..."""
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g}{NBSP}{prefix}"
    return f"{value:.3g}"


def flops(value: float) -> str:
    text = amount(value)
    return f"{text}FLOP" if text[-1].isalpha() else f"{text}{NBSP}FLOP"


def duration(seconds: float) -> str:
    if seconds < 59.5:
        return f"{seconds:.1f}{NBSP}s" if seconds < 9.95 else f"{seconds:.0f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest:02d}{NBSP}s"
    return f"{minutes // 60}{NBSP}h {minutes % 60:02d}{NBSP}min"


def _minus(text: str) -> str:
    """Use the true minus sign, and none on a zero."""
    return text.lstrip("-") if text.strip("-0.") == "" else text.replace("-", "−")
