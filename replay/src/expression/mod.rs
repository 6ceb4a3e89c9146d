//! Questions about a state: `any(Health.points <= 0 and Team.team == 1)`.
//!
//! ```text
//! 12.Health.points <= 20                         a field of one entity
//! any(Health.points <= 10 and Team.team == 1)    of some entity; all(…) of every one
//! count(Kind.kind == 3) > 20                     how many; sum(Seat.kills) adds a number up
//! changed(12.Health.points)                      differs from the tick before
//! before(12.Health.points) - 12.Health.points >= 50
//! exists(12) and not exists(12.Shot)             an entity; a component of it
//! tick >= 900 and tick < 1800
//! ```
//!
//! Numbers are in the units in which states are shown: metres, not 256ths. They are compared as 64-bit floats, so
//! integers are exact up to 2^53. Operators from the loosest: `or`, `and`, `not`, one of `== != < <= > >=`,
//! `+ -`, `* /`, `-x`. `true`, `false` and fields of type bool are truths; everything else is a number.
//!
//! `any`, `all`, `count` and `sum` go over each entity that has *at least one* of the components named inside, now or,
//! for what stands in `before` and `changed`, a tick ago; `id` is the entity's number there. They do not nest.
//!
//! What is not there has no value: a comparison with it is false, `sum` leaves it out, and `changed` is true in the
//! tick in which it comes or goes. `not Team.team == 1` therefore holds of those who have no team, and
//! `Team.team != 1` does not. A division by zero has no value either.
//!
//! Names are resolved once, in [`Expression::parse`]; [`Expression::holds`] then reads rows and allocates nothing
//! that grows with the match.

mod evaluate;
mod lexer;
mod parser;

use protocol::manifest::{Field, Manifest};
use protocol::{Columns, EntityId};
use thiserror::Error;

/// Longest expression.
pub const EXPRESSION_BYTES_MAX: usize = 2_000;

/// Deepest nesting of parentheses, `not` and `-`.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("column {column}: {message}")]
pub struct ExpressionError {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl ExpressionError {
    /// The text with a mark below the place, for people.
    #[must_use]
    pub fn pointed(&self, text: &str) -> String {
        format!("{self}\n  {text}\n  {:>width$}", "^", width = self.column)
    }
}

/// What an expression is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The tick.
    pub tick: u64,
    /// The state after it.
    pub now: &'a Columns,
    /// The state after the tick before; `None` at the first tick there is.
    pub before: Option<&'a Columns>,
}

/// A question that a state answers with yes or no.
#[derive(Debug, Clone)]
pub struct Expression {
    root: Truth,
    looks_back: bool,
}

impl Expression {
    /// Reads an expression. Fields without an entity (`Health.points`) mean those of `entity`, outside of `any`, `all`,
    /// `count` and `sum`.
    ///
    /// # Errors
    /// With the column of the first thing that is wrong.
    pub fn parse(text: &str, manifest: &Manifest, entity: Option<EntityId>) -> Result<Self, ExpressionError> {
        parser::parse(text, manifest, entity)
    }

    /// Whether it holds.
    ///
    /// # Panics
    /// When the columns are of another manifest than the expression.
    #[must_use]
    pub fn holds(&self, at: &Seen<'_>) -> bool {
        self.root.holds(at, EntityId(0))
    }

    /// Whether it needs [`Seen::before`].
    #[must_use]
    pub const fn looks_back(&self) -> bool {
        self.looks_back
    }
}

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// Of the entity that `any` and its like have come to.
    Each,
    /// Of one entity.
    One(EntityId),
}

/// A field, resolved.
#[derive(Debug, Clone)]
struct FieldOf {
    whose: Whose,
    component: usize,
    field: Field,
}

/// Which entities to go over: those with a row of one of these components.
#[derive(Debug, Clone, Default)]
struct Domain {
    now: Vec<usize>,
    before: Vec<usize>,
    /// Each entity, whatever it has.
    everything: bool,
}

#[derive(Debug, Clone)]
enum Truth {
    Constant(bool),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Compare(Number, Comparison, Number),
    /// Whether two truths are the same.
    Same(Box<Self>, Box<Self>),
    Differ(Box<Self>, Box<Self>),
    Flag(FieldOf),
    FlagBefore(FieldOf),
    /// Of column 0: the entity itself.
    Exists(Whose, usize),
    Changed(FieldOf),
    Some(Domain, Box<Self>),
    Every(Domain, Box<Self>),
}

#[derive(Debug, Clone)]
enum Number {
    Literal(f64),
    Tick,
    Id,
    Field(FieldOf),
    Before(FieldOf),
    Negative(Box<Self>),
    Of(Box<Self>, Arithmetic, Box<Self>),
    Count(Domain, Box<Truth>),
    Total(Domain, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arithmetic {
    Plus,
    Minus,
    Times,
    Over,
}
