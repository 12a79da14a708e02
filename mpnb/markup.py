"""Words and colours for HTML that stands in a notebook: those of the front end, with fallbacks. Text in, HTML out."""

from __future__ import annotations

from html import escape
from typing import Final

FONT: Final = "var(--jp-ui-font-family, system-ui, sans-serif)"
CODE: Final = "var(--jp-code-font-family, ui-monospace, monospace)"
TEXT: Final = "var(--jp-ui-font-color1, currentColor)"
MUTED: Final = "var(--jp-ui-font-color2, currentColor)"
FINE: Final = "var(--jp-border-color2, #8884)"
GREEN: Final = "#2c9f7c"
AMBER: Final = "#d99a1c"
#: Before what was split, or could be; and before what stays serial, which is nothing bad.
SPLIT_MARK: Final = "✓"
SERIAL_MARK: Final = "○"

# front ends give `code` a ground and a margin of its own
_AS_CODE: Final = f"font-family:{CODE};font-size:inherit;padding:0;background:transparent;color:inherit"


def with_code(text: str) -> str:
    """Text as HTML, with what stands in backquotes set as code.

    Examples
    --------
    >>> with_code("a < b")
    'a &lt; b'
    """
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without its fellow
        return escape(text)
    return "".join(
        f'<code style="{_AS_CODE}">{escape(part)}</code>' if place % 2 else escape(part)
        for place, part in enumerate(parts)
    )
