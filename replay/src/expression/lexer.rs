//! Cuts an expression into words.

use super::ExpressionError;

/// A word and where it begins, in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) column: usize,
    pub(super) token: Token,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Number(f64),
    /// `Health.points` or `12.Health.points` or `and`: the entity, and names between dots.
    Name(Option<u32>, String),
    Sign(&'static str),
    End,
}

impl Token {
    /// For messages.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Number(number) => format!("`{number}`"),
            Self::Name(Some(entity), name) => format!("`{entity}.{name}`"),
            Self::Name(None, name) => format!("`{name}`"),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::End => "the end".to_owned(),
        }
    }
}

/// Longer signs first.
const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")"];

/// What people write who come from another language, and what is written here.
const FOREIGN: [(&str, &str); 4] = [("&&", "and"), ("||", "or"), ("!", "not"), ("=", "==")];

pub(super) fn words(text: &str) -> Result<Vec<Word>, ExpressionError> {
    let mut words = Vec::new();
    let mut rest = text;
    let mut column = 1;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            (rest, column) = (&rest[first.len_utf8()..], column + 1);
            continue;
        }
        let (token, length) = next(rest).map_err(|message| ExpressionError { column, message })?;
        words.push(Word { column, token });
        // Words are ASCII: a byte is a character.
        (rest, column) = (&rest[length..], column + length);
    }
    words.push(Word { column, token: Token::End });
    Ok(words)
}

fn next(rest: &str) -> Result<(Token, usize), String> {
    let first = rest.as_bytes()[0];
    if first.is_ascii_digit() {
        return number(rest);
    }
    if is_letter(first) {
        let name = dotted(rest);
        return Ok((Token::Name(None, name.to_owned()), name.len()));
    }
    if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    let foreign = FOREIGN.into_iter().find(|(foreign, _)| rest.starts_with(foreign));
    Err(match foreign {
        Some((foreign, ours)) => format!("`{foreign}` is no operator here; write `{ours}`"),
        None => {
            let letter = rest.chars().next().unwrap_or_default();
            format!("{letter:?} means nothing here; names are like 12.Health.points")
        }
    })
}

/// `12`, `1.5`, or the beginning of `12.Health.points`.
fn number(rest: &str) -> Result<(Token, usize), String> {
    let digits = |from: usize| from + rest[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let after = rest.as_bytes().get(whole + 1).copied().unwrap_or_default();
    let has_point = rest.as_bytes().get(whole) == Some(&b'.');
    if has_point && is_letter(after) {
        let entity = rest[..whole]
            .parse()
            .map_err(|_| format!("{} is no entity: they go up to {}", &rest[..whole], u32::MAX))?;
        let name = dotted(&rest[whole + 1..]);
        return Ok((Token::Name(Some(entity), name.to_owned()), whole + 1 + name.len()));
    }
    let end = if has_point && after.is_ascii_digit() { digits(whole + 1) } else { whole };
    if rest.as_bytes().get(end).copied().is_some_and(|next| is_letter(next) || next == b'.') {
        return Err(format!("`{}` is followed by what is no part of a number", &rest[..end]));
    }
    let number: f64 = rest[..end].parse().map_err(|_| format!("`{}` is no number", &rest[..end]))?;
    if number.is_finite() { Ok((Token::Number(number), end)) } else { Err("this number is too large".to_owned()) }
}

/// Names between dots; the second and later ones may be numbers, as in `Score.teams.0`.
fn dotted(rest: &str) -> &str {
    let bytes = rest.as_bytes();
    let is_part = |byte: u8| is_letter(byte) || byte.is_ascii_digit();
    let mut end = 0;
    loop {
        end += bytes[end..].iter().take_while(|byte| is_part(**byte)).count();
        let goes_on = bytes.get(end) == Some(&b'.') && bytes.get(end + 1).copied().is_some_and(is_part);
        if !goes_on {
            return &rest[..end];
        }
        end += 1;
    }
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_'
}
