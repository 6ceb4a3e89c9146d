//! Reads an expression, one level of operators after the other, and checks what is a number and what is a truth.

use protocol::EntityId;
use protocol::manifest::{FieldKind, Layout, Manifest};

use super::lexer::{Token, Word, words};
use super::{
    Arithmetic, Comparison, Domain, EXPRESSION_BYTES_MAX, EXPRESSION_DEPTH_MAX, Expression, ExpressionError, FieldOf,
    Number, Truth, Whose,
};

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::Unequal),
    ("<", Comparison::Less),
    ("<=", Comparison::AtMost),
    (">", Comparison::More),
    (">=", Comparison::AtLeast),
];
const SUMS: [(&str, Arithmetic); 2] = [("+", Arithmetic::Plus), ("-", Arithmetic::Minus)];
const PRODUCTS: [(&str, Arithmetic); 2] = [("*", Arithmetic::Times), ("/", Arithmetic::Over)];

pub(super) fn parse(text: &str, manifest: &Manifest, entity: Option<EntityId>) -> Result<Expression, ExpressionError> {
    if text.len() > EXPRESSION_BYTES_MAX {
        let message = format!("the expression has {} bytes; at most {EXPRESSION_BYTES_MAX} are read", text.len());
        return Err(ExpressionError { column: 1, message });
    }
    let words = words(text)?;
    let mut parser = Parser { words, at: 0, manifest, entity, each: None, depth: 0, looks_back: false };
    let root = parser.or()?.into_truth("the whole")?;
    match parser.peek() {
        Token::End => Ok(Expression { root, looks_back: parser.looks_back }),
        Token::Sign(")") => Err(parser.wrong("no parenthesis is open here")),
        other => Err(parser.wrong(format!("{} follows; join two parts with `and` or `or`", other.told()))),
    }
}

type Read<T> = Result<T, ExpressionError>;

struct Parser<'a> {
    words: Vec<Word>,
    at: usize,
    manifest: &'a Manifest,
    entity: Option<EntityId>,
    /// What `any` and its like go over, while inside one.
    each: Option<Domain>,
    depth: usize,
    looks_back: bool,
}

/// A part that was read, and where it begins.
struct Part {
    column: usize,
    kind: Kind,
}

enum Kind {
    Truth(Truth),
    Number(Number),
}

impl Part {
    fn into_truth(self, whose: &str) -> Read<Truth> {
        match self.kind {
            Kind::Truth(truth) => Ok(truth),
            Kind::Number(_) => {
                let message = format!("{whose} must be true or false, this is a number; compare it with something");
                Err(ExpressionError { column: self.column, message })
            }
        }
    }

    fn into_number(self, whose: &str) -> Read<Number> {
        match self.kind {
            Kind::Number(number) => Ok(number),
            Kind::Truth(_) => {
                let message = format!("{whose} must be a number, this is true or false");
                Err(ExpressionError { column: self.column, message })
            }
        }
    }
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        &self.words[self.at].token
    }

    fn column(&self) -> usize {
        self.words[self.at].column
    }

    fn wrong(&self, message: impl Into<String>) -> ExpressionError {
        ExpressionError { column: self.column(), message: message.into() }
    }

    fn next(&mut self) {
        // The end stays in sight.
        self.at = (self.at + 1).min(self.words.len() - 1);
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Name(None, name) if name == word);
        if is_it {
            self.next();
        }
        is_it
    }

    fn takes_one<T: Copy>(&mut self, signs: &[(&str, T)]) -> Option<T> {
        let Token::Sign(sign) = self.peek() else { return None };
        let found = signs.iter().find(|(known, _)| known == sign).map(|(_, meaning)| *meaning)?;
        self.next();
        Some(found)
    }

    fn expect(&mut self, sign: &'static str, what: &str) -> Read<()> {
        if *self.peek() == Token::Sign(sign) {
            self.next();
            return Ok(());
        }
        Err(self.wrong(format!("{what} needs `{sign}` here, found {}", self.peek().told())))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth == EXPRESSION_DEPTH_MAX {
            return Err(self.wrong(format!("nested more than {EXPRESSION_DEPTH_MAX} deep")));
        }
        self.depth += 1;
        let part = read(self);
        self.depth -= 1;
        part
    }

    fn or(&mut self) -> Read<Part> {
        self.joined("or", Self::and, Truth::Or)
    }

    fn and(&mut self) -> Read<Part> {
        self.joined("and", Self::not, Truth::And)
    }

    fn joined(
        &mut self,
        word: &str,
        read: impl Fn(&mut Self) -> Read<Part>,
        join: impl Fn(Vec<Truth>) -> Truth,
    ) -> Read<Part> {
        let first = read(self)?;
        if !self.takes_word(word) {
            return Ok(first);
        }
        let column = first.column;
        let whose = format!("each side of `{word}`");
        let mut parts = vec![first.into_truth(&whose)?];
        loop {
            parts.push(read(self)?.into_truth(&whose)?);
            if !self.takes_word(word) {
                return Ok(Part { column, kind: Kind::Truth(join(parts)) });
            }
        }
    }

    fn not(&mut self) -> Read<Part> {
        let column = self.column();
        if !self.takes_word("not") {
            return self.comparison();
        }
        let truth = self.deeper(Self::not)?.into_truth("what follows `not`")?;
        Ok(Part { column, kind: Kind::Truth(Truth::Not(Box::new(truth))) })
    }

    fn comparison(&mut self) -> Read<Part> {
        let left = self.sum()?;
        let column = left.column;
        let sign = self.column();
        let Some(comparison) = self.takes_one(&COMPARISONS) else { return Ok(left) };
        let right = self.sum()?;
        if let Token::Sign(next) = self.peek()
            && COMPARISONS.iter().any(|(known, _)| known == next)
        {
            return Err(self.wrong("comparisons do not chain; join two of them with `and`"));
        }
        let truth = match (left.kind, right.kind) {
            (Kind::Number(left), Kind::Number(right)) => Truth::Compare(left, comparison, right),
            (Kind::Truth(left), Kind::Truth(right)) => match comparison {
                Comparison::Equal => Truth::Same(Box::new(left), Box::new(right)),
                Comparison::Unequal => Truth::Differ(Box::new(left), Box::new(right)),
                _ => {
                    let message = "true and false have no order; compare them with `==` or `!=`".to_owned();
                    return Err(ExpressionError { column: sign, message });
                }
            },
            _ => {
                let message = "one side is a number and the other true or false".to_owned();
                return Err(ExpressionError { column: sign, message });
            }
        };
        Ok(Part { column, kind: Kind::Truth(truth) })
    }

    fn sum(&mut self) -> Read<Part> {
        self.chain(&SUMS, Self::product)
    }

    fn product(&mut self) -> Read<Part> {
        self.chain(&PRODUCTS, Self::unary)
    }

    fn chain(&mut self, signs: &[(&str, Arithmetic)], read: impl Fn(&mut Self) -> Read<Part>) -> Read<Part> {
        let mut left = read(self)?;
        while let Some(arithmetic) = self.takes_one(signs) {
            let column = left.column;
            let right = Box::new(read(self)?.into_number("each side of an operation")?);
            let number = Number::Of(Box::new(left.into_number("each side of an operation")?), arithmetic, right);
            left = Part { column, kind: Kind::Number(number) };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Read<Part> {
        let column = self.column();
        if *self.peek() != Token::Sign("-") {
            return self.primary();
        }
        self.next();
        let number = self.deeper(Self::unary)?.into_number("what follows `-`")?;
        Ok(Part { column, kind: Kind::Number(Number::Negative(Box::new(number))) })
    }

    fn primary(&mut self) -> Read<Part> {
        let column = self.column();
        let kind = match self.peek().clone() {
            Token::Number(number) => {
                self.next();
                Kind::Number(Number::Literal(number))
            }
            Token::Sign("(") => {
                self.next();
                let inner = self.deeper(Self::or)?;
                self.expect(")", "the parenthesis")?;
                inner.kind
            }
            Token::Name(None, word) if self.is_called() => self.call(&word)?,
            Token::Name(None, word) if !word.contains('.') => self.word(&word)?,
            Token::Name(entity, name) => self.field(entity, &name)?,
            Token::End => return Err(self.wrong("something is missing at the end")),
            Token::Sign(sign) => {
                return Err(self.wrong(format!("`{sign}` stands where a field, a number or a `(` belongs")));
            }
        };
        Ok(Part { column, kind })
    }

    fn is_called(&self) -> bool {
        self.words.get(self.at + 1).is_some_and(|word| word.token == Token::Sign("("))
    }

    fn word(&mut self, word: &str) -> Read<Kind> {
        let kind = match word {
            "true" => Kind::Truth(Truth::Constant(true)),
            "false" => Kind::Truth(Truth::Constant(false)),
            "tick" => Kind::Number(Number::Tick),
            "id" => match &mut self.each {
                Some(each) => {
                    each.everything = true;
                    Kind::Number(Number::Id)
                }
                None => return Err(self.wrong("`id` has a meaning inside any(…), all(…), count(…) and sum(…)")),
            },
            "and" | "or" => return Err(self.wrong(format!("`{word}` needs something on both sides"))),
            _ => {
                let is_component = self.manifest.layout_of(word).is_some();
                let cure = if is_component { "name a field of it, as in" } else { "fields are written as in" };
                return Err(self.wrong(format!("`{word}` alone means nothing; {cure} {}", self.example(word))));
            }
        };
        self.next();
        Ok(kind)
    }

    fn call(&mut self, word: &str) -> Read<Kind> {
        let known = ["any", "all", "count", "sum", "changed", "before", "exists"];
        if !known.contains(&word) {
            let listed = known.join("(…), ");
            return Err(self.wrong(format!("there is no `{word}(…)`; there are {listed}(…)")));
        }
        if ["any", "all", "count", "sum"].contains(&word) {
            return self.over_entities(word);
        }
        self.next();
        self.next();
        let kind = match word {
            "exists" => self.exists()?,
            _ => {
                let Token::Name(entity, name) = self.peek().clone() else {
                    return Err(self.wrong(format!("{word}(…) takes a field, as in {word}(12.Health.points)")));
                };
                let field = self.resolve(entity, &name, true)?;
                self.looks_back = true;
                let is_flag = field.field.kind == FieldKind::Bool;
                match (word, is_flag) {
                    ("changed", _) => Kind::Truth(Truth::Changed(field)),
                    (_, true) => Kind::Truth(Truth::FlagBefore(field)),
                    (_, false) => Kind::Number(Number::Before(field)),
                }
            }
        };
        self.expect(")", &format!("{word}(…)"))?;
        Ok(kind)
    }

    fn over_entities(&mut self, word: &str) -> Read<Kind> {
        if self.each.is_some() {
            return Err(self.wrong(format!("{word}(…) cannot stand inside another any, all, count or sum")));
        }
        let column = self.column();
        self.next();
        self.next();
        self.each = Some(Domain::default());
        let inner = self.deeper(Self::or);
        let domain = self.each.take().expect("it was put there, and the inside does not nest");
        let inner = inner?;
        self.expect(")", &format!("{word}(…)"))?;
        if domain.now.is_empty() && domain.before.is_empty() && !domain.everything {
            let message = format!("{word}(…) names no component, so there is nothing to go over");
            return Err(ExpressionError { column, message });
        }
        let whose = format!("the inside of {word}(…)");
        Ok(match word {
            "any" => Kind::Truth(Truth::Some(domain, Box::new(inner.into_truth(&whose)?))),
            "all" => Kind::Truth(Truth::Every(domain, Box::new(inner.into_truth(&whose)?))),
            "count" => Kind::Number(Number::Count(domain, Box::new(inner.into_truth(&whose)?))),
            _ => Kind::Number(Number::Total(domain, Box::new(inner.into_number(&whose)?))),
        })
    }

    /// `exists(12)`, `exists(12.Shot)`, and inside `any` and its like `exists(Shot)`.
    fn exists(&mut self) -> Read<Kind> {
        let (whose, component) = match self.peek().clone() {
            Token::Number(number) if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) => {
                (Whose::One(EntityId(number as u32)), 0)
            }
            Token::Name(entity, name) if !name.contains('.') => {
                let (component, _) = self.component(&name)?;
                (self.whose(entity, &name, component, false)?, component)
            }
            _ => return Err(self.wrong("exists(…) takes an entity or a component of one: exists(12), exists(12.Shot)")),
        };
        self.next();
        Ok(Kind::Truth(Truth::Exists(whose, component)))
    }

    fn field(&mut self, entity: Option<u32>, name: &str) -> Read<Kind> {
        let field = self.resolve(entity, name, false)?;
        Ok(match field.field.kind {
            FieldKind::Bool => Kind::Truth(Truth::Flag(field)),
            _ => Kind::Number(Number::Field(field)),
        })
    }

    /// Finds a field by its names and steps over them.
    fn resolve(&mut self, entity: Option<u32>, name: &str, before: bool) -> Read<FieldOf> {
        let Some((component, field)) = name.split_once('.') else {
            return Err(self.wrong(format!("a field is missing: write {}", self.example(name))));
        };
        let (index, layout) = self.component(component)?;
        let found = layout.fields.iter().find(|candidate| candidate.name == field).cloned();
        let Some(found) = found else {
            let fields: Vec<_> = layout.fields.iter().map(|field| field.name.as_str()).collect();
            return Err(self.wrong(format!("{component} has no field {field}; it has {}", fields.join(", "))));
        };
        let whose = self.whose(entity, name, index, before)?;
        self.next();
        Ok(FieldOf { whose, component: index, field: found })
    }

    fn component(&self, name: &str) -> Read<(usize, Layout)> {
        let found = self.manifest.layout_of(name).map(|(index, layout)| (index, layout.clone()));
        found.ok_or_else(|| {
            let names: Vec<_> = self.manifest.layouts().iter().map(|layout| layout.name.as_str()).collect();
            self.wrong(format!("there is no component {name}; there are {}", names.join(", ")))
        })
    }

    fn whose(&mut self, entity: Option<u32>, name: &str, component: usize, before: bool) -> Read<Whose> {
        if let Some(entity) = entity {
            return Ok(Whose::One(EntityId(entity)));
        }
        if let Some(each) = &mut self.each {
            for list in std::iter::once(&mut each.now).chain(before.then_some(&mut each.before)) {
                if !list.contains(&component) {
                    list.push(component);
                }
            }
            return Ok(Whose::Each);
        }
        self.entity.map(Whose::One).ok_or_else(|| {
            self.wrong(format!("{name} of which entity? Write 12.{name}, or any({name} …), or say which with --entity"))
        })
    }

    /// A field that is there, to show how one is written.
    fn example(&self, component: &str) -> String {
        let layouts = self.manifest.layouts();
        let layout = layouts.iter().find(|layout| layout.name == component).or_else(|| layouts.get(1));
        let layout = layout.unwrap_or(&layouts[0]);
        let field = layout.fields.first().map_or("field", |field| field.name.as_str());
        format!("12.{}.{field}", layout.name)
    }
}
