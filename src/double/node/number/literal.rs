//! The number at the beginning of a text, as C's `strtod` finds it: decimal or hexadecimal, with an exponent or none, or an infinity.

/// A number, not yet a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Literal<'a> {
    pub negative: bool,
    pub kind: Kind<'a>,
    /// How many bytes of the text it takes, its sign too.
    pub length: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind<'a> {
    Infinity,
    Decimal(Digits<'a>),
    Hexadecimal(Digits<'a>),
}

/// The digits before the point and those after it, and the exponent as it is written: of ten after `e`, of two after `p`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits<'a> {
    pub whole: &'a [u8],
    pub fraction: &'a [u8],
    /// At most [`Digits::FARTHEST`], up or down: no text is so long that its digits could make up for more.
    pub exponent: i64,
}

impl<'a> Literal<'a> {
    /// What `text` begins with. No space before it. A NaN is no number here: no command of Redis takes one.
    pub fn read(text: &'a [u8]) -> Option<Self> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let sign = text.len() - rest.len();
        let begins = |word: &[u8]| {
            rest.get(..word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let (kind, length) = if begins(b"infinity") {
            (Kind::Infinity, 8)
        } else if begins(b"inf") {
            (Kind::Infinity, 3)
        } else {
            let hexadecimal = begins(b"0x").then(|| {
                let (digits, length) = Digits::read(&rest[2..], u8::is_ascii_hexdigit, b'p')?;
                Some((Kind::Hexadecimal(digits), length + 2))
            });
            // An `0x` with no digit after it is a zero and something else.
            match hexadecimal.flatten() {
                Some(found) => found,
                None => {
                    let (digits, length) = Digits::read(rest, u8::is_ascii_digit, b'e')?;
                    (Kind::Decimal(digits), length)
                }
            }
        };
        Some(Literal {
            negative,
            kind,
            length: sign + length,
        })
    }
}

impl<'a> Digits<'a> {
    pub const FARTHEST: i64 = 1 << 40;

    fn read(text: &'a [u8], is_digit: fn(&u8) -> bool, mark: u8) -> Option<(Self, usize)> {
        let digits = |from: usize| {
            let rest = &text[from..];
            let length = rest.iter().take_while(|sign| is_digit(sign)).count();
            &rest[..length]
        };
        let whole = digits(0);
        let mut length = whole.len();
        let mut fraction: &[u8] = &[];
        if text.get(length) == Some(&b'.') {
            fraction = digits(length + 1);
            length += 1 + fraction.len();
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut exponent = 0;
        if text
            .get(length)
            .is_some_and(|sign| sign.eq_ignore_ascii_case(&mark))
            && let Some((value, taken)) = exponent_of(&text[length + 1..])
        {
            exponent = value;
            length += 1 + taken;
        }
        let digits = Digits {
            whole,
            fraction,
            exponent,
        };
        Some((digits, length))
    }

    /// All digits in their order, from the first that is not zero.
    pub fn significant(&self) -> impl Iterator<Item = u8> + Clone {
        let all = self.whole.iter().chain(self.fraction).copied();
        all.skip_while(|digit| *digit == b'0')
    }

    /// The exponent that makes the number out of its digits taken as a whole number.
    pub fn exponent_of_last(&self, per_digit: i64) -> i64 {
        self.exponent - self.fraction.len() as i64 * per_digit
    }
}

fn exponent_of(text: &[u8]) -> Option<(i64, usize)> {
    let sign = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = text[sign..].iter().take_while(|sign| sign.is_ascii_digit());
    let mut value = 0_i64;
    let mut length = sign;
    for digit in digits {
        value = (value * 10 + i64::from(digit - b'0')).min(Digits::FARTHEST);
        length += 1;
    }
    let value = if text.first() == Some(&b'-') {
        -value
    } else {
        value
    };
    (length > sign).then_some((value, length))
}
