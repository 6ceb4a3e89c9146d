//! Answers an expression from rows.

use protocol::{Columns, EntityId};

use super::{Arithmetic, Comparison, Domain, FieldOf, Number, Seen, Truth, Whose};

impl Truth {
    /// `each` is the entity that `any` and its like have come to.
    pub(super) fn holds(&self, at: &Seen<'_>, each: EntityId) -> bool {
        self.value(at, each).unwrap_or(false)
    }

    /// `None` when it is a field that is not there.
    fn value(&self, at: &Seen<'_>, each: EntityId) -> Option<bool> {
        Some(match self {
            Self::Constant(truth) => *truth,
            Self::Not(truth) => !truth.holds(at, each),
            Self::And(parts) => parts.iter().all(|part| part.holds(at, each)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(at, each)),
            Self::Compare(left, comparison, right) => match (left.value(at, each), right.value(at, each)) {
                (Some(left), Some(right)) => comparison.of(left, right),
                _ => false,
            },
            Self::Same(left, right) => both(left, right, at, each).is_some_and(|(left, right)| left == right),
            Self::Differ(left, right) => both(left, right, at, each).is_some_and(|(left, right)| left != right),
            Self::Flag(field) => return field.row(at.now, each).map(|row| field.field.read(row) != 0),
            Self::FlagBefore(field) => return field.row(at.before?, each).map(|row| field.field.read(row) != 0),
            Self::Exists(whose, component) => at.now.column(*component).row(whose.entity(each)).is_some(),
            Self::Changed(field) => at.before.is_some_and(|before| {
                let read = |columns| field.row(columns, each).map(|row| field.field.read(row));
                read(before) != read(at.now)
            }),
            Self::Some(domain, truth) => domain.entities(at).any(|each| truth.holds(at, each)),
            Self::Every(domain, truth) => domain.entities(at).all(|each| truth.holds(at, each)),
        })
    }
}

fn both(left: &Truth, right: &Truth, at: &Seen<'_>, each: EntityId) -> Option<(bool, bool)> {
    Some((left.value(at, each)?, right.value(at, each)?))
}

impl Number {
    fn value(&self, at: &Seen<'_>, each: EntityId) -> Option<f64> {
        Some(match self {
            Self::Literal(number) => *number,
            Self::Tick => at.tick as f64,
            Self::Id => f64::from(each.0),
            Self::Field(field) => field.field.value(field.row(at.now, each)?),
            Self::Before(field) => field.field.value(field.row(at.before?, each)?),
            Self::Negative(number) => -number.value(at, each)?,
            Self::Of(left, arithmetic, right) => {
                let number = arithmetic.of(left.value(at, each)?, right.value(at, each)?);
                return number.is_finite().then_some(number);
            }
            Self::Count(domain, truth) => domain.entities(at).filter(|each| truth.holds(at, *each)).count() as f64,
            Self::Total(domain, number) => domain.entities(at).filter_map(|each| number.value(at, each)).sum(),
        })
    }
}

impl Comparison {
    #[expect(clippy::float_cmp, reason = "fields are exact; who compares quotients with == asks for exactly that")]
    fn of(self, left: f64, right: f64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

impl Arithmetic {
    fn of(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Plus => left + right,
            Self::Minus => left - right,
            Self::Times => left * right,
            Self::Over => left / right,
        }
    }
}

impl Whose {
    const fn entity(self, each: EntityId) -> EntityId {
        match self {
            Self::Each => each,
            Self::One(entity) => entity,
        }
    }
}

impl FieldOf {
    fn row<'a>(&self, columns: &'a Columns, each: EntityId) -> Option<&'a [u8]> {
        columns.column(self.component).row(self.whose.entity(each))
    }
}

impl Domain {
    /// Each entity once, ascending.
    fn entities<'a>(&'a self, at: &Seen<'a>) -> impl Iterator<Item = EntityId> + 'a {
        let ids = |columns: &'a Columns, component: &usize| columns.column(*component).iter().map(|(id, _)| id);
        let before = at.before.filter(|_| !self.before.is_empty());
        let now = at.now;
        let mut columns: Vec<_> = if self.everything {
            vec![ids(now, &0).peekable()]
        } else {
            self.now.iter().map(|component| ids(now, component).peekable()).collect()
        };
        let earlier =
            before.into_iter().flat_map(|before| self.before.iter().map(move |component| (before, component)));
        columns.extend(earlier.map(|(before, component)| ids(before, component).peekable()));
        std::iter::from_fn(move || {
            let next = columns.iter_mut().filter_map(|column| column.peek().copied()).min_by_key(|id| id.0)?;
            for column in &mut columns {
                column.next_if_eq(&next);
            }
            Some(next)
        })
    }
}
