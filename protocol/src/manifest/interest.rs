//! Who hears of which entity, as a game declares it: hints that an edge can follow without knowing the rules.
//!
//! The rules of an entity are those of the components that it has. **Every one of them must admit a player**, so the
//! most restrictive wins:
//!
//! | rule | admits |
//! |---|---|
//! | [`Rule::Always`] | everybody |
//! | [`Rule::Near`] | who is near; nobody while the entity is nowhere |
//! | [`Rule::Team`] | the team on whose side the entity is; nobody while it is on none |
//! | [`Rule::Audience`] | teams whose bit is set: team 0 has bit 0, teams from 64 have none |
//! | [`Rule::Owner`] | nobody |
//! | none, and the entity is somewhere | who is near |
//! | none, and the entity is nowhere | everybody |
//!
//! Whoever owns an entity hears of it whatever its rules say. [`Rule::TeamRows`] decides about rows and not entities:
//! those of its component go to the owner and to the team on whose side the entity is.

use super::{FieldKind, Layout, ManifestError, Visibility, shape};
use crate::generated::manifest_generated::worldlog::manifest as fb;
use crate::limits::{INTEREST_AXES_MAX, INTEREST_MARGIN_MAX, INTEREST_REACH_MAX};

/// Who hears of which entity.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Interest {
    /// What near means. Without it nothing is anywhere.
    pub nearness: Option<Nearness>,
    /// Where an entity's side is written.
    pub side: Option<SideField>,
    /// What components say of their entities and rows; ascending by component, the rule of its rows last.
    pub rules: Vec<ComponentRule>,
}

/// What near means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearness {
    /// The component that says where an entity is.
    pub component: u16,
    /// Places of its coordinates among its fields: two or three.
    pub axes: Vec<u8>,
    /// How far a player hears from each of its own entities that are somewhere.
    pub reach: Reach,
    /// An entity that is seen stays so until it is this much beyond the reach; in numbers of the fields, 0 to
    /// [`INTEREST_MARGIN_MAX`].
    pub margin: u32,
}

/// How far a player hears, in numbers of the fields, each 1 to [`INTEREST_REACH_MAX`]. The border is included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Distance.
    Radius(u32),
    /// Half of the extent on each axis.
    Rectangle(Vec<u32>),
}

/// The field that says on whose side an entity is. What has none is on the side of the player who owns it, and a
/// player is on that of its entities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideField {
    /// Its component.
    pub component: u16,
    /// Its place among the fields.
    pub field: u8,
}

/// What a component says of entities that have it, or of its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComponentRule {
    /// The component.
    pub component: u16,
    /// What it says.
    pub rule: Rule,
}

/// One thing that a component can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Who is near hears of the entity.
    Near,
    /// Everybody hears of the entity, wherever it is.
    Always,
    /// The owner alone hears of the entity.
    Owner,
    /// The team on whose side the entity is hears of it, wherever it is.
    Team,
    /// Teams whose bit is set hear of the entity, wherever it is: the game's own rule, whose systems write the bits.
    Audience {
        /// Place of the field with the bits.
        field: u8,
    },
    /// The team on whose side the entity is hears of this component's rows.
    TeamRows,
}

impl Interest {
    /// Whether everybody hears of everything, so that nobody need ask.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.nearness.is_none() && self.rules.iter().all(|rule| rule.rule == Rule::Always)
    }

    pub(super) fn pack(&self) -> fb::InterestT {
        let (form, reach) = match self.nearness.as_ref().map(|near| &near.reach) {
            Some(Reach::Radius(radius)) => (fb::Shape::Radius, Some(vec![*radius])),
            Some(Reach::Rectangle(halves)) => (fb::Shape::Rectangle, Some(halves.clone())),
            None => (fb::Shape::Radius, None),
        };
        let rules = self.rules.iter().map(|rule| {
            let (kind, field) = match rule.rule {
                Rule::Near => (fb::Rule::Near, 0),
                Rule::Always => (fb::Rule::Always, 0),
                Rule::Owner => (fb::Rule::Owner, 0),
                Rule::Team => (fb::Rule::Team, 0),
                Rule::Audience { field } => (fb::Rule::Audience, field),
                Rule::TeamRows => (fb::Rule::TeamRows, 0),
            };
            fb::ComponentRuleT { component: rule.component, rule: kind, field }
        });
        fb::InterestT {
            position: self.nearness.as_ref().map_or(0, |near| near.component),
            axes: self.nearness.as_ref().map(|near| near.axes.clone()),
            shape: form,
            reach,
            margin: self.nearness.as_ref().map_or(0, |near| near.margin),
            team: self.side.map_or(0, |side| side.component),
            team_field: self.side.map_or(0, |side| side.field),
            rules: (!self.rules.is_empty()).then(|| rules.collect()),
        }
    }

    pub(super) fn unpack(table: &fb::Interest<'_>) -> Result<Self, ManifestError> {
        let nearness = match table.position() {
            0 => None,
            component => Some(unpack_nearness(table, component)?),
        };
        let side = (table.team() != 0).then(|| SideField { component: table.team(), field: table.team_field() });
        let rules = table.rules().iter().flatten().map(|rule| unpack_rule(&rule)).collect::<Result<_, _>>()?;
        Ok(Self { nearness, side, rules })
    }

    pub(super) fn check(&self, layouts: &[Layout]) -> Result<(), ManifestError> {
        if let Some(near) = &self.nearness {
            check_nearness(near, layouts)?;
        }
        if let Some(side) = self.side {
            let layout = known(layouts, side.component, "the side of an entity")?;
            is_number(layout, side.field, "the side of an entity")?;
        }
        for rule in &self.rules {
            self.check_rule(*rule, layouts)?;
        }
        let place = |rule: &ComponentRule| (rule.component, rule.rule == Rule::TeamRows);
        match self.rules.windows(2).find(|pair| place(&pair[0]) >= place(&pair[1])) {
            Some(pair) => Err(shape(format!(
                "interest: the rules of components {} and {} are out of order, or two where one may be: give each \
                 component one rule for entities and one for rows at most, ascending by number",
                pair[0].component, pair[1].component
            ))),
            None => Ok(()),
        }
    }

    fn check_rule(&self, rule: ComponentRule, layouts: &[Layout]) -> Result<(), ManifestError> {
        let layout = known(layouts, rule.component, "a rule")?;
        let name = &layout.name;
        if layout.number == 0 {
            return Err(shape(format!("interest: a rule for {name}, which every entity has; name another component")));
        }
        match rule.rule {
            Rule::Near if self.nearness.is_none() => {
                Err(shape(format!("interest: {name} has rule Near, but no component says where an entity is")))
            }
            Rule::Team | Rule::TeamRows if self.side.is_none() => Err(shape(format!(
                "interest: {name} has a rule for teams, but no field says on whose side an entity is"
            ))),
            Rule::TeamRows if layout.visibility != Visibility::Everyone => {
                Err(shape(format!("interest: rows of {name} cannot go to a team, its visibility is not everyone")))
            }
            Rule::Audience { field } => is_bits(layout, field),
            _ => Ok(()),
        }
    }
}

fn unpack_nearness(table: &fb::Interest<'_>, component: u16) -> Result<Nearness, ManifestError> {
    let halves: Vec<u32> = table.reach().iter().flatten().take(INTEREST_AXES_MAX + 1).collect();
    let reach = match (table.shape(), &halves[..]) {
        (fb::Shape::Radius, [radius]) => Reach::Radius(*radius),
        (fb::Shape::Radius, _) => return Err(shape("interest: a radius is one number")),
        (fb::Shape::Rectangle, _) => Reach::Rectangle(halves),
        (other, _) => return Err(shape(format!("interest: shape {} is unknown", other.0))),
    };
    let axes = table.axes().iter().flatten().take(INTEREST_AXES_MAX + 1).collect();
    Ok(Nearness { component, axes, reach, margin: table.margin() })
}

fn unpack_rule(rule: &fb::ComponentRule<'_>) -> Result<ComponentRule, ManifestError> {
    let kind = match rule.rule() {
        fb::Rule::Near => Rule::Near,
        fb::Rule::Always => Rule::Always,
        fb::Rule::Owner => Rule::Owner,
        fb::Rule::Team => Rule::Team,
        fb::Rule::Audience => Rule::Audience { field: rule.field() },
        fb::Rule::TeamRows => Rule::TeamRows,
        other => return Err(shape(format!("interest: rule {} is unknown", other.0))),
    };
    Ok(ComponentRule { component: rule.component(), rule: kind })
}

fn check_nearness(near: &Nearness, layouts: &[Layout]) -> Result<(), ManifestError> {
    let layout = known(layouts, near.component, "where an entity is")?;
    let count = near.axes.len();
    if !(2..=INTEREST_AXES_MAX).contains(&count) {
        return Err(shape(format!("interest: a place has {count} axes; 2 to {INTEREST_AXES_MAX} are allowed")));
    }
    for (place, axis) in near.axes.iter().enumerate() {
        is_number(layout, *axis, "where an entity is")?;
        if near.axes[..place].contains(axis) {
            let field = &layout.fields[usize::from(*axis)].name;
            return Err(shape(format!("interest: {}.{field} is two axes at once", layout.name)));
        }
    }
    let reach = match &near.reach {
        Reach::Radius(radius) => std::slice::from_ref(radius),
        Reach::Rectangle(halves) if halves.len() == count => halves,
        Reach::Rectangle(halves) => {
            return Err(shape(format!("interest: {} reaches for {count} axes", halves.len())));
        }
    };
    if let Some(bad) = reach.iter().find(|reach| !(1..=INTEREST_REACH_MAX).contains(*reach)) {
        return Err(shape(format!("interest: a reach of {bad}; 1 to {INTEREST_REACH_MAX} are allowed")));
    }
    if near.margin > INTEREST_MARGIN_MAX {
        return Err(shape(format!("interest: a margin of {}; 0 to {INTEREST_MARGIN_MAX} are allowed", near.margin)));
    }
    Ok(())
}

/// A component that edges know.
fn known<'a>(layouts: &'a [Layout], number: u16, what: &str) -> Result<&'a Layout, ManifestError> {
    let layout = layouts.iter().find(|layout| layout.number == number);
    let layout =
        layout.ok_or_else(|| shape(format!("interest: {what} names component {number}, which is not there")))?;
    if layout.visibility == Visibility::Server {
        let name = &layout.name;
        return Err(shape(format!(
            "interest: {what} names {name}, of which edges do not know; its visibility is server"
        )));
    }
    Ok(layout)
}

/// A field whose numbers can be compared, and whose differences fit 64 bits.
fn is_number(layout: &Layout, field: u8, what: &str) -> Result<(), ManifestError> {
    use FieldKind::{I8, I16, I32, U8, U16, U32};
    let (name, kind) = kind_of(layout, field, what)?;
    if matches!(kind, U8 | U16 | U32 | I8 | I16 | I32) {
        return Ok(());
    }
    Err(shape(format!(
        "interest: {what} is to be read from {name}, which is {kind:?}: use an integer of at most 32 bits, or an f32 \
         with quantize"
    )))
}

/// A field with a bit for each team.
fn is_bits(layout: &Layout, field: u8) -> Result<(), ManifestError> {
    use FieldKind::{U8, U16, U32, U64};
    let (name, kind) = kind_of(layout, field, "an audience")?;
    if matches!(kind, U8 | U16 | U32 | U64) {
        return Ok(());
    }
    Err(shape(format!("interest: an audience is to be read from {name}, which is {kind:?}: use an unsigned integer")))
}

fn kind_of(layout: &Layout, field: u8, what: &str) -> Result<(String, FieldKind), ManifestError> {
    let found = layout.fields.get(usize::from(field)).ok_or_else(|| {
        shape(format!("interest: {what} names field {field} of {}, which has {}", layout.name, layout.fields.len()))
    })?;
    Ok((format!("{}.{}", layout.name, found.name), found.kind))
}
