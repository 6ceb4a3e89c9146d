//! What the columns say of an entity: whose it is, where, on which side, and who may hear of it.

use protocol::manifest::{Field, FieldKind, Manifest, Rule};
use protocol::{Columns, EntityId};

use super::grid::At;

/// Which players, apart from the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Audience {
    #[default]
    Nobody,
    Everybody,
    Team(i64),
    /// Bit n is team n.
    Teams(u64),
}

impl Audience {
    #[inline]
    pub(super) fn admits(self, team: Option<i64>) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Team(of) => team == Some(of),
            Self::Teams(bits) => team.is_some_and(|team| has_bit(bits, team)),
        }
    }

    /// Those whom both admit.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everybody, audience) | (audience, Self::Everybody) => audience,
            (Self::Nobody, _) | (_, Self::Nobody) => Self::Nobody,
            (Self::Teams(one), Self::Teams(other)) => Self::Teams(one & other).or_nobody(),
            (Self::Team(team), audience) | (audience, Self::Team(team)) => {
                if audience.admits(Some(team)) {
                    Self::Team(team)
                } else {
                    Self::Nobody
                }
            }
        }
    }

    const fn or_nobody(self) -> Self {
        if matches!(self, Self::Teams(0)) { Self::Nobody } else { self }
    }
}

fn has_bit(bits: u64, team: i64) -> bool {
    (0..64).contains(&team) && bits >> team & 1 == 1
}

/// Who hears of an entity, apart from its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub(super) audience: Audience,
    /// Only those who are near.
    pub(super) is_near: bool,
}

/// One entity.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) id: u32,
    pub(super) owner: u32,
    pub(super) at: Option<At>,
    /// As its own field says.
    pub(super) own_side: Option<i64>,
    /// Whom all rules admit but those that ask for its side.
    audience: Audience,
    is_near: bool,
    is_team: bool,
    /// Its own, or its owner's.
    pub(super) side: Option<i64>,
    pub(super) told: Told,
    /// Whether the two above are known.
    pub(super) is_placed: bool,
}

impl Facts {
    /// Who hears of it when it is on this side.
    pub(super) fn told_on(&self, side: Option<i64>) -> Told {
        let mut audience = self.audience;
        if self.is_team {
            audience = audience.and(side.map_or(Audience::Nobody, Audience::Team));
        }
        if audience == Audience::Nobody || (self.is_near && self.at.is_none()) {
            return Told::default();
        }
        Told { audience, is_near: self.is_near }
    }

    /// Whether players of this team find it in the lists.
    pub(super) fn is_listed_for(&self, team: Option<i64>) -> bool {
        !self.told.is_near && self.told.audience.admits(team)
    }
}

/// Where in the columns the facts stand.
#[derive(Debug)]
pub(super) struct Sources {
    /// Place of the component, and its coordinates.
    position: Option<(usize, Vec<Field>)>,
    side: Option<(usize, Field)>,
    rules: Vec<(usize, RuleAt)>,
}

#[derive(Debug)]
enum RuleAt {
    Near,
    Always,
    Owner,
    Team,
    Audience(Field),
}

impl Sources {
    pub(super) fn new(manifest: &Manifest) -> Self {
        let Some(interest) = manifest.interest() else {
            return Self { position: None, side: None, rules: Vec::new() };
        };
        let place = |number| manifest.index_of(number).expect("a manifest's hints name its components");
        let field = |component: usize, field: u8| manifest.layouts()[component].fields[usize::from(field)].clone();
        let position = interest.nearness.as_ref().map(|near| {
            let component = place(near.component);
            (component, near.axes.iter().map(|axis| field(component, *axis)).collect())
        });
        let side = interest.side.map(|side| (place(side.component), field(place(side.component), side.field)));
        let rules = interest.rules.iter().filter_map(|rule| {
            let component = place(rule.component);
            let at = match rule.rule {
                Rule::Near => RuleAt::Near,
                Rule::Always => RuleAt::Always,
                Rule::Owner => RuleAt::Owner,
                Rule::Team => RuleAt::Team,
                Rule::Audience { field: bits } => RuleAt::Audience(field(component, bits)),
                Rule::TeamRows => return None,
            };
            Some((component, at))
        });
        Self { position, side, rules: rules.collect() }
    }

    /// What the columns say of an entity; `None` when it does not exist.
    pub(super) fn read(&self, columns: &Columns, entity: EntityId) -> Option<Facts> {
        let owner = columns.owner(entity)?;
        let at = self.position.as_ref().and_then(|(component, axes)| {
            let row = columns.column(*component).row(entity)?;
            let mut at = [0; 3];
            at.iter_mut().zip(axes).for_each(|(at, axis)| *at = coordinate(axis, row));
            Some(at)
        });
        let own_side = self
            .side
            .as_ref()
            .and_then(|(component, field)| columns.column(*component).row(entity).map(|row| field.read(row)));
        let mut facts = Facts {
            id: entity.0,
            owner,
            at,
            own_side,
            audience: Audience::Everybody,
            is_near: false,
            is_team: false,
            side: None,
            told: Told::default(),
            is_placed: false,
        };
        let mut has_rule = false;
        for (component, rule) in &self.rules {
            let Some(row) = columns.column(*component).row(entity) else { continue };
            has_rule = true;
            match rule {
                RuleAt::Near => facts.is_near = true,
                RuleAt::Always => {}
                RuleAt::Owner => facts.audience = Audience::Nobody,
                RuleAt::Team => facts.is_team = true,
                RuleAt::Audience(bits) => {
                    let teams = Audience::Teams(bits.read(row) as u64).or_nobody();
                    facts.audience = facts.audience.and(teams);
                }
            }
        }
        facts.is_near |= !has_rule && facts.at.is_some();
        Some(facts)
    }
}

/// Fits 32 bits signed, whatever the kind: differences stay what they are.
fn coordinate(axis: &Field, row: &[u8]) -> i32 {
    let number = axis.read(row);
    if axis.kind == FieldKind::U32 { (number - (1 << 31)) as i32 } else { number as i32 }
}
