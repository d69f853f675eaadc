"""The notations of formulas: how a product, a fraction, a transpose or a condition is written in each.

Unicode text is the Style that the others start from: ASCII for terminals, LaTeX for documents, MathML for browsers.
Which constructs an expression consists of is the business of formulas.py.
"""

from __future__ import annotations

import html
import re

SUM, PRODUCT, UNARY, POWER, ATOM = range(5)

Spelled = tuple[str, int]  # a text, and how tightly it binds


class Style:
    """Unicode text; the other notations replace what they write otherwise."""

    product, minus = " ∘ ", "-"
    exponents = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

    def name(self, text: str) -> str:
        return text

    def word(self, text: str) -> str:
        return text

    def number(self, text: str) -> str:
        return text

    def equation(self, left: str, right: str) -> str:
        return f"{left} = {right}"

    def brackets(self, text: str) -> str:
        return f"({text})"

    def side_by_side(self, a: str, b: str) -> str:
        return f"{a} {b}"

    def elementwise(self, a: str, b: str) -> str:
        return f"{a}{self.product}{b}"

    def add(self, a: str, b: str) -> str:
        return f"{a} + {b}"

    def subtract(self, a: str, b: str) -> str:
        return f"{a} - {b}"

    def negative(self, a: str) -> str:
        return f"-{a}"

    def fraction(self, a: Spelled, b: Spelled, scalar: bool) -> Spelled:
        slash = "/" if scalar and a[1] == b[1] == ATOM else " / "
        return f"{self.within(a, PRODUCT)}{slash}{self.within(b, POWER)}", ATOM if slash == "/" else PRODUCT

    def power(self, a: str, n: str) -> str:
        whole = n.lstrip("-").isdigit()
        return f"{a}{n.translate(self.exponents)}" if whole else f"{a}^({n})" if " " in n else f"{a}^{n}"

    def transpose(self, a: str) -> str:
        return f"{a}ᵀ"

    def total(self, a: str) -> str:
        return f"Σ {a}"

    def root(self, a: str) -> str:
        return f"√{a}" if re.fullmatch(r"\w+", a) else f"√({a})"

    def holds(self, a: str, sign: str, b: str) -> str:
        return f"[{a} {sign} {b}]"

    def choice(self, condition: str, a: str, b: str) -> str:
        return f"({a} if {condition.strip('[]')} else {b})"

    def call(self, word: str, arguments: list[str]) -> str:
        return f"{self.word(word)}({', '.join(arguments)})"

    def setting(self, text: str) -> str:
        return text

    def index(self, a: str, key: str) -> str:
        return f"{a}[{key}]"

    def ones(self) -> str:
        return "𝟏"

    def within(self, part: Spelled, strength: int) -> str:
        """The text, in brackets if it binds less than `strength`."""
        return part[0] if part[1] >= strength else self.brackets(part[0])


class Ascii(Style):
    """For terminals that know no more."""

    product = " * "

    def name(self, text: str) -> str:
        return text.translate({0x03BB: "lambda", 0x0177: "y_hat"}).encode("ascii", "replace").decode()

    def word(self, text: str) -> str:
        return "sigmoid" if text == "σ" else text

    def power(self, a: str, n: str) -> str:
        return f"{a}^{n}" if re.fullmatch(r"[\w.]+", n) else f"{a}^({n})"

    def transpose(self, a: str) -> str:
        return f"{a}.T"

    def total(self, a: str) -> str:
        return f"sum {a}"

    def root(self, a: str) -> str:
        return f"sqrt({a})"

    def holds(self, a: str, sign: str, b: str) -> str:
        return f"[{a} { {'≥': '>=', '≤': '<=', '=': '==', '≠': '!='}.get(sign, sign) } {b}]"

    def ones(self) -> str:
        return "ones"

    def setting(self, text: str) -> str:
        return text.replace("…", "...")

    def index(self, a: str, key: str) -> str:
        return f"{a}[{key.replace('…', '...')}]"


class Latex(Style):
    """For documents: what stands between dollars."""

    def name(self, text: str) -> str:
        found = re.fullmatch(r"(d?)([A-Za-z]+?)(\d*)", text)
        if not found or (len(found[2]) > 1 and not found[1]):
            return r"\mathrm{" + re.sub(r"([_#%&$])", r"\\\1", text) + "}"
        letter = found[2] if len(found[2]) == 1 else r"\mathrm{" + found[2] + "}"
        return (r"\mathrm{d}" if found[1] else "") + letter + (f"_{{{found[3]}}}" if found[3] else "")

    def word(self, text: str) -> str:
        return r"\sigma" if text == "σ" else r"\operatorname{" + text.replace("_", r"\_") + "}"

    def brackets(self, text: str) -> str:
        return rf"\left({text}\right)"

    def side_by_side(self, a: str, b: str) -> str:
        return rf"{a}\, {b}"

    def elementwise(self, a: str, b: str) -> str:
        return rf"{a} \circ {b}"

    def fraction(self, a: Spelled, b: Spelled, scalar: bool) -> Spelled:
        return rf"\frac{{{a[0]}}}{{{b[0]}}}", ATOM

    def power(self, a: str, n: str) -> str:
        return f"{a}^{{{n}}}"

    def transpose(self, a: str) -> str:
        return rf"{a}^{{\top}}"

    def total(self, a: str) -> str:
        return rf"\sum {a}"

    def root(self, a: str) -> str:
        return rf"\sqrt{{{a}}}"

    def holds(self, a: str, sign: str, b: str) -> str:
        sign = {"≥": r"\ge", "≤": r"\le", "≠": r"\ne"}.get(sign, sign)
        return rf"[\,{a} {sign} {b}\,]"

    def choice(self, condition: str, a: str, b: str) -> str:
        return rf"\begin{{cases}}{a} & {condition}\\ {b} & \text{{else}}\end{{cases}}"

    def call(self, word: str, arguments: list[str]) -> str:
        return rf"{self.word(word)}\left({', '.join(arguments)}\right)"

    def setting(self, text: str) -> str:
        return r"\text{" + re.sub(r"([_#%&$])", r"\\\1", text) + "}"

    def ones(self) -> str:
        return r"\mathbf{1}"


class MathML(Style):
    """MathML Core: what browsers draw without help."""

    def name(self, text: str) -> str:
        found = re.fullmatch(r"(d?)(\w+?)(\d+)", text)
        if text[:1] == "d" and len(text) > 1 and not found:
            return f'<mrow><mi mathvariant="normal">d</mi>{self.name(text[1:])}</mrow>'
        if not found:
            return f"<mi>{html.escape(text)}</mi>"
        sub = f"<msub><mi>{html.escape(found[2])}</mi><mn>{found[3]}</mn></msub>"
        return f'<mrow><mi mathvariant="normal">d</mi>{sub}</mrow>' if found[1] else sub

    def word(self, text: str) -> str:
        return f"<mi>{html.escape(text)}</mi>"

    def number(self, text: str) -> str:
        return f"<mn>{html.escape(text)}</mn>"

    def _row(self, *parts: str) -> str:
        return f"<mrow>{''.join(parts)}</mrow>"

    def _sign(self, sign: str) -> str:
        return f"<mo>{html.escape(sign)}</mo>"

    def equation(self, left: str, right: str) -> str:
        return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{left}{self._sign("=")}{right}</math>'

    def brackets(self, text: str) -> str:
        return self._row(self._sign("("), text, self._sign(")"))

    def side_by_side(self, a: str, b: str) -> str:
        return self._row(a, '<mspace width="0.2em"></mspace>', b)

    def elementwise(self, a: str, b: str) -> str:
        return self._row(a, self._sign("∘"), b)

    def add(self, a: str, b: str) -> str:
        return self._row(a, self._sign("+"), b)

    def subtract(self, a: str, b: str) -> str:
        return self._row(a, self._sign("−"), b)

    def negative(self, a: str) -> str:
        return self._row(self._sign("−"), a)

    def fraction(self, a: Spelled, b: Spelled, scalar: bool) -> Spelled:
        return f"<mfrac>{self._row(a[0])}{self._row(b[0])}</mfrac>", ATOM

    def power(self, a: str, n: str) -> str:
        return f"<msup>{self._row(a)}{self._row(n)}</msup>"

    def transpose(self, a: str) -> str:
        return f"<msup>{self._row(a)}<mo>⊤</mo></msup>"

    def total(self, a: str) -> str:
        return self._row(self._sign("∑"), a)

    def root(self, a: str) -> str:
        return f"<msqrt>{a}</msqrt>"

    def holds(self, a: str, sign: str, b: str) -> str:
        return self._row(self._sign("["), a, self._sign(sign), b, self._sign("]"))

    def choice(self, condition: str, a: str, b: str) -> str:
        return self._row(
            self._sign("("), a, "<mtext> if </mtext>", condition, "<mtext> else </mtext>", b, self._sign(")")
        )

    def call(self, word: str, arguments: list[str]) -> str:
        return self._row(self.word(word), self.brackets(self._sign(",").join(arguments)))

    def setting(self, text: str) -> str:
        return f"<mtext>{html.escape(text)}</mtext>"

    def index(self, a: str, key: str) -> str:
        return self._row(a, self._sign("["), f"<mtext>{html.escape(key)}</mtext>", self._sign("]"))

    def ones(self) -> str:
        return '<mn mathvariant="bold">1</mn>'


TEXT, ASCII, LATEX, MATHML = Style(), Ascii(), Latex(), MathML()
